"""LivePreview: the object being drawn, laid over the image; what its newest answer changed stands out for a moment."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.masks import Prediction
from napari_clickseg.gui.layers import ClickLayers
from napari_clickseg.gui.preview import changed_region, picture
from napari_clickseg.gui.work import Work
from napari_clickseg.session.session import Session

FLASH_MS = 450
"""How long the pixels gained and lost by an answer stand out."""


class LivePreview:
    """Mutable: remembers what it shows, so that what did not change is not drawn again.

    Parameters
    ----------
    viewer : napari.Viewer
        Its sliders tell which frame is in view.
    layers : ClickLayers
        Has the layer to draw into.
    """

    def __init__(self, viewer: Any, layers: ClickLayers) -> None:
        self._viewer = viewer
        self._layers = layers
        self._opacity = 0.9
        self._shown: tuple[Session, int, Prediction, Prediction] | None = None
        self._viewed: object = None
        self._flashes = 0

    @property
    def opacity(self) -> float:
        """How strongly it shows, from the next drawing on."""
        return self._opacity

    @opacity.setter
    def opacity(self, opacity: float) -> None:
        self._opacity = opacity

    def show(self, work: Work, flash: bool = True) -> None:
        """Show the object on the frame in view; where it is the newest answer to the same object, with what changed."""
        session = work.session
        frame = work.frame_at(self._viewer.dims.point)
        shown = session.state.masks.get(frame)
        if shown is None or session.ndim != 2:
            self.hide()
            return
        before = self._before(session, shown) if flash else None
        view = (session, shown, before, frame, session.threshold, session.protect, self._opacity)
        if flash and before is None and view == self._viewed:
            return
        drawn = as_drawn(session, frame, shown)
        self._shown, self._viewed = (session, session.label, shown, drawn), view
        region = changed_region(drawn, before, session.threshold)
        if region is None:
            self._layers.hide_preview()
            return
        painted = picture(drawn, before, session.threshold, region)
        self._layers.show_preview(painted, (*frame, *region.start), self._opacity)
        if before is not None:
            self._flashes += 1
            QTimer.singleShot(FLASH_MS, partial(self._on_flash_over, work, self._flashes))

    def renew(self, work: Work) -> None:
        """Draw again, as after the image moved or the layer was made anew."""
        self._viewed = None
        self.show(work, flash=False)

    def hide(self) -> None:
        """Show nothing; a flash that is still on comes to nothing."""
        self._flashes += 1
        self._shown = self._viewed = None
        self._layers.hide_preview()

    def _before(self, session: Session, shown: Prediction) -> Prediction | None:
        """What was drawn of the same object until now; None where that is the same."""
        if self._shown is None:
            return None
        whose, label, former, drawn = self._shown
        same_object = whose is session and label == session.label
        return drawn if same_object and former is not shown else None

    def _on_flash_over(self, work: Work, number: int) -> None:
        if number == self._flashes:
            self.show(work, flash=False)


def as_drawn(session: Session, frame: Frame, shown: Prediction) -> Prediction:
    """Return what of a mask stands in the labels: pixels of other objects do not, where those are protected."""
    region = shown.region.clip(session.image.frame_shape(session.ndim))
    there = np.asarray(session.labels[region.at_frame(frame).slices]).reshape(region.shape)
    return Prediction.from_mask(shown.mask_on(region, session.threshold) & (there == session.label), region)
