"""Correcting a given mask: only the pieces of change that clicks lie on are taken over."""

from __future__ import annotations

import numpy as np

from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.inference.local_change import merged

REGION = Region((10, 10), (20, 30))


def prediction(*filled: tuple[slice, slice], region: Region = REGION) -> Prediction:
    mask = np.zeros(region.shape, bool)
    for part in filled:
        mask[part] = True
    return Prediction.from_mask(mask, region)


GIVEN = prediction((slice(2, 8), slice(2, 8)))
ANSWER = prediction((slice(2, 8), slice(2, 12)), (slice(0, 2), slice(16, 20)))
"""Four columns more on the right, and a piece that nobody clicked on."""


def test_only_the_piece_with_the_click_is_taken_over():
    mask = merged(ANSWER, GIVEN, [((14.0, 20.0), True)]).mask()
    assert mask[2:8, 2:12].all()
    assert mask.sum() == 60


def test_a_click_that_the_answer_does_not_obey_changes_nothing():
    np.testing.assert_array_equal(merged(ANSWER, GIVEN, [((14.0, 20.0), False)]).mask(), GIVEN.mask())


def test_a_negative_click_takes_a_piece_away_and_keeps_what_the_answer_loses_elsewhere():
    answer = prediction((slice(2, 5), slice(2, 4)))
    given = prediction((slice(2, 5), slice(2, 8)), (slice(8, 10), slice(15, 20)))
    mask = merged(answer, given, [((13.0, 16.0), False)]).mask()
    assert mask[2:5].sum() == 6
    assert mask[8:10, 15:20].all()


def test_what_lies_beyond_the_answer_stays():
    answer = prediction((slice(0, 3), slice(0, 3)), region=Region((10, 10), (14, 14)))
    whole = merged(answer, GIVEN, [((10.0, 10.0), True)])
    assert whole.region == REGION
    assert whole.mask()[4:8, 4:8].all()
