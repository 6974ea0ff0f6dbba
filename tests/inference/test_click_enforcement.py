"""Obedience: clicked pixels get their label, everything else stays."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_clickseg.core.regions import Region
from napari_clickseg.inference.click_enforcement import obey

REGION = Region((10, 20), (42, 52))
POSITIONS = st.tuples(st.integers(10, 41), st.integers(20, 51))


def test_answer_that_obeys_comes_back_as_it_is():
    logits = np.full((32, 32), 3.0, np.float32)
    assert obey(logits, REGION, [((20.0, 30.0), True)], 20) is logits


def test_contradicted_click_changes_a_small_disk_and_nothing_else():
    logits = np.full((32, 32), -3.0, np.float32)
    corrected = obey(logits, REGION, [((20.0, 30.0), True)], 50)
    changed = np.argwhere(corrected != logits)
    assert corrected[10, 10] > 0
    assert np.abs(changed - (10, 10)).max() <= 3


def test_correction_ends_half_way_to_a_click_of_the_other_polarity():
    logits = np.full((32, 32), -3.0, np.float32)
    corrected = obey(logits, REGION, [((20.0, 30.0), True), ((20.0, 34.0), False)], 400)
    assert corrected[10, 10] > 0
    assert corrected[10, 13] < 0


def test_clicks_outside_the_region_are_left_to_others():
    logits = np.full((32, 32), -3.0, np.float32)
    assert obey(logits, REGION, [((500.0, 500.0), True)], 20) is logits


@given(st.dictionaries(POSITIONS, st.booleans(), min_size=1, max_size=8), st.integers(0, 2**31))
def test_every_clicked_pixel_has_its_label(clicks: dict[tuple[int, int], bool], seed: int):
    logits = np.random.default_rng(seed).normal(size=(32, 32)).astype(np.float32)
    points = [((float(y), float(x)), sign) for (y, x), sign in clicks.items()]
    corrected = obey(logits, REGION, points, 30)
    for (y, x), sign in points:
        assert (corrected[int(y) - 10, int(x) - 20] > 0) == sign


def test_clicks_in_a_volume_are_obeyed_beside_clicks_of_the_other_polarity():
    region = Region((0, 0, 0), (8, 16, 16))
    corrected = obey(np.full(region.shape, -3.0, np.float32), region, [((4, 8, 8), True), ((4, 8, 12), False)], 20)
    assert corrected[4, 8, 8] > 0 > corrected[4, 8, 12]
