"""The demo: the sample is there, the lines tell the truth, the overlay shows each object."""

from __future__ import annotations

import numpy as np

from napari_clickseg.batch.demo import Segmented, overlay, read_sample
from napari_clickseg.core.images import Image


def test_the_sample_has_a_label_image_of_its_shape() -> None:
    image, truth = read_sample()
    assert image.shape == truth.shape
    assert truth.max() > 10


def test_an_object_that_was_good_before_keeps_its_value_in_the_later_lines() -> None:
    done = Segmented(Image.of(np.zeros((4, 4))), np.zeros((4, 4), int), ((0.95,), (0.5, 0.75)))
    assert done.lines() == [
        "click 1: mean IoU 0.725 (2 of 2 objects clicked)",
        "click 2: mean IoU 0.850 (1 of 2 objects clicked)",
    ]


def test_the_overlay_is_grey_but_for_the_objects() -> None:
    labels = np.zeros((20, 20), int)
    labels[5:10, 5:10] = 1
    picture = overlay(Image.of(np.arange(400.0).reshape(20, 20)), labels)
    spread = np.ptp(picture.astype(int), axis=-1)
    assert picture.shape == (40, 40, 3)
    assert (spread[10:20, 10:20] > 0).all()
    assert not spread[24:].any()
