"""OfferLine: one line that offers an unfinished session back. It stays until it is answered, and stands in no way."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QWidget

from napari_clickseg.gui.buttons import request_row
from napari_clickseg.gui.fields import STATUS_COLOURS, column_in

CHOICES = (
    ("restore", "Restore", "Do again what was done in that session."),
    ("discard", "Discard", "Forget that session."),
)


class OfferLine(QWidget):
    """Hidden while there is nothing to offer."""

    requested = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.text = QLabel("")
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setStyleSheet(
            f"border: none; border-left: 4px solid {STATUS_COLOURS['loading']}; padding: 4px 4px 4px 8px;"
        )
        row, self.buttons = request_row(CHOICES, self.requested.emit)
        column = column_in(self)
        column.addWidget(self.text)
        column.addLayout(row)
        self.show_offer("")

    def show_offer(self, text: str) -> None:
        """Offer what the text says; nothing where it is empty."""
        self.text.setText(text)
        self.setVisible(bool(text))
