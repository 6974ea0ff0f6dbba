"""FrameStrip: the frames along an axis as a row of bars; what is known of each shows in height, colour and mark."""

from __future__ import annotations

from dataclasses import dataclass

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_clickseg.gui.fields import ACCENT
from napari_clickseg.gui.sequence import FrameState, Strip


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is drawn and named. Heights differ, so that it can be told without colours."""

    colour: str
    height: float
    words: str


LOOKS: dict[FrameState, Look] = {
    "empty": Look("#4a515c", 0.18, "nothing drawn"),
    "drawn": Look("#8a93a3", 0.48, "drawn"),
    "carried": Look(ACCENT, 0.66, "carried"),
    "confirmed": Look("#b7f0b1", 0.84, "confirmed"),
    "doubtful": Look("#ffb13d", 1.0, "doubtful"),
}
URGENCY: tuple[FrameState, ...] = ("empty", "drawn", "carried", "confirmed", "doubtful")
"""Where several frames share a pixel, the last of these among them is drawn."""
HEIGHT, FOOT = 26, 7
"""Pixels of the bars, and of the pointer below them."""
ROOMY = 9
"""Bars this wide carry a mark."""


class FrameStrip(QWidget):
    """Takes a `Strip`; a press or a drag picks the frame under the mouse."""

    picked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._strip = Strip("", (), 0)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(200, HEIGHT + FOOT)

    def show_strip(self, strip: Strip) -> None:
        """Draw another row, if it is another one."""
        if strip != self._strip:
            self._strip = strip
            self.update()

    def frame_at(self, x: float) -> int:
        """Return the index of the frame drawn at a distance from the left."""
        count = len(self._strip.states)
        return min(max(int(x / max(self.width(), 1) * count), 0), count - 1)

    def words(self, index: int) -> str:
        """Say what is known of a frame."""
        state = self._strip.states[index]
        why = self._strip.reasons.get(index, "")
        return f"{self._strip.axis.lower()} {index}: {LOOKS[state].words}" + (f". {why}" if why else "")

    # -- Qt --------------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw a bar for each frame, at least one pixel wide each, and the pointer."""
        count = len(self._strip.states)
        if not count:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        shown = min(count, self.width())
        for k in range(shown):
            first, last = k * count // shown, (k + 1) * count // shown
            state = max(self._strip.states[first:last], key=URGENCY.index)
            self._draw_bar(painter, self.width() * k / shown, self.width() / shown, state)
        self._draw_pointer(painter, count)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Pick the frame pressed on."""
        self._pick(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Pick what is dragged over."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._pick(event)

    def event(self, event: QEvent) -> bool:
        """Say in a tooltip what is known of the frame under the mouse."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent) and self._strip.states:
            QToolTip.showText(event.globalPos(), self.words(self.frame_at(event.pos().x())), self)
            return True
        return bool(super().event(event))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _pick(self, event: QMouseEvent) -> None:
        if self._strip.states and (index := self.frame_at(event.position().x())) != self._strip.current:
            self.picked.emit(index)

    def _draw_bar(self, painter: QPainter, left: float, width: float, state: FrameState) -> None:
        look = LOOKS[state]
        gap = 1 if width >= 4 else 0
        height = round(HEIGHT * look.height)
        x, right = round(left), round(left + width)
        painter.fillRect(x, HEIGHT - height, max(right - x - gap, 1), height, QColor(look.colour))
        if width >= ROOMY and state in ("confirmed", "doubtful"):
            painter.setPen(QPen(QColor("#1d2229"), 1.6))
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
            middle, top = left + (width - gap) / 2, HEIGHT - height + 7.0
            if state == "confirmed":
                painter.drawPolyline(_tick(middle, top))
            else:
                painter.drawLine(QPointF(middle, top - 3), QPointF(middle, top + 2))
                painter.drawPoint(QPointF(middle, top + 5))
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _draw_pointer(self, painter: QPainter, count: int) -> None:
        width = self.width() / count
        left = self._strip.current * width
        painter.setPen(QPen(QColor("#ffffff"), 1))
        if width >= 4:
            painter.drawRect(QRectF(round(left) - 0.5, 0.5, round(width), HEIGHT - 1))
        middle = left + width / 2
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setBrush(QColor("#ffffff"))
        foot = HEIGHT + FOOT
        painter.drawPolygon(
            QPolygonF([QPointF(middle, HEIGHT + 1.5), QPointF(middle - 4, foot), QPointF(middle + 4, foot)])
        )


def _tick(x: float, y: float) -> QPolygonF:
    return QPolygonF([QPointF(x - 3, y), QPointF(x - 1, y + 2.5), QPointF(x + 3, y - 2.5)])
