"""Edits, verbs, confirmed frames and acts of a session, claim by claim; random histories are in test_histories."""

from __future__ import annotations

import numpy as np
import pytest

from doubles import Disks, Finding
from napari_clickseg.core.clicks import Click
from napari_clickseg.core.edits import Edit
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Nobody
from napari_clickseg.session import committed as ledger_module
from napari_clickseg.session import drawing
from napari_clickseg.session.replay import Act
from napari_clickseg.session.session import Session

SHAPE = (4, 20, 24)


def movie(predictor=None, dtype=np.int32, **options) -> Session:
    """A movie of four frames with object 1 at the upper left of each, object 2 at the lower right of the first."""
    labels = np.zeros(SHAPE, dtype)
    labels[:, 2:6, 2:6] = 1
    labels[0, 12:18, 12:18] = 2
    return Session(np.zeros(SHAPE, np.float32), predictor or Disks(), labels=labels, axes="TYX", **options)


def square(value: int, confidence=None, at=(8, 8)) -> Edit:
    region = Region(at, tuple(k + 3 for k in at))
    return Edit(region, np.ones((3, 3), bool), np.full((3, 3), value), confidence or {})


# -- edits ---------------------------------------------------------------------------------------------------------


def test_an_edit_of_several_frames_is_one_step():
    session = movie()
    before = session.labels.copy()
    session.edit({(1,): square(7), (3,): square(1)})
    assert (session.labels[1, 9, 9], session.labels[3, 9, 9], session.label) == (7, 1, 8)
    session.undo()
    np.testing.assert_array_equal(session.labels, before)
    assert (session.label, session.can_undo) == (3, False)
    session.redo()
    assert (session.labels[1, 9, 9], session.labels[3, 9, 9], session.label) == (7, 1, 8)


def test_objects_kept_are_those_drawn_not_the_steps():
    session = movie()
    session.edit({(1,): square(7), (2,): square(8), (3,): square(1)})
    assert session.state.objects == 2
    session.click((2, 15, 15))
    session.commit()
    session.merge((7, 8))
    assert (session.state.objects, session.state.kept) == (3, 3)
    session.undo()
    session.undo()
    session.undo()
    session.undo()
    assert session.state.objects == 0
    session.redo()
    assert session.state.objects == 2


def test_an_edit_that_goes_on_counts_the_objects_that_were_not_there():
    session = movie()
    session.edit({(1,): square(7)})
    assert session.extend({(2,): square(7)})
    assert session.state.objects == 1
    assert session.extend({(3,): square(8)})
    assert (session.state.objects, session.state.kept) == (2, 1)


def test_an_edit_tells_which_regions_it_wrote_then_and_when_travelling():
    session, told = movie(), []
    session.painted.connect(told.append)
    session.edit({(1,): square(7)})
    session.undo()
    session.redo()
    assert told == [Region((1, 8, 8), (2, 11, 11))] * 3


def test_the_object_being_drawn_is_kept_before_an_edit():
    session = movie()
    session.click((2, 15, 15))
    late = session.set_clicks((*session.clicks, Click((2.0, 18.0, 18.0))))
    session.edit({(1,): square(7)})
    assert session.apply(late, session.run(late)) is None
    assert (session.labels[2, 15, 15], session.labels[2, 18, 18]) == (3, 0)
    session.undo()
    session.undo()
    assert (session.label, len(session.clicks)) == (3, 2)


def test_an_edit_with_far_parts_is_written_part_by_part_as_one_step(monkeypatch):
    monkeypatch.setattr(drawing, "PART", 8)
    session = movie()
    written = np.zeros((20, 20), bool)
    written[2:5, 3], written[17, 12:19] = True, True
    values = np.where(np.arange(20) < 10, 8, 9) * np.ones((20, 1), int)
    touched = []
    session.painted.connect(touched.append)
    session.edit({(1,): Edit(Region((0, 0), (20, 20)), written, values)})
    wanted = movie().labels[1]
    wanted[2:5, 3], wanted[17, 12:19] = 8, 9
    np.testing.assert_array_equal(session.labels[1], wanted)
    assert touched == [Region((1, 2, 3), (2, 18, 19))]
    session.undo()
    np.testing.assert_array_equal(session.labels, movie().labels)
    session.redo()
    np.testing.assert_array_equal(session.labels[1], wanted)


