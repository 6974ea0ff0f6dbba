"""Tiling: cover a frame by overlapping windows that a network can take, each pixel taken from where it lies deepest.

Pure: only numbers of pixels; who reads and who answers is left to others.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from napari_clickseg.core.regions import Region


@dataclass(frozen=True, slots=True)
class Tile:
    """One window, and the pixels of the frame that are taken from its answer.

    Attributes
    ----------
    window : Region
        What the network is given; it may reach beyond the frame.
    kept : Region
        Inside the frame; those of all tiles cover it, and none overlap.
    """

    window: Region
    kept: Region


@dataclass(frozen=True, slots=True)
class Sides:
    """Which sides of a window a network can take, in pixels.

    Attributes
    ----------
    longest : int
        Windows have at most this side; the largest multiple of `divisible` below is used.
    halo : int
        What tiles share with their neighbours on each side.
    divisible : int
        Sides are multiples of this; windows start at multiples of it too, so that a pixel that the network pools with
        its neighbour in one window is pooled with it in all.
    smallest : int
        Windows have at least this side.
    """

    longest: int = 512
    halo: int = 32
    divisible: int = 1
    smallest: int = 1

    def side(self, length: int) -> int:
        """Return the side of a window that holds so many pixels, or the longest one.

        >>> Sides(longest=100, divisible=16).side(33), Sides(longest=100, divisible=16).side(1000)
        (48, 96)
        """
        wanted = _up(max(length, self.smallest), self.divisible)
        return max(min(wanted, self.longest // self.divisible * self.divisible), self.divisible)


def cover(shape: Sequence[int], sides: Sides) -> list[Tile]:
    """Return the tiles of a frame, the last axis fastest.

    >>> [tile.kept.start[0] for tile in cover((100,), Sides(longest=40, halo=5))]
    [0, 35, 65]
    """
    lines = [_cover_line(length, sides) for length in shape]
    return [
        Tile(
            Region(tuple(a for (a, _), _ in spans), tuple(b for (_, b), _ in spans)),
            Region(tuple(a for _, (a, _) in spans), tuple(b for _, (_, b) in spans)),
        )
        for spans in itertools.product(*lines)
    ]


def _cover_line(length: int, sides: Sides) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Windows and kept pixels along one axis: neighbours part in the middle of what they share."""
    side = sides.side(length)
    step = max((side - 2 * sides.halo) // sides.divisible, 1) * sides.divisible
    last = max(_up(length - side, sides.divisible), 0)
    starts = [*range(0, last, step), last]
    parted = [(before + side + after) // 2 for before, after in itertools.pairwise(starts)]
    return [
        ((start, start + side), kept)
        for start, kept in zip(starts, itertools.pairwise((0, *parted, length)), strict=True)
    ]


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
