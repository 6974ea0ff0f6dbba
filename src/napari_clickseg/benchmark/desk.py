"""Desk: a session on a movie, with the robot who works there as a person would, and the count of what he does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.benchmark.sequences import Movie
from napari_clickseg.core.clicks import Click, Frame
from napari_clickseg.core.edits import Edit
from napari_clickseg.core.metrics import LIMIT, iou, overlaps
from napari_clickseg.core.requests import Predictor
from napari_clickseg.core.simulated_user import next_click
from napari_clickseg.session.session import Session

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
        said = (self.movie.source, self.movie.name, *self.movie.truth.shape, model, way)
        rows = []
        for frame in self.movie.frames:
            best = overlaps(self.movie.truth[frame], self.labels(frame)).best()
            for label, quality in best.items():
                place = (frame, label)
                before = self.before.get(place, quality)
                done = (counts.get(place, 0) for counts in (self.clicks, self.erased, self.renamed))
                numbers = (int(self.truth(place).sum()), *done, f"{before:.5f}", f"{quality:.5f}")
                values = map(str, (*said, frame[0], label, *numbers))
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
