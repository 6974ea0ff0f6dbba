"""SuggestionsPanel: the button that finds all objects of a frame at once."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_clickseg.gui.view.protocol import Requests, Suggesting
from napari_clickseg.gui.view.widgets import ActionButton, BusyBar, column_in

STOP_TEXT = "Stop  Esc"


class SuggestionsPanel(QWidget):
    """One button; while it is at work, a bar moves below it and the button stops it."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self._requests = requests
        self.button = ActionButton("segment_frame", self._on_clicked)
        self.busy = BusyBar()
        column = column_in(self)
        column.setSpacing(2)
        column.addWidget(self.button)
        column.addWidget(self.busy)
        column.addStretch(1)
        self._text = self.button.text()
        self._shown = Suggesting()
        self.show_suggesting(self._shown)

    def show_suggesting(self, state: Suggesting) -> None:
        """Show whether all objects can be found at once, or are being looked for."""
        self._shown = state
        self.button.setText(STOP_TEXT if state.busy else self._text)
        self.button.setEnabled(state.can or state.busy)
        self.button.setToolTip(state.tip)
        self.busy.show_done(state.done)
        self.busy.setVisible(state.busy)

    def _on_clicked(self, action: str) -> None:
        self._requests.action.emit("cancel" if self._shown.busy else action)
