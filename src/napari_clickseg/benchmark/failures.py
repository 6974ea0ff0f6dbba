"""Failures: which objects of an image a model's labels got wrong, and how.

Every true object is compared with the labels that lie on it. What is good enough for a microscopist to leave alone is
no failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.benchmark.datasets import SMALLEST_OBJECT

GOOD_IOU = 0.85
"""An object whose best IoU is at least this is right."""
MISSED_SHARE = 0.25
"""An object is missed where no label covers at least this share of it."""
MOST = 0.5
"""A label swallows an object, or lies on nothing, from this share on."""

MISSED, MERGED, OUTLINE, DEBRIS = "missed", "merged", "wrong outline", "debris"
KINDS = (MISSED, MERGED, OUTLINE, DEBRIS)
"""Nothing is there; the label covers another object too; anything else; a label where no object is."""

Labels = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that labels got wrong.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    truth : int
        The true object's id; 0 of debris.
    found : int
        The label that overlaps it most, or the debris itself; 0 where it is missed.
    iou : float
        The object's best IoU with any label; 0 of debris.
    area : int
        Pixels of the true object, or of the debris.
    """

    kind: str
    truth: int
    found: int
    iou: float
    area: int


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """How many pixels true objects and labels share.

    Attributes
    ----------
    truths, found : ndarray of int
        Ids, sorted; true objects of fewer than `SMALLEST_OBJECT` pixels are left out.
    shared : ndarray of int
        (truths, found).
    true_areas, found_areas : ndarray of int
        Pixels of each.
    """

    truths: npt.NDArray[np.intp]
    found: npt.NDArray[np.intp]
    shared: npt.NDArray[np.intp]
    true_areas: npt.NDArray[np.intp]
    found_areas: npt.NDArray[np.intp]

    @property
    def ious(self) -> npt.NDArray[np.float64]:
        """IoU of each true object with each label, (truths, found)."""
        union = self.true_areas[:, None] + self.found_areas[None] - self.shared
        result: npt.NDArray[np.float64] = self.shared / union
        return result

    def best(self) -> dict[int, float]:
        """Return the best IoU of each true object by its id; 0 where no label touches it."""
        best = self.ious.max(axis=1, initial=0.0)
        return {int(label): float(value) for label, value in zip(self.truths, best, strict=True)}

    def most_on(self, truth: int) -> int:
        """Return the label that covers most of a true object; 0 where none covers `MISSED_SHARE` of it."""
        row = int(np.searchsorted(self.truths, truth))
        shared = self.shared[row]
        if not shared.size or shared.max() < MISSED_SHARE * self.true_areas[row]:
            return 0
        return int(self.found[shared.argmax()])


def overlaps(truth: Labels, found: Labels) -> Overlaps:
    """Return what two label images of one shape share.

    >>> overlaps(np.repeat([0, 7], 40), np.repeat([0, 3, 0], (30, 40, 10))).best()
    {7: 0.6}
    """
    truths, rows = np.unique(truth, return_inverse=True)
    labels, columns = np.unique(found, return_inverse=True)
    pairs = rows.ravel() * labels.size + columns.ravel()
    table = np.bincount(pairs, minlength=truths.size * labels.size).reshape(truths.size, labels.size)
    areas, found_areas = table.sum(axis=1), table.sum(axis=0)
    real, there = (truths > 0) & (areas >= SMALLEST_OBJECT), labels > 0
    return Overlaps(
        truths[real].astype(np.intp),
        labels[there].astype(np.intp),
        table[real][:, there],
        areas[real],
        found_areas[there],
    )


def find_failures(truth: Labels, found: Labels) -> list[Failure]:
    """Return what is wrong with labels: true objects of an IoU below `GOOD_IOU`, then debris.

    Labels on true objects too small to count are no debris.
    """
    both = overlaps(truth, found)
    best = both.best()
    areas = dict(zip(both.truths.tolist(), both.true_areas.tolist(), strict=True))
    wrong = [
        Failure(_kind(both, label, on), label, on, best[label], areas[label])
        for label in best
        if best[label] < GOOD_IOU
        for on in [both.most_on(label)]
    ]
    covered = np.isin(found, both.found) & (truth > 0)
    hits = np.bincount(found[covered].astype(np.intp), minlength=int(found.max(initial=0)) + 1)
    debris = [
        Failure(DEBRIS, 0, int(label), 0.0, int(area))
        for label, area in zip(both.found, both.found_areas, strict=True)
        if hits[label] < (1 - MOST) * area
    ]
    return [*wrong, *debris]


def _kind(both: Overlaps, truth: int, found: int) -> str:
    """What is wrong with an object on which this label lies most."""
    if not found:
        return MISSED
    column = int(np.searchsorted(both.found, found))
    swallowed = both.shared[:, column] >= MOST * both.true_areas
    return MERGED if (swallowed & (both.truths != truth)).any() else OUTLINE
