"""Outline: the mask of one object on one frame, tightly boxed; moved, measured, and interpolated between two frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.distances import deepest
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.object_size import equivalent_diameter
from napari_clickseg.core.regions import Region, values_on

Mask = npt.NDArray[np.bool_]
Distances = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """Where an object lies on a frame.

    Attributes
    ----------
    region : Region
        The smallest one that holds the object, in the frame's pixels.
    mask : ndarray of bool
        Shape `region.shape`, at least one pixel True.
    """

    region: Region
    mask: Mask

    @classmethod
    def of(cls, mask: Mask, region: Region) -> Outline | None:
        """Return the outline of a mask that lies on `region`; None where it is empty."""
        box = Region.of_mask(mask)
        return None if box is None else cls(box.placed_in(region), np.ascontiguousarray(mask[box.slices]))

    @property
    def area(self) -> int:
        """The number of pixels."""
        return int(np.count_nonzero(self.mask))

    @property
    def diameter(self) -> float:
        """Of the disk or ball of the same size, in pixels."""
        return equivalent_diameter(self.area, self.mask.ndim)

    @property
    def centre(self) -> tuple[float, ...]:
        """The centre of mass, in the frame's pixels."""
        inside = np.argwhere(self.mask).mean(axis=0)
        return tuple(float(a + p) for a, p in zip(self.region.start, inside, strict=True))

    @property
    def deepest(self) -> tuple[float, ...]:
        """The pixel farthest from the outside: always inside, as the centre of a crescent is not."""
        return tuple(float(a + p) for a, p in zip(self.region.start, deepest(self.mask), strict=True))

    def on(self, region: Region) -> Mask:
        """Return the mask on another region, False where the object is not."""
        return values_on(self.mask, self.region, region)

    def moved(self, shift: Sequence[int], shape: Sequence[int]) -> Outline | None:
        """Return the outline moved by whole pixels and cut to a frame of this shape; None where it left the frame.

        >>> Outline(Region((0, 0), (2, 2)), np.ones((2, 2), bool)).moved((0, -1), (8, 8)).region
        Region(start=(0, 0), stop=(2, 1))
        """
        there = Region(
            tuple(a + s for a, s in zip(self.region.start, shift, strict=True)),
            tuple(b + s for b, s in zip(self.region.stop, shift, strict=True)),
        )
        inside = there.clip(shape)
        return Outline.of(self.mask[inside.within(there).slices], inside) if inside.size else None

    def distances_on(self, region: Region) -> Distances:
        """Return signed distances to the rim on a region that holds some of the object: above 0 inside, in pixels."""
        return signed_distances(self.on(region))

    def as_prediction(self) -> Prediction:
        """Return the outline as a certain answer, as a model takes it for its prior."""
        return Prediction.from_mask(self.mask, self.region)


def signed_distances(mask: Mask) -> Distances:
    """Return the distance of each pixel to the other side, above 0 inside and below 0 outside.

    >>> signed_distances(np.array([False, True, True, True, False])).tolist()
    [-1.0, 1.0, 2.0, 1.0, -1.0]
    """
    inside, outside = ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask)
    distances: Distances = (inside - outside).astype(np.float32)
    return distances


def outlines_of(block: npt.NDArray[Any], region: Region, ids: Iterable[int] | None = None) -> dict[int, Outline]:
    """Return the outlines of the objects of a block of labels, lowest id first.

    Parameters
    ----------
    block : ndarray of int
        Labels on `region` of a frame.
    ids : iterable of int, optional
        Those wanted; all where absent. Ids that are not there are left out.
    """
    numbers, compact = np.unique(block, return_inverse=True)
    wanted = set(numbers.tolist()) if ids is None else set(ids)
    boxes = ndimage.find_objects(compact.reshape(block.shape) + 1)
    found = {}
    for number, slices in zip(numbers.tolist(), boxes, strict=True):
        if number > 0 and number in wanted:
            box = Region(tuple(s.start for s in slices), tuple(s.stop for s in slices))
            found[int(number)] = Outline(box.placed_in(region), block[slices] == number)
    return found


def between(first: Outline, second: Outline, share: float, shape: Sequence[int]) -> Outline:
    """Return the shape that lies a share of the way from one outline to another.

    Both are moved to the centre that lies so far along the way; there their signed distances are averaged (Raya and
    Udupa 1990). Where nothing is left inside, as between two thin shapes, the nearer outline stands in.

    Parameters
    ----------
    share : float
        0 is the first outline, 1 the second.
    shape : sequence of int
        Of the frame.
    """
    centres = np.asarray(first.centre), np.asarray(second.centre)
    middle = (1 - share) * centres[0] + share * centres[1]
    roomy = tuple(int(n) * 3 for n in shape)
    placed = [
        outline.moved(np.rint(middle - centre).astype(int) + np.asarray(shape), roomy)
        for outline, centre in zip((first, second), centres, strict=True)
    ]
    a, b = (outline for outline in placed if outline is not None)
    box = a.region.union(b.region).grow(2)
    distances = (1 - share) * a.distances_on(box) + share * b.distances_on(box)
    mixed = Outline.of(distances > 0, box) or (a if share < 0.5 else b)
    cut = mixed.moved([-int(n) for n in shape], shape)
    return cut if cut is not None else (first if share < 0.5 else second)
