"""Fields: what every part of the panel is built of - a drop-down list, the status line, captions and layouts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_clickseg.gui.status import Status

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
