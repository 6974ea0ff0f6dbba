"""Confidence: how likely is it that an object was carried well? A fixed formula, fitted on real movies and stacks.

A logistic function of five signs. Carried well means an IoU with the truth of more than 0.7. On what the formula was
fitted, and how it holds elsewhere, is described in docs/concepts.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_clickseg.core.masks import Prediction
    from napari_clickseg.core.object_masks import Outline

WEIGHTS: Mapping[bool, tuple[float, ...]] = {
    False: (0.75, 0.0, -1.27, -3.13, 1.08, 0.96),
    True: (-2.16, 2.51, -1.45, -1.61, 1.47, 0.98),
}
"""For masks by brightness and shape alone (False) and those of a model (True): constant, then one weight per sign."""
USUAL, LARGEST = 30.0, 1.5
"""Sizes are octaves from this diameter in pixels, and none counts for more than so many."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for and against an object as it was carried.

    Attributes
    ----------
    stability : float
        IoU of the masks at logits 1 and -1: a mask that hardly depends on the threshold is a good one.
    contested : float
        Share of the mask that other objects claim too, 0 to 1.
    drift : float
        1 less the correlation of what two neighbouring frames show around the object, summed from the frame that was
        right: what looks the same all along the way is the same.
    contrast : float
        How steep the image is along the outline, as of `propagation.intensity_model.contrast_of`.
    size : float
        Octaves by which the diameter is larger than `USUAL`: an error of a pixel is much to a small object.
    """

    stability: float
    contested: float
    drift: float
    contrast: float
    size: float


def signs_of(answer: Prediction, expected: Outline, drift: float, contrast: float, contested: float = 0.0) -> Signs:
    """Return the signs of an answer about an object that is expected at an outline."""
    certain, possible = int((answer.logits > 1).sum()), int((answer.logits > -1).sum())
    size = float(np.clip(math.log2(expected.diameter / USUAL), -LARGEST, LARGEST))
    return Signs(certain / max(possible, 1), contested, drift, contrast, size)


def confidence(signs: Signs, asked: bool) -> float:
    """Return the probability, 0 to 1, that an object was carried well.

    Parameters
    ----------
    asked : bool
        A model was asked; else brightness and shape alone gave the mask.

    Examples
    --------
    >>> steady = Signs(stability=1.0, contested=0.0, drift=0.0, contrast=0.0, size=0.0)
    >>> round(confidence(steady, asked=False), 2)
    0.68
    """
    constant, *weights = WEIGHTS[asked]
    values = (signs.stability, signs.contested, signs.drift, signs.contrast, signs.size)
    score = constant + sum(weight * value for weight, value in zip(weights, values, strict=True))
    return 1 / (1 + math.exp(-score))
