"""ConventionForm: what a foreign network expects and answers, as fields that can be changed; each guess says why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QFormLayout, QLabel, QLineEdit, QSizePolicy, QSpinBox, QWidget

from napari_clickseg.gui.view.protocol import Option
from napari_clickseg.gui.view.widgets import GREY, Picker, caption, column_in, form_in
from napari_clickseg.models.io_spec import BOUNDS, Conventions

Bounds = tuple[float, float]
NOTHING = -1
"""A number of an optional value that stands for its absence."""


class Editor(Protocol):
    """What a form needs of a widget that edits one value; `edited` is a signal without arguments."""

    edited: Any

    def value(self) -> Any:
        """Return the value as it stands; ValueError where it cannot be read."""

    def show_value(self, value: Any) -> None:
        """Show a value; `edited` is not emitted."""


class Choice(Picker):
    """One of several names."""

    edited = Signal()

    def __init__(self, choices: Sequence[tuple[str, Any]]) -> None:
        super().__init__()
        self._choices = [Option(text, value) for text, value in choices]
        self.picked.connect(lambda _: self.edited.emit())

    def value(self) -> Any:
        return self.values[self.currentIndex()]

    def show_value(self, value: Any) -> None:
        self.show_options(self._choices, value)


class WholeNumber(QSpinBox):
    """A whole number, told when it was typed to its end."""

    edited = Signal()

    def __init__(self, bounds: Bounds) -> None:
        super().__init__()
        self.setRange(int(bounds[0]), int(min(bounds[1], 2**31 - 1)))
        self.setKeyboardTracking(False)
        self.valueChanged.connect(lambda _: self.edited.emit())

    def show_value(self, value: int) -> None:
        with QSignalBlocker(self):
            self.setValue(value)


class OptionalNumber(WholeNumber):
    """A whole number from 0 on, or none."""

    def __init__(self, bounds: Bounds) -> None:
        super().__init__((NOTHING, bounds[1]))
        self.setSpecialValueText("none")

    def value(self) -> int | None:
        number = int(super().value())
        return None if number == NOTHING else number

    def show_value(self, value: int | None) -> None:
        super().show_value(NOTHING if value is None else value)


class Number(QDoubleSpinBox):
    """A number with decimals, told when it was typed to its end."""

    edited = Signal()

    def __init__(self, bounds: Bounds) -> None:
        super().__init__()
        self.setDecimals(4)
        self.setRange(*bounds)
        self.setKeyboardTracking(False)
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.valueChanged.connect(lambda _: self.edited.emit())

    def textFromValue(self, value: float) -> str:  # noqa: N802 - Qt's name
        """Without the zeros that decimals would fill up with."""
        return f"{value:.10g}"

    def show_value(self, value: float) -> None:
        with QSignalBlocker(self):
            self.setValue(value)


class Flag(QCheckBox):
    """Yes or no."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.clicked.connect(self.edited)

    def value(self) -> bool:
        return bool(self.isChecked())

    def show_value(self, value: bool) -> None:
        self.setChecked(value)


class ChannelNumbers(QLineEdit):
    """Numbers of channels, such as "0, 2"; what an empty line means is written in it in grey."""

    edited = Signal()

    def __init__(self, empty: str) -> None:
        super().__init__()
        self.setPlaceholderText(empty)
        self._shown = ""
        self.editingFinished.connect(self._on_finished)

    def value(self) -> tuple[int, ...]:
        parts = self.text().replace(",", " ").split()
        if not all(part.isdecimal() for part in parts):
            raise ValueError(f"{self.text()!r} are no channels; write their numbers, counted from 0, such as 0, 2.")
        return tuple(int(part) for part in parts)

    def show_value(self, value: Sequence[int]) -> None:
        self._shown = ", ".join(str(number) for number in value)
        self.setText(self._shown)

    def _on_finished(self) -> None:
        if self.text() != self._shown:
            self._shown = self.text()
            self.edited.emit()


