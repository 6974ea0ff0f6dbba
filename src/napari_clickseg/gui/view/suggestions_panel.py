"""Model panel: which model answers, and the button with which it finds all objects of a frame at once."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_clickseg.gui.view.protocol import WholeFrame
from napari_clickseg.gui.view.widgets import BUTTON_HEIGHT, BusyBar, column_in

SEGMENT_TEXT, STOP_TEXT = "Segment this frame", "Stop segmenting   Esc"


class WholePanel(QWidget):
    """One button; while it is at work, a bar moves below it and the button stops it."""

    requested = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.button = QPushButton(SEGMENT_TEXT)
        self.button.setObjectName("segment_frame")
        self.button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.button.setMinimumHeight(BUTTON_HEIGHT)
        self.button.clicked.connect(self._on_clicked)
        self.busy = BusyBar()
        column = column_in(self)
        column.setSpacing(2)
        column.addWidget(self.button)
        column.addWidget(self.busy)
        self._shown = WholeFrame()
        self.show_whole_frame(self._shown)

    def show_whole_frame(self, whole: WholeFrame) -> None:
        """Show whether all objects can be found at once, or are being looked for."""
        self._shown = whole
        self.button.setText(STOP_TEXT if whole.busy else SEGMENT_TEXT)
        self.button.setEnabled(whole.can or whole.busy)
        self.button.setToolTip(whole.tip)
        self.busy.show_done(whole.done)
        self.busy.setVisible(whole.busy)

    def _on_clicked(self) -> None:
        self.requested.emit("cancel" if self._shown.busy else "segment_frame", None)
