"""Shared windows: parts cover a region once, a crop lies around its place, and features are cut where the crop lies."""

from __future__ import annotations

import numpy as np
import torch

from napari_clickseg.core.regions import Region
from napari_clickseg.inference.shared_windows import CELLS, CROP, RIM, Lattice, cropped


def test_parts_cover_a_region_once_and_lie_in_the_middle_of_their_window() -> None:
    lattice, counts = Lattice.of(20.0), np.zeros((300, 500), int)
    for part in lattice.parts(Region((10, 20), (300, 500))):
        counts[part.slices] += 1
        window = lattice.window(part.centre)
        assert part.intersection(window.grow(-RIM * lattice.cell)) == part
    assert (counts[10:, 20:] == 1).all()
    assert counts.sum() == 290 * 480


def test_a_position_belongs_to_the_window_of_its_pixel() -> None:
    lattice = Lattice(2)
    assert lattice.step == 24
    assert lattice.window((23.4, 0.0)) == Region((-4, -4), (28, 28))
    assert lattice.window((23.5, -0.6)) == Region((20, -28), (52, 4))


def test_a_crop_has_its_place_in_the_middle_but_stays_in_the_window() -> None:
    lattice = Lattice(2)
    window = lattice.window((12.0, 0.0))
    assert lattice.crop(window, (12.0, 0.0), CROP) == Region((8, -4), (16, 4))
    assert lattice.crop(window, (12.0, 0.0), CELLS) == window


def test_features_are_cut_where_the_crop_lies_in_the_mirror_image_too() -> None:
    lattice = Lattice(2)
    window = lattice.window((12.0, 12.0))
    crop = lattice.crop(window, (12.0, 4.0), CROP)
    across = torch.arange(64.0).expand(1, 1, 64, 64)
    maps = torch.cat((across, across.flip(-1)))
    (straight,), (mirrored,) = cropped([maps], window, crop, 0), cropped([maps], window, crop, 1)
    assert straight.shape == (1, 1, 16, 16)
    assert straight[0, 0, 0].tolist() == [float(2 * (crop.start[1] - window.start[1]) + k) for k in range(16)]
    assert torch.equal(mirrored.flip(-1), straight)
