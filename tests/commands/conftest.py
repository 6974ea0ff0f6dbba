"""Commands run in an empty folder, where an image, clicks and a folder of labelled images are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from imageio import v3

from command_lines import discs, write_clicks
from napari_clickseg.benchmark import costs as memory
from napari_clickseg.models import registry
from napari_clickseg.storage import paths


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with an image of two discs and clicks on them."""
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite(
        "image.tif", discs(), metadata={"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}, ome=True
    )
    write_clicks("clicks.csv", [(1, 1, 20, 20), (2, 1, 20, 60), (2, 0, 20, 40)])
    return tmp_path


@pytest.fixture
def no_weights(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither shipped models nor the user's own."""
    monkeypatch.setattr(registry, "SHIPPED_FOLDER", here / "none")
    monkeypatch.setenv(paths.MODELS_VARIABLE, str(here / "none"))


@pytest.fixture
def pack(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(memory, "measure_peak", lambda model, device: 12.5)
    for folder in ("images", "labels"):
        (here / "pack" / folder).mkdir(parents=True)
    v3.imwrite(here / "pack" / "images" / "a.png", discs())
    v3.imwrite(here / "pack" / "labels" / "a.png", ((discs() > 100) * (1 + (np.arange(80) > 40))).astype(np.uint8))
    return here / "pack"
