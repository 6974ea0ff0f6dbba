"""Expectation: how large the object is that clicks mean, before anything is known of it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from napari_clickseg.engine.pieces import Mask
from napari_clickseg.questions import Request
from napari_clickseg.scale import equivalent_diameter

TYPICAL = 3
"""From so many whole objects in a window on, their median tells how large objects are."""


def typical_diameter(parts: npt.NDArray[np.int32]) -> float | None:
    """Return the median diameter of the objects that lie wholly inside; None where there are fewer than `TYPICAL`."""
    sizes = np.bincount(parts.ravel())
    for axis in range(parts.ndim):
        for end in (0, -1):
            sizes[np.unique(np.take(parts, end, axis))] = 0
    sizes[0] = 0
    whole = sizes[sizes > 0]
    return equivalent_diameter(float(np.median(whole)), parts.ndim) if whole.size >= TYPICAL else None


def expected_diameter(request: Request, guess: float, typical: float | None, mask: Mask) -> float:
    """Return how large the object is likely to be, in pixels.

    As others around it, where the network sees some and nobody said it. For an object that is there already, half-way
    (in octaves) from that to its own size, which counts as at most an octave more: the object may be several, merged.
    """
    usual = typical if typical is not None and (request.estimated or request.prior is not None) else guess
    if not mask.any():
        return usual
    own = equivalent_diameter(int(mask.sum()), mask.ndim)
    return math.sqrt(usual * min(own, 2 * usual))
