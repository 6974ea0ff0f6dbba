"""Canvas: a hand on the mouse and the keyboard of a real napari window, for benchmarks and tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_clickseg.gui.ours import camera_of

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
