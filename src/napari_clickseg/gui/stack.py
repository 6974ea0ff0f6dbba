"""Stack: the panel as a whole, its parts in a column. It takes what a conductor shows and passes requests on."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_clickseg.gui.fields import GAP, StatusLine
from napari_clickseg.gui.panels import AdvancedPanel, ModelPanel, ObjectPanel, PickersPanel, ViewPanel
from napari_clickseg.gui.shown import Picks, Standing
from napari_clickseg.gui.status import Status
from napari_clickseg.models.registry import ModelEntry

NARROWEST, WIDTH = 300, 375


class PanelStack(QScrollArea):
    """All parts in a column that scrolls where the window is low; the `Panel` of a conductor."""

    requested = Signal(str, object)

    def __init__(self, models: Sequence[ModelEntry], device: str = "auto") -> None:
        super().__init__()
        self.pickers = PickersPanel()
        self.status = StatusLine()
        self.object = ObjectPanel()
        self.view = ViewPanel()
        self.model = ModelPanel(models)
        self.advanced = AdvancedPanel(device)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(GAP, GAP, GAP, GAP)
        column.setSpacing(GAP + 2)
        for part in (self.pickers, self.status, self.object, _line(), self.view, self.model, self.advanced):
            column.addWidget(part)
        column.addStretch(1)
        for part in (self.pickers, self.object, self.view, self.model, self.advanced):
            part.requested.connect(self.requested)
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(NARROWEST)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As wide as napari's dock title needs."""
        return QSize(WIDTH, 720)

    def show_picks(self, picks: Picks) -> None:
        self.pickers.show_picks(picks)

    def show_status(self, news: Status) -> None:
        self.status.show_status(news)

    def show_standing(self, standing: Standing) -> None:
        self.object.show_standing(standing)
        self.view.show_threshold(standing.threshold)

    def show_diameter(self, diameter: float | None, automatic: bool) -> None:
        self.view.show_diameter(diameter, automatic)

    def show_model(self, name: str, state: str) -> None:
        self.model.show_model(name, state)

    def show_devices(self, devices: tuple[str, ...]) -> None:
        self.advanced.show_devices(devices)


def _line() -> QFrame:
    line = QFrame()
    line.setFixedHeight(1)
    line.setStyleSheet("background: rgba(128, 128, 128, 80);")
    return line
