"""Preview: how the object being drawn looks, as a small picture to lay over the image. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region

Picture = npt.NDArray[np.uint8]
MARGIN = 2
CONTOUR = (64, 224, 255, 255)
FILL = (64, 224, 255, 46)
GAINED = (255, 241, 118, 230)
LOST = (255, 92, 138, 230)
RING = (255, 177, 61, 255)
RING_WIDTH = 1.2
"""Half of it, in pixels."""


def changed_region(shown: Prediction, before: Prediction | None, threshold: float) -> Region | None:
    """Return the smallest region that holds both masks and a margin; None where both are empty."""
    boxes = [_box(prediction, threshold) for prediction in (shown, before) if prediction is not None]
    regions = [box for box in boxes if box is not None]
    if not regions:
        return None
    joined = regions[0]
    for region in regions[1:]:
        joined = joined.union(region)
    return joined.grow(MARGIN)


def picture(shown: Prediction, before: Prediction | None, threshold: float, region: Region) -> Picture:
    """Paint a contour of two pixels with a light fill, and what `shown` gained and lost since `before`.

    Returns
    -------
    ndarray of uint8
        Shape (height, width, 4), one pixel per image pixel of `region`.
    """
    mask = mask_on(shown, threshold, region)
    painted = np.zeros((*region.shape, 4), np.uint8)
    painted[mask] = FILL
    if before is not None:
        old = mask_on(before, threshold, region)
        painted[mask & ~old] = GAINED
        painted[old & ~mask] = LOST
    painted[ndimage.binary_dilation(mask) & ~ndimage.binary_erosion(mask)] = CONTOUR
    return painted


def ring(radius: float) -> Picture:
    """Paint a ring that marks a place, in the middle of the picture.

    >>> ring(3.0).shape
    (11, 11, 4)
    """
    reach = int(np.ceil(radius)) + 2
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    painted = np.zeros((*rows.shape, 4), np.uint8)
    painted[abs(np.hypot(rows, columns) - radius) <= RING_WIDTH] = RING
    return painted


def mask_on(prediction: Prediction, threshold: float, region: Region) -> npt.NDArray[np.bool_]:
    """Return the mask on another region, False where the prediction says nothing."""
    mask = np.zeros(region.shape, bool)
    shared = prediction.region.intersection(region)
    if shared.size:
        there = prediction.mask(threshold)
        mask[shared.within(region).slices] = there[shared.within(prediction.region).slices]
    return mask


def _box(prediction: Prediction, threshold: float) -> Region | None:
    box = Region.of_mask(prediction.mask(threshold))
    if box is None:
        return None
    start = prediction.region.start
    return Region(
        tuple(a + s for a, s in zip(box.start, start, strict=True)),
        tuple(b + s for b, s in zip(box.stop, start, strict=True)),
    )
