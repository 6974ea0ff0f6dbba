"""Editors: one small widget per kind of value in a form; each shows a value, gives it back, tells that it changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QLineEdit, QSpinBox, QWidget

from napari_clickseg.gui.fields import Picker

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
        self._choices = list(choices)
        self.picked.connect(lambda _: self.edited.emit())

    def value(self) -> Any:
        return self.values[self.currentIndex()]

    def show_value(self, value: Any) -> None:
        self.show_choices(self._choices, value)


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
