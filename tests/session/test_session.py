"""The session, claim by claim. Random histories are in test_histories.py."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
import zarr

from doubles import BrokenError, Disks, Failing, disk
from napari_clickseg.core import labels as labels_module
from napari_clickseg.core.clicks import Click
from napari_clickseg.core.images import Image
from napari_clickseg.core.regions import Region
from napari_clickseg.models.classic import Geodesic
from napari_clickseg.session import committed as ledger_module
from napari_clickseg.session.session import Session

SHAPE = (20, 24)


def make(labels=None, shape=SHAPE, ndim=2, **options) -> Session:
    return Session(np.zeros(shape, np.float32), Disks(ndim), labels=labels, **options)


def square(label: int = 3, dtype=np.int32) -> np.ndarray:
    labels = np.zeros(SHAPE, dtype)
    labels[5:10, 5:10] = label
    return labels


# -- clicks --------------------------------------------------------------------------------------------------------


def test_a_click_draws_the_answer():
    session = make()
    session.click((10, 10))
    np.testing.assert_array_equal(session.labels, disk(SHAPE, (10, 10), 2.4).astype(int))
    np.testing.assert_array_equal(session.labels == 1, session.mask())
    assert session.area() == session.mask().sum()


def test_a_negative_click_takes_pixels_away():
    session = make()
    session.click((10, 10))
    session.click((10, 12), positive=False)
    assert session.labels[10, 12] == 0
    assert session.labels[10, 8] == 1


def test_negative_clicks_alone_draw_nothing_and_ask_nothing():
    session = make()
    assert session.set_clicks((Click((10.0, 10.0), positive=False),)) is None
    assert not session.labels.any()
    session.click((5, 5))
    assert session.mask()[5, 5]


def test_negative_clicks_correct_an_object_that_was_taken_up_and_no_other_frame():
    labels = np.zeros((2, *SHAPE), np.int32)
    labels[0] = square()
    session = Session(np.zeros(labels.shape, np.float32), Disks(2), labels=labels, axes="TYX")
    session.resume(3)
    session.click((0, 7, 7), positive=False)
    session.click((1, 7, 7), positive=False)
    assert session.labels[0, 7, 7] == 0
    assert not session.labels[1].any()


def test_an_object_taken_up_is_asked_about_at_its_own_size():
    session = make(labels=square(), diameter=200)
    session.resume(3)
    request = session.set_clicks((Click((7.0, 11.0)),))
    assert request.diameter == pytest.approx(2 * np.sqrt(25 / np.pi))
    assert not request.estimated


@pytest.mark.parametrize("diameter", [0, -3, float("inf"), float("nan")])
def test_a_diameter_that_is_none_is_refused(diameter):
    with pytest.raises(ValueError, match="positive number of pixels"):
        make(diameter=diameter)


def test_the_old_mask_stays_until_the_answer_comes():
    session = make()
    session.click((10, 10))
    before = session.labels.copy()
    request = session.set_clicks((*session.clicks, Click((3.0, 3.0))))
    np.testing.assert_array_equal(session.labels, before)
    assert session.pending is request
    assert session.apply(request, session.run(request)) is None
    assert session.labels[3, 3] == 1


def test_a_stale_answer_is_dropped():
    session = make()
    first = session.set_clicks([Click((4.0, 4.0))])
    second = session.set_clicks([Click((4.0, 4.0)), Click((15.0, 15.0))])
    assert session.apply(first, session.run(first)) is second
    assert not session.labels.any()


def test_undo_after_late_answer_shows_the_older_mask():
    session = make()
    session.click((4, 4))
    older = session.labels.copy()
    late = session.set_clicks((*session.clicks, Click((15.0, 15.0))))
    session.undo()
    assert session.apply(late, session.run(late)) is None
    np.testing.assert_array_equal(session.labels, older)


def test_redo_of_a_click_that_was_never_answered_asks_again():
    session = make()
    session.set_clicks([Click((4.0, 4.0))])
    assert session.undo() is None
    assert session.redo() is session.pending is not None


def test_the_prior_is_the_mask_of_the_earlier_clicks():
    session = make()
    session.click((4, 4))
    shown = session.state.masks[()]
    assert session.set_clicks((*session.clicks, Click((8.0, 8.0)))).prior is shown


def test_a_new_object_has_no_prior_even_at_a_spot_that_was_cancelled():
    session = make()
    session.click((4, 4))
    session.cancel()
    assert session.set_clicks([Click((4.0, 4.0))]).prior is None


def test_a_drag_is_one_step_of_undo():
    session = make()
    for x in (4.0, 5.0, 6.0, 7.0):
        request = session.set_clicks([Click((4.0, x))])
        session.apply(request, session.run(request))
    session.undo()
    assert session.clicks == (Click((4.0, 4.0)),)
    session.undo()
    assert session.clicks == ()


def test_removing_the_last_click_empties_the_object():
    session = make()
    session.click((4, 4))
    assert session.set_clicks([]) is None
    assert not session.labels.any()
    assert session.state.empty


@pytest.mark.parametrize("position", [(-1, 3), (3, 24), (np.nan, 3), (np.inf, 3)])
def test_a_click_outside_is_refused_and_changes_nothing(position):
    session = make()
    with pytest.raises(ValueError, match="outside the image"):
        session.click(position)
    assert session.state.empty
    assert not session.can_undo


def test_a_click_with_the_wrong_number_of_coordinates_is_refused():
    with pytest.raises(ValueError, match=r"2 coordinates \(Y, X\), but got 3"):
        make().click((1, 2, 3))


def test_clicks_on_the_outermost_pixels_are_inside():
    session = make()
    for position in [(-0.5, -0.5), (19.49, 23.49)]:
        session.click(position)
    assert session.labels[0, 0] == session.labels[19, 23] == 1


# -- failures ------------------------------------------------------------------------------------------------------


def test_a_failed_click_raises_keeps_what_is_drawn_and_is_waited_for_no_more():
    session = make()
    session.click((4, 4))
    drawn = session.labels.copy()
    session.predictor = Failing()
    with pytest.raises(BrokenError):
        session.click((15, 15))
    assert session.pending is None
    assert len(session.clicks) == 2
    np.testing.assert_array_equal(session.labels, drawn)
    assert session.commit() == 1


def test_a_failure_is_told_and_the_next_click_asks_anew():
    session = make()
    told = []
    session.failed.connect(told.append)
    error = BrokenError("lost")
    request = session.set_clicks([Click((4.0, 4.0))])
    session.fail(request, error)
    assert told == [error]
    assert session.pending is None
    session.click((4, 6))
    assert session.labels[4, 4] == 1


def test_a_stale_failure_is_nobodys_business():
    session = make()
    told = []
    session.failed.connect(told.append)
    stale = session.set_clicks([Click((4.0, 4.0))])
    pending = session.set_clicks([Click((5.0, 4.0)), Click((9.0, 9.0))])
    session.fail(stale, BrokenError("late"))
    assert told == []
    assert session.pending is pending


# -- keeping, cancelling, taking up --------------------------------------------------------------------------------


def test_commit_keeps_and_numbers_upwards():
    session = make()
    session.click((4, 4))
    assert session.commit() == 1
    session.click((15, 15))
    assert session.commit() == 2
    assert set(np.unique(session.labels)) == {0, 1, 2}


def test_commit_with_nothing_drawn_says_so():
    with pytest.raises(ValueError, match="nothing to keep"):
        make().commit()


def test_commit_while_an_answer_is_awaited_says_so():
    session = make()
    session.set_clicks([Click((4.0, 4.0))])
    with pytest.raises(ValueError, match="still awaited"):
        session.commit()


def test_undo_of_a_commit_opens_the_object_and_gives_its_id_back():
    session = make()
    session.click((4, 4))
    session.commit()
    session.undo()
    assert (session.label, len(session.clicks)) == (1, 1)
    session.cancel()
    assert session.label == 1
    session.click((8, 8))
    assert session.commit() == 1


def test_cancel_restores_exactly_and_undo_brings_the_object_back():
    labels = square()
    session = make(labels)
    session.click((9, 11))
    drawn = labels.copy()
    session.cancel()
    np.testing.assert_array_equal(labels, square())
    session.undo()
    np.testing.assert_array_equal(labels, drawn)


def test_a_resumed_object_is_corrected_in_place():
    labels = square(3)
    session = make(labels)
    session.resume(3)
    np.testing.assert_array_equal(labels, square(3))
    session.click((5, 5), positive=False)
    assert labels[5, 5] == 0
    session.click((12, 7))
    assert labels[12, 7] == 3
    assert session.commit() == 3
    assert session.label == 4


def test_the_prior_of_a_resumed_object_is_its_own_mask():
    session = make(square(3))
    session.resume(3)
    prior = session.set_clicks([Click((12.0, 7.0))]).prior
    np.testing.assert_array_equal(prior.full_mask(SHAPE), square(3) == 3)


def test_resume_then_cancel_restores():
    labels = square(3)
    session = make(labels)
    session.resume(3)
    session.click((5, 5), positive=False)
    session.click((12, 7))
    session.cancel()
    np.testing.assert_array_equal(labels, square(3))


def test_a_resumed_object_may_be_clicked_away():
    labels = square(3)
    session = Session(np.zeros(SHAPE), Disks(radius=9), labels=labels)
    session.resume(3)
    session.click((7, 7), positive=False)
    assert not labels.any()
    assert session.commit() == 3
    session.undo()
    session.undo()
    np.testing.assert_array_equal(labels, square(3))


def test_resume_keeps_the_object_being_drawn():
    labels = square(3)
    session = make(labels)
    session.click((15, 15))
    session.resume(3)
    assert session.label == 3
    assert labels[15, 15] == 4


def test_resume_keeps_what_is_drawn_even_while_an_answer_is_awaited():
    labels = square(3)
    session = make(labels)
    session.click((15, 15))
    late = session.set_clicks((*session.clicks, Click((15.0, 20.0))))
    session.resume(3)
    assert session.apply(late, session.run(late)) is None
    assert (labels[15, 15], labels[15, 20]) == (4, 0)


@pytest.mark.parametrize("label", [0, -1, 7])
def test_resume_of_nothing_changes_nothing(label):
    session = make(square(3))
    session.click((15, 15))
    state = session.state
    with pytest.raises(ValueError, match=f"no object {label}"):
        session.resume(label)
    assert session.state is state


def test_resume_of_the_object_being_drawn_keeps_it_and_takes_it_up():
    session = make()
    session.click((15, 15))
    drawn = session.labels.copy()
    session.resume(1)
    assert session.label == 1
    assert session.state.taken_up
    np.testing.assert_array_equal(session.labels, drawn)


def test_resume_takes_up_every_frame_or_the_one_pointed_at():
    labels = np.zeros((5, *SHAPE), np.uint16)
    labels[1:4, 5:9, 5:9] = 2
    session = make(labels, labels.shape)
    session.resume(2)
    assert set(session.state.taken_up) == {(1,), (2,), (3,)}
    session.cancel()
    session.resume(2, position=(2, 6, 6))
    assert set(session.state.taken_up) == {(2,)}


def test_only_frames_that_changed_are_written():
    labels = np.zeros((5, *SHAPE), np.uint16)
    labels[:, 5:9, 5:9] = 2
    session = make(labels, labels.shape)
    session.resume(2)
    touched = []
    session.painted.connect(touched.append)
    session.click((3, 12, 7))
    assert {region.start[0] for region in touched} == {3}


def over_frames() -> np.ndarray:
    labels = np.zeros((3, 20, 20), np.int32)
    labels[:2, 5:15, 5:15] = 5
    return labels


@pytest.mark.parametrize("frame", [0, 1])
def test_an_object_taken_up_on_one_frame_is_corrected_on_another_one_too(frame):
    labels = over_frames()
    session = make(labels, labels.shape)
    session.resume(5, position=(1 - frame, 10, 10))
    session.click((frame, 10, 10), positive=False)
    assert (labels[frame, 10, 10], labels[frame, 5, 5], labels[1 - frame, 10, 10]) == (0, 5, 5)
    session.click((frame, 14, 17))
    assert (labels[frame, 10, 10], labels[frame, 14, 17]) == (0, 5)
    session.undo()
    session.undo()
    np.testing.assert_array_equal(labels, over_frames())
    session.redo()
    assert labels[frame, 10, 10] == 0
    session.cancel()
    np.testing.assert_array_equal(labels, over_frames())


def test_a_click_on_a_frame_without_the_object_that_is_corrected_takes_nothing_up_there():
    labels = over_frames()
    session = make(labels, labels.shape)
    session.resume(5, position=(0, 10, 10))
    session.click((2, 10, 10), positive=False)
    session.click((2, 4, 4))
    assert set(session.state.taken_up) == {(0,)}
    session.click((2, 4, 10))
    assert set(session.state.taken_up) == {(0,)}
    session.commit()
    np.testing.assert_array_equal(labels[:2], over_frames()[:2])


def test_resume_in_a_large_frame_reads_only_around_the_position(monkeypatch):
    monkeypatch.setattr(labels_module, "SEARCH_WHOLE", 100)
    labels = np.zeros((400, 300), np.int32)
    labels[90:210, 100:250] = 5
    session = make(labels, labels.shape)
    session.resume(5, position=(150, 150))
    np.testing.assert_array_equal(session.mask(), labels == 5)
    assert session.state.taken_up[()].region.shape == (120, 150)


def test_start_new_keeps_what_is_drawn_and_drops_clicks_that_drew_nothing():
    session = make(square(3), protect="background")
    assert session.start_new() == 4
    session.click((15, 15))
    assert session.start_new(label=9) == 9
    session.click((7, 7))
    assert session.area() == 0
    assert session.start_new() == 5
    with pytest.raises(ValueError, match="start at 1"):
        session.start_new(label=0)


def test_a_highest_id_that_is_known_is_not_searched_for():
    assert make(square(5)).label == 6
    assert make(square(5), highest=9).label == 10


def test_reserved_ids_are_not_given_away():
    session = make()
    session.reserve(6)
    session.click((4, 4))
    assert session.commit() == 7
    session.click((15, 15))
    session.reserve(20)
    assert session.commit() == 8
    assert session.label == 21


def test_very_old_objects_stay_but_cannot_be_undone(monkeypatch):
    monkeypatch.setattr(ledger_module, "UNDOABLE_OBJECTS", 2)
    session = make()
    for x in (2, 8, 14, 20):
        session.click((10, x))
        session.commit()
    while session.can_undo:
        session.undo()
    assert set(np.unique(session.labels)) == {0, 1, 2}
    while session.can_redo:
        session.redo()
    assert set(np.unique(session.labels)) == {0, 1, 2, 3, 4}
    assert session.label == 5


# -- protection ----------------------------------------------------------------------------------------------------


def test_other_objects_are_protected_by_default():
    labels = square(3)
    session = make(labels)
    session.click((9, 11))
    np.testing.assert_array_equal(labels == 3, square(3) == 3)


def test_anything_may_be_written_over_on_demand_and_comes_back():
    labels = square(3)
    session = make(labels, protect="anything")
    session.click((9, 10))
    assert labels[9, 9] == 4
    session.cancel()
    np.testing.assert_array_equal(labels, square(3))


def test_a_click_on_a_fragment_joins_it_and_undo_parts_them_again():
    labels = square(3)
    labels[5:10, 10:12] = 4
    labels[15:18, 5:10] = 5
    before = labels.copy()
    session = make(labels)
    session.resume(3)
    session.click((7, 10))
    assert set(np.unique(labels[5:10, 5:12])) == {3}
    assert (labels[15:18, 5:10] == 5).all()
    session.undo()
    np.testing.assert_array_equal(labels, before)


def test_a_fragment_is_joined_as_a_whole_though_the_answer_ends_within_it():
    labels = square(3)
    labels[7, 10:18] = 4
    session = make(labels)
    session.resume(3)
    session.click((7, 12))
    assert (labels[7, 5:18] == 3).all()
    assert not (labels == 4).any()


def test_a_fragment_is_parted_as_soon_as_its_click_is_moved_off_it():
    labels = square(3)
    labels[5:10, 10:12] = 4
    session = make(labels)
    session.resume(3)
    session.click((7, 10))
    session.set_clicks([Click((7, 8))])
    assert (labels[5:10, 10:12] == 4).all()


def test_a_click_on_a_neighbour_of_which_the_answer_holds_little_takes_nothing_from_it():
    labels = square(3)
    labels[2:18, 12:22] = 4
    session = make(labels)
    session.resume(3)
    session.click((7, 12))
    assert (labels == 4).sum() == 160


def test_with_object_protection_a_resumed_object_only_shrinks():
    labels = square(3)
    session = make(labels, protect="object")
    session.resume(3)
    session.click((12, 7))
    session.click((5, 5), positive=False)
    assert not np.any(labels[square(3) == 0])
    assert labels[5, 5] == 0


def test_with_object_protection_no_other_frame_is_drawn_on():
    labels = np.zeros((2, *SHAPE), np.int32)
    labels[0] = square(3)
    session = make(labels, labels.shape, protect="object")
    session.resume(3)
    session.click((1, 7, 7))
    assert not labels[1].any()


def test_an_unknown_protection_lists_the_choices():
    with pytest.raises(ValueError, match="background, object, anything"):
        make(protect="nothing")


def test_what_was_painted_over_by_hand_stays_the_users():
    labels = square(3)
    session = make(labels)
    session.resume(3)
    labels[6, 6] = 0
    labels[7, 7] = 8
    session.cancel()
    assert (labels[6, 6], labels[7, 7], labels[8, 8]) == (0, 8, 3)


# -- threshold -----------------------------------------------------------------------------------------------------


def test_a_lower_threshold_draws_more():
    session = make()
    session.click((10, 10))
    small = session.area()
    session.threshold = 0.2
    assert session.area() > small
    np.testing.assert_array_equal(session.labels == 1, session.mask())


def test_undo_of_a_commit_brings_the_objects_own_threshold_back():
    session = make()
    session.threshold = 0.2
    session.click((4, 4))
    session.commit()
    session.threshold = 0.8
    drawn = session.labels.copy()
    session.undo()
    assert session.threshold == 0.2
    np.testing.assert_array_equal(session.labels == 1, session.mask())
    session.redo()
    assert session.threshold == 0.8
    np.testing.assert_array_equal(session.labels, drawn)


def test_an_object_taken_up_stays_as_it_is_at_any_threshold():
    labels = square(3)
    session = make(labels)
    session.resume(3)
    for threshold in (1e-6, 0.999999):
        session.threshold = threshold
        np.testing.assert_array_equal(labels, square(3))
        np.testing.assert_array_equal(session.mask(), labels == 3)


@pytest.mark.parametrize("value", [0, 1, -3, np.nan])
def test_a_threshold_beyond_probabilities_is_refused(value):
    with pytest.raises(ValueError, match="between 0 and 1"):
        make().threshold = value


# -- labels --------------------------------------------------------------------------------------------------------


def test_ids_that_the_dtype_cannot_hold_are_refused_before_anything_changes():
    labels = np.zeros(SHAPE, np.uint8)
    labels.flat[-255:] = np.arange(1, 256)
    labels[0, 0] = 255
    session = make(labels)
    with pytest.raises(ValueError, match=r"uint8, which holds ids up to 255.*Convert data type"):
        session.click((5, 5))
    assert session.state.empty
    session.resume(255, (0, 0))
    session.click((1, 1))
    assert labels[1, 1] == 255


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int64, np.uint64])
def test_labels_of_any_integer_dtype_are_drawn_into_in_place(dtype):
    labels = square(3, dtype)
    session = make(labels)
    session.click((15, 15))
    assert session.labels is labels
    assert labels[15, 15] == 4


def test_labels_in_zarr_are_written():
    labels = zarr.create_array(store=zarr.storage.MemoryStore(), shape=(3, *SHAPE), chunks=(1, 8, 8), dtype="u2")
    labels[0, 0, 0] = 6
    session = make(labels, labels.shape)
    session.click((1, 10, 10))
    assert labels[1, 10, 10] == 7
    session.undo()
    assert not np.any(labels[1])


def test_labels_as_lists_are_copied():
    session = Session([[0.0] * 4] * 3, Disks(radius=0), labels=[[0] * 4] * 3)
    session.click((1, 1))
    assert session.labels.shape == (3, 4)
    assert session.labels[1, 1] == 1


def test_labels_that_cannot_be_drawn_into_are_refused():
    with pytest.raises(TypeError, match="dask"):
        make(dask.array.zeros(SHAPE, dtype=int))
    with pytest.raises(TypeError, match="must be integers"):
        make(np.zeros(SHAPE))
    with pytest.raises(ValueError, match=r"shape \(3, 3\), but this image needs \(20, 24\)"):
        make(np.zeros((3, 3), int))
    with pytest.raises(ValueError, match="may not be written"):
        make(np.broadcast_to(np.int32(0), SHAPE))


def test_ids_go_on_above_those_that_are_there_on_any_plane(monkeypatch):
    monkeypatch.setattr(labels_module, "READ_AT_ONCE", 50)
    labels = np.zeros((2, 3, *SHAPE), np.int32)
    labels[1, 2, 19, 23] = 12
    assert make(labels, labels.shape).label == 13


# -- images and models ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "axes", "position"),
    [
        (SHAPE, None, (10, 10)),
        ((*SHAPE, 3), None, (10, 10)),
        ((*SHAPE, 2), "YXC", (10, 10)),
        ((4, *SHAPE), "TYX", (2, 10, 10)),
        ((4, 2, *SHAPE), "TCYX", (2, 10, 10)),
        ((2, 5, *SHAPE), "CZYX", (2, 10, 10)),
        ((3, 5, *SHAPE), None, (1, 2, 10, 10)),
    ],
)
def test_one_session_serves_planes_stacks_and_movies(shape, axes, position):
    session = Session(np.zeros(shape, np.uint8), Disks(), axes=axes)
    session.click(position)
    assert session.labels[position] == 1
    assert session.labels.shape == session.image.shape
    frame = position[:-2]
    np.testing.assert_array_equal(session.labels[frame] == 1, session.mask(frame))
    assert session.area() == session.mask(frame).sum()


@pytest.mark.parametrize("shape", [(6, *SHAPE), (2, 6, *SHAPE)])
def test_a_model_that_sees_three_axes_draws_volumes(shape):
    session = make(shape=shape, ndim=3)
    position = (0,) * (len(shape) - 3) + (3, 10, 10)
    session.click(position)
    volume = session.labels[position[:-3]]
    assert volume[2, 10, 10] == volume[4, 10, 10] == 1


def test_a_model_of_three_axes_on_a_plane_sees_two():
    session = make(ndim=3)
    session.click((10, 10))
    assert session.ndim == 2
    assert session.labels[10, 10] == 1


def test_a_frame_that_is_not_there_is_refused():
    session = make(shape=(4, *SHAPE))
    with pytest.raises(ValueError, match="no frame"):
        session.mask()
    with pytest.raises(ValueError, match="no frame"):
        session.mask((4,))


def test_another_model_may_answer_the_same_clicks():
    session = make()
    session.click((10, 10))
    session.predictor = Disks(radius=5)
    request = session.ask_again()
    session.apply(request, session.run(request))
    assert session.labels[10, 15] == 1
    session.undo()
    assert session.ask_again() is None


def test_a_model_of_other_axes_waits_until_the_object_is_put_away():
    session = make(shape=(4, *SHAPE))
    session.click((1, 10, 10))
    with pytest.raises(ValueError, match="Keep or cancel object 1 first"):
        session.predictor = Disks(3)
    session.commit()
    session.predictor = Disks(3)
    assert session.label == 2
    assert not session.can_undo
    session.click((2, 15, 15))
    assert session.labels[1, 15, 15] == 2


def test_the_expected_diameter_is_set_or_learned_or_estimated():
    image = disk((64, 64), (32, 32), 10).astype(np.float32)
    session = Session(image, Disks(radius=4))
    assert session.expected_diameter() == pytest.approx(20, rel=0.3)
    session.click((32, 32))
    session.commit()
    assert session.expected_diameter() == pytest.approx(9, rel=0.1)
    session.undo()
    assert session.expected_diameter() == pytest.approx(20, rel=0.3)
    session.diameter = 33
    assert session.expected_diameter() == 33
    session.redo()
    assert session.expected_diameter() == 33


def test_questions_carry_the_expected_diameter():
    class Asked(Disks):
        def predict(self, image, request, stop):
            assert request.diameter == 12
            return super().predict(image, request, stop)

    Session(np.zeros(SHAPE), Asked(), diameter=12).click((4, 4))


def test_an_image_object_passes_through():
    image = Image.of(np.zeros((2, *SHAPE)), "TYX")
    assert Session(image, Disks()).image is image


# -- signals -------------------------------------------------------------------------------------------------------


def test_painted_names_the_pixels_that_changed():
    session = make()
    touched = []
    session.painted.connect(touched.append)
    session.click((10, 10))
    (region,) = touched
    assert region == Region((8, 8), (13, 13))


def test_changed_comes_when_asked_answered_and_travelling():
    session = make()
    count = []
    session.changed.connect(lambda: count.append(1))
    session.click((10, 10))
    assert len(count) == 2
    session.undo()
    session.redo()
    assert len(count) == 4
    session.undo()
    session.undo()
    assert len(count) == 5


def test_every_write_is_told_before_it_happens():
    session = Session(np.zeros((20, 20)), Disks())
    before: list[tuple[Region, int]] = []
    session.painting.connect(lambda region: before.append((region, int(session.labels.sum()))))
    session.click((5, 5))
    session.commit()
    written, area = before[0][0], int(session.labels.sum())
    assert before == [(written, 0)]
    assert session.labels[written.slices].sum() == area
    session.undo()
    session.undo()
    assert [sums for _, sums in before] == [0, area]
    assert session.step == 0


# -- ids -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32])
def test_below_a_void_id_that_is_the_last_one_free_ids_are_found(dtype):
    labels = np.zeros(SHAPE, dtype)
    labels[0] = np.iinfo(dtype).max
    labels[19, 20:] = (1, 2, 4, 5)
    session = make(labels)
    kept = []
    for column in (3, 12, 21):
        session.click((10, column))
        kept.append(session.commit())
    assert kept == [3, 6, 7]
    session.undo()
    session.undo()
    assert labels[10, 12] == 6


def by_hand(session: Session, where: tuple[slice, ...], label: int) -> None:
    session.labels[where] = label
    session.reserve(label)
    session.painted_by_hand(Region(tuple(s.start for s in where), tuple(s.stop for s in where)))


CORNER = (slice(17, 20), slice(0, 3))


@pytest.mark.parametrize("undos", [1, 2, 3])
def test_an_object_that_is_redone_after_its_id_was_painted_gets_another_one(undos):
    session = make()
    for column in (4, 14):
        session.click((4, column))
        session.commit()
    for _ in range(undos):
        session.undo()
    by_hand(session, CORNER, 2)
    for _ in range(undos):
        session.redo()
    session.click((15, 15))
    session.commit()
    ids = [int(session.labels[p]) for p in ((4, 4), (4, 14), (18, 1), (15, 15))]
    assert len(set(ids)) == 4
    assert ids[2] == 2
    while session.can_undo:
        session.undo()
    assert np.unique(session.labels).tolist() == [0, 2]


def test_a_cancelled_object_that_comes_back_after_its_id_was_painted_gets_another_one():
    session = make()
    session.click((4, 4))
    session.cancel()
    by_hand(session, CORNER, 1)
    session.undo()
    assert session.commit() != 1
    assert session.labels[18, 1] == 1
    assert session.labels[4, 4] not in (0, 1)


def test_an_id_that_only_moves_the_next_object_is_an_act_too():
    session = make()
    session.reserve(5)
    session.start_new(3)
    acts: list[str] = []
    session.acted.connect(lambda act: acts.append(act.name))
    session.reserve(4)
    assert session.label == 6
    assert acts == ["reserve"]


def test_painting_more_of_the_object_being_drawn_leaves_it_its_id():
    session = make()
    session.click((4, 4))
    row = int(np.flatnonzero(session.labels[:, 4] == 1).max())
    by_hand(session, (slice(row + 1, row + 3), slice(4, 6)), 1)
    assert session.commit() == 1


@pytest.mark.parametrize("name", ["split", "relabel", "copy_from"])
def test_an_operation_that_is_redone_after_its_id_was_painted_leaves_the_painted_cell(name):
    labels = np.zeros((2, *SHAPE), np.int32)
    labels[0, 2:8, 2:12] = 1
    session = Session(np.zeros(labels.shape, np.float32), Disks(), labels=labels, axes="TYX")
    what = {"split": ((0, 4, 3), (0, 4, 10)), "relabel": (1, 2), "copy_from": ((0,), (1,))}[name]
    getattr(session, name)(*what)
    session.undo()
    frame = 1 if name == "copy_from" else 0
    cell = (slice(frame, frame + 1), slice(5, 7), slice(4, 6)) if name == "copy_from" else (slice(0, 1), *CORNER)
    by_hand(session, cell, 2)
    painted = (session.labels == 2).copy()
    session.redo()
    np.testing.assert_array_equal(session.labels == 2, painted)
    session.undo()
    np.testing.assert_array_equal(session.labels == 2, painted)


@pytest.mark.parametrize("value", [0.0, 1e9, np.nan])
def test_a_click_on_a_frame_without_content_is_refused_and_draws_nothing(value: float) -> None:
    pixels = np.random.default_rng(0).normal(size=(2, 40, 40))
    pixels[1] = value
    session = Session(Image.of(pixels, "TYX"), Geodesic())
    with pytest.raises(ValueError, match=r"Frame 1 of the image has .* there is nothing to outline"):
        session.click((1, 20, 20))
    assert not session.labels.any()
    session.cancel()
    session.click((0, 20, 20))
    assert session.area() > 0


def test_one_colour_is_no_content_though_channels_differ() -> None:
    pixels = np.full((40, 40, 3), (200, 100, 50), np.uint8)
    with pytest.raises(ValueError, match="nothing to outline"):
        Session(Image.of(pixels), Geodesic()).click((20, 20))
