"""What clicks mean: pieces, outlines, and which of them is chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from doubles import disk
from napari_clickseg.inference.object_proposals import Contradiction, outlines, pieces
from napari_clickseg.inference.proposal_choice import WEIGHTS, Looks, Scene, meant

SHAPE = (60, 80)
CELL, NEIGHBOUR = disk(SHAPE, (30, 25), 10), disk(SHAPE, (30, 43), 10)


def scene(map_of, grey=None, diameter=20.0):
    """A network that is sure of `map_of`, an image that shows `grey`."""
    logits = np.where(map_of, 4, -4).astype(np.float32)
    shown = np.asarray(map_of if grey is None else grey, np.float32)
    objects = ndimage.label(map_of, output=np.int32)[0]
    return Scene((logits,), ndimage.gaussian_filter(shown, 0.7), objects, diameter)


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


NOTHING = np.zeros(SHAPE, bool)


def test_a_first_click_takes_the_object_that_the_network_sees():
    far = disk(SHAPE, (30, 60), 10)
    assert (meant(scene(CELL | far), [((28, 27), True)], NOTHING) == CELL).all()


def test_a_cell_that_only_the_image_shows_is_found_in_the_image():
    noisy = CELL + np.random.default_rng(0).normal(0, 0.1, SHAPE)
    assert iou(meant(scene(NOTHING, noisy), [((30, 25), True)], NOTHING), CELL) > 0.85


def test_a_spill_is_cut_off():
    spill = np.zeros(SHAPE, bool)
    spill[26:34, 34:60] = True
    found = meant(scene(CELL | spill, CELL), [((30, 50), False)], CELL | spill)
    assert iou(found, CELL) > 0.85


def test_a_missing_part_is_added():
    part = CELL.copy()
    part[:, 28:] = False
    found = meant(scene(part, CELL), [((30, 31), True)], part)
    assert iou(found, CELL) > 0.9


def test_large_objects_are_settled_in_a_thinned_picture_without_gaps():
    shape = (600, 600)
    whole = disk(shape, (300, 300), 200)
    part = whole.copy()
    part[:, 320:] = False
    logits = np.where(whole, 4, -4).astype(np.float32)
    large = Scene((logits,), whole.astype(np.float32), whole.astype(np.int32), 400.0)
    found = meant(large, [((300, 400), True)], part)
    assert iou(found, whole) > 0.9
    assert ndimage.label(found)[1] == 1
    assert (found & ~whole).sum() < 0.05 * whole.sum()


def test_a_click_in_the_middle_takes_all_away_unless_something_positive_was_said():
    assert not meant(scene(CELL), [((30, 25), False)], CELL).any()
    assert meant(scene(CELL), [((30, 18), True), ((30, 25), False)], CELL)[30, 18]


@given(
    st.lists(
        st.tuples(st.tuples(st.integers(0, 59), st.integers(0, 79)), st.booleans()),
        max_size=4,
        unique_by=lambda c: c[0],
    )
)
def test_clicked_pixels_have_their_label(clicks):
    found = meant(scene(CELL | NEIGHBOUR), clicks, CELL)
    assert all(found[pixel] == positive for pixel, positive in clicks)


@pytest.mark.parametrize("positive", [True, False])
def test_pieces_hold_the_click_or_are_left_out_and_lie_in_their_room(positive):
    seen = scene(CELL | NEIGHBOUR)
    wrong = Contradiction(
        (30, 42), positive, CELL if positive else CELL | NEIGHBOUR, seen.maps, seen.grey, seen.objects, 20.0
    )
    proposed = list(pieces(wrong))
    assert len(proposed) > 20
    assert not any((piece & ~wrong.room).any() for piece in proposed)


def test_every_sign_has_its_points_in_every_situation():
    seen = scene(CELL)
    wrong = Contradiction((30, 43), True, CELL, seen.maps, seen.grey, seen.objects, 20.0)
    signs = Looks.of(wrong).signs(NEIGHBOUR & ~CELL)
    assert all(set(signs) == set(points) for points in WEIGHTS.values())
    assert all(np.isfinite(list(signs.values())))


@pytest.mark.parametrize("sign", [1, -1])
def test_outlines_follow_the_rim_of_bright_and_dark_cells(sign):
    rows, columns = np.ogrid[:60, :80]
    cell = (rows - 30) ** 2 / 64 + (columns - 40) ** 2 / 200 <= 1
    grey = sign * ndimage.gaussian_filter(cell.astype(np.float32), 1)
    assert max(iou(found, cell) for found in outlines(grey, ~NOTHING, (31, 42), 10.0, 20.0)) > 0.9


def test_outlines_end_where_their_room_does():
    room = np.ones(SHAPE, bool)
    room[:, 30:] = False
    for found in outlines(CELL.astype(np.float32), room, (30, 25), 10.0, 20.0):
        assert found.any()
        assert not (found & ~room).any()
