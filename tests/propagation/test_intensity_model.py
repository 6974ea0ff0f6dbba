"""Weighing: what grey values say, and how they are added to a shape."""

from __future__ import annotations

import numpy as np

from doubles import disk
from napari_clickseg.core.object_masks import Outline
from napari_clickseg.core.regions import Region
from napari_clickseg.propagation.intensity_model import (
    CLIPPED,
    LARGEST_CONTRAST,
    Brightness,
    contrast_of,
    room_of,
    steepness,
    weighed,
)

SHAPE = (40, 40)
DISK = disk(SHAPE, (20, 20), 8)
NOISE = np.random.default_rng(0).normal(0, 4, SHAPE).astype(np.float32)


def test_bright_objects_make_bright_pixels_speak_for_them() -> None:
    brightness = Brightness.of(100 * DISK + NOISE, DISK, ~DISK)
    odds = brightness(np.array([0, 100], np.float32))
    assert odds[0] < -1
    assert odds[1] > 1
    assert np.abs(odds).max() <= CLIPPED
    assert brightness.telling


def test_where_both_look_alike_brightness_says_little_and_does_not_tell_them_apart() -> None:
    brightness = Brightness.of(NOISE, DISK, ~DISK)
    assert np.abs(brightness(NOISE)).mean() < 0.5
    assert not brightness.telling


def test_without_background_beside_it_no_grey_value_says_anything() -> None:
    brightness = Brightness.of(100 * DISK + NOISE, DISK, np.zeros(SHAPE, bool))
    assert not brightness(NOISE).any()
    assert not brightness.telling


def test_shape_alone_gives_the_outline_back_and_brightness_moves_its_rim() -> None:
    outline = Outline.of(DISK, Region.whole(SHAPE))
    assert outline is not None
    room = room_of(outline, SHAPE)
    even = np.zeros(room.shape, np.float32)
    np.testing.assert_array_equal(weighed(outline, room, even).mask(), outline.on(room))
    larger = weighed(outline, room, even + CLIPPED).mask()
    assert larger.sum() > outline.area
    assert larger[outline.on(room)].all()


def test_an_outline_along_the_edge_of_a_disk_has_more_contrast_than_one_beside_it() -> None:
    grey = np.where(disk((40, 40), (20, 20), 8), 100, 20) + np.random.default_rng(0).normal(0, 5, (40, 40))
    steep = steepness(grey.astype(np.float32))
    right, beside = (contrast_of(disk((40, 40), centre, 8), steep) for centre in ((20, 20), (20, 26)))
    assert right > beside + 0.5


def test_contrast_of_an_even_image_is_that_of_nothing_and_of_no_outline_the_least() -> None:
    steep = steepness(np.full((9, 9), 7, np.float32))
    assert contrast_of(disk((9, 9), (4, 4), 3), steep) == 0.0
    assert contrast_of(np.zeros((9, 9), bool), steep) == -LARGEST_CONTRAST
