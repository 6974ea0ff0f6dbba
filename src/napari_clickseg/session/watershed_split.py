"""Splitting: where the border between two parts of an object runs, when a pixel of each is known. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Pixel = tuple[int, ...]

SMOOTHED = 1.0
"""Sigma, in pixels, of the image and the depth that the border follows."""
SURROUNDINGS = 3
"""So many pixels around an object show whether it is brighter or darker than what surrounds it."""
APART = 0.45
"""What surely belongs to a part reaches at most this share of the way to the other one's pixel."""


def second_part(
    grey: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_], pixels: Sequence[Pixel], spacing: Sequence[float]
) -> npt.NDArray[np.bool_]:
    """Return the part of an object that belongs to the second of two pixels.

    A watershed by flooding (Beucher and Lantuejoul 1979) on the object's own pixels. The relief is low where the object
    is thick and where the image is least like what surrounds the object, so the border runs where the object is thin or
    shows its surroundings. The flood starts from the largest disk around each pixel that fits into the object, and
    from the way from there to where the object is thickest: so it does not matter where in its part a pixel lies.

    Parameters
    ----------
    grey : ndarray of float
        Brightness, shape of the mask; a few pixels around the object show what surrounds it.
    mask : ndarray of bool
        The object; what hangs together with neither pixel belongs to the first part.
    pixels : two tuples of int
        Two different pixels of the object.
    spacing : sequence of float
        Size of a pixel along each axis.

    Examples
    --------
    >>> bar = np.ones((1, 7), bool)
    >>> second_part(np.array([[2., 2, 2, 0, 2, 2, 2]]), bar, [(0, 1), (0, 5)], (1, 1)).astype(int)
    array([[0, 0, 0, 0, 1, 1, 1]])
    """
    from skimage.segmentation import watershed

    depth = ndimage.distance_transform_edt(np.pad(mask, 1), spacing)[(slice(1, -1),) * mask.ndim]
    smooth = ndimage.gaussian_filter(depth / depth.max(), SMOOTHED)
    seeds = _disks(depth, pixels, spacing)
    ways = [_way_up(smooth, mask, pixel) for pixel in pixels]
    if not set(ways[0]) & set(ways[1]):
        for number, way in enumerate(ways, 1):
            for pixel in way:
                if seeds[pixel] not in (0, number):
                    break  # beyond the other side's disk it would be a piece apart
                seeds[pixel] = number
    return np.asarray(watershed(-smooth - _unlike_surroundings(grey, mask), seeds, mask=mask) == 2)


def _disks(depth: npt.NDArray[np.float64], pixels: Sequence[Pixel], spacing: Sequence[float]) -> npt.NDArray[np.int32]:
    """Number the pixels around the first and the second one that are nearer to it than the object's rim is."""
    steps = np.array(spacing, float)
    farthest = APART * float(np.linalg.norm((np.array(pixels[0]) - np.array(pixels[1])) * steps))
    seeds = np.zeros(depth.shape, np.int32)
    for number, pixel in enumerate(pixels, 1):
        axes = zip(np.ogrid[tuple(slice(n) for n in depth.shape)], pixel, steps, strict=True)
        away = np.sqrt(sum(((axis - p) * step) ** 2 for axis, p, step in axes))
        seeds[(away <= min(depth[pixel], farthest)) & (depth > 0)] = number
        seeds[pixel] = number
    return seeds


def _way_up(heights: npt.NDArray[np.float64], mask: npt.NDArray[np.bool_], start: Pixel) -> list[Pixel]:
    """The steepest way from a pixel to where it goes up no more; along axes only, so that nothing comes in between."""
    way = [start]
    steps = [step for step in product((-1, 0, 1), repeat=mask.ndim) if sum(map(abs, step)) <= 1]
    while True:
        around = [tuple(p + d for p, d in zip(way[-1], step, strict=True)) for step in steps]
        inside = [p for p in around if all(0 <= k < n for k, n in zip(p, mask.shape, strict=True)) and mask[p]]
        highest = max(inside, key=lambda p: float(heights[p]))
        if heights[highest] <= heights[way[-1]]:
            return way
        way.append(highest)


def _unlike_surroundings(grey: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """How unlike its surroundings the object is at each pixel, 0 to 1; 0 where the object is of one brightness."""
    smooth = ndimage.gaussian_filter(np.asarray(grey, float), SMOOTHED)
    around = ndimage.binary_dilation(mask, iterations=SURROUNDINGS) & ~mask
    low, high = np.percentile(smooth[mask], (1, 99))
    if high - low <= 1e-9 * max(abs(float(high)), 1.0):
        return np.zeros(mask.shape)
    brightness: npt.NDArray[np.float64] = np.clip((smooth - low) / (high - low), 0, 1)
    darker = around.any() and np.median(smooth[around]) > np.median(smooth[mask])
    return 1 - brightness if darker else brightness
