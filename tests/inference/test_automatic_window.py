"""Windows of clicks: they hold what they should, stand at coarse steps, and lead back to the frame's pixels."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_clickseg.core.regions import Region
from napari_clickseg.inference.automatic_window import USUAL, choose_sight, from_grid, on_frame, to_grid
from napari_clickseg.inference.tiling import Sides

SIDES = Sides(longest=512, halo=32, divisible=16)


@given(st.integers(0, 999), st.integers(0, 999), st.integers(1, 150))
def test_a_window_holds_its_box_and_the_network_takes_it(row, column, side):
    box = Region((row, column), (row + side, column + side)).clip((1000, 1000))
    window = choose_sight(box, (1000, 1000), SIDES, USUAL)
    assert window.intersection(box) == box
    assert window.shape == (256, 256)
    assert all(start % 16 == 0 and start >= 0 for start in window.start)


def test_neighbouring_clicks_share_a_window():
    windows = {choose_sight(Region((300, x), (301, x + 1)), (1000, 1000), SIDES, USUAL) for x in range(300, 330)}
    assert len(windows) <= 2


def test_large_objects_get_larger_windows_but_none_above_the_longest_side():
    for extent, side in ((300, 400), (900, 512)):
        window = choose_sight(Region((0, 0), (extent, extent)), (1000, 1000), SIDES, USUAL)
        assert window.shape == (side, side)


def test_values_at_twice_the_scale_come_back_to_their_pixels():
    grid = np.add.outer(np.arange(8), np.zeros(8)).astype(np.float32)
    window = Region((4, 4), (12, 12))
    region = from_grid(window, (100, 100), (2.0, 2.0))
    assert region == Region((2, 2), (6, 6))
    assert to_grid(region, (2.0, 2.0)) == window
    assert on_frame(grid, window, region, (2.0, 2.0))[:, 0].tolist() == [0.5, 2.5, 4.5, 6.5]
