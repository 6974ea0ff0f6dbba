"""Trial: what a model that is being added answers on the frame in view, as a layer that goes when that is settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels

from napari_clickseg.core.clicks import Frame
from napari_clickseg.gui.ours import MARK, assign
from napari_clickseg.gui.work import Work

NAME = "answer of the new model"


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """The objects that a model found on a frame: int32 labels of the frame's shape, how many, and the seconds."""

    frame: Frame
    labels: npt.NDArray[np.int32]
    count: int
    seconds: float


class TrialLayer:
    """Mutable owner of one Labels layer in the place of the objects, which are hidden meanwhile: colours would mix.

    Parameters
    ----------
    viewer : napari.Viewer
        Not a proxy.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layer: Any = None
        self._covered: Any = None
        self._was_visible = True

    def show(self, work: Work, answered: Answered) -> None:
        """Lay an answer over the image of a work; the layer that is active stays so."""
        placement = work.placement
        data = placement.labels_view(answered.labels.reshape((1,) * len(answered.frame) + answered.labels.shape))
        matrix = placement.shifted((*answered.frame, *(0,) * answered.labels.ndim))
        if self._layer not in self._viewer.layers or self._covered is not work.labels_layer:
            self.hide()
            self._add(work, data)
        self._layer.data = data
        self._layer.editable = False
        assign(self._layer, affine=matrix)

    def hide(self) -> None:
        """Take the layer out of the viewer; the objects show again if they did before."""
        if self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        if self._covered is not None and self._was_visible:
            self._covered.visible = True
        self._layer = self._covered = None

    def _add(self, work: Work, data: npt.NDArray[np.int32]) -> None:
        layers, options = self._viewer.layers, work.placement.options
        named = {name: options[name] for name in ("units", "axis_labels") if name in options}
        active = layers.selection.active
        self._layer = Labels(
            data,
            affine=work.placement.matrix,
            name=NAME,
            opacity=0.5,
            metadata={MARK: {"role": "trial"}},
            **named,
        )
        layers.append(self._layer)
        below = work.labels_layer if work.labels_layer in layers else work.image_layer
        layers.move(len(layers) - 1, layers.index(below) + 1)
        layers.selection.active = active
        self._covered, self._was_visible = work.labels_layer, work.labels_layer.visible
        self._covered.visible = False
