"""Deciding: several objects claim pixels of one frame; each pixel goes to the one that claims it most, or to none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.object_masks import Mask, Outline
from napari_clickseg.propagation.intensity_model import Brightness, Grey, weighed

if TYPE_CHECKING:
    from napari_clickseg.core.regions import Region


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """An object as it is expected on a frame, before anything but its brightness was looked at there.

    Attributes
    ----------
    label : int
    outline : Outline
        Moved along from the neighbouring frame, or interpolated between two.
    drift : float
        How unlike the frames look around it, summed from the frame that was right, as in `confidence.Signs`.
    room : Region
        How far the object may reach.
    brightness : Brightness
        What grey values say about it.
    evidence : ndarray of float32
        Log odds of brightness on `room`.
    steep : ndarray of float32
        How steep the image is there.
    """

    label: int
    outline: Outline
    drift: float
    room: Region
    brightness: Brightness
    evidence: Grey
    steep: Grey


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """What an object claims of a frame.

    Attributes
    ----------
    expected : Expected
    answer : Prediction
        Its logits on its room.
    model_answer : Prediction
        What stands behind them, for the confidence: the model's own answer, or the same logits.
    asked : bool
        A model was asked.
    """

    expected: Expected
    answer: Prediction
    model_answer: Prediction
    asked: bool = False

    @classmethod
    def weighed(cls, expected: Expected) -> Claim:
        """Return the claim that brightness and shape make."""
        answer = weighed(expected.outline, expected.room, expected.evidence)
        return cls(expected, answer, answer)

    def with_answer(self, model_answer: Prediction) -> Claim:
        """Return the claim with a model's answer added: log odds of two witnesses add up."""
        logits = self.answer.logits + model_answer.logits_on(self.answer.region)
        return Claim(self.expected, Prediction(self.answer.region, logits), model_answer, asked=True)


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """What an object got: its outline (None: nothing), how much it claimed, and who claimed how much of that too."""

    outline: Outline | None
    claimed: int
    rivals: Mapping[int, int] = field(default_factory=dict)


def decide(claims: Sequence[Claim], region: Region, free: Mask) -> dict[int, Decided]:
    """Give each pixel to the object with the highest probability, and to none where that is below one half.

    An object keeps the pieces that touch where it was expected; where none does, the largest.

    Parameters
    ----------
    region : Region
        Of the frame; holds all claims.
    free : ndarray of bool
        Pixels of `region` that may be given to somebody.
    """
    owner = np.zeros(region.shape, np.int32)
    best = np.zeros(region.shape, np.float32)
    for number, claim in enumerate(claims, 1):
        place = claim.answer.region.within(region).slices
        won = (claim.answer.logits > best[place]) & free[place]
        best[place][won] = claim.answer.logits[won]
        owner[place][won] = number
    return {
        claim.expected.label: _share(claim, number, owner, region, claims) for number, claim in enumerate(claims, 1)
    }


def _share(claim: Claim, number: int, owner: npt.NDArray[np.int32], region: Region, claims: Sequence[Claim]) -> Decided:
    where = claim.answer.region
    owners, claimed = owner[where.within(region).slices], claim.answer.mask()
    counts = np.bincount(owners[claimed & (owners != number)], minlength=1)
    rivals = {claims[k - 1].expected.label: int(counts[k]) for k in np.flatnonzero(counts).tolist() if k > 0}
    mask = _expected_pieces(owners == number, claim.expected.outline.on(where))
    return Decided(Outline.of(mask, where), int(claimed.sum()), rivals)


def _expected_pieces(mask: Mask, expected: Mask) -> Mask:
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(parts[mask & expected], minlength=count + 1)
    if not sizes.any():
        sizes = np.bincount(parts[mask], minlength=count + 1)
        sizes[np.arange(count + 1) != sizes.argmax()] = 0
    kept: Mask = (sizes > 0)[parts] & mask
    return kept
