"""Review: what is known of each frame, and the places to look at first; worked out in the background."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_clickseg.gui.view import messages
from napari_clickseg.gui.view.protocol import FrameState, Strip
from napari_clickseg.propagation.plan import along
from napari_clickseg.review.findings import Finding, finding_of, in_order, next_index, sentence_of
from napari_clickseg.review.rules import DOUBTFUL, Review

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.jobs import Outcome, Stop
    from napari_clickseg.core.regions import Region
    from napari_clickseg.gui.background import Background, Ticket
    from napari_clickseg.gui.controllers.corrections import Corrections
    from napari_clickseg.gui.controllers.frames import Frames
    from napari_clickseg.gui.controllers.propagation import Propagation, Trip
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.panel_state import Reports
    from napari_clickseg.gui.preview import Preview
    from napari_clickseg.gui.viewport import Viewport
    from napari_clickseg.gui.workspace import Workspace
    from napari_clickseg.propagation.propagate import Carried
    from napari_clickseg.session.replay import Act
    from napari_clickseg.session.state import Notes

PATIENCE_MS = 200
"""Changes are gathered for so long before they are looked at."""


@dataclass(slots=True, eq=False)
class Known:
    """What is known of the frames of one pair. Mutable.

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
        Events that propagation met.
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
        """Take note of what happened to objects on their way to a frame."""
        self.questions[step.frame] = tuple(
            Finding(step.frame, event.label or None, event.sentence, True, (event.positions or (None,))[0], event.kind)
            for event in step.events
        )

    def fits(self, pair: LayerPair) -> bool:
        """Return whether what is known is of the labels as they are, and of frames as they are counted now."""
        return self.labels is pair.session.labels and self.ndim == pair.session.ndim

    def look_anew(self, pair: LayerPair) -> None:
        """Forget what does not fit any more; what was written to is then not known either."""
        self.review, self.labels, self.ndim = None, pair.session.labels, pair.session.ndim
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
        return in_order(self.questions, self.doubts, confirmed)


