""" "Segment this frame" in a real napari window: all objects at once, as one step, and never in the way of a click."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_clickseg.gui.view.panel import ALL_CELLS

pytestmark = pytest.mark.viewer
CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def cells():
    image = np.zeros((64, 64), np.uint8)
    image[5:15, 5:15] = image[5:15, 40:50] = image[40:50, 20:30] = 100
    return image


@pytest.fixture
def finding(bench, models):
    """Return a function that opens a panel whose model finds all objects of a frame."""

    def opened(image, **options):
        b = bench(image, **options)
        b.panel.requests.model_chosen.emit("finder")
        b.ready()
        return b

    return opened


def segment(b):
    b.qtbot.mouseClick(b.panel.suggestions.button, Qt.MouseButton.LeftButton)


def found(b):
    segment(b)
    b.until(lambda: "new object" in b.status)


def test_the_button_says_why_a_model_that_draws_one_object_cannot(bench, cells):
    b = bench(cells)
    button = b.panel.suggestions.button
    assert not button.isEnabled()
    assert "one object at a time" in button.toolTip()
    b.press("segment_frame")
    assert "one object at a time" in b.status


def test_all_objects_come_as_one_step_of_undo(finding, cells):
    b = finding(cells)
    found(b)
    assert b.status.startswith("3 new objects")
    assert b.panel.object.title.text() == "Object 4"
    np.testing.assert_array_equal(b.labels.data > 0, cells > 50)
    assert set(np.unique(b.labels.data)) == {0, 1, 2, 3}
    b.key(Qt.Key.Key_Z, CONTROL)
    assert b.labels.data.max() == 0
    b.press("redo")
    assert b.labels.data.max() == 3


def test_w_takes_a_found_object_up_and_clicks_correct_it_alone(finding, cells):
    b = finding(cells)
    found(b)
    before = np.array(b.labels.data)
    b.hand.point_at((10, 10))
    b.until(lambda: abs(b.viewer.cursor.position[0] - 10) < 1)
    b.key(Qt.Key.Key_W)
    label = before[10, 10]
    assert b.session.label == label
    b.click(18, 10)
    assert b.labels.data[20, 10] == label
    others = (before > 0) & (before != label)
    np.testing.assert_array_equal(b.labels.data[others], before[others])


def test_objects_that_were_there_stay_pixel_by_pixel(finding, cells):
    b = finding(cells)
    b.click(10, 10)
    b.key(Qt.Key.Key_Return)
    before = np.array(b.labels.data)
    found(b)
    np.testing.assert_array_equal(b.labels.data[before > 0], before[before > 0])


def test_only_the_frame_in_view_is_written(finding, cells):
    b = finding(np.stack([cells, cells]), axis_labels=("t", "y", "x"))
    b.viewer.dims.set_current_step(0, 1)
    found(b)
    assert b.labels.data[0].max() == 0
    assert b.labels.data[1].max() == 3


def test_the_bar_shows_how_much_is_done(finding, cells, models):
    b = finding(cells)
    models["finder"].gate.clear()
    segment(b)
    b.until(lambda: b.panel.suggestions.busy.value() == 40)
    models["finder"].gate.set()
    b.until(lambda: "3 new objects" in b.status)
    assert not b.panel.suggestions.busy.isVisible()


@pytest.mark.parametrize("how", ["key", "button"])
def test_it_can_be_stopped_and_then_nothing_is_written(finding, cells, models, how):
    b = finding(cells)
    models["finder"].gate.clear()
    b.panel.tabs.setCurrentWidget(b.panel.pages[ALL_CELLS])
    segment(b)
    b.until(lambda: b.panel.suggestions.busy.isVisible())
    if how == "key":
        b.key(Qt.Key.Key_Escape)
    else:
        segment(b)
    b.until(lambda: not b.panel.suggestions.busy.isVisible())
    assert "nothing was written" in b.status
    models["finder"].gate.set()
    found(b)
    assert b.labels.data.max() == 3


def test_a_click_made_meanwhile_is_answered_and_its_object_stays(finding, cells, models):
    b = finding(cells)
    models["finder"].gate.clear()
    segment(b)
    b.hand.click((30, 50))
    b.until(lambda: b.session.pending is not None)
    models["finder"].gate.set()
    b.until(lambda: "3 new objects" in b.status)
    assert b.labels.data[30, 50] > 0
    assert len(np.unique(b.labels.data)) == 5


def test_another_image_chosen_meanwhile_gets_nothing_of_it(finding, cells, models):
    b = finding(cells, name="first")
    first = b.labels
    models["finder"].gate.clear()
    segment(b)
    b.panel.requests.image_chosen.emit(b.viewer.add_image(np.zeros_like(cells), name="second"))
    models["finder"].gate.set()
    b.until(lambda: first.data.max() == 3)
    assert b.labels is not first
    assert b.labels.data.max() == 0


@pytest.mark.parametrize("upheaval", ["image", "panel"])
def test_an_image_removed_or_a_panel_closed_meanwhile_is_no_harm(finding, cells, models, upheaval):
    b = finding(cells, name="image")
    labels = b.labels
    models["finder"].gate.clear()
    segment(b)
    if upheaval == "image":
        b.viewer.layers.remove("image")
        models["finder"].gate.set()
        b.until(lambda: not b.panel.suggestions.busy.isVisible())
    else:
        b.viewer.window.remove_dock_widget(b.widget)
        models["finder"].gate.set()
        b.viewer.window.add_dock_widget(b.widget, name="again")
        b.ready()
    assert labels.data.max() == 0


def test_another_model_chosen_meanwhile_calls_it_off(finding, cells, models):
    b = finding(cells)
    models["finder"].gate.clear()
    segment(b)
    b.panel.requests.model_chosen.emit("disks")
    models["finder"].gate.set()
    b.ready()
    assert not b.panel.suggestions.busy.isVisible()
    assert b.labels.data.max() == 0


def test_a_model_that_fails_is_told_and_nothing_is_written(finding, cells, models):
    b = finding(cells)
    models["finder"].failure = RuntimeError("the sieve is torn.")
    segment(b)
    b.until(lambda: "the sieve is torn" in b.status)
    assert b.labels.data.max() == 0


def test_a_frame_without_new_objects_says_so_and_leaves_no_step_to_undo(finding, plane):
    b = finding(plane)
    segment(b)
    b.until(lambda: "No new objects" in b.status)
    assert not b.session.can_undo
