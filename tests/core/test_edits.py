"""Edits: what they may hold, and what becomes of fresh objects."""

from __future__ import annotations

import numpy as np
import pytest

from napari_clickseg.core.edits import Edit, new_objects
from napari_clickseg.core.regions import Region

BOX = Region((1, 1), (3, 4))


def test_an_edit_is_as_large_as_its_region():
    with pytest.raises(ValueError, match=r"`values` is of shape \(2, 2\), the edit's region of \(2, 3\)"):
        Edit(BOX, np.ones((2, 3), bool), np.ones((2, 2), int))
    with pytest.raises(ValueError, match=r"`written` is of shape \(3,\)"):
        Edit(BOX, np.ones(3, bool), np.ones((2, 3), int))


def test_an_edit_writes_whole_numbers_from_0_on():
    with pytest.raises(TypeError, match="`values` must be integers, not float64"):
        Edit(BOX, np.ones((2, 3), bool), np.ones((2, 3)))
    with pytest.raises(TypeError, match="`written` must be booleans, not int"):
        Edit(BOX, np.ones((2, 3), int), np.ones((2, 3), int))
    with pytest.raises(ValueError, match="below 0"):
        Edit(BOX, np.ones((2, 3), bool), np.full((2, 3), -1))
    Edit(BOX, np.zeros((2, 3), bool), np.full((2, 3), -1))  # what is not written does not count


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan")])
def test_confidence_lies_between_0_and_1(confidence):
    with pytest.raises(ValueError, match="Confidence lies between 0 and 1"):
        Edit(BOX, np.ones((2, 3), bool), np.ones((2, 3), int), {1: confidence})


def test_an_edit_that_writes_nothing_has_no_ids():
    edit = Edit(BOX, np.zeros((2, 3), bool), np.full((2, 3), 9))
    assert (edit.ids(), edit.highest) == ((), 0)


def test_an_object_that_mostly_lies_on_another_one_is_not_new():
    found = np.array([[1, 1, 1, 0], [2, 2, 2, 0], [0, 0, 0, 3]])
    there = np.array([[7, 0, 0, 0], [8, 8, 0, 0], [0, 0, 0, 0]])
    edit = new_objects(found, there)
    wanted = np.array([[0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 3]])
    whole = np.zeros_like(there)
    whole[edit.region.slices] = edit.values * edit.written
    np.testing.assert_array_equal(whole, wanted)


def test_where_nothing_is_protected_all_that_was_found_comes():
    found = np.array([[1, 1, 0], [0, 0, 2]])
    edit = new_objects(found, np.full((2, 3), 9), anywhere=True)
    assert edit.ids() == (1, 2)
    assert edit.written.sum() == 3


def test_nothing_found_is_an_edit_that_writes_nothing():
    edit = new_objects(np.zeros((4, 5), np.int32), np.zeros((4, 5), np.uint8))
    assert edit.region.size == 0
    assert edit.fresh
    assert edit.numbered(1, np.zeros((0, 0), bool)).ids() == ()
