"""Motion: where did an object go from one frame to the next? Told by the image alone, object by object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from skimage.feature import match_template

from napari_clickseg.clicks import Frame
from napari_clickseg.images import Image
from napari_clickseg.outlines import Outline
from napari_clickseg.regions import Region
from napari_clickseg.weighing import Grey

REACH = 0.5
"""So far, in its own diameters, an object is looked for in each direction."""
SURROUNDINGS = 0.25
"""The template shows the object and so much around it, in diameters: its contour tells more than its inside."""
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
        return cls(image, frame, region, image.block(frame, region).mean(axis=0))

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

    Template matching by normalised cross-correlation (Lewis 1995), which changes of brightness do not disturb.
    """
    template, around = searched(outline, shape)
    seen, there = before.cut(template), after.cut(around)
    if np.ptp(seen) == 0 or np.ptp(there) == 0:
        return Motion((0,) * len(shape), 0.0)
    likeness = np.nan_to_num(match_template(there, seen))
    home = [a - b for a, b in zip(template.start, around.start, strict=True)]
    away = sum((axis - h) ** 2 for axis, h in zip(np.ogrid[tuple(map(slice, likeness.shape))], home, strict=True))
    best = np.unravel_index(int((likeness - FAR_COST * away / outline.diameter**2).argmax()), likeness.shape)
    return Motion(tuple(int(p) - h for p, h in zip(best, home, strict=True)), float(np.clip(likeness[best], -1, 1)))


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
    if second.size == 0:
        return 0.0
    seen, now = before.cut(first), after.cut(second)
    deviations = float(seen.std()) * float(now.std())
    return float(((seen - seen.mean()) * (now - now.mean())).mean()) / deviations if deviations else 0.0
