"""FindingsPanel: the places to look at first, the most doubtful on top."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import QHBoxLayout, QLabel, QTreeWidget, QTreeWidgetItem, QWidget

from napari_clickseg.gui.view.protocol import Finding
from napari_clickseg.gui.view.widgets import GAP, ActionButton, column_in

BUTTONS = ("previous_doubt", "next_doubt", "confirm")
COLUMNS = ("frame", "object", "what is odd")
ROWS = 4
MOST = 500
"""So many places are listed; the next ones follow as these are mended or confirmed."""
QUESTION = "#ffb13d"
"""The colour of an event that the user has to decide."""


class FindingsPanel(QWidget):
    """A list, and the keys that walk along it. A row that is clicked is gone to."""

    requested = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.title = QLabel("Review")
        self.title.setStyleSheet("font-weight: 600;")
        self.count = QLabel("")
        self.count.setStyleSheet("color: rgba(160, 160, 160, 255);")
        self.buttons = {name: ActionButton(name, self.requested.emit) for name in BUTTONS}
        self.list = _table()
        self.list.itemClicked.connect(
            lambda item: self.requested.emit("go_to_finding", self.list.indexOfTopLevelItem(item))
        )
        self._shown: tuple[Finding, ...] = ()
        head, keys = QHBoxLayout(), QHBoxLayout()
        head.addWidget(self.title)
        head.addWidget(self.count, 1)
        keys.setSpacing(GAP)
        for button in self.buttons.values():
            keys.addWidget(button, 1)
        column = column_in(self)
        column.setSpacing(GAP - 2)
        column.addLayout(head)
        column.addWidget(self.list)
        column.addLayout(keys)
        self.show_findings((), None)

    def show_findings(self, findings: Sequence[Finding], chosen: int | None) -> None:
        """List these places, the one that is looked at marked."""
        wanted = tuple(findings[:MOST])
        with QSignalBlocker(self.list):
            if wanted != self._shown:
                self.list.clear()
                self.list.addTopLevelItems([_row(finding) for finding in wanted])
                self._fit_columns(wanted)
                self._shown = wanted
            here = None if chosen is None else self.list.topLevelItem(chosen)
            self.list.setCurrentItem(here)
        self.count.setText(f"{len(findings):,}" if findings else "nothing doubtful")
        self.list.setVisible(bool(findings))
        for name in ("previous_doubt", "next_doubt"):
            self.buttons[name].setEnabled(bool(findings))

    def show_confirmed(self, confirmed: bool) -> None:
        """Show whether the frame in view is confirmed."""
        self.buttons["confirm"].say("Unconfirm" if confirmed else "Confirm")

    def _fit_columns(self, findings: Sequence[Finding]) -> None:
        """Make the first columns as wide as what is in them."""
        metrics = self.list.fontMetrics()
        for column in range(len(COLUMNS) - 1):
            texts = [COLUMNS[column], *(_cells(finding)[column] for finding in findings)]
            self.list.setColumnWidth(column, max(metrics.horizontalAdvance(text) for text in texts) + 2 * GAP)


def _table() -> QTreeWidget:
    table = QTreeWidget()
    table.setHeaderLabels(COLUMNS)
    table.setRootIsDecorated(False)
    table.setUniformRowHeights(True)
    table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    table.setTextElideMode(Qt.TextElideMode.ElideRight)
    table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    table.header().setSectionsMovable(False)
    table.header().setStretchLastSection(True)
    row = table.fontMetrics().lineSpacing() + 6
    table.setFixedHeight((ROWS + 1) * row + 2 * table.frameWidth() + 4)
    return table


def _row(finding: Finding) -> QTreeWidgetItem:
    item = QTreeWidgetItem(_cells(finding))
    item.setToolTip(len(COLUMNS) - 1, finding.text)
    if finding.question:
        item.setForeground(len(COLUMNS) - 1, QBrush(QColor(QUESTION)))
    return item


def _cells(finding: Finding) -> list[str]:
    whose = "" if finding.label is None else str(finding.label)
    return [", ".join(str(k) for k in finding.frame), whose, finding.text]
