"""ReviewPanel: the places to look at first, the most doubtful on top, and the likely repair of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import QHBoxLayout, QLabel, QTreeWidget, QTreeWidgetItem, QWidget

from napari_clickseg.gui.view.widgets import GAP, GREY, ActionButton, column_in, plain_button, title

if TYPE_CHECKING:
    from napari_clickseg.gui.view.protocol import Requests
    from napari_clickseg.review.findings import Finding

BUTTONS = ("previous_doubt", "next_doubt", "confirm")
COLUMNS = ("frame", "object", "what is odd", "repair")
ROWS = 4
MOST = 500
"""So many places are listed; the next ones follow as these are mended or confirmed."""
QUESTION = "#ffb13d"
"""The colour of an event that the user has to decide."""


class ReviewPanel(QWidget):
    """A list, and the keys that walk along it. A row that is clicked is gone to; its repair is one button."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self._requests = requests
        self.count = QLabel("")
        self.count.setStyleSheet(GREY)
        self.buttons = {name: ActionButton(name, requests.action.emit) for name in BUTTONS}
        self.list = _table()
        self.list.itemClicked.connect(lambda item: requests.finding_chosen.emit(self.list.indexOfTopLevelItem(item)))
        self.repair = plain_button("", "repair", "The likely repair of the place that is looked at.")
        self.repair.setMinimumHeight(0)
        self.repair.setFixedHeight(self.repair.fontMetrics().lineSpacing() + 10)
        policy = self.repair.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.repair.setSizePolicy(policy)
        self.repair.clicked.connect(self._on_repair)
        self._shown: tuple[Finding, ...] = ()
        self._chosen: int | None = None
        head, keys = QHBoxLayout(), QHBoxLayout()
        head.addWidget(title("Review"))
        head.addWidget(self.count, 1)
        head.addWidget(self.repair)
        keys.setSpacing(GAP - 2)
        for button in self.buttons.values():
            keys.addWidget(button, 1)
        column = column_in(self)
        column.setSpacing(GAP - 2)
        column.addLayout(head)
        column.addWidget(self.list)
        column.addLayout(keys)
        self.show_findings((), None)

    def show_unit(self, unit: str) -> None:
        """Call frames so: "frame" or "plane"."""
        self.list.headerItem().setText(0, unit)

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
        self._chosen = chosen
        repair = None if chosen is None or chosen >= len(wanted) else wanted[chosen].repair
        self.repair.setText("" if repair is None else repair.caption)
        self.repair.setVisible(repair is not None)
        self.count.setText(f"{len(findings):,}" if findings else "nothing doubtful")
        self.list.setVisible(bool(findings))
        for name in ("previous_doubt", "next_doubt"):
            self.buttons[name].setEnabled(bool(findings))

    def show_confirmed(self, confirmed: bool) -> None:
        """Show whether the frame in view is confirmed."""
        self.buttons["confirm"].say("Unconfirm" if confirmed else "Confirm")

    def _on_repair(self) -> None:
        if self._chosen is not None:
            self._requests.repair_asked.emit(self._chosen)

    def _fit_columns(self, findings: Sequence[Finding]) -> None:
        """Make the columns as wide as what is in them."""
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
    for column in range(len(COLUMNS)):
        item.setToolTip(column, finding.text)
    if finding.question:
        item.setForeground(2, QBrush(QColor(QUESTION)))
    return item


def _cells(finding: Finding) -> list[str]:
    whose = "" if finding.label is None else str(finding.label)
    repair = "" if finding.repair is None else finding.repair.caption
    return [", ".join(str(k) for k in finding.frame), whose, finding.brief or finding.text, repair]
