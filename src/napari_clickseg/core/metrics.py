"""Metrics: what is measured of a mask and of a click, and what many of them come to.

A curve is one object's IoU after each click; `ious` below are arrays (objects, clicks), the first click in column 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_clickseg.core.regions import Region

SMALLEST_OBJECT = 30


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


Values = npt.NDArray[np.float64]
"""One number per object, or per object and click."""

TARGETS = (0.80, 0.85, 0.90, 0.95)
LIMIT = 20
"""Clicks per object at most, as all papers count them."""
LONG = 100
"""The longer run, for objects that `LIMIT` clicks do not solve (RITM)."""
COSTLY = 0.05
"""A click that lowers the IoU by more than this costs something."""
RESAMPLES = 2000


def iou(
    mask: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_], ignore: npt.NDArray[np.bool_] | None = None
) -> float:
    """Return intersection over union; 1 where both are empty.

    >>> iou(np.array([True, True, False]), np.array([False, True, True]))
    0.3333333333333333
    """
    counted = slice(None) if ignore is None else ~ignore
    either = int((mask | truth)[counted].sum())
    return int((mask & truth)[counted].sum()) / either if either else 1.0


def boundary_f(
    mask: npt.NDArray[np.bool_],
    truth: npt.NDArray[np.bool_],
    ignore: npt.NDArray[np.bool_] | None = None,
    tolerance: float = 2.0,
) -> float:
    """Return the F measure of two boundaries that match within `tolerance` pixels; 1 where both masks are empty.

    A boundary pixel belongs to the mask and has a face on the outside, or on the image's rim. Ignored pixels count as
    right: the truth stands in for the mask there.

    >>> boundary_f(np.eye(9, dtype=bool), np.eye(9, k=1, dtype=bool))
    1.0
    """
    boxes = [box for box in map(Region.of_mask, (mask, truth)) if box is not None]
    if not boxes:
        return 1.0
    box = boxes[0].union(boxes[-1]).slices
    judged = mask[box] if ignore is None else np.where(ignore[box], truth[box], mask[box])
    ours, theirs = _boundary(judged), _boundary(truth[box])
    if not len(ours) or not len(theirs):
        return float(len(ours) == len(theirs))
    precision, recall = _share_near(ours, theirs, tolerance), _share_near(theirs, ours, tolerance)
    return 2 * precision * recall / (precision + recall) if precision and recall else 0.0


def corrected_share(
    before: npt.NDArray[np.bool_],
    after: npt.NDArray[np.bool_],
    truth: npt.NDArray[np.bool_],
    point: Sequence[float],
) -> float:
    """Return the corrective click accuracy of one click (Forte et al. 2020, section 4).

    Of the wrong pixels that hang together with the clicked one (by faces), the share that is right after the click;
    not a number where the clicked pixel was right before.

    >>> before, truth = np.array([False, False, False, True]), np.array([True, True, False, False])
    >>> corrected_share(before, np.array([True, False, False, True]), truth, (0,))
    0.5
    """
    wrong = before != truth
    place = tuple(round(p) for p in point)
    box = Region.of_mask(wrong)
    if box is None or not wrong[place]:
        return float("nan")
    parts, _ = ndimage.label(wrong[box.slices])
    clicked = parts == parts[tuple(p - a for p, a in zip(place, box.start, strict=True))]
    return float((after == truth)[box.slices][clicked].mean())


def five_digits(share: float) -> str:
    """Return a share as it is written into tables; what is not quite 1 does not become 1.

    >>> five_digits(1.0), five_digits(1 - 1 / 400_000), five_digits(0.123456)
    ('1.00000', '0.99999', '0.12346')
    """
    return f"{min(share, 0.99999) if share < 1 else share:.5f}"


def costly_clicks(ious: Values, clicked: npt.NDArray[np.bool_], limit: int = LIMIT) -> Values:
    """Return of each object the share of the further clicks made that lowered the IoU by more than `COSTLY`.

    Parameters
    ----------
    clicked : array of bool
        Where a click was made, of the shape of `ious`. An object without a second click has no share (nan).

    >>> costly_clicks(np.array([[0.5, 0.6, 0.5]]), np.ones((1, 3), bool))
    array([0.5])
    """
    further = clicked[:, 1:limit]
    costly = (np.diff(ious[:, :limit], axis=1) < -COSTLY) & further
    counts = further.sum(axis=1)
    return np.where(counts > 0, costly.sum(axis=1) / np.maximum(counts, 1), np.nan)


def carried_on(curve: Sequence[float], clicks: int) -> list[float]:
    """Return a curve of exactly `clicks` values: one that ended early keeps its last value.

    >>> carried_on([0.5, 1.0], 4)
    [0.5, 1.0, 1.0, 1.0]
    """
    return [*curve, *[curve[-1]] * (clicks - len(curve))][:clicks]


def clicks_to_reach(ious: Values, target: float, limit: int = LIMIT) -> Values:
    """Return each object's number of clicks (NoC) to an IoU of at least `target`; the last one where it never was.

    >>> clicks_to_reach(np.array([[0.5, 0.9, 0.8], [0.5, 0.6, 0.7]]), 0.85)
    array([2., 3.])
    """
    reached = ious[:, :limit] >= target
    needed: Values = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, reached.shape[1])
    return needed


def unsolved(ious: Values, target: float, limit: int = LIMIT) -> npt.NDArray[np.bool_]:
    """Return which objects never reached the target."""
    return np.asarray((ious[:, :limit] < target).all(axis=1))


def clicks_of_set(ious: Values, target: float, limit: int = LIMIT) -> int | None:
    """Return the clicks per object until the mean IoU of all objects is at least `target` (ITIS); None if it never is.

    >>> clicks_of_set(np.array([[0.5, 0.9, 1.0], [0.7, 0.8, 0.8]]), 0.85)
    2
    """
    reached = np.flatnonzero(ious[:, :limit].mean(axis=0) >= target)
    return int(reached[0]) + 1 if reached.size else None


def area_under_curve(ious: Values, limit: int = LIMIT) -> Values:
    """Return each object's area under IoU against clicks, from the first click to the last, as a share of the widest.

    The trapezoidal rule between clicks (AuC, Jang and Kim 2019; Forte et al. 2020); the IoU itself after one click.

    >>> area_under_curve(np.array([[0.0, 1.0, 1.0]]))
    array([0.75])
    """
    counted = ious[:, :limit]
    if counted.shape[1] == 1:
        return counted[:, 0].copy()
    area: Values = (counted[:, :-1] + counted[:, 1:]).mean(axis=1) / 2
    return area


def largest_fall(ious: Values, limit: int = LIMIT) -> float:
    """Return the largest loss of mean IoU by one more click; 0 where it never falls."""
    mean = ious[:, :limit].mean(axis=0)
    return float(max(0.0, -np.diff(mean, prepend=mean[0]).min()))


def mean_interval(*groups: Values) -> tuple[float, float]:
    """Return the 95 % interval of the mean of the groups' means, by bootstrap over each group's objects.

    Given paired differences, an interval that holds 0 shows no difference between the two.
    """
    means = np.mean([_resampling(group.size, seed) @ group for seed, group in enumerate(groups)], axis=0)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def curve_band(ious: Values) -> tuple[Values, Values]:
    """Return the ends of the 95 % interval of the mean curve, click by click, by bootstrap over objects."""
    low, high = np.percentile(_resampling(len(ious), 0) @ ious, (2.5, 97.5), axis=0)
    return low, high


@lru_cache(maxsize=64)
def _resampling(size: int, seed: int) -> Values:
    """Weights (resamples, objects) of objects drawn with replacement; groups of one size need different seeds."""
    draws = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), RESAMPLES)
    weights: Values = draws / size
    return weights


def _boundary(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Positions of the mask's pixels that have a face on the outside."""
    return np.argwhere(mask & ~ndimage.binary_erosion(mask))


def _share_near(points: npt.NDArray[np.intp], others: npt.NDArray[np.intp], tolerance: float) -> float:
    """Share of the points that have one of the others within the tolerance."""
    reach = np.nextafter(tolerance, np.inf)  # the tree's bound is exclusive
    distances, _ = cKDTree(others).query(points, distance_upper_bound=reach)
    return float(np.isfinite(distances).mean())
