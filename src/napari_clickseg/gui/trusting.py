"""Trusting: the question whether a file is trusted whose code would run, in plain words."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton, QWidget

from napari_clickseg.gui.fields import BUTTON_HEIGHT, column_in
from napari_clickseg.gui.steps import Question

SHOWN_DIGITS = 12
WORDS = (
    "<b>{file}</b> contains a program, not only numbers. Opening it runs that program with your rights: it could "
    "read, change or delete your files.<br><br>Trust it only if you made it, or know who did.<br><br>"
    "Its fingerprint (SHA-256) begins with <b>{digits}</b>. Trust holds for exactly this file: if it changes, "
    "you are asked again."
)


class TrustQuestion(QWidget):
    """Asks whether a file is trusted; nothing is ticked beforehand."""

    trusted = Signal()
    """The user said so, and asked to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.words = QLabel("")
        self.words.setWordWrap(True)
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.tick = QCheckBox("I trust this file")
        self.tick.setObjectName("trust")
        self.go_on = QPushButton("Open it")
        self.go_on.setObjectName("open_trusted")
        self.go_on.setMinimumHeight(BUTTON_HEIGHT)
        self.go_on.setEnabled(False)
        self.tick.toggled.connect(self.go_on.setEnabled)
        self.go_on.clicked.connect(self.trusted)
        column = column_in(self)
        for part in (self.words, self.tick, self.go_on):
            column.addWidget(part)
        self._question: Question | None = None

    def show_question(self, question: Question | None) -> None:
        """Ask about a file; hide where there is nothing to ask. The same question keeps its tick."""
        self.setVisible(question is not None)
        if question is None or question != self._question:
            self.tick.setChecked(False)
        if question is not None:
            self.words.setText(WORDS.format(file=_plain(question.file), digits=question.sha256[:SHOWN_DIGITS]))
        self._question = question


def _plain(text: str) -> str:
    """A file's name without what would be markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
