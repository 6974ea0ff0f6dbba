"""The alpha of the object being drawn becomes an Image layer that lies on the image, on the frame in view."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.viewer


def alphas(b):
    return [layer for layer in b.viewer.layers if layer.name.startswith("alpha of object")]


def test_the_button_lays_the_alpha_of_the_object_over_the_image(bench, plane):
    b = bench(plane)
    b.click(30, 20)
    active = b.viewer.layers.selection.active
    b.press("show_alpha")
    (layer,) = alphas(b)
    assert layer.name == "alpha of object 1"
    assert layer.data.shape == plane.shape
    assert (layer.data[30, 20], layer.data[0, 0]) == (1, 0)
    np.testing.assert_allclose(layer.data, b.session.alpha())
    assert b.viewer.layers.selection.active is active
    assert b.session.image.shape == plane.shape


def test_once_more_the_layer_shows_the_newest_and_it_stays_when_the_object_is_kept(bench, plane):
    b = bench(plane)
    b.click(30, 20)
    b.press("show_alpha")
    b.click(30, 34)
    b.press("show_alpha")
    (layer,) = alphas(b)
    assert layer.data[30, 34] == 1
    b.press("keep")
    assert alphas(b) == [layer]


def test_without_an_object_the_panel_says_what_to_do(bench, plane):
    b = bench(plane)
    b.press("show_alpha")
    assert not alphas(b)
    assert "click on one first" in b.status
