"""Carrying: what is written on each frame, what is left alone, what is told, and where it ends."""

from __future__ import annotations

import gc
from collections.abc import Iterable

import numpy as np
import pytest

from movies import BrightPiece, first_only, movie
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import Stop, Stopped
from napari_clickseg.propagation.frame_steps import RESCUED
from napari_clickseg.propagation.motion import Plane
from napari_clickseg.propagation.propagate import Carried, carry

ALONG = [(1,), (2,), (3,)]


def written(labels: np.ndarray, steps: Iterable[Carried]) -> list[Carried]:
    """Write every edit into the labels, as whoever drives it does; return the steps."""
    done = []
    for carried in steps:
        edit = carried.edit
        labels[carried.frame][edit.region.slices][edit.written] = edit.values[edit.written]
        done.append(carried)
    return done


def kinds(steps: Iterable[Carried]) -> list[tuple[str, int]]:
    return [(event.kind, event.label) for carried in steps for event in carried.events]


def overlap(ours: np.ndarray, theirs: np.ndarray, label: int) -> float:
    return ((ours == label) & (theirs == label)).sum() / ((ours == label) | (theirs == label)).sum()


def test_a_moving_disk_keeps_its_id_and_its_shape() -> None:
    image, truth = movie([{7: (24, 20 + 5 * t, 8)} for t in range(4)])
    labels = first_only(truth)
    steps = written(labels, carry(image, labels, BrightPiece(), (0,), ALONG))
    assert [carried.frame for carried in steps] == ALONG
    assert all(overlap(labels[t], truth[t], 7) > 0.95 for t in range(4))
    assert all(carried.confidence[7] > 0.5 and carried.edit.confidence == carried.confidence for carried in steps)
    assert kinds(steps) == []


def test_carrying_writes_nothing_itself() -> None:
    image, truth = movie([{7: (24, 20, 8)}] * 4)
    labels = first_only(truth)
    list(carry(image, labels, BrightPiece(), (0,), ALONG))
    np.testing.assert_array_equal(labels, first_only(truth))


def test_brightness_and_shape_carry_without_asking_the_model() -> None:
    image, truth = movie([{7: (24, 20 + 4 * t, 8)} for t in range(4)])
    labels, model = first_only(truth), BrightPiece()
    written(labels, carry(image, labels, model, (0,), ALONG, asked=0))
    assert model.asked == []
    assert all(overlap(labels[t], truth[t], 7) > 0.9 for t in range(4))


def test_the_model_is_asked_about_so_many_objects_of_a_frame_and_no_more() -> None:
    image, truth = movie([{k: (24, 15 + 20 * k, 7) for k in range(4)}] * 2)
    labels, model = first_only(truth), BrightPiece()
    list(carry(image, labels, model, (0,), [(1,)], asked=2, least=0.99))
    assert model.asked == [(1,)] * RESCUED
    list(carry(image, labels, model, (0,), [(1,)], asked=None))
    assert len(model.asked) == RESCUED + 3


def test_of_many_objects_those_that_their_brightness_tells_apart_are_not_put_to_the_model() -> None:
    image, truth = movie([{k: (24, 15 + 20 * k, 7) for k in range(4)}] * 2)
    model = BrightPiece()
    list(carry(image, first_only(truth), model, (0,), [(1,)], asked=2))
    assert model.asked == []
    list(carry(image, first_only(truth), model, (0,), [(1,)], ids=[1], asked=2))
    assert model.asked == [(1,)]


def test_backwards_is_a_walk_like_any_other() -> None:
    image, truth = movie([{7: (24, 60 - 5 * t, 8)} for t in range(4)])
    labels = first_only(truth, 3)
    written(labels, carry(image, labels, BrightPiece(), (3,), [(2,), (1,), (0,)]))
    assert all(overlap(labels[t], truth[t], 7) > 0.95 for t in range(4))


def test_touching_disks_are_decided_together_and_share_the_pixels_between_them() -> None:
    image, truth = movie([{1: (24, 30 + 2 * t, 8), 2: (24, 60 - 2 * t, 8)} for t in range(5)])
    labels = first_only(truth)
    steps = written(labels, carry(image, labels, BrightPiece(), (0,), [(t,) for t in range(1, 5)], asked=0))
    assert all(overlap(labels[4], truth[4], label) > 0.85 for label in (1, 2))
    assert [event.kind for carried in steps for event in carried.events if event.kind in ("division", "lost")] == []


def test_an_object_of_the_target_frame_that_is_not_carried_stays_pixel_by_pixel() -> None:
    image, truth = movie([{1: (24, 30, 8), 2: (24, 44, 8)}, {1: (24, 33, 8), 2: (24, 44, 8)}])
    labels = truth.copy()
    written(labels, carry(image, labels, BrightPiece(), (0,), [(1,)], ids=[1]))
    np.testing.assert_array_equal(labels[1] == 2, truth[1] == 2)
    assert overlap(labels[1], truth[1], 1) > 0.9


