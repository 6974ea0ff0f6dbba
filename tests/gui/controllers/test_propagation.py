"""Propagation: what would be replaced is asked about first; only what is missing can be added."""

from __future__ import annotations

import numpy as np
import pytest

from napari_clickseg.core.jobs import NEVER
from napari_clickseg.gui.controllers.frames import Frames
from napari_clickseg.gui.controllers.propagation import Overlap, Propagation, overlap
from napari_clickseg.propagation.plan import Plan
from stage import PairDouble, Stage


@pytest.fixture
def stage():
    made = Stage()
    made.frames = Frames(made.workspace, made.viewport, made.background)
    made.propagation = Propagation(
        made.workspace, made.objects, made.frames, made.viewport, made.background, made.reports
    )
    labels = np.zeros((4, 64, 64), np.int32)
    labels[0, 5:15, 5:15] = labels[2, 5:15, 20:30] = 1
    made.show(PairDouble((4, 64, 64), labels=labels))
    made.background.long.cancel()
    return made


def test_what_would_be_replaced_is_counted():
    labels = np.zeros((5, 8, 8), np.int32)
    labels[0, 1, 1], labels[0, 5, 5] = 1, 2
    labels[2, 1, 1], labels[3, 1, 1], labels[3, 5, 5], labels[4, 1, 1] = 1, 1, 2, 9
    way = Plan((0,), ((1,), (2,), (3,), (4,)))
    assert overlap(labels, way, frozenset(), NEVER) == Overlap(3, 2, more=False)
    assert overlap(labels, way, frozenset({(3,)}), NEVER) == Overlap(1, 1, more=False)
    assert overlap(labels, Plan((0,), way.targets, ids=(2,)), frozenset(), NEVER) == Overlap(1, 1, more=False)


def test_it_asks_before_it_replaces_and_does_nothing_meanwhile(stage):
    before = stage.workspace.current.session.labels.copy()
    stage.propagation.carry_forward()
    stage.background.long.run_next()
    assert stage.propagation.question.text == "1 object on 1 frame would be replaced."
    assert [action for _, action in stage.propagation.question.offers] == ["add missing", "replace", "leave"]
    assert stage.propagation.trip is None
    np.testing.assert_array_equal(stage.workspace.current.session.labels, before)


def test_leaving_the_question_leaves_everything(stage):
    stage.propagation.carry_forward()
    stage.background.long.run_next()
    assert stage.propagation.stop()
    assert stage.propagation.question is None
    assert not stage.background.long.waiting


def test_the_answer_starts_it_in_that_way(stage):
    stage.propagation.carry_forward()
    stage.background.long.run_next()
    stage.propagation.answer("missing")
    assert stage.propagation.trip.way == "missing"
    assert stage.propagation.progress.running


def test_where_nothing_would_be_replaced_it_starts_at_once(stage):
    stage.workspace.current.session.labels[2] = 0
    stage.propagation.carry_forward()
    stage.background.long.run_next()
    assert stage.propagation.question is None
    assert stage.propagation.trip is not None


def test_a_click_made_while_it_looks_wins(stage):
    stage.propagation.carry_forward()
    stage.click(0, 40, 40)
    assert not stage.propagation.busy
    stage.background.long.run_all()
    assert stage.propagation.trip is None
    assert stage.propagation.trip is None
    assert stage.propagation.question is None


def test_a_click_in_place_of_an_answer_leaves_the_question(stage):
    stage.propagation.carry_forward()
    stage.background.long.run_next()
    stage.click(0, 40, 40)
    assert stage.propagation.question is None
    assert stage.propagation.trip is None
    assert stage.workspace.current.session.clicks


def test_another_image_leaves_the_question(stage):
    stage.propagation.carry_forward()
    stage.background.long.run_next()
    stage.show(PairDouble((4, 64, 64)))
    assert stage.propagation.question is None
    assert not stage.propagation.busy
