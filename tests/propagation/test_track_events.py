"""Events: divisions, disappearances and new objects as shapes and brightness tell them."""

from __future__ import annotations

import numpy as np

from doubles import disk
from napari_clickseg.core.object_masks import Outline
from napari_clickseg.core.regions import Region
from napari_clickseg.propagation.track_events import daughters_of, is_gone, new_objects, rival_of

SHAPE = (40, 60)
WHOLE = Region.whole(SHAPE)
MOTHER = disk(SHAPE, (20, 30), 9)
LEFT, RIGHT = disk(SHAPE, (20, 21), 6), disk(SHAPE, (20, 39), 6)
NOBODY = np.zeros(SHAPE, bool)


def outline(mask: np.ndarray) -> Outline:
    found = Outline.of(mask, WHOLE)
    assert found is not None
    return found


def evidence(mask: np.ndarray) -> np.ndarray:
    return np.where(mask, 3, -3).astype(np.float32)


def test_two_large_pieces_are_daughters_and_a_crumb_is_none() -> None:
    two = daughters_of(outline(LEFT | RIGHT), outline(MOTHER), None, WHOLE, NOBODY)
    assert sorted(piece.centre for piece in two) == [(20, 21), (20, 39)]
    crumb = disk(SHAPE, (4, 4), 1)
    assert daughters_of(outline(MOTHER | crumb), outline(MOTHER), None, WHOLE, NOBODY) == ()


def test_an_object_that_always_lay_in_two_pieces_does_not_divide() -> None:
    both = outline(LEFT | RIGHT)
    assert daughters_of(both, both, None, WHOLE, NOBODY) == ()


def test_a_bright_sister_beside_what_shrank_is_a_daughter_unless_it_is_somebodys() -> None:
    seen = evidence(LEFT | RIGHT)
    two = daughters_of(outline(LEFT), outline(MOTHER), seen, WHOLE, NOBODY)
    assert {piece.centre for piece in two} == {(20, 21), (20, 39)}
    assert daughters_of(outline(LEFT), outline(MOTHER), seen, WHOLE, RIGHT) == ()


def test_where_brightness_tells_nothing_a_smaller_object_is_just_smaller() -> None:
    assert daughters_of(outline(LEFT), outline(MOTHER), None, WHOLE, NOBODY) == ()


def test_an_object_is_gone_where_nothing_of_it_is_bright_any_more() -> None:
    there = outline(MOTHER)
    assert is_gone(there, there, evidence(NOBODY), WHOLE)
    assert not is_gone(there, there, evidence(MOTHER), WHOLE)
    assert not is_gone(there, there, None, WHOLE)
    assert is_gone(outline(disk(SHAPE, (20, 30), 1)), there, None, WHOLE)


def test_new_objects_are_of_usual_size_and_nobodys() -> None:
    now, usual = evidence(LEFT | RIGHT | disk(SHAPE, (4, 4), 1)), float(LEFT.sum())
    both = list(new_objects(now, NOBODY, WHOLE, usual))
    assert sorted(piece.centre for piece in both) == [(20, 21), (20, 39)]
    assert [piece.centre for piece in new_objects(now, RIGHT, WHOLE, usual)] == [(20, 21)]


def test_a_rival_claims_much_of_what_an_object_claims() -> None:
    assert rival_of({3: 50, 4: 10}, 100) == 3
    assert rival_of({3: 20}, 100) is None
    assert rival_of({}, 100) is None
