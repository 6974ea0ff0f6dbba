"""Packing: what goes in comes out, number by number."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_clickseg.core.clicks import Click
from napari_clickseg.core.edits import Edit
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.storage.serialization import pack, unpack

DTYPES = ["bool", "uint8", "int16", "uint16", "int32", ">u4", "int64", "uint64", "float16", "float32", "float64"]


def through_text(value: object) -> object:
    return unpack(json.loads(json.dumps(pack(value))))


@given(st.sampled_from(DTYPES).flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_side=0, max_side=5))))
def test_arrays_come_back_value_by_value_in_their_own_type(array: np.ndarray) -> None:
    back = through_text(array)
    assert isinstance(back, np.ndarray)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_plain_values_and_the_values_of_clicks_come_back() -> None:
    value = {
        "label": 3,
        "position": None,
        "yes": True,
        (4, 1): (Click((1.0, 2.5), False), Region((0, -2), (5, 6))),
        7: {0: 0.25},
    }
    assert through_text(value) == value


def test_lists_sets_and_numpy_numbers_become_plain() -> None:
    assert through_text([np.int64(3), np.float32(0.5), np.True_]) == (3, 0.5, True)
    assert through_text(frozenset({4})) == (4,)


def test_a_prediction_comes_back_to_the_last_bit() -> None:
    logits = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    answer = Prediction(Region((2, 3), (7, 10)), logits, "slow", Region((-1, 0), (20, 20)))
    back = through_text(answer)
    assert isinstance(back, Prediction)
    assert (back.region, back.note, back.window) == (answer.region, "slow", answer.window)
    np.testing.assert_array_equal(back.logits, logits)


def test_an_edit_comes_back_but_for_what_it_does_not_write() -> None:
    written = np.array([[True, False], [True, True]])
    edit = Edit(Region((0, 0), (2, 2)), written, np.array([[9, 70_000], [0, 9]]), {9: 0.5}, fresh=True)
    back = through_text({(1,): edit})[(1,)]
    np.testing.assert_array_equal(back.written, written)
    np.testing.assert_array_equal(back.values, [[9, 0], [0, 9]])
    assert (back.region, back.confidence, back.fresh) == (edit.region, {9: 0.5}, True)


def test_a_mask_packs_small() -> None:
    inside = np.hypot(*(np.indices((128, 128)) - 64)) < 40
    assert len(json.dumps(pack(inside))) < 1000
    assert len(json.dumps(pack(Prediction.from_mask(inside, Region.whole((128, 128)))))) < 4000


def test_what_no_act_holds_is_refused_by_its_type() -> None:
    with pytest.raises(TypeError, match="A complex cannot be packed; acts hold click, region"):
        pack({"x": 1j})


@pytest.mark.parametrize("value", [{}, {"a": 1}, {"$click": {}, "b": 2}, {"$nonsense": 1}])
def test_what_was_never_packed_is_refused(value: dict) -> None:
    with pytest.raises(ValueError, match=r"nothing that was packed here|none of the kinds"):
        unpack(value)
