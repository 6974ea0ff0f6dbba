"""What once went wrong without a word, in a real napari window: with the mouse, the keys and other layers."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from doubles import disk
from napari_clickseg.models.classic import Geodesic

pytestmark = pytest.mark.viewer
SHIFT = Qt.KeyboardModifier.ShiftModifier


def wheel(widget):
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        *(middle, widget.mapToGlobal(middle), QPoint(), QPoint(0, -120)),
        *(Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False),
    )
    QApplication.sendEvent(widget, event)


def point_at(b, *world):
    b.hand.point_at(world)
    b.until(lambda: np.allclose(b.viewer.cursor.position[-2:], world[-2:], atol=1))


def objects(shape=(64, 64)):
    labels = np.zeros(shape, np.int32)
    labels[..., 5:15, 5:15], labels[..., 40:50, 40:50] = 1, 2
    return labels


def test_the_wheel_over_the_panel_changes_nothing(bench, plane):
    b = bench(plane)
    other = b.viewer.add_labels(objects(), name="other")
    b.panel.requests.labels_chosen.emit(other)
    panel = b.panel
    for field in (panel.layers.pickers["labels"], panel.shape.threshold, panel.shape.diameter, panel.model.model):
        field.clearFocus()
        wheel(field)
    assert b.labels is other
    assert b.session.threshold == 0.5
    assert b.session.diameter is None
    assert b.session.predictor.name == "disks"


def test_after_a_choice_and_after_enter_in_a_field_keys_go_to_the_canvas(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    field = b.panel.shape.diameter
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "30")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert b.session.diameter == 30
    assert b.session.label == 1  # Enter confirmed the field and kept nothing
    assert not field.hasFocus()
    picker = b.panel.model.device
    picker.setFocus()
    picker.showPopup()
    picker.hidePopup()
    assert not picker.hasFocus()


def test_enter_before_the_answer_keeps_the_object_it_was_meant_for(bench, plane, models):
    b = bench(plane)
    models["disks"].gate.clear()
    b.hand.click((15, 15))
    b.until(lambda: b.session.pending is not None)
    b.key(Qt.Key.Key_Return)
    b.hand.click((45, 45))
    b.until(lambda: b.controller.objects.queued == 2)
    models["disks"].gate.set()
    b.until(lambda: b.labels.data[45, 45] > 0)
    assert (b.labels.data[15, 15], b.labels.data[45, 45]) == (1, 2)


def test_tracking_says_what_it_would_replace_and_can_add_what_is_missing_only(bench):
    movie = np.zeros((3, 64, 64), np.uint8)
    labels = np.zeros((3, 64, 64), np.int32)
    for k in range(3):
        movie[k][disk((64, 64), (20, 20 + k), 6)] = 180
        movie[k][disk((64, 64), (45, 40 + k), 6)] = 180
    labels[0][disk((64, 64), (20, 20), 6)], labels[0][disk((64, 64), (45, 40), 6)] = 1, 2
    labels[1][10:14, 50:60] = 1
    axes = ("t", "y", "x")
    b = bench(movie, lambda viewer: viewer.add_labels(labels, axis_labels=axes), axis_labels=axes)
    b.viewer.dims.set_current_step(0, 0)
    b.key(Qt.Key.Key_Right, SHIFT)
    b.until(lambda: "1 object on 1 frame would be replaced" in b.status)
    assert [button.text() for button in b.panel.status.buttons] == ["Add missing only", "Replace", "Leave"]
    QTest.mouseClick(b.panel.status.buttons[0], Qt.MouseButton.LeftButton)
    b.until(lambda: not b.controller.propagation.busy)
    assert (labels[1][10:14, 50:60] == 1).all()
    assert (labels[1] == 1).sum() == 40
    assert 2 in labels[1]


def test_the_size_of_objects_that_are_there_is_expected(bench, models):
    noise = np.random.default_rng(0).integers(0, 255, (128, 128), np.uint8)
    labels = np.zeros((128, 128), np.int32)
    for k, centre in enumerate([(20, 20), (60, 60), (100, 30)]):
        labels[disk((128, 128), centre, 10)] = k + 1
    b = bench(noise, lambda viewer: viewer.add_labels(labels))
    b.until(lambda: b.panel.shape.diameter.value() in (19, 20, 21))
    models["disks"].asked.clear()
    b.click(100, 100)
    assert models["disks"].asked[-1].diameter == pytest.approx(20, abs=1)


def test_keys_take_the_place_under_the_pointer_after_the_view_moved(bench, plane):
    b = bench(plane, lambda viewer: viewer.add_labels(objects()))
    point_at(b, 10, 10)
    b.camera.center = (b.camera.center[-2] + 35, b.camera.center[-1] + 35)
    b.key(Qt.Key.Key_D)
    assert set(np.unique(b.labels.data)) == {0, 1}


def test_in_the_3d_view_no_key_deletes_what_is_out_of_sight(bench):
    labels = objects((8, 64, 64))
    b = bench(np.zeros((8, 64, 64), np.uint8), lambda viewer: viewer.add_labels(labels))
    point_at(b, 0, 10, 10)
    b.viewer.dims.ndisplay = 3
    for key in (Qt.Key.Key_D, Qt.Key.Key_W):
        b.controller.reports.resume()
        b.key(key)
        assert "2D view" in b.status
    for tool in ("delete", "box"):
        b.controller.reports.resume()
        b.press(tool)
        assert "2D view" in b.status
        assert b.controller.objects.armed == ""
    assert set(np.unique(labels)) == {0, 1, 2}


def test_keys_act_nowhere_while_the_pointer_is_beside_the_image_or_the_canvas(bench):
    labels = objects((8, 64, 64))
    b = bench(np.zeros((8, 64, 64), np.uint8), lambda viewer: viewer.add_labels(labels))
    b.viewer.dims.set_current_step(0, 1)
    before = labels.copy()
    point_at(b, 1, 90, 90)
    b.key(Qt.Key.Key_C, Qt.KeyboardModifier.ShiftModifier)
    assert "Point at the place" in b.status
    point_at(b, 1, 10, 10)
    b.viewer.mouse_over_canvas = True
    b.viewer.mouse_over_canvas = False
    b.controller.reports.resume()
    b.key(Qt.Key.Key_D)
    assert "Point at the place" in b.status
    np.testing.assert_array_equal(labels, before)


def test_a_polygon_of_naparis_ends_with_enter(bench, plane):
    b = bench(plane)
    b.viewer.layers.selection.active = b.labels
    b.labels.mode = "polygon"
    assert not {"Enter", "Escape"} & {str(key) for key in b.labels.keymap}
    b.labels.mode = "pan_zoom"
    assert {"Enter", "Escape"} <= {str(key) for key in b.labels.keymap}


def test_the_one_labels_layer_that_fits_is_taken_and_named(bench, plane):
    b = bench(plane, lambda viewer: (viewer.add_labels(objects(), name="cellpose"), viewer.layers.selection.clear()))
    assert b.labels.name == "cellpose"
    assert "'cellpose'" in b.status
    assert [layer.name for layer in b.viewer.layers].count("Image objects") == 0


def test_labels_that_cannot_be_written_to_are_left_alone_and_the_reason_stays(bench, plane):
    lazy = dask.array.from_array(objects())
    b = bench(plane, lambda viewer: viewer.add_labels(lazy, name="lazy"))
    assert b.labels.name != "lazy"
    assert "dask" in b.status
    b.click(30, 30)
    assert b.labels.data[30, 30] == 1


def test_over_an_object_of_other_labels_w_names_and_offers_them(bench, plane):
    b = bench(plane)
    b.click(30, 30)
    b.press("keep")
    other = b.viewer.add_labels(objects(), name="stardist")
    b.viewer.layers.selection.active = b.points("positive")
    point_at(b, 10, 10)
    b.key(Qt.Key.Key_W)
    assert "'stardist'" in b.status
    QTest.mouseClick(b.panel.status.buttons[0], Qt.MouseButton.LeftButton)
    assert b.labels is other


def test_with_another_layer_active_the_panel_says_that_clicks_are_off(bench, plane):
    b = bench(plane)
    b.viewer.add_shapes(name="notes")
    assert b.status == "Clicks are off: 'notes' is active."
    QTest.mouseClick(b.panel.status.buttons[0], Qt.MouseButton.LeftButton)
    assert b.viewer.layers.selection.active is b.points("positive")
    b.click(30, 30)
    assert b.labels.data[30, 30] == 1


def test_with_the_image_active_keys_and_clicks_go_on_and_it_gets_its_keys_back(bench, plane):
    b = bench(plane, name="cells")
    image = b.viewer.layers["cells"]
    b.viewer.layers.selection.active = image
    b.click(30, 30)
    b.viewer.layers.selection.active = image
    b.key(Qt.Key.Key_Return)
    assert b.session.label == 2
    b.controller.close()
    assert not image.keymap


def test_a_label_file_that_napari_opened_as_an_image_is_offered_for_conversion(bench, tmp_path):
    b = bench(np.random.default_rng(1).integers(0, 255, (64, 64), np.uint8), name="cells")
    b.viewer.add_image(objects().astype(np.uint16), name="masks")
    b.until(lambda: "'masks' looks like labels" in b.status)
    QTest.mouseClick(b.panel.status.buttons[0], Qt.MouseButton.LeftButton)
    assert set(np.unique(b.labels.data)) == {0, 1, 2}


def test_saved_labels_beside_the_image_are_offered(bench, tmp_path):
    tifffile.imwrite(tmp_path / "cells.tif", np.zeros((64, 64), np.uint8), photometric="minisblack")
    tifffile.imwrite(tmp_path / "cells objects.tif", objects().astype(np.uint16), photometric="minisblack")
    b = bench(None, before=lambda viewer: viewer.open(tmp_path / "cells.tif", plugin="napari"))
    b.until(lambda: "cells objects.tif lies beside this image" in b.status)
    QTest.mouseClick(b.panel.status.buttons[0], Qt.MouseButton.LeftButton)
    b.until(lambda: set(np.unique(b.labels.data)) == {0, 1, 2})


def test_kept_objects_have_an_outline_of_screen_pixels_at_any_zoom(bench, plane):
    b = bench(plane, lambda viewer: viewer.add_labels(objects()))
    widths = []
    for zoom in (4.0, 16.0):
        b.camera.center, b.camera.zoom = (10, 10), zoom
        b.until(lambda: "outlines" in b.viewer.layers and b.viewer.layers["outlines"].visible)
        b.until(
            lambda zoom=zoom: np.isclose(
                np.linalg.norm(b.viewer.layers["outlines"].affine.affine_matrix[:2, 0]), 1 / zoom
            )
        )
        outlines = b.viewer.layers["outlines"]
        row = outlines.data[int((10 - outlines.affine.affine_matrix[0, 2]) * zoom), :, 3]
        widths.append(int((row[: int(10 * zoom)] == 255).sum()))
    assert widths == [1, 1]


def test_closing_gives_everything_back(bench, plane):
    b = bench(plane, lambda viewer: viewer.add_labels(objects(), name="mine"))
    mine, image = b.labels, b.pair.image_layer
    b.controller.close()
    assert [layer.name for layer in b.viewer.layers if layer.name in ("preview", "outlines")] == []
    assert not mine.keymap
    for layer in (mine, image):
        assert not [one for one in layer.mouse_drag_callbacks if "napari_clickseg" in getattr(one, "__module__", "")]


@pytest.mark.parametrize("value", [np.nan, 7.0])
def test_a_click_on_a_frame_without_content_draws_nothing_and_says_why(bench, models, value):
    movie = np.random.default_rng(0).normal(size=(2, 64, 64))
    movie[1] = value
    models["disks"] = Geodesic()
    b = bench(movie, axis_labels=("t", "y", "x"))
    b.viewer.dims.set_current_step(0, 1)
    b.click(1, 20, 20)
    b.until(lambda: "nothing to outline" in b.status)
    assert "Frame 1 of the image has" in b.status
    assert not b.labels.data.any()
    b.key(Qt.Key.Key_Escape)
    b.viewer.dims.set_current_step(0, 0)
    b.click(0, 20, 20)
    assert b.session.area() > 0


def grounded():
    return np.where(objects() == 0, 3, objects())


def test_a_click_on_background_that_is_numbered_offers_to_make_it_0(bench, plane):
    labels = grounded()
    b = bench(plane, lambda viewer: viewer.add_labels(labels, name="watershed"))
    b.until(lambda: "hold 3 over most of the picture" in b.status)
    b.hand.click((30, 30))
    b.until(lambda: [button.text() for button in b.panel.status.buttons] == ["Make 3 background", "Leave it"])
    assert not b.session.clicks
    QTest.mouseClick(b.panel.status.buttons[0], Qt.MouseButton.LeftButton)
    b.until(lambda: b.labels.name == "watershed (0 is background)")
    assert np.array_equal(b.labels.data, objects())
    assert np.array_equal(labels, grounded())  # the user's own labels stay as they are
    b.click(30, 30)
    assert b.labels.data[30, 30] == 3


def test_a_number_that_looks_like_background_may_be_left_an_object(bench, plane):
    b = bench(plane, lambda viewer: viewer.add_labels(grounded()))
    b.until(lambda: len(b.panel.status.buttons) == 2)
    QTest.mouseClick(b.panel.status.buttons[1], Qt.MouseButton.LeftButton)
    b.hand.click((30, 30))
    b.until(lambda: "Correcting object 3" in b.status)


@pytest.mark.parametrize(
    ("labels", "caption", "count"),
    [
        (np.where(objects() > 0, 255, 0), "Number their parts", 2),
        (np.where(objects() > 0, 0, 255), "Make 255 background", 2),
        (np.kron(np.ones((4, 4), np.int32), np.pad(np.zeros((15, 15), np.int32), (1, 0), constant_values=1)), None, 16),
    ],
)
def test_masks_of_one_number_become_objects(bench, plane, labels, caption, count):
    b = bench(plane, lambda viewer: viewer.add_labels(labels))
    b.until(lambda: len(b.panel.status.buttons) == 2)
    assert b.panel.status.buttons[0].text() == (caption or "Number what they enclose")
    QTest.mouseClick(b.panel.status.buttons[0], Qt.MouseButton.LeftButton)
    b.until(lambda: b.labels.name.endswith("(0 is background)"))
    assert len(np.unique(b.labels.data)) == count + 1
