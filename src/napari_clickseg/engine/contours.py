"""Contours: pieces that move the mask's rim as a whole, instead of taking a bite out of it; two dimensions.

A click just inside the rim, or just outside, may mean that the whole outline is too wide or too tight; one inside a
clump, that an edge of the image parts it from what is meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import watershed

from napari_clickseg.engine.outlines import outlines

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float32]
Depth = npt.NDArray[np.float64]
Pixel = tuple[int, ...]

WIDTHS = (1.0, 1.5, 2.0, 3.0)
"""Of rings, in distances from the click to the mask's rim: an error is clicked in its middle."""
ARCS = (0.35, 0.7)
"""How far arcs reach from the click to both sides, in diameters; a ring goes all around."""
THICKEST = 0.35
"""Rings are at most so thick, in diameters."""


def rings(rim: Depth, room: Mask, away: Values, click: Pixel, diameter: float) -> Iterator[Mask]:
    """Yield what lies along the mask's rim, about as deep as the click: all around, and on the click's side only.

    Parameters
    ----------
    rim : ndarray of float64
        Each pixel's distance to the mask's rim, on the click's side of it.
    away : ndarray of float32
        Its distance to the click.
    """
    for width in WIDTHS:
        thick = max(width * float(rim[click]), 1.0)
        if thick <= THICKEST * diameter:
            ring = room & (rim <= thick)
            yield ring
            for arc in ARCS:
                yield ring & (away <= arc * diameter)


def redrawn(
    grey: Values, mask: Mask, room: Mask, middle: Pixel, away: Values, rim: float, diameter: float, positive: bool
) -> Iterator[Mask]:
    """Yield what an outline around the whole object, which follows edges and keeps to the click, adds or takes away."""
    spot = away <= max(rim, 1.0)
    allowed = (mask | room) if positive else ~spot
    for drawn in outlines(grey, allowed, middle, diameter / 2, diameter):
        yield (drawn | spot) & room if positive else room & ~drawn


def basins(grey: Values, mask: Mask, click: Pixel, away: Values, rim: float, kept: Sequence[Pixel]) -> Iterator[Mask]:
    """Yield what lies on the click's side of edges inside a mask; `kept` are pixels on the other side."""
    slope = ndimage.gaussian_gradient_magnitude(grey, 1.0)
    markers = np.zeros(mask.shape, np.int32)
    for pixel in kept:
        markers[pixel] = 2
    markers[mask & (away <= max(rim / 2, 1.0))] = 1
    for surface in (slope, slope * (1 + away / max(rim, 1.0)), np.abs(grey - grey[click])):
        yield watershed(surface, markers, mask=mask) == 1
