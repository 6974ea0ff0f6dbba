"""OfferLine: one line that offers an unfinished session back. It stays until it is answered, and stands in no way."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from napari_clickseg.gui.fields import BUTTON_HEIGHT, GAP, STATUS_COLOURS, column_in

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
        self.buttons: dict[str, QPushButton] = {}
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for request, words, tip in CHOICES:
            button = QPushButton(words)
            button.setObjectName(request)
            button.setToolTip(tip)
            button.setMinimumHeight(BUTTON_HEIGHT)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(lambda _=False, request=request: self.requested.emit(request, None))
            row.addWidget(button, 1)
            self.buttons[request] = button
        column = column_in(self)
        column.addWidget(self.text)
        column.addLayout(row)
        self.show_offer("")

    def show_offer(self, text: str) -> None:
        """Offer what the text says; nothing where it is empty."""
        self.text.setText(text)
        self.setVisible(bool(text))
