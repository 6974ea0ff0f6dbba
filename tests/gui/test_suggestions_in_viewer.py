"""Suggestions in a real napari window: found in the background, outlined, filtered, accepted and dismissed."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from doubles import Seeing
from napari_clickseg.core.images import Image
from napari_clickseg.gui.view.panel import ALL_CELLS

pytestmark = pytest.mark.viewer
CONTROL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


class Percent(Seeing):
    """Sees parts that are brighter than nothing; the quality is the grey value in percent."""

    def _plane(self, image: Image, frame: tuple[int, ...]) -> np.ndarray:
        return np.asarray(image.block(frame, self.whole(image))[0], np.float32) / 100

    @staticmethod
    def whole(image: Image):
        from napari_clickseg.core.regions import Region

        return Region.whole(image.frame_shape(2))


@pytest.fixture
def cells():
    image = np.zeros((64, 64), np.uint8)
    image[5:15, 5:15] = image[5:15, 40:50] = image[40:50, 20:30] = 100
    return image


@pytest.fixture
def finding(bench, models):
    """Return a function that opens a panel whose model segments frames by itself."""

    def opened(image, **options):
        b = bench(image, **options)
        b.panel.requests.model_chosen.emit("finder")
        b.ready()
        return b

    return opened


@pytest.fixture
def seeing(bench, models, cells):
    """Return a panel whose model sees objects: three at qualities of 0.95, 0.8 and 0.4, its suggestions shown."""
    cells[5:15, 5:15], cells[5:15, 40:50], cells[40:50, 20:30] = 95, 80, 40
    models["percent"] = Percent(name="percent")
    b = bench(cells)
    b.panel.requests.model_chosen.emit("percent")
    b.ready()
    b.key(Qt.Key.Key_F, SHIFT)
    b.until(lambda: b.panel.suggestions.count.text() == "2 of 3 shown")
    return b


def suggest(b):
    b.qtbot.mouseClick(b.panel.suggestions.button, Qt.MouseButton.LeftButton)


def suggested(b):
    suggest(b)
    b.until(lambda: "suggestion" in b.status)


def found(b):
    """Have all objects found and accepted."""
    suggested(b)
    b.press("accept_all")


def point_at(b, place, words):
    """Rest the pointer on a place until the status has these words; a window that was just opened may miss a move."""
    _point_until(b, place, lambda: words in b.status)


def _point_until(b, place, ready):
    def pointed():
        b.hand.point_at(place)
        return ready()

    b.until(pointed)


def lines(b):
    """The picture of outlines, once it is painted."""
    b.until(lambda: "suggestions" in b.viewer.layers and b.viewer.layers["suggestions"].visible)
    return b.viewer.layers["suggestions"].data


def test_suggestions_are_outlines_of_their_own_and_no_labels(seeing):
    assert lines(seeing)[..., 3].any()
    assert not seeing.labels.data.any()
    assert not seeing.session.can_undo


def test_the_slider_filters_live(seeing):
    panel = seeing.panel.suggestions
    panel.slider.setValue(70)
    assert seeing.panel.suggestions.count.text() == "3 of 3 shown"
    panel.slider.setValue(10)
    assert seeing.panel.suggestions.count.text() == "1 of 3 shown"
    panel.slider.setValue(0)
    assert seeing.panel.suggestions.count.text() == "0 of 3 shown"
    assert not panel.accept_all.isEnabled()


def test_the_pointer_shows_the_quality(seeing):
    point_at(seeing, (10, 45), "quality 0.80")
    assert "0.80" in seeing.panel.suggestions.count.text()
    _point_until(seeing, (30, 55), lambda: "quality" not in seeing.status)


def test_a_click_accepts_the_one_under_it_and_undo_brings_the_suggestion_back(seeing):
    seeing.hand.click((10, 45))
    seeing.until(lambda: seeing.labels.data.any())
    assert set(zip(*map(list, np.nonzero(seeing.labels.data)), strict=True)) == {
        (y, x) for y in range(5, 15) for x in range(40, 50)
    }
    assert seeing.session.clicks == ()
    assert seeing.panel.suggestions.count.text() == "1 of 3 shown"
    seeing.key(Qt.Key.Key_Z, CONTROL)
    assert not seeing.labels.data.any()
    assert seeing.panel.suggestions.count.text() == "2 of 3 shown"


def test_a_right_click_dismisses_the_one_under_it(seeing):
    seeing.hand.click((10, 45), button=Qt.MouseButton.RightButton)
    seeing.until(lambda: seeing.panel.suggestions.count.text() == "1 of 3 shown")
    assert not seeing.labels.data.any()
    assert seeing.session.clicks == ()


def test_keys_accept_and_dismiss_the_one_under_the_pointer(seeing):
    point_at(seeing, (10, 45), "quality 0.80")
    seeing.key(Qt.Key.Key_N, SHIFT)
    assert seeing.panel.suggestions.count.text() == "1 of 3 shown"
    point_at(seeing, (10, 10), "quality 0.95")
    seeing.key(Qt.Key.Key_Y, SHIFT)
    assert (seeing.labels.data > 0).sum() == 100
    assert seeing.labels.data[10, 10] == 1


def test_a_click_beside_the_suggestions_draws(seeing):
    seeing.click(30, 55)
    assert seeing.labels.data[30, 55] == 1
    assert seeing.session.clicks


def test_all_that_are_shown_are_accepted_by_a_key_as_one_step(seeing):
    seeing.key(Qt.Key.Key_Return, SHIFT)
    assert set(np.unique(seeing.labels.data)) == {0, 1, 2}
    assert not seeing.panel.suggestions.accept_all.isEnabled()
    seeing.key(Qt.Key.Key_Z, CONTROL)
    assert not seeing.labels.data.any()


def test_esc_drops_the_object_first_and_then_the_suggestions(seeing):
    seeing.click(30, 55)
    seeing.key(Qt.Key.Key_Escape)
    assert not seeing.labels.data.any()
    assert seeing.panel.suggestions.count.text() == "2 of 3 shown"
    seeing.key(Qt.Key.Key_Escape)
    assert not seeing.panel.suggestions.choice.isVisibleTo(seeing.panel.suggestions)
    seeing.until(lambda: not any(layer.name == "suggestions" and layer.visible for layer in seeing.viewer.layers))


def test_what_is_drawn_over_a_suggestion_takes_its_place(seeing):
    seeing.labels.paint((10, 45), 5)
    seeing.until(lambda: seeing.panel.suggestions.count.text() == "1 of 3 shown")


def test_a_box_limits_the_search(seeing):
    seeing.key(Qt.Key.Key_Escape)
    seeing.key(Qt.Key.Key_E, SHIFT)
    seeing.hand.drag((2, 30), (25, 60))
    seeing.until(lambda: seeing.panel.suggestions.count.text() == "1 of 1 shown")
    seeing.press("accept_all")
    assert seeing.labels.data[10, 45] == 1
    assert (seeing.labels.data > 0).sum() == 100


def test_all_frames_are_searched_and_accepted_as_one_step(finding, cells):
    b = finding(np.stack([cells, cells]), axis_labels=("t", "y", "x"))
    assert b.panel.suggestions.all_frames.isVisibleTo(b.panel.suggestions)
    b.press("suggest_all_frames")
    b.until(lambda: b.panel.suggestions.count.text() == "6 of 6 shown")
    b.press("accept_all")
    assert [len(np.unique(frame)) for frame in b.labels.data] == [4, 4]
    b.press("undo")
    assert not b.labels.data.any()


def test_the_button_says_why_a_model_that_draws_one_object_cannot(bench, cells):
    b = bench(cells)
    button = b.panel.suggestions.button
    assert not button.isEnabled()
    assert "one object at a time" in button.toolTip()
    b.press("suggest")
    assert "one object at a time" in b.status


def test_objects_of_a_segmenter_are_accepted_as_one_step_of_undo(finding, cells):
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
    suggest(b)
    b.until(lambda: b.panel.suggestions.busy.value() == 40)
    models["finder"].gate.set()
    b.until(lambda: "3 suggestions" in b.status)
    assert not b.panel.suggestions.busy.isVisible()


@pytest.mark.parametrize("how", ["key", "button"])
def test_it_can_be_stopped_and_then_nothing_is_written(finding, cells, models, how):
    b = finding(cells)
    models["finder"].gate.clear()
    b.panel.tabs.setCurrentWidget(b.panel.pages[ALL_CELLS])
    suggest(b)
    b.until(lambda: b.panel.suggestions.busy.isVisible())
    if how == "key":
        b.key(Qt.Key.Key_Escape)
    else:
        suggest(b)
    b.until(lambda: not b.panel.suggestions.busy.isVisible())
    assert "nothing was written" in b.status
    models["finder"].gate.set()
    found(b)
    assert b.labels.data.max() == 3


def test_a_click_made_meanwhile_is_answered_and_its_object_stays(finding, cells, models):
    b = finding(cells)
    models["finder"].gate.clear()
    suggest(b)
    b.hand.click((30, 50))
    b.until(lambda: b.session.pending is not None)
    models["finder"].gate.set()  # for both: whichever comes first, the clicked cell is suggested no more
    b.until(lambda: not b.controller.suggestions.busy)
    b.answered()
    assert b.controller.suggestions.state.shown == 3
    b.press("accept_all")
    assert b.labels.data[30, 50] > 0
    assert len(np.unique(b.labels.data)) == 5


def test_another_image_chosen_meanwhile_shows_nothing_of_it(finding, cells, models):
    b = finding(cells, name="first")
    first = b.labels
    models["finder"].gate.clear()
    suggest(b)
    b.panel.requests.image_chosen.emit(b.viewer.add_image(np.zeros_like(cells), name="second"))
    models["finder"].gate.set()
    b.until(lambda: not b.controller.suggestions.busy)
    assert b.labels is not first
    assert not b.panel.suggestions.choice.isVisibleTo(b.panel.suggestions)
    b.panel.requests.image_chosen.emit(b.viewer.layers["first"])
    assert b.panel.suggestions.count.text() == "3 of 3 shown"
    assert b.labels.data.max() == 0


@pytest.mark.parametrize("upheaval", ["image", "panel"])
def test_an_image_removed_or_a_panel_closed_meanwhile_is_no_harm(finding, cells, models, upheaval):
    b = finding(cells, name="image")
    labels = b.labels
    models["finder"].gate.clear()
    suggest(b)
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
    suggest(b)
    b.panel.requests.model_chosen.emit("disks")
    models["finder"].gate.set()
    b.ready()
    assert not b.panel.suggestions.busy.isVisible()
    assert b.labels.data.max() == 0


def test_a_model_that_fails_is_told_and_nothing_is_written(finding, cells, models):
    b = finding(cells)
    models["finder"].failure = RuntimeError("the sieve is torn.")
    suggest(b)
    b.until(lambda: "the sieve is torn" in b.status)
    assert b.labels.data.max() == 0


def test_a_frame_without_new_objects_says_so_and_leaves_no_step_to_undo(finding, plane):
    b = finding(plane)
    suggest(b)
    b.until(lambda: "No new objects" in b.status)
    assert not b.session.can_undo
