"""SequenceParts: what the panel shows of frames, review, corrections, saving and an unfinished session, in a column."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_clickseg.gui.corrections import CorrectionsPanel
from napari_clickseg.gui.fields import GAP, column_in
from napari_clickseg.gui.findings import FindingsPanel
from napari_clickseg.gui.fold import Fold
from napari_clickseg.gui.frames import FramesPanel
from napari_clickseg.gui.offer_line import OfferLine
from napari_clickseg.gui.save_row import SaveRow
from napari_clickseg.gui.sequence import Axis, Carry, Finding, Strip


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
