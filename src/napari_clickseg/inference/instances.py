"""Instances: from the foreground of a frame to its objects: connected pixels, parted where they are joined by a neck.

Without a network and without torch; two and three dimensions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import watershed

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]
Depth = npt.NDArray[np.float64]

NECK = 0.75
"""Two basins are one object where the foreground between them is at least this deep for the shallower one's depth."""
SMOOTHING = 1.0
"""Of the depth, in pixels, so that a rough outline has no basins of its own."""


def find_objects(foreground: Mask, split: bool = False, smallest: int = 0) -> Labels:
    """Return the objects of a foreground, numbered from 1 in the order of their first pixels; 0 is background.

    Objects are connected over faces. Objects of fewer than `smallest` pixels are dropped, after splitting.

    >>> find_objects(np.array([[1, 1, 0, 1]], bool)).tolist()
    [[1, 1, 0, 2]]
    """
    found: Labels = split_at_necks(foreground) if split else ndimage.label(foreground, output=np.int32)[0]
    return dropped(found, smallest)


def dropped(found: Labels, smallest: int) -> Labels:
    """Return objects without those of fewer pixels, numbered from 1 in the order of their first pixels."""
    sizes = np.bincount(found.ravel())
    kept = sizes >= smallest
    kept[0] = False
    return _renumbered(np.where(kept[found], found, 0))


def grown(objects: Labels, extent: Mask) -> Labels:
    """Return objects that grew over all pixels of `extent` connected to them, each pixel going to the nearest.

    >>> grown(np.array([[1, 0, 0, 0, 2]], np.int32), np.array([[1, 1, 1, 0, 1]], bool)).tolist()
    [[1, 1, 1, 0, 2]]
    """
    away = ndimage.distance_transform_edt(objects == 0)
    larger: Labels = watershed(away, objects, mask=extent | (objects > 0)).astype(np.int32)
    return larger


def split_at_necks(foreground: Mask, neck: float = NECK) -> Labels:
    """Return connected parts of a foreground, parted where they are joined by a neck.

    Every pixel goes to the middle that it lies nearest to uphill in depth (its distance to the background), then
    neighbours are joined again, those with the widest passage first, as long as what joins them is at least `neck`
    times as deep as the shallower of their middles.
    """
    depth = np.where(foreground, _depth(foreground), 0)
    faces = ndimage.generate_binary_structure(foreground.ndim, 1)
    peaks = foreground & (depth == ndimage.maximum_filter(depth, footprint=faces))
    markers, _ = ndimage.label(peaks, faces)
    basins: Labels = watershed(-depth, markers, mask=foreground).astype(np.int32)
    return _renumbered(_joined(basins, depth, neck))


def _depth(foreground: Mask) -> Depth:
    """The distance to the background, smoothed; what lies beyond the array is no background."""
    depth = ndimage.distance_transform_edt(foreground)
    smooth: Depth = ndimage.gaussian_filter(np.asarray(depth, np.float64), SMOOTHING)
    return smooth


def _joined(basins: Labels, depth: Depth, neck: float) -> Labels:
    """Basins of which neighbours with a wide passage are one."""
    count = int(basins.max())
    deepest = np.zeros(count + 1)
    np.maximum.at(deepest, basins.ravel(), depth.ravel())
    parent = np.arange(count + 1)
    for first, second, passage in sorted(_passages(basins, depth), key=lambda found: -found[2]):
        one, other = _root(parent, first), _root(parent, second)
        if one != other and passage >= neck * min(deepest[one], deepest[other]):
            keep, leave = (one, other) if deepest[one] >= deepest[other] else (other, one)
            parent[leave] = keep
    roots = np.array([_root(parent, k) for k in range(count + 1)], np.int32)
    joined: Labels = roots[basins]
    return joined


def _root(parent: npt.NDArray[Any], basin: int) -> int:
    while parent[basin] != basin:
        parent[basin] = parent[parent[basin]]
        basin = int(parent[basin])
    return basin


def _passages(basins: Labels, depth: Depth) -> list[tuple[int, int, float]]:
    """Neighbouring basins, and how deep the deepest passage between them is."""
    pairs, widths = [], []
    for axis in range(basins.ndim):
        ahead = (slice(None),) * axis + (slice(1, None),)
        behind = (slice(None),) * axis + (slice(None, -1),)
        one, other = basins[ahead], basins[behind]
        meet = (one != other) & (one > 0) & (other > 0)
        pairs.append(np.sort(np.stack((one[meet], other[meet])), axis=0))
        widths.append(np.minimum(depth[ahead][meet], depth[behind][meet]))
    neighbours, index = np.unique(np.concatenate(pairs, axis=1), axis=1, return_inverse=True)
    deepest = np.zeros(neighbours.shape[1])
    np.maximum.at(deepest, index.ravel(), np.concatenate(widths))
    return [(int(a), int(b), float(width)) for (a, b), width in zip(neighbours.T, deepest, strict=True)]


def _renumbered(labels: npt.NDArray[Any]) -> Labels:
    """The same labels, numbered from 1 in the order of their first pixels."""
    flat = labels.ravel()
    first = np.full(int(flat.max(initial=0)) + 1, flat.size)
    first[flat[::-1]] = np.arange(flat.size)[::-1]
    first[0] = -1
    order = np.argsort(first, kind="stable")
    ranks = np.empty(first.size, np.int32)
    ranks[order] = np.arange(first.size, dtype=np.int32)
    renumbered: Labels = ranks[labels]
    return renumbered
