"""Facts: what can be measured of the objects of a label frame, and of one object on two neighbouring frames."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.object_masks import Outline
from napari_clickseg.core.regions import Region


@dataclass(frozen=True, slots=True)
class Facts:
    """One object on one frame.

    Attributes
    ----------
    area : int
        In pixels.
    centre : tuple of float
        Centre of mass in the frame's pixels.
    diameter : float
        Of the disk or ball of this area.
    touching : float
        Share of the outline's pixel faces that touch another object.
    roughness : float
        Faces of the outline over those of the square or cube of this area: about 1 for round objects, more for others.
    pieces : float
        Share of the area that lies apart from the largest piece.
    holes : float
        Area of the holes over the object's.
    """

    area: int
    centre: tuple[float, ...]
    diameter: float
    touching: float
    roughness: float
    pieces: float
    holes: float


@dataclass(frozen=True, slots=True)
class Step:
    """One object from one frame to the next.

    Attributes
    ----------
    overlap : float
        IoU of both masks, laid on each other's centre.
    growth : float
        Octaves by which the area grows.
    shift : tuple of float
        Of the centre, in pixels.
    """

    overlap: float
    growth: float
    shift: tuple[float, ...]


def facts_of(block: npt.NDArray[Any], outlines: Mapping[int, Outline]) -> dict[int, Facts]:
    """Measure all objects of a frame.

    >>> from napari_clickseg.core.object_masks import outlines_of
    >>> block = np.array([[1, 1, 2, 0], [1, 1, 2, 0]])
    >>> facts_of(block, outlines_of(block, Region.whole(block.shape)))[1].touching
    0.25
    """
    faces, touching = _faces(block)
    facts = {}
    for label, outline in outlines.items():
        area, ndim = outline.area, block.ndim
        rim = faces.get(label, 0)
        facts[label] = Facts(
            area,
            outline.centre,
            outline.diameter,
            touching.get(label, 0) / max(rim, 1),
            rim / (2 * ndim * area ** ((ndim - 1) / ndim)),
            _apart(outline) / area,
            int(np.count_nonzero(ndimage.binary_fill_holes(outline.mask) & ~outline.mask)) / area,
        )
    return facts


def steps_between(before: Mapping[int, Outline], after: Mapping[int, Outline]) -> dict[int, Step]:
    """Measure the objects that lie on both of two frames."""
    return {label: step_between(before[label], after[label]) for label in before if label in after}


def step_between(before: Outline, after: Outline) -> Step:
    """Measure an object on two frames."""
    shift = tuple(b - a for a, b in zip(before.centre, after.centre, strict=True))
    laid = Region(
        tuple(a + round(s) for a, s in zip(before.region.start, shift, strict=True)),
        tuple(b + round(s) for b, s in zip(before.region.stop, shift, strict=True)),
    )
    box = laid.union(after.region)
    shared = int(np.count_nonzero(Outline(laid, before.mask).on(box) & after.on(box)))
    areas = before.area, after.area
    return Step(shared / (sum(areas) - shared), math.log2(areas[1] / areas[0]), shift)


def _faces(block: npt.NDArray[Any]) -> tuple[dict[int, int], dict[int, int]]:
    """How many pixel faces of each object lie on its outline, and how many of these touch another object."""
    outline: dict[int, int] = {}
    touching: dict[int, int] = {}
    padded = np.pad(block, 1)
    for axis in range(block.ndim):
        low = np.take(padded, np.arange(padded.shape[axis] - 1), axis)
        high = np.take(padded, np.arange(1, padded.shape[axis]), axis)
        differ = low != high
        for side, other in ((low[differ], high[differ]), (high[differ], low[differ])):
            _count(outline, side[side != 0])
            _count(touching, side[(side != 0) & (other != 0)])
    return outline, touching


def _count(counts: dict[int, int], labels: npt.NDArray[Any]) -> None:
    numbers, times = np.unique(labels, return_counts=True)
    for number, count in zip(numbers.tolist(), times.tolist(), strict=True):
        counts[number] = counts.get(number, 0) + count


def _apart(outline: Outline) -> int:
    """Pixels outside the largest piece."""
    parts, count = ndimage.label(outline.mask, np.ones((3,) * outline.mask.ndim))
    return outline.area - int(np.bincount(parts.ravel())[1:].max()) if count > 1 else 0
