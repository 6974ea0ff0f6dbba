"""Propagation: objects are followed from frame to frame in the background; each frame is written as it comes."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_clickseg.core.labels import read_block
from napari_clickseg.gui.view import messages
from napari_clickseg.gui.view.protocol import Progress, Status, Way
from napari_clickseg.propagation.plan import Plan, along, backward, bracket, forward
from napari_clickseg.propagation.propagate import Carried, carry

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.edits import Edit
    from napari_clickseg.core.jobs import Outcome, Stop
    from napari_clickseg.core.regions import Region
    from napari_clickseg.gui.background import Background, Ticket
    from napari_clickseg.gui.controllers.frames import Frames
    from napari_clickseg.gui.controllers.objects import Objects
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.panel_state import Reports
    from napari_clickseg.gui.viewport import Viewport
    from napari_clickseg.gui.workspace import Workspace
    from napari_clickseg.session.replay import Act

NOT_THE_USERS = frozenset(("reserve", "predictor"))
"""Acts of the panel itself, which end no trip. Another model does: see `Propagation._on_acted`."""
TRAVELS = frozenset(("undo", "redo"))
QUIET = frozenset(("extend", "confirm", "reserve", "predictor", "diameter", "protect"))
"""Acts that correct nothing."""
ENOUGH = 20
"""After so many frames that hold objects it is clear that something would be replaced."""


@dataclass(slots=True, eq=False)
class Trip:
    """One walk over frames while it runs. Mutable: what was reached.

    Attributes
    ----------
    way : {"missing", "replace"}
        Whether objects are added only where nothing is, or written over what is there.
    number : int or None
        Of the session's edit that it writes; None before the first frame.
    done : list of Frame
        Frames that were looked at, one after the other.
    drawn : list of Frame
        Those of them into which objects were followed, be it that they were there as they are already.
    halted : str
        Why it ended before the end of its route.
    model : str
        The predictor's name.
    """

    pair: LayerPair
    route: Plan
    model: str
    way: Way = "replace"
    number: int | None = None
    done: list[Frame] = field(default_factory=list)
    drawn: list[Frame] = field(default_factory=list)
    halted: str = ""
    taken: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def left(self) -> Plan | None:
        """Return what is left of the way; None where it was gone to its end."""
        return self.route.onwards(self.done[-1] if self.done else self.route.source)


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many objects of how many frames a trip would replace; `more`: not all frames were looked at."""

    objects: int
    frames: int
    more: bool


