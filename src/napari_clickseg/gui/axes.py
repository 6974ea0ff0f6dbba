"""AxesPanel: what the axes of an image are and how large a pixel is along each; both can be changed."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QSizePolicy, QWidget

from napari_clickseg.gui.fields import Picker, caption, form_in, side_by_side
from napari_clickseg.gui.sequence import Axis

MEANINGS = {"T": "time", "Z": "depth"}
SPACINGS = (1e-6, 1e6)


class AxesPanel(QWidget):
    """A row for each axis. Emits `name_axis` (index, letter) and `set_spacing` (index, size)."""

    requested = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.spacings: list[QDoubleSpinBox] = []
        self.names: list[Picker] = []
        self._axes: tuple[Axis, ...] = ()
        self._form: QFormLayout = form_in(self)

    def show_axes(self, axes: Sequence[Axis]) -> None:
        """Show other axes, if they are others; rows are made anew only where their number changes."""
        wanted = tuple(axes)
        if wanted == self._axes:
            return
        if [axis.leading for axis in wanted] != [axis.leading for axis in self._axes]:
            self._make_rows(wanted)
        self._axes = wanted
        leading = [axis for axis in wanted if axis.leading]
        for picker, axis in zip(self.names, leading, strict=True):
            picker.show_choices(_choices(axis.name), axis.name)
        for field, axis in zip(self.spacings, wanted, strict=True):
            with QSignalBlocker(field):
                field.setSuffix(f" {axis.unit}" if axis.unit else "")
                field.setValue(axis.spacing)

    def _make_rows(self, axes: Sequence[Axis]) -> None:
        while self._form.rowCount():
            self._form.removeRow(0)
        self.names, self.spacings = [], []
        for index, axis in enumerate(axes):
            field = self._spacing(index)
            self.spacings.append(field)
            if axis.leading:
                picker = self._name(index)
                self.names.append(picker)
                self._form.addRow(caption(f"Axis {index}"), side_by_side(picker, field))
            else:
                self._form.addRow(caption(axis.name.lower()), field)

    def _name(self, index: int) -> Picker:
        picker = Picker("What this axis is. Objects are carried along either.")
        picker.picked.connect(lambda name: self.requested.emit("name_axis", (index, name)))
        return picker

    def _spacing(self, index: int) -> QDoubleSpinBox:
        field = QDoubleSpinBox()
        field.setRange(*SPACINGS)
        field.setDecimals(4)
        field.setKeyboardTracking(False)
        field.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        field.setToolTip("The size of a pixel along this axis, or the time between frames.")
        field.valueChanged.connect(lambda value: self.requested.emit("set_spacing", (index, float(value))))
        return field


def _choices(name: str) -> list[tuple[str, str]]:
    known = [(f"{letter.lower()} ({word})", letter) for letter, word in MEANINGS.items()]
    return known if name in MEANINGS else [(name.lower(), name), *known]
