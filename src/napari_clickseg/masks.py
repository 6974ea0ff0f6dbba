"""Masks: Prediction, an answer as logits on a region; Patch, a write into labels that can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.regions import Region

CERTAIN = 6.0
"""The logit that stands for a pixel known to belong to an object (probability 0.9975)."""


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
    """

    region: Region
    logits: npt.NDArray[np.float32]
    note: str = ""

    @classmethod
    def from_mask(cls, mask: npt.NDArray[np.bool_], region: Region) -> Prediction:
        """Return a certain prediction, as for an object that is already in the labels."""
        return cls(region, np.where(mask, CERTAIN, -CERTAIN).astype(np.float32))

    def mask(self, threshold: float = 0.5) -> npt.NDArray[np.bool_]:
        """Return where the probability exceeds `threshold`, shape `region.shape`."""
        return self.logits > probability_to_logit(threshold)

    def full_mask(self, shape: tuple[int, ...], threshold: float = 0.5) -> npt.NDArray[np.bool_]:
        """Return the mask on the whole frame of this shape."""
        full = np.zeros(shape, bool)
        inside = self.region.clip(shape)
        full[inside.slices] = self.mask(threshold)[inside.within(self.region).slices]
        return full

    def logits_on(self, region: Region) -> npt.NDArray[np.float32]:
        """Return the logits on another region, -CERTAIN where this one says nothing."""
        values = np.full(region.shape, -CERTAIN, np.float32)
        shared = self.region.intersection(region)
        if shared.size:
            values[shared.within(region).slices] = self.logits[shared.within(self.region).slices]
        return values


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A value written into some pixels of a label array, with what was there before.

    Taking it back restores a pixel only where the value still stands: what somebody painted over it since is theirs.
    """

    region: Region
    written: npt.NDArray[np.bool_]
    before: npt.NDArray[Any]
    value: int

    @classmethod
    def draw(
        cls,
        labels: Any,
        region: Region,
        mask: npt.NDArray[np.bool_],
        value: int,
        writable: Callable[[npt.NDArray[Any]], npt.NDArray[np.bool_]],
    ) -> Patch:
        """Write `value` where `mask` is True and `writable(what is there)` allows; `region` must lie inside `labels`.

        `labels` is anything with numpy's basic indexing (numpy, zarr): the block is read, changed and written back.
        """
        before = np.array(labels[region.slices])
        written = mask & writable(before)
        if written.any():
            labels[region.slices] = np.where(written, value, before).astype(before.dtype, copy=False)
        return cls(region, written, before, value)

    def take_back(self, labels: Any) -> None:
        """Restore what was there before, except where the value was painted over since."""
        block = np.array(labels[self.region.slices])
        ours = self.written & (block == self.value)
        if ours.any():
            labels[self.region.slices] = np.where(ours, self.before, block)
