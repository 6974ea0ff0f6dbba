"""What was done in a panel that never finished is offered back in the next one."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from doubles import Disks
from napari_clickseg.session.session import Session
from napari_clickseg.storage.event_log import Journal

pytestmark = pytest.mark.viewer


@pytest.fixture
def image():
    return np.random.default_rng(1).integers(0, 99, (64, 64), np.uint8)


@pytest.fixture
def unfinished(image, journals):
    """Leave behind what a session of two objects wrote, one of them undone."""
    session = Session(image, Disks(radius=6), diameter=12)
    journal = Journal.start(session)
    for position in ((20, 20), (40, 40)):
        session.click(position)
        session.commit()
    session.undo()
    session.undo()
    journal.close()
    assert list(journals.glob("*.jsonl"))
    return session


def offered(b):
    return b.panel.files.offer.text.text()


def test_an_unfinished_session_is_offered_and_restored_beside_what_is_there(bench, image, unfinished, journals, qtbot):
    b = bench(image)
    b.until(lambda: "was not saved" in offered(b))
    assert b.controller.recovery.picture.side == 64
    before = b.labels
    b.click(50, 10)
    qtbot.mouseClick(b.panel.files.offer.buttons["restore"], Qt.MouseButton.LeftButton)
    b.until(lambda: b.labels is not before)
    np.testing.assert_array_equal(b.labels.data, unfinished.labels)
    assert set(np.unique(b.labels.data)) == {0, 1}
    b.controller.reports.resume()  # as what ends in the background later does
    assert "Restored in the Labels layer" in b.status
    assert b.viewer.layers.index(b.labels) > b.viewer.layers.index(before)
    assert before.data[50, 10] == 1
    assert offered(b) == ""
    b.press("redo")
    b.press("redo")
    assert "Restored" not in b.status
    assert set(np.unique(b.labels.data)) == {0, 1, 2}
    b.click(10, 50)
    assert b.labels.data[10, 50] == 3


def test_a_discarded_session_is_not_offered_again(bench, image, unfinished, journals, qtbot):
    b = bench(image)
    b.until(lambda: "was not saved" in offered(b))
    left = set(journals.glob("*.jsonl"))
    qtbot.mouseClick(b.panel.files.offer.buttons["discard"], Qt.MouseButton.LeftButton)
    b.until(lambda: len(left - set(journals.glob("*.jsonl"))) == 1)
    assert offered(b) == ""


def test_what_is_restored_before_anything_was_drawn_takes_the_empty_layers_place(bench, image, unfinished, qtbot):
    b = bench(image)
    b.until(lambda: "was not saved" in offered(b))
    layers, empty = list(b.viewer.layers), b.labels
    b.controller.recovery.restore()
    b.until(lambda: b.controller.session.can_redo)
    assert list(b.viewer.layers) == layers
    assert b.labels is empty
    np.testing.assert_array_equal(empty.data, unfinished.labels)
    b.press("redo")
    b.click(10, 50)
    assert empty.data[10, 50] == b.controller.session.label == 2
    b.press("undo")
    assert empty.data[10, 50] == 0
    assert set(np.unique(empty.data)) == {0, 1, 2}


def test_sessions_of_other_images_are_not_offered(bench, image, unfinished):
    b = bench(image + 1)
    b.until(lambda: not b.controller.recovery.busy)
    assert offered(b) == ""


def test_a_panel_that_is_opened_again_does_not_offer_what_is_in_the_viewer(bench, image):
    b = bench(image)
    b.click(20, 20)
    b.key(Qt.Key.Key_Return)
    b.controller.close()
    b.controller.open()
    b.until(lambda: not b.controller.recovery.busy)
    assert offered(b) == ""


def test_a_panel_in_which_nothing_was_done_leaves_no_journal(bench, image, journals):
    b = bench(image)
    b.controller.close()
    b.until(lambda: not list(journals.glob("*.jsonl")))


def test_a_journal_that_cannot_be_written_is_told_once_and_work_goes_on(bench, image, journals):
    journals.write_text("in the way")
    b = bench(image)
    b.until(lambda: "journal cannot be written" in b.status)
    b.click(20, 20)
    assert b.labels.data[20, 20] == 1
    assert "journal cannot be written" not in b.status
