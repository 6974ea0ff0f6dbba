"""Outlines: closed lines around a click that follow edges of the image, by dynamic programming; two dimensions.

From the click, rays go out in all directions; on each the outline has one distance, neighbours' distances hardly
differ, and the sum of edges passed over is the largest there is. Such outlines are star-shaped around the click, as
nearly all cells are around their middle.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float32]
Grid = npt.NDArray[np.float64]

RAYS = 32
BENDS = 12
"""From ray to ray the distance changes by at most one, or this part of the farthest."""
PULLS = (0.15, 0.5)
"""How much an expected distance counts: the cost of its double (or half), in edges as strong as the strongest."""
SIDES = {"bright": -1.0, "dark": 1.0}
"""The sign of the slope outwards, at the rim of a bright object and of a dark one."""


def outlines(grey: Values, room: Mask, middle: tuple[int, ...], usual: float, farthest: float) -> Iterator[Mask]:
    """Yield regions of a plane around a pixel, bright ones and dark ones, inside `room`.

    Parameters
    ----------
    room : ndarray of bool
        Where the region may lie; its rim counts as an edge.
    usual, farthest : float
        Distance of the outline as expected, and at most, in pixels.
    """
    angles = np.arange(RAYS) * (2 * math.pi / RAYS)
    distances = np.arange(1.0, max(math.ceil(farthest), 3) + 1)
    places = [m + np.outer(ray, distances) for m, ray in zip(middle, (np.sin(angles), np.cos(angles)), strict=True)]
    slope = np.gradient(ndimage.map_coordinates(grey, places, order=1, mode="nearest").astype(np.float64), axis=1)
    slope /= max(float(np.quantile(np.abs(slope), 0.95)), 1e-6)
    free = np.minimum.accumulate(ndimage.map_coordinates(room.astype(np.float32), places, order=0, cval=0.0) > 0.5, 1)
    ends = free & ~np.pad(free[:, 1:], ((0, 0), (0, 1)))
    away = np.abs(np.log2(distances / usual))
    for sign in SIDES.values():
        edge = np.where(ends, np.maximum(sign * slope, 0.5), np.where(free, sign * slope, -np.inf))
        edge[:, 0] = np.where(free[:, 0], edge[:, 0], 0.0)
        for pull in PULLS:
            best = distances[_best_way(np.clip(edge, -np.inf, 1.0) - pull * away)]
            yield _filled(best, middle, room.shape) & room


def _best_way(points: Grid) -> npt.NDArray[np.intp]:
    """The column on each row that together have the most points, where columns change little from row to row.

    The rows are gone around twice, so that the way closes; the second half of the first round and the first half of the
    second are kept.
    """
    rows, columns = points.shape
    bend = max(round(columns / BENDS), 1)
    total, came = points[0], []
    for row in range(1, 2 * rows):
        padded = np.pad(total, bend, constant_values=-np.inf)
        choices = np.stack([padded[k : k + columns] for k in range(2 * bend + 1)])
        came.append(choices.argmax(axis=0) - bend)
        total = choices.max(axis=0) + points[row % rows]
    column = int(np.nanargmax(np.where(np.isfinite(total), total, -1e9)))
    way = [column]
    for steps in reversed(came):
        column = int(np.clip(column + steps[column], 0, columns - 1))
        way.append(column)
    round_ = np.array(way[::-1], np.intp)
    half = rows // 2
    return np.roll(round_[half : half + rows], half)


def _filled(distances: Grid, middle: tuple[int, ...], shape: tuple[int, ...]) -> Mask:
    """The pixels no farther from the middle than the distance of their direction, between rays linearly."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    down, right = rows - middle[0], columns - middle[1]
    turn = np.mod(np.arctan2(down, right), 2 * math.pi) * (RAYS / (2 * math.pi))
    limit = np.interp(turn.ravel(), np.arange(RAYS + 1), np.append(distances, distances[0])).reshape(shape)
    filled: Mask = np.hypot(down, right) <= limit
    return filled
