"""Masks: Prediction, an answer as logits on a region; Patch, a write into labels that can be taken back."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.regions import Region, values_on

Drawing = tuple[npt.NDArray[np.bool_], npt.NDArray[Any]]
"""Which pixels of a block to write, and their values."""

CERTAIN = 6.0
"""The logit that stands for a pixel known to belong to an object (probability 0.9975)."""
FASTEST = 1
"""The level of compression of patches: undo unpacks them on the thread that draws."""


def probability_to_logit(probability: float) -> float:
    """Return the logit of a probability between 0 and 1 (both excluded).

    >>> probability_to_logit(0.5)
    0.0
    """
    return float(np.log(probability / (1 - probability)))


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a predictor answers: logits on a region of one frame; outside the region there is no object.

    Attributes
    ----------
    region : Region
        Where, in the frame's pixels.
    logits : ndarray of float32
        Shape `region.shape`; 0 is probability 0.5.
    note : str
        A sentence for the user about how the answer came about ("The GPU ran out of memory ..."), mostly empty.
    window : Region or None
        Where the predictor looked, possibly beyond the frame: a hint to look there again for the next click.
    quality : float or None
        The predictor's own estimate of this answer's IoU, 0 to 1; None where it makes none.
    candidates : tuple of Prediction
        Distinct answers to the same clicks, best quality first, this one among them (with the same `logits`); empty
        where there is no other. Candidates have no candidates of their own.
    cut_off : ndarray of uint8 or None
        Shape `region.shape`: what clicks took away from an object that was taken up and what is an object of its own,
        each piece with a number from 1 on; None where there is no such piece.

    Raises
    ------
    ValueError
        Where the logits, or the pieces cut off, do not have the region's shape.
    """

    region: Region
    logits: npt.NDArray[np.float32]
    note: str = ""
    window: Region | None = None
    quality: float | None = None
    candidates: tuple[Prediction, ...] = ()
    cut_off: npt.NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        if self.logits.shape != self.region.shape:
            raise ValueError(f"The logits are of shape {self.logits.shape}, their region of {self.region.shape}.")
        if self.cut_off is not None and self.cut_off.shape != self.region.shape:
            raise ValueError(f"What is cut off is of shape {self.cut_off.shape}, its region of {self.region.shape}.")

    @classmethod
    def from_mask(cls, mask: npt.NDArray[np.bool_], region: Region) -> Prediction:
        """Return a certain prediction, as for an object that is already in the labels."""
        return cls(region, np.where(mask, CERTAIN, -CERTAIN).astype(np.float32))

    def mask(self, threshold: float = 0.5) -> npt.NDArray[np.bool_]:
        """Return where the probability exceeds `threshold`, shape `region.shape`."""
        return self.logits > probability_to_logit(threshold)

    def mask_on(self, region: Region, threshold: float = 0.5) -> npt.NDArray[np.bool_]:
        """Return the mask on another region, False where this prediction says nothing."""
        return values_on(self.mask(threshold), self.region, region)

    def full_mask(self, shape: tuple[int, ...], threshold: float = 0.5) -> npt.NDArray[np.bool_]:
        """Return the mask on the whole frame of this shape."""
        return self.mask_on(Region.whole(shape), threshold)

    def alpha_on(self, region: Region) -> npt.NDArray[np.float32]:
        """Return how much of each pixel on another region is the object's, 0 to 1.

        The probability, stretched so that pixels as sure as those that are known to belong, or not to, are 1 and 0.

        >>> Prediction(Region((0,), (3,)), np.array([-6, 0, 6], np.float32)).alpha_on(Region((0,), (4,))).tolist()
        [0.0, 0.5, 1.0, 0.0]
        """
        probability = 1 / (1 + np.exp(-np.clip(self.logits_on(region), -CERTAIN, CERTAIN).astype(np.float64)))
        least = 1 / (1 + np.exp(CERTAIN))
        return np.asarray(((probability - least) / (1 - 2 * least)).round(6), np.float32)

    def logits_on(self, region: Region) -> npt.NDArray[np.float32]:
        """Return the logits on another region, -CERTAIN where this one says nothing."""
        return np.asarray(values_on(self.logits, self.region, region, -CERTAIN), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A write into a label array, with what was there before: no larger than the pixels written.

    Taking it back restores a pixel only where what was written still stands: what somebody painted over it since is
    theirs.
    """

    region: Region
    written: npt.NDArray[np.bool_]
    before: npt.NDArray[Any]
    after: npt.NDArray[Any]

    @classmethod
    def write(cls, labels: Any, region: Region, draw: Callable[[npt.NDArray[Any]], Drawing]) -> Patch:
        """Write what `draw` makes of the block that is there; `region` must lie inside `labels`.

        `labels` is anything with numpy's basic indexing (numpy, zarr): the block is read, changed and written back.

        Parameters
        ----------
        draw : callable
            Takes the block of labels, returns (which pixels to write, their values).
        """
        there = np.array(labels[region.slices])
        written, values = draw(there)
        box = Region.of_mask(written) or Region((0,) * there.ndim, (0,) * there.ndim)
        written, before = written[box.slices], there[box.slices]
        after = before.copy()
        np.copyto(after, values[box.slices], casting="unsafe", where=written)
        patch = cls(box.placed_in(region), written, before, after)
        if patch.region.size:
            labels[patch.region.slices] = patch.after
        return patch

    def take_back(self, labels: Any) -> None:
        """Restore what was there before, except where it was painted over since."""
        if not self.region.size:
            return
        there = np.array(labels[self.region.slices])
        ours = self.written & (there == self.after)
        labels[self.region.slices] = np.where(ours, self.before, there)

    def count(self, label: int) -> int:
        """Return how many pixels were given this label."""
        return int(np.count_nonzero(self.written & (self.after == label)))

    def write_again(self, labels: Any) -> Patch:
        """Write the same once more, whatever is there now; return the patch that takes this back."""
        return Patch.write(labels, self.region, lambda there: (self.written, self.after))

    def packed(self) -> PackedPatch:
        """Return the patch as a few bytes, to be kept for long."""
        pixels = zlib.compress(np.packbits(self.written).tobytes(), FASTEST)
        before, after = (PackedIds.where(self.written, ids) for ids in (self.before, self.after))
        return PackedPatch(self.region, pixels, before, after)


@dataclass(frozen=True, slots=True, eq=False)
class PackedIds:
    """The ids of some pixels in few bytes: each run of one id as that id, in the narrowest type, and its length."""

    dtype: np.dtype[Any]
    squeezed: bytes

    @classmethod
    def of(cls, ids: npt.NDArray[Any]) -> PackedIds:
        """Pack ids, one axis.

        >>> PackedIds.of(np.array([7, 300, 7])).dtype, PackedIds.of(np.zeros(9, int)).unpacked()
        (dtype('uint16'), array([0, 0, 0, 0, 0, 0, 0, 0, 0], dtype=uint8))
        """
        starts = np.concatenate(([0], 1 + np.flatnonzero(ids[1:] != ids[:-1])))[: ids.size]
        return cls._of_runs(ids[starts], np.diff(starts, append=ids.size).astype(np.uint32))

    @classmethod
    def where(cls, shown: npt.NDArray[np.bool_], ids: npt.NDArray[Any]) -> PackedIds:
        """Pack the ids of a block of pixels, 0 where they are not shown."""
        return cls.of((ids if shown.all() else ids * shown).reshape(-1))

    @classmethod
    def _of_runs(cls, firsts: npt.NDArray[Any], lengths: npt.NDArray[np.uint32]) -> PackedIds:
        narrow = np.min_scalar_type(int(firsts.max(initial=0)))
        if narrow.itemsize < firsts.itemsize and firsts.min(initial=0) == 0:
            firsts = firsts.astype(narrow)
        return cls(firsts.dtype, zlib.compress(lengths.tobytes() + firsts.tobytes(), FASTEST))

    def renumbered(self, ids: Mapping[int, int]) -> PackedIds:
        """Return the same with other ids in the place of some."""
        narrow, lengths = self._runs()
        old = narrow.astype(np.int64)
        new = old.copy()
        for before, after in ids.items():
            new[old == before] = after
        return PackedIds._of_runs(new, lengths)

    def unpacked(self, dtype: np.dtype[Any] | None = None) -> npt.NDArray[Any]:
        """Return the ids of all pixels, in another type where that holds all that the narrow one does."""
        firsts, lengths = self._runs()
        wide = dtype is not None and np.can_cast(firsts.dtype, dtype)
        return np.repeat(firsts.astype(dtype) if wide else firsts, lengths)

    def _runs(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint32]]:
        both = zlib.decompress(self.squeezed)
        runs = len(both) // (4 + self.dtype.itemsize)
        return np.frombuffer(both[4 * runs :], self.dtype), np.frombuffer(both[: 4 * runs], np.uint32)


@dataclass(frozen=True, slots=True, eq=False)
class PackedPatch:
    """A patch in few bytes: which pixels of a region, what was there and what was written, 0 at the other pixels."""

    region: Region
    pixels: bytes
    before: PackedIds
    after: PackedIds

    def take_back(self, labels: Any) -> None:
        """Restore what was there before, except where it was painted over since."""
        if not self.region.size:
            return
        there, written = np.array(labels[self.region.slices], order="C"), self._written()
        before, after = self._ids(there)
        written &= there == after
        np.copyto(there, before, where=written, casting="unsafe")
        labels[self.region.slices] = there

    def renumbered(self, ids: Mapping[int, int]) -> PackedPatch:
        """Return the same with other ids in the place of some."""
        return replace(self, before=self.before.renumbered(ids), after=self.after.renumbered(ids))

    def write_again(self, labels: Any, spared: Collection[int] = ()) -> PackedPatch:
        """Write the same once more, whatever is there now; return the patch that takes this back.

        Parameters
        ----------
        spared : collection of int
            Ids that are not written over where they stand since.
        """
        if not self.region.size:
            return self
        there, written = np.array(labels[self.region.slices], order="C"), self._written()
        before, after = self._ids(there)
        changed = (there != before) & written
        known = self if not changed.any() else replace(self, before=PackedIds.where(written, there))
        theirs = changed & np.isin(there, list(spared)) if spared and known is not self else None
        np.copyto(there, after, where=written if theirs is None else written & ~theirs, casting="unsafe")
        labels[self.region.slices] = there
        return known

    def _written(self) -> npt.NDArray[np.bool_]:
        bits = np.frombuffer(zlib.decompress(self.pixels), np.uint8)
        return np.unpackbits(bits, count=self.region.size).view(bool).reshape(self.region.shape)

    def _ids(self, there: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """What was there before and what was written, as blocks of the region."""
        before, after = (ids.unpacked(there.dtype).reshape(there.shape) for ids in (self.before, self.after))
        return before, after
