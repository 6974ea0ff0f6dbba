"""Masks become polygons and come back pixel by pixel, whatever holes and parts they have."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from napari_clickseg.core.polygons import fill, polygons_of, rings_of, signed_area

MASKS = arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(MASKS)
def test_polygons_filled_are_the_mask_they_came_from(mask):
    parts = polygons_of(mask)
    assert len(parts) == ndimage.label(mask)[1]
    whole = [ring for part in parts for ring in (part.outer, *part.holes)]
    assert np.array_equal(fill(whole, mask.shape), mask)
    each = sum((fill([part.outer, *part.holes], mask.shape).astype(int) for part in parts), np.zeros(mask.shape, int))
    assert np.array_equal(each, mask)


@given(MASKS)
def test_signed_areas_of_rings_add_up_to_the_pixels(mask):
    assert sum(signed_area(ring) for ring in rings_of(mask)) == mask.sum()


def test_pixels_that_meet_at_a_corner_are_parts_of_their_own():
    parts = polygons_of(np.eye(2, dtype=bool))
    assert sorted(part.outer.min(axis=0).tolist() for part in parts) == [[0, 0], [1, 1]]


def test_polygons_between_pixels_are_filled_by_the_pixels_centres():
    triangle = [(0.0, 0.0), (0.0, 4.0), (4.0, 0.0)]
    assert fill([triangle], (4, 5)).astype(int).tolist() == [
        [1, 1, 1, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]
    assert fill([[(-3.0, -3.0), (-3.0, 9.0), (9.0, 9.0), (9.0, -3.0)]], (2, 2)).all()
