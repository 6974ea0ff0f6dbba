"""Sentences of the panel that hold what somebody else's code said."""

from __future__ import annotations

import pytest

from napari_clickseg.gui.view import messages as status


@pytest.mark.parametrize("say", [status.no_answer, status.not_found, status.not_answered])
@pytest.mark.parametrize("problem", [ValueError("no room"), ValueError("no room.")])
def test_what_a_model_failed_with_is_a_sentence_of_its_own(say, problem):
    assert ": no room. " in say(problem).text
    assert say(problem).text.endswith(".")
