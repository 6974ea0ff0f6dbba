"""Appearance: what tells objects apart, on scenes whose numbers are known."""

from __future__ import annotations

import numpy as np
import pytest

from doubles import disk
from napari_clickseg.core.appearance import measures, similarities
from napari_clickseg.core.images import Image
from napari_clickseg.core.regions import Region
from napari_clickseg.core.suggestions import Suggestion

SHAPE = (64, 64)


def suggestion(mask: np.ndarray) -> Suggestion:
    one = Suggestion.of((), Region.whole(mask.shape), mask)
    assert one is not None
    return one


def test_size_and_elongation() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[20:24, 10:42] = True
    size, elongation, _, _ = measures(Image.of(np.zeros(SHAPE, np.float32)), suggestion(mask))
    assert size == pytest.approx(np.log2(2 * np.sqrt(128 / np.pi)))
    assert elongation == pytest.approx(3.0, abs=0.05)
    assert measures(Image.of(np.zeros(SHAPE, np.float32)), suggestion(disk(SHAPE, (30, 30), 9)))[1] < 0.05


def test_bright_and_dark_objects_differ_in_contrast_whatever_the_gain() -> None:
    mask = disk(SHAPE, (30, 30), 9)
    bright = np.where(mask, 10.0, 2.0).astype(np.float32)
    contrast = measures(Image.of(bright), suggestion(mask))[2]
    assert contrast > 1.5
    assert measures(Image.of(100 * bright + 7), suggestion(mask))[2] == pytest.approx(contrast, rel=1e-4)
    assert measures(Image.of(-bright), suggestion(mask))[2] == pytest.approx(-contrast, rel=1e-4)


def test_texture_tells_smooth_from_grainy() -> None:
    mask = disk(SHAPE, (30, 30), 9)
    grain = np.random.default_rng(0).normal(0, 1, SHAPE).astype(np.float32)
    smooth = measures(Image.of(np.where(mask, 5, 0) + 0.01 * grain), suggestion(mask))[3]
    grainy = measures(Image.of(np.where(mask, 5 + 3 * grain, 0).astype(np.float32)), suggestion(mask))[3]
    assert smooth < 0.1 < grainy


def test_an_object_that_fills_its_image_has_no_contrast() -> None:
    assert measures(Image.of(np.ones((8, 8), np.float32)), suggestion(np.ones((8, 8), bool)))[2] == 0


def test_features_count_relative_to_how_much_they_vary() -> None:
    same = np.zeros((3, 4))
    features = np.array([[0.0, 0.0], [0.0, 1.0], [2000.0, 0.0]])
    alike = similarities((same[:1], features[:1]), (same, features))
    assert alike[0] == 1
    assert alike[1] == pytest.approx(alike[2], abs=0.05)
    assert alike[1] < 0.9


def test_the_most_similar_example_counts() -> None:
    examples = np.array([[4.0, 0, 1, 0], [6.0, 0, 1, 0]])
    moved = examples + np.array([0.1, 0, 0, 0])
    assert similarities((examples, None), (moved, None)) == pytest.approx([1 - 0.01 / 8] * 2)


def test_nothing_resembles_nothing() -> None:
    assert similarities((np.zeros((1, 4)), None), (np.zeros((0, 4)), None)).shape == (0,)
