"""Review: what looks wrong comes first, with a reason, and only what changed is read again."""

from __future__ import annotations

import numpy as np
import pytest

from doubles import disk
from movies import movie
from napari_clickseg.core.jobs import Stop, Stopped
from napari_clickseg.core.object_masks import Outline, outlines_of
from napari_clickseg.core.regions import Region
from napari_clickseg.review.rules import FAINT, NOTHING, RULES, Doubt, Review, doubts

FRAMES = [(t,) for t in range(5)]


def steady() -> np.ndarray:
    """Three disks over five frames, all right."""
    return movie([{1: (12, 15 + t, 6), 2: (24, 45, 6), 3: (36, 75 - t, 6)} for t in range(5)])[1]


def first(labels: np.ndarray, **more: object) -> tuple[tuple[int, ...], int | None, str]:
    """Frame, object and weightiest reason of the first doubt."""
    doubt = doubts(labels, FRAMES, 2, **more)[0]
    return doubt.frame, doubt.label, doubt.reasons[0] if doubt.reasons else ""


def marked(doubt: Doubt) -> bool:
    """Whether anything is said against an object, or only which sign is the strongest."""
    return doubt.reasons != (NOTHING,) and not doubt.reasons[0].startswith(FAINT)


def test_every_object_is_listed_once_and_nothing_is_said_against_good_ones() -> None:
    found = doubts(steady(), FRAMES, 2)
    assert sorted((doubt.frame[0], doubt.label) for doubt in found) == [(t, k) for t in range(5) for k in (1, 2, 3)]
    assert not any(marked(doubt) for doubt in found)


def test_the_strongest_sign_is_told_where_none_is_marked() -> None:
    labels = steady()
    labels[2][(labels[2] == 2) & (np.indices(labels[2].shape)[0] < 20)] = 0
    (doubt,) = (doubt for doubt in doubts(labels, FRAMES, 2) if doubt.frame == (2,) and doubt.label == 2)
    assert doubt.score < 0.5
    assert doubt.reasons == (FAINT + RULES["estranged"].reason,)


def half(labels: np.ndarray) -> None:
    labels[2, :, :45][labels[2, :, :45] == 2] = 0


def piece(labels: np.ndarray) -> None:
    labels[2, 33:38, 40:46] = 2


def hole(labels: np.ndarray) -> None:
    labels[2, 23:26, 44:47] = 0


def shift(labels: np.ndarray) -> None:
    labels[2][labels[2] == 2] = 0
    labels[2][disk(labels[2].shape, (24, 53), 6)] = 2


def rename(labels: np.ndarray) -> None:
    labels[2][labels[2] == 2] = 9


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (half, "both neighbouring frames agree with each other, but not with it"),
        (piece, "it lies in several pieces"),
        (hole, "it has a hole"),
        (shift, "it lies off the way from the frame before to the next"),
        (rename, "its id is on no neighbouring frame"),
    ],
)
def test_what_was_spoiled_is_told_first_and_why(spoil: object, reason: str) -> None:
    labels = steady()
    spoil(labels)
    listed = [doubt for doubt in doubts(labels, FRAMES, 2) if doubt.frame == (2,) and doubt.label in (2, 9)]
    assert max(doubt.score for doubt in listed) >= max(doubt.score for doubt in doubts(labels, FRAMES, 2))
    assert reason in {told for doubt in listed for told in doubt.reasons}


def test_an_id_that_is_missing_in_the_middle_is_told_where_it_was() -> None:
    labels = steady()
    labels[2][labels[2] == 2] = 0
    doubt = doubts(labels, FRAMES, 2)[0]
    assert (doubt.frame, doubt.label, doubt.position) == ((2,), 2, (24, 45))
    assert doubt.reasons == ("its id is on both neighbouring frames, but not here",)


def test_an_empty_frame_between_full_ones_is_told_as_a_whole() -> None:
    labels = steady()
    labels[2] = 0
    assert first(labels)[:2] == ((2,), None)


def test_low_confidence_comes_first() -> None:
    assert first(steady(), confidence={(3,): {1: 0.1, 2: 0.9}}) == ((3,), 1, RULES["uncertain"].reason)


