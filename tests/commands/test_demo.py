"""clickseg demo: the sample, segmented by a robot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from imageio import v3

from napari_clickseg.cli import main


def test_demo_writes_labels_and_an_overlay_and_tells_the_iou_per_click(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--model", "geodesic", "--output", "seen"]) == 0
    said = capsys.readouterr().out
    assert "click 1: mean IoU 0." in said
    labels, picture = tifffile.imread("seen/labels.tif"), v3.imread("seen/overlay.png")
    assert picture.shape == (2 * labels.shape[0], 2 * labels.shape[1], 3)
    assert len(np.unique(labels)) > 10
    assert sorted(path.name for path in Path("seen").iterdir()) == ["labels.tif", "overlay.png"]
