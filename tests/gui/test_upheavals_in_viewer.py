"""Layers removed, renamed, replaced; other images, viewers and models; the panel closed: nothing kept is lost."""

from __future__ import annotations

import dask
import dask.array
import numpy as np
import pytest
import zarr
from napari.layers import Labels
from qtpy.QtCore import Qt

from napari_clickseg.gui.plugin_layers import role_of

pytestmark = pytest.mark.viewer


def test_opening_without_an_image_waits_for_one(bench, plane):
    b = bench()
    assert b.session is None
    assert "Open an image" in b.status
    b.viewer.add_image(plane)
    b.until(lambda: b.session is not None)
    b.click(20, 20)
    assert b.labels.data[20, 20] == 1


def test_each_image_keeps_its_object_and_its_clicks(bench, plane):
    b = bench(plane, name="first")
    b.click(20, 20)
    b.viewer.add_image(np.zeros((6, 50, 50), np.uint8), name="second")
    b.panel.requests.image_chosen.emit(b.viewer.layers["second"])
    b.ready()
    assert b.session.clicks == ()
    b.click(0, 30, 30)
    b.panel.requests.image_chosen.emit(b.viewer.layers["first"])
    assert len(b.session.clicks) == len(b.points("positive").data) == 1
    b.key(Qt.Key.Key_Return)
    assert b.labels.data[20, 20] == 1
    b.panel.requests.image_chosen.emit(b.viewer.layers["second"])
    assert b.session.clicks[0].frame(2) == (0,)
    assert b.labels.data.shape == (6, 50, 50)


def test_two_viewers_do_not_know_of_each_other(bench, plane):
    one, two = bench(plane), bench(plane)
    one.click(20, 20)
    two.click(40, 40)
    assert one.labels.data[40, 40] == two.labels.data[20, 20] == 0
    two.key(Qt.Key.Key_Return)
    assert (one.session.label, two.session.label) == (1, 2)


@pytest.mark.parametrize("polarity", ["positive", "negative"])
def test_a_removed_click_layer_comes_back_with_its_clicks(bench, plane, polarity):
    b = bench(plane)
    b.click(20, 20)
    former = b.points(polarity)
    b.viewer.layers.remove(former)
    b.until(lambda: b.points(polarity) not in (None, former))
    assert b.points(polarity) in b.viewer.layers
    assert len(b.points("positive").data) == 1
    b.click(40, 40)
    assert b.labels.data[20, 20] == b.labels.data[40, 40] == 1


