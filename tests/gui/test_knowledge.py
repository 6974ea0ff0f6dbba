"""What is known of frames: states, reasons and places to look at, without a window."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from doubles import Disks, disk
from napari_clickseg.core.jobs import NEVER
from napari_clickseg.gui.controllers.review import Known, look
from napari_clickseg.review.findings import Finding, Repair
from napari_clickseg.session.session import Session
from napari_clickseg.session.state import Notes


@pytest.fixture
def pair():
    """A session over five frames with one disk that is missing on the third."""
    labels = np.zeros((5, 40, 40), np.int32)
    for frame in (0, 1, 3, 4):
        labels[frame][disk((40, 40), (20, 20 + frame), 6)] = 1
    return SimpleNamespace(session=Session(np.zeros(labels.shape, np.uint8), Disks(), labels))


def test_a_look_finds_states_places_and_reasons(pair):
    looked = look(pair, None, (), None, NEVER)
    assert looked.states[(0,)] == "drawn"
    assert looked.doubts[0].frame == (2,)
    assert "neighbouring frames" in looked.reasons[(2,)]


def test_after_a_change_only_that_frame_and_its_neighbours_are_looked_at_again(pair):
    looked = look(pair, None, (), None, NEVER)
    pair.session.labels[2][disk((40, 40), (20, 22), 6)] = 1
    again = look(pair, looked.review, {(2,)}, None, NEVER)
    assert again.review is looked.review
    assert all(finding.frame != (2,) for finding in again.doubts)


def test_frames_that_cannot_hold_anything_are_not_read(pair):
    looked = look(pair, None, (), {(0,)}, NEVER)
    assert [looked.states[(k,)] for k in range(5)] == ["drawn", "empty", "empty", "empty", "empty"]


def test_what_needs_no_look_is_known_at_once():
    known = Known(states={(0,): "confirmed", (1,): "drawn", (2,): "doubtful"})
    notes = Notes(frozenset({(2,)}), {(1,): {5: 0.9}})
    assert [known.state((k,), notes) for k in range(4)] == ["drawn", "carried", "confirmed", "empty"]


def test_questions_come_before_doubts_and_none_are_asked_of_confirmed_frames():
    question = Finding((3,), 1, "Object 1 divides.", question=True)
    doubts = (Finding((1,), 2, "its size jumps"), Finding((0,), 2, "it has a hole"))
    known = Known(doubts=doubts, questions={(3,): (question,)}, reasons={(3,): "odd", (1,): "its size jumps"})
    assert known.findings(frozenset({(0,)})) == (question, doubts[0])
    assert known.findings(frozenset({(3,)})) == doubts
    assert known.reason((3,)) == "Object 1 divides."
    assert known.reason((1,)) == "its size jumps"
    assert known.reason((7,)) == ""


def test_other_labels_or_another_count_of_axes_need_a_look_anew(pair):
    known = Known()
    assert not known.fits(pair)
    known.look_anew(pair)
    known.write((1,))
    assert known.fits(pair)
    pair.session.labels = pair.session.labels.copy()
    assert not known.fits(pair)


def test_two_objects_that_swapped_their_ids_are_to_swap_them_back():
    labels = np.zeros((5, 40, 80), np.int32)
    for frame in range(5):
        one, other = (2, 1) if frame == 2 else (1, 2)
        labels[frame][disk((40, 80), (20, 20), 6)] = one
        labels[frame][disk((40, 80), (20, 60), 6)] = other
    pair = SimpleNamespace(session=Session(np.zeros(labels.shape, np.uint8), Disks(), labels))
    found = [one for one in look(pair, None, (), None, NEVER).doubts if one.frame == (2,)]
    assert {one.repair for one in found} == {
        Repair("swap", "Swap 1 and 2", (1, 2)),
        Repair("swap", "Swap 2 and 1", (2, 1)),
    }
    assert found[0].brief == "off its way"


def test_a_missing_object_is_to_be_copied_from_the_frame_before(pair):
    finding = look(pair, None, (), None, NEVER).doubts[0]
    assert finding.frame == (2,)
    assert finding.repair is not None
    assert finding.repair.action == "copy"
