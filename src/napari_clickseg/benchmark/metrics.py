"""Metrics: from curves of IoU against clicks to the numbers that are compared.

A curve is one object's IoU after each click; `ious` below are arrays (objects, clicks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_clickseg.regions import Region

Curves = npt.NDArray[np.float64]

TARGETS = (0.80, 0.85, 0.90, 0.95)
COUNTS = (1, 2, 3, 5, 10)
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


def carried_on(curve: Sequence[float], clicks: int) -> list[float]:
    """Return a curve of exactly `clicks` values: one that ended early keeps its last value.

    >>> carried_on([0.5, 1.0], 4)
    [0.5, 1.0, 1.0, 1.0]
    """
    return [*curve, *[curve[-1]] * (clicks - len(curve))][:clicks]


def clicks_to_reach(ious: Curves, target: float) -> npt.NDArray[np.intp]:
    """Return each object's number of clicks (NoC) to an IoU of at least `target`; all of them where it never was.

    >>> clicks_to_reach(np.array([[0.5, 0.9, 0.8], [0.5, 0.6, 0.7]]), 0.85)
    array([2, 3])
    """
    reached = ious >= target
    needed: npt.NDArray[np.intp] = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, ious.shape[1])
    return needed


def unsolved(ious: Curves, target: float) -> int:
    """Return how many objects never reached the target."""
    return int((~(ious >= target).any(axis=1)).sum())


def mean_interval(values: npt.NDArray[np.intp], resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of a mean over objects, by bootstrap (percentiles)."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, values.size, (resamples, values.size))].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Summary:
    """What is reported of one model on one source.

    Attributes
    ----------
    iou_after : dict of int to float
        Mean IoU after so many clicks, for each of `COUNTS` that was reached.
    noc, unsolved : dict of float to float or int
        By target: mean number of clicks, and objects that never got there.
    interval : dict of float to (float, float)
        95 % interval of `noc`.
    largest_fall : float
        The largest loss of mean IoU by one more click; 0 where it never falls.
    median_seconds, p95_seconds : float
        Per click.
    """

    objects: int
    iou_after: dict[int, float]
    noc: dict[float, float]
    interval: dict[float, tuple[float, float]]
    unsolved: dict[float, int]
    largest_fall: float
    median_seconds: float
    p95_seconds: float


def summarise(ious: Curves, seconds: npt.NDArray[np.float64]) -> Summary:
    """Return the summary of some objects' curves and of all their clicks' seconds."""
    mean = ious.mean(axis=0)
    needed = {target: clicks_to_reach(ious, target) for target in TARGETS}
    median, p95 = np.percentile(seconds, (50, 95))
    return Summary(
        objects=len(ious),
        iou_after={count: float(mean[count - 1]) for count in COUNTS if count <= mean.size},
        noc={target: float(values.mean()) for target, values in needed.items()},
        interval={target: mean_interval(values) for target, values in needed.items()},
        unsolved={target: unsolved(ious, target) for target in TARGETS},
        largest_fall=float(max(0.0, -np.diff(mean, prepend=mean[0]).min())),
        median_seconds=float(median),
        p95_seconds=float(p95),
    )


def _boundary(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Positions of the mask's pixels that have a face on the outside."""
    return np.argwhere(mask & ~ndimage.binary_erosion(mask))


def _share_near(points: npt.NDArray[np.intp], others: npt.NDArray[np.intp], tolerance: float) -> float:
    """Share of the points that have one of the others within the tolerance."""
    reach = np.nextafter(tolerance, np.inf)  # the tree's bound is exclusive
    distances, _ = cKDTree(others).query(points, distance_upper_bound=reach)
    return float(np.isfinite(distances).mean())
