"""Layer choice: which layers of a viewer may be picked for what, and how a picture of labels is recognised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_clickseg.gui.alignment import fits
from napari_clickseg.gui.plugin_layers import MARK, plain, role_of
from napari_clickseg.gui.view.protocol import Option

if TYPE_CHECKING:
    from napari_clickseg.gui.placement import Placement

NEW_LAYER = None
"""Picked in place of a Labels layer: make one."""
SAMPLED = 512
"""The side of the middle of a picture that is looked at to distinguish labels from an image."""
FLAT = 0.7
"""Labels are flat: so many neighbouring pixels that are not background are equal."""


def images_in(viewer: Any) -> list[Any]:
    """Return the images to segment; the preview is none."""
    return [layer for layer in all_layers(viewer) if isinstance(layer, Image) and role_of(layer) is None]


def labels_in(viewer: Any, placement: Placement) -> list[Any]:
    """Return the Labels layers that have the shape an image needs; the answer of a model being added is none."""
    labels = [layer for layer in all_layers(viewer) if isinstance(layer, Labels) and role_of(layer) != "trial"]
    return [layer for layer in labels if fits(placement, layer)]


def first_labels(viewer: Any, placement: Placement, image: Any, active: Any, taken: list[Any]) -> Any:
    """Return the Labels layer to begin with.

    The active one, else one made for this image earlier, else the only one that fits and is not drawn into for another
    image (`taken`), else a new one.
    """
    mine = {"role": "labels", "image": str(image.unique_id)}
    labels = [layer for layer in labels_in(viewer, placement) if all(layer is not other for other in taken)]
    foreign = [layer for layer in labels if role_of(layer) is None]
    chosen = [layer for layer in foreign if layer is active]
    chosen += [layer for layer in labels if layer.metadata.get(MARK) == mine]
    return next(iter(chosen), foreign[0] if len(foreign) == 1 else NEW_LAYER)


def looks_like_labels(layer: Any) -> bool:
    """Return whether a picture is probably labels: whole numbers, and flat but for the borders of objects."""
    data = layer.data[0] if layer.multiscale else layer.data
    if layer.rgb or not np.issubdtype(data.dtype, np.integer) or min(data.shape[-2:]) < 2:
        return False
    middle = tuple(n // 2 for n in data.shape[:-2])
    rows, columns = (slice(max((n - SAMPLED) // 2, 0), (n + SAMPLED) // 2) for n in data.shape[-2:])
    block = np.asarray(data[(*middle, rows, columns)])
    inside = block[:, 1:] != 0
    if inside.sum() < block.size / 1000 or block.min() < 0 or len(np.unique(block)) < 3:
        return False
    return bool((block[:, 1:] == block[:, :-1])[inside].mean() > FLAT)


def named(layers: list[Any]) -> tuple[Option, ...]:
    """Return layers as rows of a list."""
    return tuple(Option(layer.name, layer) for layer in layers)


def all_layers(viewer: Any) -> list[Any]:
    """Return the layers of a viewer themselves, not napari's proxies."""
    return [plain(layer) for layer in viewer.layers]
