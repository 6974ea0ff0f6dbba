"""Widgets: what every part of the panel is built of, and how fields treat the wheel, keys and the focus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QColor, QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_clickseg.gui.actions import BY_NAME

if TYPE_CHECKING:
    from napari_clickseg.gui.view.protocol import Option, Question, Status

ACCENT = "#26a9c4"
"""The colour of the contour, the Keep button and a ready status: the only one that the panel adds to napari's."""
ACCENT_BUTTON = (
    f"QPushButton:enabled {{ background: {ACCENT}; color: #06232a; font-weight: 600; }}"
    "QPushButton:enabled:hover { background: #35c3e0; }"
)
ARMED_BUTTON = "QPushButton { background: #e0a030; color: #2a1d06; font-weight: 600; }"
GREY = "color: rgba(160, 160, 160, 255);"
STATUS_COLOURS = {"ready": ACCENT, "thinking": ACCENT, "loading": "#e0a030", "error": "#ff5c5c"}
GAP = 6
BUTTON_HEIGHT = 27
LINES = 4
"""Of the status area, which never changes its height."""
Emit = Callable[[], object]


class Manners(QObject):
    """How fields behave beside a canvas: what is typed or turned over by accident changes nothing.

    The wheel changes only the field that has the focus. Enter confirms a field and Esc leaves it, and neither reaches
    the viewer; the canvas then has the focus again, as after every choice, so that keys mean what they say.
    """

    left = Signal()
    """A field was confirmed or left: the canvas should have the focus."""

    def mind(self, root: QWidget) -> None:
        """Teach all fields in a widget, itself included; those that know it already are left alone."""
        fields = (QComboBox, QAbstractSpinBox, QAbstractSlider)
        for field in (root, *root.findChildren(QWidget)):
            if not isinstance(field, fields) or field.property("minded"):
                continue
            field.setProperty("minded", True)
            field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            field.installEventFilter(self)
            if isinstance(field, Picker):
                field.closed.connect(self.left)
            elif isinstance(field, QAbstractSlider):
                field.sliderReleased.connect(self.left)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Hand wheel events on to whatever scrolls; take Enter and Esc; hand keys on that a list would take."""
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            return self._on_key(watched, event)
        return bool(super().eventFilter(watched, event))

    def _on_key(self, field: QObject, event: QKeyEvent) -> bool:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if isinstance(field, QAbstractSpinBox):
                field.interpretText()
            event.accept()
            self.left.emit()
            return True
        if event.key() == Qt.Key.Key_Escape:
            if isinstance(field, QAbstractSpinBox):
                _show_value_again(field)
            event.accept()
            self.left.emit()
            return True
        if isinstance(field, QComboBox) and event.text().isalpha():
            event.ignore()  # a letter is a key of the canvas, not a row of the list
            return True
        return False


def _show_value_again(field: Any) -> None:
    """Put back what stood in a spin box before something was typed."""
    field.lineEdit().setText(f"{field.prefix()}{field.textFromValue(field.value())}{field.suffix()}")


class Picker(QComboBox):
    """A drop-down list of values that keeps to the width it is given."""

    picked = Signal(object)
    """The user chose this value."""
    opening = Signal()
    """The list is about to be shown: what it offers may be brought up to date."""
    closed = Signal()
    """The list was closed, with or without a choice."""

    def __init__(self, tip: str = "") -> None:
        super().__init__()
        self._options: tuple[Option, ...] | None = None
        self._values: list[Any] = []
        self.setToolTip(tip)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.activated.connect(self._on_activated)

    @property
    def values(self) -> list[Any]:
        """What the rows stand for; None for headings."""
        return list(self._values)

    def show_options(self, options: Sequence[Option], chosen: Any) -> None:
        """Offer these, below their headings; `chosen` is found by identity, then by equality."""
        wanted = tuple(options)
        if wanted != self._options:
            self._options = wanted
            self._fill(wanted)
        same = [k for k, value in enumerate(self._values) if value is chosen and self._enabled(k)]
        same += [k for k, value in enumerate(self._values) if type(value) is type(chosen) and value == chosen]
        self.setCurrentIndex(same[0] if same else -1)

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Show the list."""
        self.opening.emit()
        super().showPopup()

    def hidePopup(self) -> None:  # noqa: N802 - Qt's name
        """Close the list."""
        super().hidePopup()
        self.closed.emit()

    def _fill(self, options: Sequence[Option]) -> None:
        self.clear()
        self._values = []
        heading = ""
        for option in options:
            if option.heading != heading:
                heading = option.heading
                self._add_heading(heading)
            self.addItem(option.text)
            self._values.append(option.value)
            self.setItemData(self.count() - 1, option.tip, Qt.ItemDataRole.ToolTipRole)

    def _add_heading(self, text: str) -> None:
        self.addItem(text)
        self._values.append(None)
        item = self.model().item(self.count() - 1)
        item.setEnabled(False)
        item.setForeground(QColor(ACCENT))

    def _enabled(self, row: int) -> bool:
        return bool(self.model().item(row).isEnabled())

    def _on_activated(self, index: int) -> None:
        self.picked.emit(self._values[index])


