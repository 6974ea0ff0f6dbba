"""FramesPanel: where one is in a movie or a stack, what is known of each frame, and objects carried along."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QSpinBox, QWidget

from napari_clickseg.gui.axes import AxesPanel
from napari_clickseg.gui.buttons import ActionButton
from napari_clickseg.gui.fields import GAP, Picker, column_in, side_by_side
from napari_clickseg.gui.fold import Fold
from napari_clickseg.gui.sequence import Axis, Carry, Strip
from napari_clickseg.gui.strip import FrameStrip

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