class Numbers(ChannelNumbers):
    """Numbers with decimals, such as "123.7, 116.3"."""

    def value(self) -> tuple[float, ...]:  # type: ignore[override]
        try:
            return tuple(float(part) for part in self.text().replace(",", " ").split())
        except ValueError:
            raise ValueError(f"{self.text()!r} are no numbers; write them such as 123.7, 116.3.") from None

    def show_value(self, value: Sequence[float]) -> None:
        self._shown = ", ".join(f"{number:.10g}" for number in value)
        self.setText(self._shown)


class CalmWheel(QObject):
    """Lets the wheel scroll a form, where it would otherwise change the field that the cursor happens to pass over."""

    def guard(self, widget: QWidget) -> None:
        """Keep the wheel from this widget."""
        widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Hand wheel events on to whatever scrolls."""
        if event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return bool(super().eventFilter(watched, event))


ANY_NUMBER = (-1e9, 1e9)
CHANNELS = (0.0, 1023.0)
REASON = f"{GREY} font-size: 9pt; padding: 2px 0 3px 0;"


@dataclass(frozen=True, slots=True)
class Row:
    """One field: the convention it edits, its caption and tooltip, and the editor that it gets."""

    name: str
    text: str
    tip: str
    make: Callable[[], Any]


def _whole(name: str) -> Callable[[], WholeNumber]:
    return partial(WholeNumber, BOUNDS[name])


AXES = (("2D planes", 2), ("3D volumes", 3))
NORMALISATIONS = (
    ("percentiles", "percentile"),
    ("mean and deviation", "mean-sd"),
    ("fixed mean and sd", "fixed"),
    ("range of values", "range"),
    ("as in the file", "none"),
)
ACTIVATIONS = (("logits (sigmoid)", "logits"), ("classes (softmax)", "softmax"), ("probability", "probability"))
GROUPS: tuple[tuple[str, tuple[Row, ...]], ...] = (
    (
        "Input",
        (
            Row("normalise", "Normalise", "How the image's values become those that the network was trained on.",
                partial(Choice, NORMALISATIONS)),
            Row("low", "Low", "The lower of the two numbers that normalisation takes.", partial(Number, ANY_NUMBER)),
            Row("high", "High", "The upper of the two numbers that normalisation takes.", partial(Number, ANY_NUMBER)),
            Row("means", "Means", "What is subtracted from each channel, in place of one number for all.",
                partial(Numbers, "one for all")),
            Row("deviations", "Deviations", "What each channel is divided by, in place of one number for all.",
                partial(Numbers, "one for all")),
            Row("per_channel", "Per channel", "Each channel has its own statistics; else all share them.", Flag),
            Row("channels", "Channels", "How many channels the network takes.", _whole("channels")),
            Row("use", "Use", "Which channels of the image feed them, counted from 0, in this order.",
                partial(ChannelNumbers, "the image's first ones")),
            Row("planes", "Planes", "The channels are neighbouring planes of a stack, the one looked at in the middle.",
                Flag),
            Row("ndim", "Sees", "Whether the network looks at planes or at volumes.", partial(Choice, AXES)),
        ),
    ),
    (
        "Output",
        (
            Row("activation", "Values", "What the network's numbers are.", partial(Choice, ACTIVATIONS)),
            Row("objects", "Objects", "Output channels that mean object, counted from 0; they are added up.",
                partial(ChannelNumbers, "such as 0")),
            Row("per_class", "Classes apart",
                "Each of these channels is a class: a click means an object of the likeliest one.", Flag),
            Row("boundary", "Boundary", "Output channel that means boundary: it is subtracted.",
                partial(OptionalNumber, CHANNELS)),
            Row("threshold", "Threshold", "More probable than this is object.", partial(Number, BOUNDS["threshold"])),
            Row("split", "Split", "Cut objects that touch where they are narrow.", Flag),
            Row("smallest", "Smallest", "Objects of fewer pixels are dropped.", _whole("smallest")),
            Row("output", "Tensor", "Which of several outputs, counted from 0.", _whole("output")),
        ),
    ),
    (
        "Size",
        (
            Row("scale", "Scale", "Network pixels per image pixel: 0.5 shows it an image of half the size.",
                partial(Number, BOUNDS["scale"])),
            Row("tile", "Tile", "The longest side that the network is given at once, in pixels.", _whole("tile")),
            Row("halo", "Overlap", "What tiles share with their neighbours on each side, in pixels.", _whole("halo")),
            Row("border", "Border", "What its answer lacks on a side, and how far the image goes on behind, in pixels.",
                partial(ChannelNumbers, "none")),
            Row("divisible", "Multiple of", "Sides are multiples of this many pixels.", _whole("divisible")),
            Row("smallest_side", "Least side", "Sides have at least this many pixels.", _whole("smallest_side")),
        ),
    ),
)  # fmt: skip
NUMBERS_OF = {
    "percentile": ("Low %", "High %"),
    "mean-sd": None,
    "fixed": ("Mean", "Deviation"),
    "range": ("Black", "White"),
    "none": None,
}
"""What a normalisation's two numbers are called; None where it takes none."""


