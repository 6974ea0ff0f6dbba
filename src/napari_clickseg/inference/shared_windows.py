"""Shared windows: large squares of a frame in which many objects are seen at once, each of them in a crop of its own.

Pure geometry, in cells: squares of `STRIDE` network pixels, the coarsest stride of the features that are cut out, so
that a crop of a window's features is a view of them. One size of objects has one lattice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from torch import Tensor

from napari_clickseg.core.regions import Region

STRIDE = 16
"""Network pixels of a cell's side."""
SEEN = 29.0
"""An object's diameter in network pixels: half of what a window made for it alone shows. Chosen on val crops of eight
sources: F1 as high as in windows made for each seed, at a fifth of the time."""
CELLS, RIM = 16, 2
"""Of a window's side; and how many at its rim are left to the next window, which sees them better."""
CROP, LARGE_CROP = 4, 6
"""Cells of the side of a crop that an object is first looked for in, and of that for objects that reach its rim."""


@dataclass(frozen=True, slots=True)
class Lattice:
    """Where the windows of one size of objects lie.

    Attributes
    ----------
    cell : int
        Side of a cell, in pixels of the image.
    """

    cell: int

    @classmethod
    def of(cls, diameter: float) -> Lattice:
        """Return the lattice for objects of a diameter, in pixels of the image.

        >>> Lattice.of(29.0)
        Lattice(cell=16)
        """
        return cls(max(round(STRIDE * diameter / SEEN), 1))

    @property
    def step(self) -> int:
        """From one window to the next, in pixels of the image."""
        return (CELLS - 2 * RIM) * self.cell

    def parts(self, region: Region) -> list[Region]:
        """Return parts of a region, none of which overlap, that are seen in one window each.

        >>> [part.shape for part in Lattice(2).parts(Region((0, 20), (24, 50)))]
        [(24, 4), (24, 24), (24, 2)]
        """
        spans = [
            range(a // self.step * self.step, b, self.step) for a, b in zip(region.start, region.stop, strict=True)
        ]
        parts = (Region(start, tuple(a + self.step for a in start)) for start in product(*spans))
        return [part.intersection(region) for part in parts]

    def window(self, position: Sequence[float]) -> Region:
        """Return the window in whose middle part a position lies; it may reach beyond the frame."""
        start = tuple(math.floor((p + 0.5) / self.step) * self.step - RIM * self.cell for p in position)
        return Region(start, tuple(a + CELLS * self.cell for a in start))

    def crop(self, window: Region, position: Sequence[float], cells: int) -> Region:
        """Return the crop of a window around a position, whole cells that all lie inside the window."""
        middles = ((p + 0.5 - a) / self.cell for p, a in zip(position, window.start, strict=True))
        first = [min(max(round(middle - cells / 2), 0), CELLS - cells) for middle in middles]
        start = tuple(a + k * self.cell for a, k in zip(window.start, first, strict=True))
        return Region(start, tuple(a + cells * self.cell for a in start))


def cropped(features: Sequence[Tensor], window: Region, crop: Region, view: int) -> tuple[Tensor, ...]:
    """Return the part of a window's maps that a crop shows, as views (1, channel, y, x).

    Parameters
    ----------
    view : int
        0 for the window itself, 1 for its mirror image, where the maps hold both.
    """
    cut = []
    for maps in features:
        scale = maps.shape[-1] / window.shape[-1]
        (top, left), (bottom, right) = (
            [round((p - a) * scale) for p, a in zip(corner, window.start, strict=True)]
            for corner in (crop.start, crop.stop)
        )
        if view:
            left, right = maps.shape[-1] - right, maps.shape[-1] - left
        cut.append(maps[view : view + 1, :, top:bottom, left:right])
    return tuple(cut)
