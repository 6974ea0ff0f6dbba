"""Classes without a window: what keys and the list do to objects, what is proposed, and what becomes of that."""

from __future__ import annotations

import numpy as np
import pytest

from doubles import disk
from napari_clickseg.gui.controllers.classes import Classes
from napari_clickseg.gui.panel_state import classes_state
from stage import PairDouble, Stage

SHAPE = (64, 64)
LARGE, SMALL = ((14, 14), (14, 46)), ((46, 14), (46, 46))


@pytest.fixture
def stage():
    """Large objects 1 and 2 above small ones, 3 and 4."""
    made = Stage()
    made.classes = Classes(made.workspace, made.objects, made.background, made.reports)
    labels = np.zeros(SHAPE, np.int32)
    for label, (middle, radius) in enumerate([*((m, 9) for m in LARGE), *((m, 4) for m in SMALL)], 1):
        labels[disk(SHAPE, middle, radius)] = label
    made.show(PairDouble(SHAPE, labels=labels))
    made.models.open()
    made.background.long.run_all()
    return made


def shown(stage):
    """What the panel shows of classes."""
    return classes_state(stage, stage.workspace.current)


def given(stage):
    return dict(stage.workspace.current.session.classes)


def test_the_key_gives_the_chosen_class_and_takes_it_away_again(stage):
    stage.classes.classify((14.0, 14.0))
    assert given(stage) == {1: "class 1"}
    assert "Object 1" in stage.says
    stage.classes.add_class()
    stage.classes.classify((46.0, 14.0))
    assert given(stage) == {1: "class 1", 3: "class 2"}
    stage.classes.classify((46.0, 14.0))
    assert given(stage) == {1: "class 1"}
    stage.classes.next_class()
    assert shown(stage).chosen == "class 1"
    with pytest.raises(ValueError, match="no object there"):
        stage.classes.classify((30.0, 30.0))


def test_the_button_waits_for_a_click(stage):
    stage.classes.classify(None)
    assert stage.objects.armed == "classify"
    stage.click(14, 46)
    assert given(stage) == {2: "class 1"}
    assert stage.objects.armed == ""


def test_the_list_is_renamed_and_keeps_classes_in_use(stage):
    stage.classes.classify((14.0, 14.0))
    stage.classes.rename_class("class 1", "mitotic ")
    assert shown(stage).rows == (("mitotic", (230, 159, 0), 1),)
    stage.classes.add_class()
    with pytest.raises(ValueError, match="'mitotic' is the class of objects"):
        stage.classes.remove_class("mitotic")
    stage.classes.remove_class("class 1")
    assert shown(stage).chosen == "mitotic"


def test_an_object_being_drawn_is_kept_when_it_gets_a_class(stage):
    stage.click(30, 32)
    stage.answer()
    stage.classes.classify((30.0, 32.0))
    assert given(stage) == {5: "class 1"}
    assert stage.workspace.current.session.state.empty


@pytest.fixture
def proposed(stage):
    stage.workspace.current.session.classify({1: "large", 3: "small"})
    stage.classes.propose_classes()
    assert stage.classes.busy
    stage.background.long.run_all()
    return stage


def test_proposals_are_shown_apart_and_accepted_by_one_step(proposed):
    pair = proposed.workspace.current
    assert proposed.classes.proposed(pair) == {2: "large", 4: "small"}
    assert given(proposed) == {1: "large", 3: "small"}
    assert "2 objects" in proposed.says
    proposed.classes.accept_classes()
    assert given(proposed) == {1: "large", 2: "large", 3: "small", 4: "small"}
    assert shown(proposed).proposed == 0
    pair.session.undo()
    assert given(proposed) == {1: "large", 3: "small"}


def test_a_proposal_gives_way_to_a_class_that_is_given_and_to_deletion(proposed):
    pair = proposed.workspace.current
    proposed.classes.choose_class("small")
    proposed.classes.classify((14.0, 46.0))
    assert proposed.classes.proposed(pair) == {4: "small"}
    pair.session.delete(4)
    proposed.classes.accept_classes()
    assert given(proposed) == {1: "large", 2: "small", 3: "small"}


def test_pressed_again_nothing_is_proposed_any_more(proposed):
    proposed.classes.propose_classes()
    assert proposed.classes.proposed(proposed.workspace.current) == {}
    with pytest.raises(ValueError, match="No classes are proposed"):
        proposed.classes.accept_classes()


def test_one_class_is_too_few_and_a_sentence_says_so(stage):
    stage.classes.classify((14.0, 14.0))
    stage.classes.propose_classes()
    stage.background.long.run_all()
    assert "only 'class 1' has objects" in stage.says
