"""CorrectionsPanel: what can be done with objects that are there already, as one compact block."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSize
from qtpy.QtGui import QIntValidator, QResizeEvent
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_clickseg.gui.view.protocol import Option, Requests
from napari_clickseg.gui.view.widgets import (
    GAP,
    ActionButton,
    NumberField,
    Picker,
    caption,
    column_in,
    form_in,
    side_by_side,
    title,
)

TOOLS = ("box", "lasso", "stroke")
BUTTONS = ("take_up", "join", "split", "delete", "fill", "relabel", "swap", "copy_previous")
OF_FRAMES = ("copy_previous",)
COLUMNS = (3, 2)
"""Of buttons, where there is room for three, and where the panel is narrow."""
EXTENTS = (
    Option("this frame", "frame", "Join, Delete, Number and Swap act on the frame in view only."),
    Option("from here on", "onwards", "Join, Delete, Number and Swap act on the frame in view and on those after it."),
    Option("all frames", "all", "Join, Delete, Number and Swap act on every frame."),
)


class ButtonGrid(QWidget):
    """Buttons in columns, as many as the width has room for."""

    def __init__(self, buttons: Sequence[QWidget]) -> None:
        super().__init__()
        self._buttons = tuple(buttons)
        self._columns = 0
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(GAP - 2)
        self._arrange(COLUMNS[0])

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As wide as the fewest columns."""
        return QSize(self._width(COLUMNS[-1]), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Take as many columns as there is room for."""
        super().resizeEvent(event)
        self._arrange(next((n for n in COLUMNS if self._width(n) <= event.size().width()), COLUMNS[-1]))

    def _width(self, columns: int) -> int:
        """How wide so many columns are at least."""
        widths = [int(button.minimumSizeHint().width()) for button in self._buttons]
        return sum(max(widths[k::columns]) for k in range(columns)) + (columns - 1) * int(self._grid.spacing())

    def _arrange(self, columns: int) -> None:
        if columns == self._columns:
            return
        self._columns = columns
        for k, button in enumerate(self._buttons):
            self._grid.addWidget(button, k // columns, k % columns)
        for k in range(COLUMNS[0]):
            self._grid.setColumnStretch(k, int(k < columns))


class CorrectionsPanel(QWidget):
    """Buttons, on which frames they act, and a field for a new number that shows only while one is asked for."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self.buttons = {name: ActionButton(name, requests.action.emit) for name in (*TOOLS, *BUTTONS)}
        self._tools, self._verbs = (ButtonGrid([self.buttons[name] for name in names]) for names in (TOOLS, BUTTONS))
        self.extent = Picker("On which frames Join, Delete, Number and Swap act.")
        self.extent.show_options(EXTENTS, "frame")
        self.extent.picked.connect(requests.extent_chosen.emit)
        self.id_field = NumberField()
        self.id_field.setValidator(QIntValidator(1, 2**31 - 1, self))
        self.id_field.setPlaceholderText("number, then Enter")
        self.id_field.setObjectName("new_id")
        self.id_field.given.connect(requests.id_given.emit)
        self.id_field.left.connect(requests.id_left.emit)
        self._question = QLabel("")
        self._asking = side_by_side(self._question, self.id_field)
        self._asking.setVisible(False)
        self._asked: int | None = None
        self._where = QWidget()
        form_in(self._where).addRow(caption("Act on"), self.extent)
        column = column_in(self)
        column.addWidget(title("Draw with one drag"))
        column.addWidget(self._tools)
        column.addWidget(title("Correct objects"))
        column.addWidget(self._asking)
        column.addWidget(self._verbs)
        column.addWidget(self._where)

    def show_frames(self, there: bool) -> None:
        """Show what makes sense only where the image has frames."""
        self._where.setVisible(there)
        for name in OF_FRAMES:
            self.buttons[name].setVisible(there)

    def show_armed(self, action: str) -> None:
        """Light the button of the armed tool."""
        for name, button in self.buttons.items():
            button.show_armed(name == action)

    def show_extent(self, extent: str) -> None:
        """Show on which frames corrections act."""
        self.extent.show_options(EXTENTS, extent)

    def ask_id(self, label: int | None) -> None:
        """Ask for the new number of an object; None asks no more."""
        if label == self._asked:
            return
        self._asked = label
        self._asking.setVisible(label is not None)
        if label is not None:
            self._question.setText(f"New number of object {label}:")
            self.id_field.clear()
            self.id_field.setFocus()
