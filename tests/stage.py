"""Doubles of what surrounds a controller: no window, no thread, nothing that happens by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from psygnal import Signal

from doubles import Disks
from napari_clickseg.core.clicks import Click
from napari_clickseg.core.jobs import Outcome, Stop, run_job
from napari_clickseg.core.requests import Request
from napari_clickseg.gui.panel_state import Reports
from napari_clickseg.gui.view.protocol import PanelState, Requests
from napari_clickseg.session.session import Session


class ViewDouble:
    """Keeps what it was shown, and what paths it was asked for."""

    def __init__(self) -> None:
        self.requests = Requests()
        self.states: list[PanelState] = []
        self.asked: list[tuple[str, str]] = []

    def show_state(self, state: PanelState) -> None:
        self.states.append(state)

    def ask_path(self, kind: str, proposed: str) -> None:
        self.asked.append((kind, proposed))


class TicketDouble:
    def __init__(self, job: Callable[[Stop], Any], receive: Callable[[Outcome], None]) -> None:
        self.job, self._receive, self.stop, self.busy = job, receive, Stop(), True

    @property
    def done(self) -> float:
        return self.stop.done

    def cancel(self) -> None:
        self.busy = False
        self.stop.request()

    def run(self) -> None:
        outcome = run_job(self.job, self.stop)
        if self.busy and outcome is not None:
            self.busy = False
            self._receive(outcome)


class LaneDouble:
    """Runs a job when it is told to, one after the other; where the latest wins, only the newest."""

    def __init__(self, latest: bool = False) -> None:
        self._latest = latest
        self.waiting: deque[TicketDouble] = deque()

    def submit(self, job: Any, receive: Any, first: bool = False) -> TicketDouble:
        if self._latest:
            self.cancel()
        ticket = TicketDouble(job, receive)
        self.waiting.append(ticket)
        return ticket

    def cancel(self) -> None:
        for ticket in self.waiting:
            ticket.cancel()
        self.waiting.clear()

    def run_next(self) -> None:
        self.waiting.popleft().run()

    def run_all(self) -> None:
        while self.waiting:
            self.run_next()


class CourierDouble:
    """Calls at once."""

    def send(self, call: Callable[[], None]) -> None:
        call()


class BackgroundDouble:
    def __init__(self) -> None:
        self.answers, self.files, self.long = LaneDouble(latest=True), LaneDouble(), LaneDouble()
        self.courier = CourierDouble()
        self.timers: list[Callable[[], None]] = []

    def later(self, milliseconds: int, call: Callable[[], None]) -> None:
        self.timers.append(call)

    def ring(self) -> None:
        """Let all timers that are set now run out."""
        timers, self.timers = self.timers, []
        for call in timers:
            call()


class PlacementDouble:
    """The world is the image."""

    def world(self, position: Any) -> Any:
        return tuple(position)


class PairDouble:
    """An image and labels without layers."""

    placement = PlacementDouble()
    counted = True
    made = True
    ground = 0
    image_name, labels_name = "image", "objects"

    def __init__(self, shape: tuple[int, ...] = (64, 64), predictor: Any = None, labels: Any = None) -> None:
        axes = "TYX" if len(shape) == 3 else None
        self.session = Session(np.zeros(shape, np.uint8), predictor or Disks(radius=6), labels, axes=axes, diameter=12)
        self.frame: tuple[int, ...] = (0,) * (len(shape) - 2)

    def position(self, world: Any) -> Any:
        return tuple(world)

    def label_at(self, position: Any) -> int | None:
        pixel = tuple(round(p) for p in position)
        inside = all(0 <= p < n for p, n in zip(pixel, self.session.labels.shape, strict=True))
        return int(self.session.labels[pixel]) if inside else None

    def lies_inside(self, position: Any, margin: float) -> bool:
        y, x = (round(p) for p in position[-2:])
        reach = int(margin)
        block = self.session.labels[..., y - reach : y + reach + 1, x - reach : x + reach + 1]
        return bool((block == self.label_at(position)).all())

    def most_of(self, frame: Any, mask: Any, without: int = 0) -> int:
        ids = self.session.labels[frame][mask]
        return int(np.bincount(ids[(ids > 0) & (ids != without)]).argmax())

    def resume(self, label: int, position: Any) -> bool:
        self.session.resume(label, position)
        return True

    def frame_in_view(self) -> tuple[int, ...]:
        return self.frame

    def rehearsal(self) -> Request:
        return Request(self.frame, (Click((*map(float, self.frame), 1.0, 1.0)),))

    def prepared(self, highest: int | None) -> None: ...
    def refresh_thumbnail(self) -> None: ...


class LayersDouble:
    """Points as a list."""

    clicked = Signal(tuple, bool)
    edited = Signal()
    selected = Signal()
    refused = Signal()
    traced = Signal(list, bool, bool)
    wants = ""

    def __init__(self) -> None:
        self.points: list[Click] = []

    def show_tool(self, wants: str) -> None:
        self.wants = wants

    def read_clicks(self, known: Any) -> tuple[Click, ...]:
        return tuple(self.points)

    def show_clicks(self, clicks: Any) -> None:
        self.points = list(clicks)

    def add(self, position: Any, positive: bool) -> None:
        self.points.append(Click(tuple(position), positive))
        self.edited.emit()

    def positions_of(self, layer: Any) -> Any:
        return layer


class WorkspaceDouble:
    begun = Signal(object)
    dropped = Signal(object)
    switched = Signal(object)
    moved = Signal(object)
    drawn = Signal(object)
    changed = Signal()

    def __init__(self, layers: LayersDouble) -> None:
        self._layers = layers
        self.current: PairDouble | None = None
        self.other_labels: Any = None
        self.chosen: list[Any] = []

    def __contains__(self, pair: object) -> bool:
        return pair is self.current

    def __iter__(self) -> Iterator[PairDouble]:
        return iter([] if self.current is None else [self.current])

    def use(self, pair: PairDouble | None) -> None:
        self.current = pair
        if pair is not None:
            pair.session.changed.connect(self._on_changed)
            self.begun.emit(pair)
        self.switched.emit(pair)

    def _on_changed(self) -> None:
        assert self.current is not None
        self._layers.show_clicks(self.current.session.clicks)
        self.drawn.emit(self.current)

    def activate(self) -> None: ...
    def bring_back_labels(self) -> None: ...
    def mend_later(self) -> None: ...
    def use_predictor(self, predictor: Any) -> None: ...

    def in_the_way(self) -> str:
        return ""

    def labels_under(self, world: Any) -> Any:
        return self.other_labels

    def choose_labels(self, layer: Any) -> None:
        self.chosen.append(layer)


class ViewportDouble:
    stepped = Signal()

    def __init__(self) -> None:
        self.place: tuple[float, ...] = (0.0, 0.0)
        self.shown: list[Any] = []

    pointed = Signal()
    moved = Signal()
    left = Signal()
    flat = True

    def point_at(self, *place: float) -> None:
        self.place = place
        self.pointed.emit()

    def screen_pixel(self, pair: Any) -> float:
        return 0.5

    def pointer(self) -> tuple[float, ...]:
        return self.place

    def frame(self, pair: PairDouble) -> tuple[int, ...]:
        return pair.frame

    def shows(self, pair: Any, region: Any) -> bool:
        return True

    def knows(self, pair: Any) -> bool:
        return True

    def show_frame(self, pair: PairDouble, frame: Any) -> None:
        pair.frame = frame
        self.stepped.emit()


@dataclass
class PreviewDouble:
    marks: list[Any] = field(default_factory=list)
    ahead: Any = None

    def mark(self, pair: Any, position: Any, large: bool = False) -> None:
        self.marks.append(position)

    def trace(self, pair: Any, tool: str, positions: Any) -> None:
        self.marks = list(positions)

    def show_ahead(self, pair: Any, frame: Any, shown: Any) -> None:
        self.ahead = shown

    def hide_ahead(self) -> None:
        self.ahead = None

    def unmark(self) -> None:
        self.marks.clear()


class Stage:
    """Everything around a controller, and the model that answers it."""

    def __init__(self, model: Any = None) -> None:
        from napari_clickseg.gui.controllers.models import Models
        from napari_clickseg.gui.controllers.objects import Objects
        from napari_clickseg.models.registry import ModelEntry

        self.painted: list[int] = []
        self.reports = Reports(lambda: self.painted.append(1))
        self.layers, self.viewport, self.preview = LayersDouble(), ViewportDouble(), PreviewDouble()
        self.workspace, self.background = WorkspaceDouble(self.layers), BackgroundDouble()
        entries = [ModelEntry("disks", "Disks", "Draws disks.", "weightless")]
        self.model = model or Disks(radius=6)
        self.models = Models(lambda: entries, lambda name, device: self.model, None, "auto")
        self.models.join(self.workspace, self.background, self.reports)
        self.objects = Objects(self.workspace, self.layers, self.viewport, self.models, self.reports)

    def show(self, pair: PairDouble) -> PairDouble:
        self.workspace.use(pair)
        return pair

    def click(self, *position: float, primary: bool = True) -> None:
        self.layers.clicked.emit(tuple(float(p) for p in position), primary)

    def answer(self) -> None:
        """Let the model answer what it was asked."""
        self.background.answers.run_all()

    @property
    def says(self) -> str:
        return "" if self.reports.passing is None else self.reports.passing.text
