"""Channel contrast: the channel chosen is the one in view, and each channel keeps the contrast it was given.

Napari has one contrast for all channels of a layer, so that a dim stain beside a bright one is black.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

if TYPE_CHECKING:
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.viewport import Viewport
    from napari_clickseg.gui.workspace import Workspace

SAMPLED = 2048
"""Rows and columns that are looked at for a first contrast."""
Limits = dict[int, tuple[float, float]]


class ChannelContrast:
    """Mutable: the contrast of each channel that was in view, by image layer.

    Parameters
    ----------
    viewer : napari.Viewer
    workspace, viewport
        Which channel is chosen, and when the sliders are moved.
    """

    def __init__(self, viewer: Any, workspace: Workspace, viewport: Viewport) -> None:
        self._viewer = viewer
        self._workspace = workspace
        self._known: WeakKeyDictionary[Any, Limits] = WeakKeyDictionary()
        self._layer: Any = None
        self._index = 0
        workspace.switched.connect(self._on_workspace_switched)
        viewport.stepped.connect(self._on_viewport_stepped)

    def _on_workspace_switched(self, pair: LayerPair | None) -> None:
        """Show the channel that was chosen."""
        if pair is not None and pair.channel is not None and pair.channel.index is not None:
            if pair.image_layer is self._layer:
                self._follow(pair)
            else:
                self._layer = None  # what napari shows of a new layer is nobody's choice of a contrast
            self._viewer.dims.set_current_step(self._slider(pair), pair.channel.index)
        self._on_viewport_stepped()

    def _on_viewport_stepped(self) -> None:
        pair = self._workspace.current
        if pair is None or pair.channel is None or pair.image_layer not in self._viewer.layers:
            self._layer = None
        else:
            self._follow(pair)

    def _follow(self, pair: LayerPair) -> None:
        """Note the contrast of the channel that was in view, and give the one in view now its own."""
        layer, index = pair.image_layer, int(self._viewer.dims.current_step[self._slider(pair)])
        known = self._known.setdefault(layer, {})
        if layer is self._layer and index != self._index:
            known[self._index] = tuple(layer.contrast_limits)
            layer.contrast_limits = known[index] if index in known else self._span(layer)
        self._layer, self._index = layer, index

    def _span(self, layer: Any) -> tuple[float, float]:
        """The lowest and the highest value of the plane in view; of every n-th pixel where it is large."""
        data = layer.data[-1] if layer.multiscale else layer.data
        steps = self._viewer.dims.current_step[-data.ndim : -2]
        where = [min(step, size - 1) for step, size in zip(steps, data.shape, strict=False)]
        stride = -(-max(data.shape[-2:]) // SAMPLED)
        plane = np.asarray(data[(*where, slice(None, None, stride), slice(None, None, stride))])
        low, high = float(plane.min()), float(plane.max())
        return low, high if high > low else low + 1

    def _slider(self, pair: LayerPair) -> int:
        """The number of the slider that goes through the channels."""
        assert pair.channel is not None
        return int(self._viewer.dims.ndim) - int(pair.image_layer.ndim) + pair.channel.axis
