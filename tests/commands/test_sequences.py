"""clickseg bench --worst and --sequences: what they write and print, and what they say of bad input."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile

from command_lines import discs, refused
from napari_clickseg.benchmark import costs as memory
from napari_clickseg.cli import main


@pytest.fixture
def stack(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A movie of two frames and two discs that do not move."""
    monkeypatch.setattr(memory, "measure_peak", lambda model, device: 12.5)
    image = np.stack([discs()] * 2)
    for folder, array in (("images", image), ("labels", (image > 100) * (1 + (np.arange(80) > 40)))):
        (here / "movie" / folder).mkdir(parents=True)
        tifffile.imwrite(here / "movie" / folder / "m.tif", array.astype(np.uint16), metadata={"axes": "TYX"})
    return here / "movie"


def bench(*more: str) -> int:
    return main(["bench", "--models", "geodesic", "--data", "movie", "--jobs", "1", "--out", "result", *more])


def test_effort_is_measured_way_by_way_and_only_once(stack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--sequences", "effort") == 0
    assert "| movie | geodesic | carry and review |" in capsys.readouterr().out
    rows = Path("result/effort.csv").read_text()
    assert bench("--sequences", "effort") == 0
    assert "from scratch\n" not in capsys.readouterr().out
    assert Path("result/effort.csv").read_text() == rows


def test_the_review_of_two_kinds_of_labels_is_measured(stack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--sequences", "review") == 0
    out = capsys.readouterr().out
    assert "| movie | carried | geodesic |" in out
    assert "| movie | damaged | geodesic |" in out


def test_of_each_object_the_worst_frame_is_corrected(stack: Path) -> None:
    assert bench("--worst", "--start", "damaged", "--max-clicks", "2", "--objects", "9") == 0
    with open("result/clicks.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    objects = {(row["frame"], row["object"]) for row in rows}
    assert sorted(label for _, label in objects) == ["1", "2"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--sequences", "speed"), "There is no measure 'speed' of sequences; there are effort, review, cost."),
        (("--worst",), "name what to start from (--start damaged)"),
    ],
)
def test_bad_options_end_with_one_sentence(
    stack: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], sentence: str
) -> None:
    assert sentence in refused(capsys, bench(*options))
