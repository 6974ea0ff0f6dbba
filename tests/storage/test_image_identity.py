"""Identity: an image is known again by a sample of its pixels, whoever opens it and however lazily."""

from __future__ import annotations

import json

import dask.array
import numpy as np
import pytest

from napari_clickseg.core.images import Image
from napari_clickseg.storage.image_identity import Identity

PIXELS = np.random.default_rng(0).integers(0, 1000, (5, 2, 300, 200)).astype(np.uint16)


class Recorded:
    """An array that remembers how many pixels were read."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.read = 0

    def __getitem__(self, index: tuple) -> np.ndarray:
        self.read += self.array[index].size
        return self.array[index]


def test_the_same_pixels_are_the_same_image_lazy_or_not_whichever_channel_is_looked_at() -> None:
    known = Identity.of(Image.of(PIXELS, "TCYX", channel=1), "somewhere/cells.tif")
    assert known.name == "cells.tif"
    assert known.shows(Image.of(dask.array.from_array(PIXELS, chunks=(1, 1, 100, 100)), "TCYX"))
    assert known.shows(Image.of(PIXELS, "TZYX", (2.0, 1.0, 0.5, 0.5)))


@pytest.mark.parametrize("other", [PIXELS + 1, PIXELS[:4], PIXELS.astype(np.int32)])
def test_other_pixels_shape_or_type_are_another_image(other: np.ndarray) -> None:
    assert not Identity.of(Image.of(PIXELS, "TCYX")).shows(Image.of(other, "TCYX"))


def test_an_object_moved_in_the_middle_of_a_frame_is_noticed() -> None:
    other = PIXELS.copy()
    other[2, 0, 140:160, 90:110] += 1
    assert not Identity.of(Image.of(PIXELS, "TCYX")).shows(Image.of(other, "TCYX"))


def test_an_image_of_another_shape_is_not_read_at_all() -> None:
    other = Recorded(PIXELS[:4])
    assert not Identity.of(Image.of(PIXELS, "TCYX")).shows(Image.of(other, "TCYX"))
    assert other.read == 0


def test_little_is_read_of_a_large_image() -> None:
    large = Recorded(np.broadcast_to(np.uint8(7), (1000, 4000, 4000)))
    Identity.of(Image.of(large, "TYX"))
    assert large.read <= 3 * (5 + 12 * 12) * 64 * 64


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (1, 70, 3)])
def test_small_images_have_an_identity_too(shape: tuple[int, ...]) -> None:
    image = Image.of(np.ones(shape), "TYX"[3 - len(shape) :])
    assert Identity.of(image).shows(image)


def test_an_identity_comes_back_from_json() -> None:
    known = Identity.of(Image.of(PIXELS, "TCYX", (3.0, 0.5, 0.5)), "cells.tif")
    assert Identity.from_json(json.loads(json.dumps(known.to_json()))) == known
