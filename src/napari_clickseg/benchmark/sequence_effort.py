"""Effort: how many clicks bring every object of a sequence to a good IoU, frame by frame or by carrying and review.

Four ways of one robot at his desk: each object of each frame from nothing; correcting automatic labels in file order;
correcting one frame, carrying its objects over all others, and going where the review sends him: back to where that
object first went wrong, corrected there and carried on; and the same with several frames corrected first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.clicks import Click, Frame
from napari_clickseg.core.metrics import LIMIT, iou, overlaps
from napari_clickseg.core.simulated_user import next_click
from napari_clickseg.propagation.propagate import carry
from napari_clickseg.review.rules import Doubt, Review
from napari_clickseg.session.session import Session

if TYPE_CHECKING:
    from napari_clickseg.benchmark.sequences import Movie
    from napari_clickseg.core.edits import Edit
    from napari_clickseg.core.requests import Predictor

COLUMNS = (
    *("source", "image", "frames", "rows", "columns", "model", "way"),
    *("frame", "object", "area", "clicks", "erased", "renamed", "before", "iou"),
)
"""`erased`, `renamed`: labels that went or got their right id by a key, on that frame for that object; `before`: IoU of
what was there when the work on the object began there, 0 for nothing; `iou`: at the very end."""
GOAL = 0.85
USELESS = 0.5
"""A label whose IoU is lower with every object of its frame is erased, and the object drawn anew, not corrected."""
Row = dict[str, str]
Mask = npt.NDArray[np.bool_]
Place = tuple[Frame, int]
"""A frame, and a true object on it."""


@dataclass(eq=False)
class Desk:
    """Mutable: a session on a movie, the robot in front of it, and what it has done so far.

    Attributes
    ----------
    clicks : mapping of Place to int
        Clicks made on each object and frame; those on a neighbour that covered it count for it.
    erased : mapping of Place to int
        Useless labels that were deleted there before the object was drawn.
    renamed : mapping of Place to int
        Labels that were given the id of the object.
    drawn : set of Place
        Frames and labels that the robot worked on: it erases nothing of that.
    before : mapping of Place to float
        IoU when the work on it began.
    """

    movie: Movie
    session: Session
    random: np.random.Generator
    limit: int = LIMIT
    clicks: dict[Place, int] = field(default_factory=dict)
    erased: dict[Place, int] = field(default_factory=dict)
    renamed: dict[Place, int] = field(default_factory=dict)
    drawn: set[Place] = field(default_factory=set)
    before: dict[Place, float] = field(default_factory=dict)

    @classmethod
    def of(cls, movie: Movie, predictor: Predictor, labels: npt.NDArray[Any], way: str) -> Desk:
        """Begin a session on a copy of some labels."""
        return cls(movie, Session(movie.image, predictor, labels.copy()), movie.random(way))

    def truth(self, place: Place) -> Mask:
        frame, label = place
        mask: Mask = self.movie.truth[frame] == label
        return mask

    def labels(self, frame: Frame) -> npt.NDArray[Any]:
        return np.asarray(self.session.labels[frame])

    def found(self, place: Place) -> int:
        """The label that covers most of a true object; 0 where there is hardly any."""
        frame, label = place
        return overlaps(self.movie.truth[frame], self.labels(frame)).most_on(label)

    def quality(self, place: Place) -> float:
        """IoU of a true object with the label that overlaps it best."""
        frame, label = place
        return overlaps(self.movie.truth[frame], self.labels(frame)).best()[label]

    def bring(self, place: Place, label: int) -> int:
        """Click until the object is good, or too often; return its label.

        Parameters
        ----------
        label : int
            To take up, or to draw where it is not on this frame, or useless there; 0 for a new object. One that is
            another object's is left to that.
        """
        frame, _ = place
        truth = self.truth(place)
        self.before[place] = self.quality(place)
        label = self._take_up(frame, self._cleared(place, label))
        self.drawn.add((frame, label))
        earlier: list[Click] = []
        for _ in range(self.limit):
            here = self.labels(frame)
            mask = here == label
            if iou(mask, truth) >= GOAL:
                break
            click = next_click(truth, mask, earlier, self.random, from_nothing=not mask.any())
            if click is None:
                break
            earlier.append(click)
            self.clicks[place] = self.clicks.get(place, 0) + 1
            covering = int(here[tuple(int(k) for k in click.position)])
            if click.positive and covering not in (0, label):
                self._push_back(frame, covering, click.position)
                self._take_up(frame, label)
            else:
                self.session.click((*frame, *click.position), click.positive)
        self.session.put_away()
        return label

    def rename(self, place: Place, label: int, new: int) -> None:
        """Give what lies on a frame the id that the object has elsewhere."""
        frame, _ = place
        if label != new and (self.labels(frame) == label).any():
            self.session.relabel(label, new, [frame])
            self.renamed[place] = self.renamed.get(place, 0) + 1
            self.drawn.add((frame, new))

    def write(self, edits: dict[Frame, Edit]) -> None:
        """Let what was carried be part of the labels."""
        if edits:
            self.session.edit(edits)

    def rows(self, model: str, way: str) -> list[Row]:
        """Return a row per object and frame, as everything stands now."""
        described = (self.movie.source, self.movie.name, *self.movie.truth.shape, model, way)
        rows = []
        for frame in self.movie.frames:
            best = overlaps(self.movie.truth[frame], self.labels(frame)).best()
            for label, quality in best.items():
                place = (frame, label)
                before = self.before.get(place, quality)
                done = (counts.get(place, 0) for counts in (self.clicks, self.erased, self.renamed))
                numbers = (int(self.truth(place).sum()), *done, f"{before:.5f}", f"{quality:.5f}")
                values = map(str, (*described, frame[0], label, *numbers))
                rows.append(dict(zip(COLUMNS, values, strict=True)))
        return rows

    def _cleared(self, place: Place, label: int) -> int:
        """Erase what is useless where the object lies; return the label to go on with, 0 where that is another's."""
        frame, true = place
        both = overlaps(self.movie.truth[frame], self.labels(frame))
        row = int(np.searchsorted(both.truths, true))
        useless = both.ious.max(axis=0, initial=0.0) < USELESS
        for found in both.found[useless & ((both.shared[row] > 0) | (both.found == label))].tolist():
            if (frame, found) not in self.drawn:
                self.session.delete(found, frame)
                self.erased[place] = self.erased.get(place, 0) + 1
        anothers = ~useless & (both.found == label) & (both.ious[row] < USELESS)
        return 0 if anothers.any() else label

    def _take_up(self, frame: Frame, label: int) -> int:
        """Take up a label on a frame, or begin it anew there."""
        where = np.argwhere(self.labels(frame) == label) if label else ()
        if len(where):
            self.session.resume(label, (*frame, *map(float, where[len(where) // 2])))
            return label
        return self.session.start_new(label or None)

    def _push_back(self, frame: Frame, label: int, position: tuple[float, ...]) -> None:
        """Say that a neighbour does not reach here."""
        self.session.resume(label, (*frame, *position))
        self.session.click((*frame, *position), positive=False)
        self.session.put_away()


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
