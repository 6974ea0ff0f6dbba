"""Stack: the panel as a whole, its parts in a column. It takes what a conductor shows and passes requests on."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QFrame, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from napari_clickseg.gui.view.corrections_panel import CorrectionsPanel
from napari_clickseg.gui.view.files_panel import OfferLine, SaveRow
from napari_clickseg.gui.view.frames_panel import FramesPanel
from napari_clickseg.gui.view.import_assistant import Assistant
from napari_clickseg.gui.view.layer_panel import PickersPanel
from napari_clickseg.gui.view.model_panel import ModelPanel
from napari_clickseg.gui.view.object_panel import AdvancedPanel, ObjectPanel, ViewPanel
from napari_clickseg.gui.view.protocol import (
    Adding,
    Axis,
    Carry,
    Finding,
    Picks,
    Question,
    Standing,
    Status,
    Strip,
    WholeFrame,
)
from napari_clickseg.gui.view.review_panel import FindingsPanel
from napari_clickseg.gui.view.suggestions_panel import WholePanel
from napari_clickseg.gui.view.widgets import GAP, Fold, StatusLine, column_in
from napari_clickseg.models.registry import ModelEntry


class SequenceParts(QWidget):
    """The `SequencePanel` of a conductor. Frames and review are there only where the image has frames."""

    requested = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.offer = OfferLine()
        self.frames = FramesPanel()
        self.findings = FindingsPanel()
        self.corrections = CorrectionsPanel()
        self.correct = Fold("Correct", self.corrections)
        self.save = SaveRow()
        column = column_in(self)
        column.setSpacing(GAP - 2)
        for part in (self.offer, self.frames, self.findings, self.correct, self.save):
            column.addWidget(part)
        for part in (self.offer, self.frames, self.findings, self.corrections, self.save):
            part.requested.connect(self.requested)
        self.show_strip(None)

    def show_strip(self, strip: Strip | None) -> None:
        self.frames.show_strip(strip)
        self.findings.setVisible(strip is not None)
        self.corrections.show_frames(strip is not None)
        if strip is not None:
            self.findings.show_confirmed(strip.states[strip.current] == "confirmed")

    def show_carry(self, carry: Carry) -> None:
        self.frames.show_carry(carry)

    def show_axes(self, axes: Sequence[Axis]) -> None:
        self.frames.show_axes(axes)

    def show_findings(self, findings: Sequence[Finding], chosen: int | None) -> None:
        self.findings.show_findings(findings, chosen)

    def ask_id(self, label: int | None) -> None:
        if label is not None:
            self.correct.unfold()
        self.corrections.ask_id(label)

    def ask_path(self, kind: str, proposed: str) -> None:
        self.save.ask_path(kind, proposed)

    def show_offer(self, text: str) -> None:
        self.offer.show_offer(text)


NARROWEST, WIDTH = 300, 375


class PanelStack(QStackedWidget):
    """The `Panel` of a conductor: all parts in a column that scrolls where the window is low, or the assistant."""

    requested = Signal(str, object)

    def __init__(self, device: str = "auto") -> None:
        super().__init__()
        self.pickers = PickersPanel()
        self.status = StatusLine()
        self.object = ObjectPanel()
        self.sequence = SequenceParts()
        self.view = ViewPanel()
        self.model = ModelPanel()
        self.whole = WholePanel()
        self.advanced = AdvancedPanel(device)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(GAP, GAP, GAP, GAP)
        column.setSpacing(GAP + 2)
        asking = (self.object, self.sequence, self.view, self.model, self.whole, self.advanced)
        for shown in (self.pickers, self.status, *asking[:2], _line(), *asking[2:]):
            column.addWidget(shown)
        column.addStretch(1)
        for part in (self.pickers, *asking):
            part.requested.connect(self.requested)
        self._everyday = QScrollArea()
        self._everyday.setWidget(inside)
        self._everyday.setWidgetResizable(True)
        self._everyday.setFrameShape(QFrame.Shape.NoFrame)
        self._everyday.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.assistant = Assistant()
        self.assistant.requested.connect(self.requested)
        self.addWidget(self._everyday)
        self.addWidget(self.assistant)
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

    def show_models(self, models: Sequence[ModelEntry]) -> None:
        self.model.show_models(models)

    def show_question(self, question: Question | None) -> None:
        self.model.show_question(question)

    def show_whole_frame(self, whole: WholeFrame) -> None:
        self.whole.show_whole_frame(whole)

    def show_adding(self, adding: Adding | None) -> None:
        """Put the assistant in place of the panel; None brings the panel back."""
        if adding is not None:
            self.assistant.show_adding(adding)
        self.setCurrentWidget(self._everyday if adding is None else self.assistant)


def _line() -> QFrame:
    line = QFrame()
    line.setFixedHeight(1)
    line.setStyleSheet("background: rgba(128, 128, 128, 80);")
    return line
