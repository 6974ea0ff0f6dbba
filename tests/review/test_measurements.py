"""Facts: numbers of objects that can be told by eye."""

from __future__ import annotations

import numpy as np
import pytest

from doubles import disk
from napari_clickseg.core.object_masks import Outline, outlines_of
from napari_clickseg.core.regions import Region
from napari_clickseg.review.measurements import Facts, facts_of, step_between


def measured(block: np.ndarray) -> dict[int, Facts]:
    return facts_of(block, outlines_of(block, Region.whole(block.shape)))


def test_a_square_has_its_area_its_centre_and_a_roughness_of_one() -> None:
    block = np.zeros((9, 9), int)
    block[2:6, 3:7] = 5
    square = measured(block)[5]
    assert (square.area, square.centre, square.roughness) == (16, (3.5, 4.5), 1.0)
    assert (square.touching, square.pieces, square.holes) == (0, 0, 0)


def test_at_the_rim_of_the_image_the_outline_goes_on() -> None:
    assert measured(np.ones((4, 4), int))[1].roughness == 1.0


def test_a_hole_a_piece_and_a_neighbour_are_counted() -> None:
    block = np.zeros((8, 12), int)
    block[1:6, 1:6] = 1
    block[3, 3] = 0
    block[7, 1:7] = 1
    block[1:6, 6:9] = 2
    one = measured(block)[1]
    assert one.holes == pytest.approx(1 / 30)
    assert one.pieces == pytest.approx(6 / 30)
    assert one.touching == pytest.approx(5 / (20 + 4 + 14))


def test_a_step_tells_shift_growth_and_overlap_apart() -> None:
    whole = Region.whole((40, 40))
    small, far, large = (
        Outline.of(disk((40, 40), centre, radius), whole)
        for centre, radius in (((12, 12), 5), ((20, 25), 5), ((20, 25), 10))
    )
    assert small is not None
    assert far is not None
    assert large is not None
    moved, grown = step_between(small, far), step_between(far, large)
    assert (moved.shift, moved.growth, moved.overlap) == ((8, 13), 0, 1)
    assert (grown.shift, round(grown.growth)) == ((0, 0), 2)
    assert grown.overlap == pytest.approx(far.area / large.area)