def test_what_stood_there_of_the_same_id_is_replaced() -> None:
    image, truth = movie([{1: (24, 30, 8)}] * 2)
    labels = truth.copy()
    labels[1] = 0
    labels[1, 2:6, 80:90] = 1
    written(labels, carry(image, labels, BrightPiece(), (0,), [(1,)]))
    assert overlap(labels[1], truth[1], 1) > 0.95


def test_only_the_objects_asked_for_are_carried() -> None:
    image, truth = movie([{1: (24, 20, 7), 2: (24, 50, 7)}] * 2)
    labels = first_only(truth)
    written(labels, carry(image, labels, BrightPiece(), (0,), [(1,)], ids=[2]))
    assert set(np.unique(labels[1])) == {0, 2}


def test_a_disk_that_divides_is_told_with_where_its_daughters_lie_and_carried_no_further() -> None:
    mother, daughters = {1: (24, 48, 9)}, {1: (24, 40, 5), 2: (24, 56, 5)}
    image, truth = movie([mother, daughters, daughters])
    labels = first_only(truth)
    steps = written(labels, carry(image, labels, BrightPiece(), (0,), [(1,), (2,)], least=0))
    event = steps[0].events[0]
    assert (event.kind, event.label, event.frame) == ("division", 1, (1,))
    assert sorted(truth[(1, *map(int, place))] for place in event.positions) == [1, 2]
    assert not labels[1].any()
    assert steps[0].halted == "No object is left to track."
    assert len(steps) == 1


def test_a_disk_that_leaves_the_image_disappears() -> None:
    image, truth = movie([{1: (24, 86 + 6 * t, 7)} for t in range(4)])
    labels = first_only(truth)
    steps = written(labels, carry(image, labels, BrightPiece(), (0,), ALONG, least=0))
    assert kinds(steps)[-1] == ("disappearance", 1)


def test_a_disk_that_fades_away_is_lost_and_the_others_go_on() -> None:
    both, one = {1: (24, 20, 7), 2: (24, 60, 7)}, {2: (24, 60, 7)}
    image, truth = movie([both, one, one])
    labels = first_only(truth)
    steps = written(labels, carry(image, labels, BrightPiece(), (0,), [(1,), (2,)]))
    assert kinds(steps)[0][1] == 1
    assert kinds(steps)[0][0] in ("lost", "disappearance")
    assert set(np.unique(labels[1])) == set(np.unique(labels[2])) == {0, 2}


def test_two_objects_that_claim_the_same_pixels_are_told_to_merge() -> None:
    image, truth = movie([{1: (24, 40, 7), 2: (24, 56, 7)}, {3: (24, 48, 9)}])
    labels = first_only(truth)
    steps = written(labels, carry(image, labels, BrightPiece(), (0,), [(1,)], least=0))
    assert "merge" in [event.kind for event in steps[0].events]


def test_a_new_disk_is_told_where_all_objects_are_carried() -> None:
    old, new = {1: (24, 20, 7), 2: (24, 44, 7)}, {1: (24, 20, 7), 2: (24, 44, 7), 3: (24, 75, 7)}
    image, truth = movie([old, new, new])
    labels = first_only(truth)
    steps = written(labels, carry(image, labels, BrightPiece(), (0,), [(1,), (2,)]))
    assert kinds(steps) == [("appearance", 0)]
    (place,) = steps[0].events[0].positions
    assert truth[(1, *map(int, place))] == 3
    assert kinds(carry(image, labels, BrightPiece(), (0,), [(1,)], ids=[1, 2])) == []


def test_an_object_below_the_limit_is_lost_with_its_confidence_and_not_written() -> None:
    image, truth = movie([{1: (24, 20, 7)}] * 2)
    labels = first_only(truth)
    (only,) = written(labels, carry(image, labels, BrightPiece(), (0,), [(1,)], least=0.99))
    assert kinds([only]) == [("lost", 1)]
    assert f"{int(100 * only.confidence[1])} %, below 99 %" in only.events[0].sentence
    assert not labels[1].any()
    assert only.edit.confidence == {}


def test_confidence_falls_with_what_looks_unlike() -> None:
    same, truth = movie([{1: (24, 20, 7)}] * 2)
    other = Image.of(np.stack([same.array[0], np.random.default_rng(1).normal(80, 40, same.array[0].shape)]), "TYX")
    sure, unsure = (
        next(iter(carry(image, first_only(truth), BrightPiece(), (0,), [(1,)], least=0, asked=0))).confidence[1]
        for image in (same, other)
    )
    assert sure > 0.5 > unsure


def test_a_confirmed_frame_ends_it_and_says_so() -> None:
    image, truth = movie([{1: (24, 20, 7)}] * 4)
    labels = first_only(truth)
    steps = written(labels, carry(image, labels, BrightPiece(), (0,), ALONG, confirmed={(2,)}))
    assert [carried.frame for carried in steps] == [(1,), (2,)]
    assert steps[1].halted == "Frame 2 is confirmed; carrying ends before it."
    assert not steps[1].edit.written.any()
    assert labels[1].any()
    assert not labels[2:].any()


