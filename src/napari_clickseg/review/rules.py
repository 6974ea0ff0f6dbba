"""Review: which frames and objects deserve a look first, and why, by the labels and the confidence.

The score is a fixed formula: a logistic function of what looks wrong, fitted on labels that were damaged on purpose. On
what it was fitted, and how it orders other movies, is described in docs/concepts.md.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.object_masks import Outline, outlines_of
from napari_clickseg.core.regions import Region
from napari_clickseg.review.measurements import Facts, Step, facts_of, steps_between

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame

State = Literal["confirmed", "carried", "doubtful", "empty", "drawn"]
"""Of a frame, for a strip along the time axis."""

DOUBTFUL = 0.5
"""From this score on, a doubt makes its frame doubtful."""


@dataclass(frozen=True, slots=True)
class ReviewRule:
    """One thing that may look wrong: its weight in the score, and from which value on it is a reason."""

    weight: float
    reported_from: float
    reason: str


CONSTANT = -3.8
RULES: Mapping[str, ReviewRule] = {
    "uncertain": ReviewRule(10.0, 0.5, "carried with low confidence"),
    "estranged": ReviewRule(6.9, 0.1, "both neighbouring frames agree with each other, but not with it"),
    "unlinked": ReviewRule(3.2, 0.5, "its id is on no neighbouring frame"),
    "roughened": ReviewRule(2.1, 0.2, "its outline is rougher than on the neighbouring frames"),
    "offside": ReviewRule(2.1, 0.3, "it lies off the way from the frame before to the next"),
    "reshaped": ReviewRule(2.0, 0.4, "its shape differs from a neighbouring frame"),
    "ruffled": ReviewRule(1.8, 0.3, "its outline is of another kind than on the neighbouring frames"),
    "pieces": ReviewRule(0.5, 0.5, "it lies in several pieces"),
    "holes": ReviewRule(0.5, 0.5, "it has a hole"),
    "jumped": ReviewRule(0.3, 0.3, "it moves otherwise than its neighbours"),
    "resized": ReviewRule(0.25, 0.5, "its size jumps"),
    "touching": ReviewRule(0.25, 0.2, "it touches another object"),
    "begins": ReviewRule(0.25, 0.5, "its id begins here"),
    "ends": ReviewRule(0.25, 0.5, "its id ends here"),
}
"""Values are about 0 for what looks right, and up to 1 where something looks quite wrong."""
MISSING = 0.9
"""The score of an id that is on both neighbouring frames but not here."""
EMPTY = 0.95
"""The score of a frame without objects between frames that have some."""
FAINT = "slightly: "
"""Opens the strongest rule of an object of which no rule reaches the value from which it is a reason."""
NOTHING = "nothing about it looks odd"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something to look at.

    Attributes
    ----------
    frame : Frame
    label : int or None
        The object; None where the frame as a whole is meant.
    score : float
        Between 0 and 1, the higher the likelier wrong.
    reasons : tuple of str
        Why, as parts of a sentence, the weightiest first; at least one.
    position : tuple of float or None
        The object's centre within the frame, of a missing one that on the frame before; None for a frame as a whole.
    """

    frame: Frame
    label: int | None
    score: float
    reasons: tuple[str, ...]
    position: tuple[float, ...] | None = None


def doubts(
    labels: Any,
    frames: Sequence[Frame],
    ndim: int,
    confidence: Mapping[Frame, Mapping[int, float]] | None = None,
    confirmed: Collection[Frame] = frozenset(),
) -> list[Doubt]:
    """Return everything there is on some frames, the likeliest wrong first.

    Parameters
    ----------
    labels : array-like
        Read frame by frame: one is held at a time, beside the outlines of two.
    frames : sequence of Frame
        In their order along time or depth: those next to each other are compared.
    ndim : int
        The number of axes of a frame.
    confidence : mapping of Frame to (mapping of int to float), optional
        Of objects that were carried.
    confirmed : collection of Frame
        Frames that are right: nothing is doubted there, but their neighbours are compared with them.
    """
    review = Review(labels, frames, ndim)
    return review.doubts(confidence or {}, confirmed)


