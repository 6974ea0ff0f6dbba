"""Metrics: values that can be checked by eye."""

from __future__ import annotations

import numpy as np
import pytest

from napari_clickseg.core.metrics import (
    area_under_curve,
    boundary_f,
    carried_on,
    clicks_of_set,
    clicks_to_reach,
    corrected_share,
    curve_band,
    iou,
    largest_fall,
    mean_interval,
    unsolved,
)

IOUS = np.array([[0.5, 0.9, 0.8], [0.5, 0.6, 0.7], [0.95, 0.95, 0.95]])


def test_iou_counts_only_what_is_not_ignored() -> None:
    truth = np.array([True, True, False, False])
    mask = np.array([True, False, True, False])
    assert iou(mask, truth) == pytest.approx(1 / 3)
    assert iou(mask, truth, ignore=np.array([False, False, True, False])) == pytest.approx(1 / 2)
    assert iou(~truth & truth, ~truth & truth) == 1.0


def test_noc_is_the_first_click_that_reaches_the_target_or_all_of_them() -> None:
    assert clicks_to_reach(IOUS, 0.85).tolist() == [2, 3, 1]
    assert clicks_to_reach(IOUS, 0.5).tolist() == [1, 1, 1]


def test_an_object_that_got_there_once_is_solved() -> None:
    assert unsolved(IOUS, 0.85).tolist() == [False, True, False]


def test_a_curve_that_ended_early_keeps_its_last_value() -> None:
    assert carried_on([0.4, 1.0], 4) == [0.4, 1.0, 1.0, 1.0]
    assert carried_on([0.4, 1.0], 1) == [0.4]


def test_a_set_is_done_when_its_mean_is() -> None:
    assert clicks_of_set(IOUS, 0.80) == 2
    assert clicks_of_set(IOUS, 0.95) is None


def test_clicks_beyond_the_limit_do_not_count() -> None:
    late = np.full((1, 100), 0.5)
    late[:, 30:] = 0.95
    assert clicks_to_reach(late, 0.90).tolist() == [20]
    assert clicks_to_reach(late, 0.90, limit=100).tolist() == [31]
    assert unsolved(late, 0.90).tolist() == [True]
    assert unsolved(late, 0.90, limit=100).tolist() == [False]


def test_the_area_is_that_between_the_first_and_the_last_click() -> None:
    assert area_under_curve(np.array([[0.8, 0.8, 0.8], [0.0, 0.5, 1.0]])).tolist() == pytest.approx([0.8, 0.5])
    assert area_under_curve(np.array([[0.7]])).tolist() == [0.7]


def test_the_interval_holds_the_mean_and_closes_on_equal_values() -> None:
    low, high = mean_interval(np.array([1.0, 2, 3, 4, 20]))
    assert low < 6 < high
    assert mean_interval(np.array([3.0, 3, 3])) == pytest.approx((3, 3))


def test_the_interval_of_an_average_counts_every_group_alike() -> None:
    assert mean_interval(np.full(10, 1.0), np.full(2, 4.0)) == pytest.approx((2.5, 2.5))


def test_pairs_are_told_apart_where_the_mean_intervals_overlap() -> None:
    clicks = np.random.default_rng(0).integers(1, 20, 40).astype(float)
    assert mean_interval(clicks + 1)[0] < mean_interval(clicks)[1]
    assert mean_interval((clicks + 1) - clicks)[0] > 0


def test_the_band_encloses_the_mean_curve() -> None:
    low, high = curve_band(IOUS)
    assert (low <= IOUS.mean(axis=0)).all()
    assert (IOUS.mean(axis=0) <= high).all()


def test_a_fall_of_the_mean_is_told() -> None:
    assert largest_fall(np.array([[0.8, 0.7, 0.9]])) == pytest.approx(0.1)
    assert largest_fall(np.array([[0.8, 0.8, 0.9]])) == 0.0


def square(start: int, stop: int, side: int = 40) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[start:stop, start:stop] = True
    return mask


def test_boundary_f_forgives_two_pixels_and_no_more() -> None:
    truth = square(10, 30)
    assert boundary_f(truth, truth) == 1.0
    assert boundary_f(square(12, 28), truth) > 0.9
    assert boundary_f(square(13, 27), truth) == 0.0


def test_boundary_f_weighs_what_is_missing_and_what_is_too_much() -> None:
    truth = square(2, 10) | square(25, 33)
    half = square(2, 10)
    assert boundary_f(half, truth) == pytest.approx(2 / 3)
    assert boundary_f(truth, half) == pytest.approx(2 / 3)


def test_boundary_f_of_nothing() -> None:
    nothing = square(0, 0)
    assert boundary_f(nothing, nothing) == 1.0
    assert boundary_f(nothing, square(3, 9)) == 0.0


def test_boundary_f_takes_ignored_pixels_for_right() -> None:
    truth = square(10, 30)
    band = square(5, 35) & ~truth
    assert boundary_f(square(5, 35), truth) == 0.0
    assert boundary_f(square(5, 35), truth, band) == 1.0


def test_a_click_is_judged_by_the_error_that_it_was_placed_in() -> None:
    truth = square(5, 15) | square(20, 30)
    before, after = square(0, 0), square(5, 15)
    after[5:15, 10:15] = False
    assert corrected_share(before, after, truth, (7.0, 7.0)) == 0.5
    assert corrected_share(before, after, truth, (25.0, 25.0)) == 0.0


def test_a_click_on_a_right_pixel_has_no_error_to_correct() -> None:
    truth = square(5, 15)
    assert np.isnan(corrected_share(square(5, 10), truth, truth, (0, 0)))
    assert np.isnan(corrected_share(truth, truth, truth, (7, 7)))
