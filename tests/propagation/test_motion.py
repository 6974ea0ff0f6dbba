"""Motion: the shift of what is seen, and how alike both places look."""

from __future__ import annotations

import numpy as np
import pytest

from movies import SHAPE, movie
from napari_clickseg.core.object_masks import outlines_of
from napari_clickseg.core.regions import Region
from napari_clickseg.propagation.motion import Plane, followed, likeness_between

WHOLE = Region.whole(SHAPE)


def planes(*disks: dict) -> tuple[list[Plane], list[dict]]:
    image, labels = movie(disks)
    return [Plane.read(image, (t,), WHOLE) for t in range(len(disks))], [outlines_of(block, WHOLE) for block in labels]


@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-4, 6)])
def test_a_disk_is_followed_by_whole_pixels(shift: tuple[int, int]) -> None:
    (before, after), outlines = planes({1: (24, 40, 8)}, {1: (24 + shift[0], 40 + shift[1], 8)})
    motion = followed(outlines[0][1], before, after, SHAPE)
    assert motion.shift == shift
    assert motion.likeness > 0.95


def test_brighter_and_darker_frames_are_followed_all_the_same() -> None:
    (before, after), outlines = planes({1: (24, 40, 8)}, {1: (24, 44, 8)})
    dim = Plane(after.image, after.frame, after.region, after.block / 10 + 500)
    assert followed(outlines[0][1], before, dim, SHAPE).shift == (0, 4)


def test_where_nothing_is_to_be_seen_it_stays_and_nothing_speaks_for_it() -> None:
    (before, after), outlines = planes({1: (24, 40, 8)}, {})
    even = Plane(after.image, after.frame, after.region, np.full_like(after.block, 7))
    motion = followed(outlines[0][1], before, even, SHAPE)
    assert (motion.shift, motion.likeness) == ((0, 0), 0.0)


def test_a_plane_reads_more_where_more_is_asked_for() -> None:
    (plane, _), _ = planes({1: (24, 40, 8)}, {1: (24, 40, 8)})
    small = Plane.read(plane.image, (0,), Region((20, 30), (28, 40)))
    np.testing.assert_array_equal(small.cut(WHOLE), plane.block)


def test_likeness_of_two_places_is_one_for_the_same_and_low_for_others() -> None:
    (before, after), outlines = planes({1: (24, 30, 8)}, {1: (24, 40, 8)})
    here, there = outlines[0][1], outlines[1][1]
    assert likeness_between(here, before, there, after, SHAPE) > 0.95
    assert likeness_between(here, before, here, after, SHAPE) < 0.6


@pytest.mark.parametrize("shift", [(7, -9), (-13, 16)])
def test_a_large_disk_is_found_on_coarse_pixels_and_then_to_the_pixel(shift: tuple[int, int]) -> None:
    shape, moved = (200, 200), (100 + shift[0], 100 + shift[1], 40)
    image, labels = movie([{1: (100, 100, 40)}, {1: moved}], shape)
    whole = Region.whole(shape)
    before, after = (Plane.read(image, (t,), whole) for t in range(2))
    motion = followed(outlines_of(labels[0], whole)[1], before, after, shape)
    assert motion.shift == shift
    assert motion.likeness > 0.95
