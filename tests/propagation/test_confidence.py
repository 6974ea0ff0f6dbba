"""Confidence: what speaks for an object raises it, what speaks against it lowers it."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.object_masks import Outline
from napari_clickseg.core.regions import Region
from napari_clickseg.propagation.confidence import Signs, confidence, signs_of

LINE = Region((0, 0), (1, 8))
GOOD = Signs(stability=1.0, contested=0.0, drift=0.0, contrast=1.0, size=0.0)


def signs(logits: list[float], expected: int) -> tuple[float, ...]:
    outline = Outline.of((np.arange(8) < expected)[None], LINE)
    assert outline is not None
    return astuple(signs_of(Prediction(LINE, np.array([logits], np.float32)), outline, drift=0.25, contrast=0.5))


def test_signs_of_a_mask_that_holds_at_any_threshold() -> None:
    assert signs([5, 5, 5, 5, -5, -5, -5, -5], 4)[:4] == (1.0, 0.0, 0.25, 0.5)


def test_signs_of_a_mask_that_hangs_on_its_threshold() -> None:
    assert signs([5, 0.5, -0.5, -0.5, -5, -5, -5, -5], 4)[0] == 0.25


def test_nothing_is_the_worst_answer() -> None:
    assert signs([-5.0] * 8, 4)[0] == 0.0


@pytest.mark.parametrize(
    "worse", [{"stability": 0.5}, {"contested": 0.5}, {"drift": 0.5}, {"contrast": 0.0}, {"size": -1.0}]
)
def test_whatever_looks_worse_lowers_the_confidence_of_an_answer(worse: dict[str, float]) -> None:
    assert confidence(replace(GOOD, **worse), asked=True) < confidence(GOOD, asked=True)


def test_it_is_a_probability() -> None:
    hopeless = Signs(stability=0.0, contested=1.0, drift=30.0, contrast=-2.0, size=-1.5)
    assert 0 < confidence(hopeless, asked=False) < 0.01 < 0.6 < confidence(GOOD, asked=False) < 1