class StatusArea(QWidget):
    """What happened and which key comes next, with buttons for what can be done; of one height, whatever it says."""

    offered = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self.buttons: list[QPushButton] = []
        self._row = QHBoxLayout()
        self._row.setSpacing(GAP)
        self._shown: Status | None = None
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setObjectName("status_area")
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 3, 4, 3)
        column.setSpacing(2)
        column.addWidget(self.label, 1)
        column.addLayout(self._row)
        self.setFixedHeight(LINES * self.label.fontMetrics().lineSpacing() + 14)

    @property
    def kind(self) -> str:
        """What kind of news is shown."""
        return "" if self._shown is None else self._shown.kind

    def text(self) -> str:
        """What is shown."""
        return str(self.label.text())

    def show_status(self, news: Status) -> None:
        """Show a sentence in the colour of its kind, and its buttons."""
        if news == self._shown:
            return
        if self._shown is None or news.kind != self._shown.kind:
            self.setStyleSheet(
                f"#status_area {{ border: none; border-left: 4px solid {STATUS_COLOURS[news.kind]};"
                "background: rgba(128, 128, 128, 40); }"
            )
        if self._shown is None or news.offers != self._shown.offers:
            self._show_offers(news.offers)
        self._shown = news
        self.label.setText(news.text)
        self.label.setToolTip(news.text)

    def _show_offers(self, offers: Sequence[tuple[str, str]]) -> None:
        for button in self.buttons:
            self._row.removeWidget(button)
            button.deleteLater()
        self.buttons = []
        for caption_text, action in offers:
            button = plain_button(caption_text, action)
            button.setFixedHeight(22)
            button.clicked.connect(lambda _=False, action=action: self.offered.emit(action))
            self._row.addWidget(button)
            self.buttons.append(button)


class ActionButton(QPushButton):
    """A button for an action of the table, which prints its caption and its key.

    It takes no focus, so that keys go on reaching the canvas.
    """

    def __init__(self, action: str, emit: Callable[[str], object]) -> None:
        super().__init__()
        entry = BY_NAME[action]
        self._action = action
        self._armed = False
        self.setObjectName(action)
        self.setToolTip(f"{entry.tip}  [{key_text(action)}]")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMinimumHeight(BUTTON_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.say(entry.caption)
        self.clicked.connect(lambda: emit(action))

    def say(self, text: str) -> None:
        """Print another text beside the key."""
        self.setText(f"{text}  {key_text(self._action)}")

    def show_armed(self, armed: bool) -> None:
        """Look as a tool in the hand does."""
        if armed != self._armed:
            self._armed = armed
            self.setStyleSheet(ARMED_BUTTON if armed else "")


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


class NumberField(QLineEdit):
    """Takes a whole number; Enter gives it, Esc leaves the field, and neither reaches the viewer."""

    given = Signal(int)
    left = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Give or leave; everything else is typing."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.hasAcceptableInput():
                self.given.emit(int(self.text()))
        elif event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)


class TrustQuestion(QWidget):
    """Asks whether a file is trusted whose code would run; nothing is ticked beforehand."""

    trusted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.words = QLabel("")
        self.words.setWordWrap(True)
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.tick = QCheckBox("I trust this file")
        self.tick.setObjectName("trust")
        self.go_on = plain_button("Open it", "open_trusted")
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
            self.words.setText(TRUST.format(file=_bare(question.file), digits=question.sha256[:SHOWN_DIGITS]))
        self._question = question


SHOWN_DIGITS = 12
TRUST = (
    "<b>{file}</b> contains a program, not only numbers. Opening it runs that program with your rights: it could "
    "read, change or delete your files.<br><br>Trust it only if you made it, or know who did.<br><br>"
    "Its fingerprint (SHA-256) begins with <b>{digits}</b>. Trust holds for exactly this file: if it changes, "
    "you are asked again."
)


def _bare(text: str) -> str:
    """A file's name without what would be markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def key_text(action: str) -> str:
    """Return the key of an action as this platform writes it, Shift as an arrow."""
    text = str(QKeySequence(BY_NAME[action].qt_key).toString(QKeySequence.SequenceFormat.NativeText))
    text = text.replace("Right", "→").replace("Left", "←").replace("Shift+", "⇧")
    return "Enter" if text == "Return" else text


def plain_button(text: str, name: str, tip: str = "") -> QPushButton:
    """Return a button that takes no focus."""
    button = QPushButton(text)
    button.setObjectName(name)
    button.setToolTip(tip)
    button.setMinimumHeight(BUTTON_HEIGHT)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button


def folded(title: str, *parts: QWidget) -> QCollapsible:
    """Return parts that are folded away below a title until they are wanted."""
    fold = QCollapsible(title, expandedIcon="▼", collapsedIcon="▶")
    fold.setDuration(0)
    fold.layout().setContentsMargins(0, 0, 0, 0)
    fold.content().layout().setContentsMargins(0, 0, 0, 0)
    for part in parts:
        fold.addWidget(part)
    fold.content().setVisible(False)
    fold.toggled.connect(fold.content().setVisible)
    return fold


def title(text: str) -> QLabel:
    """Return the name of a part."""
    label = QLabel(text)
    label.setStyleSheet("font-weight: 600;")
    return label


def caption(text: str) -> QLabel:
    """Return a caption as wide as the widest, so that all parts line up."""
    label = QLabel(text)
    label.ensurePolished()
    label.setFixedWidth(label.fontMetrics().horizontalAdvance("Threshold M") + GAP)
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


def row_of(*parts: QWidget) -> QWidget:
    """Return widgets in a row, which share its width."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(GAP)
    for part in parts:
        layout.addWidget(part)
    return row


def side_by_side(wide: QWidget, *narrow: QWidget) -> QWidget:
    """Return widgets in a row; the first takes the width that the others leave."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(GAP)
    layout.addWidget(wide, 1)
    for part in narrow:
        layout.addWidget(part)
    return row
