"""Latency: from a mouse event on the canvas to the refreshed Labels layer, measured in a real napari window.

`clickseg bench --gui` prints the rows. Needs a screen; Xvfb will do, though napari then draws in software, which is
reported apart.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_clickseg.gui.viewport import camera_of
from napari_clickseg.storage.paths import FIRST_STEPS_VARIABLE
from napari_clickseg.storage.paths import JOURNALS_VARIABLE as FOLDER_VARIABLE

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
PLAIN, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier


class Canvas:
    """Sends real Qt events to the canvas of a viewer that shows two dimensions.

    Parameters
    ----------
    viewer : napari.Viewer
    docked : QWidget
        Any widget docked in its window.
    """

    def __init__(self, viewer: Any, docked: QWidget) -> None:
        self._camera = camera_of(viewer)
        self._native = docked.window().findChild(QOpenGLWidget)

    def pixel(self, world: Sequence[float]) -> QPoint:
        """Return where a point of the world (its last two coordinates) lies on the canvas."""
        size = self._native.size()
        across = size.width() / 2 + (world[-1] - self._camera.center[-1]) * self._camera.zoom
        down = size.height() / 2 + (world[-2] - self._camera.center[-2]) * self._camera.zoom
        return QPoint(round(across), round(down))

    def point_at(self, world: Sequence[float]) -> None:
        """Move the cursor there, without a button."""
        self._move(self.pixel(world), Qt.MouseButton.NoButton)

    def click(self, world: Sequence[float], button: Any = LEFT, modifiers: Any = PLAIN) -> None:
        """Press and release a button there."""
        self.point_at(world)
        QTest.mouseClick(self._native, button, modifiers, self.pixel(world))

    def drag(self, start: Sequence[float], stop: Sequence[float], button: Any = LEFT, steps: int = 6) -> None:
        """Press a button at one place, move in steps and release it at another."""
        begin, end = self.pixel(start), self.pixel(stop)
        self._move(begin, Qt.MouseButton.NoButton)
        QTest.mousePress(self._native, button, PLAIN, begin)
        for k in range(1, steps + 1):
            at = begin + (end - begin) * (k / steps)
            self._move(at, button)
        QTest.mouseRelease(self._native, button, PLAIN, end)

    def key(self, key: Any, modifiers: Any = PLAIN) -> None:
        """Press and release a key with the canvas in focus."""
        QTest.keyClick(self._native, key, modifiers)

    def _move(self, at: QPoint, button: Any) -> None:
        """Move with a button held or none; QTest's own move leaves the button out and needs the screen's pointer."""

        everywhere = QPointF(self._native.mapToGlobal(at))
        move = QMouseEvent(QEvent.Type.MouseMove, QPointF(at), everywhere, Qt.MouseButton.NoButton, button, PLAIN)
        QApplication.sendEvent(self._native, move)
        QApplication.processEvents()


SIZES = (512, 20_000)
OBJECTS = 12
CLICKS = 5
PATCH, SPACING, RADIUS = 512, 110, 30
REST = 0.6
"""Seconds between clicks: longer than the panel's flash."""
LOOKED = 3.0
"""Seconds after which no outline will come where the pointer rests: the model is not sure there."""
BREATH = 0.0005
PATIENCE = 60.0
"""Seconds after which an answer that has not come is an error."""
OURS = {
    "controller:Controller": ("run", "press", "paint"),
    "controllers.hover:Hover": ("_on_viewport_pointed", "_rest", "_on_answer"),
    "controllers.objects:Objects": ("_on_layers_clicked", "_on_layers_edited"),
    "controllers.models:Models": ("_on_answer", "_on_prepared"),
    "controllers.frames:Frames": ("_on_viewport_stepped", "_count", "_on_measured"),
    "controllers.review:Reviewing": ("_look", "_on_looked"),
    "click_layers:ClickLayers": ("_on_points_data",),
    "mouse:Mouse": ("follow",),
    "outlines:Outlines": ("paint",),
}
"""The panel's methods, by module and class, at which Qt and napari enter our code on the GUI thread."""


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """What one window size gave: medians over clicks, in milliseconds.

    Attributes
    ----------
    model : str
    side : int
        Of the square image, in pixels.
    first, further : float
        From the mouse event to the refreshed labels, for the first click on an object and for those after it;
        napari's drawing left out.
    first_drawing, further_drawing : float
        How long napari drew meanwhile.
    held : float
        The longest time that one entry into our code held the GUI thread, what it asks of napari's layers included.
    """

    model: str
    side: int
    first: float
    further: float
    first_drawing: float
    further_drawing: float
    held: float


@dataclass(frozen=True, slots=True)
class Timing:
    """One click, in milliseconds: all of it, and what of it napari spent on drawing."""

    total: float
    drawing: float


