"""ClassesPanel: the list of classes with their colours, and what gives and proposes them."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QLabel, QListWidget, QListWidgetItem, QWidget

from napari_clickseg.gui.view.protocol import ClassesState, Requests
from napari_clickseg.gui.view.widgets import GAP, GREY, ActionButton, BusyBar, column_in, plain_button, row_of

ROWS = 4
"""Of the list that are seen at once."""
SWATCH = 12
EMPTY = "Point at an object and press the key, or add a class. A double click renames one."


class ClassesPanel(QWidget):
    """A short list to choose from and to edit, and buttons."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self._requests = requests
        self._shown = ClassesState()
        self.list = QListWidget()
        self.list.setObjectName("classes")
        self.list.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.list.setMaximumHeight(ROWS * (self.list.fontMetrics().lineSpacing() + GAP) + GAP)
        self.list.itemClicked.connect(lambda item: requests.class_chosen.emit(_name(item)))
        self.list.itemChanged.connect(self._on_item_changed)
        self.add = plain_button("Add", "add_class", "Add a class; a double click on it renames it.")
        self.add.clicked.connect(lambda: requests.class_added.emit())
        self.remove = plain_button("Remove", "remove_class", "Take the chosen class from the list.")
        self.remove.clicked.connect(lambda: requests.class_removed.emit(self._shown.chosen))
        self.give = ActionButton("classify", requests.action.emit)
        self.following = ActionButton("next_class", requests.action.emit)
        self.propose = ActionButton("propose_classes", requests.action.emit)
        self.accept = ActionButton("accept_classes", requests.action.emit)
        self.busy = BusyBar()
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setStyleSheet(GREY)
        column = column_in(self)
        for part in (
            self.list,
            row_of(self.add, self.remove),
            row_of(self.give, self.following),
            row_of(self.propose, self.accept),
            self.busy,
            self.note,
        ):
            column.addWidget(part)
        self.show_classes(self._shown)

    def show_classes(self, state: ClassesState) -> None:
        """Show the classes, how many objects have each, and how many are proposed."""
        self._shown = state
        self.list.blockSignals(True)
        self.list.clear()
        for name, colour, count in state.rows:
            swatch = QPixmap(SWATCH, SWATCH)
            swatch.fill(QColor(*colour))
            item = QListWidgetItem(QIcon(swatch), name)
            item.setData(Qt.ItemDataRole.UserRole, name)
            item.setToolTip(f"{count} objects")
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
            self.list.addItem(item)
            if name == state.chosen:
                self.list.setCurrentItem(item)
        self.list.blockSignals(False)
        self.list.setVisible(bool(state.rows))
        self.remove.setEnabled(bool(state.chosen))
        self.following.setEnabled(len(state.rows) > 1)
        for button in (self.add, self.give):
            button.setEnabled(state.there)
        self.propose.setEnabled(state.there and sum(count > 0 for _, _, count in state.rows) > 1)
        self.propose.say("Propose none" if state.proposed else "Stop" if state.busy else "Propose")
        self.accept.setEnabled(state.proposed > 0)
        self.busy.setVisible(state.busy)
        proposed = f"{state.proposed} proposed: broken lines in the colour of the class." if state.proposed else ""
        self.note.setText(proposed if state.rows else EMPTY)

    def show_armed(self, action: str) -> None:
        """Mark the tool that waits for the canvas."""
        self.give.show_armed(action == "classify")

    def _on_item_changed(self, item: QListWidgetItem) -> None:
        if item.text() != _name(item):
            self._requests.class_renamed.emit(_name(item), item.text())


def _name(item: QListWidgetItem) -> str:
    """The class of a row, as it is called now, whatever was typed."""
    return str(item.data(Qt.ItemDataRole.UserRole))