class Review:
    """Mutable owner of what was measured of each frame; after a change only that frame and its neighbours are read.

    Parameters
    ----------
    labels, frames, ndim
        As of `doubts`.
    stop : Stop
        Checked before a frame is read.
    blank : collection of Frame
        Frames known to hold nothing: they are not read until `update` names them.

    Raises
    ------
    Stopped
        Where `stop` was requested before everything was measured.
    """

    def __init__(
        self,
        labels: Any,
        frames: Sequence[Frame],
        ndim: int,
        stop: Stop = NEVER,
        blank: Collection[Frame] = frozenset(),
    ) -> None:
        self._labels = labels
        self._frames = list(frames)
        self._blank = set(blank)
        self._stop = stop
        self._whole = Region.whole(labels.shape[labels.ndim - ndim :])
        self._facts: dict[Frame, dict[int, Facts]] = {}
        self._steps: dict[Frame, dict[int, Step]] = {}
        self._leaps: dict[Frame, dict[int, Step]] = {}
        self._usual_shift: dict[Frame, npt.NDArray[np.float64]] = {}
        self._measure(range(len(self._frames)))

    def update(self, frame: Frame) -> None:
        """Measure a frame anew that was drawn on, and how it stands to its neighbours.

        Raises
        ------
        ValueError
            Where the frame is not among those reviewed.
        """
        if frame not in self._facts:
            raise ValueError(f"Frame {frame} is not among the {len(self._frames)} frames that are reviewed.")
        k = self._frames.index(frame)
        self._blank.discard(frame)
        self._measure(range(max(k - 2, 0), min(k + 3, len(self._frames))))

    def doubts(
        self, confidence: Mapping[Frame, Mapping[int, float]], confirmed: Collection[Frame] = frozenset()
    ) -> list[Doubt]:
        """Return everything there is on the frames that are not confirmed, the likeliest wrong first."""
        found = [
            doubt
            for k, frame in enumerate(self._frames)
            if frame not in confirmed
            for doubt in self._on_frame(k, confidence.get(frame, {}))
        ]
        return sorted(found, key=lambda doubt: -doubt.score)

    def states(
        self, confidence: Mapping[Frame, Mapping[int, float]], confirmed: Collection[Frame] = frozenset()
    ) -> dict[Frame, State]:
        """Return how each frame stands, for a strip along time or depth."""
        doubtful = {doubt.frame for doubt in self.doubts(confidence, confirmed) if doubt.score >= DOUBTFUL}
        return {frame: self._state(frame, confidence, confirmed, doubtful) for frame in self._frames}

    def _state(
        self,
        frame: Frame,
        confidence: Mapping[Frame, Mapping[int, float]],
        confirmed: Collection[Frame],
        doubtful: Collection[Frame],
    ) -> State:
        if frame in confirmed:
            return "confirmed"
        if not self._facts[frame]:
            return "empty"
        if frame in doubtful:
            return "doubtful"
        return "carried" if confidence.get(frame) else "drawn"

    # -- measuring -------------------------------------------------------------------------------------------------

    def _measure(self, places: Iterable[int]) -> None:
        """Measure some frames in a row, each against the one before it, and that against both beside it."""
        earlier: list[Mapping[int, Outline]] = []
        for k in places:
            self._stop.check()
            frame = self._frames[k]
            self._facts[frame], outlines = self._read(frame)
            if earlier and self._linked(k):
                self._steps[frame] = steps_between(earlier[-1], outlines)
                shifts = [step.shift for step in self._steps[frame].values()]
                self._usual_shift[frame] = np.median(shifts, axis=0) if shifts else np.zeros(self._whole.ndim)
            if len(earlier) == 2 and self._linked(k) and self._linked(k - 1):
                self._leaps[self._frames[k - 1]] = steps_between(earlier[0], outlines)
            earlier = [*earlier[-1:], outlines]

    def _read(self, frame: Frame) -> tuple[dict[int, Facts], dict[int, Outline]]:
        if frame in self._blank:
            return {}, {}
        here = self._labels[self._whole.at_frame(frame).slices]
        block = np.array(here).reshape(self._whole.shape)  # a copy: others may draw meanwhile
        outlines = outlines_of(block, self._whole)
        return facts_of(block, outlines), outlines

    def _linked(self, k: int) -> bool:
        """Whether the frame at a place follows on the one before it: they differ along one axis."""
        if not 0 < k < len(self._frames):
            return False
        return sum(a != b for a, b in zip(self._frames[k - 1], self._frames[k], strict=True)) == 1

    # -- judging ---------------------------------------------------------------------------------------------------

    def _on_frame(self, k: int, confidence: Mapping[int, float]) -> list[Doubt]:
        frame = self._frames[k]
        facts = self._facts[frame]
        before = self._facts[self._frames[k - 1]] if self._linked(k) else None
        after = self._facts[self._frames[k + 1]] if self._linked(k + 1) else None
        around = (before or {}).keys() & (after or {}).keys()
        if not facts and around:
            return [Doubt(frame, None, EMPTY, ("nothing is drawn here, but on both neighbouring frames",))]
        gaps = [
            Doubt(frame, label, MISSING, ("its id is on both neighbouring frames, but not here",), before[label].centre)
            for label in sorted(around - facts.keys())
            if before is not None
        ]
        return [*gaps, *(self._doubt(k, label, confidence.get(label, 1.0)) for label in facts)]

    def _doubt(self, k: int, label: int, confidence: float) -> Doubt:
        values = self._values(k, label, confidence)
        score = 1 / (1 + math.exp(-CONSTANT - sum(RULES[name].weight * value for name, value in values.items())))
        frame = self._frames[k]
        return Doubt(frame, label, score, _reasons(values), self._facts[frame][label].centre)

    def _values(self, k: int, label: int, confidence: float) -> dict[str, float]:
        """How wrong an object looks, rule by rule."""
        frame = self._frames[k]
        here = self._facts[frame][label]
        sides = [(side, beside) for side, beside in ((k, k - 1), (k + 1, k + 1)) if self._linked(side)]
        known = [(self._frames[side], self._frames[beside]) for side, beside in sides if label in self._at(side)]
        steps = [self._steps[side][label] for side, _ in known]
        rougher = [math.log2(here.roughness / self._facts[beside][label].roughness) for _, beside in known]
        leap = self._leaps.get(frame, {}).get(label) if len(known) == 2 else None
        return {
            "uncertain": 1 - confidence,
            "estranged": 0.0 if leap is None else leap.overlap - float(np.mean([step.overlap for step in steps])),
            "unlinked": float(bool(sides) and not known),
            "roughened": min(rougher, default=0.0),
            "offside": _offside(steps) / here.diameter,
            "reshaped": max((1 - step.overlap for step in steps), default=0.0),
            "ruffled": min(map(abs, rougher), default=0.0),
            "pieces": float(here.pieces > 0),
            "holes": float(here.holes > 0),
            "jumped": min((self._stray(side, label) / here.diameter for side, _ in known), default=0.0),
            "resized": min((min(abs(step.growth), 2.0) for step in steps), default=0.0),
            "touching": here.touching,
            "begins": float(self._linked(k) and label not in self._at(k)),
            "ends": float(self._linked(k + 1) and label not in self._at(k + 1)),
        }

    def _at(self, k: int) -> Mapping[int, Step]:
        """How objects came to the frame at a place from the one before it."""
        return self._steps[self._frames[k]]

    def _stray(self, frame: Frame, label: int) -> float:
        """How far an object's shift lies from the usual one, in pixels."""
        return float(np.linalg.norm(np.asarray(self._steps[frame][label].shift) - self._usual_shift[frame]))


def _reasons(values: Mapping[str, float]) -> tuple[str, ...]:
    """The reasons of an object, the weightiest first; where nothing is marked, its strongest rule all the same.

    >>> _reasons({"resized": 0.6, "reshaped": 0.1}), _reasons({"resized": 0.2, "reshaped": 0.1})
    (('its size jumps',), ('slightly: its shape differs from a neighbouring frame',))
    """
    ordered = sorted(values, key=lambda name: -RULES[name].weight * values[name])
    reasons = tuple(RULES[name].reason for name in ordered if values[name] >= RULES[name].reported_from)
    strongest = ordered[0]
    return reasons or ((FAINT + RULES[strongest].reason) if values[strongest] > 0 else NOTHING,)


def _offside(steps: Sequence[Step]) -> float:
    """How far an object lies from the middle between its places on both neighbouring frames, in pixels."""
    if len(steps) < 2:
        return 0.0
    return float(np.linalg.norm(np.subtract(steps[0].shift, steps[1].shift))) / 2
