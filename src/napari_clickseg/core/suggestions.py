"""Suggestions: objects that a model found without clicks, as values to look at, to filter and to accept.

Pure: nothing is written anywhere. Overlaps are settled here: of two masks that mean one object, the better one stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.object_size import equivalent_diameter
from napari_clickseg.core.regions import Region, values_on

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame

SAME_IOU, SAME_SHARE = 0.3, 0.6
"""Masks are one object from this IoU on, or where the smaller one lies in the other by at least this share."""
LEAST_SHARE = 0.6
"""What better objects leave of a mask is an object of its own only from this share of it on."""
UNLIKE_COST = 0.5
"""What resembling no example at all takes from a quality."""
USUAL, USUAL_LIKE = 0.55, 0.35
"""The score from which on suggestions are worth a look, without and with examples. Chosen for F1 at IoU 0.5, mean of
the sources, on the middle 320 pixels of at most two `val` images (planes) of each of ten sources: axon_sem,
colicoords_bf, cornea_endothelium, dic_platelets, dsb2018, endothelium_confocal, mdck_zo1, neuroproof_fibsem,
usiigaci_phase, wsu_plant_sem. With three examples there are eight of them; 0.25 to 0.4 differ by 0.01 there."""
SMALLEST = 9
"""Pixels of an object, at least."""
CELL = 64
"""Side of the squares, in pixels, by which neighbours are found."""


@dataclass(frozen=True, slots=True, eq=False)
class Suggestion:
    """One object that may be there.

    Attributes
    ----------
    frame : Frame
    region : Region
        The smallest one of the frame that holds the mask.
    mask : ndarray of bool
        Shape `region.shape`.
    quality : float or None
        The model's estimate of the mask's IoU with the object, 0 to 1; None where it makes none.
    similarity : float or None
        How much it resembles the most similar one of the examples, 0 to 1; None without examples.
    """

    frame: Frame
    region: Region
    mask: npt.NDArray[np.bool_]
    quality: float | None = None
    similarity: float | None = None

    def __post_init__(self) -> None:
        if self.mask.shape != self.region.shape:
            raise ValueError(f"The mask is of shape {self.mask.shape}, its region of {self.region.shape}.")

    @classmethod
    def of(
        cls, frame: Frame, region: Region, mask: npt.NDArray[np.bool_], quality: float | None = None
    ) -> Suggestion | None:
        """Return the suggestion of a mask on any region, cut to its pixels; None where it is empty."""
        box = Region.of_mask(mask)
        return None if box is None else cls(frame, box.placed_in(region), mask[box.slices].copy(), quality)

    @property
    def area(self) -> int:
        """Pixels."""
        return int(np.count_nonzero(self.mask))

    @property
    def diameter(self) -> float:
        """Of the disk (or ball) of as many pixels."""
        return equivalent_diameter(self.area, self.mask.ndim)

    @property
    def score(self) -> float:
        """What suggestions are ordered by: quality, less where it resembles no example."""
        quality = 1.0 if self.quality is None else self.quality
        return quality - UNLIKE_COST * (0.0 if self.similarity is None else 1 - self.similarity)

    def covers(self, frame: Frame, position: Sequence[float]) -> bool:
        """Return whether a position within a frame lies on the object."""
        pixel = tuple(round(p) for p in position)
        if frame != self.frame or not self.region.contains(pixel):
            return False
        return bool(self.mask[tuple(p - a for p, a in zip(pixel, self.region.start, strict=True))])

    def on(self, region: Region) -> npt.NDArray[np.bool_]:
        """Return the mask on another region of the frame."""
        return values_on(self.mask, self.region, region)

    def less(self, taken: npt.NDArray[np.bool_]) -> Suggestion | None:
        """Return what is left without pixels that others have, shape of the region; None where that is too little."""
        left = self.mask & ~taken
        count = int(np.count_nonzero(left))
        if count < max(SMALLEST, LEAST_SHARE * self.area):
            return None
        rest = Suggestion.of(self.frame, self.region, left, self.quality)
        return rest and replace(rest, similarity=self.similarity)

    def overlap(self, other: Suggestion) -> tuple[float, float]:
        """Return the IoU with another one, and the share of the smaller one of the two that lies in the other.

        >>> one = Suggestion((), Region((0,), (4,)), np.ones(4, bool))
        >>> one.overlap(Suggestion((), Region((2,), (4,)), np.ones(2, bool)))
        (0.5, 1.0)
        """
        shared = self.region.intersection(other.region)
        if not shared.size or self.frame != other.frame:
            return 0.0, 0.0
        both = int(np.count_nonzero(self.on(shared) & other.on(shared)))
        smaller, larger = sorted((self.area, other.area))
        return both / (smaller + larger - both), both / smaller


@dataclass(frozen=True, slots=True, eq=False)
class Suggestions:
    """Suggestions of one search, best first; none overlaps another, or what was in the labels.

    Attributes
    ----------
    items : tuple of Suggestion
    diameters : tuple of float
        The object sizes, in pixels, that were looked for.
    examples, found_again : int
        How many kept objects showed what is looked for, and how many of them the search itself finds.
    note : str
        A sentence for the user about what was not offered, mostly empty.
    """

    items: tuple[Suggestion, ...] = ()
    diameters: tuple[float, ...] = ()
    examples: int = 0
    found_again: int = 0
    note: str = ""

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Suggestion]:
        return iter(self.items)

    def __getitem__(self, index: int) -> Suggestion:
        return self.items[index]

    @property
    def usual(self) -> float:
        """The score that `at_least` asks for where none is named."""
        return USUAL_LIKE if self.examples else USUAL

    def at_least(self, score: float | None = None) -> Suggestions:
        """Return those whose score is at least this: a slider between more (0) and fewer (1)."""
        least = self.usual if score is None else score
        return replace(self, items=tuple(one for one in self.items if one.score >= least))

    def without(self, some: Iterable[Suggestion]) -> Suggestions:
        """Return those that are none of these, as after some were accepted or dismissed."""
        gone = {id(one) for one in some}
        return replace(self, items=tuple(one for one in self.items if id(one) not in gone))

    def at(self, frame: Frame, position: Sequence[float]) -> Suggestion | None:
        """Return the one under a position within a frame, if there is one."""
        return next((one for one in self.items if one.covers(frame, position)), None)


def settled(found: Iterable[Suggestion]) -> tuple[Suggestion, ...]:
    """Return suggestions of which none overlaps another, best first.

    Of those that mean one object only the best stays; of those that merely touch, the better one has the pixels.
    """
    kept: list[Suggestion] = []
    near: dict[tuple[Frame, tuple[int, ...]], list[int]] = defaultdict(list)
    for one in sorted(found, key=lambda one: -one.score):
        cells = [(one.frame, cell) for cell in _cells(one.region)]
        neighbours = [kept[k] for k in dict.fromkeys(k for cell in cells for k in near[cell])]
        rest = _beside(one, neighbours)
        if rest is not None:
            for cell in cells:
                near[cell].append(len(kept))
            kept.append(rest)
    return tuple(kept)


def _beside(one: Suggestion, better: Sequence[Suggestion]) -> Suggestion | None:
    """A suggestion without the pixels of better ones; None where it is one of them."""
    touching = [other for other in better if other.region.intersection(one.region).size]
    for other in touching:
        iou, share = one.overlap(other)
        if iou >= SAME_IOU or share >= SAME_SHARE:
            return None
    if not touching:
        return one if one.area >= SMALLEST else None
    return one.less(np.logical_or.reduce([other.on(one.region) for other in touching]))


def _cells(region: Region) -> Iterator[tuple[int, ...]]:
    spans = (range(a // CELL, (b - 1) // CELL + 1) for a, b in zip(region.start, region.stop, strict=True))
    return product(*spans)
