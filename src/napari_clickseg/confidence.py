"""Confidence: how likely is it that an object was carried well? A fixed formula, fitted on real movies and stacks.

A logistic function of five signs. Carried well means an IoU with the truth of at least `WELL`; what the formula was
fitted on and how it holds elsewhere is told in docs/concepts.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass

from napari_clickseg.masks import Prediction
from napari_clickseg.outlines import Outline

WELL = 0.7
WEIGHTS: Mapping[bool, tuple[float, ...]] = {
    False: (-4.0, 3.0, 4.0, 1.0, -1.0, -2.0),
    True: (-4.0, 3.0, 4.0, 1.0, -1.0, -2.0),
}
"""For guesses by brightness and shape (False) and answers of a model (True): constant, then one weight per sign."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for an object as it was carried.

    Attributes
    ----------
    stability : float
        IoU of the masks at logits 1 and -1: a mask that hardly depends on the threshold is a good one.
    agreement : float
        IoU with the mask that was moved along.
    likeness : float
        Correlation of what both frames show there, -1 to 1.
    change : float
        Octaves by which the area changed, in either direction.
    contested : float
        Share of the mask that other objects claim too.
    """

    stability: float
    agreement: float
    likeness: float
    change: float
    contested: float = 0.0


def signs_of(answer: Prediction, expected: Outline, likeness: float, contested: float = 0.0) -> Signs:
    """Return the signs of an answer about an object that is expected at an outline."""
    mask = answer.mask()
    area = int(mask.sum())
    if area == 0:
        return Signs(0.0, 0.0, likeness, 3.0, contested)
    certain, possible = int((answer.logits > 1).sum()), int((answer.logits > -1).sum())
    shared = int((mask & expected.on(answer.region)).sum())
    agreement = shared / (area + expected.area - shared)
    return Signs(certain / possible, agreement, likeness, min(abs(math.log2(area / expected.area)), 3.0), contested)


def confidence(signs: Signs, asked: bool) -> float:
    """Return the probability, 0 to 1, that an object was carried well.

    Parameters
    ----------
    asked : bool
        A model was asked; else brightness and shape alone told the mask.
    """
    constant, *weights = WEIGHTS[asked]
    score = constant + sum(weight * sign for weight, sign in zip(weights, astuple(signs), strict=True))
    return 1 / (1 + math.exp(-score))
