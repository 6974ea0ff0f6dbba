"""Objects: acts happen in the order in which they came, however slow the model; clicks know what lies below them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from doubles import Disks
from stage import PairDouble, Stage


@pytest.fixture
def stage():
    made = Stage()
    made.show(PairDouble())
    return made


def session(stage):
    return stage.workspace.current.session


def test_a_click_is_asked_about_and_drawn(stage):
    stage.click(20, 20)
    assert session(stage).pending is not None
    stage.answer()
    assert session(stage).labels[20, 20] == 1


def test_keep_before_the_answer_keeps_its_object_and_the_next_click_begins_another(stage):
    stage.click(20, 20)
    stage.objects.keep()
    stage.click(40, 40)
    stage.click(42, 42)
    stage.objects.keep()
    while session(stage).pending is not None:
        stage.answer()
    assert (session(stage).labels[20, 20], session(stage).labels[40, 40]) == (1, 2)
    assert session(stage).label == 3
    assert stage.objects.queued == 0


def test_enter_twice_keeps_once(stage):
    stage.click(20, 20)
    stage.objects.keep()
    stage.objects.keep()
    stage.answer()
    assert session(stage).label == 2
    assert stage.says == ""


def test_undo_takes_back_what_waits_first(stage):
    stage.click(20, 20)
    stage.objects.keep()
    stage.objects.undo()
    stage.answer()
    assert session(stage).label == 1
    assert len(session(stage).clicks) == 1


def test_escape_drops_the_clicks_after_a_keep_that_waits_and_then_the_object(stage):
    stage.click(20, 20)
    stage.objects.keep()
    stage.click(40, 40)
    stage.objects.cancel()
    assert stage.objects.queued == 1
    stage.objects.cancel()
    assert session(stage).clicks == ()
    assert stage.objects.queued == 0


def test_a_failure_that_nobody_awaits_drops_nothing_that_waits(stage):
    stage.click(20, 20)
    (late,) = stage.background.answers.waiting
    stage.click(24, 20)
    stage.objects.keep()
    stage.models._on_answer(stage.workspace.current, object(), type("Failed", (), {"error": OSError("late")})())
    late.run()
    stage.answer()
    assert session(stage).label == 2
    assert session(stage).labels[20, 20] == 1


def test_a_failure_of_the_awaited_answer_is_reported_and_keeps_the_clicks():
    class Broken:
        name, ndim, device = "broken", 2, "cpu"

        def predict(self, image, request, stop):
            raise RuntimeError("the press is stuck")

    stage = Stage(Broken())
    stage.show(PairDouble(predictor=Broken()))
    stage.click(20, 20)
    stage.objects.keep()
    stage.answer()
    assert "the press is stuck" in stage.says
    assert len(session(stage).clicks) == 1
    assert stage.objects.queued == 0


def test_a_click_well_inside_an_object_corrects_it_and_one_at_its_rim_does_not(stage):
    session(stage).labels[10:30, 10:30] = 7
    session(stage).reserve(7)
    stage.click(20, 20)
    assert session(stage).label == 7
    assert session(stage).clicks == ()
    stage.objects.cancel()
    stage.click(10, 20)
    assert session(stage).label == 8
    assert len(session(stage).clicks) == 1


def test_a_click_while_an_object_is_drawn_draws_wherever_it_is(stage):
    session(stage).labels[10:30, 10:30] = 7
    session(stage).reserve(7)
    stage.click(50, 50)
    stage.answer()
    stage.click(20, 20)
    assert session(stage).label == 8
    assert len(session(stage).clicks) == 2


def test_an_answer_of_a_few_leftover_pixels_is_explained_not_drawn(stage):
    session(stage).labels[:, :] = 7
    session(stage).labels[19:21, 30] = 0
    session(stage).reserve(7)
    before = np.array(session(stage).labels)
    stage.click(20, 30)
    stage.answer()
    assert "Nothing but object 7 lies there" in stage.says
    np.testing.assert_array_equal(session(stage).labels, before)
    assert session(stage).clicks == ()


def test_swapped_buttons_exclude_with_the_left_one_until_the_object_is_kept(stage):
    stage.click(20, 20)
    stage.answer()
    stage.objects.flip()
    stage.click(22, 22)
    stage.objects.keep()
    stage.click(50, 50)
    while session(stage).pending is not None:
        stage.answer()
    assert session(stage).labels[50, 50] == 2
    assert not stage.objects.flipped


def test_a_tool_takes_the_next_click_and_the_button_pressed_again_leaves_it(stage):
    session(stage).labels[10:30, 10:30] = 7
    stage.objects.take_up(None)
    assert stage.objects.armed == "take_up"
    stage.objects.take_up(None)
    assert stage.objects.armed == ""
    stage.objects.take_up(None)
    stage.click(20, 20)
    assert session(stage).label == 7
    assert stage.objects.armed == ""


def test_over_an_object_of_other_labels_those_are_named_and_offered(stage):
    stage.workspace.other_labels = type("Labels", (), {"name": "cellpose"})()
    stage.objects.take_up((20.0, 20.0))
    assert "cellpose" in stage.says
    assert stage.reports.passing.offers[0][1] == "other labels"
    stage.objects.switch_labels()
    assert stage.workspace.chosen == [stage.workspace.other_labels]


def test_points_of_a_foreign_layer_are_copied(stage):
    mine = [(20.0, 20.0), (24.0, 20.0)]
    stage.objects.take_points(mine, True)
    stage.answer()
    assert [click.position for click in session(stage).clicks] == mine
    assert len(mine) == 2


@dataclass(frozen=True)
class Unsure(Disks):
    """Knows a small and a large answer."""

    def predict(self, image, request, stop):
        small = super().predict(image, request, stop)
        large = Disks(radius=2 * self.radius).predict(image, request, stop)
        return replace(small, candidates=(small, large))


def test_candidates_go_round_by_key_and_by_their_pictures_as_steps_of_undo():
    stage = Stage()
    stage.show(PairDouble(predictor=Unsure(radius=5)))
    stage.click(30, 30)
    stage.answer()
    small = session(stage).area()
    assert len(stage.objects.thumbnails) == 2
    stage.objects.next_candidate()
    assert session(stage).area() > 2 * small
    stage.objects.next_candidate()
    assert session(stage).area() == small
    stage.objects.choose_candidate(1)
    stage.objects.undo()
    assert session(stage).area() == small


def test_where_there_is_no_choice_the_key_says_so(stage):
    stage.click(20, 20)
    stage.answer()
    assert stage.objects.thumbnails == ()
    with pytest.raises(ValueError, match="no other candidate"):
        stage.objects.next_candidate()
