"""Verbs: what they plan, on arrays that can be told by eye; where the border of a split runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import ndimage

from doubles import disk
from napari_clickseg.core import labels as labels_module
from napari_clickseg.core.images import Image
from napari_clickseg.core.regions import Region
from napari_clickseg.session import label_operations as verbs

STACK = np.array(
    [
        [[1, 1, 0, 2], [1, 1, 0, 2], [0, 0, 0, 0]],
        [[0, 0, 0, 2], [3, 3, 3, 2], [3, 0, 3, 0]],
        [[3, 3, 3, 0], [3, 0, 3, 0], [3, 3, 3, 0]],
    ]
)
FRAMES = [(0,), (1,), (2,)]
WHOLE = Region.whole((3, 4))


def after(edits, labels=STACK):
    """The labels with the edits written."""
    labels = labels.copy()
    for frame, edit in edits.items():
        block = labels[frame][edit.region.slices]
        block[edit.written] = edit.values[edit.written]
    return labels


def test_merging_gives_all_the_first_ones_id():
    edits = verbs.merge(STACK, (2, 3), FRAMES, WHOLE)
    assert set(edits) == {(1,), (2,)}
    np.testing.assert_array_equal(after(edits), np.where(STACK == 3, 2, STACK))


def test_merging_touches_no_other_frame():
    edits = verbs.merge(STACK, (2, 3), [(1,)], WHOLE)
    np.testing.assert_array_equal(after(edits)[2], STACK[2])


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ((2,), "two objects or more, but got 2"),
        ((2, 2), "two objects or more"),
        ((), "but got none"),
        ((1, 9, 8), "no object 9, 8 to merge"),
        ((1, 0), "start at 1"),
    ],
)
def test_merging_what_cannot_be_merged_is_refused(ids, said):
    with pytest.raises(ValueError, match=said):
        verbs.merge(STACK, ids, FRAMES, WHOLE)


def test_deleting_erases_on_the_frames_given():
    np.testing.assert_array_equal(after(verbs.delete(STACK, 3, FRAMES, WHOLE)), np.where(STACK == 3, 0, STACK))
    assert set(verbs.delete(STACK, 3, [(0,), (1,)], WHOLE)) == {(1,)}
    with pytest.raises(ValueError, match="no object 3 to delete"):
        verbs.delete(STACK, 3, [(0,)], WHOLE)


def test_filling_gives_an_object_the_background_that_it_encloses():
    edits = verbs.fill(STACK, 3, (2,), WHOLE)
    assert edits[(2,)].written.sum() == 1
    assert after(edits)[2, 1, 1] == 3


def test_filling_leaves_objects_in_holes_alone():
    plane = np.full((5, 5), 4)
    plane[2, 1:4] = 0, 6, 0
    filled = after(verbs.fill(plane[None], 4, (0,), Region.whole((5, 5))), plane[None])[0]
    assert filled[2].tolist() == [4, 4, 6, 4, 4]


def test_filling_where_nothing_is_enclosed_is_refused():
    with pytest.raises(ValueError, match="Object 3 has no holes on frame 1"):
        verbs.fill(STACK, 3, (1,), WHOLE)
    with pytest.raises(ValueError, match="no object 9 to fill on frame 1"):
        verbs.fill(STACK, 9, (1,), WHOLE)


def test_relabelling_changes_one_id_on_the_frames_given():
    np.testing.assert_array_equal(after(verbs.relabel(STACK, 3, 8, FRAMES, WHOLE)), np.where(STACK == 3, 8, STACK))
    np.testing.assert_array_equal(
        after(verbs.relabel(STACK, 3, 2, [(2,)], WHOLE))[2], np.where(STACK[2] == 3, 2, STACK[2])
    )


@pytest.mark.parametrize(
    ("label", "new", "said"),
    [
        (3, 2, "an object 2 already on frame 1; merge"),
        (3, 3, "has this id already"),
        (9, 8, "no object 9 to relabel"),
        (3, 0, "start at 1"),
    ],
)
def test_relabelling_that_would_lose_an_object_is_refused(label, new, said):
    with pytest.raises(ValueError, match=said):
        verbs.relabel(STACK, label, new, FRAMES, WHOLE)


def test_copying_goes_into_background_and_replaces_the_objects_former_selves():
    edits = verbs.copy(STACK, (2,), (1,), None, WHOLE)
    assert after(edits)[1].tolist() == [[3, 3, 3, 2], [3, 0, 3, 2], [3, 3, 3, 0]]
    one = verbs.copy(STACK, (0,), (1,), [1], WHOLE)
    assert after(one)[1].tolist() == [[1, 1, 0, 2], [3, 3, 3, 2], [3, 0, 3, 0]]


def test_copying_from_nowhere_is_refused():
    with pytest.raises(ValueError, match="no object 2 to copy on frame 2"):
        verbs.copy(STACK, (2,), (1,), [2], WHOLE)
    with pytest.raises(ValueError, match="from one frame to another"):
        verbs.copy(STACK, (1,), (1,), None, WHOLE)
    with pytest.raises(ValueError, match="no objects to copy on frame 0"):
        verbs.copy(np.zeros_like(STACK), (0,), (1,), None, WHOLE)


# -- splitting -----------------------------------------------------------------------------------------------------


def two_disks(gap: float = 14.0):
    """Two disks of radius 10 under one id, and the truth."""
    left, right = disk((40, 60), (20, 22), 10), disk((40, 60), (20, 22 + gap), 10)
    border = np.arange(60) > 22 + gap / 2
    return np.where(left | right, 5, 0), (left | right) & border


def parts_of(image, labels, first, second):
    edits = verbs.split(labels, image, (), first, second, 9)
    cut = after({(0,): edits[()]}, labels[None])[0]
    return cut == 5, cut == 9


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize("points", [((20, 22), (20, 36)), ((12, 20), (28, 40)), ((20, 14), (24, 42))])
def test_an_object_is_split_where_it_is_thin_wherever_its_parts_are_clicked(points):
    labels, truth = two_disks()
    first, second = parts_of(Image.of(np.zeros((40, 60))), labels, *points)
    assert iou(second, truth) > 0.95
    np.testing.assert_array_equal(first | second, labels == 5)


@pytest.mark.parametrize("bright", [True, False])
def test_an_object_without_a_waist_is_split_where_the_image_is_like_its_surroundings(bright):
    labels = np.zeros((30, 60), int)
    labels[8:22, 5:55] = 5
    grey = (labels > 0).astype(float)
    grey[:, 37:39] = 0
    first, second = parts_of(Image.of(grey if bright else 1 - grey), labels, (15, 12), (15, 48))
    truth = (labels == 5) & (np.arange(60) > 37)
    assert iou(second, truth) > 0.9
    assert first.any()


def test_parts_that_hang_together_with_neither_point_keep_the_old_id():
    labels, _ = two_disks()
    labels[2:5, 2:5] = 5
    first, second = parts_of(Image.of(np.zeros((40, 60))), labels, (20, 22), (20, 36))
    assert first[3, 3]
    assert not second[3, 3]


def test_two_pieces_under_one_id_are_told_apart():
    labels, truth = two_disks(gap=24)
    _, second = parts_of(Image.of(np.zeros((40, 60))), labels, (20, 22), (20, 46))
    np.testing.assert_array_equal(second, truth)


def test_a_volume_is_split_with_the_spacing_of_its_axes():
    ball = disk((9, 30, 40), (4, 15, 12), 8) | disk((9, 30, 40), (4, 15, 26), 8)
    image = Image.of(np.zeros(ball.shape), spacing=(4.0, 1.0, 1.0))
    edits = verbs.split(ball * 5, image, (), (4, 15, 12), (4, 15, 26), 9)
    second = np.zeros(ball.shape, bool)
    second[edits[()].region.slices] = edits[()].written
    assert iou(second, ball & (np.arange(40) > 19)) > 0.9


@example(100_000)  # a way up that goes across a corner, which the other side cut off
@example(612)  # a way up that goes through the other side's disk
@given(st.integers(0, 2**32 - 1))
def test_both_sides_of_a_split_hang_together_and_make_up_the_object(seed):
    rng = np.random.default_rng(seed)
    blob = ndimage.gaussian_filter(rng.random((24, 24)), 2) > 0.5
    pieces, count = ndimage.label(blob)
    if not count:
        return
    labels = np.where(pieces == 1 + rng.integers(count), 5, 0)
    pixels = np.argwhere(labels)
    if len(pixels) < 2:
        return
    one, other = pixels[rng.choice(len(pixels), 2, replace=False)]
    first, second = parts_of(Image.of(rng.random((24, 24))), labels, tuple(one), tuple(other))
    np.testing.assert_array_equal(first | second, labels == 5)
    assert not (first & second).any()
    assert ndimage.label(first)[1] == ndimage.label(second)[1] == 1
    assert first[tuple(one)]
    assert second[tuple(other)]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ((20, 22), (0, 0), "object 5 and background"),
        ((20, 22), (3, 3), "object 5 and object 6"),
        ((0, 0), (0, 1), "background and background"),
        ((20, 22), (20.2, 22.3), "both lie on one pixel"),
    ],
)
def test_a_split_takes_two_pixels_of_one_object(first, second, said):
    labels, _ = two_disks()
    labels[3, 3] = 6
    with pytest.raises(ValueError, match=said):
        verbs.split(labels, Image.of(np.zeros((40, 60))), (), first, second, 9)


# -- how much is read ----------------------------------------------------------------------------------------------


class Recorded:
    """Labels that remember which blocks were read."""

    def __init__(self, array):
        self.array, self.read = array, []
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, slices):
        block = self.array[slices]
        self.read.append((slices, block.size))
        return block


def test_only_the_frames_given_are_read():
    for plan in (
        lambda labels: verbs.merge(labels, (2, 3), [(1,)], WHOLE),
        lambda labels: verbs.delete(labels, 3, [(1,)], WHOLE),
        lambda labels: verbs.fill(labels, 3, (2,), WHOLE),
        lambda labels: verbs.relabel(labels, 3, 9, [(1,)], WHOLE),
        lambda labels: verbs.copy(labels, (2,), (1,), None, WHOLE),
    ):
        labels = Recorded(STACK)
        edits = plan(labels)
        read = {slices[0].start for slices, _ in labels.read}
        assert read <= {1, 2}
        assert {frame[0] for frame in edits} <= read


def test_a_very_large_frame_is_searched_only_around_the_point(monkeypatch):
    monkeypatch.setattr(labels_module, "SEARCH_WHOLE", 1000)
    plane = np.zeros((2000, 2000), np.uint8)
    plane[900:1000, 900:1000] = 5
    plane[950, 950] = 0
    plane[1500:1520, 940:960] = 7
    whole = Region.whole(plane.shape)
    for plan in (
        lambda labels: verbs.fill(labels, 5, (), whole, near=(930, 930)),
        lambda labels: verbs.delete(labels, 5, [()], whole, near=(930, 930)),
        lambda labels: verbs.split(labels, Image.of(plane), (), (930, 930), (990, 990), 6),
        lambda labels: verbs.merge(labels, (5, 7), [()], whole, near=[(930, 930), (1510, 950)]),
    ):
        labels = Recorded(plane)
        assert plan(labels)[()].written.any()
        assert max(size for _, size in labels.read) < 300 * 300


def test_a_merge_in_a_large_frame_is_told_where_each_object_lies():
    with pytest.raises(ValueError, match="a pixel of each of the 2 objects, but names 1"):
        verbs.merge(STACK, (2, 3), [(1,)], WHOLE, near=[(1, 1)])


def test_a_frame_is_read_in_strips(monkeypatch):
    monkeypatch.setattr(labels_module, "READ_AT_ONCE", 500)
    plane = np.zeros((100, 100), np.uint8)
    plane[20:22, 5:9], plane[70:72, 5:9] = 5, 5
    labels = Recorded(plane)
    edits = verbs.delete(labels, 5, [()], Region.whole(plane.shape))
    assert after({(0,): edits[()]}, plane[None]).any() == 0
    assert max(size for _, size in labels.read) <= 500
