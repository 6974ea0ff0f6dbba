"""How many modules of the package one click passes, from the mouse release to the repaint, over all threads.

    python tests/click_path.py [MODEL]

opens a napari window (Xvfb will do), clicks on three objects and prints, for the last one's first click and for the
click after it, the modules whose functions were entered, with how often control came into them from another module.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

import napari_clickseg

PACKAGE = Path(napari_clickseg.__file__).parent
PATIENCE = 60.0
OBJECTS = ((60, 60), (60, 180), (180, 120))
"""Centres of the discs of `plane`."""


def plane() -> np.ndarray:
    """Bright discs of radius 24 on a dim ground."""
    rows, columns = np.indices((240, 240))
    near = np.min([np.hypot(rows - y, columns - x) for y, x in OBJECTS], axis=0)
    noise = np.random.default_rng(0).integers(0, 30, near.shape)
    return (np.where(near < 24, 160, 30) + noise).astype(np.uint8)


@dataclass
class ClickPath:
    """Mutable: which modules were entered while `watching`, and how often from another one of them.

    The profile functions are set from the beginning to the end of the context, as threads take theirs over when they
    start; so enter it before the panel is opened, and load the model once before that: watched imports take long.
    """

    entries: Counter[str] = field(default_factory=Counter)
    modules: set[str] = field(default_factory=set)
    on: bool = False
    _looking_away: set[int] = field(default_factory=set)
    _names: dict[CodeType, str] = field(default_factory=dict)
    _last: dict[int, str] = field(default_factory=lambda: defaultdict(str))

    def __enter__(self) -> ClickPath:
        self._before = sys.getprofile()
        threading.setprofile(self._on_event)
        sys.setprofile(self._on_event)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)
        threading.setprofile(None)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Begin anew, and note what is entered within this context."""
        self.entries.clear()
        self.modules.clear()
        self._last.clear()
        self.on = True
        try:
            yield
        finally:
            self.on = False

    def unseen(self, ready: Callable[[], bool]) -> Callable[[], bool]:
        """Return the same question, of which what it calls on its thread is not noted."""

        def asked() -> bool:
            self._looking_away.add(threading.get_ident())
            try:
                return ready()
            finally:
                self._looking_away.discard(threading.get_ident())

        return asked

    def _on_event(self, frame: FrameType, event: str, _: Any) -> None:
        if not self.on or event != "call" or threading.get_ident() in self._looking_away:
            return
        name = self._names.get(frame.f_code)
        if name is None:
            name = self._names[frame.f_code] = _module_of(frame.f_code)
        if name:
            self.modules.add(name)
            thread = threading.get_ident()
            if self._last[thread] != name:
                self._last[thread] = name
                self.entries[name] += 1


def _module_of(code: CodeType) -> str:
    """The module of a function of the package, from its top; "" for others, and for what only imports run."""
    path = Path(code.co_filename)
    if PACKAGE not in path.parents or path.name == "__init__.py" or code.co_name == "<module>":
        return ""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


class Drawings:
    """Mutable: how often napari has drawn its canvas."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def counted(self) -> Iterator[Drawings]:
        """Count within this context."""
        from vispy.scene import SceneCanvas

        before = SceneCanvas.on_draw

        def on_draw(canvas: Any, event: Any) -> None:
            before(canvas, event)
            self.count += 1

        SceneCanvas.on_draw = on_draw
        try:
            yield self
        finally:
            SceneCanvas.on_draw = before


def click(
    path: ClickPath, hand: Any, session: Callable[[], Any], position: Sequence[float], drawings: Drawings, right: bool
) -> tuple[set[str], Counter[str]]:
    """Click; return the modules entered from the release to the first drawing of the canvas after the answer."""
    from qtpy.QtTest import QTest

    from napari_clickseg.benchmark.latency import LEFT, PLAIN, RIGHT

    button, at = RIGHT if right else LEFT, hand.pixel(position)
    known = () if session() is None else session().clicks
    hand.point_at(position)
    QTest.mousePress(hand._native, button, PLAIN, at)
    with path.watching():
        QTest.mouseRelease(hand._native, button, PLAIN, at)
        _until(path.unseen(lambda: session() is not None and session().clicks != known and session().pending is None))
        drawn = drawings.count
        _until(lambda: drawings.count > drawn)
    return set(path.modules), Counter(path.entries)


def click_objects(path: ClickPath, hand: Any, session: Callable[[], Any], keep: Callable[[], object]) -> list[Any]:
    """Two clicks on each object, of which all but the last are kept; return what the last object's two passed."""
    with Drawings().counted() as drawings:
        for number, centre in enumerate(OBJECTS):
            passed = [
                click(path, hand, session, centre, drawings, right=False),
                click(path, hand, session, (centre[0] + 30, centre[1]), drawings, right=True),
            ]
            if number + 1 < len(OBJECTS):
                keep()
            rest()
    return passed


def rest(seconds: float = 0.6) -> None:
    """Let timers and drawing of the click before come to an end."""
    end = time.monotonic() + seconds
    _until(lambda: time.monotonic() > end)


def _until(ready: Callable[[], bool]) -> None:
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"Nothing came for {PATIENCE:g} s.")
        QApplication.processEvents()
        time.sleep(0.0005)


def main(model: str = "default") -> None:
    """Print what a click passes in a window of its own."""
    import napari

    from napari_clickseg.benchmark.latency import Canvas
    from napari_clickseg.gui.widget import ClickWidget
    from napari_clickseg.models.load import load_model
    from napari_clickseg.models.registry import find_model

    load_model(model)
    with tempfile.TemporaryDirectory() as folder, ClickPath() as path:
        os.environ["CLICKSEG_JOURNALS"] = folder
        viewer = napari.Viewer()
        viewer.window.resize(1000, 700)
        viewer.add_image(plane())
        widget = ClickWidget(viewer, lambda: [find_model(model)])
        viewer.window.add_dock_widget(widget)
        _until(lambda: widget.panel.model.state.text().startswith("ready"))
        rest()
        controller = widget.controller
        passed = click_objects(
            path, Canvas(viewer, widget), lambda: controller.session, lambda: controller.press("keep")
        )
        viewer.close()
    for what, (modules, entries) in zip(("first", "further"), passed, strict=True):
        print(f"{what} click: {len(modules)} modules, {entries.total()} changes from one to another")
        for name, count in sorted(entries.items(), key=lambda pair: -pair[1]):
            print(f"  {count:4}  {name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
