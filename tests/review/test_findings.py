"""Findings: their order, which one comes next, and the likely repair of each."""

from __future__ import annotations

import numpy as np
import pytest

from napari_clickseg.review.findings import Finding, Repair, finding_of, in_order, next_index, sentence_of, swapped_with
from napari_clickseg.review.rules import RULES, Doubt


def doubt(label: int | None, *rules: str, frame: tuple[int, ...] = (1,)) -> Doubt:
    return Doubt(frame, label, 0.9, tuple(RULES[name].reason for name in rules))


def test_questions_come_first_by_frame_and_confirmed_frames_are_left_out():
    late, early = Finding((4,), 1, "divides", True), Finding((2,), 1, "leaves", True)
    odd, mended = Finding((0,), 2, "jumps"), Finding((3,), 2, "has a hole")
    assert in_order({(4,): (late,), (2,): (early,)}, (odd, mended), {(3,)}) == (early, late, odd)
    assert in_order({(4,): (late,)}, (odd,), {(4,), (0,)}) == ()


@pytest.mark.parametrize(
    ("last", "step", "there", "following"),
    [(None, 1, False, 0), (None, -1, False, 0), (0, 1, True, 1), (2, 1, True, 0), (0, -1, True, 2), (1, 1, False, 1)],
)
def test_the_next_one_of_three_follows_the_last_and_takes_the_place_of_one_that_was_mended(
    last, step, there, following
):
    assert next_index(3, last, step, there) == following


def test_a_finding_is_brief_and_says_the_weightiest_reasons():
    odd = doubt(7, "holes", "touching", "begins")
    finding = finding_of(odd, None)
    assert (finding.frame, finding.label, finding.brief) == ((1,), 7, "has a hole")
    assert finding.text.count(";") == 1
    assert sentence_of(odd) == f"object 7: {finding.text}"
    assert finding.repair is None


def test_what_is_missing_is_copied_from_the_frame_before_but_not_into_the_first():
    assert finding_of(Doubt((1,), 3, 0.9, ("gone",)), None).repair == Repair("copy", "Copy from before", (3,))
    assert finding_of(Doubt((0,), 3, 0.9, ("gone",)), None).repair is None
    assert finding_of(Doubt((1,), None, 0.9, ("nothing",)), None).brief == "no objects"


def test_two_objects_with_each_others_id_are_swapped_back():
    labels = np.array([[[1, 1, 0, 2, 2]], [[2, 2, 0, 1, 1]], [[1, 1, 0, 0, 2]]])
    assert swapped_with(labels, (1,), 1) == 2
    assert swapped_with(labels[[0, 2]], (1,), 1) is None
    assert finding_of(doubt(1, "offside"), labels).repair == Repair("swap", "Swap 1 and 2", (1, 2))
