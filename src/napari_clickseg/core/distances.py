"""Euclidean distances within masks, in pixels: how deep a pixel lies inside, and how far away it is outside."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Mask = npt.NDArray[np.bool_]
Distances = npt.NDArray[np.float64]


def depth(mask: Mask) -> Distances:
    """Return each pixel's distance to the nearest pixel outside the mask; outside the array counts as outside.

    >>> float(depth(np.ones((3, 3), bool)).max())
    2.0
    """
    inner: Distances = ndimage.distance_transform_edt(np.pad(mask, 1))
    return inner[(slice(1, -1),) * mask.ndim]


def deepest(mask: Mask) -> tuple[int, ...]:
    """Return the pixel with the largest depth: always inside, as the centre of a crescent is not.

    >>> deepest(np.array([[False, True, True, True]] * 3))
    (1, 2)
    """
    inner = depth(mask)
    return tuple(int(p) for p in np.unravel_index(inner.argmax(), inner.shape))


def distance_to(mask: Mask) -> Distances:
    """Return each pixel's distance to the mask, 0 on it; infinite where the mask is empty.

    >>> distance_to(np.array([True, False, False])).tolist()
    [0.0, 1.0, 2.0]
    """
    if not mask.any():
        return np.full(mask.shape, np.inf)
    outer: Distances = ndimage.distance_transform_edt(~mask)
    return outer
