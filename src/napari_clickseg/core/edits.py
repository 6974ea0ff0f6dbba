"""Edit: pixels to be written into one frame at once, as a verb, a model or a carried object wants them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.regions import Region

AT_ONCE = 1 << 16
"""Pixels of a frame are looked through in strips of about so many, which fit a processor's cache."""
UNKNOWN: Mapping[int, float] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Edit:
    """What to write into one frame.

    Attributes
    ----------
    region : Region
        Where, in the frame's pixels.
    written : ndarray of bool
        Shape `region.shape`: the pixels to write.
    values : ndarray of int
        Shape `region.shape`: the ids to write there; 0 erases. What stands where `written` is False does not count.
    confidence : mapping of int to float
        How sure the carrying of an object was, 0 to 1, by id; empty for what a user did.
    fresh : bool
        The ids only distinguish new objects: when the edit is written they are numbered on from the highest id, and
        pixels that an object got in the meantime stay that object's (unless nothing is protected).

    Raises
    ------
    ValueError
        Where the arrays do not have the region's shape, an id is below 0, or a confidence not between 0 and 1.
    TypeError
        Where the values are not integers, or `written` not booleans.
    """

    region: Region
    written: npt.NDArray[np.bool_]
    values: npt.NDArray[Any]
    confidence: Mapping[int, float] = field(default_factory=lambda: UNKNOWN)
    fresh: bool = False

    def __post_init__(self) -> None:
        for name, array, kinds in (("written", self.written, "b"), ("values", self.values, "iu")):
            if array.shape != self.region.shape:
                raise ValueError(f"`{name}` is of shape {array.shape}, the edit's region of {self.region.shape}.")
            if array.dtype.kind not in kinds:
                raise TypeError(f"`{name}` must be {'booleans' if kinds == 'b' else 'integers'}, not {array.dtype}.")
        if self.values.min(initial=0) < 0 and (self.values[self.written] < 0).any():
            raise ValueError("An edit writes ids from 1 on, or 0 to erase, but a value is below 0.")
        if not all(0 <= value <= 1 for value in self.confidence.values()):
            raise ValueError(f"Confidence lies between 0 and 1, but is {dict(self.confidence)}.")

    @classmethod
    def of(
        cls,
        before: npt.NDArray[Any],
        after: npt.NDArray[Any],
        region: Region,
        confidence: Mapping[int, float] = UNKNOWN,
    ) -> Edit:
        """Return the edit that makes `after` of a block of labels that is `before`.

        >>> Edit.of(np.array([[0, 1]]), np.array([[2, 1]]), Region((4, 4), (5, 6))).ids()
        (2,)
        """
        return cls(region, np.asarray(before != after), after, confidence)

    def ids(self) -> tuple[int, ...]:
        """Return the ids that are written, lowest first; 0 is not among them."""
        return self._ids

    @cached_property
    def _ids(self) -> tuple[int, ...]:
        rows = max(AT_ONCE // max(self.values[:1].size, 1), 1)
        strips = [slice(k, k + rows) for k in range(0, len(self.values), rows)]
        firsts = [_firsts(np.where(self.written[strip], self.values[strip], 0)) for strip in strips]
        return tuple(_distinct(np.concatenate(firsts)).tolist()) if firsts else ()

    @property
    def highest(self) -> int:
        """The highest id that is written; 0 where the edit only erases."""
        return max(self._ids, default=0)

    def numbered(self, first: int, free: npt.NDArray[np.bool_]) -> Edit:
        """Return the edit of fresh objects as it is written: on free pixels only, ids from `first` on.

        >>> edit = Edit(Region((0,), (4,)), np.ones(4, bool), np.array([5, 5, 0, 9]), fresh=True)
        >>> edit.numbered(3, np.array([True, False, True, True])).values.tolist()
        [3, 0, 0, 4]
        """
        written = self.written & free
        return Edit(self.region, written, _renumbered(np.where(written, self.values, 0), first))


def new_objects(found: npt.NDArray[Any], there: npt.NDArray[Any], anywhere: bool = False) -> Edit:
    """Return the edit that adds the objects found on a whole frame to the labels that are there.

    An object that mostly lies on objects that are there is one of these; of the others, what lies in background comes.

    Parameters
    ----------
    found, there : ndarray of int
        Labels of a frame: what was found, and what it holds.
    anywhere : bool
        Write over what is there.

    Examples
    --------
    >>> found, there = np.array([[1, 1, 0, 2, 2, 2]]), np.array([[7, 7, 7, 7, 0, 0]])
    >>> new_objects(found, there).written
    array([[ True,  True]])
    """
    objects = np.asarray(found > 0)
    if not anywhere:
        sizes = np.bincount(found[objects], minlength=1)
        covered = np.bincount(found[objects & (there > 0)], minlength=sizes.size)
        objects = objects & (there == 0) & (2 * covered < sizes)[found]
    box = Region.of_mask(objects) or Region.whole((0,) * found.ndim)
    return Edit(box, objects[box.slices], found[box.slices], fresh=True)


def _firsts(ids: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The first id of each run of one id: far fewer than pixels, with every id among them."""
    flat = ids.reshape(-1)
    return np.concatenate((flat[:1], flat[1:][flat[1:] != flat[:-1]]))


def _distinct(ids: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The ids from 1 on that occur, lowest first: marked in a table, as sorting the pixels of a frame takes long."""
    if int(ids.max(initial=0)) > max(ids.size, AT_ONCE):
        found = np.unique(ids).astype(np.int64)
        return found[found > 0]
    there = np.zeros(int(ids.max(initial=0)) + 1, bool)
    there[ids] = True
    there[0] = False
    return np.flatnonzero(there)


def _renumbered(labels: npt.NDArray[Any], first: int) -> npt.NDArray[Any]:
    """Labels with the ids from `first` on, in their order, and 0 as it is; looked up in a table where that is small."""
    ids = _distinct(_firsts(labels))
    dtype = np.min_scalar_type(first + ids.size)
    if int(ids.max(initial=0)) > labels.size:
        return np.where(labels > 0, first + np.searchsorted(ids, labels), 0).astype(dtype)
    table = np.zeros(int(ids.max(initial=0)) + 1, dtype)
    table[ids] = np.arange(first, first + ids.size)
    return table.take(labels, mode="clip")
