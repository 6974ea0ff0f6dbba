"""Buttons: those that stand for an action of the table, which print its text and its key, and rows of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QHBoxLayout, QPushButton

from napari_clickseg.gui.actions import BY_NAME
from napari_clickseg.gui.fields import BUTTON_HEIGHT, GAP

Request = Callable[[str, object], object]


class ActionButton(QPushButton):
    """A button for an action; it takes no focus, so that keys go on reaching the canvas.

    Parameters
    ----------
    action : str
        The name in the table of actions.
    emit : callable
        Called with the request's name and None when the button is pressed.
    request : str, optional
        What is asked for; the action's name where absent.
    """

    def __init__(self, action: str, emit: Request, request: str | None = None) -> None:
        super().__init__()
        entry = BY_NAME[action]
        self._action = action
        self.setObjectName(action)
        self.setToolTip(entry.tip)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMinimumHeight(BUTTON_HEIGHT)
        self.say(entry.text)
        self.clicked.connect(lambda: emit(request or action, None))

    def say(self, text: str) -> None:
        """Print another text beside the key."""
        self.setText(f"{text}   {key_text(self._action)}")


def request_row(choices: Sequence[tuple[str, str, str]], emit: Request) -> tuple[QHBoxLayout, dict[str, QPushButton]]:
    """Return a row of buttons that share its width, and each by its request; choices are (request, words, tooltip)."""
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(GAP)
    buttons = {}
    for request, words, tip in choices:
        button = QPushButton(words)
        button.setObjectName(request)
        button.setToolTip(tip)
        button.setMinimumHeight(BUTTON_HEIGHT)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.clicked.connect(lambda _=False, request=request: emit(request, None))
        row.addWidget(button, 1)
        buttons[request] = button
    return row, buttons


def key_text(action: str) -> str:
    """Return the key of an action as this platform writes it."""
    text = QKeySequence(BY_NAME[action].qt_key).toString(QKeySequence.SequenceFormat.NativeText)
    return "Enter" if text == "Return" else str(text).replace("Right", "→").replace("Left", "←")