@dataclass
class Stopwatch:
    """Mutable: the times of some calls, in milliseconds; calls within timed calls are not counted twice."""

    times: list[float] = field(default_factory=list)
    depth: int = 0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with every call timed."""

        def timed(*args: Any, **options: Any) -> Any:
            begun = time.perf_counter()
            self.depth += 1
            try:
                return function(*args, **options)
            finally:
                self.depth -= 1
                if self.depth == 0:
                    self.times.append((time.perf_counter() - begun) * 1000)

        return timed

    @contextmanager
    def watching(self, owner: type, *names: str) -> Iterator[None]:
        """Time these methods of a class meanwhile."""
        before = {name: getattr(owner, name) for name in names}
        for name, method in before.items():
            setattr(owner, name, self.around(method))
        try:
            yield
        finally:
            for name, method in before.items():
                setattr(owner, name, method)


def measure(model_name: str = "default", sizes: tuple[int, ...] = SIZES) -> list[LatencyRow]:
    """Click on objects in windows of each size; return a row for each.

    Raises
    ------
    TimeoutError
        Where an answer does not come.
    """
    return [_measure_size(model_name, side) for side in sizes]


def discs(side: int) -> npt.NDArray[np.uint8]:
    """Return a dim noisy plane with bright discs in its middle, laid out on a grid."""
    plane = np.zeros((side, side), np.uint8)
    patch = min(side, PATCH)
    rows, columns = np.mgrid[:patch, :patch]
    inside = np.hypot(rows % SPACING - SPACING // 2, columns % SPACING - SPACING // 2) < RADIUS
    noise = np.random.default_rng(0).integers(0, 30, (patch, patch))
    start = (side - patch) // 2
    plane[start : start + patch, start : start + patch] = np.where(inside, 160, 30) + noise
    return plane


def pyramid(plane: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.uint8]]:
    """Return the plane and views of every second, fourth .. pixel, as files of large images have them."""
    levels = [plane]
    while max(levels[-1].shape) > PATCH * 2:
        levels.append(levels[-1][::2, ::2])
    return levels


def _measure_size(model_name: str, side: int) -> LatencyRow:
    import napari
    from vispy.scene import SceneCanvas

    from napari_clickseg.gui.viewport import camera_of
    from napari_clickseg.gui.widget import ClickWidget
    from napari_clickseg.models.registry import find_model

    held, drawn = Stopwatch(), Stopwatch()
    with _journals_apart(), _holding(held), drawn.watching(SceneCanvas, "on_draw"):
        viewer = napari.Viewer(show=True)
        try:
            viewer.window.resize(1200, 900)
            viewer.add_image(pyramid(discs(side)), multiscale=True, contrast_limits=(0, 255))
            widget = ClickWidget(viewer, lambda: [find_model(model_name)])
            viewer.window.add_dock_widget(widget)
            camera = camera_of(viewer)
            camera.center, camera.zoom = (side / 2, side / 2), 1.4
            first, further = _Run(viewer, widget, drawn).click_objects(side)
        finally:
            viewer.close()
    return LatencyRow(
        model_name,
        side,
        first=_median(click.total - click.drawing for click in first),
        further=_median(click.total - click.drawing for click in further),
        first_drawing=_median(click.drawing for click in first),
        further_drawing=_median(click.drawing for click in further),
        held=max(held.times),
    )


@dataclass(frozen=True, slots=True)
class PanelRow:
    """What the panel takes beside clicks, in milliseconds.

    Attributes
    ----------
    model : str
    opened, opened_cpu : float
        How long the window's thread was held by opening the panel, by the clock and in processor time.
    preview : float
        From the last move of the mouse to the outline of what a click would give, the rest of 80 ms included; median.
    shown, moves : int
        At how many of the places that the pointer rested at an outline came.
    held : float
        The longest time that one entry into our code held the window's thread meanwhile.
    load : float
        Of the machine when it began: processes that want to run, by the average of the last minute; NaN where the
        system does not tell.
    begun_cpu, turn_cpu : float
        Processor time of the window's thread from then on until clicks can be made, while the panel is there to be seen
        already: all of it, and of the longest turn of the event loop.
    """

    model: str
    opened: float
    opened_cpu: float
    preview: float
    shown: int
    moves: int
    held: float
    load: float
    begun_cpu: float
    turn_cpu: float


def measure_panel(model_name: str = "default") -> PanelRow:
    """Open the panel over discs and rest the pointer on each of them, without a click."""
    import napari

    from napari_clickseg.gui.preview import Preview
    from napari_clickseg.gui.widget import ClickWidget
    from napari_clickseg.models.registry import find_model

    held, side = Stopwatch(), SIZES[0]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    came: list[float] = []
    with _journals_apart():
        viewer = napari.Viewer(show=True)
        try:
            viewer.window.resize(1200, 900)
            viewer.add_image(discs(side), contrast_limits=(0, 255))
            begun, cpu = time.perf_counter(), time.thread_time()
            widget = ClickWidget(viewer, lambda: [find_model(model_name)])
            viewer.window.add_dock_widget(widget)
            opened, opened_cpu = time.perf_counter() - begun, time.thread_time() - cpu
            turns = list(_turns(lambda: widget.controller.session is not None and widget.controller.models.loaded))
            run = _Run(viewer, widget, Stopwatch())
            with _holding(held), _noting(Preview, "show_ahead", came):
                waits = [wait for k in range(OBJECTS) if (wait := run.rest_at(_centre(k, side), came)) is not None]
        finally:
            viewer.close()
    return PanelRow(
        model_name,
        opened=1000 * opened,
        opened_cpu=1000 * opened_cpu,
        preview=1000 * _median(waits) if waits else float("nan"),
        shown=len(waits),
        moves=OBJECTS,
        held=max(held.times),
        load=load,
        begun_cpu=1000 * sum(turns),
        turn_cpu=1000 * max(turns, default=0.0),
    )


def _turns(ready: Callable[[], object]) -> Iterator[float]:
    """Let Qt work until something is ready; yield the processor time of each turn of its loop, in seconds."""
    end = time.perf_counter() + PATIENCE
    while not ready() and time.perf_counter() < end:
        begun = time.thread_time()
        _process_events()
        yield time.thread_time() - begun


@contextmanager
def _noting(owner: type, name: str, times: list[float]) -> Iterator[None]:
    """Note meanwhile when a method of a class ended."""
    before = getattr(owner, name)

    def noted(*args: Any) -> Any:
        result = before(*args)
        times.append(time.perf_counter())
        return result

    setattr(owner, name, noted)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def _journals_apart() -> Iterator[None]:
    """Keep what is clicked here out of the user's journals, and hints off the canvas."""
    before = {name: os.environ.get(name) for name in (FOLDER_VARIABLE, FIRST_STEPS_VARIABLE)}
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ[FOLDER_VARIABLE] = os.environ[FIRST_STEPS_VARIABLE] = folder
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


