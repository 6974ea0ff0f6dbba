"""FramesPanel: where one is in a movie or a stack, what is known of each frame, and objects followed along it."""

from __future__ import annotations

from dataclasses import dataclass

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QSpinBox, QToolTip, QWidget

from napari_clickseg.gui.view.protocol import FrameState, Option, Progress, Requests, Strip
from napari_clickseg.gui.view.widgets import (
    ACCENT,
    GAP,
    GREY,
    ActionButton,
    Picker,
    column_in,
    plain_button,
    side_by_side,
    title,
)

DONE = "#1c7f94"
"""The accent, dark enough for white words."""
AXIS_WORDS = {"T": "Frame", "Z": "Plane"}
UNNAMED = "Frame"
CAPTIONS = {
    "Z": {"carry_forward": "Next planes", "carry_back": "Planes before"},
    "T": {"carry_forward": "Track forward", "carry_back": "Track back"},
}
"""What following objects is called along depth, and along time."""
WHOSE = (
    Option("all objects", True, "Follow every object of this frame, together: none eats its neighbour."),
    Option("one object", False, "Follow the object being drawn, else the one under the pointer."),
)


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is drawn and named. Heights differ, so that it can be recognised without colours."""

    colour: str
    height: float
    words: str


LOOKS: dict[FrameState, Look] = {
    "empty": Look("#4a515c", 0.18, "nothing drawn"),
    "drawn": Look("#8a93a3", 0.48, "drawn"),
    "carried": Look(ACCENT, 0.66, "tracked"),
    "confirmed": Look("#b7f0b1", 0.84, "confirmed"),
    "doubtful": Look("#ffb13d", 1.0, "doubtful"),
}
URGENCY: tuple[FrameState, ...] = ("empty", "drawn", "carried", "confirmed", "doubtful")
"""Where several frames share a pixel, the last of these among them is drawn."""
HEIGHT, FOOT = 26, 7
"""Pixels of the bars, and of the pointer below them."""
ROOMY = 9
"""Bars this wide carry a mark."""


class FramesPanel(QWidget):
    """The strip with arrows that navigate, and the buttons that follow objects."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self._requests = requests
        self._current = 0
        self.strip = FrameStrip()
        self.strip.picked.connect(requests.frame_chosen.emit)
        self.title = title("")
        self.counts = QLabel("")
        self.counts.setStyleSheet(GREY)
        self.counts.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.along = Picker("The axis that the strip shows and that objects are tracked along.")
        self.along.setMinimumContentsLength(len("along t"))
        self.along.picked.connect(requests.along_chosen.emit)
        self.arrows = tuple(_arrow(text, name) for text, name in (("◀", "frame_before"), ("▶", "frame_after")))
        for step, arrow in zip((-1, 1), self.arrows, strict=True):
            arrow.clicked.connect(lambda _=False, step=step: requests.frame_chosen.emit(self._current + step))
        self.buttons = {
            name: ActionButton(name, requests.action.emit)
            for name in ("carry_back", "carry_forward", "carry_between", "carry_on")
        }
        self.whose = Picker("Which objects are followed.")
        self.whose.show_options(WHOSE, True)
        self.whose.picked.connect(requests.everything_chosen.emit)
        self.reach = _reach()
        self.reach.valueChanged.connect(lambda count: requests.reach_set.emit(int(count)))
        self.progress = ProgressRow()
        self.progress.stop.clicked.connect(lambda: requests.propagation_stopped.emit())
        self._build()
        self.show_progress(Progress())

    def show_strip(self, strip: Strip) -> None:
        """Show the frames."""
        self._current = strip.current
        self.strip.show_strip(strip)
        word = AXIS_WORDS.get(strip.axis, f"{strip.axis} index") if strip.named else UNNAMED
        self.title.setText(f"{word} {strip.current}, last {len(strip.states) - 1}")
        known = [f"{strip.count(state)} {state}" for state in ("confirmed", "doubtful") if strip.count(state)]
        self.counts.setText(", ".join(known))
        self.along.show_options([Option(f"along {axis.lower()}", axis) for axis in strip.axes], strip.axis)
        self.along.setVisible(len(strip.axes) > 1)
        depth = strip.axis == "Z" and strip.named
        for name, text in CAPTIONS["Z" if depth else "T"].items():
            self.buttons[name].say(text)

    def show_progress(self, progress: Progress) -> None:
        """Show progress while objects are followed, and whether one can go on afterwards."""
        self.progress.gauge.show_progress(progress.done, progress.total)
        self.progress.setVisible(progress.running)
        for name in ("carry_back", "carry_forward", "carry_between"):
            self.buttons[name].setEnabled(not progress.running)
        again = self.buttons["carry_on"]
        again.setEnabled(progress.resume is not None and not progress.running)
        where = "" if progress.resume is None else f" from {progress.resume}"
        again.say(f"{'Again' if progress.again else 'Go on'}{where}")

    def _build(self) -> None:
        head, row = QHBoxLayout(), QHBoxLayout()
        head.addWidget(self.title)
        head.addWidget(self.counts, 1)
        head.addWidget(self.along)
        row.setSpacing(2)
        row.addWidget(self.arrows[0])
        row.addWidget(self.strip, 1)
        row.addWidget(self.arrows[1])
        column = column_in(self)
        column.setSpacing(GAP - 2)
        column.addLayout(head)
        column.addLayout(row)
        column.addWidget(side_by_side(self.whose, self.reach))
        for pair in (("carry_back", "carry_forward"), ("carry_between", "carry_on")):
            row = QHBoxLayout()
            row.setSpacing(GAP - 2)
            for name in pair:
                row.addWidget(self.buttons[name], 1)
            column.addLayout(row)
        column.addWidget(self.progress)


class FrameStrip(QWidget):
    """The frames along an axis as a row of bars; a press or a drag picks the frame under the mouse."""

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


class Gauge(QWidget):
    """How far something is. Unlike Qt's progress bar it does not have the window drawn at each step, but soon after."""

    def __init__(self) -> None:
        super().__init__()
        self._done, self._total = 0, 1
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    @property
    def words(self) -> str:
        """What the bar says."""
        return f"{self._done:,} of {self._total:,} frames"

    def show_progress(self, done: int, total: int) -> None:
        """Show how many of all are done."""
        self._done, self._total = done, max(total, 1)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw a bar and the words over it."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("#4a515c"))
        painter.fillRect(0, 0, round(self.width() * self._done / self._total), self.height(), QColor(DONE))
        painter.setPen(QColor("#ffffff"))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self.words)
        painter.end()


class ProgressRow(QWidget):
    """How many frames are done, and a way to end it."""

    def __init__(self) -> None:
        super().__init__()
        self.gauge = Gauge()
        tip = "End here; the frames done so far stay, and one can go on from there."
        self.stop = plain_button("Stop  Esc", "stop_carrying", tip)
        column_in(self).addWidget(side_by_side(self.gauge, self.stop))


def _arrow(text: str, name: str) -> QWidget:
    arrow = plain_button(text, name, "Go to the frame beside this one.")
    arrow.setFixedWidth(24)
    return arrow


def _reach() -> QSpinBox:
    reach = QSpinBox()
    reach.setRange(0, 100_000)
    reach.setValue(0)
    reach.setSpecialValueText("to the end")
    reach.setSuffix(" frames")
    reach.setKeyboardTracking(False)
    reach.setToolTip("How many frames objects are followed; 0: to the end. It ends at a confirmed frame anyway.")
    return reach
