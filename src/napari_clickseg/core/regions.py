"""Region: an n-dimensional box of whole pixels, the unit in which images are read and labels written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Region:
    """A half-open box: pixel `p` is inside where `start <= p < stop` on every axis.

    >>> Region((2, 0), (5, 4)).shape
    (3, 4)
    """

    start: tuple[int, ...]
    stop: tuple[int, ...]

    @classmethod
    def whole(cls, shape: Sequence[int]) -> Region:
        """Return the region that covers an array of this shape."""
        return cls((0,) * len(shape), tuple(int(n) for n in shape))

    @classmethod
    def around(cls, centre: Sequence[float], size: Sequence[int]) -> Region:
        """Return the region of this size with `centre` in its middle, clipped by nothing.

        >>> Region.around((10, 10), (4, 5))
        Region(start=(8, 8), stop=(12, 13))
        """
        start = tuple(math.ceil(c - n / 2) for c, n in zip(centre, size, strict=True))
        return cls(start, tuple(a + int(n) for a, n in zip(start, size, strict=True)))

    @classmethod
    def of_mask(cls, mask: npt.NDArray[np.bool_]) -> Region | None:
        """Return the smallest region that holds every True pixel; None where there is none."""
        bounds = []
        for axis in range(mask.ndim):
            line = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
            if line.size == 0:
                return None
            bounds.append((int(line[0]), int(line[-1]) + 1))
        return cls(tuple(a for a, _ in bounds), tuple(b for _, b in bounds))

    @property
    def ndim(self) -> int:
        return len(self.start)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(max(b - a, 0) for a, b in zip(self.start, self.stop, strict=True))

    @property
    def size(self) -> int:
        """The number of pixels inside."""
        return int(np.prod(self.shape))

    @property
    def centre(self) -> tuple[float, ...]:
        """The middle in pixel coordinates, where pixel centres are whole numbers."""
        return tuple((a + b - 1) / 2 for a, b in zip(self.start, self.stop, strict=True))

    @property
    def slices(self) -> tuple[slice, ...]:
        """Index an array with this to get the region; the region must lie inside the array."""
        return tuple(slice(a, b) for a, b in zip(self.start, self.stop, strict=True))

    def contains(self, position: Sequence[float], margin: float = 0.0) -> bool:
        """Return whether a position lies inside, at least `margin` pixels from the rim."""
        return all(
            a - 0.5 + margin <= p < b - 0.5 - margin for a, p, b in zip(self.start, position, self.stop, strict=True)
        )

    def clip(self, shape: Sequence[int]) -> Region:
        """Return the part that lies inside an array of this shape (possibly empty)."""
        return self.intersection(Region.whole(shape))

    def intersection(self, other: Region) -> Region:
        """Return what both share; a region of size 0 where they are apart."""
        start = tuple(max(a, b) for a, b in zip(self.start, other.start, strict=True))
        stop = tuple(min(a, b) for a, b in zip(self.stop, other.stop, strict=True))
        return Region(start, tuple(max(a, b) for a, b in zip(start, stop, strict=True)))

    def union(self, other: Region) -> Region:
        """Return the smallest region that holds both."""
        return Region(
            tuple(min(a, b) for a, b in zip(self.start, other.start, strict=True)),
            tuple(max(a, b) for a, b in zip(self.stop, other.stop, strict=True)),
        )

    def grow(self, margin: int) -> Region:
        """Return the region with `margin` pixels more on every side (fewer, where negative)."""
        return Region(
            tuple(a - margin for a in self.start),
            tuple(max(a - margin, b + margin) for a, b in zip(self.start, self.stop, strict=True)),
        )

    def within(self, outer: Region) -> Region:
        """Return this region in the coordinates of `outer`, whose start becomes the origin."""
        return Region(
            tuple(a - o for a, o in zip(self.start, outer.start, strict=True)),
            tuple(b - o for b, o in zip(self.stop, outer.start, strict=True)),
        )

    def placed_in(self, outer: Region) -> Region:
        """Return this region, given in the coordinates of `outer`, in those that `outer` itself is given in."""
        return Region(
            tuple(a + o for a, o in zip(self.start, outer.start, strict=True)),
            tuple(b + o for b, o in zip(self.stop, outer.start, strict=True)),
        )

    def at_frame(self, frame: Sequence[int]) -> Region:
        """Return the region of one frame in an array that has the frame's axes in front.

        >>> Region((2, 3), (4, 5)).at_frame((7,))
        Region(start=(7, 2, 3), stop=(8, 4, 5))
        """
        return Region(tuple(frame) + self.start, tuple(f + 1 for f in frame) + self.stop)


def values_on(values: npt.NDArray[Scalar], region: Region, other: Region, outside: float = 0) -> npt.NDArray[Scalar]:
    """Return the values of a region on another one, `outside` where the two do not overlap.

    >>> values_on(np.array([True, True]), Region((0,), (2,)), Region((1,), (3,))).tolist()
    [True, False]
    """
    placed = np.full(other.shape, outside, values.dtype)
    shared = region.intersection(other)
    if shared.size:
        placed[shared.within(other).slices] = values[shared.within(region).slices]
    return placed
