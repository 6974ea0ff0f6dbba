"""Pieces: what a click that contradicts a mask may mean: the pixels to add around it, or to take away.

A click lies on something that is wrong, and says neither how far it reaches nor why. So many pieces are proposed: by
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

from napari_clickseg.engine.instances import split_at_necks
from napari_clickseg.engine.outlines import outlines

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float32]
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
    """Tell whether a piece reaches the rim of its picture."""
    return any(np.take(piece, end, axis).any() for axis in range(piece.ndim) for end in (0, -1))


def depth(mask: Mask) -> npt.NDArray[np.float64]:
    """Return each pixel's distance to the nearest one outside the mask; beyond the array is outside."""
    inner: npt.NDArray[np.float64] = ndimage.distance_transform_edt(np.pad(mask, 1))
    return inner[(slice(1, -1),) * mask.ndim]


def distance_from(pixel: Pixel, shape: tuple[int, ...]) -> Values:
    """Return each pixel's distance from one of them."""
    steps: list[Any] = [(axis - at) ** 2 for axis, at in zip(np.ogrid[tuple(map(slice, shape))], pixel, strict=True)]
    away: Values = np.sqrt(sum(steps)).astype(np.float32)
    return away
