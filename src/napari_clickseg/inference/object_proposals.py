"""Pieces: what a click that contradicts a mask may mean: the pixels to add around it, or to take away.

A click lies on something that is wrong, and shows neither how far it reaches nor why. So many pieces are proposed: by
the network's map at several levels, by necks, by likeness of brightness, by outlines along edges, and by how far the
mask's own rim is; `meaning` then chooses among them. Two and three dimensions, without torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import convex_hull_image

from napari_clickseg.core.distances import depth
from napari_clickseg.inference.instances import split_at_necks

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


Pixel = tuple[int, ...]

LEVELS = (-8.0, -6.0, -4.5, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.5, 6.0, 8.0)
"""Logits at which the map is cut."""
NECKS = (0.55, 0.75, 0.92)
"""As `split_at_necks` takes them."""
CORE = 2.0
"""The logit above which the map is surer of its objects."""
FAR, NEAR = 1.5, 1.2
"""How far a piece to be added may reach from its click, in diameters: by the map, and by brightness."""
LIKENESS = (0.2, 0.4, 0.7, 1.0, 1.5, 2.0)
"""Differences of brightness from the click, in standard deviations of its surroundings."""
SMOOTHED = 60
"""Pieces by brightness of more pixels lose their loose ends."""
RIMS = (0.7, 1.0, 1.4, 2.0)
"""Radii of disks, in distances from the click to the rim of the region that it lies in."""
CUTS = (0.3, 0.6, 1.0, 1.5)
"""Distances of straight cuts from the click, in distances from it to the rim."""
TURNS = tuple(math.radians(turn) for turn in (-50, -25, 0, 25, 50))
"""Angles between a cut's normal and the way from the mask's middle to the click."""
WIDEST = 0.6
"""That distance is at most this, in diameters."""
FEW = 8
"""Masks of more parts at their necks are not proposed to keep just one."""


@dataclass(frozen=True, slots=True, eq=False)
class Contradiction:
    """A click, and the mask that it contradicts, in a small picture.

    Attributes
    ----------
    click : tuple of int
        Its pixel.
    positive : bool
    mask : ndarray of bool
        The object as it is.
    maps : tuple of ndarray of float32
        Logits of the network; the first is its plain answer.
    grey : ndarray of float32
        Brightness.
    objects : ndarray of int32
        What the network finds by itself; 0 is background.
    diameter : float
        Expected, in pixels of the picture.
    """

    click: Pixel
    positive: bool
    mask: Mask
    maps: tuple[Values, ...]
    grey: Values
    objects: npt.NDArray[np.int32]
    diameter: float

    @property
    def room(self) -> Mask:
        """Where the piece lies: beyond the mask if it is to be added, in it otherwise."""
        return ~self.mask if self.positive else self.mask

    def after(self, piece: Mask) -> Mask:
        """Return the mask with a piece added, or taken away."""
        return self.mask | piece if self.positive else self.mask & ~piece


def pieces(wrong: Contradiction) -> Iterator[Mask]:
    """Yield pieces that hold the click, some of them twice."""
    room = wrong.room
    away = distance_from(wrong.click, room.shape)
    reach = room & (away < FAR * wrong.diameter) if wrong.positive else room
    for values in wrong.maps:
        for level in LEVELS:
            yield from _connected((values > level if wrong.positive else values < level) & reach, wrong.click)
    if wrong.objects[wrong.click]:
        yield room & (wrong.objects == wrong.objects[wrong.click])
    for whole in (wrong.maps[0] > 0, wrong.maps[0] > CORE):
        yield from _parts((whole if wrong.positive else whole & wrong.mask) & reach, wrong)
    if not wrong.positive:
        yield from _parts(wrong.mask, wrong)
    yield from _alike(wrong, away)
    rim = min(float(depth(room)[wrong.click]), WIDEST * wrong.diameter)
    for radius in RIMS:
        yield room & (away <= radius * rim)
    if room.ndim == 2:
        yield from outlines(wrong.grey, room, wrong.click, min(rim, wrong.diameter / 2), FAR * wrong.diameter / 2)
        yield from _bulges(wrong, away, rim) if wrong.positive else _cuts(wrong, away, rim)
    for hole in _connected(room, wrong.click):
        if not wrong.positive or not reaches_rim(hole):
            yield hole


def _parts(whole: Mask, wrong: Contradiction) -> Iterator[Mask]:
    """Parts at necks; of what is to be taken away, also all but one of them."""
    if not whole[wrong.click]:
        return
    for neck in NECKS:
        parts = split_at_necks(whole, neck)
        clicked, count = parts[wrong.click], int(parts.max())
        yield parts == clicked
        if not wrong.positive and 2 <= count <= FEW:
            for part in range(1, count + 1):
                if part != clicked:
                    yield from _connected(wrong.mask & (parts != part), wrong.click)


def _alike(wrong: Contradiction, away: Values) -> Iterator[Mask]:
    """Pieces as bright as the click, or at least as bright, or at most."""
    near = wrong.room & (away < NEAR * wrong.diameter)
    here = float(np.median(wrong.grey[away <= 1.5]))
    spread = float(wrong.grey[near].std())
    for share in LIKENESS if spread > 0 else ():
        brighter, darker = wrong.grey > here - share * spread, wrong.grey < here + share * spread
        for alike in (brighter & darker, brighter, darker):
            for piece in _connected(alike & near, wrong.click):
                smooth = ndimage.binary_opening(piece) if np.count_nonzero(piece) > SMOOTHED else piece
                yield ndimage.binary_fill_holes(smooth) & wrong.room


def _bulges(wrong: Contradiction, away: Values, rim: float) -> Iterator[Mask]:
    """What a disk around the click adds to the mask's convex hull."""
    for radius in RIMS if wrong.mask.any() else ():
        hull = convex_hull_image(wrong.mask & (away < 2 * wrong.diameter) | (away <= max(radius * rim / 2, 1.0)))
        yield from _connected(hull & wrong.room, wrong.click)


def _cuts(wrong: Contradiction, away: Values, rim: float) -> Iterator[Mask]:
    """What lies beyond a straight cut: across the way to the mask's middle, and turned to both sides."""
    down, right = np.subtract(wrong.click, np.argwhere(wrong.mask).mean(axis=0))
    rows, columns = (axis - at for axis, at in zip(np.ogrid[tuple(map(slice, away.shape))], wrong.click, strict=True))
    for turn in TURNS if math.hypot(down, right) >= 1 else ():
        angle = math.atan2(down, right) + turn
        beyond = math.sin(angle) * rows + math.cos(angle) * columns
        for distance in CUTS:
            yield from _connected(wrong.mask & (beyond >= -distance * rim), wrong.click)


def _connected(mask: Mask, pixel: Pixel) -> Iterator[Mask]:
    """The connected part of a mask that holds a pixel, if it does."""
    if mask[pixel]:
        parts, _ = ndimage.label(mask)
        yield parts == parts[pixel]


def reaches_rim(piece: Mask) -> bool:
    """Return whether a piece reaches the rim of its picture."""
    return any(np.take(piece, end, axis).any() for axis in range(piece.ndim) for end in (0, -1))


def distance_from(pixel: Pixel, shape: tuple[int, ...]) -> Values:
    """Return each pixel's distance from one of them."""
    steps: list[Any] = [(axis - at) ** 2 for axis, at in zip(np.ogrid[tuple(map(slice, shape))], pixel, strict=True)]
    away: Values = np.sqrt(sum(steps)).astype(np.float32)
    return away
