"""What tests of the command line share: an image of two discs, clicks on them, and how a refusal reads."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from napari_clickseg.cli import main


def discs() -> np.ndarray:
    rows, columns = np.indices((40, 80))
    near = np.minimum(np.hypot(rows - 20, columns - 20), np.hypot(rows - 20, columns - 60))
    return np.where(near <= 10, 200, 20).astype(np.uint8)


def write_clicks(path: str, rows: list[tuple], axes: tuple[str, ...] = ("y", "x")) -> None:
    with open(path, "w", newline="") as handle:
        csv.writer(handle).writerows([("object", "positive", *axes), *rows])


def segment(*more: str) -> int:
    return main(["segment", "image.tif", "--clicks", "clicks.csv", "--output", "out.tif", "--model", "geodesic", *more])


def refused(capsys: pytest.CaptureFixture[str], code: int) -> str:
    """The one sentence on stderr after bad input, with nothing written."""
    assert code == 2
    assert not Path("out.tif").exists()
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("clickseg ")]
    assert len(lines) == 1
    return lines[0]