class Cell(QWidget):
    """An editor, and below it in grey why its value was guessed so."""

    def __init__(self, editor: QWidget) -> None:
        super().__init__()
        self._reason = QLabel("")
        self._reason.setWordWrap(True)
        self._reason.setStyleSheet(REASON)
        editor.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        column = column_in(self)
        column.setSpacing(0)
        column.addWidget(editor)
        column.addWidget(self._reason)

    def show_reason(self, reason: str) -> None:
        """Say why; nothing where the value is the user's own."""
        self._reason.setText(reason)
        self._reason.setVisible(bool(reason))


class ConventionForm(QWidget):
    """Fields for all conventions in three groups; `edited` carries what they say together."""

    edited = Signal(object)
    """The new Conventions."""
    refused = Signal(str)
    """What the fields say cannot be; the sentence says why."""

    def __init__(self) -> None:
        super().__init__()
        self.editors: dict[str, Editor] = {}
        self._rows: dict[str, tuple[QFormLayout, QLabel, Cell]] = {}
        self._calm = CalmWheel()
        self._shown: Conventions | None = None
        column = column_in(self)
        for title, rows in GROUPS:
            column.addWidget(_heading(title))
            body = QWidget()
            form = form_in(body)
            for row in rows:
                self._add(form, row)
            column.addWidget(body)

    def show_conventions(self, conventions: Conventions, reasons: Mapping[str, str]) -> None:
        """Fill the fields, and write below each why it was guessed so; the same conventions leave them as they are."""
        if conventions is self._shown:
            return
        self._shown = conventions
        for name, editor in self.editors.items():
            editor.show_value(getattr(conventions, name))
            self._rows[name][2].show_reason(reasons.get(name, ""))
        self._show_numbers(conventions.normalise)

    def conventions(self) -> Conventions:
        """Return what the fields say.

        Raises
        ------
        ValueError
            Where they contradict each other; one sentence says how.
        """
        return Conventions(**{name: editor.value() for name, editor in self.editors.items()})

    def _add(self, form: QFormLayout, row: Row) -> None:
        editor = row.make()
        editor.setObjectName(row.name)
        editor.setToolTip(row.tip)
        self._calm.guard(editor)
        label, cell = caption(row.text), Cell(editor)
        label.setToolTip(row.tip)
        form.addRow(label, cell)
        editor.edited.connect(partial(self._on_edited, row.name))
        self.editors[row.name], self._rows[row.name] = editor, (form, label, cell)

    def _on_edited(self, name: str) -> None:
        """A field that was changed was not guessed any more."""
        self._rows[name][2].show_reason("")
        try:
            self._show_numbers(self.editors["normalise"].value())
            conventions = self.conventions()
        except ValueError as problem:
            self.refused.emit(str(problem))
            return
        self._shown = conventions
        self.edited.emit(conventions)

    def _show_numbers(self, normalise: str) -> None:
        """Name the two numbers of a normalisation, or hide them."""
        names = NUMBERS_OF[normalise]
        for field in ("means", "deviations"):
            form, _, cell = self._rows[field]
            form.setRowVisible(cell, normalise == "fixed")
        for k, field in enumerate(("low", "high")):
            form, label, cell = self._rows[field]
            form.setRowVisible(cell, names is not None)
            if names is not None:
                label.setText(names[k])


def _heading(text: str) -> QLabel:
    heading = QLabel(text)
    heading.setStyleSheet("font-weight: 600;")
    return heading
