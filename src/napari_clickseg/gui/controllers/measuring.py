"""Measuring: sizes, shapes and intensities of the objects in view stand in napari's features table, kept up to date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_clickseg.gui.view import messages
from napari_clickseg.review.object_features import as_features, measure_frame

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.jobs import Outcome, Stop
    from napari_clickseg.core.object_classes import Classes
    from napari_clickseg.gui.background import Background, Ticket
    from napari_clickseg.gui.controllers.frames import Frames
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.panel_state import Reports
    from napari_clickseg.gui.workspace import Workspace

PATIENCE_MS = 300
"""The table follows so long after the last change."""
Columns = Mapping[str, Sequence[Any]]


class Measuring:
    """Mutable: whether objects are measured, and what is being measured now.

    Parameters
    ----------
    workspace, frames, background, reports
        Where the pairs are, when another frame is in view, on which thread, where sentences go.
    """

    changed = Signal()
    """`enabled` is another one."""

    def __init__(self, workspace: Workspace, frames: Frames, background: Background, reports: Reports) -> None:
        self._workspace = workspace
        self._background = background
        self._reports = reports
        self._ticket: Ticket | None = None
        self._open = self._soon = False
        self.enabled = False
        """Whether objects are measured."""
        self._facts = (workspace.switched, workspace.drawn, workspace.moved, frames.stepped)

    def open(self) -> None:
        """Follow changes from now on."""
        self._open, self._soon = True, False

    def close(self) -> None:
        """Follow them no more; the table stays as it is."""
        self._open = False
        if self._ticket is not None:
            self._ticket.cancel()

    def measure(self) -> None:
        """Measure the objects of the frame in view from now on; again: no more, and the table is emptied."""
        self.enabled = not self.enabled
        pair = self._workspace.current
        for signal in self._facts:
            (signal.connect if self.enabled else signal.disconnect)(self._on_changed)
        if self.enabled:
            self._measure()
        else:
            if self._ticket is not None:
                self._ticket.cancel()
            if pair is not None:
                pair.show_features({})
        self._reports.report(messages.measuring(self.enabled))
        self.changed.emit()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _on_changed(self, *args: object) -> None:
        if self._open and self.enabled and not self._soon:
            self._soon = True
            self._background.later(PATIENCE_MS, self._measure)

    def _measure(self) -> None:
        self._soon = False
        pair = self._workspace.current
        if self._ticket is not None:
            self._ticket.cancel()
        if self._open and self.enabled and pair is not None:
            frame = pair.frame_in_view()
            job = partial(_measured, pair, frame, pair.session.classes)
            receive = partial(self._on_measured, pair, frame)
            self._ticket = self._background.files.submit(job, receive)

    def _on_measured(self, pair: LayerPair, frame: Frame, outcome: Outcome) -> None:
        if pair is not self._workspace.current or not self.enabled:
            return
        if outcome.error is not None:
            self._reports.report(messages.not_measured(outcome.error))
        elif pair.frame_in_view() == frame:
            pair.show_features(outcome.value)


def _measured(pair: LayerPair, frame: Frame, classes: Classes, stop: Stop) -> Columns:
    session = pair.session
    rows = list(measure_frame(session.image, session.labels, frame, session.ndim, classes))
    columns: Columns = as_features(rows)
    return columns
