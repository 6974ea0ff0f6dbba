"""Classes in a real napari window: given by key, listed, drawn in colours, saved with the labels and opened again."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_clickseg.core.object_classes import COLOURS
from napari_clickseg.gui.plugin_layers import classes_in

pytestmark = pytest.mark.viewer
SHIFT = Qt.KeyboardModifier.ShiftModifier


def line_colours(b) -> set[tuple[int, ...]]:
    """The colours of lines that the outlines show."""
    shown = [layer.data for layer in b.viewer.layers if layer.name == "outlines" and layer.visible]
    picture = shown[0] if shown else np.zeros((1, 4))
    return set(map(tuple, picture[picture[..., 3] == 255][:, :3].tolist()))


def test_a_class_is_given_by_key_listed_drawn_saved_and_opened_again(bench, plane, tmp_path):
    b = bench(plane)
    for place in ((10, 32), (30, 32), (50, 32)):
        b.click(*place)
        b.key(Qt.Key.Key_Return)
    b.hand.point_at((10, 32))
    b.key(Qt.Key.Key_K, SHIFT)
    b.ready()
    panel = b.panel.classes
    assert [panel.list.item(k).text() for k in range(panel.list.count())] == ["class 1"]
    panel.list.item(0).setText("mitotic")
    panel.add.click()
    b.ready()
    b.hand.point_at((30, 32))
    b.key(Qt.Key.Key_K, SHIFT)
    b.ready()
    assert dict(b.session.classes) == {1: "mitotic", 2: "class 1"}
    b.until(lambda: classes_in(b.labels.features) == {1: "mitotic", 2: "class 1"})
    b.until(lambda: set(COLOURS[:2]) < line_colours(b))
    panel.propose.click()
    b.until(lambda: panel.accept.isEnabled())
    assert b.session.classes.keys() == {1, 2}
    panel.accept.click()
    b.ready()
    assert b.session.classes.keys() == {1, 2, 3}
    b.run("undo")
    b.until(lambda: classes_in(b.labels.features) == {1: "mitotic", 2: "class 1"})

    b.panel.requests.path_given.emit("labels", tmp_path / "cells.tif")
    b.until(lambda: b.status.startswith("Saved in cells.tif"))
    with open(tmp_path / "cells measurements.csv", newline="") as handle:
        assert [row["class"] for row in csv.DictReader(handle)] == ["mitotic", "class 1", ""]
    b.panel.requests.path_given.emit("open labels", tmp_path / "cells.tif")
    b.until(lambda: b.labels.name == "cells")
    assert dict(b.session.classes) == {1: "mitotic", 2: "class 1"}
    assert not b.session.can_undo
