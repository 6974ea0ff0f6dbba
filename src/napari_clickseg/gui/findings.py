"""FindingsPanel: the places to look at first, the most doubtful on top."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import QHBoxLayout, QLabel, QListWidget, QListWidgetItem, QSizePolicy, QWidget

from napari_clickseg.gui.buttons import ActionButton
from napari_clickseg.gui.fields import GAP, column_in
from napari_clickseg.gui.sequence import Finding

BUTTONS = ("previous_doubt", "next_doubt", "confirm")
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
        self.list = QListWidget()
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setUniformItemSizes(True)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        row = self.list.fontMetrics().lineSpacing() + 6
        self.list.setFixedHeight(ROWS * row + 2 * self.list.frameWidth() + 2)
        self._row = QSize(0, row)
        self.list.itemClicked.connect(lambda item: self.requested.emit("go_to_finding", self.list.row(item)))
        self._shown: tuple[Finding, ...] = ()
        head, keys = QHBoxLayout(), QHBoxLayout()
        head.addWidget(self.title)
        head.addWidget(self.count, 1)
        keys.setSpacing(GAP)
        for button in self.buttons.values():
            keys.addWidget(button, 1)
        column = column_in(self)
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
                for finding in wanted:
                    self.list.addItem(self._item(finding))
                self._shown = wanted
            self.list.setCurrentRow(-1 if chosen is None else chosen)
        self.count.setText(f"{len(findings):,}" if findings else "nothing doubtful")
        self.list.setVisible(bool(findings))
        for name in ("previous_doubt", "next_doubt"):
            self.buttons[name].setEnabled(bool(findings))

    def show_confirmed(self, confirmed: bool) -> None:
        """Show whether the frame in view is confirmed."""
        self.buttons["confirm"].say("Unconfirm" if confirmed else "Confirm")

    def _item(self, finding: Finding) -> QListWidgetItem:
        where = ", ".join(str(k) for k in finding.frame)
        whose = "" if finding.label is None or finding.question else f"  object {finding.label}"
        item = QListWidgetItem(f"{where}{whose}:  {finding.text}")
        item.setToolTip(item.text())
        item.setSizeHint(self._row)
        if finding.question:
            item.setForeground(QBrush(QColor(QUESTION)))
        return item
