import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_clickseg.core.regions import Region


@st.composite
def regions(draw, ndim=2):
    start = draw(st.tuples(*[st.integers(-8, 8)] * ndim))
    size = draw(st.tuples(*[st.integers(0, 9)] * ndim))
    return Region(start, tuple(a + n for a, n in zip(start, size, strict=True)))


def pixels(region: Region) -> set[tuple[int, ...]]:
    return {tuple(np.add(k, region.start)) for k in np.ndindex(*region.shape)}


@given(regions(), regions())
def test_the_intersection_holds_the_pixels_of_both(a, b):
    assert pixels(a.intersection(b)) == pixels(a) & pixels(b)


@given(regions(), regions())
def test_the_union_holds_either(a, b):
    assert pixels(a) | pixels(b) <= pixels(a.union(b))


@given(regions(), regions())
def test_within_and_placed_in_are_each_others_way_back(a, b):
    assert a.within(b).placed_in(b) == a


@given(regions(), st.integers(0, 4))
def test_growing_adds_a_margin_all_round(region, margin):
    assert region.grow(margin).shape == tuple(n + 2 * margin for n in region.shape)


@given(regions(), st.integers(1, 6))
def test_shrinking_ends_at_nothing(region, margin):
    assert region.grow(-margin).shape == tuple(max(n - 2 * margin, 0) for n in region.shape)


@given(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_around_has_its_centre_within_half_a_pixel(centre, size):
    region = Region.around(centre, size)
    assert region.shape == size
    assert all(abs(a - b) <= 0.5 + 1e-9 for a, b in zip(region.centre, centre, strict=True))


@given(regions())
def test_of_mask_is_the_tightest(region):
    mask = np.zeros((10, 11), bool)
    inside = region.clip(mask.shape)
    mask[inside.slices] = True
    assert Region.of_mask(mask) == (inside if inside.size else None)


def test_positions_lie_inside_up_to_half_a_pixel_from_the_outermost_centres():
    region = Region((0, 0), (4, 4))
    assert region.contains((-0.5, 3.49))
    assert not region.contains((3.5, 0))
    assert not region.contains((1, 3), margin=1)
    assert region.contains((1, 2), margin=1)


def test_clip_of_what_lies_outside_is_empty():
    assert Region((5, 5), (9, 9)).clip((3, 3)).size == 0


def test_regions_of_different_dimensions_do_not_mix():
    with pytest.raises(ValueError, match="zip"):
        Region((0,), (1,)).union(Region((0, 0), (1, 1)))
