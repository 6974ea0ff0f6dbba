"""Hover: what a click would give is shown where the pointer rests; it waits for nobody and writes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from napari_clickseg.gui.controllers.hover import Hover
from stage import PairDouble, Stage


@pytest.fixture
def stage():
    made = Stage()
    parts = (
        made.workspace,
        made.objects,
        made.models,
        made.viewport,
        made.background,
        made.preview,
        made.reports,
    )
    made.hover = Hover(*parts)
    made.hover.open()
    made.show(PairDouble())
    made.background.long.run_all()  # the model is loaded
    return made


def rest(stage, *place):
    stage.viewport.point_at(*place)
    stage.background.ring()
    stage.answer()


def test_where_the_pointer_rests_the_mask_of_a_click_is_shown_and_nothing_is_written(stage):
    rest(stage, 20.0, 20.0)
    assert stage.preview.ahead.mask().sum() > 100
    assert not stage.workspace.current.session.labels.any()
    assert stage.workspace.current.session.step == 0
    stage.viewport.point_at(21.0, 20.0)
    assert stage.preview.ahead is None


def test_while_the_pointer_moves_nothing_is_asked(stage):
    stage.viewport.point_at(20.0, 20.0)
    stage.viewport.point_at(24.0, 20.0)
    stage.background.ring()
    assert len(stage.background.answers.waiting) == 1


def test_a_click_ends_it(stage):
    stage.viewport.point_at(20.0, 20.0)
    stage.background.ring()
    (ahead,) = stage.background.answers.waiting
    stage.click(20, 20)
    assert not ahead.busy
    stage.answer()
    assert stage.preview.ahead is None
    assert stage.workspace.current.session.labels[20, 20] == 1


def test_over_an_object_with_a_tool_or_while_one_is_drawn_nothing_is_shown(stage):
    stage.workspace.current.session.labels[10:30, 10:30] = 7
    rest(stage, 20.0, 20.0)
    assert stage.preview.ahead is None
    stage.objects.take_up(None)
    rest(stage, 50.0, 50.0)
    assert stage.preview.ahead is None
    stage.objects.disarm()
    stage.click(50, 50)
    stage.answer()
    rest(stage, 40.0, 50.0)
    assert stage.preview.ahead is None


def test_it_is_switched_off_and_on(stage):
    stage.hover.toggle_hover()
    rest(stage, 20.0, 20.0)
    assert stage.preview.ahead is None
    stage.hover.toggle_hover()
    rest(stage, 22.0, 20.0)
    assert np.any(stage.preview.ahead.mask())