class Reviewing:
    """Mutable: what is known of each pair, and which place is looked at.

    Parameters
    ----------
    workspace, frames, corrections, propagation, viewport, background, preview, reports
        Where the pairs are, which frame is in view, who repairs, what is being followed, who moves the camera, where
        frames are read, who marks a place, where sentences go.
    """

    changed = Signal()
    """Something else is known, or another place is looked at."""

    def __init__(
        self,
        workspace: Workspace,
        frames: Frames,
        corrections: Corrections,
        propagation: Propagation,
        viewport: Viewport,
        background: Background,
        preview: Preview,
        reports: Reports,
    ) -> None:
        self._workspace = workspace
        self._frames = frames
        self._corrections = corrections
        self._propagation = propagation
        self._viewport = viewport
        self._background = background
        self._preview = preview
        self._reports = reports
        self._known: dict[LayerPair, Known] = {}
        self._chosen: int | None = None
        """Where in the list the place is that was gone to last; where it was mended, where it had been."""
        self._looked_at: Finding | None = None
        self._ticket: Ticket | None = None
        self._open = self._soon = False
        workspace.begun.connect(self._on_workspace_begun)
        workspace.dropped.connect(self._on_workspace_dropped)
        workspace.switched.connect(self._on_workspace_switched)
        workspace.drawn.connect(self._on_workspace_drawn)
        propagation.arrived.connect(self._on_propagation_arrived)

    def open(self) -> None:
        """Look from now on."""
        self._open, self._soon = True, False

    def close(self) -> None:
        """Look no more."""
        self._open = False

    @property
    def busy(self) -> bool:
        """Whether a look is under way."""
        return self._soon or (self._ticket is not None and self._ticket.busy)

    def known(self, pair: LayerPair) -> Known:
        """Return what is known of the frames of a pair."""
        return self._known[pair]

    # -- what is shown ---------------------------------------------------------------------------------------------

    def shown(self, pair: LayerPair) -> tuple[Strip, tuple[Finding, ...], int | None]:
        """Return the frames, the places to look at, and which of those is looked at; of an image with frames."""
        known = self._known[pair]
        findings = known.findings(pair.session.confirmed)
        here = findings.index(self._looked_at) if self._looked_at in findings else None
        return self._strip(pair, known), findings, here

    def _strip(self, pair: LayerPair, known: Known) -> Strip:
        frame, axis, count = self._frames.place(pair)
        frames = along(frame, axis, range(count))
        notes = pair.session.state.notes
        states = tuple(known.state(one, notes) for one in frames)
        reasons = {k: why for k, one in enumerate(frames) if (why := known.reason(one))}
        axes = self._frames.axes(pair)
        return Strip(axes[axis], states, frame[axis], reasons, axes, self._frames.named(pair))

    # -- requests --------------------------------------------------------------------------------------------------

    def next_doubt(self) -> None:
        """Go to the next place; where the last one was mended, to what stands in its place now."""
        self._walk(1)

    def previous_doubt(self) -> None:
        """Go to the place before."""
        self._walk(-1)

    def go_to_finding(self, index: int) -> None:
        """Go to a place of the list: its frame, with the object in the middle of the view."""
        pair, findings = self._workspace.current, self._findings()
        if pair is None or not 0 <= index < len(findings):
            return
        finding = self._looked_at = findings[index]
        self._chosen = index
        self._viewport.show_frame(pair, finding.frame)
        if finding.position is not None:
            self._viewport.centre_on(pair, (*finding.frame, *finding.position))
            if pair.session.state.empty:
                self._preview.mark(pair, (*finding.frame, *finding.position), large=True)
        if finding.label is not None:
            pair.select_label(finding.label)
        self._reports.report(messages.looking_at(finding, index + 1, len(findings)))

    def repair(self, index: int) -> None:
        """Go to a place and do the likely repair."""
        pair, findings = self._workspace.current, self._findings()
        if pair is None or not 0 <= index < len(findings):
            return
        finding = findings[index]
        self.go_to_finding(index)
        if finding.repair is not None:
            self._corrections.repair(finding.repair.action, pair, finding.frame, finding.repair.labels)

    def confirm(self) -> None:
        """Call the frame in view right; where it was called so, no longer."""
        pair = self._workspace.current
        if pair is None:
            return
        frame, _, _ = self._frames.place(pair)
        now = frame not in pair.session.confirmed
        pair.session.confirm(frame, now)
        self._reports.report(messages.confirmed(frame, now))

    # -- looking ---------------------------------------------------------------------------------------------------

    def _findings(self) -> tuple[Finding, ...]:
        pair = self._workspace.current
        return () if pair is None else self._known[pair].findings(pair.session.confirmed)

    def _walk(self, step: int) -> None:
        findings = self._findings()
        here = self._looked_at in findings
        if here:
            self._chosen = findings.index(self._looked_at)
        if not findings:
            self._reports.report(messages.NOTHING_DOUBTFUL)
        else:
            self.go_to_finding(next_index(len(findings), self._chosen, step, here))

    def _look_soon(self) -> None:
        if not self._soon:
            self._soon = True
            self._background.later(PATIENCE_MS, self._look)

    def _look(self) -> None:
        """Look at what changed, unless a look is under way: then afterwards."""
        self._soon = False
        pair = self._workspace.current
        looking = self._ticket is not None and self._ticket.busy
        if not self._open or pair is None or looking or not self._frames.has_frames(pair):
            return
        known = self._known[pair]
        first = known.labels is None
        if not known.fits(pair):
            known.look_anew(pair)
        known.looked_at, known.changed = known.changed, set()
        written = frozenset(known.touched) if pair.made and first else None
        job = partial(look, pair, known.review, frozenset(known.looked_at), written)
        self._ticket = self._background.files.submit(job, self._on_looked)

    def _on_looked(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._reports.report(messages.not_reviewed(outcome.error))
            return
        looked: Looked = outcome.value
        known = self._known.get(looked.pair)
        if known is None or not known.fits(looked.pair):
            self._look_soon()
            return
        known.review, known.states = looked.review, looked.states
        known.doubts, known.reasons, known.looked_at = looked.doubts, looked.reasons, set()
        if known.changed:
            self._look_soon()
        if looked.pair is self._workspace.current:
            self.changed.emit()

    # -- what happened elsewhere -----------------------------------------------------------------------------------

    def _on_workspace_begun(self, pair: LayerPair) -> None:
        self._known[pair] = Known()
        pair.session.painted.connect(partial(self._on_session_painted, pair))
        pair.session.acted.connect(partial(self._on_session_acted, pair))

    def _on_workspace_dropped(self, pair: LayerPair) -> None:
        self._known.pop(pair, None)

    def _on_workspace_switched(self, pair: LayerPair | None) -> None:
        self._chosen, self._looked_at = None, None
        if self._ticket is not None:
            self._ticket.cancel()
        for known in self._known.values():
            known.changed |= known.looked_at
        self.changed.emit()
        self._look_soon()

    def _on_workspace_drawn(self, pair: LayerPair) -> None:
        if not self._known[pair].fits(pair):
            self._look_soon()

    def _on_session_painted(self, pair: LayerPair, region: Region) -> None:
        if pair in self._known:
            self._known[pair].write(_frame_of(pair, region))
            self._look_soon()

    def _on_session_acted(self, pair: LayerPair, act: Act) -> None:
        """What the user changed is no question any more; confirming and undoing change what is doubtful."""
        known = self._known.get(pair)
        if known is None or self._propagation.trip is not None:
            return
        if act.name == "paint":
            known.write(_frame_of(pair, act.arguments["region"]))
        for frame in known.changed & known.questions.keys():
            del known.questions[frame]
        self._look_soon()

    def _on_propagation_arrived(self, trip: Trip, step: Carried) -> None:
        known = self._known.get(trip.pair)
        if known is not None:
            known.ask(step)
            self.changed.emit()


def _frame_of(pair: LayerPair, region: Region) -> Frame:
    return region.start[: len(region.start) - pair.session.ndim]


# -- on the background thread ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What a look at the labels found; as in `Known`."""

    pair: LayerPair
    review: Review
    states: Mapping[Frame, FrameState]
    doubts: tuple[Finding, ...]
    reasons: Mapping[Frame, str]


def look(
    pair: LayerPair,
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
    session = pair.session
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
    reasons = {doubt.frame: sentence_of(doubt) for doubt in reversed(doubts)}
    states = review.states(notes.confidence, notes.confirmed)
    return Looked(pair, review, states, tuple(finding_of(doubt, session.labels) for doubt in doubts), reasons)
