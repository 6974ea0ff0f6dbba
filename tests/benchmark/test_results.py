"""Curves: what rows come to, and on what models can be compared."""

from __future__ import annotations

import numpy as np
import pytest

from bench_rows import rows_of
from napari_clickseg.benchmark.results import Setting, collect

LONG = [0.5, 0.6, 0.7, 0.8]


def test_models_are_compared_on_the_objects_that_all_saw() -> None:
    rows = rows_of("cells", "a", {"1": LONG, "2": LONG}) + rows_of("cells", "b", {"2": LONG, "3": LONG})
    comparison = collect(rows, "centre", 4).scratch("cells")
    assert comparison.objects == (("a", "", "2"),)
    assert comparison.seen == 3


def test_models_without_a_common_object_are_not_compared() -> None:
    rows = rows_of("cells", "a", {"1": LONG}) + rows_of("cells", "b", {"2": LONG})
    with pytest.raises(ValueError, match="a, b saw no object of cells in common"):
        collect(rows, "centre", 4)


def test_a_robot_that_did_not_click_is_named_with_those_that_did() -> None:
    with pytest.raises(ValueError, match=r"'human'.*the robots that did are: centre"):
        collect(rows_of("cells", "a", {"1": LONG}), "human", 4)


def test_a_finished_curve_keeps_its_value_and_counts_no_more_clicks() -> None:
    model = collect(rows_of("cells", "a", {"1": [0.5, 1.0], "2": LONG}), "centre", 4).scratch("cells").models["a"]
    assert model.ious.tolist() == [[0.5, 1.0, 1.0, 1.0], LONG]
    assert np.isnan(model.seconds).tolist() == [[False, False, True, True], [False] * 4]
    assert model.boundary[0].tolist() == pytest.approx([0.4, 0.9, 0.9, 0.9])


def test_curves_of_different_length_are_compared_up_to_the_click_that_all_were_given() -> None:
    rows = rows_of("cells", "a", {"1": LONG}) + rows_of("cells", "b", {"1": LONG[:2]})
    assert collect(rows, "centre", 100).scratch("cells").clicks == 2


def test_from_a_bad_mask_the_curve_begins_with_the_mask() -> None:
    rows = rows_of("cells", "a", {"1": LONG}) + rows_of("cells", "a", {"1": LONG, "2": [1.0]}, start="cut")
    results = collect(rows, "centre", 4)
    cut = results.comparisons[Setting("cells", "centre", "cut")].models["a"]
    assert results.starts == ["cut"]
    assert cut.begun.tolist() == [0.5, 1.0]
    assert cut.ious.tolist() == [LONG[1:], [1.0] * 3]
    assert results.scratch("cells").models["a"].begun.tolist() == [0.0]


def test_an_object_that_comes_again_replaces_what_came_before() -> None:
    rows = [*rows_of("cells", "a", {"1": LONG}), *rows_of("cells", "a", {"1": [0.9, 1.0]})]
    assert collect(rows, "centre", 2).scratch("cells").models["a"].ious.tolist() == [[0.9, 1.0]]


def test_photographs_come_last_and_are_no_microscopy() -> None:
    rows = [row for source in ("natural_a", "z", "b") for row in rows_of(source, "a", {"1": LONG})]
    results = collect(rows, "centre", 4)
    assert results.sources == ["b", "z", "natural_a"]
    assert results.microscopy == ["b", "z"]


def test_a_click_on_a_right_pixel_has_corrected_nothing() -> None:
    rows = rows_of("cells", "a", {"1": LONG})
    rows[1]["corrected"], rows[2]["corrected"] = "", "nan"
    corrected = collect(rows, "centre", 4).scratch("cells").models["a"].corrected
    assert np.isnan(corrected).tolist() == [[False, True, True, False]]
