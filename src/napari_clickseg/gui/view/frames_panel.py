"""FramesPanel: where one is in a movie or a stack, what is known of each frame, and objects carried along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QEvent, QPointF, QRectF, QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QToolTip,
    QWidget,
)

from napari_clickseg.gui.view.protocol import Axis, Carry, FrameState, Strip
from napari_clickseg.gui.view.widgets import (
    ACCENT,
    GAP,
    ActionButton,
    Fold,
    Picker,
    caption,
    column_in,
    form_in,
    side_by_side,
)

MEANINGS = {"T": "time", "Z": "depth"}
SPACINGS = (1e-6, 1e6)


class AxesPanel(QWidget):
    """A row for each axis. Emits `name_axis` (index, letter) and `set_spacing` (index, size)."""

    requested = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.spacings: list[QDoubleSpinBox] = []
        self.names: list[Picker] = []
        self._axes: tuple[Axis, ...] = ()
        self._form: QFormLayout = form_in(self)

    def show_axes(self, axes: Sequence[Axis]) -> None:
        """Show other axes, if they are others; rows are made anew only where their number changes."""
        wanted = tuple(axes)
        if wanted == self._axes:
            return
        if [axis.leading for axis in wanted] != [axis.leading for axis in self._axes]:
            self._make_rows(wanted)
        self._axes = wanted
        leading = [axis for axis in wanted if axis.leading]
        for picker, axis in zip(self.names, leading, strict=True):
            picker.show_choices(_choices(axis.name), axis.name)
        for field, axis in zip(self.spacings, wanted, strict=True):
            with QSignalBlocker(field):
                field.setSuffix(f" {axis.unit}" if axis.unit else "")
                field.setValue(axis.spacing)

    def _make_rows(self, axes: Sequence[Axis]) -> None:
        while self._form.rowCount():
            self._form.removeRow(0)
        self.names, self.spacings = [], []
        for index, axis in enumerate(axes):
            field = self._spacing(index)
            self.spacings.append(field)
            if axis.leading:
                picker = self._name(index)
                self.names.append(picker)
                self._form.addRow(caption(f"Axis {index}"), side_by_side(picker, field))
            else:
                self._form.addRow(caption(axis.name.lower()), field)

    def _name(self, index: int) -> Picker:
        picker = Picker("What this axis is. Objects are carried along either.")
        picker.picked.connect(lambda name: self.requested.emit("name_axis", (index, name)))
        return picker

    def _spacing(self, index: int) -> QDoubleSpinBox:
        field = QDoubleSpinBox()
        field.setRange(*SPACINGS)
        field.setDecimals(4)
        field.setKeyboardTracking(False)
        field.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        field.setToolTip("The size of a pixel along this axis, or the time between frames.")
        field.valueChanged.connect(lambda value: self.requested.emit("set_spacing", (index, float(value))))
        return field


def _choices(name: str) -> list[tuple[str, str]]:
    known = [(f"{letter.lower()} ({word})", letter) for letter, word in MEANINGS.items()]
    return known if name in MEANINGS else [(name.lower(), name), *known]


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


CARRIED = "#1c7f94"
"""The accent, dark enough for white words."""
AXIS_WORDS = {"T": "Frame", "Z": "Plane"}
UNNAMED = "Frame"
WHOSE = (
    ("all objects", True, "Carry every object of this frame, together: none eats its neighbour."),
    ("one object", False, "Carry the object being drawn, else the one under the cursor."),
)


class FramesPanel(QWidget):
    """The strip, the buttons that carry, and the axes. Hidden where the image has but one frame."""

    requested = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.strip = FrameStrip()
        self.strip.picked.connect(lambda index: self.requested.emit("go_to", index))
        self.title = QLabel("")
        self.title.setStyleSheet("font-weight: 600;")
        self.counts = QLabel("")
        self.counts.setStyleSheet("color: rgba(160, 160, 160, 255);")
        self.counts.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.along = Picker("The axis that the strip shows and that objects are carried along.")
        self.along.setMinimumContentsLength(len("along t"))
        self.along.picked.connect(lambda axis: self.requested.emit("choose_along", axis))
        self.buttons = {
            name: ActionButton(name, self.requested.emit)
            for name in ("carry_back", "carry_forward", "carry_between", "carry_on")
        }
        self.whose = Picker("Which objects are carried.")
        self.whose.show_choices([(text, value) for text, value, _ in WHOSE], WHOSE[0][1])
        for row, (_, _, tip) in enumerate(WHOSE):
            self.whose.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)
        self.whose.picked.connect(lambda everything: self.requested.emit("choose_whose", everything))
        self.reach = _reach()
        self.reach.valueChanged.connect(lambda count: self.requested.emit("choose_reach", int(count)))
        self.axes = AxesPanel()
        self.axes.requested.connect(self.requested)
        self._progress = _Progress()
        self._progress.cancelled.connect(lambda: self.requested.emit("stop_carrying", None))
        self._build()
        self.show_carry(Carry())
        self.setVisible(False)

    def show_strip(self, strip: Strip | None) -> None:
        """Show the frames, or hide where there is but one."""
        self.setVisible(strip is not None)
        if strip is None:
            return
        self.strip.show_strip(strip)
        word = AXIS_WORDS.get(strip.axis, f"{strip.axis} index") if strip.named else UNNAMED
        self.title.setText(f"{word} {strip.current}, last {len(strip.states) - 1}")
        known = [f"{strip.count(state)} {state}" for state in ("confirmed", "doubtful") if strip.count(state)]
        self.counts.setText(", ".join(known))
        self.along.show_choices([(f"along {axis.lower()}", axis) for axis in strip.axes], strip.axis)
        self.along.setVisible(len(strip.axes) > 1)

    def show_carry(self, carry: Carry) -> None:
        """Show progress while objects are carried, and whether one can go on afterwards."""
        self._progress.show_progress(carry)
        if carry.running and not self._progress.isHidden():
            return
        self._progress.setVisible(carry.running)
        for name in ("carry_back", "carry_forward", "carry_between"):
            self.buttons[name].setEnabled(not carry.running)
        again = self.buttons["carry_on"]
        again.setEnabled(carry.resume is not None and not carry.running)
        where = "" if carry.resume is None else f" from {carry.resume}"
        again.say(f"{'Again' if carry.again else 'Go on'}{where}")

    def show_axes(self, axes: Sequence[Axis]) -> None:
        """Show the axes and the spacing."""
        self.axes.show_axes(axes)

    def _build(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.title)
        head.addWidget(self.counts, 1)
        head.addWidget(self.along)
        column = column_in(self)
        column.setSpacing(GAP - 2)
        column.addLayout(head)
        column.addWidget(self.strip)
        column.addWidget(side_by_side(self.whose, self.reach))
        for pair in (("carry_back", "carry_forward"), ("carry_between", "carry_on")):
            row = QHBoxLayout()
            row.setSpacing(GAP)
            for name in pair:
                row.addWidget(self.buttons[name], 1)
            column.addLayout(row)
        column.addWidget(self._progress)
        column.addWidget(Fold("Axes and spacing", self.axes))


class Gauge(QWidget):
    """How far something is. Unlike Qt's progress bar it does not have the window drawn at each step, but soon after."""

    def __init__(self) -> None:
        super().__init__()
        self._done, self._total = 0, 1
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    @property
    def words(self) -> str:
        return f"{self._done:,} of {self._total:,} frames"

    def show_progress(self, done: int, total: int) -> None:
        """Show how many of all are done."""
        self._done, self._total = done, max(total, 1)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw a bar and the words over it."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("#4a515c"))
        painter.fillRect(0, 0, round(self.width() * self._done / self._total), self.height(), QColor(CARRIED))
        painter.setPen(QColor("#ffffff"))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self.words)
        painter.end()


class _Progress(QWidget):
    """How many frames are carried, and a way to end it."""

    cancelled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._bar = Gauge()
        stop = QPushButton("Stop   Esc")
        stop.setObjectName("stop_carrying")
        stop.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        stop.setToolTip("End here; the frames carried so far stay, and one can go on from there.")
        stop.clicked.connect(self.cancelled)
        column_in(self).addWidget(side_by_side(self._bar, stop))

    def show_progress(self, carry: Carry) -> None:
        """Show how far it is."""
        self._bar.show_progress(carry.done, carry.total)


def _reach() -> QSpinBox:
    reach = QSpinBox()
    reach.setRange(0, 100_000)
    reach.setValue(0)
    reach.setSpecialValueText("to the end")
    reach.setSuffix(" frames")
    reach.setKeyboardTracking(False)
    reach.setToolTip("How many frames objects are carried; 0: to the end. Carrying ends at a confirmed frame anyway.")
    return reach
