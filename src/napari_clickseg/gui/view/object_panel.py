"""ObjectPanel: the object being drawn and what can be done with it; what the mouse buttons mean; where it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QSize, Qt
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QPushButton, QSlider, QWidget

from napari_clickseg.gui.view.widgets import (
    ACCENT_BUTTON,
    GAP,
    GREY,
    ActionButton,
    caption,
    column_in,
    form_in,
    plain_button,
    side_by_side,
)

if TYPE_CHECKING:
    from napari_clickseg.gui.view.protocol import ObjectState, Requests, Thumbnail

DIAMETERS = (2.0, 5000.0)
SIDE = 30
"""Of the pictures of candidates, on the screen."""
CHOSEN = "QPushButton { border: 2px solid #26a9c4; padding: 0; }"
UNCHOSEN = "QPushButton { border: 2px solid transparent; padding: 0; }"
ROWS = (("keep", "cancel"), ("undo", "redo", "start_new"))
LEGEND = {
    False: "<b>Left</b> click adds <span style='color:#3ddc84'>●</span>   "
    "<b>right</b> (or ⇧left) removes <span style='color:#ff5252'>✕</span>   T swaps",
    True: "<b>Left</b> click removes <span style='color:#ff5252'>✕</span>   "
    "<b>right</b> (or ⇧left) adds <span style='color:#3ddc84'>●</span>   T swaps back",
}
"""What the mouse buttons do, by whether they are swapped."""


class ObjectPanel(QWidget):
    """The object being drawn, and its buttons; every button prints its key."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self.buttons = {name: ActionButton(name, requests.action.emit) for row in ROWS for name in row}
        self.title = QLabel("No object")
        self.title.setStyleSheet("font-size: 13pt; font-weight: 600;")
        self.count = QLabel("")
        self.count.setStyleSheet(GREY)
        self.legend = QLabel(LEGEND[False])
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        head = QHBoxLayout()
        head.addWidget(self.title)
        head.addWidget(self.count, 1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        column = column_in(self)
        column.addLayout(head)
        for names, shares in zip(ROWS, ((3, 2), (1, 1, 1)), strict=True):
            row = QHBoxLayout()
            row.setSpacing(GAP)
            for name, share in zip(names, shares, strict=True):
                row.addWidget(self.buttons[name], share)
            column.addLayout(row)
        column.addWidget(self.legend)
        self.buttons["keep"].setStyleSheet(ACCENT_BUTTON)
        for name in ROWS[0]:
            self.buttons[name].setMinimumHeight(34)

    def show_object(self, state: ObjectState) -> None:
        """Show which object is being drawn and enable what makes sense."""
        there = state.label is not None
        self.title.setText(f"Object {state.label}" if there else "No object")
        self.count.setText("" if state.count is None else f"{state.count:,} on this frame")
        self.buttons["undo"].setEnabled(state.can_undo)
        self.buttons["redo"].setEnabled(state.can_redo)
        self.buttons["keep"].setEnabled(there and not state.empty)
        self.buttons["cancel"].setEnabled(there and (not state.empty or bool(state.armed)))
        self.buttons["start_new"].setEnabled(there)
        self.legend.setText(LEGEND[state.flipped])


class CandidateRow(QWidget):
    """The masks that the clicks may mean, as small pictures; a press shows one. Its place stays free without any."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self._requests = requests
        self.buttons: list[QPushButton] = []
        self._shown: tuple[Thumbnail, ...] = ()
        self._none = QLabel("keys , and . where there is a choice")
        self._none.setStyleSheet(GREY)
        self._none.setWordWrap(True)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(3)
        self._row.addWidget(self._none, 1)
        self._row.addStretch(0)
        self.setFixedHeight(SIDE + 8)

    def show_candidates(self, candidates: tuple[Thumbnail, ...], chosen: int) -> None:
        """Show these, the one drawn framed."""
        if candidates != self._shown:
            self._shown = candidates
            for button in self.buttons:
                self._row.removeWidget(button)
                button.deleteLater()
            self.buttons = [self._button(k, one) for k, one in enumerate(candidates)]
            for k, button in enumerate(self.buttons):
                self._row.insertWidget(k, button)
            self._none.setVisible(not candidates)
        for k, button in enumerate(self.buttons):
            button.setStyleSheet(CHOSEN if k == chosen else UNCHOSEN)

    def _button(self, number: int, thumbnail: Thumbnail) -> QPushButton:
        side = thumbnail.side
        image = QImage(thumbnail.pixels, side, side, side, QImage.Format.Format_Grayscale8)
        button = plain_button("", f"candidate_{number}", "Draw this one.  [, .]")
        button.setIcon(QIcon(QPixmap.fromImage(image.copy())))
        button.setIconSize(QSize(SIDE, SIDE))
        button.setFixedSize(SIDE + 6, SIDE + 6)
        button.clicked.connect(lambda: self._requests.candidate_chosen.emit(number))
        return button


class ShapePanel(QWidget):
    """Where the object ends, and how large cells are."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self._requests = requests
        self.threshold = QSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(2, 98)
        self.threshold.setValue(50)
        self.threshold.setToolTip("Where the object ends: to the left it grows, to the right it shrinks.")
        self.threshold.valueChanged.connect(lambda percent: requests.threshold_set.emit(percent / 100))
        looser, tighter = QLabel("looser"), QLabel("tighter")
        for label in (looser, tighter):
            label.setStyleSheet(GREY)
        self.diameter = QDoubleSpinBox()
        self.diameter.setRange(*DIAMETERS)
        self.diameter.setDecimals(0)
        self.diameter.setSuffix(" px")
        self.diameter.setKeyboardTracking(False)
        self.diameter.setSpecialValueText("measuring ..")
        self.diameter.setToolTip("How large a cell is, in pixels across: how far around a click the model looks.")
        self.diameter.valueChanged.connect(lambda value: requests.diameter_set.emit(float(value)))
        self.automatic = plain_button("auto", "forget_diameter", "Take it from the objects that are there.")
        self.automatic.clicked.connect(lambda: requests.diameter_set.emit(None))
        slider = QWidget()
        row = QHBoxLayout(slider)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(looser)
        row.addWidget(self.threshold, 1)
        row.addWidget(tighter)
        self.candidates = CandidateRow(requests)
        form = form_in(self)
        row_caption = caption("Candidates")
        row_caption.setFixedHeight(self.candidates.height())
        form.addRow(row_caption, self.candidates)
        form.addRow(caption("Outline"), slider)
        form.addRow(caption("Cell size"), side_by_side(self.diameter, self.automatic))

    def show_object(self, state: ObjectState) -> None:
        """Show the candidates, the threshold, which every object has its own of, and the expected size."""
        self.candidates.show_candidates(state.candidates, state.candidate)
        with QSignalBlocker(self.threshold):
            self.threshold.setValue(round(100 * state.threshold))
        with QSignalBlocker(self.diameter):
            self.diameter.setValue(DIAMETERS[0] if state.diameter is None else state.diameter)
        self.automatic.setEnabled(state.diameter_known)
