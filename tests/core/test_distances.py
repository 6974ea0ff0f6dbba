"""Distances within masks: the border of the array counts as outside, an empty mask is infinitely far away."""

from __future__ import annotations

import numpy as np

from napari_clickseg.core.distances import deepest, depth, distance_to


def test_the_border_of_the_array_is_a_border():
    np.testing.assert_array_equal(depth(np.ones((3, 4), bool)), [[1, 1, 1, 1], [1, 2, 2, 1], [1, 1, 1, 1]])


def test_the_deepest_pixel_of_a_crescent_lies_on_it():
    crescent = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]], bool)
    assert crescent[deepest(crescent)]
    assert deepest(crescent) == (1, 1)


def test_distances_to_a_mask_are_zero_on_it_and_infinite_where_it_is_empty():
    np.testing.assert_array_equal(distance_to(np.array([[1, 0, 0, 0]], bool)), [[0, 1, 2, 3]])
    assert np.isinf(distance_to(np.zeros((2, 3), bool))).all()
