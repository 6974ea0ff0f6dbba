"""Measurements in a real napari window: they stand in the features table of the labels, and beside saved labels."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from qtpy.QtCore import Qt

pytestmark = pytest.mark.viewer


@pytest.fixture
def measured(bench, plane):
    """Return a panel with one object of radius 6 that is measured, at half a micrometre a pixel."""
    plane[:] = 7
    b = bench(plane, scale=(0.5, 0.5), units=("um", "um"))
    b.click(10, 10)
    b.key(Qt.Key.Key_Return)
    b.key(Qt.Key.Key_T, Qt.KeyboardModifier.ShiftModifier)
    b.until(lambda: len(b.labels.features) == 2)
    return b


def test_the_features_table_holds_sizes_in_units_and_follows_what_is_drawn(measured):
    table = measured.labels.features
    pixels = int((measured.labels.data == 1).sum())
    assert table["index"].tolist() == [0, 1]
    assert table["area"][1] == pytest.approx(pixels / 4)
    assert table["mean"][1] == 7
    measured.click(25, 25)
    measured.key(Qt.Key.Key_Return)
    measured.until(lambda: measured.labels.features["index"].tolist() == [0, 1, 2])
    measured.run("measure")
    assert len(measured.labels.features.columns) <= 1


def test_the_table_is_saved_with_the_labels_and_written_over_no_other_file(measured, tmp_path):
    measured.panel.requests.path_given.emit("labels", tmp_path / "cells.tif")
    measured.until(lambda: measured.status.startswith("Saved in cells.tif"))
    with open(tmp_path / "cells measurements.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["label"] for row in rows] == ["1"]
    assert float(rows[0]["area"]) == pytest.approx(np.count_nonzero(measured.labels.data) / 4)
    (tmp_path / "other measurements.csv").write_text("my own numbers")
    measured.panel.requests.path_given.emit("labels", tmp_path / "other.tif")
    assert "no table of measurements" in measured.status
    assert not (tmp_path / "other.tif").exists()
    assert (tmp_path / "other measurements.csv").read_text() == "my own numbers"
