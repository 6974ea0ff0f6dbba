"""From a mouse event on the canvas of a real napari window to the Labels layer."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_clickseg.benchmark.latency import RIGHT, SHIFT
from napari_clickseg.gui.preview import FILL

pytestmark = pytest.mark.viewer
CONTROL = Qt.KeyboardModifier.ControlModifier


def test_a_click_draws_an_object(bench, plane):
    b = bench(plane)
    b.click(30, 20)
    assert b.labels.data[30, 20] == 1
    assert b.labels.data.sum() == b.session.area() > 100
    assert len(b.points("positive").data) == 1
    assert "Enter keeps it, Ctrl+Z takes the click back" in b.status


def test_right_and_shift_clicks_exclude_whichever_channel_is_active(bench, plane):
    b = bench(plane)
    b.click(30, 20)
    b.click(33, 20, button=RIGHT)
    b.viewer.layers.selection.active = b.points("negative")
    b.click(27, 20, modifiers=SHIFT)
    b.click(30, 40)
    assert [click.positive for click in b.session.clicks] == [True, False, False, True]
    assert (len(b.points("positive").data), len(b.points("negative").data)) == (2, 2)
    assert b.labels.data[33, 20] == 0
    assert b.labels.data[30, 40] == 1


def test_dragging_with_the_right_button_zooms_and_adds_nothing(bench, plane):
    b = bench(plane)
    zoom = b.camera.zoom
    b.hand.drag((20, 30), (50, 30), button=RIGHT)
    b.until(lambda: b.camera.zoom != zoom)
    assert b.session.clicks == ()


def test_dragging_beside_the_points_pans_and_adds_nothing(bench, plane):
    b = bench(plane)
    centre = b.camera.center
    b.hand.drag((30, 20), (50, 50))
    b.until(lambda: b.camera.center != centre)
    assert b.session.clicks == ()


def test_dragging_a_point_moves_the_object_in_one_step_of_undo(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    centre = b.camera.center
    b.hand.drag((20, 20), (44, 44))
    b.answered()
    assert b.camera.center == centre
    np.testing.assert_allclose(b.session.clicks[0].position, (44, 44), atol=0.5)
    b.until(lambda: b.labels.data[44, 44] == 1)
    assert b.labels.data[20, 20] == 0
    b.key(Qt.Key.Key_Z, CONTROL)
    b.answered()
    assert b.labels.data[20, 20] == 1
    np.testing.assert_allclose(b.points("positive").data[0], (20, 20), atol=0.5)


def test_deleting_a_point_takes_its_click_back(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    b.click(40, 40)
    b.hand.click((20, 20))
    b.until(lambda: b.points("positive").selected_data == {0})
    b.key(Qt.Key.Key_Delete)
    b.until(lambda: len(b.session.clicks) == 1)
    b.answered()
    assert b.labels.data[20, 20] == 0
    assert b.labels.data[40, 40] == 1


def test_a_point_dragged_in_select_mode_stays_selected_when_the_drag_is_undone(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    b.points("positive").mode = "select"
    b.hand.drag((20, 20), (44, 44))
    b.until(lambda: abs(b.session.clicks[0].position[0] - 44) < 1)
    b.answered()
    b.key(Qt.Key.Key_Z, CONTROL)
    b.answered()
    np.testing.assert_allclose(b.points("positive").data[0], (20, 20), atol=0.5)
    b.key(Qt.Key.Key_Delete)
    b.until(lambda: b.session.clicks == ())
    assert b.labels.data.sum() == 0


def test_undo_selects_no_point_that_comes_back(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    b.hand.click((20, 20))
    b.until(lambda: b.points("positive").selected_data == {0})
    b.key(Qt.Key.Key_Delete)
    b.until(lambda: b.session.clicks == ())
    b.key(Qt.Key.Key_Z, CONTROL)
    assert len(b.points("positive").data) == 1
    assert b.points("positive").selected_data == set()


def test_keys_undo_redo_keep_and_cancel(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    b.click(40, 40)
    b.key(Qt.Key.Key_Z, CONTROL)
    assert (b.labels.data[20, 20], b.labels.data[40, 40]) == (1, 0)
    assert len(b.points("positive").data) == 1
    b.key(Qt.Key.Key_Z, CONTROL | SHIFT)
    assert b.labels.data[40, 40] == 1
    b.key(Qt.Key.Key_Return)
    assert b.session.label == 2
    assert len(b.points("positive").data) == 0
    assert "Object 1 is kept" in b.status
    b.click(20, 50)
    b.key(Qt.Key.Key_Escape)
    assert set(np.unique(b.labels.data)) == {0, 1}
    b.key(Qt.Key.Key_Z, CONTROL)
    assert b.labels.data[20, 50] == 2


def test_t_swaps_the_buttons_until_the_object_is_kept(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    b.key(Qt.Key.Key_T)
    b.click(22, 22)
    b.click(40, 40, button=RIGHT)
    assert [click.positive for click in b.session.clicks] == [True, False, True]
    b.key(Qt.Key.Key_Return)
    b.click(50, 20)
    assert b.session.clicks[0].positive


def test_w_takes_up_the_object_under_the_cursor_and_n_starts_a_new_one(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    b.key(Qt.Key.Key_N)
    assert "Click on object 2" in b.status
    assert "Object 1 is kept. This is a new object." in b.status
    b.click(40, 40)
    b.key(Qt.Key.Key_N)
    assert b.session.label == 3
    b.hand.point_at((20, 20))
    b.until(lambda: abs(b.viewer.cursor.position[0] - 20) < 1)
    b.key(Qt.Key.Key_W)
    assert b.session.label == 1
    b.click(24, 24)
    assert b.labels.data[24 + 5, 24] == 1
    b.key(Qt.Key.Key_Return)
    assert set(np.unique(b.labels.data)) == {0, 1, 2}


@pytest.mark.parametrize("mode", ["pan_zoom", "select"])
def test_after_w_on_the_labels_clicks_correct_the_object(bench, plane, mode):
    b = bench(plane)
    b.click(20, 20)
    b.key(Qt.Key.Key_Return)
    b.points("positive").mode = mode
    b.viewer.layers.selection.active = b.labels
    b.hand.point_at((20, 20))
    b.until(lambda: abs(b.viewer.cursor.position[0] - 20) < 1)
    b.key(Qt.Key.Key_W)
    assert "Correcting object 1" in b.status
    b.click(40, 40)
    assert b.labels.data[40, 40] == 1


def test_a_click_well_inside_a_kept_object_corrects_it(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    b.key(Qt.Key.Key_Return)
    b.hand.click((23, 20))
    b.until(lambda: b.session.label == 1)
    assert b.session.clicks == ()
    assert "Correcting object 1" in b.status
    b.click(28, 20)
    assert b.labels.data[33, 20] == 1
    assert set(np.unique(b.labels.data)) == {0, 1}


def test_a_click_at_the_rim_of_a_kept_object_begins_another_that_leaves_it_alone(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    b.key(Qt.Key.Key_Return)
    before = np.array(b.labels.data)
    rim = 26.4 - 1 / b.camera.zoom  # two screen pixels inside the disk, whose last pixel ends at 26.5
    b.click(rim, 20)
    assert b.session.label == 2
    np.testing.assert_array_equal(b.labels.data[before == 1], 1)
    assert b.labels.data[30, 20] == 2


def test_a_new_object_of_which_next_to_nothing_is_left_is_explained_and_not_drawn(bench, plane):
    b = bench(plane)
    b.viewer.layers.selection.active = b.labels
    b.labels.data[0:60, 0:60] = 5
    b.labels.refresh()
    b.viewer.layers.selection.active = b.points("positive")
    b.hand.click((59.4, 30))
    b.until(lambda: "Nothing but object 5 lies there" in b.status or b.session.area() > 0)
    assert "Nothing but object 5 lies there" not in b.status  # half of that disk is free
    b.key(Qt.Key.Key_Escape)
    b.labels.data[:, :] = 5
    b.labels.data[59:61, 30] = 0
    b.hand.click((59.4, 30))
    b.until(lambda: "Nothing but object 5 lies there" in b.status)
    assert b.session.clicks == ()
    assert (b.labels.data == 5).sum() == 64 * 64 - 2


def test_the_preview_leaves_protected_pixels_out(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    b.key(Qt.Key.Key_Return)
    b.click(20, 30)
    b.controller.paint()
    preview = b.viewer.layers["preview"]
    corner = np.round(preview.data_to_world((0, 0))).astype(int)
    filled = np.zeros((64, 64), bool)
    filled[tuple(slice(a, a + n) for a, n in zip(corner, preview.data.shape[:2], strict=True))] = (
        preview.data[..., 3] == FILL[3]
    )
    assert filled.any()
    assert set(np.unique(b.labels.data[filled])) == {2}


def test_an_exclude_click_alone_asks_for_the_object_first(bench, plane):
    b = bench(plane)
    b.hand.click((20, 20), button=RIGHT)
    b.until(lambda: len(b.session.clicks) == 1)
    assert b.status == "Click on the object first; exclude clicks then correct it."
    assert b.labels.data.sum() == 0
    b.click(22, 22)
    assert b.labels.data[22, 22] == 1


def test_w_over_background_says_what_to_do(bench, plane):
    b = bench(plane)
    b.hand.point_at((20, 20))
    b.until(lambda: abs(b.viewer.cursor.position[0] - 20) < 1)
    b.key(Qt.Key.Key_W)
    assert "no object there" in b.status


def test_the_take_up_button_takes_up_what_is_clicked_next(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    b.key(Qt.Key.Key_Return)
    b.qtbot.mouseClick(b.panel.corrections.buttons["take_up"], Qt.MouseButton.LeftButton)
    assert "Click on the object" in b.status
    b.hand.click((20, 20))
    b.until(lambda: b.session.label == 1)
    assert b.session.clicks == ()


def test_a_click_outside_the_image_says_so(bench, plane):
    b = bench(plane)
    b.hand.click((30, 70))
    b.until(lambda: "outside the image" in b.status)
    assert len(b.points("positive").data) == 0


def test_clicks_in_the_3d_view_are_refused_with_a_sentence(bench):
    b = bench(np.zeros((3, 64, 64), np.uint8))
    b.viewer.dims.ndisplay = 3
    b.hand.click((1, 30, 30))
    b.until(lambda: "2D view" in b.status)
    assert b.session.clicks == ()


def test_scale_rotation_and_translation_of_the_image_carry_over(bench, plane):
    b = bench(plane, scale=(2, 3), translate=(100, -50), rotate=30, name="tilted")
    image = b.viewer.layers["tilted"]
    for layer in (b.labels, b.points("positive"), b.points("negative")):
        for name in ("scale", "translate", "rotate"):
            np.testing.assert_allclose(getattr(layer, name), getattr(image, name))
    b.viewer.reset_view()
    b.click(*image.data_to_world((40, 12)))
    b.controller.paint()
    np.testing.assert_allclose(b.session.clicks[0].position, (40, 12), atol=0.5)
    assert b.labels.data[40, 12] == 1
    preview = b.viewer.layers["preview"]
    corner = image.world_to_data(preview.data_to_world((0, 0)))
    np.testing.assert_allclose(corner, np.round(corner), atol=1e-6)
    assert preview.data.shape[0] < 20


def test_moving_the_image_moves_our_layers(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    b.viewer.layers[0].translate = (5, 7)
    np.testing.assert_allclose(b.labels.translate, (5, 7))
    np.testing.assert_allclose(b.points("positive").translate, (5, 7))
    np.testing.assert_allclose(b.session.clicks[0].position, (20, 20), atol=0.5)


def test_colour_images_have_flat_labels(bench):
    b = bench(np.zeros((64, 48, 3), np.uint8), rgb=True)
    b.click(20, 20)
    assert b.labels.data.shape == (64, 48)
    assert b.session.image.axes == "YXC"


def test_a_time_lapse_is_drawn_frame_by_frame(bench):
    b = bench(np.zeros((4, 64, 64), np.uint8), axis_labels=("t", "y", "x"))
    b.viewer.dims.set_current_step(0, 2)
    b.click(2, 20, 20)
    b.viewer.dims.set_current_step(0, 3)
    b.click(3, 30, 30)
    assert [tuple(np.unique(frame)) for frame in b.labels.data] == [(0,), (0,), (0, 1), (0, 1)]
    assert b.session.clicks[0].frame(2) == (2,)


def test_channels_named_as_such_are_picked_from(bench):
    b = bench(np.zeros((3, 2, 64, 64), np.uint8), axis_labels=("t", "c", "y", "x"))
    assert b.session.image.axes == "TCYX"
    assert b.session.image.channel == 0
    assert b.labels.data.shape == (3, 1, 64, 64)
    b.viewer.dims.set_current_step((0, 1), (2, 1))
    b.click(2, 1, 20, 20)
    assert b.labels.data[2, 0, 20, 20] == 1
    second = next(choice for choice in b.panel.layers.pickers["channel"].values if choice and choice.index == 1)
    b.panel.requests.channel_chosen.emit(second)
    b.answered()
    assert b.session.image.channel == 1
    assert b.labels.data[2, 0, 20, 20] == 1


def test_large_planes_get_a_pyramid_that_is_kept_up_to_date(bench):
    b = bench([np.zeros((4096 >> k, 4096 >> k), np.uint8) for k in range(4)], multiscale=True)
    b.camera.center, b.camera.zoom = (2000, 2000), 8
    b.click(2000, 2000)
    assert b.labels.multiscale
    assert [int(level.sum() > 0) for level in b.labels.data] == [1] * len(b.labels.data)
    assert b.labels.data[1][1000, 1000] == 1
