"""Outlines: moved and cut, measured, found in labels, and interpolated between two frames."""

from __future__ import annotations

import numpy as np

from doubles import disk
from napari_clickseg.core.object_masks import Outline, between, outlines_of
from napari_clickseg.core.regions import Region

SHAPE = (40, 60)
WHOLE = Region.whole(SHAPE)


def round_outline(centre: tuple[float, float], radius: float) -> Outline:
    outline = Outline.of(disk(SHAPE, centre, radius), WHOLE)
    assert outline is not None
    return outline


def test_an_outline_is_boxed_tightly_and_comes_back_on_any_region() -> None:
    mask = disk(SHAPE, (20, 30), 5)
    outline = Outline.of(mask, WHOLE)
    assert outline is not None
    assert outline.region == Region((15, 25), (26, 36))
    np.testing.assert_array_equal(outline.on(WHOLE), mask)
    assert not outline.on(Region((0, 0), (5, 5))).any()


def test_an_empty_mask_has_no_outline() -> None:
    assert Outline.of(np.zeros(SHAPE, bool), WHOLE) is None


def test_moved_beyond_the_frame_it_is_cut_and_at_last_gone() -> None:
    outline = round_outline((20, 30), 5)
    half = outline.moved((0, 30), SHAPE)
    assert half is not None
    assert 0.4 < half.area / outline.area < 0.6
    assert outline.moved((0, 40), SHAPE) is None


def test_the_deepest_pixel_of_a_ring_lies_on_it_and_its_centre_does_not() -> None:
    ring = disk(SHAPE, (20, 30), 9) & ~disk(SHAPE, (20, 30), 5)
    outline = Outline.of(ring, WHOLE)
    assert outline is not None
    assert outline.centre == (20, 30)
    assert ring[tuple(map(int, outline.deepest))]


def test_ids_that_are_not_there_are_left_out() -> None:
    block = np.array([[0, 7, 7], [2, 0, 7]])
    found = outlines_of(block, Region((5, 5), (7, 8)))
    assert {label: outline.area for label, outline in found.items()} == {2: 1, 7: 3}
    assert found[7].region == Region((5, 6), (7, 8))
    assert outlines_of(block, Region((5, 5), (7, 8)), [2, 9]).keys() == {2}


def test_half_way_between_two_disks_lies_a_disk_of_the_size_between() -> None:
    middle = between(round_outline((15, 15), 5), round_outline((25, 45), 9), 0.5, SHAPE)
    there = disk(SHAPE, (20, 30), 7)
    shared, either = (there & middle.on(WHOLE)).sum(), (there | middle.on(WHOLE)).sum()
    assert shared / either > 0.9


def test_at_either_end_the_shape_is_that_end() -> None:
    first, second = round_outline((15, 15), 5), round_outline((25, 45), 9)
    for share, end in ((0.0, first), (1.0, second)):
        np.testing.assert_array_equal(between(first, second, share, SHAPE).on(WHOLE), end.on(WHOLE))


def test_between_two_shapes_at_the_rim_it_stays_inside_the_frame() -> None:
    middle = between(round_outline((0, 5), 5), round_outline((0, 25), 5), 0.5, SHAPE)
    assert middle.region.intersection(WHOLE) == middle.region