def test_clicks_that_drew_nothing_are_dropped_before_an_edit():
    session = movie()
    session.set_clicks([Click((0.0, 9.0, 9.0), positive=False)])
    session.edit({(1,): square(7)})
    assert session.clicks == ()
    session.undo()
    session.undo()
    assert len(session.clicks) == 1


def test_an_id_that_was_chosen_stays_where_the_edit_does_not_use_it():
    session = movie()
    session.start_new(label=9)
    session.edit({(1,): square(7)})
    assert session.label == 9
    session.edit({(1,): square(9)})
    assert session.label == 10


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ({(4,): square(3)}, r"no frame \(4,\)"),
        ({(): square(3)}, r"no frame \(\)"),
        ({(0,): square(3), (1,): square(3, at=(8, 22))}, "does not lie inside a frame of shape"),
        ({(0,): square(3), (1,): square(256)}, "holds ids up to 255"),
    ],
)
def test_an_edit_that_does_not_fit_changes_nothing(edits, said):
    session = movie(dtype=np.uint8)
    session.click((2, 15, 15))
    before, state = session.labels.copy(), session.state
    for do in (session.edit, session.extend):
        with pytest.raises(ValueError, match=said):
            do(edits)
    np.testing.assert_array_equal(session.labels, before)
    assert session.state is state


class Full:
    """Labels on a disk that is full after some writes."""

    def __init__(self, array, writes):
        self.array, self.left = array, writes
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, slices):
        return self.array[slices]

    def __setitem__(self, slices, values):
        if self.left == 0:
            self.left = 100
            raise OSError("No space left on device")
        self.left -= 1
        self.array[slices] = values


@pytest.mark.parametrize("writes", [0, 1])
def test_an_undo_that_fails_half_way_leaves_all_as_it_was(writes):
    session = movie()
    before = session.labels.copy()
    session.edit({(1,): square(3), (2,): square(3)})
    after, state = session.labels.copy(), session.state
    session.labels = Full(session.labels, writes)
    with pytest.raises(OSError, match="No space"):
        session.undo()
    np.testing.assert_array_equal(session.labels.array, after)
    assert session.state is state
    session.undo()
    np.testing.assert_array_equal(session.labels.array, before)


@pytest.mark.parametrize("writes", [0, 1])
def test_an_answer_that_cannot_be_drawn_leaves_what_is_drawn(writes):
    session = movie()
    session.click((1, 12, 12))
    drawn = session.labels.copy()
    session.labels = Full(session.labels, writes)
    with pytest.raises(OSError, match="No space"):
        session.click((1, 12, 16))
    np.testing.assert_array_equal(session.labels.array, drawn)
    assert session.pending is None
    assert len(session.clicks) == 2
    session.labels.left = 0
    with pytest.raises(OSError, match="No space"):
        session.cancel()
    np.testing.assert_array_equal(session.labels.array == 3, drawn == 3)
    session.click((1, 16, 12))
    assert session.labels.array[1, 12, 16] == session.labels.array[1, 16, 12] == 3
    session.labels.left = writes
    with pytest.raises(OSError, match="No space"):
        session.undo()
    assert not session.can_redo
    session.cancel()
    assert not (session.labels.array == 3).any()


@pytest.mark.parametrize("writes", [0, 1])
def test_an_edit_that_fails_half_way_leaves_no_trace(writes):
    session = movie()
    session.edit({(0,): square(3)})
    before = session.labels.copy()
    session.labels = Full(session.labels, writes)
    with pytest.raises(OSError, match="No space"):
        session.extend({(1,): square(3), (2,): square(3)})
    np.testing.assert_array_equal(session.labels.array, before)
    session.labels.left = writes
    with pytest.raises(OSError, match="No space"):
        session.edit({(1,): square(4), (2,): square(4)})
    np.testing.assert_array_equal(session.labels.array, before)
    session.undo()
    assert not session.can_undo
    session.labels.left = 0
    with pytest.raises(OSError, match="No space"):
        session.redo()
    assert session.can_redo
    session.redo()
    np.testing.assert_array_equal(session.labels.array, before)


def test_the_oldest_edits_stay_but_cannot_be_undone(monkeypatch):
    monkeypatch.setattr(ledger_module, "UNDOABLE_OBJECTS", 2)
    session = movie()
    for value in (5, 6, 7):
        session.edit({(1,): square(value)})
    while session.can_undo:
        session.undo()
    assert session.labels[1, 9, 9] == 5
    assert session.label == 6


