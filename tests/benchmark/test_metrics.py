"""Metrics: values that can be checked by eye."""

from __future__ import annotations

import numpy as np
import pytest

from napari_clickseg.benchmark.metrics import carried_on, clicks_to_reach, iou, mean_interval, summarise, unsolved

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
    assert unsolved(IOUS, 0.85) == 1


def test_a_curve_that_ended_early_keeps_its_last_value() -> None:
    assert carried_on([0.4, 1.0], 4) == [0.4, 1.0, 1.0, 1.0]
    assert carried_on([0.4, 1.0], 1) == [0.4]


def test_the_interval_holds_the_mean_and_closes_on_equal_values() -> None:
    low, high = mean_interval(np.array([1, 2, 3, 4, 20]))
    assert low < 6 < high
    assert mean_interval(np.array([3, 3, 3])) == (3.0, 3.0)


def test_a_summary_tells_every_number() -> None:
    summary = summarise(IOUS, np.array([0.1, 0.2, 0.3]))
    assert summary.objects == 3
    assert summary.iou_after == pytest.approx({1: 0.65, 2: 2.45 / 3, 3: 2.45 / 3})
    assert summary.noc[0.85] == 2.0
    assert summary.unsolved[0.85] == 1
    assert summary.median_seconds == pytest.approx(0.2)
    assert summary.largest_fall == 0.0


def test_a_fall_of_the_mean_is_told() -> None:
    assert summarise(np.array([[0.8, 0.7, 0.9]]), np.array([0.1])).largest_fall == pytest.approx(0.1)
