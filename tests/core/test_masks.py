import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_clickseg.core.masks import Patch, Prediction, probability_to_logit
from napari_clickseg.core.regions import Region

SHAPE = (6, 7)


def everywhere(value):
    return lambda there: (np.ones(there.shape, bool), np.full(there.shape, value))


def test_thresholds_are_probabilities():
    prediction = Prediction(Region((0, 0), (1, 3)), np.array([[-1.0, 0.1, 2.0]], np.float32))
    np.testing.assert_array_equal(prediction.mask(), [[False, True, True]])
    np.testing.assert_array_equal(prediction.mask(0.8), [[False, False, True]])
    np.testing.assert_array_equal(prediction.mask(0.2), [[True, True, True]])
    assert probability_to_logit(1 / (1 + np.exp(-1.5))) == pytest.approx(1.5)


def test_logits_must_have_their_regions_shape():
    with pytest.raises(ValueError, match=r"shape \(2, 2\), their region of \(1, 3\)"):
        Prediction(Region((0, 0), (1, 3)), np.zeros((2, 2), np.float32))


def test_a_mask_on_another_region_is_false_where_nothing_is_said():
    prediction = Prediction.from_mask(np.ones((2, 2), bool), Region((-1, 5), (1, 7)))
    full = prediction.full_mask(SHAPE)
    assert full.sum() == 2
    np.testing.assert_array_equal(full[0, 5:], True)
    np.testing.assert_array_equal(prediction.logits_on(Region((3, 3), (4, 4))), [[-6]])
    assert not prediction.mask_on(Region((3, 3), (4, 4)), threshold=1e-9).any()


@given(st.integers(0, 2**32 - 1))
def test_taking_back_restores_exactly(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, SHAPE)
    before = labels.copy()
    region = Region((1, 1), (5, 6))
    patch = Patch.write(labels, region, lambda there: (rng.random(there.shape) < 0.3, rng.integers(0, 4, there.shape)))
    patch.take_back(labels)
    np.testing.assert_array_equal(labels, before)


def test_a_patch_is_no_larger_than_what_it_writes():
    labels = np.zeros(SHAPE, np.uint8)
    patch = Patch.write(labels, Region((1, 1), (6, 7)), lambda there: (there.cumsum().reshape(5, 6) == 1, there + 9))
    assert patch.region.size == 0
    patch.take_back(labels)

    def one(there):
        mask = np.zeros(there.shape, bool)
        mask[2, 3] = True
        return mask, np.full(there.shape, 9)

    patch = Patch.write(labels, Region((1, 1), (6, 7)), one)
    assert patch.region == Region((3, 4), (4, 5))
    assert patch.before.dtype == patch.after.dtype == np.uint8
    assert patch.count(9) == labels.astype(bool).sum() == 1


def test_what_was_painted_over_stays():
    labels = np.ones(SHAPE, int)
    patch = Patch.write(labels, Region.whole(SHAPE), everywhere(5))
    labels[2, 2] = 7
    labels[3, 3] = 0
    patch.take_back(labels)
    assert (labels[2, 2], labels[3, 3], labels[0, 0]) == (7, 0, 1)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["uint8", "int32", "int64", "uint64"]), st.sampled_from("CF"))
def test_a_packed_patch_takes_back_and_writes_again_what_the_patch_would(seed, dtype, order):
    rng = np.random.default_rng(seed)
    lowest = -1 if np.dtype(dtype).kind == "i" else 0
    highest = int(rng.choice([1, 5, 200, min(2**60, np.iinfo(dtype).max)]))
    labels = np.asarray(rng.integers(lowest, highest, SHAPE, dtype, endpoint=True), order=order)
    before, drawn = labels.copy(), rng.integers(0, highest, (4, 5), dtype, endpoint=True)
    shown = rng.random((4, 5)) < rng.choice([0.0, 0.3, 1.0])
    packed = Patch.write(labels, Region((1, 1), (5, 6)), lambda there: (shown, drawn)).packed()
    after = labels.copy()
    packed.take_back(labels)
    np.testing.assert_array_equal(labels, before)
    packed = packed.write_again(labels)
    np.testing.assert_array_equal(labels, after)
    packed.take_back(labels)
    np.testing.assert_array_equal(labels, before)


def test_what_was_painted_over_a_packed_patch_stays():
    labels = np.ones(SHAPE, int)
    packed = Patch.write(labels, Region.whole(SHAPE), everywhere(5)).packed()
    labels[2, 2] = 7
    labels[3, 3] = 0
    packed.take_back(labels)
    assert (labels[2, 2], labels[3, 3], labels[0, 0]) == (7, 0, 1)


def test_a_patch_written_again_remembers_what_is_there_this_time():
    labels = np.ones(SHAPE, int)
    first = Patch.write(labels, Region.whole(SHAPE), everywhere(5)).packed()
    first.take_back(labels)
    assert first.write_again(labels) is first
    first.take_back(labels)
    labels[0, 0] = 300
    second = first.write_again(labels)
    assert labels[0, 0] == 5
    second.take_back(labels)
    assert (labels[0, 0], labels[1, 1]) == (300, 1)


def test_one_id_everywhere_is_packed_as_one_id():
    labels = np.zeros((300, 300), np.int64)
    packed = Patch.write(labels, Region.whole(labels.shape), everywhere(70_000)).packed()
    assert len(packed.before.squeezed) + len(packed.after.squeezed) < 40
    assert packed.after.dtype == np.uint32
