"""CarryActs: what keys and buttons ask of carrying, and what is told of it."""

from __future__ import annotations

from typing import Any

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.regions import Region
from napari_clickseg.gui import frame_status
from napari_clickseg.gui.acts import ObjectActs
from napari_clickseg.gui.carrying import Carrying, Trip
from napari_clickseg.gui.desk import Desk
from napari_clickseg.gui.sequence import Carry, SequencePanel
from napari_clickseg.gui.showing import Showing
from napari_clickseg.gui.timeline import Timeline
from napari_clickseg.gui.work import Work
from napari_clickseg.propagation.plan import Route, along, backward, bracket, forward
from napari_clickseg.propagation.propagate import Carried
from napari_clickseg.session.replay import Act

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
        self._next: Route | None = None
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
        self._start(work, Route(frame, targets, self._ids(work)))

    def _fill(self, work: Work) -> None:
        frame, axis, _ = self._timeline.place(work)
        first, last = bracket(frame, axis, work.session.confirmed)
        targets = along(first, axis, range(first[axis] + 1, last[axis]))
        if not targets:
            raise ValueError("The two confirmed frames lie side by side; there is none between them to fill.")
        self._start(work, Route(first, targets, self._ids(work), between=last))

    def _continue(self, work: Work) -> None:
        if self._next is None or self._last is None or self._last.work is not work:
            raise ValueError("Nothing was carried yet that could go on; Shift+Right carries from this frame.")
        self._start(work, self._next)

    def _start(self, work: Work, route: Route) -> None:
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
