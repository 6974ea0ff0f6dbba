"""Offers: which layers of a viewer may be picked for what, in the order in which they lie there."""

from __future__ import annotations

from typing import Any

from napari.layers import Image, Labels, Points

from napari_clickseg.gui.geometry import Channel, Placement
from napari_clickseg.gui.ours import MARK, plain, role_of
from napari_clickseg.gui.work import fits

NEW_LAYER = None
"""Picked in place of a Labels layer: make one."""


def images_in(viewer: Any) -> list[Any]:
    """Return the images to segment; the preview is none."""
    return [layer for layer in _layers(viewer) if isinstance(layer, Image) and role_of(layer) is None]


def labels_in(viewer: Any, placement: Placement) -> list[Any]:
    """Return the Labels layers that have the shape an image needs; the answer of a model being added is none."""
    labels = [layer for layer in _layers(viewer) if isinstance(layer, Labels) and role_of(layer) != "trial"]
    return [layer for layer in labels if fits(placement, layer)]


def points_in(viewer: Any, placement: Placement) -> list[Any]:
    """Return the Points layers that have as many axes as the labels of an image."""
    return [layer for layer in _layers(viewer) if isinstance(layer, Points) and layer.ndim == placement.ndim]


def first_labels(viewer: Any, image: Any, channel: Channel | None, active: Any = None) -> Any:
    """Return the Labels layer to begin with: the active one, else one made for this image earlier, else a new one.

    Raises
    ------
    ValueError, TypeError
        Where the image cannot be worked on.
    """
    mine = {"role": "labels", "image": str(image.unique_id)}
    labels = labels_in(viewer, Placement.of(image, channel))
    return next((layer for layer in labels if layer is active or layer.metadata.get(MARK) == mine), NEW_LAYER)


def _layers(viewer: Any) -> list[Any]:
    return [plain(layer) for layer in viewer.layers]
