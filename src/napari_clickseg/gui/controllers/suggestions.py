"""Suggestions: all objects of the frame in view are found in the background, and written as one step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.edits import Edit
from napari_clickseg.core.jobs import Stop
from napari_clickseg.core.requests import Segmenter
from napari_clickseg.gui.view import messages
from napari_clickseg.gui.view.protocol import Suggesting

if TYPE_CHECKING:
    from napari_clickseg.core.jobs import Outcome
    from napari_clickseg.gui.background import Background, Ticket
    from napari_clickseg.gui.controllers.models import Models
    from napari_clickseg.gui.controllers.objects import Objects
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.panel_state import Reports
    from napari_clickseg.gui.workspace import Workspace

LOOK_MS = 200
"""So often the bar follows what is done."""
NO_IMAGE = "Open an image first."
ONE_AT_A_TIME = (
    "{name} draws one object at a time. A segmentation network of your own finds all at once: see Add a model."
)
LOADING = "The model is still loading."
READY = "Find all objects of the frame in view. What is protected stays as it is; one Ctrl+Z takes all back."


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """All objects of a frame, as they are to be written; how many, and the seconds it took."""

    pair: LayerPair
    frame: Frame
    edit: Edit
    count: int
    seconds: float


class Suggestions:
    """Mutable: what is being looked for, and what was found and waits for the answer to a click made meanwhile.

    Parameters
    ----------
    workspace, objects, models, background, reports
        Where the pairs are, who shows where things stand, who finds, on which thread, where sentences go.
    """

    changed = Signal()
    """`state` is another one."""

    def __init__(
        self, workspace: Workspace, objects: Objects, models: Models, background: Background, reports: Reports
    ) -> None:
        self._workspace = workspace
        self._objects = objects
        self._models = models
        self._background = background
        self._reports = reports
        self._ticket: Ticket | None = None
        self._found: Found | None = None
        workspace.switched.connect(self._on_workspace_changed)
        workspace.drawn.connect(self._on_workspace_changed)
        models.changed.connect(self.call_off)

    @property
    def busy(self) -> bool:
        """Whether objects are being looked for, or wait to be written."""
        return self._found is not None or (self._ticket is not None and self._ticket.busy)

    @property
    def state(self) -> Suggesting:
        """Whether all objects can be found at once now, and whether that is being done."""
        tip = self._why_not()
        done = 0.0 if self._ticket is None or not self.busy else self._ticket.done
        return Suggesting(not tip, self.busy, tip or READY, done)

    def close(self) -> None:
        """Call off what runs; nothing is written any more."""
        self._found = None
        if self._ticket is not None:
            self._ticket.cancel()

    # -- requests --------------------------------------------------------------------------------------------------

    def segment_frame(self) -> None:
        """Find all objects of the frame in view, in the background.

        Raises
        ------
        ValueError
            Where the model cannot, is still loading, or the labels are still being read.
        """
        tip, pair = self._why_not(), self._workspace.current
        if tip or pair is None:
            raise ValueError(tip)
        if not pair.counted:
            raise ValueError(f"{pair.labels_name!r} is large and still being read; try again in a moment.")
        if not self.busy:
            job = partial(_find, pair, pair.frame_in_view())
            self._ticket = self._background.long.submit(job, self._on_outcome)
            self._follow()
            self._reports.report(messages.LOOKING)

    def call_off(self) -> bool:
        """Stop looking; return False where nothing is being looked for."""
        was_busy = self.busy
        self.close()
        if was_busy:
            self._reports.report(messages.CALLED_OFF)
        return was_busy

    # -- inside ----------------------------------------------------------------------------------------------------

    def _why_not(self) -> str:
        model = self._models.loaded
        if self._workspace.current is None:
            return NO_IMAGE
        if model is None:
            return LOADING
        return "" if isinstance(model, Segmenter) else ONE_AT_A_TIME.format(name=model.name)

    def _follow(self) -> None:
        """Show how far it is, until it is done."""
        self.changed.emit()
        if self.busy:
            self._background.later(LOOK_MS, self._follow)

    def _on_outcome(self, outcome: Outcome) -> None:
        if outcome.error is None:
            self._found = outcome.value
            self._write()
        else:
            self._reports.report(messages.not_found(outcome.error))
        self.changed.emit()

    def _write(self) -> None:
        """Write what was found, unless the answer to a click is awaited: that click wins."""
        found = self._found
        if found is None or found.pair.session.pending is not None:
            return
        self._found = None
        if found.pair in self._workspace:
            if found.count:
                with self._reports.errors():
                    found.pair.session.edit({found.frame: found.edit})
            self._tell(found)
        self.changed.emit()

    def _tell(self, found: Found) -> None:
        if found.pair is self._workspace.current:
            self._objects.settle(found.pair)
        else:
            found.pair.refresh_thumbnail()
        self._reports.report(messages.found(found.count, found.seconds))

    def _on_workspace_changed(self, pair: LayerPair | None) -> None:
        """Write once the session is done with what it does now."""
        if self._found is not None:
            self._background.later(0, self._write)


def _find(pair: LayerPair, frame: Frame, stop: Stop) -> Found:
    begun = perf_counter()
    edit = pair.session.segmented(frame, stop)
    return Found(pair, frame, edit, len(np.unique(edit.values[edit.written])), perf_counter() - begun)
