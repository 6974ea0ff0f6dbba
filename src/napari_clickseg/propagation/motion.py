"""Motion: where did an object go from one frame to the next? Measured on the image alone, object by object."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_clickseg.core.regions import Region

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.images import Image
    from napari_clickseg.core.object_masks import Outline
    from napari_clickseg.propagation.intensity_model import Grey

REACH = 0.5
"""So far, in its own diameters, an object is looked for in each direction."""
SURROUNDINGS = 0.25
"""The template shows the object and so much around it, in diameters: its contour is more telling than its inside."""
COARSE = 16
"""Pixels across an object that suffice to find roughly where it went."""
EVEN = 1e-5
"""A variance below is that of rounding, where that of all that is searched is 1."""
FAR_COST = 0.3
"""What a shift by one diameter takes from a likeness (and by half of it a quarter): of like places, the nearest."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Where an object went.

    Attributes
    ----------
    shift : tuple of int
        In pixels of the frame.
    likeness : float
        Normalised cross-correlation, -1 to 1, of what the frames show there; 0 where either is even.
    """

    shift: tuple[int, ...]
    likeness: float


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Grey values of a part of one frame, read once; what lies outside is read when it is asked for."""

    image: Image
    frame: Frame
    region: Region
    block: Grey

    @classmethod
    def read(cls, image: Image, frame: Frame, region: Region) -> Plane:
        """Read a region, which must lie inside the frame."""
        return cls(image, frame, region, image.intensities(frame, region).mean(axis=0))

    def cut(self, region: Region) -> Grey:
        """Return the grey values of a region inside the frame."""
        if self.region.intersection(region) == region:
            return self.block[region.within(self.region).slices]
        return Plane.read(self.image, self.frame, region).block


def searched(outline: Outline, shape: tuple[int, ...]) -> tuple[Region, Region]:
    """Return the template of an object and the region in which it is looked for, both inside the frame."""
    diameter = outline.diameter
    template = outline.region.grow(round(SURROUNDINGS * diameter) + 2).clip(shape)
    return template, template.grow(round(REACH * diameter) + 2).clip(shape)


def followed(outline: Outline, before: Plane, after: Plane, shape: tuple[int, ...]) -> Motion:
    """Return where an object went from one frame to another: the most alike place, of like ones the nearest.

    Template matching by normalised cross-correlation (Lewis 1995), which changes of brightness do not disturb. Large
    objects are looked for on coarse pixels first, and then uphill from the best place there.
    """

    template, around = searched(outline, shape)
    seen, there = before.cut(template), after.cut(around)
    if np.ptp(seen) == 0 or np.ptp(there) == 0:
        return Motion((0,) * len(shape), 0.0)
    match = _Match(_standard(seen), _standard(there), template.within(around).start, outline.diameter)
    place = match.uphill(*match.roughly(max(round(outline.diameter / COARSE), 1)))
    shift = tuple(p - h for p, h in zip(place, match.home, strict=True))
    return Motion(shift, match.likeness(place))


@dataclass(frozen=True, slots=True, eq=False)
class _Match:
    """A template, what it is looked for in, where it would lie there without any motion, and the object's diameter.

    Both blocks have a mean of 0 and a deviation of 1.
    """

    seen: Grey
    there: Grey
    home: tuple[int, ...]
    diameter: float

    def roughly(self, step: int) -> tuple[tuple[int, ...], int]:
        """Return the best place on pixels of `step` pixels, and the step."""
        from skimage.feature import match_template  # brings in scipy.signal: not when a panel opens

        coarse = [block if step == 1 else _coarse(block, step) for block in (self.there, self.seen)]
        likeness = np.nan_to_num(match_template(*coarse))
        grid = np.ogrid[tuple(map(slice, likeness.shape))]
        away = sum((axis * step - h) ** 2 for axis, h in zip(grid, self.home, strict=True))
        best = np.unravel_index(int((likeness - FAR_COST * away / self.diameter**2).argmax()), likeness.shape)
        last = np.subtract(self.there.shape, self.seen.shape)
        return tuple(min(int(p) * step, int(end)) for p, end in zip(best, last, strict=True)), step

    def uphill(self, place: tuple[int, ...], step: int) -> tuple[int, ...]:
        """Return the best place that is reached from one by ever smaller steps."""
        known: dict[tuple[int, ...], float] = {}
        while step := step // 2:
            while True:
                near = list(product(*((p, p - step, p + step) for p in place)))
                known |= {one: self._worth(one) for one in near if one not in known}
                best = max(near, key=lambda one: known[one])
                if best == place:
                    break
                place = best
        return place

    def likeness(self, place: tuple[int, ...]) -> float:
        """Return the correlation of the template with what lies at a place; 0 where that is even."""
        window = tuple(slice(p, p + size) for p, size in zip(place, self.seen.shape, strict=True))
        there = np.ascontiguousarray(self.there[window])
        total = float(there.sum())
        variance = float(np.vdot(there, there)) - total * total / there.size
        if variance <= EVEN * there.size:
            return 0.0
        return float(np.clip(np.vdot(self.seen, there) / math.sqrt(variance * there.size), -1, 1))

    def _worth(self, place: tuple[int, ...]) -> float:
        """The likeness less the cost of the way; outside, less than anything."""
        sizes = zip(place, self.seen.shape, self.there.shape, strict=True)
        if not all(0 <= p <= n - size for p, size, n in sizes):
            return -np.inf
        away = sum((p - h) ** 2 for p, h in zip(place, self.home, strict=True))
        return self.likeness(place) - FAR_COST * away / self.diameter**2


def _coarse(block: Grey, step: int) -> Grey:
    """The means of blocks of `step` pixels along each axis."""
    means: Grey = ndimage.uniform_filter(block, step, mode="nearest")[(slice(None, None, step),) * block.ndim]
    return means


def _standard(block: Grey) -> Grey:
    standard: Grey = (block - block.mean()) / block.std()
    return standard


def _correlation(first: Grey, second: Grey) -> float:
    """The correlation, -1 to 1, of two blocks of one shape; 0 where one of them is even."""
    a, b = first - first.mean(), second - second.mean()
    size = float(np.sqrt(np.vdot(a, a) * np.vdot(b, b)))
    return float(np.clip(np.vdot(a, b) / size, -1, 1)) if size else 0.0


def likeness_between(outline: Outline, before: Plane, there: Outline, after: Plane, shape: tuple[int, ...]) -> float:
    """Return the correlation, -1 to 1, of what two frames show around an object; 0 where one of them is even."""
    template, _ = searched(outline, shape)
    shift = tuple(round(b - a) for a, b in zip(outline.centre, there.centre, strict=True))
    moved = Region(
        tuple(a + s for a, s in zip(template.start, shift, strict=True)),
        tuple(b + s for b, s in zip(template.stop, shift, strict=True)),
    )
    second = moved.clip(shape)
    first = second.within(moved).placed_in(template)
    return _correlation(before.cut(first), after.cut(second)) if second.size else 0.0
