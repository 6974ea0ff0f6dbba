"""Confidence: how likely is it that an object was carried well? A fixed formula, fitted on real movies and stacks.

A logistic function of four signs. Carried well means an IoU with the truth of more than 0.7. On what the formula was
fitted, and how it holds elsewhere, is told in docs/concepts.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass

from napari_clickseg.masks import Prediction
from napari_clickseg.outlines import Outline

WEIGHTS: Mapping[bool, tuple[float, ...]] = {
    False: (0.84, 0.0, 0.0, -0.17, -1.63),
    True: (-1.43, 2.20, -0.81, -0.58, -0.73),
}
"""For masks by brightness and shape alone (False) and those of a model (True): constant, then one weight per sign."""
LARGEST_CHANGE = 3.0


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for and against an object as it was carried.

    Attributes
    ----------
    stability : float
        IoU of the masks at logits 1 and -1: a mask that hardly depends on the threshold is a good one.
    change : float
        Octaves by which the area changed from the frame before, in either direction.
    contested : float
        Share of the mask that other objects claim too, 0 to 1.
    drift : float
        1 less the correlation of what two neighbouring frames show around the object, summed from the frame that was
        right: what looks the same all along the way is the same.
    """

    stability: float
    change: float
    contested: float
    drift: float


def signs_of(answer: Prediction, expected: Outline, drift: float, contested: float = 0.0) -> Signs:
    """Return the signs of an answer about an object that is expected at an outline."""
    area = int(answer.mask().sum())
    if area == 0:
        return Signs(0.0, LARGEST_CHANGE, contested, drift)
    certain, possible = int((answer.logits > 1).sum()), int((answer.logits > -1).sum())
    change = min(abs(math.log2(area / expected.area)), LARGEST_CHANGE)
    return Signs(certain / possible, change, contested, drift)


def confidence(signs: Signs, asked: bool) -> float:
    """Return the probability, 0 to 1, that an object was carried well.

    Parameters
    ----------
    asked : bool
        A model was asked; else brightness and shape alone told the mask.

    Examples
    --------
    >>> steady = Signs(stability=1.0, change=0.0, contested=0.0, drift=0.0)
    >>> round(confidence(steady, asked=False), 2)
    0.7
    """
    constant, *weights = WEIGHTS[asked]
    score = constant + sum(weight * sign for weight, sign in zip(weights, astuple(signs), strict=True))
    return 1 / (1 + math.exp(-score))
