"""The table of actions: each owner has the method, and keys are free of each other."""

from __future__ import annotations

import inspect

import pytest

from napari_clickseg.gui.actions import ACTIONS
from napari_clickseg.gui.alpha_layer import AlphaLayer
from napari_clickseg.gui.controllers.classes import Classes
from napari_clickseg.gui.controllers.corrections import Corrections
from napari_clickseg.gui.controllers.hover import Hover
from napari_clickseg.gui.controllers.learning import Learning
from napari_clickseg.gui.controllers.measuring import Measuring
from napari_clickseg.gui.controllers.objects import Objects
from napari_clickseg.gui.controllers.propagation import Propagation
from napari_clickseg.gui.controllers.review import Reviewing
from napari_clickseg.gui.controllers.saving import Saving
from napari_clickseg.gui.controllers.suggestions import Suggestions
from napari_clickseg.gui.controllers.tools import Tools

OWNERS = {
    "alpha": AlphaLayer,
    "hover": Hover,
    "objects": Objects,
    "corrections": Corrections,
    "propagation": Propagation,
    "review": Reviewing,
    "suggestions": Suggestions,
    "learning": Learning,
    "classes": Classes,
    "measuring": Measuring,
    "saving": Saving,
    "tools": Tools,
}
OF_NAPARI = {"Shift-A", "Shift-L", "Shift-P", "Shift-V", "C", "S", "Space", "Tab"}


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_its_owner_has_the_method(action):
    method = getattr(OWNERS[action.owner], action.name)
    places = list(inspect.signature(method).parameters)[1:]
    assert places == (["position"] if action.armed else [])


def test_no_key_stands_for_two_actions_nor_for_one_of_naparis():
    keys = [action.key for action in ACTIONS]
    assert len(set(keys)) == len(keys)
    assert not OF_NAPARI & set(keys)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_it_has_a_caption_and_a_tip_that_is_a_sentence(action):
    assert action.caption
    assert action.tip.endswith(".")
