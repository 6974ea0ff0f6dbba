"""First clicks that need no answer: where each rule places them, on the object and beside it."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from doubles import disk
from napari_clickseg.core.distances import depth
from napari_clickseg.core.simulated_user import BOX_IOU, NARROWEST
from napari_clickseg.training.initial_clicks import (
    BAND,
    BAND_SIDE,
    DROPPED,
    MARGIN,
    MOST_NEGATIVE,
    SPACING,
    WindowClicks,
    box_clicks,
    medoid_clicks,
    medoids,
    sampled_clicks,
)

SIDE = 48
TRUTH = disk((SIDE, SIDE), (22, 25), 11)
NEIGHBOUR = disk((SIDE, SIDE), (22, 44), 5)
LABELS = TRUTH + 2 * NEIGHBOUR.astype(np.int32)
SEEDS = range(30)


def on(mask: np.ndarray, clicks: WindowClicks) -> list[bool]:
    return [bool(mask[int(y), int(x)]) for (y, x), _ in clicks]


def test_medoids_are_the_middles_of_clusters_by_hand():
    crosses = np.array([(y + dy, x) for y, x in ((5, 5), (40, 40)) for dy in (-1, 0, 1)])
    for seed in SEEDS:
        chosen = {tuple(point) for point in medoids(crosses, 2, np.random.default_rng(seed))}
        if len({y > 20 for y, _ in chosen}) == 2:
            assert chosen == {(5, 5), (40, 40)}


def test_one_medoid_is_the_point_with_the_smallest_sum_of_distances():
    row = np.array([(0, 0), (0, 1), (0, 2), (0, 3), (0, 30)])
    assert medoids(row, 1, np.random.default_rng(0)).tolist() == [[0, 2]]


def test_there_are_no_more_medoids_than_points():
    assert len(medoids(np.array([(1, 1), (2, 2)]), 10, np.random.default_rng(0))) == 2
    assert len(medoids(np.empty((0, 2), int), 3, np.random.default_rng(0))) == 0


def test_medoid_clicks_off_the_object_lie_in_the_band_around_it():
    away = np.hypot(*(np.indices(TRUTH.shape) - np.array([22, 25])[:, None, None])) - 11
    scale = BAND_SIDE / SIDE
    for seed in SEEDS:
        clicks = medoid_clicks(TRUTH, LABELS, np.random.default_rng(seed))
        beside = [away[int(y), int(x)] * scale for (y, x), positive in clicks if not positive]
        assert len(beside) <= MOST_NEGATIVE
        assert all(BAND[0] - scale <= far <= BAND[1] + scale for far in beside)


def half_sides(middle: tuple[float, ...], corner: npt.ArrayLike) -> np.ndarray:
    """Half the height and width of the boxes that a click spans with others, (.., axis)."""
    half = np.abs(np.subtract(corner, middle))
    return np.maximum(half, NARROWEST * half.max(axis=-1, keepdims=True))


def overlaps(truth: np.ndarray, middle: tuple[float, ...], half: np.ndarray) -> np.ndarray:
    """IoU of boxes around a middle with the box of the object."""
    low, high = np.argwhere(truth).min(axis=0), np.argwhere(truth).max(axis=0)
    sides = np.minimum(np.add(middle, half), high) - np.maximum(np.subtract(middle, half), low) + 1
    shared = np.maximum(sides, 0).prod(axis=-1)
    return shared / ((2 * half + 1).prod(axis=-1) + (high - low + 1).prod() - shared)


def test_first_two_clicks_span_a_box_that_fits_the_object_or_the_best_there_is():
    for seed in SEEDS:
        clicks = box_clicks(TRUTH, LABELS, np.random.default_rng(seed))
        assert [sign for _, sign in clicks[:2]] == [True, False][: len(clicks)]
        if len(clicks) > 1:
            middle, corner = clicks[0][0], clicks[1][0]
            best = overlaps(TRUTH, middle, half_sides(middle, np.argwhere(~TRUTH))).max()
            assert overlaps(TRUTH, middle, half_sides(middle, corner)) >= min(BOX_IOU, best)


def test_later_clicks_mend_the_box_on_the_object_outside_and_beside_it_inside():
    long = disk((SIDE, SIDE), (24, 24), 6) | (np.abs(np.indices((SIDE, SIDE)) - 24).max(axis=0) < 3)
    long[22:27, 8:40] = True
    for seed in SEEDS:
        clicks = box_clicks(long, LABELS, np.random.default_rng(seed))
        for point, positive in clicks[2:]:
            half = half_sides(clicks[0][0], clicks[1][0])
            inside = bool((np.abs(np.subtract(point, clicks[0][0])) <= half).all())
            assert inside != positive
            assert on(long, [(point, positive)]) == [positive]


def test_some_objects_get_the_pair_alone_and_some_the_first_click_alone():
    numbers = [len(box_clicks(TRUTH, LABELS, np.random.default_rng(seed))) for seed in range(300)]
    assert numbers.count(1) / 300 == pytest.approx(DROPPED, abs=0.06)
    assert numbers.count(2) / 300 == pytest.approx(DROPPED, abs=0.06)


def test_object_without_surroundings_is_clicked_once():
    assert [
        sign for _, sign in box_clicks(np.ones((9, 9), bool), np.ones((9, 9), np.int32), np.random.default_rng(0))
    ] == [True]


def test_sampled_clicks_are_1_to_5_inside_and_at_most_5_outside():
    games = [sampled_clicks(TRUTH, LABELS, np.random.default_rng(seed)) for seed in range(100)]
    signs = [[sign for _, sign in clicks] for clicks in games]
    assert {sum(some) for some in signs} == {1, 2, 3, 4, 5}
    assert {len(some) - sum(some) for some in signs} == {0, 1, 2, 3, 4, 5}
    assert all(on(TRUTH, clicks) == some for clicks, some in zip(games, signs, strict=True))


def test_sampled_clicks_on_the_object_keep_off_its_outline_and_apart():
    inner = depth(TRUTH)
    for seed in SEEDS:
        clicks = sampled_clicks(TRUTH, LABELS, np.random.default_rng(seed))
        inside = [point for point, positive in clicks if positive]
        assert all(inner[int(y), int(x)] >= MARGIN[0] * SIDE for y, x in inside)
        for one, other in itertools.combinations(inside, 2):
            assert np.hypot(*np.subtract(one, other)) >= SPACING[0] * SIDE


def test_sampled_clicks_beside_the_object_reach_the_band_and_the_neighbours_and_nothing_else():
    off = [
        point for s in range(100) for point in sampled_clicks(TRUTH, LABELS, np.random.default_rng(s)) if not point[1]
    ]
    band = disk((SIDE, SIDE), (22, 25), 11 + SIDE / 8)
    assert 0.2 < np.mean(on(NEIGHBOUR, off)) < 0.7
    assert 0.2 < np.mean(on(band, off)) < 0.8
    assert all(on(band | NEIGHBOUR, off))


def test_an_object_alone_in_its_window_is_now_and_then_given_no_click():
    games = [box_clicks(TRUTH, TRUTH.astype(np.int32), np.random.default_rng(seed)) for seed in range(300)]
    assert sum(not clicks for clicks in games) / 300 == pytest.approx(DROPPED, abs=0.06)
