"""Knowledge: what is known of the frames of one image with its labels, and how a look at the labels finds it out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.jobs import Stop
from napari_clickseg.gui.sequence import Finding, FrameState
from napari_clickseg.gui.work import Work
from napari_clickseg.propagation.propagate import Carried
from napari_clickseg.review.rules import DOUBTFUL, Doubt, Review
from napari_clickseg.session.state import Notes

TOLD = 2
"""So many reasons of a doubt are told, the weightiest."""


@dataclass(slots=True, eq=False)
class Known:
    """What is known of the frames of one work. Mutable.

    Attributes
    ----------
    review : Review or None
        Used on the background thread only; None before the first look.
    labels, ndim
        What the review looked at: somebody may replace the labels, and another model may see another number of axes.
    changed : set of Frame
        Written to since the last look.
    looked_at : set of Frame
        Of those, the ones that are being looked at.
    touched : set of Frame
        Ever written to.
    states : mapping of Frame to str
    doubts : tuple of Finding
        Those worth looking at, the most doubtful first.
    reasons : mapping of Frame to str
        Why a frame is doubtful.
    questions : mapping of Frame to tuple of Finding
        Events that carrying met.
    """

    review: Review | None = None
    labels: Any = None
    ndim: int = 0
    changed: set[Frame] = field(default_factory=set)
    looked_at: set[Frame] = field(default_factory=set)
    touched: set[Frame] = field(default_factory=set)
    states: Mapping[Frame, FrameState] = field(default_factory=dict)
    doubts: tuple[Finding, ...] = ()
    reasons: Mapping[Frame, str] = field(default_factory=dict)
    questions: dict[Frame, tuple[Finding, ...]] = field(default_factory=dict)

    def write(self, frame: Frame) -> None:
        """Take note that a frame was written to."""
        self.changed.add(frame)
        self.touched.add(frame)

    def ask(self, step: Carried) -> None:
        """Take note of what befell objects on their way to a frame."""
        self.questions[step.frame] = tuple(
            Finding(step.frame, event.label or None, event.sentence, True, (event.positions or (None,))[0])
            for event in step.events
        )

    def fits(self, work: Work) -> bool:
        """Tell whether what is known is of the labels as they are, and of frames as they are counted now."""
        return self.labels is work.session.labels and self.ndim == work.session.ndim

    def look_anew(self, work: Work) -> None:
        """Forget what does not fit any more; what was written to is then not known either."""
        self.review, self.labels, self.ndim = None, work.session.labels, work.session.ndim
        self.changed, self.looked_at, self.questions = set(), set(), {}
        self.states, self.doubts, self.reasons = {}, (), {}

    def state(self, frame: Frame, notes: Notes) -> FrameState:
        """Return how a frame stands, brought up to date by what needs no look."""
        if frame in notes.confirmed:
            return "confirmed"
        state = self.states.get(frame, "empty")
        if state == "confirmed":
            return "drawn"
        return "carried" if state in ("empty", "drawn") and notes.confidence.get(frame) else state

    def reason(self, frame: Frame) -> str:
        """Return why a frame is doubtful: its first question, else its first doubt."""
        asked = self.questions.get(frame)
        return asked[0].text if asked else self.reasons.get(frame, "")

    def findings(self, confirmed: Collection[Frame]) -> tuple[Finding, ...]:
        """Return the places to look at: questions in the order of the frames, then doubts."""
        questions = [one for frame, few in sorted(self.questions.items()) if frame not in confirmed for one in few]
        return (*questions, *(one for one in self.doubts if one.frame not in confirmed))


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What a look at the labels found; as in `Known`."""

    work: Work
    review: Review
    states: Mapping[Frame, FrameState]
    doubts: tuple[Finding, ...]
    reasons: Mapping[Frame, str]


def look(
    work: Work,
    review: Review | None,
    changed: Collection[Frame],
    written: Collection[Frame] | None,
    stop: Stop,
) -> Looked:
    """Look at the labels, on a background thread.

    Parameters
    ----------
    review : Review or None
        Of an earlier look; only what changed since is then read.
    written : collection of Frame or None
        At a first look, the frames that alone can hold anything; None where any may.
    """
    session = work.session
    if review is None:
        frames = list(np.ndindex(*session.image.frames_shape(session.ndim)))
        blank = frozenset() if written is None else frozenset(frames) - frozenset(written)
        review = Review(session.labels, frames, session.ndim, stop, blank)
    else:
        for frame in changed:
            stop.check()
            review.update(frame)
    notes = session.state.notes
    doubts = [doubt for doubt in review.doubts(notes.confidence, notes.confirmed) if doubt.score >= DOUBTFUL]
    reasons = {doubt.frame: _told(doubt) for doubt in reversed(doubts)}
    states = review.states(notes.confidence, notes.confirmed)
    return Looked(work, review, states, tuple(_finding(doubt) for doubt in doubts), reasons)


def _told(doubt: Doubt) -> str:
    whose = "" if doubt.label is None else f"object {doubt.label}: "
    return whose + "; ".join(doubt.reasons[:TOLD])


def _finding(doubt: Doubt) -> Finding:
    return Finding(doubt.frame, doubt.label, "; ".join(doubt.reasons[:TOLD]), position=doubt.position)
