"""Labels and sessions go from the panel to files; what was saved is not offered back."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt

from napari_clickseg.gui.controllers import saving
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.storage.session_file import Summary, load_session

pytestmark = pytest.mark.viewer


@pytest.fixture
def movie():
    return np.random.default_rng(2).integers(0, 99, (5, 64, 64), np.uint8)


def settled(b):
    b.until(lambda: not b.controller.saving.busy)


def drawn(b, *positions):
    for position in positions:
        b.click(*position)
        b.key(Qt.Key.Key_Return)


def journal(b):
    return b.controller.recovery.journal(b.pair)


def test_labels_are_written_with_the_axes_and_the_spacing_of_the_layer(bench, movie, tmp_path):
    b = bench(movie, scale=(2, 500, 500), units=("min", "nm", "nm"), axis_labels=("t", "y", "x"))
    drawn(b, (0, 5000, 5000), (0, 20000, 20000))
    b.panel.requests.path_given.emit("labels", tmp_path / "out.tif")
    b.until(lambda: b.status == "Saved in out.tif.")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), b.labels.data)
    image = read_image(tmp_path / "out.tif")
    assert image.axes == "TYX"
    assert image.spacing == pytest.approx((120, 0.5, 0.5))


def test_what_was_saved_is_not_offered_back_and_what_came_after_is(bench, movie, tmp_path):
    b = bench(movie)
    drawn(b, (0, 20, 20))
    assert journal(b).unsaved
    b.panel.requests.path_given.emit("labels", tmp_path / "out.tif")
    settled(b)
    assert journal(b).unsaved == 0
    drawn(b, (0, 40, 40))
    assert journal(b).unsaved


def test_what_is_done_while_the_labels_are_written_counts_as_unsaved(bench, movie, tmp_path, monkeypatch):
    gate = threading.Event()
    write = saving.write_labels
    monkeypatch.setattr(saving, "write_labels", lambda *args, **more: gate.wait(20) and write(*args, **more))
    b = bench(movie)
    drawn(b, (0, 20, 20))
    b.panel.requests.path_given.emit("labels", tmp_path / "out.tif")
    b.press("save_labels")
    assert "still being written" in b.status
    drawn(b, (0, 40, 40))
    gate.set()
    settled(b)
    assert "save once more" in b.status
    assert journal(b).unsaved


def test_a_session_is_written_from_its_journal_without_what_was_undone(bench, movie, tmp_path):
    b = bench(movie)
    drawn(b, (0, 20, 20), (1, 40, 40), (2, 30, 30))
    for _ in range(2):
        b.press("undo")
    b.panel.requests.path_given.emit("click log", tmp_path / "out.json")
    b.until(lambda: b.status == "Saved in out.json.")
    saved = load_session(tmp_path / "out.json")
    assert sorted(saved.clicks()) == [1, 2]
    assert saved.labels == Summary.of(b.session.labels)
    assert journal(b).unsaved


def test_labels_that_cannot_be_written_are_told_and_stay_unsaved(bench, movie, tmp_path):
    b = bench(movie)
    drawn(b, (0, 20, 20))
    for name, words in (("out.jpg", "its name must end in"), ("gone/out.tif", "no folder"), ("out.png", "one plane")):
        b.panel.requests.path_given.emit("labels", tmp_path / name)
        settled(b)
        assert words in b.status
        assert "Nothing is lost" in b.status
    assert journal(b).unsaved
    assert list(tmp_path.glob("out*")) == []


def test_the_image_is_not_written_over(bench, movie, tmp_path):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, movie, photometric="minisblack")
    b = bench(None, before=lambda viewer: viewer.open(path, plugin="napari"))
    b.panel.requests.path_given.emit("labels", path)
    assert "the file of the image" in b.status
    np.testing.assert_array_equal(tifffile.imread(path), movie)


def test_the_button_asks_for_a_name_beside_the_image_and_cancelling_writes_nothing(bench, movie, tmp_path, qtbot):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, movie, photometric="minisblack")
    b = bench(None, before=lambda viewer: viewer.open(path, plugin="napari"))
    row = b.panel.files
    for button, name in ((row.save, "cells objects.tif"), (b.panel.drawing.log, "cells clicks.json")):
        button.click()
        assert row.dialog.selectedFiles() == [str(tmp_path / name)]
        row.dialog.reject()
    assert sorted(p.name for p in tmp_path.glob("cells*")) == ["cells.tif"]
    qtbot.mouseClick(row.save, Qt.MouseButton.LeftButton)
    row.dialog.accept()
    b.until((tmp_path / "cells objects.tif").exists)


def test_without_an_image_there_is_nothing_to_save(bench):
    b = bench()
    b.press("save_labels")
    assert "open an image first" in b.status
