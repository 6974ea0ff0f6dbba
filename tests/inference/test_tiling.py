"""Tiles cover a frame once, and networks can take them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_clickseg.inference.tiling import Sides, cover

SIDES = st.builds(
    lambda longest, halo, divisible, smallest: Sides(longest, min(halo, longest // 2 - 1), divisible, smallest),
    st.integers(16, 64),
    st.integers(0, 12),
    st.sampled_from((1, 2, 8)),
    st.integers(1, 16),
)
SHAPES = st.lists(st.integers(1, 150), min_size=2, max_size=3).filter(lambda shape: np.prod(shape) < 60_000)


@given(SHAPES, SIDES)
def test_every_pixel_is_taken_from_exactly_one_tile(shape, sides):
    times = np.zeros(shape, int)
    for tile in cover(shape, sides):
        times[tile.kept.slices] += 1
    assert (times == 1).all()


@given(SHAPES, SIDES)
def test_every_tile_is_one_that_the_network_takes(shape, sides):
    for tile in cover(shape, sides):
        assert tile.window.intersection(tile.kept) == tile.kept
        for side in tile.window.shape:
            assert side % sides.divisible == 0
            assert min(sides.smallest, sides.longest // sides.divisible * sides.divisible) <= side <= sides.longest


@given(st.integers(65, 400), st.integers(0, 12))
def test_pixels_lie_a_halo_deep_in_their_tile_unless_the_frame_ends(length, halo):
    for tile in cover((length,), Sides(64, halo, 8)):
        window, kept = tile.window, tile.kept
        assert kept.start[0] == 0 or kept.start[0] - window.start[0] >= halo
        assert kept.stop[0] == length or window.stop[0] - kept.stop[0] >= halo


@pytest.mark.parametrize(("length", "side"), [(40, 48), (64, 64), (65, 64)])
def test_a_small_frame_is_one_tile_that_reaches_beyond_it(length, side):
    first, *others = cover((length,), Sides(64, 8, 16))
    assert first.window.shape == (side,)
    assert bool(others) == (length > side)