class Propagation:
    """Mutable: what is being followed, whose objects, how far, and where the last trip can go on.

    Parameters
    ----------
    workspace, objects, frames, viewport, background, reports
        Where pairs are, who waits for answers, which frame is in view, where the pointer is, who works, where to report
    """

    arrived = Signal(object, object)
    """A frame was written: the trip, and what became of the objects there."""
    changed = Signal()
    """`progress` is another one."""

    def __init__(
        self,
        workspace: Workspace,
        objects: Objects,
        frames: Frames,
        viewport: Viewport,
        background: Background,
        reports: Reports,
    ) -> None:
        self._workspace = workspace
        self._objects = objects
        self._frames = frames
        self._viewport = viewport
        self._background = background
        self._reports = reports
        self._everything = True
        self._reach = 0
        self._trip: Trip | None = None
        self._ticket: Ticket | None = None
        self._asked: tuple[LayerPair, Plan, Status] | None = None
        self._watched: LayerPair | None = None
        self._writing = False
        self._last: Trip | None = None
        self._next: Plan | None = None
        self._again = False
        self._touched: set[Frame] = set()
        workspace.switched.connect(self._on_workspace_switched)

    @property
    def trip(self) -> Trip | None:
        """What is being followed; None where nothing is."""
        return self._trip

    @property
    def busy(self) -> bool:
        """Whether something is followed, or is about to be."""
        return self._ticket is not None

    @property
    def question(self) -> Status | None:
        """What a trip would replace, before it starts; None where nothing is asked."""
        return None if self._asked is None else self._asked[2]

    @property
    def progress(self) -> Progress:
        """How it stands."""
        pair = self._workspace.current
        if self._trip is not None and self._trip.pair is pair:
            return Progress(True, len(self._trip.done), len(self._trip.route.targets))
        if self._next is not None and self._last is not None and self._last.pair is pair and pair is not None:
            return Progress(resume=self._next.source[self._frames.axis(pair)], again=self._again)
        return Progress()

    def close(self) -> None:
        """End what runs; what was written stays."""
        self.stop()

    # -- requests --------------------------------------------------------------------------------------------------

    def choose_everything(self, everything: bool) -> None:
        """Follow all objects of a frame, or one."""
        self._everything = everything

    def set_reach(self, count: int) -> None:
        """Go over so many frames; 0: to the end."""
        self._reach = count

    def carry_forward(self) -> None:
        """Follow objects from the frame in view through those after it."""
        self._objects.when_answered(partial(self._go, ahead=True))

    def carry_back(self) -> None:
        """Follow objects from the frame in view through those before it."""
        self._objects.when_answered(partial(self._go, ahead=False))

    def carry_between(self) -> None:
        """Fill the frames between the nearest confirmed ones."""
        self._objects.when_answered(self._fill)

    def carry_on(self) -> None:
        """Go on where the last trip ended, or anew from a frame that was corrected since."""
        self._objects.when_answered(self._continue)

    def answer(self, way: Way | None) -> None:
        """Start the trip that was asked about, in this way; None leaves it."""
        asked, self._asked = self._asked, None
        if asked is not None and way is not None and asked[0] is self._workspace.current:
            self._start(asked[0], asked[1], way)
        else:
            self._watch(None)
            self._reports.resume()

    def stop(self) -> bool:
        """End where it stands, or leave what was asked; return False where there is neither."""
        if self._asked is not None:
            self.answer(None)
            return True
        looked = self._ticket is not None
        self._cancel()
        if self._trip is not None:
            self._end(None)
        elif looked:
            self._watch(None)
            self._reports.resume()
        return looked

    # -- the way ---------------------------------------------------------------------------------------------------

    def _go(self, pair: LayerPair, ahead: bool) -> None:
        frame, axis, count = self._frames.place(pair)
        targets = forward(frame, axis, count, self._reach) if ahead else backward(frame, axis, self._reach)
        if not targets:
            raise ValueError(f"There is no frame {'after' if ahead else 'before'} this one to track to.")
        self._ask(pair, Plan(frame, targets, self._ids(pair)))

    def _fill(self, pair: LayerPair) -> None:
        frame, axis, _ = self._frames.place(pair)
        first, last = bracket(frame, axis, pair.session.confirmed)
        targets = along(first, axis, range(first[axis] + 1, last[axis]))
        if not targets:
            raise ValueError("The two confirmed frames lie side by side; there is none between them to fill.")
        self._ask(pair, Plan(first, targets, self._ids(pair), between=last))

    def _continue(self, pair: LayerPair) -> None:
        if self._next is None or self._last is None or self._last.pair is not pair:
            raise ValueError("Nothing was tracked yet that could go on; Shift+Right tracks from this frame.")
        self._start(pair, self._next, self._last.way)

    def _unit(self, pair: LayerPair) -> str:
        """What frames are called along the axis."""
        return "frame" if self._frames.is_time(pair) else "plane"

    def _ids(self, pair: LayerPair) -> tuple[int, ...] | None:
        """Return which objects are to be followed: all, the one being drawn, or the one under the pointer."""
        if self._everything:
            return None
        if not pair.session.state.empty:
            return (pair.session.label,)
        label = pair.label_at(pair.position(self._viewport.pointer()))
        if not label:
            raise ValueError("There is no object under the pointer to track; point at one, or choose all objects.")
        return (label,)

    # -- before it starts ------------------------------------------------------------------------------------------

    def _ask(self, pair: LayerPair, route: Plan) -> None:
        """Look what would be replaced, in the background; start where that is nothing, ask where it is something."""
        if not pair.counted:
            raise ValueError(f"{pair.labels_name!r} is large and still being read; try again in a moment.")
        self.stop()
        if not pair.session.state.empty:
            pair.session.start_new()
        self._watch(pair)
        job = partial(overlap, pair.session.labels, route, pair.session.confirmed)
        self._ticket = self._background.long.submit(job, partial(self._on_overlap, pair, route))
        self._reports.report(messages.following(len(route.targets), self._unit(pair)))

    def _watch(self, pair: LayerPair | None) -> None:
        """Give way to what the user does in this pair from now on, before frames are written as well as after."""
        if self._watched is not None:
            self._watched.session.acted.disconnect(self._on_acted)
        if pair is not None:
            pair.session.acted.connect(self._on_acted)
        self._watched = pair

    def _on_overlap(self, pair: LayerPair, route: Plan, outcome: Outcome) -> None:
        self._ticket = None
        if outcome.error is not None:
            self._watch(None)
            self._reports.report(messages.not_followed(outcome.error))
        elif outcome.value.objects:
            there: Overlap = outcome.value
            self._asked = pair, route, messages.would_replace(there.objects, there.frames, there.more)
            self.changed.emit()
        else:
            self._start(pair, route, "replace")

    # -- on its way ------------------------------------------------------------------------------------------------

    def _start(self, pair: LayerPair, route: Plan, way: Way) -> None:
        self.stop()
        if not pair.session.state.empty:
            pair.session.start_new()
        self._forget()
        trip = Trip(pair, route, pair.session.predictor.name, way)
        self._last = self._trip = trip
        self._watch(pair)
        self._ticket = self._background.long.submit(partial(self._run, trip), self._on_outcome)
        self.changed.emit()
        self._reports.report(messages.following(len(route.targets), self._unit(pair)))

    def _run(self, trip: Trip, stop: Stop) -> None:
        """On the background thread. Wait after each frame until it is written: the next one starts from it."""
        session, route = trip.pair.session, trip.route
        steps = carry(
            session.image,
            session.labels,
            session.predictor,
            route.source,
            route.targets,
            ids=route.ids,
            confirmed=session.confirmed,
            stop=stop,
            between=route.between,
        )
        for step in steps:
            if trip.way == "missing":
                step = replace(step, edit=only_missing(step.edit, session.labels, step.frame))
            self._background.courier.send(partial(self._on_frame, trip, step))
            while not trip.taken.acquire(timeout=0.05):
                stop.check()

    def _on_frame(self, trip: Trip, step: Carried) -> None:
        if trip is not self._trip:
            return
        try:
            went_on = self._write(trip, step)
        except ValueError as problem:
            self._cancel()
            self._end(problem)
            return
        if not went_on:
            self.stop()
            return
        trip.halted = step.halted
        self.arrived.emit(trip, step)
        self.changed.emit()
        trip.taken.release()

    def _write(self, trip: Trip, step: Carried) -> bool:
        """Write a frame; False where the user did something since the one before. A confirmed frame is left alone."""
        if step.frame in trip.pair.session.confirmed:
            return True
        trip.done.append(step.frame)
        if step.edit.confidence:
            trip.drawn.append(step.frame)
        if not step.edit.written.any():
            return True
        session, edits = trip.pair.session, {step.frame: step.edit}
        self._writing = True
        try:
            if trip.number is None:
                trip.number = session.edit(edits)
                return True
            return session.extend(edits, trip.number)
        finally:
            self._writing = False

    def _on_outcome(self, outcome: Outcome) -> None:
        self._ticket = None
        if self._trip is not None:
            self._end(outcome.error)

    def _on_acted(self, act: Act) -> None:
        trip = self._trip
        another_model = act.name == "predictor" and trip is not None and act.arguments["name"] != trip.model
        if not self._writing and (act.name not in NOT_THE_USERS or another_model):
            self.stop()

    def _cancel(self) -> None:
        if self._ticket is not None:
            self._ticket.cancel()
            self._ticket = None

    # -- afterwards ------------------------------------------------------------------------------------------------

    def _end(self, error: BaseException | None) -> None:
        trip, self._trip = self._trip, None
        if trip is None:
            return
        self._watch(None)
        self._next = None if trip.halted else trip.left()
        trip.pair.session.painted.connect(self._on_session_painted)
        trip.pair.session.acted.connect(self._on_session_acted)
        trip.pair.refresh_thumbnail()
        self.changed.emit()
        if error is not None:
            self._reports.report(messages.not_followed(error))
        elif trip.pair is self._workspace.current:
            self._reports.report(
                messages.followed(trip.drawn, trip.halted, self._next is not None, self._unit(trip.pair))
            )

    def _forget(self) -> None:
        if self._last is not None:
            self._last.pair.session.painted.disconnect(self._on_session_painted)
            self._last.pair.session.acted.disconnect(self._on_session_acted)
        self._last = self._next = None
        self._again = False
        self._touched.clear()

    def _on_session_painted(self, region: Region) -> None:
        """Note which frame of the last trip is written to."""
        if self._last is not None:
            frame = region.start[: len(self._last.route.source)]
            if frame in self._last.done:
                self._touched.add(frame)

    def _on_session_acted(self, act: Act) -> None:
        """After a correction of a frame that was written, offer to go anew from there."""
        touched, self._touched = self._touched, set()
        if self._last is None or act.name in QUIET:
            return
        done = self._last.done
        if act.name in TRAVELS:
            stands = any(self._last.pair.session.confidence(frame) for frame in self._last.drawn[:1])
            self._next, self._again = (self._last.left() if stands and not self._last.halted else None), False
        elif touched:
            first = done[min(done.index(frame) for frame in touched)]
            self._next = self._last.route.onwards(first)
            self._again = self._next is not None
        self.changed.emit()

    def _on_workspace_switched(self, pair: LayerPair | None) -> None:
        if self._watched is not pair:
            self.stop()
        self.changed.emit()


