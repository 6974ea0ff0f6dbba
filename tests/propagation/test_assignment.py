"""Deciding: claims on the same pixels, and the pieces that an object keeps."""

from __future__ import annotations

import numpy as np

from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.object_masks import Outline
from napari_clickseg.core.regions import Region
from napari_clickseg.propagation.assignment import Claim, Expected, decide
from napari_clickseg.propagation.intensity_model import Brightness

LINE = Region((0, 0), (1, 8))


def claim(label: int, logits: list[float], expected: list[int]) -> Claim:
    """Claim pixels of a line of eight; `expected` are the columns where the object is expected."""
    mask = np.isin(np.arange(8), expected)[None]
    outline = Outline.of(mask, LINE)
    assert outline is not None
    values = np.array([logits], np.float32)
    brightness = Brightness.of(values, mask, ~mask)
    answer = Prediction(LINE, values)
    return Claim(Expected(label, outline, 0.0, LINE, brightness, values, np.zeros_like(values)), answer, answer)


def shares(claims: list[Claim], free: list[int] | None = None) -> dict[int, list[int]]:
    """The columns that each object got."""
    may = np.isin(np.arange(8), range(8) if free is None else free)[None]
    decided = decide(claims, LINE, may)
    return {k: [] if d.outline is None else np.flatnonzero(d.outline.on(LINE)[0]).tolist() for k, d in decided.items()}


def test_each_pixel_goes_to_the_highest_claim_and_to_none_below_one_half() -> None:
    first = claim(1, [2, 2, 2, 1, 1, -1, -1, -1], [0, 1, 2])
    second = claim(2, [-1, -1, 1, 2, 2, 2, -1, -1], [3, 4, 5])
    assert shares([first, second]) == {1: [0, 1, 2], 2: [3, 4, 5]}


def test_pixels_that_are_not_free_go_to_nobody() -> None:
    assert shares([claim(1, [2] * 8, [0, 1])], free=[0, 1, 2]) == {1: [0, 1, 2]}


def test_pieces_where_it_was_not_expected_are_dropped() -> None:
    assert shares([claim(1, [2, 2, -1, 2, 2, 2, 2, 2], [0, 1])]) == {1: [0, 1]}


def test_where_no_piece_lies_where_it_was_expected_the_largest_is_kept() -> None:
    assert shares([claim(1, [-1, 2, -1, 2, 2, -1, -1, -1], [7])]) == {1: [3, 4]}


def test_what_others_claim_too_is_counted_by_rival() -> None:
    first, second = claim(1, [1] * 4 + [-1] * 4, [0, 1]), claim(2, [-1, -1, 2, 2, 2, 2, -1, -1], [4, 5])
    decided = decide([first, second], LINE, np.ones((1, 8), bool))
    assert (decided[1].claimed, dict(decided[1].rivals)) == (4, {2: 2})
    assert dict(decided[2].rivals) == {}


def test_two_witnesses_add_up() -> None:
    weighed = claim(1, [1, 1, -1, -1, 0, 0, 0, 0], [0])
    told = Prediction(Region((0, 0), (1, 2)), np.array([[-3, 3]], np.float32))
    both = weighed.with_answer(told)
    np.testing.assert_array_equal(both.answer.logits[0, :2], [-2, 4])
    assert (both.answer.logits[0, 2:] < 0).all()
    assert both.asked
    assert both.model_answer is told
