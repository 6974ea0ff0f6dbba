"""Alignment: whether a Labels layer lies on its image, pixel on pixel.

Labels are drawn pixel by pixel, so their layer must lie where the image's does. One that nobody has placed anywhere is
put there; one that somebody has placed elsewhere is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.gui.placement import Placement, unit_ratios, world_matrix
from napari_clickseg.gui.plugin_layers import assign

Matrix = npt.NDArray[np.float64]
OFF = 0.25
"""Layers that are nowhere further apart than this share of a pixel lie on each other."""


def fits(placement: Placement, layer: Any) -> bool:
    """Return whether a Labels layer has the shape that the labels of an image need, axes of length one apart."""
    array = _finest(layer)
    exact = tuple(array.shape) == placement.labels_shape
    return exact or (_in_memory(layer) and _without_ones(array.shape) == _without_ones(placement.labels_shape))


def why_not_aligned(placement: Placement, layer: Any) -> str:
    """Return why a Labels layer that fits cannot be put onto its image, as a sentence; "" where it can."""
    if is_aligned(placement, layer) or _nobody_placed(layer) or _differ_in_scale_alone(placement, layer):
        return ""
    return (
        f"The Labels layer {layer.name!r} lies elsewhere in the world than the image, so their pixels do not meet. "
        "Give it the image's scale, translate and rotate, or pick another one or a new one."
    )


def is_aligned(placement: Placement, layer: Any) -> bool:
    """Return whether the pixels of a Labels layer that fits lie on those of its image."""
    ours, theirs = _on_common_axes(placement, layer)
    count = len(ours) - 1
    sides = np.asarray(placement.labels_shape[len(placement.labels_shape) - count :], float) - 1
    corners = np.vstack([np.zeros(count), np.diag(sides), sides])
    apart = (theirs - ours)[:-1] @ np.column_stack([corners, np.ones(len(corners))]).T
    return bool(np.all(np.abs(np.linalg.solve(ours[:-1, :-1], apart)) <= OFF))


def put_in_place(placement: Placement, layer: Any) -> bool:
    """Put a Labels layer that fits onto its image; return whether it lay elsewhere before.

    Its axes of length one become those of the image; its data go on sharing memory with what they were.

    Raises
    ------
    ValueError
        Where somebody has placed it elsewhere.
    """
    problem = why_not_aligned(placement, layer)
    if problem:
        raise ValueError(problem)
    moved = not is_aligned(placement, layer)
    if tuple(_finest(layer).shape) != placement.labels_shape:
        layer.data = with_ones(layer.data, placement.labels_shape)
    assign(layer, **placement.options)
    return moved


def with_ones(array: npt.NDArray[Any], shape: Sequence[int]) -> npt.NDArray[Any]:
    """Return an array with the axes of length one of a shape, sharing memory; unchanged where the rest differs.

    >>> with_ones(np.zeros((40, 50)), (1, 40, 50)).shape, with_ones(np.zeros((40, 50)), (50, 40)).shape
    ((1, 40, 50), (40, 50))
    """
    if _without_ones(array.shape) != _without_ones(shape):
        return array
    bare = array[tuple(0 if n == 1 else slice(None) for n in array.shape)]
    return np.asarray(bare[tuple(np.newaxis if n == 1 else slice(None) for n in shape)])


# -- inside ------------------------------------------------------------------------------------------------------------


def _finest(layer: Any) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


def _in_memory(layer: Any) -> bool:
    """Whether axes can be put into the data, or taken out: arrays on disk would be copied, napari's pyramids fail."""
    return not layer.multiscale and isinstance(layer.data, np.ndarray)


def _without_ones(shape: Sequence[int]) -> tuple[int, ...]:
    """The lengths of the axes that hold more than one.

    >>> _without_ones((1, 40, 1, 50))
    (40, 50)
    """
    return tuple(n for n in shape if n != 1)


def _on_common_axes(placement: Placement, layer: Any) -> tuple[Matrix, Matrix]:
    """The maps from pixels to the world of the image and of the layer, in units of the image, along their last axes."""
    ours, theirs = placement.matrix, world_matrix(layer)
    count = min(len(ours), len(theirs)) - 1
    factors = np.ones(len(theirs))
    factors[:-1] = unit_ratios(getattr(layer, "units", None), placement.options.get("units"), len(theirs) - 1)
    theirs = factors[:, np.newaxis] * theirs
    return ours[-count - 1 :, -count - 1 :], theirs[-count - 1 :, -count - 1 :]


def _nobody_placed(layer: Any) -> bool:
    """Whether a layer lies where napari puts it if nothing is set."""
    return bool(np.allclose(world_matrix(layer), np.eye(layer.ndim + 1)))


def _differ_in_scale_alone(placement: Placement, layer: Any) -> bool:
    """Whether two layers begin at the same place, or the labels at none, and neither is turned."""
    ours, theirs = _on_common_axes(placement, layer)
    straight = all(np.allclose(m[:-1, :-1], np.diag(np.diag(m)[:-1])) for m in (ours, theirs))
    begins = np.allclose(theirs[:-1, -1], 0) or np.allclose(theirs[:-1, -1], ours[:-1, -1])
    return straight and bool(begins) and bool((np.diag(theirs) > 0).all())
