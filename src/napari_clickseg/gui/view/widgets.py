"""Fields: what every part of the panel is built of - a drop-down list, the status line, captions and layouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_clickseg.gui.actions import BY_NAME
from napari_clickseg.gui.view.protocol import Question, Status

ACCENT = "#26a9c4"
"""The colour of the contour, the Keep button and a ready status: the only one that the panel adds to napari's."""
ACCENT_BUTTON = (
    f"QPushButton:enabled {{ background: {ACCENT}; color: #06232a; font-weight: 600; }}"
    "QPushButton:enabled:hover { background: #35c3e0; }"
)
STATUS_COLOURS = {"ready": ACCENT, "thinking": ACCENT, "loading": "#e0a030", "error": "#ff5c5c"}
GAP = 8
BUTTON_HEIGHT = 30


class Picker(QComboBox):
    """A drop-down list of values that keeps to the width it is given; `picked` tells what the user chose."""

    picked = Signal(object)
    opening = Signal()
    """The list is about to be shown: what it offers may be brought up to date."""

    def __init__(self, tip: str = "") -> None:
        super().__init__()
        self._values: list[Any] = []
        self.setToolTip(tip)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.activated.connect(self._on_activated)

    @property
    def values(self) -> list[Any]:
        return list(self._values)

    def show_choices(self, choices: Sequence[tuple[str, Any]], chosen: Any) -> None:
        """Offer these (text, value) pairs; `chosen` is found by identity, then by equality."""
        self._values = [value for _, value in choices]
        self.clear()
        self.addItems([text for text, _ in choices])
        same = [k for k, value in enumerate(self._values) if value is chosen]
        same += [k for k, value in enumerate(self._values) if type(value) is type(chosen) and value == chosen]
        self.setCurrentIndex(same[0] if same else -1)

    def set_apart(self, row: int) -> None:
        """Draw a line above a row."""
        self.insertSeparator(row)
        self._values.insert(row, None)

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Show the list."""
        self.opening.emit()
        super().showPopup()

    def _on_activated(self, index: int) -> None:
        self.picked.emit(self._values[index])


class StatusLine(QLabel):
    """One line (two where it is narrow) that says what happened and which key comes next."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.setMinimumHeight(3 * self.fontMetrics().lineSpacing() + 2 * GAP)
        self.kind = ""

    def show_status(self, news: Status) -> None:
        """Show a sentence in the colour of its kind."""
        self.setText(news.text)
        if news.kind != self.kind:
            self.kind = news.kind
            self.setStyleSheet(
                f"border: none; border-left: 4px solid {STATUS_COLOURS[news.kind]}; padding: 4px 4px 4px 8px;"
                "background: rgba(128, 128, 128, 40);"
            )


class BusyBar(QProgressBar):
    """A thin bar that moves while something is worked out; its place stays free while it is hidden."""

    def __init__(self) -> None:
        super().__init__()
        self.setRange(0, 0)
        self.setTextVisible(False)
        self.setFixedHeight(4)
        policy = self.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.setSizePolicy(policy)

    def show_done(self, done: float) -> None:
        """Fill the bar as far as the work is done, 0 to 1; where that is not known, 0, it just moves."""
        self.setRange(0, 100 if done else 0)
        self.setValue(round(100 * done))


def caption(text: str) -> QLabel:
    """Return a caption as wide as the widest, so that all parts line up."""
    label = QLabel(text)
    label.ensurePolished()
    label.setFixedWidth(label.fontMetrics().horizontalAdvance("Threshold MM") + GAP)
    return label


def form_in(parent: QWidget) -> QFormLayout:
    """Return rows of caption and field for a part; fields take the width there is."""
    form = QFormLayout(parent)
    form.setContentsMargins(0, 0, 0, 0)
    form.setSpacing(GAP - 2)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return form


def column_in(parent: QWidget) -> QVBoxLayout:
    """Return a layout of things below each other for a part, without a margin."""
    column = QVBoxLayout(parent)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(GAP)
    return column


def side_by_side(wide: QWidget, narrow: QWidget) -> QWidget:
    """Return two widgets in a row; the first takes the width that the second leaves."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(GAP)
    layout.addWidget(wide, 1)
    layout.addWidget(narrow)
    return row


class Fold(QWidget):
    """A title that shows and hides what lies below it.

    Parameters
    ----------
    title : str
    body : QWidget
        What is hidden while folded, as it is to begin with.
    """

    def __init__(self, title: str, body: QWidget) -> None:
        super().__init__()
        self.title = QToolButton()
        self.title.setText(title)
        self.title.setCheckable(True)
        self.title.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.title.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.title.setStyleSheet("QToolButton { border: none; background: transparent; padding: 2px 0; }")
        self.title.toggled.connect(self._on_title_toggled)
        self._body = body
        column = column_in(self)
        column.addWidget(self.title)
        column.addWidget(body)
        self._on_title_toggled(False)

    def unfold(self) -> None:
        """Show what lies below the title."""
        self.title.setChecked(True)

    def _on_title_toggled(self, unfolded: bool) -> None:
        self.title.setArrowType(Qt.ArrowType.DownArrow if unfolded else Qt.ArrowType.RightArrow)
        self._body.setVisible(unfolded)


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
