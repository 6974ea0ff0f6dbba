"""Suggestions as values: overlaps are settled by quality, and a score filters them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_clickseg.core.regions import Region
from napari_clickseg.core.suggestions import Suggestion, Suggestions, settled


def square(y: int, x: int, side: int, quality: float | None, frame: tuple[int, ...] = ()) -> Suggestion:
    return Suggestion(frame, Region((y, x), (y + side, x + side)), np.ones((side, side), bool), quality)


def test_of_two_masks_of_one_object_the_better_one_stays() -> None:
    worse, better = square(0, 0, 10, 0.6), square(1, 1, 10, 0.9)
    assert settled([worse, better]) == (better,)


def test_a_small_mask_inside_a_larger_one_is_the_same_object() -> None:
    inner, outer = square(3, 3, 4, 0.7), square(0, 0, 12, 0.9)
    assert settled([inner, outer]) == (outer,)
    assert settled([square(3, 3, 4, 0.95), outer])[0].region == inner.region


def test_where_two_touch_the_better_one_has_the_pixels() -> None:
    first, second = square(0, 0, 10, 0.9), square(0, 8, 10, 0.8)
    kept = settled([second, first])
    assert [one.area for one in kept] == [100, 80]
    assert not (kept[0].on(Region((0, 0), (10, 20))) & kept[1].on(Region((0, 0), (10, 20)))).any()


def test_what_better_ones_leave_too_little_of_is_dropped() -> None:
    left, right = square(0, 0, 10, 0.9), square(0, 12, 10, 0.85)
    between = Suggestion((), Region((0, 7), (10, 15)), np.ones((10, 8), bool), 0.5)
    assert settled([between, left, right]) == (left, right)


def test_other_frames_do_not_overlap() -> None:
    assert len(settled([square(0, 0, 10, 0.9, (0,)), square(0, 0, 10, 0.8, (1,))])) == 2


def test_far_apart_and_across_cells() -> None:
    many = [square(y, x, 20, 0.5) for y in range(0, 200, 25) for x in range(0, 200, 25)]
    assert len(settled(many + many)) == 64


def test_the_slider_goes_by_quality_less_what_is_unlike() -> None:
    like, unlike = square(0, 0, 5, 0.8), square(0, 9, 5, 0.8)
    like, unlike = (
        Suggestion(one.frame, one.region, one.mask, one.quality, similarity)
        for one, similarity in ((like, 1.0), (unlike, 0.0))
    )
    found = Suggestions((like, unlike), examples=1)
    assert found.at_least(0.7).items == (like,)
    assert [one.score for one in found] == pytest.approx([0.8, 0.3])
    assert found.at_least().items == (like,)
    assert len(found.at_least(0.0)) == 2


def test_a_suggestion_is_found_under_the_cursor_until_it_is_gone() -> None:
    one, other = square(0, 0, 5, 0.8), square(0, 9, 5, None)
    found = Suggestions((one, other))
    assert found.at((), (2.2, 10.0)) is other
    assert found.at((), (2.0, 7.0)) is None
    assert found.at((1,), (2.0, 2.0)) is None
    assert found.without([other]).at((), (2.0, 10.0)) is None


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="region"):
        Suggestion((), Region((0, 0), (2, 2)), np.ones((3, 2), bool))