# -- extending -----------------------------------------------------------------------------------------------------


def test_an_edit_that_goes_on_is_still_one_step():
    session = movie()
    before = session.labels.copy()
    number = session.edit({(1,): square(7, {7: 0.9})})
    assert session.extend({(2,): square(7, {7: 0.8})}, number)
    assert session.extend({(2,): square(8, at=(9, 9))}, number)
    after = session.labels.copy()
    assert session.label == 9
    session.undo()
    np.testing.assert_array_equal(session.labels, before)
    session.redo()
    np.testing.assert_array_equal(session.labels, after)
    assert session.confidence((2,)) == {7: 0.8}


@pytest.mark.parametrize(
    "something",
    [
        lambda session: session.set_clicks([Click((0.0, 9.0, 9.0))]),
        lambda session: session.confirm((3,)),
        lambda session: session.edit({(3,): square(4)}),
        lambda session: session.merge((1, 2)),
        lambda session: session.undo(),
        lambda session: session.resume(1),
        lambda session: (session.undo(), session.edit({(3,): square(4)})),
        lambda session: (session.set_clicks([Click((0.0, 9.0, 9.0))]), session.undo()),
    ],
)
def test_whatever_else_is_done_ends_a_carry(something):
    session = movie()
    number = session.edit({(1,): square(7)})
    something(session)
    before, state = session.labels.copy(), session.state
    assert not session.extend({(2,): square(7)}, number)
    np.testing.assert_array_equal(session.labels, before)
    assert session.state is state


def test_undo_and_redo_of_a_carry_let_it_go_on():
    session = movie()
    number = session.edit({(1,): square(7)})
    session.undo()
    session.redo()
    assert session.extend({(2,): square(7)}, number)


def test_nothing_is_carried_into_a_confirmed_frame():
    session = movie()
    session.confirm((2,))
    number = session.edit({(1,): square(7)})
    with pytest.raises(ValueError, match=r"Frame \(2,\) is confirmed"):
        session.extend({(2,): square(7)}, number)
    assert not (session.labels[2] == 7).any()


# -- all objects of a frame ----------------------------------------------------------------------------------------


def test_objects_that_the_model_finds_come_into_background_with_ids_of_their_own():
    session = movie(Finding())
    before = session.labels.copy()
    session.edit({(0,): session.segmented((0,))})
    np.testing.assert_array_equal(session.labels[before > 0], before[before > 0])
    assert set(np.unique(session.labels)) == set(range(session.label))
    assert session.label > 10
    session.undo()
    np.testing.assert_array_equal(session.labels, before)


def test_objects_kept_while_the_model_was_looking_stay_and_keep_their_ids():
    session = movie(Finding())
    found = session.segmented((1,))
    session.click((1, 11, 11))
    session.commit()
    drawn = session.labels == 3
    session.edit({(1,): found})
    np.testing.assert_array_equal(session.labels == 3, drawn)


def test_where_nothing_is_protected_the_model_writes_over_all():
    session = movie(Finding(), protect="anything")
    session.edit({(0,): session.segmented((0,))})
    assert session.labels[0, 16, 16] > 2


def test_a_model_that_only_answers_clicks_finds_no_objects_and_says_so():
    with pytest.raises(ValueError, match="disks answers clicks, but does not find objects"):
        movie().segmented((0,))
    with pytest.raises(ValueError, match="no frame"):
        movie(Finding()).segmented((9,))


def test_more_objects_than_the_labels_can_number_are_refused():
    session = movie(Finding(), dtype=np.uint8)
    session.labels[3].flat[:253] = np.arange(3, 256)
    session.reserve(250)
    before = session.labels.copy()
    with pytest.raises(ValueError, match="holds ids up to 255"):
        session.edit({(1,): session.segmented((1,))})
    np.testing.assert_array_equal(session.labels, before)


# -- frames --------------------------------------------------------------------------------------------------------


def test_confirming_a_frame_is_a_step():
    session = movie()
    session.confirm((1,))
    session.confirm((1,))
    session.confirm((2,))
    session.confirm((1,), yes=False)
    assert session.confirmed == {(2,)}
    session.undo()
    assert session.confirmed == {(1,), (2,)}
    session.undo()
    session.undo()
    assert session.confirmed == frozenset()
    assert not session.can_undo
    with pytest.raises(ValueError, match="no frame"):
        session.confirm((4,))


