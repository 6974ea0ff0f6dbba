"""Guidance channels, by values that can be checked by eye."""

from __future__ import annotations

import math

import torch

from napari_clickseg.engine.guidance import GaussianGuidance, PointSet, gaussians


def test_gaussian_is_one_at_the_click_and_falls_as_it_should():
    maps = gaussians(torch.tensor([[[2.0, 3.0]]]), (8, 8), sigma=2.0)
    assert maps.shape == (1, 1, 8, 8)
    assert maps[0, 0, 2, 3] == 1
    assert math.isclose(float(maps[0, 0, 2, 5]), math.exp(-0.5), rel_tol=1e-5)


def test_nearest_click_wins():
    maps = gaussians(torch.tensor([[[1.0, 1.0], [6.0, 6.0]]]), (8, 8), sigma=1.0)
    assert maps[0, 0, 1, 1] == 1
    assert maps[0, 0, 6, 6] == 1


def test_window_without_clicks_gets_an_empty_map():
    points = PointSet.of([[], [((1.0, 1.0), True)]], "cpu")
    assert gaussians(points.positive, (4, 4), 1.0)[0].sum() == 0
    assert gaussians(points.negative, (4, 4), 1.0).sum() == 0


def test_channels_are_positive_scales_then_negative_scales_then_prior_and_flag():
    guide = GaussianGuidance((1.0, 3.0))
    points = PointSet.of([[((1.0, 1.0), True), ((5.0, 5.0), False)]], "cpu")
    maps = guide(points, torch.full((1, 1, 8, 8), 0.25), torch.ones(1))
    assert maps.shape == (1, guide.channels, 8, 8)
    assert [float(maps[0, k, 1, 1]) == 1 for k in range(4)] == [True, True, False, False]
    assert [float(maps[0, k, 5, 5]) == 1 for k in range(4)] == [False, False, True, True]
    assert float(maps[0, 4].mean()) == 0.25
    assert float(maps[0, 5].mean()) == 1
