"""CorrectionsPanel: what can be done with objects that are there already; each button prints its key."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QIntValidator, QKeyEvent
from qtpy.QtWidgets import QGridLayout, QLabel, QLineEdit, QWidget

from napari_clickseg.gui.view.widgets import GAP, ActionButton, Picker, caption, column_in, form_in, side_by_side

BUTTONS = ("join", "split", "delete", "fill", "relabel", "copy_previous")
COLUMNS = 2
EXTENTS = (
    ("on this frame", "frame", "Join, Delete and New id act on the frame in view only."),
    ("from here on", "onwards", "Join, Delete and New id act on the frame in view and on those after it."),
    ("on all frames", "all", "Join, Delete and New id act on every frame."),
)


class CorrectionsPanel(QWidget):
    """Buttons, on which frames they act, and a field for a new id that shows only while one is asked for."""

    requested = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.buttons = {name: ActionButton(name, self.requested.emit, f"pick_{name}") for name in BUTTONS}
        self.extent = Picker("On which frames Join, Delete and New id act.")
        self.extent.show_choices([(text, name) for text, name, _ in EXTENTS], EXTENTS[0][1])
        for row, (_, _, tip) in enumerate(EXTENTS):
            self.extent.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)
        self.extent.picked.connect(lambda name: self.requested.emit("choose_extent", name))
        self.id_field = IdField()
        self.id_field.given.connect(lambda new: self.requested.emit("give_id", new))
        self.id_field.left.connect(lambda: self.requested.emit("leave_id", None))
        self._caption = QLabel("")
        self._asking = side_by_side(self._caption, self.id_field)
        self._asking.setVisible(False)
        self._where = QWidget()
        form_in(self._where).addRow(caption("Act"), self.extent)
        grid = QGridLayout()
        grid.setSpacing(GAP)
        for k, button in enumerate(self.buttons.values()):
            grid.addWidget(button, k // COLUMNS, k % COLUMNS)
            grid.setColumnStretch(k % COLUMNS, 1)
        column = column_in(self)
        column.addWidget(self._asking)
        column.addLayout(grid)
        column.addWidget(self._where)

    def show_frames(self, there: bool) -> None:
        """Show what makes sense only where the image has frames."""
        self._where.setVisible(there)
        self.buttons["copy_previous"].setVisible(there)

    def ask_id(self, label: int | None) -> None:
        """Ask for the new id of an object; None asks no more."""
        self._asking.setVisible(label is not None)
        if label is None:
            return
        self._caption.setText(f"New id of object {label}:")
        self.id_field.clear()
        self.id_field.setFocus()


class IdField(QLineEdit):
    """Takes a whole number; Enter gives it, Esc leaves the field."""

    given = Signal(int)
    left = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setValidator(QIntValidator(1, 2**31 - 1, self))
        self.setPlaceholderText("id, then Enter")
        self.setObjectName("new_id")

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Give or leave; everything else is typing. Enter never goes on to napari, where it would keep an object."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.hasAcceptableInput():
                self.given.emit(int(self.text()))
        elif event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)
