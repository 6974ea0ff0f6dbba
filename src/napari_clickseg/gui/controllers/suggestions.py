"""Whole: "Segment this frame" finds all objects of the frame in view in the background, and writes them as one step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.edits import Edit
from napari_clickseg.core.jobs import Outcome, Stop
from napari_clickseg.core.requests import Segmenter
from napari_clickseg.gui.background import Background
from napari_clickseg.gui.controllers.models import Answering
from napari_clickseg.gui.controllers.objects import ObjectActs
from napari_clickseg.gui.layer_pair import Work
from napari_clickseg.gui.panel_state import Showing
from napari_clickseg.gui.view import messages as status
from napari_clickseg.gui.view.messages import telling
from napari_clickseg.gui.view.protocol import Panel, WholeFrame
from napari_clickseg.gui.workspace import Desk

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

    work: Work
    frame: Frame
    edit: Edit
    count: int
    seconds: float


class WholeFrames:
    """Mutable: what is being looked for, and what was found and waits for the answer to a click made meanwhile.

    Parameters
    ----------
    viewer : napari.Viewer
        Its sliders tell which frame is in view.
    panel, desk, acts, answering, showing
        See there.
    """

    def __init__(
        self, viewer: Any, panel: Panel, desk: Desk, acts: ObjectActs, answering: Answering, showing: Showing
    ) -> None:
        self._viewer = viewer
        self._panel = panel
        self._desk = desk
        self._acts = acts
        self._answering = answering
        self._showing = showing
        self._background = Background("clickseg-frames")
        self._found: Found | None = None
        self._clock = QTimer()
        self._clock.timeout.connect(self.renew)
        desk.switched.connect(self._on_desk_changed)
        desk.drawn.connect(self._on_desk_changed)

    @property
    def busy(self) -> bool:
        """Whether objects are being looked for, or wait to be written."""
        return self._background.busy or self._found is not None

    def open(self) -> None:
        """Start the thread."""
        self._background.open()

    def close(self) -> None:
        """Call off what runs; nothing is written any more."""
        self._found = None
        self._clock.stop()
        self._background.close()

    # -- requests --------------------------------------------------------------------------------------------------

    def segment_frame(self) -> None:
        """Find all objects of the frame in view, in the background.

        Raises
        ------
        ValueError
            Where the model cannot, is still loading, or the labels are still being read.
        """
        whole, work = self._standing(), self._desk.current
        if not whole.can or work is None:
            raise ValueError(whole.tip)
        if not work.counted:
            raise ValueError(f"{work.labels_layer.name!r} is large and still being read; try again in a moment.")
        if not self.busy:
            frame = work.frame_at(self._viewer.dims.point)
            self._background.submit(partial(_find, work, frame), self._on_outcome)
            self._clock.start(LOOK_MS)
            self.renew()
            self._showing.status(status.LOOKING)

    def call_off(self) -> bool:
        """Stop looking; return False where nothing is being looked for."""
        was_busy = self.busy
        self._found = None
        self._background.cancel()
        if was_busy:
            self.renew()
            self._showing.status(status.CALLED_OFF)
        return was_busy

    def change_model(self) -> None:
        """Another model was chosen: what the former one is looking for is not wanted any more."""
        self.call_off()
        self.renew()

    def renew(self) -> None:
        """Show whether all objects can be found at once now, and whether that is being done."""
        if not self.busy:
            self._clock.stop()
        self._panel.show_whole_frame(self._standing())

    # -- inside ----------------------------------------------------------------------------------------------------

    def _standing(self) -> WholeFrame:
        model = self._answering.model.loaded
        if self._desk.current is None:
            return self._shown(NO_IMAGE)
        if model is None:
            return self._shown(LOADING)
        if not isinstance(model, Segmenter):
            return self._shown(ONE_AT_A_TIME.format(name=model.name))
        return self._shown(READY, can=True)

    def _shown(self, tip: str, can: bool = False) -> WholeFrame:
        return WholeFrame(can, self.busy, tip, self._background.done if self.busy else 0.0)

    def _on_outcome(self, outcome: Outcome) -> None:
        if outcome.error is None:
            self._found = outcome.value
            self._write()
        else:
            self._showing.status(status.not_found(outcome.error))
        self.renew()

    def _write(self) -> None:
        """Write what was found, unless the answer to a click is awaited: that click wins."""
        found = self._found
        if found is None or found.work.session.pending is not None:
            return
        self._found = None
        if found.work in self._desk:
            if found.count:
                with telling(self._panel):
                    found.work.session.edit({found.frame: found.edit})
            self._tell(found)
        self.renew()

    def _tell(self, found: Found) -> None:
        if found.work is self._desk.current:
            self._acts.settle(found.work)
        else:
            found.work.refresh_thumbnail()
        self._showing.status(status.found(found.count, found.seconds))

    def _on_desk_changed(self, work: Work | None) -> None:
        """Write once the session is done with what it does now."""
        if self._found is not None:
            QTimer.singleShot(0, self._write)
        self.renew()


def _find(work: Work, frame: Frame, stop: Stop) -> Found:
    begun = perf_counter()
    edit = work.session.segmented(frame, stop)
    return Found(work, frame, edit, len(np.unique(edit.values[edit.written])), perf_counter() - begun)
