"""Reviewing: what is known of each frame, and the places to look at first; worked out in the background."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.jobs import Outcome, Stop
from napari_clickseg.core.regions import Region
from napari_clickseg.gui.background import Background
from napari_clickseg.gui.click_layers import ClickLayers
from napari_clickseg.gui.controllers.frames import Timeline
from napari_clickseg.gui.controllers.propagation import Carrying, Trip
from napari_clickseg.gui.layer_pair import Work
from napari_clickseg.gui.panel_state import Showing
from napari_clickseg.gui.preview import ring
from napari_clickseg.gui.view import messages as frame_status
from napari_clickseg.gui.view.protocol import Finding, FrameState, SequencePanel, Strip
from napari_clickseg.gui.workspace import Desk
from napari_clickseg.propagation.plan import along
from napari_clickseg.propagation.propagate import Carried
from napari_clickseg.review.rules import DOUBTFUL, Doubt, Review
from napari_clickseg.session.replay import Act
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


RING_SHARE = 0.75
"""The radius of the ring around the place that is looked at, in diameters of an object."""
USUAL_DIAMETER = 40.0
"""As long as the diameter of objects is not known."""
PATIENCE_MS = 200
"""Changes are gathered for so long before they are looked at."""


class Reviewing:
    """Mutable: what is known of each work, and which place is looked at.

    Parameters
    ----------
    panel, desk, layers, showing, timeline, carrying
        See there.
    """

    def __init__(
        self,
        panel: SequencePanel,
        desk: Desk,
        layers: ClickLayers,
        showing: Showing,
        timeline: Timeline,
        carrying: Carrying,
    ) -> None:
        self._panel = panel
        self._desk = desk
        self._layers = layers
        self._showing = showing
        self._timeline = timeline
        self._carrying = carrying
        self._known: dict[Work, Known] = {}
        self._findings: tuple[Finding, ...] = ()
        self._chosen: int | None = None
        """Where in the list the place is that was gone to last; where it was mended, where it had been."""
        self._looked_at: Finding | None = None
        self._here = False
        self._background = Background("clickseg-review")
        self._open = self._soon = False
        desk.begun.connect(self._on_desk_begun)
        desk.dropped.connect(self._on_desk_dropped)
        desk.switched.connect(self._on_desk_switched)
        desk.drawn.connect(self._on_desk_drawn)
        timeline.stepped.connect(self._show)
        carrying.arrived.connect(self._on_carrying_arrived)

    def open(self) -> None:
        """Start the thread."""
        self._open, self._soon = True, False
        self._background.open()

    def close(self) -> None:
        """End it."""
        self._open = False
        self._background.close()

    # -- requests --------------------------------------------------------------------------------------------------

    def next_doubt(self) -> None:
        """Go to the next place; where the last one was mended, to what stands in its place now."""
        self._walk(1)

    def previous_doubt(self) -> None:
        """Go to the place before."""
        self._walk(-1)

    def go_to_finding(self, index: int) -> None:
        """Go to a place of the list: its frame, with the object in the middle of the view."""
        work = self._desk.current
        if work is None or not 0 <= index < len(self._findings):
            return
        finding = self._looked_at = self._findings[index]
        self._chosen, self._here = index, True
        self._timeline.show_frame(work, finding.frame)
        if finding.position is not None:
            self._timeline.centre_on(work, (*finding.frame, *finding.position))
            self._mark(work, finding.frame, finding.position)
        if finding.label is not None:
            work.labels_layer.selected_label = finding.label
        self._panel.show_findings(self._findings, index)
        self._showing.status(frame_status.looking_at(finding, index + 1, len(self._findings)))

    def confirm(self) -> None:
        """Call the frame in view right; where it was called so, no longer."""
        work = self._desk.current
        if work is None:
            return
        frame, _, _ = self._timeline.place(work)
        now = frame not in work.session.confirmed
        work.session.confirm(frame, now)
        self._showing.status(frame_status.confirmed(frame, now))

    # -- looking ---------------------------------------------------------------------------------------------------

    def _walk(self, step: int) -> None:
        count = len(self._findings)
        if not count:
            self._showing.status(frame_status.NOTHING_DOUBTFUL)
        elif self._chosen is None:
            self.go_to_finding(0)
        else:
            gone_on = self._chosen if step > 0 and not self._here else self._chosen + step
            self.go_to_finding(gone_on % count)

    def _look_soon(self) -> None:
        if not self._soon:
            self._soon = True
            QTimer.singleShot(PATIENCE_MS, self._look)

    def _look(self) -> None:
        """Look at what changed, unless a look is under way: then afterwards."""
        self._soon = False
        work = self._desk.current
        if not self._open or work is None or self._background.busy or not self._timeline.has_frames(work):
            return
        known = self._known[work]
        first = known.labels is None
        if not known.fits(work):
            known.look_anew(work)
        known.looked_at, known.changed = known.changed, set()
        written = frozenset(known.touched) if work.made and first else None
        job = partial(look, work, known.review, frozenset(known.looked_at), written)
        self._background.submit(job, self._on_looked)

    def _on_looked(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._showing.status(frame_status.not_reviewed(outcome.error))
            return
        looked: Looked = outcome.value
        known = self._known.get(looked.work)
        if known is None or not known.fits(looked.work):
            return self._look_soon()
        known.review, known.states = looked.review, looked.states
        known.doubts, known.reasons, known.looked_at = looked.doubts, looked.reasons, set()
        if known.changed:
            self._look_soon()
        if looked.work is self._desk.current:
            self._show()

    def _mark(self, work: Work, frame: Frame, position: tuple[float, ...]) -> None:
        """Lay a ring around a place, until another frame is shown or something is drawn."""
        if len(position) == 2 and work.session.state.empty:
            diameter = work.session.expected_diameter() if work.measured else USUAL_DIAMETER
            painted = ring(RING_SHARE * diameter)
            middle = len(painted) // 2
            self._layers.show_preview(painted, (*frame, *(round(p) - middle for p in position)), 1.0)

    # -- showing ---------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        work = self._desk.current
        if work is None or not self._timeline.has_frames(work):
            self._panel.show_strip(None)
            return
        known = self._known[work]
        self._panel.show_strip(self._strip(work, known))
        self._list(work, known)

    def _strip(self, work: Work, known: Known) -> Strip:
        frame, axis, count = self._timeline.place(work)
        frames = along(frame, axis, range(count))
        notes = work.session.state.notes
        states = tuple(known.state(one, notes) for one in frames)
        reasons = {k: why for k, one in enumerate(frames) if (why := known.reason(one))}
        axes = self._timeline.axes(work)
        return Strip(axes[axis], states, frame[axis], reasons, axes, self._timeline.named(work))

    def _list(self, work: Work, known: Known) -> None:
        """List questions first, then doubts; what is looked at stays marked while it is there."""
        before = self._looked_at
        self._findings = known.findings(work.session.confirmed)
        self._here = before in self._findings
        if before is not None and self._here:
            self._chosen = self._findings.index(before)
        self._panel.show_findings(self._findings, self._chosen if self._here else None)

    # -- what happened elsewhere -----------------------------------------------------------------------------------

    def _on_desk_begun(self, work: Work) -> None:
        self._known[work] = Known()
        work.session.painted.connect(partial(self._on_session_painted, work))
        work.session.acted.connect(partial(self._on_session_acted, work))

    def _on_desk_dropped(self, work: Work) -> None:
        self._known.pop(work, None)

    def _on_desk_switched(self, work: Work | None) -> None:
        self._findings, self._chosen, self._looked_at, self._here = (), None, None, False
        self._panel.show_findings((), None)
        self._background.cancel()
        for known in self._known.values():
            known.changed |= known.looked_at
        self._show()
        self._look_soon()

    def _on_desk_drawn(self, work: Work) -> None:
        self._show()
        if not self._known[work].fits(work):
            self._look_soon()

    def _on_session_painted(self, work: Work, region: Region) -> None:
        if work in self._known:
            self._known[work].write(_frame_of(work, region))
            self._look_soon()

    def _on_session_acted(self, work: Work, act: Act) -> None:
        """What the user changed is no question any more; confirming and undoing change what is doubtful."""
        known = self._known.get(work)
        if known is None or self._carrying.trip is not None:
            return
        if act.name == "paint":
            known.write(_frame_of(work, act.arguments["region"]))
        for frame in known.changed & known.questions.keys():
            del known.questions[frame]
        self._look_soon()

    def _on_carrying_arrived(self, trip: Trip, step: Carried) -> None:
        known = self._known.get(trip.work)
        if known is not None:
            known.ask(step)
            self._show()


def _frame_of(work: Work, region: Region) -> Frame:
    return region.start[: len(region.start) - work.session.ndim]
