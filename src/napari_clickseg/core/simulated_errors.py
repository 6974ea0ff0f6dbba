"""Damage: the ways in which automatic methods get a mask wrong, done to a true mask on purpose.

Training and the benchmark start corrections from these.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.object_size import equivalent_diameter

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]


def damage(truth: Mask, labels: Labels, rng: np.random.Generator) -> Mask:
    """Return a mask with one or two errors drawn from `KINDS`; the truth itself where that left nothing to damage.

    Parameters
    ----------
    truth : ndarray of bool
        The object, 2D.
    labels : ndarray of int
        All objects of the same window.
    """
    mask = truth
    for kind in rng.choice(list(KINDS), size=int(rng.integers(1, 3)), replace=False):
        mask = KINDS[kind](mask, labels, rng)
    return mask


def merged(mask: Mask, labels: Labels, rng: np.random.Generator) -> Mask:
    """Joined with a touching or near neighbour."""
    near = ndimage.binary_dilation(mask, iterations=4)
    others = np.setdiff1d(np.unique(labels[near & ~mask]), [0])
    if others.size == 0:
        return outline(mask, labels, rng)
    joined: Mask = ndimage.binary_closing(mask | (labels == rng.choice(others)), iterations=2) | mask
    return joined


def cut(mask: Mask, labels: Labels, rng: np.random.Generator) -> Mask:
    """Cut off along a line, as where one object was split into two."""
    y, x = _offsets(mask)
    angle = rng.uniform(0, 2 * np.pi)
    kept: Mask = mask & (y * np.cos(angle) + x * np.sin(angle) < rng.uniform(-0.2, 0.35) * _size(mask))
    return kept


def outline(mask: Mask, labels: Labels, rng: np.random.Generator) -> Mask:
    """A wavy outline, inside or outside the true one."""
    size = _size(mask)
    signed = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    waves = ndimage.gaussian_filter(rng.normal(size=mask.shape), max(size / 8, 1.0))
    waves /= max(float(waves.std()), 1e-6)
    wrong: Mask = signed + 0.07 * size * waves + rng.normal(0, 0.06) * size > 0
    return wrong


def shifted(mask: Mask, labels: Labels, rng: np.random.Generator) -> Mask:
    """Moved by up to a third of the diameter, as a mask taken from the neighbouring frame."""
    step = np.rint(rng.normal(0, 0.15, 2) * _size(mask)).astype(int)
    moved: Mask = ndimage.shift(mask.astype(np.uint8), step, order=0).astype(bool)
    return moved


def holed(mask: Mask, labels: Labels, rng: np.random.Generator) -> Mask:
    """With a round piece missing."""
    return mask & ~_disk(mask, rng, rng.uniform(0.1, 0.35))


def spilled(mask: Mask, labels: Labels, rng: np.random.Generator) -> Mask:
    """With a round piece too much at its rim."""
    rim = ndimage.binary_dilation(mask) & ~mask
    return mask | _disk(rim if rim.any() else mask, rng, rng.uniform(0.15, 0.45), _size(mask))


KINDS: dict[str, Callable[[Mask, Labels, np.random.Generator], Mask]] = {
    "merged": merged,
    "cut": cut,
    "outline": outline,
    "shifted": shifted,
    "holed": holed,
    "spilled": spilled,
}


def _size(mask: Mask) -> float:
    return equivalent_diameter(max(int(mask.sum()), 1), 2)


def _offsets(mask: Mask) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    y, x = np.indices(mask.shape)
    where = np.argwhere(mask)
    middle = where.mean(axis=0) if where.size else (np.array(mask.shape) - 1) / 2
    return y - middle[0], x - middle[1]


def _disk(around: Mask, rng: np.random.Generator, share: float, size: float | None = None) -> Mask:
    """A disk around a random pixel of `around`, radius `share` of the object's size."""
    where = np.argwhere(around)
    if where.size == 0:
        return np.zeros(around.shape, bool)
    centre = where[rng.integers(len(where))]
    y, x = np.indices(around.shape)
    disk: Mask = np.hypot(y - centre[0], x - centre[1]) < share * (size if size is not None else _size(around))
    return disk
