"""What a scene is: an 8-bit image and the exact labels of its objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from skimage.measure import label as connected

Plane = npt.NDArray[np.floating]
Labels = npt.NDArray[np.uint16]
Mask = npt.NDArray[np.bool_]

SMALLEST_OBJECT = 20
"""Objects below this many pixels are taken out of the labels (they stay in the image)."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One drawn plane.

    Attributes
    ----------
    image : ndarray of uint8
        (y, x), or (y, x, 3) where the scene has colours.
    labels : ndarray of uint16
        (y, x), 0 is background; every label is one connected piece, numbered from 1.
    """

    image: npt.NDArray[np.uint8]
    labels: Labels


def tidy(labels: npt.NDArray[np.integer], smallest: int = SMALLEST_OBJECT) -> Labels:
    """Keep the largest connected piece of each label, drop what is too small, number the rest from 1.

    Examples
    --------
    >>> tidy(np.array([[5, 5, 0, 5], [0, 0, 0, 0], [9, 0, 3, 3]]), smallest=2)
    array([[1, 1, 0, 0],
           [0, 0, 0, 0],
           [0, 0, 2, 2]], dtype=uint16)
    """
    pieces = connected(labels, connectivity=1)
    sizes = np.bincount(pieces.ravel())
    owners = np.zeros(len(sizes), np.int64)
    owners[pieces.ravel()] = labels.ravel()
    order = np.argsort(sizes, kind="stable")
    largest = np.zeros(int(owners.max()) + 1, np.int64)
    largest[owners[order]] = order
    kept = (largest[owners] == np.arange(len(sizes))) & (owners > 0) & (sizes >= smallest)
    numbers = np.where(kept, np.cumsum(kept), 0).astype(np.uint16)
    tidied: Labels = numbers[pieces]
    return tidied


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between `low` and `high`, every octave equally likely."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with the probability given."""
    return bool(rng.random() < probability)
