"""Appearance: numbers that distinguish objects: size, shape, brightness against the surroundings, a model's features.

Pure. Which of many masks resemble a few examples follows from them, without training.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

if TYPE_CHECKING:
    from napari_clickseg.core.images import Image
    from napari_clickseg.core.suggestions import Suggestion

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

SURROUNDINGS = 0.35
"""How far around an object its surroundings reach, in diameters; at least 3 pixels."""
WEIGHTS = (1.0, 0.5, 0.5, 0.5)
"""What a squared difference in each of `MEASURES` counts; the mean squared difference of features counts 1."""
MEASURES = ("octaves of diameter", "elongation", "contrast", "texture")
UNLIKE = 8.0
"""From this distance on, two objects have no similarity."""


def measures(image: Image, one: Suggestion) -> Vector:
    """Return log2 of the diameter, log2 of the elongation, contrast and texture, as `MEASURES` names them.

    Contrast is the brightness inside less that around, texture the deviation inside, both over the deviation of all of
    it (inside and around).
    """
    margin = max(round(SURROUNDINGS * one.diameter), 3)
    block = one.region.grow(margin).clip(image.frame_shape(one.mask.ndim))
    grey = image.block(one.frame, block).mean(axis=0)
    inside = one.on(block)
    around = ~ndimage.binary_dilation(inside)
    deviation = max(float(grey.std()), 1e-6)
    middle = float(grey[inside].mean())
    contrast = (middle - float(grey[around].mean())) / deviation if around.any() else 0.0
    return np.array(
        [math.log2(one.diameter), _elongation(inside), contrast, float(grey[inside].std()) / deviation], np.float64
    )


def _elongation(mask: npt.NDArray[np.bool_]) -> float:
    """log2 of the ratio of the longest to the shortest axis of a mask."""
    places = np.argwhere(mask).astype(np.float64)
    spread = np.linalg.eigvalsh(np.cov(places.T) + np.eye(mask.ndim) / 12) if len(places) > 1 else np.ones(1)
    return float(math.log2(spread[-1] / spread[0]) / 2)


def similarities(
    examples: tuple[Matrix, Matrix | None], others: tuple[Matrix, Matrix | None]
) -> npt.NDArray[np.float64]:
    """Return how much each object resembles the most similar example, 0 to 1.

    Parameters
    ----------
    examples, others : (measures, features)
        (objects, measures), and a model's features of each (objects, numbers) or None where it has none.

    Examples
    --------
    >>> small, large = np.array([[4.0, 0, 1, 0]]), np.array([[5.0, 0, 1, 0]])
    >>> similarities((small, None), (np.concatenate((small, large)), None)).tolist()
    [1.0, 0.875]
    """
    if not len(others[0]):
        return np.zeros(0)
    distance = ((others[0][:, None] - examples[0][None]) ** 2 * np.array(WEIGHTS)).sum(axis=2)
    if examples[1] is not None and others[1] is not None:
        deviation = np.concatenate((examples[1], others[1])).std(axis=0) + 1e-6
        shown = examples[1] / deviation
        gaps = [((others[1] / deviation - one) ** 2).mean(axis=1) for one in shown]
        distance = distance + np.stack(gaps, axis=1)
    nearest: npt.NDArray[np.float64] = np.clip(1 - distance.min(axis=1) / UNLIKE, 0, 1)
    return nearest