@contextmanager
def _holding(held: Stopwatch) -> Iterator[None]:
    """Time meanwhile how long our code holds the GUI thread."""
    with ExitStack() as stack:
        for place, names in OURS.items():
            module, owner = place.split(":")
            stack.enter_context(held.watching(getattr(import_module(f"napari_clickseg.gui.{module}"), owner), *names))
        yield


def _centre(number: int, side: int) -> npt.NDArray[np.float64]:
    """The centre of one of the discs."""
    corner = (side - min(side, PATCH)) // 2
    return np.array(divmod(number, 4)) * SPACING + SPACING // 2 + float(corner)


def _median(times: Iterable[float]) -> float:
    return float(np.median(list(times)))


class _Run:
    """Mutable: a viewer with an open panel, and a hand on its mouse."""

    def __init__(self, viewer: Any, widget: Any, drawn: Stopwatch) -> None:

        self._widget = widget
        self._canvas = Canvas(viewer, widget)
        self._drawn = drawn
        self._wait(lambda: widget.panel.model.state.text().startswith("ready"), "the model")
        self._settle()

    def click_objects(self, side: int) -> tuple[list[Timing], list[Timing]]:
        """Click several times on several objects; return the times of first and of further clicks."""
        first, further = [], []
        for k in range(OBJECTS):
            centre = _centre(k, side)
            first.append(self._click(centre, right=False))
            for turn in range(1, CLICKS):
                right = turn % 2 == 0
                away = RADIUS * (1.25 if right else 0.5) * np.array([np.sin(2.4 * turn), np.cos(2.4 * turn)])
                further.append(self._click(centre + away, right))
            self._widget.controller.press("keep")
            self._settle()
        return first[1:], further

    def rest_at(self, position: npt.NDArray[np.float64], came: list[float]) -> float | None:
        """Move the pointer there in steps, and wait; return the seconds from the last move to the outline, if any."""
        for away in (25.0, 12.0, 4.0, 0.0):
            self._canvas.point_at(tuple(position + away))
        moved, known = time.perf_counter(), len(came)
        end = moved + LOOKED
        while len(came) == known and time.perf_counter() < end:
            _process_events()
        return came[-1] - moved if len(came) > known else None

    def _click(self, position: npt.NDArray[np.float64], right: bool) -> Timing:
        """Press and release the mouse; time it until the labels are refreshed with the answer."""

        session = self._widget.controller.session
        known, drawn, begun = len(session.clicks), sum(self._drawn.times), time.perf_counter()
        self._canvas.click(tuple(position), RIGHT if right else LEFT)
        self._wait(lambda: len(session.clicks) > known and session.pending is None, "an answer")
        timing = Timing((time.perf_counter() - begun) * 1000, sum(self._drawn.times) - drawn)
        self._settle()
        return timing

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        end = time.perf_counter() + PATIENCE
        while not ready():
            if time.perf_counter() > end:
                raise TimeoutError(
                    f"Waited {PATIENCE:g} s for {what}; the panel says: {self._widget.panel.status.text()}"
                )
            _process_events()

    def _settle(self) -> None:
        """Let drawing and timers come to rest, so that no click pays for the one before."""
        end = time.perf_counter() + REST
        while time.perf_counter() < end:
            _process_events()


def _process_events() -> None:
    """Let Qt work, then leave the worker's thread some room: a loop that only turns would starve it."""
    from qtpy.QtWidgets import QApplication

    QApplication.processEvents()
    time.sleep(BREATH)
