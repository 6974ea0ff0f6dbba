"""Effort: how many clicks bring every object of a sequence to a good IoU, frame by frame or by carrying and review.

Four ways of one robot at his desk: each object of each frame from nothing; correcting automatic labels in file order;
correcting one frame, carrying its objects over all others, and going where the review sends him: back to where that
object first went wrong, corrected there and carried on; and the same with several frames corrected first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from napari_clickseg.benchmark.desk import GOAL, Desk, Place, Row
from napari_clickseg.benchmark.sequences import Movie
from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.metrics import overlaps
from napari_clickseg.core.requests import Predictor
from napari_clickseg.propagation.propagate import carry
from napari_clickseg.review.rules import Doubt, Review

SCRATCH, FILE_ORDER, CARRIED, BETWEEN = "from scratch", "file order", "carry and review", "between and review"
APART = 5
"""Frames that are corrected before anything is carried between them lie so far apart at most."""


def from_scratch(movie: Movie, predictor: Predictor) -> Desk:
    """Each object of each frame from nothing."""
    desk = Desk.of(movie, predictor, np.zeros(movie.truth.shape, np.int32), SCRATCH)
    for frame in movie.frames:
        for label in movie.objects(frame):
            desk.bring((frame, label), 0)
    return desk


def in_file_order(movie: Movie, predictor: Predictor) -> Desk:
    """Correct automatic labels, frame after frame."""
    desk = Desk.of(movie, predictor, movie.automatic(), FILE_ORDER)
    for frame in movie.frames:
        _correct_frame(desk, frame)
    return desk


def by_carrying(movie: Movie, predictor: Predictor) -> Desk:
    """Correct the first frame of automatic labels, carry it over all others, then follow the review."""
    first, *others = movie.frames
    desk = _on_some_frames(movie, predictor, [first], CARRIED)
    known = _correct_frame(desk, first)
    _carry(desk, first, others, None)
    _follow_review(desk, known)
    return desk


def by_carrying_between(movie: Movie, predictor: Predictor) -> Desk:
    """Correct some frames of automatic labels and name their objects, carry between them, then follow the review."""
    ends = _ends(len(movie.frames))
    desk = _on_some_frames(movie, predictor, [movie.frames[k] for k in ends], BETWEEN)
    known: dict[int, int] = {}
    for k in ends:
        _name(desk, movie.frames[k], known)
    for first, last in pairwise(ends):
        _carry(desk, movie.frames[first], movie.frames[first + 1 : last], None, between=movie.frames[last])
    _follow_review(desk, known)
    return desk


WAYS: dict[str, Callable[[Movie, Predictor], Desk]] = {
    SCRATCH: from_scratch,
    FILE_ORDER: in_file_order,
    CARRIED: by_carrying,
    BETWEEN: by_carrying_between,
}


def _on_some_frames(movie: Movie, predictor: Predictor, frames: Sequence[Frame], way: str) -> Desk:
    """Begin with automatic labels on these frames and nothing on the others."""
    automatic, labels = movie.automatic(), np.zeros(movie.truth.shape, np.int32)
    for frame in frames:
        labels[frame] = automatic[frame]
    return Desk.of(movie, predictor, labels, way)


def _ends(frames: int) -> list[int]:
    """The first frame, the last, and as few between as leave no two more than `APART` apart.

    >>> _ends(10), _ends(8), _ends(3)
    ([0, 4, 9], [0, 3, 7], [0, 2])
    """
    stretches = math.ceil((frames - 1) / APART)
    return [k * (frames - 1) // stretches for k in range(stretches + 1)]


def _correct_frame(desk: Desk, frame: Frame) -> dict[int, int]:
    """Bring all objects of a frame to the goal; return the label of each true one."""
    known: dict[int, int] = {}
    for label in desk.movie.objects(frame):
        place = (frame, label)
        found = desk.found(place)
        known[label] = found if desk.quality(place) >= GOAL else desk.bring(place, found)
    return known


def _name(desk: Desk, frame: Frame, known: dict[int, int]) -> None:
    """Correct a frame, and give its objects the labels that they have on frames before it; new ones are added."""
    for label, found in _correct_frame(desk, frame).items():
        desk.rename((frame, label), found, known.setdefault(label, found))


def _carry(
    desk: Desk, source: Frame, targets: Sequence[Frame], ids: Sequence[int] | None, between: Frame | None = None
) -> None:
    """Carry objects over some frames, all of it one edit."""
    session = desk.session
    steps = carry(session.image, session.labels, session.predictor, source, targets, ids, between=between)
    desk.write({carried.frame: carried.edit for carried in steps if carried.edit.region.size})


# -- following the review ----------------------------------------------------------------------------------------------


def _follow_review(desk: Desk, known: dict[int, int]) -> None:
    """Correct what is wrong, as the review sends there; each object is worked on once per frame at most.

    Parameters
    ----------
    known : mapping of int to int
        The label of each true object; new ones are added.
    """
    review = Review(desk.session.labels, desk.movie.frames, 2)
    wrong = {frame: _wrong_on(desk, frame) for frame in desk.movie.frames}
    done: set[Place] = set()
    while True:
        found = {(frame, label): on for frame, labels in wrong.items() for label, on in labels.items()}
        left = found.keys() - done
        if not left:
            return
        confidence = {frame: desk.session.confidence(frame) for frame in desk.movie.frames}
        place = _first_of_run(_most_doubtful(left, found, review.doubts(confidence)), left)
        frame, label = place
        known[label] = desk.bring(place, _label_for(desk, place, known))
        done.add(place)
        following = _run_after(place, left)
        if following and (desk.labels(frame) == known[label]).any():
            _carry(desk, frame, following, [known[label]])
        for changed in (frame, *following):
            review.update(changed)
            wrong[changed] = _wrong_on(desk, changed)


def _wrong_on(desk: Desk, frame: Frame) -> dict[int, int]:
    """The true objects that are not good on a frame, and which label covers most of each; 0 for none."""
    both = overlaps(desk.movie.truth[frame], desk.labels(frame))
    return {label: both.most_on(label) for label, quality in both.best().items() if quality < GOAL}


def _most_doubtful(left: set[Place], found: Mapping[Place, int], doubts: Sequence[Doubt]) -> Place:
    """The wrong object that the review comes to first: its label is named, or a frame on which it is missing."""
    ranks = {(doubt.frame, doubt.label): rank for rank, doubt in reversed(list(enumerate(doubts)))}
    frames = {doubt.frame: rank for rank, doubt in reversed(list(enumerate(doubts)))}

    def rank(place: Place) -> tuple[int, Place]:
        frame, last = place[0], len(doubts)
        return (ranks.get((frame, found[place]), last) if found[place] else frames.get(frame, last), place)

    return min(left, key=rank)


def _first_of_run(place: Place, left: set[Place]) -> Place:
    """Back along time to where the object first went wrong."""
    ((k,), label) = place
    while ((k - 1,), label) in left:
        k -= 1
    return ((k,), label)


def _run_after(place: Place, left: set[Place]) -> list[Frame]:
    """The frames that follow on which the object is wrong, too: carrying on is stopped where it is right."""
    ((k,), label) = place
    frames: list[Frame] = []
    while ((k + 1,), label) in left:
        k += 1
        frames.append((k,))
    return frames


def _label_for(desk: Desk, place: Place, known: dict[int, int]) -> int:
    """The label to take up for a true object: its own, else the one that lies there and is no other object's."""
    frame, label = place
    if label in known:
        return known[label]
    others = {known[other] for other in desk.movie.objects(frame) if other in known}
    found = desk.found(place)
    return 0 if found in others else found


def measure(movie: Movie, predictor: Predictor, model: str, way: str) -> list[Row]:
    """Return the rows of one way of working on a movie."""
    return WAYS[way](movie, predictor).rows(model, way)
