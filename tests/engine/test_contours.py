"""Contours: rings along a rim, outlines drawn anew, and edges inside a clump."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from doubles import disk
from napari_clickseg.engine.contours import basins, redrawn, rings
from napari_clickseg.engine.pieces import distance_from

SHAPE = (60, 80)
MIDDLE = (30, 40)
CELL, WIDE = disk(SHAPE, MIDDLE, 10), disk(SHAPE, MIDDLE, 14)


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


def test_a_click_inside_the_rim_of_a_wide_mask_proposes_the_ring_that_is_too_much():
    click = (30, 52)
    found = list(rings(ndimage.distance_transform_edt(WIDE), WIDE, distance_from(click, SHAPE), click, 20.0))
    assert max(iou(WIDE & ~ring, CELL) for ring in found) > 0.9
    assert any(not ring[30, 28] and ring[click] for ring in found), "arcs stay on the click's side"


def test_a_click_beside_the_rim_of_a_tight_mask_proposes_the_ring_that_is_missing():
    click = (30, 52)
    found = list(rings(ndimage.distance_transform_edt(~CELL), ~CELL, distance_from(click, SHAPE), click, 20.0))
    assert max(iou(CELL | ring, WIDE) for ring in found) > 0.9


def test_a_click_far_from_the_rim_proposes_no_ring():
    assert not list(rings(ndimage.distance_transform_edt(WIDE), WIDE, distance_from(MIDDLE, SHAPE), MIDDLE, 20.0))


@pytest.mark.parametrize("positive", [True, False])
def test_an_outline_drawn_anew_follows_the_edge_that_the_mask_missed(positive):
    mask, truth = (CELL, WIDE) if positive else (WIDE, CELL)
    click = (30, 52)
    away = distance_from(click, SHAPE)
    room = ~mask if positive else mask
    grey = ndimage.gaussian_filter(truth.astype(np.float32), 1)
    found = list(redrawn(grey, mask, room, MIDDLE, away, 2.0, 24.0, positive))
    assert all(piece[click] and not (piece & ~room).any() for piece in found)
    after = [mask | piece if positive else mask & ~piece for piece in found]
    assert max(iou(mask, truth) for mask in after) > 0.9


def test_a_brighter_cell_is_parted_at_its_edge():
    other = disk(SHAPE, (30, 56), 10) & ~CELL
    grey = ndimage.gaussian_filter(CELL + 2.0 * other, 1).astype(np.float32)
    click = (30, 58)
    found = basins(grey, CELL | other, click, distance_from(click, SHAPE), 8.0, [MIDDLE])
    assert max(iou(piece, other) for piece in found) > 0.9
