"""Obedience: where an answer contradicts a click, the answer is corrected around that click, and only there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_clickseg.core.regions import Region

SURE = 1.0
"""The logit that a corrected pixel is given at the click itself (probability 0.73)."""
SMALLEST_RADIUS = 1.5
RADIUS_SHARE = 0.06
"""The correction's radius over the object's diameter."""


def obey(
    logits: npt.NDArray[np.float32], region: Region, points: Sequence[tuple[tuple[float, ...], bool]], diameter: float
) -> npt.NDArray[np.float32]:
    """Return logits in which every clicked pixel has its label.

    A contradicted click gets a small disk of its own polarity, which ends half-way to the nearest click of the other
    polarity. Nothing outside these disks changes; where every click is obeyed the logits come back as they are.

    Parameters
    ----------
    logits : ndarray of float32
        Shape `region.shape`.
    points : sequence of (position within the frame, positive)
    diameter : float
        Expected object diameter in pixels.
    """
    broken = [(p, s) for p, s in contradicted(logits, region, points) if region.contains(p)]
    if not broken:
        return logits
    corrected = logits.copy()
    grid = np.indices(region.shape, dtype=np.float32)
    for point, positive in broken:
        others = [other for other, sign in points if sign is not positive]
        reach = min((float(np.linalg.norm(np.subtract(point, other))) / 2 for other in others), default=np.inf)
        radius = max(min(max(SMALLEST_RADIUS, RADIUS_SHARE * diameter), reach), 0.5)
        offset = [p - a for p, a in zip(point, region.start, strict=True)]
        near = sum((g - round(o)) ** 2 for g, o in zip(grid, offset, strict=True)) <= radius**2
        wanted = SURE if positive else -SURE
        corrected[near] = np.maximum(corrected[near], wanted) if positive else np.minimum(corrected[near], wanted)
    for point, positive in points:
        if region.contains(point):
            _settle(corrected, region, point, positive)
    return corrected


def contradicted(
    logits: npt.NDArray[np.float32], region: Region, points: Sequence[tuple[tuple[float, ...], bool]]
) -> list[tuple[tuple[float, ...], bool]]:
    """Return the clicks whose pixel has the other label; beyond the region there is no object."""
    return [(p, s) for p, s in points if (region.contains(p) and _at(logits, region, p) > 0) != s]


def _at(logits: npt.NDArray[np.float32], region: Region, point: tuple[float, ...]) -> float:
    return float(logits[_index(region, point)])


def _settle(logits: npt.NDArray[np.float32], region: Region, point: tuple[float, ...], positive: bool) -> None:
    """Give the clicked pixel itself its label, should a neighbouring correction have reached it."""
    if (_at(logits, region, point) > 0) != positive:
        logits[_index(region, point)] = SURE if positive else -SURE


def _index(region: Region, point: tuple[float, ...]) -> tuple[int, ...]:
    """The clicked pixel in the region's array; a click just inside the rim may round to just outside it."""
    return tuple(min(max(round(p) - a, 0), n - 1) for p, a, n in zip(point, region.start, region.shape, strict=True))
