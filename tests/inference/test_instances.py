"""Objects of a foreground: connected, split at necks, never of too few pixels."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from doubles import disk
from napari_clickseg.inference.instances import find_objects, grown, split_at_necks

SHAPE = (40, 64)
PAIR = disk(SHAPE, (20, 20), 11) | disk(SHAPE, (20, 41), 11)


def test_two_touching_disks_are_one_object_until_they_are_split():
    assert find_objects(PAIR).max() == 1
    parts = find_objects(PAIR, split=True)
    assert parts.max() == 2
    assert parts[20, 20] != parts[20, 41]
    assert np.bincount(parts[PAIR]).tolist() == [0, PAIR.sum() // 2, PAIR.sum() // 2]


def test_an_elongated_object_without_a_neck_stays_whole():
    rows, columns = np.ogrid[:40, :64]
    assert split_at_necks((rows - 20) ** 2 / 64 + (columns - 32) ** 2 / 784 <= 1).max() == 1


def test_two_touching_balls_are_split():
    balls = disk((24, 24, 44), (12, 12, 12), 9) | disk((24, 24, 44), (12, 12, 29), 9)
    assert split_at_necks(balls).max() == 2


def test_small_objects_are_dropped_and_the_others_numbered_in_the_order_of_their_first_pixels():
    foreground = np.array([[0, 0, 1, 0, 1, 1], [1, 1, 0, 0, 1, 1]], bool)
    assert find_objects(foreground, smallest=2).tolist() == [[0, 0, 0, 0, 1, 1], [2, 2, 0, 0, 1, 1]]


def test_an_empty_foreground_has_no_objects():
    for split in (False, True):
        assert not find_objects(np.zeros((5, 6), bool), split).any()


def test_growing_objects_meet_in_the_middle():
    seeds = np.array([[1, 0, 0, 0, 0, 2, 0]], np.int32)
    assert grown(seeds, np.ones((1, 7), bool)).tolist() == [[1, 1, 1, 2, 2, 2, 2]]


@given(arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))), st.booleans(), st.integers(0, 4))
def test_objects_are_connected_lie_in_the_foreground_and_are_numbered_without_gaps(foreground, split, smallest):
    found = find_objects(foreground, split, smallest)
    assert not found[~foreground].any()
    for number in range(1, found.max() + 1):
        one = found == number
        assert one.sum() >= max(smallest, 1)
        assert find_objects(one).max() == 1
    if smallest < 2:
        assert (found[foreground] > 0).all()
