"""Carrying: objects go from frame to frame in the background; each frame is written as it comes, all as one step."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from psygnal import Signal

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.jobs import Outcome, Stop
from napari_clickseg.gui.background import Background, Courier
from napari_clickseg.gui.work import Work
from napari_clickseg.propagation.plan import Route
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
    route: Route
    model: str
    number: int | None = None
    done: list[Frame] = field(default_factory=list)
    drawn: list[Frame] = field(default_factory=list)
    halted: str = ""
    taken: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def left(self) -> Route | None:
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

    def start(self, work: Work, route: Route) -> Trip:
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