def test_confirming_a_frame_in_mid_object_lets_the_object_be():
    session = movie()
    request = session.set_clicks([Click((2.0, 15.0, 15.0))])
    session.confirm((0,))
    assert session.pending is request
    session.apply(request, session.run(request))
    assert session.labels[2, 15, 15] == 3
    session.commit()
    session.click((1, 12, 12))
    session.cancel()
    assert session.confirmed == {(0,)}


def test_what_a_user_corrected_is_no_longer_doubted():
    session = movie()
    session.edit({(1,): square(7, {7: 0.3, 1: 0.5}), (2,): square(7, {7: 0.4})})
    assert session.confidence((1,)) == {7: 0.3, 1: 0.5}
    session.resume(7)
    session.click((1, 9, 13))
    session.commit()
    assert (session.confidence((1,)), session.confidence((2,))) == ({1: 0.5}, {7: 0.4})
    session.relabel(7, 8, [(2,)])
    assert session.confidence((3,)) == session.confidence((0,)) == {}
    session.undo()
    session.undo()
    assert session.confidence((1,)) == {7: 0.3, 1: 0.5}


def test_confirmed_frames_outlive_a_model_that_sees_other_axes():
    session = Session(np.zeros((2, 3, 8, 8)), Disks(2), axes="TZYX")
    for frame in [(0, 0), (0, 1), (0, 2), (1, 1)]:
        session.confirm(frame)
    session.predictor = Disks(3)
    assert session.confirmed == {(0,)}
    session.predictor = Disks(2)
    assert session.confirmed == {(0, 0), (0, 1), (0, 2)}


# -- verbs ---------------------------------------------------------------------------------------------------------


def doing(verb):
    """A session, its labels before and after the verb."""
    session = movie()
    before = session.labels.copy()
    verb(session)
    return session, before, session.labels.copy()


@pytest.mark.parametrize(
    ("verb", "changed"),
    [
        (lambda s: s.merge((1, 2)), 36),
        (lambda s: s.delete(1), 64),
        (lambda s: s.delete(1, (2,)), 16),
        (lambda s: s.relabel(1, 9), 64),
        (lambda s: s.relabel(1, 9, [(1,), (2,)]), 32),
        (lambda s: s.copy_from((0,), (1,)), 36),
        (lambda s: s.copy_from((0,), (1,), [2]), 36),
    ],
)
def test_a_verb_is_one_step(verb, changed):
    session, before, after = doing(verb)
    assert (before != after).sum() == changed
    session.undo()
    np.testing.assert_array_equal(session.labels, before)
    assert not session.can_undo
    session.redo()
    np.testing.assert_array_equal(session.labels, after)


def test_a_split_gives_the_second_part_the_next_id():
    session = movie()
    assert session.split((0, 14, 13), (0, 14, 16)) == 3
    assert (session.labels[0, 14, 12], session.labels[0, 14, 17], session.label) == (2, 3, 4)
    session.click((3, 12, 12))
    assert session.split((0, 13, 13), (0, 16, 13)) == 5


def test_the_object_being_drawn_can_be_filled_and_split():
    session = movie()
    session.click((3, 12, 12))
    session.click((3, 12, 12), positive=False)
    session.labels[3, 10:15, 10:15] = 3
    session.labels[3, 12, 12] = 0
    session.fill(3, (3,))
    assert session.labels[3, 12, 12] == 3
    assert session.split((3, 12, 10), (3, 12, 14)) == 4


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (lambda s: s.merge((1, 9)), "no object 9 to merge"),
        (lambda s: s.merge((1, 2), [(7,)]), "no frame"),
        (lambda s: s.delete(2, (1,)), "no object 2 to delete"),
        (lambda s: s.delete(2, (9,)), "no frame"),
        (lambda s: s.fill(1, (1,)), "no holes on frame 1"),
        (lambda s: s.fill(1), "no frame"),
        (lambda s: s.relabel(1, 2), "an object 2 already on frame 0"),
        (lambda s: s.relabel(1, 256), "holds ids up to 255"),
        (lambda s: s.copy_from((0,), (0,)), "from one frame to another"),
        (lambda s: s.copy_from((0,), (5,)), "no frame"),
        (lambda s: s.split((0, 13, 13), (1, 13, 13)), "two points on one frame"),
        (lambda s: s.split((0, 13, 13), (0, 3, 3)), "object 2 and object 1"),
        (lambda s: s.split((0, 13, 13), (0, 13, 99)), "outside the image"),
        (lambda s: s.split((0, 13), (0, 3)), "needs 3 coordinates"),
    ],
)
def test_a_verb_that_cannot_be_done_says_why_and_changes_nothing(verb, said):
    session = movie(dtype=np.uint8)
    session.click((3, 15, 15))
    before, state = session.labels.copy(), session.state
    with pytest.raises(ValueError, match=said):
        verb(session)
    np.testing.assert_array_equal(session.labels, before)
    assert session.state is state


