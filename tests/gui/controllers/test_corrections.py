"""Corrections: one place or two, by key or by button; the first place is marked; all of it is one step of undo."""

from __future__ import annotations

import numpy as np
import pytest

from napari_clickseg.core import labels as labels_module
from napari_clickseg.gui.controllers import corrections as module
from napari_clickseg.gui.controllers.corrections import Corrections
from napari_clickseg.gui.controllers.frames import Frames
from stage import PairDouble, Stage


@pytest.fixture
def stage():
    made = Stage()
    made.frames = Frames(made.workspace, made.viewport, made.background)
    made.corrections = Corrections(
        made.workspace, made.objects, made.frames, made.background, made.preview, made.reports
    )
    labels = np.zeros((3, 64, 64), np.int32)
    labels[:, 5:15, 5:15], labels[:, 40:50, 40:50] = 1, 2
    made.show(PairDouble((3, 64, 64), labels=labels))
    return made


ONE, OTHER = (0.0, 10.0, 10.0), (0.0, 45.0, 45.0)


def labels(stage):
    return stage.workspace.current.session.labels


def test_two_numbers_are_swapped_in_one_step(stage):
    before = labels(stage).copy()
    stage.corrections.swap(ONE)
    assert stage.objects.armed == "swap"
    assert stage.preview.marks == [ONE]
    stage.corrections.swap(OTHER)
    assert (labels(stage)[0, 10, 10], labels(stage)[0, 45, 45], labels(stage)[1, 10, 10]) == (2, 1, 1)
    assert stage.preview.marks == []
    stage.objects.undo()
    np.testing.assert_array_equal(labels(stage), before)


def test_a_button_waits_for_two_clicks(stage):
    stage.corrections.join(None)
    stage.click(*ONE)
    assert stage.objects.armed == "join"
    stage.click(*OTHER)
    assert set(np.unique(labels(stage)[0])) == {0, 1}
    assert stage.objects.armed == ""


def test_the_button_pressed_between_two_clicks_leaves_the_tool(stage):
    stage.corrections.split(None)
    stage.click(*ONE)
    stage.corrections.split(None)
    assert stage.objects.armed == ""
    stage.click(0, 30, 30)
    assert len(stage.workspace.current.session.clicks) == 1


def test_over_background_nothing_is_done_and_it_says_so(stage):
    with pytest.raises(ValueError, match="no object there"):
        stage.corrections.delete((0.0, 30.0, 30.0))


def test_a_number_is_asked_for_and_given_from_this_frame_on(stage):
    stage.workspace.current.frame = (1,)
    stage.corrections.choose_extent("onwards")
    stage.corrections.relabel((1.0, 10.0, 10.0))
    assert stage.corrections.asked[1] == 1
    stage.corrections.give_id(9)
    assert stage.corrections.asked is None
    stage.background.long.run_all()
    assert [int(frame[10, 10]) for frame in labels(stage)] == [1, 9, 9]


def test_a_correction_of_many_frames_gives_way_to_what_was_done_meanwhile(stage):
    stage.corrections.choose_extent("all")
    stage.corrections.delete(ONE)
    stage.workspace.current.session.delete(2, (2,))
    stage.background.long.run_all()
    assert "Something else was done meanwhile" in stage.says
    assert labels(stage)[1, 10, 10] == 1


# -- objects with parts far from each other, in frames that are large for the limits of these tests ------------------


ACTS = {
    "delete": lambda corrections: corrections.delete(ONE),
    "join": lambda corrections: (corrections.join(OTHER), corrections.join(ONE)),
    "fill": lambda corrections: corrections.fill(ONE),
}
WANTED = {"delete": [0, 0, 0, 2], "join": [2, 2, 0, 2], "fill": [1, 1, 1, 2]}


def in_far_parts(stage, monkeypatch):
    """Object 1 in two parts, the second with a hole, and object 2: of each a pixel, and the hole's."""
    monkeypatch.setattr(labels_module, "SEARCH_WHOLE", 100)
    monkeypatch.setattr(labels_module, "SEARCHED_FIRST", 8)
    labels(stage)[0, 5:15, 40:50] = 1
    labels(stage)[0, 9, 44] = 0
    return lambda: [int(labels(stage)[0, y, x]) for y, x in ((10, 10), (12, 47), (9, 44), (45, 45))]


@pytest.mark.parametrize("act", ACTS)
def test_an_object_in_far_parts_is_corrected_in_all_of_them(stage, monkeypatch, act):
    ids = in_far_parts(stage, monkeypatch)
    ACTS[act](stage.corrections)
    assert ids() == WANTED[act]


@pytest.mark.parametrize("act", ACTS)
def test_a_frame_that_takes_long_to_read_is_searched_in_the_background(stage, monkeypatch, act):
    ids = in_far_parts(stage, monkeypatch)
    monkeypatch.setattr(labels_module, "SEARCH_IN_MEMORY", 100)
    ACTS[act](stage.corrections)
    assert ids() == [1, 1, 0, 2]
    stage.background.long.run_all()
    assert ids() == WANTED[act]


def test_of_a_slide_the_part_around_the_place_is_corrected_and_the_status_says_so(stage, monkeypatch):
    ids = in_far_parts(stage, monkeypatch)
    monkeypatch.setattr(labels_module, "SEARCH_IN_MEMORY", 100)
    monkeypatch.setattr(module, "SEARCH_LONG", 100)
    stage.corrections.delete(ONE)
    assert ids() == [0, 1, 0, 2]
    assert "were not looked for, and stay as they are" in stage.says
