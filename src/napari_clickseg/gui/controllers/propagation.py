"""CarryActs: what keys and buttons ask of carrying, and what is told of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from psygnal import Signal

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.jobs import Outcome, Stop
from napari_clickseg.core.regions import Region
from napari_clickseg.gui.background import Background, Courier
from napari_clickseg.gui.controllers.frames import Timeline
from napari_clickseg.gui.controllers.objects import ObjectActs
from napari_clickseg.gui.layer_pair import Work
from napari_clickseg.gui.panel_state import Showing
from napari_clickseg.gui.view import messages as frame_status
from napari_clickseg.gui.view.protocol import Carry, SequencePanel
from napari_clickseg.gui.workspace import Desk
from napari_clickseg.propagation.plan import Plan, along, backward, bracket, forward
from napari_clickseg.propagation.propagate import Carried, carry
from napari_clickseg.session.replay import Act

NOT_THE_USERS = frozenset(("reserve", "predictor"))
"""Acts of the panel itself, which end no carrying. Another model does: see `Carrying._on_acted`."""


@dataclass(slots=True, eq=False)
class Trip:
    """One carrying while it runs. Mutable: what was reached.

    Attributes
    ----------
    number : int or None
        Of the session's edit that it writes; None before the first frame.
    done : list of Frame
        Frames that were looked at, one after the other.
    drawn : list of Frame
        Those of them into which objects were carried, be it that they were there as they are already.
    halted : str
        Why it ended before the end of its route.
    model : str
        The predictor's name.
    """

    work: Work
    route: Plan
    model: str
    number: int | None = None
    done: list[Frame] = field(default_factory=list)
    drawn: list[Frame] = field(default_factory=list)
    halted: str = ""
    taken: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def left(self) -> Plan | None:
        """Return what is left of the way; None where it was gone to its end."""
        return self.route.onwards(self.done[-1] if self.done else self.route.source)


class Carrying:
    """Mutable owner of the thread that carries, one trip at a time. Whatever the user does to the session ends it."""

    arrived = Signal(object, object)
    """A frame was written: the trip, and what became of the objects there."""
    ended = Signal(object, object)
    """A trip ended; carries the trip and the error that ended it, or None."""

    def __init__(self) -> None:
        self._background = Background("clickseg-carry")
        self._courier = Courier(self._on_frame)
        self._trip: Trip | None = None
        self._writing = False

    @property
    def trip(self) -> Trip | None:
        """What is being carried; None where nothing is."""
        return self._trip

    def open(self) -> None:
        """Start the thread."""
        self._background.open()

    def close(self) -> None:
        """End what runs; what was written stays."""
        self.stop()
        self._background.close()

    def start(self, work: Work, route: Plan) -> Trip:
        """Carry along a route; a trip that still runs ends where it stands."""
        self.stop()
        trip = Trip(work, route, work.session.predictor.name)
        self._trip = trip
        work.session.acted.connect(self._on_acted)
        self._background.submit(lambda stop: self._run(trip, stop), self._on_outcome)
        return trip

    def stop(self) -> bool:
        """End where it stands; return False where nothing runs."""
        if self._trip is None:
            return False
        self._background.cancel()
        self._end(None)
        return True

    # -- on the thread ---------------------------------------------------------------------------------------------

    def _run(self, trip: Trip, stop: Stop) -> None:
        """Wait after each frame until it is written: the next one is carried from what is there."""
        session, route = trip.work.session, trip.route
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
            self._courier.arrived.emit(Outcome(trip, step))
            while not trip.taken.acquire(timeout=0.05):
                stop.check()

    # -- on the GUI thread -----------------------------------------------------------------------------------------

    def _on_frame(self, outcome: Outcome) -> None:
        trip, step = outcome.key, outcome.value
        if not isinstance(trip, Trip) or trip is not self._trip:
            return
        try:
            went_on = self._write(trip, step)
        except ValueError as problem:
            self._background.cancel()
            self._end(problem)
            return
        if not went_on:
            self.stop()
            return
        trip.halted = step.halted
        self.arrived.emit(trip, step)
        trip.taken.release()

    def _write(self, trip: Trip, step: Carried) -> bool:
        """Write a frame; False where the user did something since the one before. A confirmed frame is left alone."""
        if step.frame in trip.work.session.confirmed:
            return True
        trip.done.append(step.frame)
        if step.edit.confidence:
            trip.drawn.append(step.frame)
        if not step.edit.written.any():
            return True
        session, edits = trip.work.session, {step.frame: step.edit}
        self._writing = True
        try:
            if trip.number is None:
                trip.number = session.edit(edits)
                return True
            return session.extend(edits, trip.number)
        finally:
            self._writing = False

    def _on_outcome(self, outcome: Outcome) -> None:
        if self._trip is not None:
            self._end(outcome.error)

    def _on_acted(self, act: Act) -> None:
        trip = self._trip
        another_model = act.name == "predictor" and trip is not None and act.arguments["name"] != trip.model
        if not self._writing and (act.name not in NOT_THE_USERS or another_model):
            self.stop()

    def _end(self, error: BaseException | None) -> None:
        trip, self._trip = self._trip, None
        if trip is not None:
            trip.work.session.acted.disconnect(self._on_acted)
            self.ended.emit(trip, error)


TRAVELS = frozenset(("undo", "redo"))
QUIET = frozenset(("extend", "confirm", "reserve", "predictor", "diameter", "protect"))
"""Acts that correct nothing."""


class CarryActs:
    """Mutable: whose objects are carried, how far, and where the last trip can go on.

    Parameters
    ----------
    viewer : napari.Viewer
        Knows where the cursor is.
    panel, desk, acts, showing, timeline, carrying
        See there.
    """

    def __init__(
        self,
        viewer: Any,
        panel: SequencePanel,
        desk: Desk,
        acts: ObjectActs,
        showing: Showing,
        timeline: Timeline,
        carrying: Carrying,
    ) -> None:
        self._viewer = viewer
        self._panel = panel
        self._desk = desk
        self._acts = acts
        self._showing = showing
        self._timeline = timeline
        self._carrying = carrying
        self._everything = True
        self._reach = 0
        self._last: Trip | None = None
        self._next: Plan | None = None
        self._again = False
        self._touched: set[Frame] = set()
        carrying.arrived.connect(self._on_carrying_arrived)
        carrying.ended.connect(self._on_carrying_ended)
        desk.switched.connect(self._on_desk_switched)

    # -- requests --------------------------------------------------------------------------------------------------

    def choose_whose(self, everything: bool) -> None:
        """Carry all objects of a frame, or one."""
        self._everything = everything

    def choose_reach(self, count: int) -> None:
        """Carry over so many frames; 0: to the end."""
        self._reach = count

    def carry_forward(self) -> None:
        """Carry from the frame in view to those after it."""
        self._acts.when_answered(lambda work: self._go(work, ahead=True))

    def carry_back(self) -> None:
        """Carry from the frame in view to those before it."""
        self._acts.when_answered(lambda work: self._go(work, ahead=False))

    def carry_between(self) -> None:
        """Fill the frames between the nearest confirmed ones."""
        self._acts.when_answered(self._fill)

    def carry_on(self) -> None:
        """Go on where the last trip ended, or anew from a frame that was corrected since."""
        self._acts.when_answered(self._continue)

    def stop_carrying(self) -> bool:
        """End where it stands; return False where nothing is carried."""
        return self._carrying.stop()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _go(self, work: Work, ahead: bool) -> None:
        frame, axis, count = self._timeline.place(work)
        targets = forward(frame, axis, count, self._reach) if ahead else backward(frame, axis, self._reach)
        if not targets:
            raise ValueError(f"There is no frame {'after' if ahead else 'before'} this one to carry to.")
        self._start(work, Plan(frame, targets, self._ids(work)))

    def _fill(self, work: Work) -> None:
        frame, axis, _ = self._timeline.place(work)
        first, last = bracket(frame, axis, work.session.confirmed)
        targets = along(first, axis, range(first[axis] + 1, last[axis]))
        if not targets:
            raise ValueError("The two confirmed frames lie side by side; there is none between them to fill.")
        self._start(work, Plan(first, targets, self._ids(work), between=last))

    def _continue(self, work: Work) -> None:
        if self._next is None or self._last is None or self._last.work is not work:
            raise ValueError("Nothing was carried yet that could go on; Shift+Right carries from this frame.")
        self._start(work, self._next)

    def _start(self, work: Work, route: Plan) -> None:
        if not work.counted:
            raise ValueError(f"{work.labels_layer.name!r} is large and still being read; try again in a moment.")
        if not work.session.state.empty:
            work.session.start_new()
        self._carrying.stop()
        self._forget()
        self._last = self._carrying.start(work, route)
        self._tell()
        self._showing.status(frame_status.carrying(len(route.targets)))

    def _ids(self, work: Work) -> tuple[int, ...] | None:
        """Return which objects are to be carried: all, the one being drawn, or the one under the cursor."""
        if self._everything:
            return None
        if not work.session.state.empty:
            return (work.session.label,)
        label = work.label_at(work.placement.position(self._viewer.cursor.position))
        if not label:
            raise ValueError("There is no object under the cursor to carry; point at one, or choose all objects.")
        return (label,)

    def _forget(self) -> None:
        if self._last is not None:
            self._last.work.session.painted.disconnect(self._on_session_painted)
            self._last.work.session.acted.disconnect(self._on_session_acted)
        self._last = self._next = None
        self._again = False
        self._touched.clear()

    def _tell(self) -> None:
        """Show how carrying stands."""
        trip, work = self._carrying.trip, self._desk.current
        if trip is not None and trip.work is work:
            self._panel.show_carry(Carry(True, len(trip.done), len(trip.route.targets)))
        elif self._next is not None and self._last is not None and self._last.work is work and work is not None:
            axis = self._timeline.axis(work)
            self._panel.show_carry(Carry(resume=self._next.source[axis], again=self._again))
        else:
            self._panel.show_carry(Carry())

    # -- what happened elsewhere -----------------------------------------------------------------------------------

    def _on_carrying_arrived(self, trip: Trip, step: Carried) -> None:
        self._tell()

    def _on_carrying_ended(self, trip: Trip, error: BaseException | None) -> None:
        self._next = None if trip.halted else trip.left()
        trip.work.session.painted.connect(self._on_session_painted)
        trip.work.session.acted.connect(self._on_session_acted)
        trip.work.refresh_thumbnail()
        self._tell()
        if error is not None:
            self._showing.status(frame_status.not_carried(error))
        elif trip.work is self._desk.current:
            self._showing.status(frame_status.carried(trip.drawn, trip.halted, self._next is not None))

    def _on_session_painted(self, region: Region) -> None:
        """Note which frame of the last trip is written to."""
        if self._last is not None:
            frame = region.start[: len(self._last.route.source)]
            if frame in self._last.done:
                self._touched.add(frame)

    def _on_session_acted(self, act: Act) -> None:
        """After a correction of a frame that was carried into, offer to carry anew from there."""
        touched, self._touched = self._touched, set()
        if self._last is None or act.name in QUIET:
            return
        done = self._last.done
        if act.name in TRAVELS:
            stands = any(self._last.work.session.confidence(frame) for frame in self._last.drawn[:1])
            self._next, self._again = (self._last.left() if stands and not self._last.halted else None), False
        elif touched:
            first = done[min(done.index(frame) for frame in touched)]
            self._next = self._last.route.onwards(first)
            self._again = self._next is not None
        self._tell()

    def _on_desk_switched(self, work: Work | None) -> None:
        trip = self._carrying.trip
        if trip is not None and trip.work is not work:
            self._carrying.stop()
        self._tell()
