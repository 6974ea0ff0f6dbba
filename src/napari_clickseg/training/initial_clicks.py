"""First clicks of training, placed from an object's true mask alone: sampled, medoids, or a box.

They need no answer of the network; `simulated_training` adds the clicks that do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.distances import depth, distance_to
from napari_clickseg.core.simulated_user import NARROWEST, pick_beside

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]
WindowClicks = list[tuple[tuple[float, ...], bool]]
"""Clicks of one window: (point, positive)."""
Rule = Callable[[Mask, Labels, np.random.Generator], WindowClicks]
"""From the object's true mask (y, x) and the labels of its window to its first clicks."""

MOST_POSITIVE, MOST_NEGATIVE = 10, 10
BAND = (5.0, 40.0)
"""Background that BRS clicks on: so many pixels from the object in a window of BAND_SIDE pixels."""
BAND_SIDE = 360
DISPLACED = (20.0, 50.0)
"""How far the first click of superpixel-box guidance lies off the centroid, in an image of DISPLACED_SIDE pixels."""
DISPLACED_SIDE = 480
DROPPED = 0.1
"""How often superpixel-box guidance is given the pair alone, how often the first click alone, and, of an object that is
alone in its window, how often nothing at all."""
SPACING, MARGIN = (0.02, 0.06), (0.01, 0.03)
"""Least distance between initial clicks, and of those on the object from its outline, over the window's side (iFCN)."""
MOST_INITIAL = 5


def sampled_clicks(truth: Mask, labels: Labels, rng: np.random.Generator) -> WindowClicks:
    """Return 1 .. 5 random clicks on the object, and 0 .. 5 around it, at its outline, or on its neighbours.

    The three ways of Xu et al. 2016 (iFCN), which ITIS and RITM follow: no click is nearer than `SPACING` to another,
    none on the object nearer than `MARGIN` to its outline; those at the outline lie as far from each other as may be.
    """
    side = truth.shape[0]
    spacing, margin = (rng.uniform(*span) * side for span in (SPACING, MARGIN))
    inner = depth(truth)
    inside = truth & (inner >= min(margin, 0.7 * inner.max()))
    clicks = _to_clicks(_spaced(inside, int(rng.integers(1, MOST_INITIAL + 1)), spacing, rng), True)
    outside = distance_to(truth)
    band = (outside > margin) & (outside < side / 8)
    way, count = rng.integers(3), int(rng.integers(0, MOST_INITIAL + 1))
    if way == 0:
        return clicks + _to_clicks(_spaced(band, count, spacing, rng), False)
    if way == 1:
        return clicks + _to_clicks(_spaced((labels > 0) & ~truth, count, spacing, rng), False)
    return clicks + _to_clicks(_farthest(band, count, rng), False)


def _spaced(pixels: Mask, count: int, spacing: float, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Up to `count` random pixels (n, 2), each at least `spacing` from those before."""
    where = np.argwhere(pixels)
    chosen: list[npt.NDArray[np.intp]] = []
    while len(where) and len(chosen) < count:
        chosen.append(where[rng.integers(len(where))])
        where = where[((where - chosen[-1]) ** 2).sum(axis=1) >= spacing**2]
    return np.array(chosen, np.intp).reshape(-1, 2)


def _farthest(pixels: Mask, count: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Up to `count` pixels (n, 2): a random one, then each the farthest from those before."""
    where = np.argwhere(pixels)
    if not len(where) or not count:
        return where[:0]
    chosen = [int(rng.integers(len(where)))]
    away = np.full(len(where), np.inf)
    while len(chosen) < min(count, len(where)):
        away = np.minimum(away, ((where - where[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(away.argmax()))
    return where[chosen]


def medoid_clicks(truth: Mask, labels: Labels, rng: np.random.Generator) -> WindowClicks:
    """Return 1 .. 10 medoids of the object and 0 .. 10 of the band around it as clicks."""
    outside = distance_to(truth) * BAND_SIDE / truth.shape[0]
    band = (outside >= BAND[0]) & (outside <= BAND[1])
    positive = medoids(np.argwhere(truth), int(rng.integers(1, MOST_POSITIVE + 1)), rng)
    negative = medoids(np.argwhere(band), int(rng.integers(0, MOST_NEGATIVE + 1)), rng)
    return [*_to_clicks(positive, True), *_to_clicks(negative, False)]


def medoids(points: npt.NDArray[np.intp], count: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return up to `count` of the points (n, 2), each the one with the smallest sum of distances within its cluster.

    Assignment and update take turns five times; of more than 200 points, 200 are drawn.
    """
    points = points if len(points) <= 200 else points[rng.choice(len(points), 200, replace=False)]
    count = min(count, len(points))
    if count == 0:
        return points[:0]
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    chosen = rng.choice(len(points), count, replace=False)
    for _ in range(5):
        nearest = apart[:, chosen].argmin(axis=1)
        members = [np.flatnonzero(nearest == k) for k in range(count)]
        chosen = np.array([m[apart[np.ix_(m, m)].sum(axis=0).argmin()] for m in members if m.size])
        count = len(chosen)
    return points[chosen]


def box_clicks(truth: Mask, labels: Labels, rng: np.random.Generator) -> WindowClicks:
    """Return two clicks that span a box around the object, then 2 .. 5 on it outside the box, and beside it inside.

    The negative click lies where `core.simulated_user.pick_beside` puts it; only an object without surroundings goes
    without it. Of some objects, fewer clicks are given (guidance dropout), and of some that are alone, none.
    """
    where = np.argwhere(truth)
    alone = not (labels[~truth] > 0).any()
    if where.size == 0 or (alone and rng.random() < DROPPED):
        return []
    centre = _displaced(truth, where, rng)
    corner = pick_beside(truth, ~truth, centre, rng)
    kept = rng.random()
    if corner is None or kept < DROPPED:
        return [(centre, True)]
    clicks: WindowClicks = [(centre, True), ((float(corner[0]), float(corner[1])), False)]
    if kept < 2 * DROPPED:
        return clicks
    y, x = np.indices(truth.shape)
    half = np.abs(np.subtract(corner, centre))
    half = np.maximum(half, NARROWEST * half.max())
    inside = (np.abs(y - centre[0]) <= half[0]) & (np.abs(x - centre[1]) <= half[1])
    count = int(rng.integers(2, 6))
    return clicks + _drawn(truth & ~inside, count, True, rng) + _drawn(~truth & inside, count, False, rng)


def _displaced(truth: Mask, where: npt.NDArray[np.intp], rng: np.random.Generator) -> tuple[float, float]:
    """The pixel of the object nearest to a place somewhat off its centroid."""
    length, angle = rng.uniform(*DISPLACED) * truth.shape[0] / DISPLACED_SIDE, rng.uniform(0, 2 * np.pi)
    aim = where.mean(axis=0) + length * np.array([np.sin(angle), np.cos(angle)])
    y, x = where[((where - aim) ** 2).sum(axis=1).argmin()]
    return float(y), float(x)


def _drawn(pixels: Mask, count: int, positive: bool, rng: np.random.Generator) -> WindowClicks:
    where = np.argwhere(pixels)
    return (
        _to_clicks(where[rng.choice(len(where), min(count, len(where)), replace=False)], positive) if len(where) else []
    )


def _to_clicks(points: npt.NDArray[np.intp], positive: bool) -> WindowClicks:
    return [((float(y), float(x)), positive) for y, x in points]