def test_a_stop_ends_it_between_two_objects() -> None:
    image, truth = movie([{1: (24, 20, 7), 2: (24, 50, 7)}] * 3)
    labels, stop = first_only(truth), Stop()
    steps = carry(image, labels, BrightPiece(), (0,), [(1,), (2,)], stop=stop)
    next(steps)
    stop.request()
    with pytest.raises(Stopped):
        next(steps)


def test_it_goes_on_from_the_last_frame_as_if_it_had_never_ended() -> None:
    image, truth = movie([{1: (24, 20 + 3 * t, 7)} for t in range(4)])
    at_once, resumed = first_only(truth), first_only(truth)
    written(at_once, carry(image, at_once, BrightPiece(), (0,), ALONG))
    written(resumed, carry(image, resumed, BrightPiece(), (0,), ALONG[:2]))
    written(resumed, carry(image, resumed, BrightPiece(), (2,), ALONG[2:]))
    assert overlap(at_once[3], resumed[3], 1) > 0.95


def test_between_two_frames_shapes_are_interpolated_and_follow_the_image() -> None:
    image, truth = movie([{1: (24, 20 + 6 * t, 6 + t)} for t in range(5)])
    labels = first_only(truth) + first_only(truth, 4)
    written(labels, carry(image, labels, BrightPiece(), (0,), ALONG, between=(4,), asked=0))
    assert all(overlap(labels[t], truth[t], 1) > 0.9 for t in range(5))
    np.testing.assert_array_equal(labels[4], truth[4])


def test_objects_on_one_end_only_are_told() -> None:
    image, truth = movie([{1: (24, 20, 7), 2: (24, 60, 7)}, {1: (24, 20, 7)}, {1: (24, 20, 7)}])
    labels = truth.copy()
    labels[1] = 0
    (only,) = carry(image, labels, BrightPiece(), (0,), [(1,)], between=(2,))
    assert kinds([only]) == [("disappearance", 2)]
    assert "on frame 0 but not on frame 2" in only.events[0].sentence


def test_frames_of_a_stack_over_time_are_named_by_both_indices() -> None:
    plane, truth = movie([{1: (24, 20, 7)}] * 3)
    image = Image.of(np.stack([plane.array] * 2), "TZYX")
    labels = np.zeros(image.shape, np.int32)
    labels[1, 0] = truth[0]
    written(labels, carry(image, labels, BrightPiece(), (1, 0), [(1, 1), (1, 2)]))
    assert all(overlap(labels[1, z], truth[0], 1) > 0.95 for z in range(3))
    assert not labels[0].any()


def test_a_volume_is_carried_along_time_by_a_predictor_that_sees_three_axes() -> None:
    balls = np.zeros((3, 16, 32, 32), np.int32)
    for t in range(3):
        z, y, x = np.ogrid[:16, :32, :32]
        balls[t][(z - 8) ** 2 + (y - 12 - 2 * t) ** 2 + (x - 16) ** 2 <= 25] = 4
    image = Image.of((balls > 0) * np.float32(200) + 10, "TZYX")
    labels = np.where(np.arange(3)[:, None, None, None] == 0, balls, 0)
    written(labels, carry(image, labels, BrightPiece(ndim=3), (0,), [(1,), (2,)]))
    assert all(overlap(labels[t], balls[t], 4) > 0.9 for t in range(3))


def test_only_the_frames_walked_over_are_read() -> None:
    image, truth = movie([{1: (24, 20, 7)}] * 6)

    class Watched:
        shape, dtype, read = truth.shape, truth.dtype, set()

        def __getitem__(self, index: tuple) -> np.ndarray:
            self.read.add(index[0].start)
            return first_only(truth)[index]

    list(carry(image, Watched(), BrightPiece(), (0,), [(1,), (2,)]))
    assert Watched.read == {0, 1, 2}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"source": (9,)}, r"There is no frame \(9,\)"),
        ({"targets": [(1, 2)]}, r"There is no frame \(1, 2\)"),
        ({"targets": [(0,)]}, "is the one to carry from"),
        ({"source": (1,), "targets": [(2,)]}, "Frame 1 holds no object; there is nothing to carry"),
        ({"ids": [5]}, "Frame 0 holds none of the objects 5"),
        ({"between": (1,), "targets": [(2,)]}, "does not lie between"),
    ],
)
def test_what_cannot_be_carried_is_refused_with_a_sentence(changes: dict, sentence: str) -> None:
    image, truth = movie([{1: (24, 20, 7)}] * 3)
    asked = {"source": (0,), "targets": [(1,)], **changes}
    with pytest.raises(ValueError, match=sentence):
        list(carry(image, first_only(truth), BrightPiece(), **asked))


def test_however_long_the_walk_no_more_than_two_frames_are_held() -> None:
    image, truth = movie([{7: (24, 20 + t, 8), 9: (24, 60 + t, 8)} for t in range(20)])
    held = []
    for _ in carry(image, first_only(truth), BrightPiece(), (0,), [(t,) for t in range(1, 20)]):
        held.append(sum(type(one) is Plane for one in gc.get_objects()))
    assert len(held) == 19
    assert max(held) <= 2
