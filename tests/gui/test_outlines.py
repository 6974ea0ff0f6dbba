"""Outlines: lines in the colours of ids or of classes; whole ones for what is, broken ones for what is proposed."""

from __future__ import annotations

import numpy as np

from napari_clickseg.core.object_classes import colour_of
from napari_clickseg.gui.outlines import DASH, UNCLASSED, ClassColours
from napari_clickseg.gui.plugin_layers import COLOURS

NAMES = ("alive", "dead")


def ids() -> np.ndarray:
    """Objects 1, 2 and 3 side by side, each 16 pixels wide."""
    plane = np.zeros((20, 60), int)
    for label in (1, 2, 3):
        plane[2:18, 20 * label - 18 : 20 * label - 2] = label
    return plane


def lines(picture: np.ndarray, label: int) -> np.ndarray:
    """The colours on the rim of an object."""
    return np.unique(picture[(ids() == label) & (picture[..., 3] > 0)], axis=0)


def test_without_classes_lines_have_the_colours_of_ids():
    picture = ClassColours({}, {}, ()).outlined(ids())
    assert [lines(picture, label).tolist() for label in (1, 2, 3)] == [[COLOURS[label].tolist()] for label in (1, 2, 3)]


def test_classes_have_whole_lines_of_their_colour_and_proposals_broken_ones():
    picture = ClassColours({1: "dead"}, {2: "dead"}, NAMES).outlined(ids())
    dead = [*colour_of("dead", NAMES), 255]
    assert lines(picture, 1).tolist() == [dead]
    assert dead in lines(picture, 2).tolist()
    assert len(lines(picture, 2)) == 2
    assert lines(picture, 3).tolist() == [[*UNCLASSED, 255]]
    row = (picture[2, 22:38] == dead).all(axis=1)
    assert 0 < row.sum() < len(row)
    assert row[:DASH].all() or row[DASH - 2 : 2 * DASH].any()


def test_a_class_that_is_given_hides_what_was_proposed():
    picture = ClassColours({1: "alive"}, {1: "dead"}, NAMES).outlined(ids())
    assert lines(picture, 1).tolist() == [[*colour_of("alive", NAMES), 255]]