def test_removed_labels_come_back_with_the_next_click(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    b.key(Qt.Key.Key_Return)
    labels = b.labels
    b.viewer.layers.remove(labels)
    assert "next click brings it back" in b.status
    b.click(40, 40)
    assert labels in b.viewer.layers
    assert (labels.data[20, 20], labels.data[40, 40]) == (1, 2)


def test_a_click_on_a_point_brings_removed_labels_back(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    labels = b.labels
    b.viewer.layers.remove(labels)
    b.hand.click((20, 20))
    b.until(lambda: labels in b.viewer.layers)
    assert b.points("positive").selected_data == {0}


def test_dragging_a_point_brings_removed_labels_back(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    labels = b.labels
    b.viewer.layers.remove(labels)
    b.hand.drag((20, 20), (44, 44))
    b.until(lambda: labels in b.viewer.layers)
    b.until(lambda: labels.data[44, 44] == 1)


def test_removing_the_image_leaves_its_objects(bench, plane):
    b = bench(plane, name="image")
    b.click(20, 20)
    labels = b.labels
    b.viewer.layers.remove("image")
    assert b.session is None
    assert "its objects stay" in b.status
    assert labels.data[20, 20] == 1
    for key in (Qt.Key.Key_Return, Qt.Key.Key_T, Qt.Key.Key_W, Qt.Key.Key_N):
        b.key(key)


def test_removing_every_layer_leaves_a_panel_that_works(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    b.viewer.layers.clear()
    b.viewer.add_image(plane)
    b.until(lambda: b.session is not None)
    b.click(20, 20)
    assert b.labels.data[20, 20] == 1


def test_clearing_a_viewer_of_a_plane_and_a_movie_lets_both_go(bench, plane):
    b = bench(plane, before=lambda viewer: viewer.add_image(np.zeros((5, 64, 64), np.uint8)))
    b.viewer.dims.set_current_step(0, 3)
    b.click(3, 20, 20)
    b.viewer.layers.clear()
    assert b.session is None
    assert len(b.viewer.layers) == 0
    b.viewer.add_image(plane)
    b.until(lambda: b.session is not None)
    b.click(20, 20)
    assert b.labels.data[20, 20] == 1


def test_removing_the_preview_is_harmless(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    b.viewer.layers.remove("preview")
    b.until(lambda: "preview" in b.viewer.layers and b.viewer.layers["preview"].visible)
    b.click(40, 40)
    assert b.viewer.layers["preview"].visible


def test_renaming_layers_changes_only_what_the_pickers_say(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    for layer in list(b.viewer.layers):
        layer.name = f"renamed {layer.name}"
    b.click(40, 40)
    assert b.labels.data[40, 40] == 1
    assert b.panel.layers.pickers["labels"].currentText() == b.labels.name


def test_labels_replaced_by_others_are_drawn_into_and_their_ids_avoided(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    b.key(Qt.Key.Key_Return)
    other = np.array(b.labels.data)
    other[50:60, 50:60] = 7
    b.labels.data = other
    b.click(40, 20)
    assert b.session.label == 8
    assert b.labels.data[40, 20] == 8
    assert b.labels.data[55, 55] == 7


def test_existing_labels_can_be_corrected(bench, plane):
    objects = np.zeros((64, 64), np.uint16)
    objects[10:20, 10:20] = 5
    b = bench(plane)
    given = b.viewer.add_labels(objects)
    b.panel.requests.labels_chosen.emit(given)
    b.hand.point_at((15, 15))
    b.until(lambda: abs(b.viewer.cursor.position[0] - 15) < 1)
    b.run("take_up")
    b.click(30, 30)
    assert b.session.label == 5
    assert b.labels is given
    assert given.data[30, 30] == 5
    b.key(Qt.Key.Key_Escape)
    assert (given.data == 5).sum() == 100


def test_large_labels_are_read_in_the_background_and_clicked_on_afterwards(bench, plane, models, monkeypatch):
    monkeypatch.setattr("napari_clickseg.gui.layer_pair.COUNTED_AT_ONCE", 0)
    objects = np.zeros((64, 64), np.uint16)
    objects[10:20, 10:20] = 5
    b = bench(plane)
    given = b.viewer.add_labels(objects)
    models["disks"].gate.clear()
    b.panel.requests.labels_chosen.emit(given)
    b.hand.click((40, 40))
    b.until(lambda: "still being read" in b.status)
    b.until(lambda: len(b.points("positive").data) == 0)
    assert b.session.clicks == ()
    models["disks"].gate.set()
    b.until(lambda: b.session.label == 6)
    b.click(40, 40)
    assert (given.data[40, 40], given.data[15, 15]) == (6, 5)


def test_points_of_a_foreign_layer_are_copied_and_the_layer_is_left_alone(bench, plane):
    b = bench(plane)
    mine = b.viewer.add_points([[40.0, 40.0]], name="mine", features={"spot": [7]})
    b.panel.requests.points_taken.emit(mine, True)
    b.answered()
    assert b.labels.data[40, 40] == 1
    b.press("keep")
    b.press("cancel")
    b.viewer.window.remove_dock_widget(b.widget)
    np.testing.assert_array_equal(mine.data, [[40.0, 40.0]])
    assert list(mine.features["spot"]) == [7]


def test_another_model_answers_the_clicks_again(bench, plane):
    b = bench(plane)
    b.click(30, 30)
    small = b.session.area()
    b.panel.requests.model_chosen.emit("large")
    b.until(lambda: b.session.area() > small)
    assert len(b.session.clicks) == 1


def test_an_error_of_the_model_is_told_and_loses_nothing(bench, plane, models):
    b = bench(plane)
    b.click(20, 20)
    models["disks"].failure = RuntimeError("the disk press is stuck.")
    b.click(40, 40)
    b.until(lambda: "the disk press is stuck" in b.status)
    assert b.labels.data[20, 20] == 1
    assert len(b.session.clicks) == 2
    models["disks"].failure = None
    b.click(40, 20)
    assert b.labels.data[40, 40] == 1


def test_a_model_that_cannot_be_loaded_is_told(bench, plane, models):
    del models["disks"]
    b = bench(plane)
    assert "cannot be used" in b.status
    assert b.panel.status.kind == "error"


def test_keep_before_the_answer_keeps_when_it_is_there(bench, plane):
    b = bench(plane)
    b.hand.click((20, 20))
    b.press("keep")
    b.until(lambda: b.session.label == 2)
    assert b.labels.data[20, 20] == 1


def test_closing_the_panel_keeps_the_object_and_reopening_goes_on(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    labels, positive = b.labels, b.points("positive")
    b.viewer.window.remove_dock_widget(b.widget)
    assert labels.data[20, 20] == 1
    assert [role_of(layer) for layer in b.viewer.layers] == [None, "labels", "positive", "negative"]
    assert not positive.keymap
    b.viewer.window.add_dock_widget(b.widget, name="again")
    b.ready()
    assert b.labels is labels
    assert b.points("positive") is positive
    b.click(40, 40)
    assert (labels.data[20, 20], labels.data[40, 40]) == (1, 2)


def test_the_preview_lies_below_the_clicks_when_opened_again_too(bench, plane):
    b = bench(plane)
    order = [role_of(layer) for layer in b.viewer.layers]
    assert order.index("preview") < order.index("positive") < order.index("negative")
    b.viewer.window.remove_dock_widget(b.widget)
    b.viewer.window.add_dock_widget(b.widget, name="again")
    b.ready()
    assert [role_of(layer) for layer in b.viewer.layers] == order
    assert b.viewer.layers.selection.active is b.points("positive")


@pytest.mark.parametrize("shape", [(64, 64), (5, 64, 64)])
def test_clicks_and_preview_lie_above_an_image_chosen_later(bench, plane, shape):
    b = bench(plane)
    second = b.viewer.add_image(np.zeros(shape, np.uint8))
    b.panel.requests.image_chosen.emit(second)
    b.ready()
    ours = b.viewer.layers[b.viewer.layers.index(second) + 1 :]
    assert [role_of(layer) for layer in ours] == ["labels", "preview", "positive", "negative"]


def test_an_image_chosen_with_active_labels_that_fit_goes_on_with_those(bench, plane):
    b = bench(plane)
    b.viewer.add_image(np.zeros((5, 64, 64), np.uint8), name="movie")
    given = b.viewer.add_labels(np.zeros((5, 64, 64), np.int32), name="to correct")
    b.panel.requests.image_chosen.emit(b.viewer.layers["movie"])
    b.ready()
    assert b.labels is given


def test_an_image_chosen_does_not_go_on_with_the_labels_of_another(bench, plane):
    b = bench(plane, name="first")
    first = b.labels
    b.viewer.add_image(plane, name="second")
    b.viewer.layers.selection.active = first
    b.panel.requests.image_chosen.emit(b.viewer.layers["second"])
    b.ready()
    assert b.labels is not first


def test_closing_the_panel_before_the_answer_leaves_what_is_drawn(bench, plane, models):
    b = bench(plane)
    b.click(20, 20)
    b.key(Qt.Key.Key_Return)
    b.click(40, 20)
    labels, drawn = b.labels, np.array(b.labels.data)
    models["disks"].gate.clear()
    b.hand.click((40, 40))
    b.until(lambda: b.session.pending is not None)
    b.viewer.window.remove_dock_widget(b.widget)
    np.testing.assert_array_equal(labels.data, drawn)
    models["disks"].gate.set()
    b.viewer.window.add_dock_widget(b.widget, name="again")
    b.ready()
    assert b.labels is labels
    b.click(20, 40)
    assert (labels.data[20, 20], labels.data[40, 20], labels.data[20, 40], labels.data[40, 40]) == (1, 2, 3, 0)


def test_closing_napari_ends_the_panel_and_touches_no_layer_any_more(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    controller, points, labels, ended = b.controller, b.points("positive"), b.labels, []
    b.widget.destroyed.connect(lambda: ended.append(controller.session))
    b.viewer.close()
    b.until(lambda: ended == [None])
    assert len(points.data) == 1  # its canvas is gone: whoever changed it would draw on nothing
    assert labels.data[20, 20] == 1


def test_labels_are_saved_as_drawn(bench, plane, tmp_path):
    import tifffile

    b = bench(plane)
    b.click(20, 20)
    b.key(Qt.Key.Key_Return)
    (saved,) = b.labels.save(str(tmp_path / "labels.tif"))
    np.testing.assert_array_equal(tifffile.imread(saved), b.labels.data)


def test_the_threshold_draws_the_object_anew(bench, plane):
    b = bench(plane)
    b.click(20, 20)
    b.panel.shape.threshold.setValue(98)
    assert b.session.threshold == pytest.approx(0.98)
    assert b.labels.data[20, 20] == 1


def test_the_threshold_slider_follows_the_objects_own_threshold(bench, plane):
    b = bench(plane)
    slider = b.panel.shape.threshold
    b.click(20, 20)
    b.key(Qt.Key.Key_Return)
    b.click(40, 40)
    slider.setValue(80)
    b.press("cancel")
    b.press("undo")
    assert slider.value() == round(100 * b.session.threshold) == 80


def test_hand_painted_ids_are_not_given_to_new_objects(bench, plane):
    b = bench(plane)
    labels: Labels = b.labels
    labels.selected_label = 4
    labels.paint((50, 50), 4)
    b.click(20, 20)
    assert b.session.label == 5


# -- images that are changed in place, or grow -----------------------------------------------------------------------


def test_pixels_that_dask_computes_anew_are_looked_at_anew_when_the_layer_is_refreshed(bench, plane):
    pixels = [np.array(plane)]
    lazy = dask.array.from_delayed(dask.delayed(lambda: pixels[0], pure=False)(), plane.shape, plane.dtype)
    b = bench(lazy)
    before = b.session.image
    b.viewer.layers[0].refresh()
    assert b.session.image is not before
    b.click(20, 20)
    assert b.labels.data[20, 20] == 1


def test_objects_stay_on_a_movie_that_grows_and_are_in_the_journal(bench):
    b = bench(np.random.default_rng(0).integers(0, 99, (5, 64, 64), np.uint8))
    b.click(20, 20)
    b.key(Qt.Key.Key_Return)
    (label,) = np.unique(b.labels.data)[1:]
    image = b.viewer.layers[0]
    image.data = np.concatenate([image.data, image.data])
    assert b.session.image.shape == b.labels.data.shape == (10, 64, 64)
    assert label in b.labels.data
    assert "grew; its objects stay where they are" in b.status
    b.click(40, 40)
    assert set(np.unique(b.labels.data)) == {0, label, label + 1}
    assert b.controller.recovery.journal(b.pair).unsaved > 1


def test_a_movie_on_disk_that_grows_is_noticed_when_it_is_refreshed(bench, tmp_path):
    movie = zarr.create_array(tmp_path / "movie.zarr", shape=(5, 64, 64), chunks=(1, 64, 64), dtype="u1")
    movie[:] = np.random.default_rng(0).integers(0, 99, movie.shape, np.uint8)
    b = bench(movie)
    b.click(20, 20)
    b.key(Qt.Key.Key_Return)
    movie.resize((6, 64, 64))
    b.viewer.layers[0].refresh()
    b.until(lambda: b.session.image.shape == (6, 64, 64))
    assert b.labels.data.shape == (6, 64, 64)
    assert b.labels.data.any()
