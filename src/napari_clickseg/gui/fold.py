"""Fold: a part of the panel that is folded away under its title until it is wanted."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QToolButton, QWidget

from napari_clickseg.gui.fields import column_in


class Fold(QWidget):
    """A title that shows and hides what lies below it.

    Parameters
    ----------
    title : str
    body : QWidget
        What is hidden while folded, as it is to begin with.
    """

    def __init__(self, title: str, body: QWidget) -> None:
        super().__init__()
        self.title = QToolButton()
        self.title.setText(title)
        self.title.setCheckable(True)
        self.title.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.title.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.title.setStyleSheet("QToolButton { border: none; background: transparent; padding: 2px 0; }")
        self.title.toggled.connect(self._on_title_toggled)
        self._body = body
        column = column_in(self)
        column.addWidget(self.title)
        column.addWidget(body)
        self._on_title_toggled(False)

    def unfold(self) -> None:
        """Show what lies below the title."""
        self.title.setChecked(True)

    def _on_title_toggled(self, unfolded: bool) -> None:
        self.title.setArrowType(Qt.ArrowType.DownArrow if unfolded else Qt.ArrowType.RightArrow)
        self._body.setVisible(unfolded)
