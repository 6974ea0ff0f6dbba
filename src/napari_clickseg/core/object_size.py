"""How large are the objects? An estimate from the image alone, by scale-space blobs, for the first click's window."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.regions import Region

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.images import Image

SMALLEST, LARGEST = 6.0, 400.0
"""Estimates stay between these diameters, in pixels."""
TILE = 640
READ = 1024
"""So much of a side of labels is read."""
FINEST_SIGMA = 2.0
STRONGEST = 0.5
"""Blobs that respond less than this share of the strongest (99th percentile) ones are taken for texture."""
DETAIL_SIGMA = 4.0
FAR_APART = 1.5
"""Octaves by which blobs of detail must be larger than those of brightness to overrule them."""
DETAIL_SPREAD = 0.75
"""Detail spreads beyond the object by its smoothing; objects are smaller than its blobs by this factor."""


def equivalent_diameter(size: float, ndim: int) -> float:
    """Return the diameter of the disk (2D) or ball (3D) with this many pixels.

    >>> round(equivalent_diameter(314, 2))
    20
    """
    if ndim == 3:
        return float((6 * size / math.pi) ** (1 / 3))
    return float(2 * math.sqrt(size / math.pi))


def typical_diameter(labels: Any, frame: Frame, ndim: int, without: int = 0) -> float | None:
    """Return the median diameter, in pixels, of the objects on a frame of labels; None where there are none.

    At most the middle of the frame is read, however large it is; objects that its rim cuts count as they are cut.

    Parameters
    ----------
    without : int
        An object that does not count.

    Examples
    --------
    >>> labels = np.zeros((20, 20), int)
    >>> labels[2:6, 2:6] = 1
    >>> round(typical_diameter(labels, (), 2), 1), typical_diameter(labels, (), 2, without=1)
    (4.5, None)
    """
    shape = labels.shape[len(labels.shape) - ndim :]
    size = (*shape[:-2], *(min(n, READ) for n in shape[-2:]))
    region = Region.around(tuple((n - 1) / 2 for n in shape), size).clip(shape)
    ids, counts = np.unique(np.asarray(labels[region.at_frame(frame).slices]), return_counts=True)
    counts = counts[(ids != 0) & (ids != without)]
    return equivalent_diameter(float(np.median(counts)), ndim) if counts.size else None


def estimate_diameter(image: Image, frame: Frame, ndim: int) -> float:
    """Estimate the diameter, in pixels, of a typical object on a frame.

    Bright and dark blobs give it where objects differ from the background in brightness, as nuclei do. Where blobs of
    *detail* (edges and texture) are much larger, objects differ in detail instead, as cells in phase contrast do, and
    those blobs give it. At most the middle tile of a frame is read, however large it is.
    """
    plane = _middle_tile(image, frame, ndim)
    by_brightness = _typical_blob(plane)
    by_detail = _typical_blob(_detail(plane))
    if by_brightness is None or by_detail is None:
        return float(np.clip(min(plane.shape) / 8, SMALLEST, LARGEST))
    textured = math.log2(by_detail / by_brightness) > FAR_APART
    return float(np.clip(DETAIL_SPREAD * by_detail if textured else by_brightness, SMALLEST, LARGEST))


def _typical_blob(plane: npt.NDArray[np.float32]) -> float | None:
    """The median diameter of a plane's blobs, weighted by their area; None where there are none."""
    diameters, weights = _blobs(plane)
    if diameters.size == 0:
        return None
    order = np.argsort(diameters)
    middle = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
    return float(diameters[order][min(middle, order.size - 1)])


def _detail(plane: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """How much the brightness varies around each pixel, between 0 and 1."""
    slope = ndimage.gaussian_gradient_magnitude(plane, 1.0)
    return _stretched(ndimage.gaussian_filter(slope, DETAIL_SIGMA))


def _middle_tile(image: Image, frame: Frame, ndim: int) -> npt.NDArray[np.float32]:
    """The middle of the frame's last two axes, as grey values."""
    shape = image.frame_shape(ndim)
    size = tuple(min(n, TILE) for n in shape[-2:])
    thick = (1,) * (len(shape) - 2)
    centre = tuple((n - 1) / 2 for n in shape)
    block = image.intensities(frame, Region.around(centre, thick + size).clip(shape))
    plane: npt.NDArray[np.float32] = block.mean(axis=0).reshape(block.shape[-2:])
    return _stretched(plane)


def _stretched(plane: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    low, high = np.percentile(plane, (1, 99.5))
    scaled: npt.NDArray[np.float32] = np.clip((plane - low) / max(float(high - low), 1e-6), 0, 1)
    return scaled


def _blobs(plane: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Diameters and weights of the blobs of a plane, from a pyramid so that each filter stays small."""
    responses: list[tuple[float, npt.NDArray[np.float32]]] = []
    step, level = 1, plane
    while min(level.shape) >= 12:
        for octave in (1.0, math.sqrt(2)):
            sigma = FINEST_SIGMA * octave
            responses.append((sigma * step, np.abs(sigma**2 * ndimage.gaussian_laplace(level, sigma))))
        level = ndimage.gaussian_filter(level, 1.0)[::2, ::2]
        step *= 2
    diameters, strengths = [], []
    for below, (sigma, response), above in zip(responses, responses[1:], responses[2:], strict=False):
        peak = (response == ndimage.maximum_filter(response, 3)) & (response > 0.02)
        rows, columns = np.nonzero(peak)
        values = response[rows, columns]
        higher = np.maximum(_at(below[1], rows, columns, response.shape), _at(above[1], rows, columns, response.shape))
        kept = values >= higher
        diameters.append(np.full(int(kept.sum()), 2 * math.sqrt(2) * sigma))
        strengths.append(values[kept])
    if not diameters:
        return np.zeros(0), np.zeros(0)
    diameter, strength = np.concatenate(diameters), np.concatenate(strengths)
    if strength.size == 0:
        return diameter, strength.astype(float)
    strong = strength >= STRONGEST * np.percentile(strength, 99)
    return diameter[strong], (diameter[strong] ** 2) * strength[strong].astype(float)


def _at(
    response: npt.NDArray[np.float32], rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], shape: tuple[int, ...]
) -> npt.NDArray[np.float32]:
    """The largest response near pixels of another pyramid level's shape."""
    scale = [r / s for r, s in zip(response.shape, shape, strict=True)]
    near = ndimage.maximum_filter(response, 3)
    found: npt.NDArray[np.float32] = near[
        np.minimum((rows * scale[0]).astype(int), response.shape[0] - 1),
        np.minimum((columns * scale[1]).astype(int), response.shape[1] - 1),
    ]
    return found