# -- acts ----------------------------------------------------------------------------------------------------------


def told_by(session) -> list[Act]:
    acts: list[Act] = []
    session.acted.connect(acts.append)
    return acts


def test_every_public_act_is_told_once():
    session = movie(Finding())
    acts = told_by(session)
    session.click((1, 12, 12))
    session.threshold = 0.4
    session.commit()
    session.undo()
    session.redo()
    session.resume(1, position=(0, 3, 3))
    session.merge((1, 2))
    number = session.edit({(3,): session.segmented((3,))})
    session.extend({(2,): square(7)}, number)
    session.confirm((0,))
    session.protect, session.diameter = "anything", 12
    session.predictor = Disks()
    session.reserve(50)
    names = "set_clicks apply threshold commit undo redo resume merge edit extend confirm protect diameter predictor"
    assert [act.name for act in acts] == [*names.split(), "reserve"]


def test_what_changed_nothing_is_no_act():
    session = movie()
    acts = told_by(session)
    session.undo()
    session.redo()
    session.cancel()
    session.set_clicks([])
    session.confirm((0,), yes=False)
    session.stop_waiting()
    session.reserve(1)
    with pytest.raises(ValueError, match="nothing to keep"):
        session.commit()
    assert not session.extend({(1,): square(7)})
    assert acts == []


def test_a_failed_question_is_an_act_and_an_answer_that_came_late_is_none():
    session = movie()
    acts = told_by(session)
    stale = session.set_clicks([Click((0.0, 9.0, 9.0))])
    request = session.set_clicks([Click((0.0, 9.0, 9.0)), Click((0.0, 12.0, 9.0))])
    session.apply(stale, session.run(stale))
    session.fail(request, OSError("lost"))
    assert [act.name for act in acts] == ["set_clicks", "set_clicks", "stop_waiting"]


def test_what_was_painted_by_hand_is_an_act_that_holds_its_pixels():
    session, other = movie(), movie()
    acts = told_by(session)
    session.labels[1, 9:11, 9] = 8
    session.painted_by_hand(Region((1, 9, 9), (2, 11, 10)))
    session.labels[1, 9:11, 9] = 0
    (act,) = acts
    told = told_by(other)
    other.perform(act)
    assert other.labels[1, 9:11, 9].tolist() == [8, 8]
    assert [a.name for a in told] == ["paint"]


def test_a_model_of_other_axes_is_remembered_without_being_there():
    session = Session(np.zeros(SHAPE), Disks(2), axes="ZYX")
    acts = told_by(session)
    session.predictor = Disks(3)
    session.click((1, 9, 9))
    other = Session(np.zeros(SHAPE), Nobody(2), axes="ZYX")
    for act in acts:
        other.perform(act)
    np.testing.assert_array_equal(other.labels, session.labels)
    with pytest.raises(ValueError, match="no model in this session"):
        other.click((2, 9, 9))


def test_acts_that_do_not_fit_are_refused():
    session = movie()
    with pytest.raises(ValueError, match="no act 'fly'"):
        session.perform(Act("fly"))
    request = movie().set_clicks([Click((0.0, 9.0, 9.0))])
    with pytest.raises(ValueError, match="No answer is awaited on frame"):
        session.perform(Act("apply", {"frame": (0,), "prediction": movie().run(request)}))


# -- replaced labels -----------------------------------------------------------------------------------------------


def test_labels_that_take_the_place_of_others_are_drawn_into():
    session = movie()
    session.click((1, 12, 12))
    old = session.labels
    session.labels = old.astype(np.uint16)
    session.cancel()
    assert session.labels.dtype == np.uint16
    assert not (session.labels == 3).any()
    assert (old == 3).any()
    with pytest.raises(ValueError, match="shape"):
        session.labels = np.zeros((2, 2), int)
