"""Exemplars: an object with what surrounds it, cut out of labels."""

import numpy as np

from napari_clickseg.core.exemplars import Exemplar
from napari_clickseg.core.images import Image
from napari_clickseg.core.regions import Region


def test_surroundings_end_at_the_frame_and_hold_the_neighbours():
    labels = np.zeros((2, 40, 40), np.uint16)
    labels[1, 0:4, 0:4], labels[1, 6:8, 6:8] = 300, 7
    one = Exemplar.of(Image.of(np.zeros((2, 40, 40)), "TYX"), labels, (1,), 300, Region((0, 0), (6, 6)))
    assert one is not None
    assert one.region == Region((0, 0), (11, 11))
    assert one.area == 16
    assert one.others.sum() == 4
    labels[...] = 0
    assert one.mask.sum() == 16


def test_an_object_that_is_gone_is_none():
    assert Exemplar.of(Image.of(np.zeros((9, 9))), np.zeros((9, 9), int), (), 1, Region((0, 0), (9, 9))) is None
