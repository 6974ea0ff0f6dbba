"""How long the panel holds the window at most: `python tests/crash/stalls.py`, with a screen or Xvfb.

A second thread looks at the stack of the window's thread and at its processor time: a stall is a stretch in which some
function of this package was on that stack all the time. Drawing that napari does when it is asked to is part of it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from napari_clickseg.core.edits import Edit
from napari_clickseg.core.regions import Region
from napari_clickseg.session.session import Session
from napari_clickseg.storage.event_log import Journal

sys.path.append(str(Path(__file__).parents[1]))
SIDE = 2048
OURS = f"{os.sep}napari_clickseg{os.sep}"
LOOK = 0.002


class Watch:
    """Mutable: the longest stretch of processor time in which the package held the thread that made this, and where."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._clock = time.pthread_getcpuclockid(self._thread)
        self._outermost, self._since = 0, 0.0
        self.longest, self.where = 0.0, ""
        threading.Thread(target=self._look, daemon=True).start()

    def reset(self) -> tuple[float, str]:
        """Return the longest stretch since the last reset, in milliseconds, and the function that held longest."""
        longest, where, self.longest, self.where = self.longest, self.where, 0.0, ""
        return 1000 * longest, where

    def _look(self) -> None:
        while True:
            time.sleep(LOOK)
            frame: FrameType | None = sys._current_frames().get(self._thread)
            outermost, name = 0, ""
            while frame is not None:
                if OURS in frame.f_code.co_filename and "latency" not in frame.f_code.co_filename:
                    outermost, name = id(frame), f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}"
                frame = frame.f_back
            now = time.clock_gettime(self._clock)
            if outermost != self._outermost:
                self._outermost, self._since = outermost, now
            elif outermost and now - self._since > self.longest:
                self.longest, self.where = now - self._since, name


def squares(first: int = 1) -> np.ndarray:
    """A frame full of objects of 32 pixels."""
    plane = np.kron(np.arange(first, first + (SIDE // 32) ** 2).reshape(SIDE // 32, -1), np.ones((32, 32), int))
    plane[::32] = plane[:, ::32] = 0
    return plane


def main() -> None:
    """Write a row for each thing done: the longest stretch, and which function it began in."""
    os.environ["CLICKSEG_JOURNALS"] = tempfile.mkdtemp()
    import napari

    from doubles import Disks
    from napari_clickseg.gui.widget import ClickWidget

    image = np.random.default_rng(0).integers(0, 99, (SIDE, SIDE), np.uint8)
    session = Session(image, Disks(), np.zeros(image.shape, np.int32))
    journal = Journal.start(session)
    for k in range(60):
        session.click((20 + 30 * k, 20 + 30 * k))
        session.commit()
    session.edit({(): Edit(Region.whole(image.shape), squares(100) > 0, squares(100))})
    journal.close()

    viewer = napari.Viewer()
    viewer.add_image(image)
    widget = ClickWidget(viewer)
    viewer.window.add_dock_widget(widget, name="clicks")
    app: Any = napari.qt.get_qapp()
    panel = widget.controller

    def until(ready: Callable[[], object], seconds: float = 1.0) -> None:
        end = time.monotonic() + 120
        while not ready() and time.monotonic() < end:
            app.processEvents()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            app.processEvents()

    until(lambda: panel.session is not None and panel.recovery.offer)
    watch = Watch()

    def row(what: str, act: Callable[[], object], ready: Callable[[], object] = lambda: True) -> None:
        watch.reset()
        act()
        until(ready)
        sys.stdout.write("{:40} {:6.0f} ms  {}\n".format(what, *watch.reset()))

    row("restoring 61 steps", panel.recovery.restore, lambda: panel.session is not None and panel.session.step > 60)
    row("undo of an edit of the whole frame", panel.objects.undo)
    row("redo of it", panel.objects.redo)
    edit = Edit(Region.whole(image.shape), squares() > 0, squares())
    row("an edit of the whole frame", lambda: panel.session.edit({(): edit}))
    row("deleting an object", lambda: panel.corrections.delete((50.0, 50.0)))
    row("painting by hand, 200 pixels wide", lambda: _paint(panel))
    row("taking an object up and keeping it", lambda: _take_up(panel))
    row("a large object, kept", lambda: _large(panel))


def _paint(panel: Any) -> None:
    labels = panel.layers.labels
    labels.brush_size = 200
    labels.paint((1000, 1000), 9999)


def _take_up(panel: Any) -> None:
    panel.objects.take_up((50.0, 90.0))
    panel.objects.keep()


def _large(panel: Any) -> None:
    from napari_clickseg.core.clicks import Click
    from napari_clickseg.core.masks import Prediction

    session = panel.session
    session.protect = "anything"
    request = session.set_clicks((Click((1000.0, 1000.0)),))
    region = Region.whole((SIDE, SIDE))
    session.apply(request, Prediction(region, np.full(region.shape, 5, np.float32)))
    session.commit()


if __name__ == "__main__":
    main()
