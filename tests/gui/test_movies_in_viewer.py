"""Movies and stacks in a real window: carried, reviewed, corrected, confirmed by key and mouse; nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from qtpy.QtCore import Qt

from doubles import disk

pytestmark = pytest.mark.viewer
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
COUNT = 6
STARTS = ((16.0, 16.0), (44.0, 40.0))
RADIUS = 6
AXES = ("t", "y", "x")


def centre(label, frame):
    """Where an object of the movie is."""
    y, x = STARTS[label - 1]
    return y, x + 2 * frame


@pytest.fixture(scope="module")
def truth():
    """Two disks that move by two pixels per frame."""
    labels = np.zeros((COUNT, 64, 64), np.int32)
    for frame in range(COUNT):
        for label in (1, 2):
            labels[frame][disk((64, 64), centre(label, frame), RADIUS)] = label
    return labels


@pytest.fixture(scope="module")
def movie(truth):
    noise = np.random.default_rng(0).normal(0, 3, truth.shape)
    return np.clip(20 + 160 * (truth > 0) + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def opened(bench, movie, truth):
    """Return a function that opens the movie with the labels of its first frames."""

    def open_movie(frames=1, image=movie, labels=None):
        if labels is None:
            labels = np.where(np.arange(COUNT)[:, None, None] < frames, truth, 0)

        def add_labels(viewer):
            viewer.add_labels(labels, name="given", axis_labels=AXES)

        b = bench(image, add_labels, axis_labels=AXES)
        assert b.labels.name == "given"
        b.viewer.dims.set_current_step(0, 0)
        return b

    return open_movie


def carried(b):
    """Wait until nothing is followed any more."""
    b.until(lambda: not b.controller.propagation.busy)


def under_way(b, models):
    """Wait until the model is asked about a frame that objects are followed into."""
    b.until(lambda: b.controller.propagation.trip is not None and bool(models["disks"].asked))


def reviewed(b):
    """Wait until the labels as they are now were looked at."""

    def done():
        known = b.controller.review.known(b.pair)
        return known.review is not None and not known.changed and not b.controller.review.busy

    b.until(done)


def point_at(b, *world):
    b.hand.point_at(world)
    b.until(lambda: np.allclose(b.viewer.cursor.position[-2:], world[-2:], atol=1))


def overlap(labels, truth, label):
    mine, its = labels == label, truth == label
    return (mine & its).sum() / (mine | its).sum()


def test_objects_are_carried_by_key_with_their_ids_and_one_undo_takes_all_back(opened, truth):
    b = opened()
    b.key(Qt.Key.Key_Right, SHIFT)
    assert b.controller.propagation.busy
    carried(b)
    assert all(overlap(b.labels.data[k], truth[k], label) > 0.7 for k in range(COUNT) for label in (1, 2))
    assert f"Tracked over {COUNT - 1} frames" in b.status
    b.key(Qt.Key.Key_Z, CONTROL)
    assert not b.labels.data[1:].any()
    assert b.status == f"Taken back: what was done to objects on {COUNT - 1} frames. Ctrl+Shift+Z does it again."
    assert not b.panel.frames.buttons["carry_on"].isEnabled()
    np.testing.assert_array_equal(b.labels.data[0], truth[0])
    b.key(Qt.Key.Key_Z, CONTROL | SHIFT)
    assert b.labels.data[COUNT - 1].any()
    assert b.status == f"Done again: what was done to objects on {COUNT - 1} frames. Ctrl+Z takes it back."


def test_the_object_being_drawn_is_kept_and_carried_alone(opened, truth):
    b = opened(labels=np.zeros((COUNT, 64, 64), np.int32))
    b.click(0, *centre(2, 0))
    b.panel.requests.everything_chosen.emit(False)
    b.key(Qt.Key.Key_Right, SHIFT)
    carried(b)
    assert set(np.unique(b.labels.data)) == {0, 1}
    assert overlap(b.labels.data[COUNT - 1] * 2, truth[COUNT - 1], 2) > 0.7
    assert b.session.state.empty


def test_carrying_ends_at_a_confirmed_frame_and_says_so(opened):
    b = opened()
    b.viewer.dims.set_current_step(0, 3)
    b.key(Qt.Key.Key_K)
    b.viewer.dims.set_current_step(0, 0)
    b.key(Qt.Key.Key_Right, SHIFT)
    carried(b)
    assert [frame.any() for frame in b.labels.data] == [True, True, True, False, False, False]
    assert "Frame 3 is confirmed" in b.status


def test_frames_between_two_confirmed_ones_are_filled(opened, truth):
    b = opened(labels=np.where(np.isin(np.arange(COUNT), (0, 5))[:, None, None], truth, 0))
    for frame in (0, 5):
        b.viewer.dims.set_current_step(0, frame)
        b.key(Qt.Key.Key_K)
    b.viewer.dims.set_current_step(0, 2)
    b.key(Qt.Key.Key_B, SHIFT)
    carried(b)
    assert all(overlap(b.labels.data[k], truth[k], label) > 0.6 for k in range(COUNT) for label in (1, 2))


def test_a_click_while_objects_are_carried_wins_and_one_can_go_on(opened, models):
    b = opened()
    models["disks"].gate.clear()
    models["disks"].asked.clear()
    b.key(Qt.Key.Key_Right, SHIFT)
    under_way(b, models)
    known = b.session.clicks
    b.hand.click((0, 30, 55))
    b.until(lambda: b.session.clicks != known)
    assert not b.controller.propagation.busy
    models["disks"].gate.set()
    b.answered()
    assert b.labels.data[0, 30, 55] == 3
    assert b.panel.frames.buttons["carry_on"].isEnabled()
    b.key(Qt.Key.Key_Q)
    carried(b)
    assert b.labels.data[COUNT - 1].any()


def test_escape_ends_carrying_and_keeps_what_was_carried(opened, models):
    b = opened()
    models["disks"].gate.clear()
    models["disks"].asked.clear()
    b.key(Qt.Key.Key_Right, SHIFT)
    under_way(b, models)
    b.key(Qt.Key.Key_Escape)
    assert not b.controller.propagation.busy
    models["disks"].gate.set()
    assert b.labels.data[0].any()


def test_after_a_correction_of_a_carried_frame_it_is_carried_again_from_there(opened, movie):
    image = movie.copy()
    image[:, disk((64, 64), (30, 8), RADIUS)] = 180
    b = opened(image=image)
    b.key(Qt.Key.Key_Right, SHIFT)
    carried(b)
    b.viewer.dims.set_current_step(0, 2)
    b.click(2, 30, 8)
    button = b.panel.frames.buttons["carry_on"]
    assert button.text().startswith("Again from 2")
    b.key(Qt.Key.Key_Q)
    carried(b)
    assert b.labels.data[2, 30, 8] == 3
    assert "Tracked over" in b.status
    assert all(2 in b.labels.data[k] for k in range(3, COUNT))


def test_g_goes_to_what_is_doubtful_and_k_confirms_it(opened, truth):
    labels = truth.copy()
    labels[3][labels[3] == 2] = 0
    b = opened(labels=labels)
    reviewed(b)
    b.camera.center, b.camera.zoom = (5, 60), 4 * b.camera.zoom
    b.until(lambda: b.labels.corner_pixels[0, -1] > 40)
    b.key(Qt.Key.Key_G)
    assert b.viewer.dims.current_step[0] == 3
    np.testing.assert_allclose(b.camera.center[-2:], centre(2, 3), atol=4)
    assert "frame 3, object 2" in b.status
    ring = b.viewer.layers["preview"]
    np.testing.assert_allclose(ring.data_to_world(np.array(ring.data.shape[:3]) // 2)[-2:], centre(2, 2), atol=2)
    assert ring.visible
    strip = b.panel.frames.strip
    assert "doubtful" in strip.words(3)
    b.key(Qt.Key.Key_K)
    assert "confirmed" in b.panel.frames.strip.words(3)
    assert all(finding.frame != (3,) for finding in b.controller.review.known(b.pair).findings(b.session.confirmed))
    b.key(Qt.Key.Key_Z, CONTROL)
    assert b.session.confirmed == frozenset()
    assert b.status.startswith("Taken back: frame ")
    assert "is not confirmed. Ctrl+Shift+Z does it again." in b.status


def test_the_strip_follows_the_slider_and_leads_it(opened):
    b = opened()
    reviewed(b)
    strip = b.panel.frames.strip
    assert [strip.words(k) for k in (0, 1)] == ["t 0: drawn", "t 1: nothing drawn"]
    b.viewer.dims.set_current_step(0, 4)
    assert b.panel.frames.title.text() == "Frame 4, last 5"
    strip.picked.emit(2)
    assert b.viewer.dims.current_step[0] == 2


def test_objects_are_joined_split_filled_and_deleted_by_key(opened, truth):
    b = opened()
    one, two = centre(1, 0), centre(2, 0)
    point_at(b, 0, *one)
    b.key(Qt.Key.Key_J)
    point_at(b, 0, *two)
    b.key(Qt.Key.Key_J)
    assert set(np.unique(b.labels.data[0])) == {0, 1}
    b.key(Qt.Key.Key_Z, CONTROL)
    np.testing.assert_array_equal(b.labels.data[0], truth[0])
    point_at(b, 0, one[0] - 3, one[1])
    b.key(Qt.Key.Key_I)
    b.hand.click((0, one[0] + 3, one[1]))
    b.until(lambda: 3 in b.labels.data[0])
    assert b.session.clicks == ()
    b.key(Qt.Key.Key_Z, CONTROL)
    b.labels.data[0, 44, 40] = 0
    point_at(b, 0, two[0] - 3, two[1])
    b.key(Qt.Key.Key_U)
    assert b.labels.data[0, 44, 40] == 2
    b.key(Qt.Key.Key_D)
    assert set(np.unique(b.labels.data[0])) == {0, 1}
    b.key(Qt.Key.Key_Z, CONTROL)
    assert b.labels.data[0, 44, 40] == 2


def test_an_object_gets_another_id_on_all_frames(opened, qtbot):
    b = opened(frames=COUNT)
    b.panel.requests.extent_chosen.emit("all")
    point_at(b, 0, *centre(1, 0))
    b.key(Qt.Key.Key_R)
    field = b.panel.corrections.id_field
    assert field.isVisible()
    assert b.status.startswith("Type the new number of object 1 in the panel")
    qtbot.keyClicks(field, "9")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    b.until(lambda: set(np.unique(b.labels.data)) == {0, 2, 9})
    assert not b.panel.corrections.id_field.isVisible()
    assert all(9 in frame for frame in b.labels.data)
    b.key(Qt.Key.Key_Z, CONTROL)
    assert set(np.unique(b.labels.data)) == {0, 1, 2}


def test_an_object_is_copied_from_the_frame_before(opened, truth):
    b = opened()
    b.viewer.dims.set_current_step(0, 1)
    point_at(b, 1, *centre(1, 0))
    b.key(Qt.Key.Key_C, SHIFT)
    np.testing.assert_array_equal(b.labels.data[1] == 1, truth[0] == 1)
    assert 2 not in b.labels.data[1]
    point_at(b, 1, 30, 30)
    b.key(Qt.Key.Key_C, SHIFT)
    assert set(np.unique(b.labels.data[1])) == {0, 1, 2}


def test_a_correction_asked_for_by_button_takes_the_next_click(opened, qtbot):
    b = opened()
    qtbot.mouseClick(b.panel.corrections.buttons["delete"], Qt.MouseButton.LeftButton)
    assert "Click on the object to delete" in b.status
    b.hand.click((0, *centre(2, 0)))
    b.until(lambda: 2 not in b.labels.data[0])
    assert b.session.clicks == ()
    assert "Ctrl+Z takes it back" in b.status


@pytest.mark.parametrize("key", [Qt.Key.Key_J, Qt.Key.Key_D, Qt.Key.Key_R])
def test_over_background_a_correction_says_what_to_do_and_changes_nothing(opened, truth, key):
    b = opened()
    point_at(b, 0, 30, 5)
    b.key(key)
    assert "no object there" in b.status
    np.testing.assert_array_equal(b.labels.data[0], truth[0])


def test_spacing_and_axes_are_changed_in_the_panel(opened):
    b = opened()
    b.panel.requests.spacing_set.emit(0, 2.5)
    assert b.session.image.spacing == (2.5, 1.0, 1.0)
    np.testing.assert_allclose(b.labels.scale, (2.5, 1, 1))
    b.panel.requests.axis_named.emit(0, "Z")
    assert b.session.image.axes == "ZYX"
    assert b.panel.frames.title.text().startswith("Plane")
    assert b.panel.review.list.headerItem().text(0) == "plane"
    b.click(0, 30, 55)
    assert b.labels.data[0, 30, 55] == 3


def test_frames_of_an_axis_that_nobody_named_are_called_frames(bench, movie):
    b = bench(movie)
    assert b.session.image.axes == "ZYX"
    assert b.panel.frames.title.text() == f"Frame {b.viewer.dims.current_step[0]}, last {COUNT - 1}"
    b.viewer.layers[0].axis_labels = ("z", "y", "x")
    assert b.panel.frames.title.text().startswith("Plane")


def test_a_trip_ends_where_something_was_drawn_last(bench, movie, truth):
    gone = np.array(movie)
    gone[3:] = np.median(movie)
    labels = np.where(np.arange(COUNT)[:, None, None] < 1, truth, 0)
    b = bench(gone, lambda viewer: viewer.add_labels(labels, name="given", axis_labels=AXES), axis_labels=AXES)
    b.viewer.dims.set_current_step(0, 0)
    b.key(Qt.Key.Key_Right, SHIFT)
    carried(b)
    assert b.status.startswith("Tracked over 2 frames, to frame 2. No object is left to track.")


def test_time_and_depth_are_told_apart_and_objects_go_along_either(bench, movie, truth):
    labels = np.zeros((2, *truth.shape), np.int32)
    labels[1, 0] = truth[0]
    image = np.stack([movie, movie])
    b = bench(image, lambda viewer: viewer.add_labels(labels, name="given"), axis_labels=("t", "z", "y", "x"))
    b.viewer.dims.set_current_step((0, 1), (1, 0))
    assert b.panel.frames.along.values == ["T", "Z"]
    b.panel.requests.along_chosen.emit("Z")
    assert b.panel.frames.title.text() == "Plane 0, last 5"
    b.panel.requests.reach_set.emit(2)
    b.key(Qt.Key.Key_Right, SHIFT)
    carried(b)
    assert [bool(plane.any()) for plane in labels[1]] == [True, True, True, False, False, False]
    assert not labels[0].any()
    b.panel.requests.frame_chosen.emit(2)
    assert b.viewer.dims.current_step[:2] == (1, 2)
    b.key(Qt.Key.Key_K)
    assert b.session.confirmed == {(1, 2)}


def test_an_image_of_one_frame_shows_no_frames_and_says_so(bench, plane):
    b = bench(plane)
    tabs = b.panel.tabs
    assert not tabs.isTabVisible(1)
    b.key(Qt.Key.Key_Right, SHIFT)
    assert "but one frame" in b.status
    b.key(Qt.Key.Key_G)
    assert "Nothing doubtful" in b.status


class Recording:
    """An array that remembers which frames were read."""

    def __init__(self, array):
        self._array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.read = set()

    def __getitem__(self, index):
        first = index[0] if isinstance(index, tuple) else index
        self.read.update(np.atleast_1d(np.arange(self.shape[0])[first]).tolist())
        return self._array[index]

    def __array__(self, dtype=None, copy=None):
        self.read.update(range(self.shape[0]))
        return np.asarray(self._array, dtype)


def test_only_the_frames_touched_are_read(opened, movie):
    lazy = Recording(np.concatenate([movie, np.zeros((20, 64, 64), np.uint8)]))
    b = opened(image=lazy, labels=np.concatenate([np.ones((1, 64, 64), int), np.zeros((25, 64, 64), int)]))
    b.panel.requests.labels_chosen.emit(None)
    b.click(0, *centre(1, 0))
    lazy.read.clear()
    b.panel.requests.reach_set.emit(2)
    b.key(Qt.Key.Key_Right, SHIFT)
    carried(b)
    assert b.labels.data[2].any()
    assert lazy.read <= {0, 1, 2}


def test_labels_in_zarr_are_carried_into(opened, truth):
    labels = zarr.create_array({}, shape=truth.shape, chunks=(1, 64, 64), dtype="int32")
    labels[0] = truth[0]
    b = opened(labels=labels)
    b.key(Qt.Key.Key_Right, SHIFT)
    carried(b)
    assert overlap(np.asarray(labels[COUNT - 1]), truth[COUNT - 1], 1) > 0.7


@pytest.mark.parametrize("upheaval", ["close", "delete image", "other image", "other model", "delete labels"])
def test_upheavals_while_objects_are_carried_lose_nothing(opened, models, truth, upheaval):
    b = opened()
    labels = b.labels
    models["disks"].gate.clear()
    models["disks"].asked.clear()
    b.key(Qt.Key.Key_Right, SHIFT)
    under_way(b, models)
    {
        "close": b.controller.close,
        "delete image": lambda: b.viewer.layers.remove(b.viewer.layers[0]),
        "other image": lambda: b.panel.requests.image_chosen.emit(b.viewer.add_image(np.zeros((40, 40)))),
        "other model": lambda: b.panel.requests.model_chosen.emit("large"),
        "delete labels": lambda: b.viewer.layers.remove(labels),
    }[upheaval]()
    models["disks"].gate.set()
    b.until(lambda: not b.controller.propagation.busy)
    np.testing.assert_array_equal(labels.data[0], truth[0])


def test_painting_by_hand_is_told_as_an_act_and_is_reviewed(opened):
    b = opened()
    reviewed(b)
    acts = []
    b.session.acted.connect(acts.append)
    b.viewer.dims.set_current_step(0, 3)
    b.labels.selected_label = 7
    b.labels.paint((3, 30, 30), 7)
    b.until(lambda: any(act.name == "paint" for act in acts))
    painted = next(act for act in acts if act.name == "paint")
    assert painted.arguments["region"].start[0] == 3
    assert 7 in painted.arguments["values"]
    reviewed(b)
    assert "nothing drawn" not in b.panel.frames.strip.words(3)