def overlap(labels: Any, route: Plan, confirmed: Collection[Frame], stop: Stop) -> Overlap:
    """Return how many objects a trip would replace: those that it follows and that are on its frames already."""
    source = np.unique(np.asarray(labels[route.source]))
    ids = source[source > 0] if route.ids is None else np.array(route.ids)
    objects = frames = 0
    for number, frame in enumerate(route.targets):
        stop.check(number / len(route.targets))
        if frame in confirmed:
            break
        block = np.asarray(labels[frame])
        there = np.intersect1d(np.unique(block), ids).size if block.any() else 0
        objects, frames = objects + there, frames + bool(there)
        if frames == ENOUGH:
            return Overlap(objects, frames, more=number + 1 < len(route.targets))
    return Overlap(objects, frames, more=False)


def only_missing(edit: Edit, labels: Any, frame: Frame) -> Edit:
    """Return the part of an edit that adds objects which a frame lacks, where there is background.

    >>> from napari_clickseg.core.edits import Edit
    >>> from napari_clickseg.core.regions import Region
    >>> edit = Edit(Region((0, 0), (1, 4)), np.ones((1, 4), bool), np.array([[1, 1, 2, 2]]))
    >>> only_missing(edit, np.array([[[1, 0, 0, 0]]]), (0,)).written
    array([[False, False,  True,  True]])
    """
    there = np.asarray(read_block(labels, frame, edit.region))
    present = np.unique(np.asarray(labels[frame]))
    written = edit.written & (there == 0) & ~np.isin(edit.values, present)
    confidence = {label: value for label, value in edit.confidence.items() if label not in present}
    return replace(edit, written=written, confidence=confidence)