def test_confirmed_frames_are_not_doubted_but_compared_with() -> None:
    labels = steady()
    half(labels)
    found = doubts(labels, FRAMES, 2, confirmed={(2,)})
    assert (2,) not in {doubt.frame for doubt in found}
    assert len(found) == 12


def test_touching_objects_and_new_ids_have_their_reasons() -> None:
    labels = steady()
    labels[4, 18:31, 52:60] = 7
    reasons = {doubt.label: doubt.reasons for doubt in doubts(labels, FRAMES, 2) if doubt.frame == (4,)}
    assert RULES["unlinked"].reason in reasons[7]
    assert RULES["begins"].reason in reasons[7]


def test_positions_are_the_objects_centres() -> None:
    positions = {(d.frame[0], d.label): d.position for d in doubts(steady(), FRAMES, 2)}
    assert positions[3, 1] == (12, 18)


class Counted:
    """Labels that note which frames are read."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels, self.shape, self.ndim, self.read = labels, labels.shape, labels.ndim, []

    def __getitem__(self, index: tuple) -> np.ndarray:
        self.read.append(index[0].start)
        return self.labels[index]


def test_a_change_reads_only_the_frames_around_it_and_gives_the_same_as_a_new_review() -> None:
    labels = Counted(movie([{1: (12, 15 + t, 6), 2: (24, 45, 6)} for t in range(9)])[1])
    frames = [(t,) for t in range(9)]
    review = Review(labels, frames, 2)
    assert labels.read == list(range(9))
    labels.read.clear()
    half(labels.labels)
    review.update((2,))
    assert labels.read == [0, 1, 2, 3, 4]
    assert review.doubts({}) == doubts(labels.labels, frames, 2)


def test_a_change_at_either_end_is_taken_note_of() -> None:
    for frame in (0, 4):
        labels = steady()
        review = Review(labels, FRAMES, 2)
        labels[frame][labels[frame] == 1] = 0
        review.update((frame,))
        assert review.doubts({}) == doubts(labels, FRAMES, 2)


def test_blank_frames_are_read_only_when_they_are_drawn_on() -> None:
    labels = Counted(np.where(np.arange(5)[:, None, None] < 2, steady(), 0))
    review = Review(labels, FRAMES, 2, blank={(2,), (3,), (4,)})
    assert labels.read == [0, 1]
    labels.labels[2] = steady()[2]
    review.update((2,))
    assert 3 not in labels.read
    assert review.doubts({}) == doubts(labels.labels, FRAMES, 2)


def test_a_review_can_be_called_off() -> None:
    stop = Stop()
    stop.request()
    with pytest.raises(Stopped):
        Review(steady(), FRAMES, 2, stop)


def test_what_is_drawn_while_a_frame_is_measured_does_not_mix_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = steady()

    def erased_meanwhile(block: np.ndarray, region: Region) -> dict[int, Outline]:
        labels[2] = 0
        return outlines_of(block, region)

    monkeypatch.setattr("napari_clickseg.review.rules.outlines_of", erased_meanwhile)
    assert len(doubts(labels, [(2,)], 2)) == 3


def test_states_for_the_strip() -> None:
    labels = steady()
    labels[4] = 0
    half(labels)
    states = Review(labels, FRAMES, 2).states({(1,): {1: 0.9, 2: 0.9, 3: 0.9}}, confirmed={(0,)})
    assert list(states.values()) == ["confirmed", "carried", "doubtful", "drawn", "empty"]


def test_frames_along_two_axes_are_compared_only_with_neighbours_along_one() -> None:
    labels = np.stack([steady()[:2], steady()[3:]])
    frames = [(0, 0), (0, 1), (1, 0), (1, 1)]
    found = doubts(labels, frames, 2)
    assert len(found) == 12
    assert not any(marked(doubt) for doubt in found)


def test_a_single_frame_has_neighbours_nowhere() -> None:
    assert len(doubts(steady(), [(2,)], 2)) == 3


def test_an_unknown_frame_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Frame \(9,\) is not among the 5 frames"):
        Review(steady(), FRAMES, 2).update((9,))
