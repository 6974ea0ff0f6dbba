"""Plugin layers: outlines that everybody can tell from the image and from each other."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_clickseg.gui.outlines import SHADOW
from napari_clickseg.gui.plugin_layers import COLOURS, classes_in, features_of, show_classes

EYES = {
    "all cones": np.eye(3),
    "no red cones": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green cones": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
}
"""What is left of linear RGB: Machado, Oliveira and Fernandes 2009, severity 1 (protanopia, deuteranopia)."""
TISSUE = {
    "eosin": (225, 150, 190),
    "pale eosin": (240, 200, 220),
    "haematoxylin": (95, 60, 130),
    "purple": (150, 95, 165),
    "glass": (245, 240, 245),
}
PHASE = {f"grey {level}": (level,) * 3 for level in (20, 60, 90, 128, 160, 200)}
IDS = COLOURS[1:, :3]
APART, FROM_IMAGE = 15, 20
"""CIEDE2000; about 2 can just be told apart side by side, and a line two pixels wide needs more."""


def seen(colours, eye):
    """CIELAB of colours as an eye sees them; channels in 0 to 255."""
    share = np.asarray(colours, float).reshape(-1, 3) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    left = np.clip(linear @ np.array(EYES[eye]).T, 0, 1)
    return rgb2lab(np.where(left <= 0.0031308, 12.92 * left, 1.055 * left ** (1 / 2.4) - 0.055))


def test_white_and_black_differ_by_a_hundred_for_every_eye():
    for eye in EYES:
        assert deltaE_ciede2000(seen((255, 255, 255), eye), seen((0, 0, 0), eye))[0] == pytest.approx(100, abs=0.1)


@pytest.mark.parametrize("eye", EYES)
def test_objects_that_follow_each_other_differ(eye):
    lab = seen(IDS, eye)
    differences = deltaE_ciede2000(lab, np.roll(lab, -1, axis=0))
    assert differences.min() > APART, dict(zip(map(tuple, IDS.tolist()), differences.round(1), strict=True))


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("ground", [*TISSUE, *PHASE])
def test_each_line_or_its_shadow_differs_from_the_image(eye, ground):
    below = np.array((TISSUE | PHASE)[ground], float)
    opacity = SHADOW[3] / 255
    shadow = below * (1 - opacity) + SHADOW[:3] * opacity
    lab = seen([*IDS, shadow], eye)
    differences = deltaE_ciede2000(lab, np.broadcast_to(seen(below, eye), lab.shape))
    assert np.maximum(differences[:-1], differences[-1]).min() > FROM_IMAGE, differences.round(1)


def test_classes_are_found_in_tables_of_any_origin():
    labels = np.zeros((4, 4), int)
    table = {"index": [0, 3, 5, 7], "class": ["", " dead\n cell", None, "x" * 200]}
    assert classes_in(Labels(labels, features=table).features) == {3: "dead cell", 7: "x" * 80}
    assert classes_in(Labels(labels, features={"label": [2.0, np.nan], "class": ["a", "b"]}).features) == {2: "a"}
    assert classes_in(Labels(labels, features={"class": ["a", "b"]}).features) == {}
    assert classes_in({}) == {}
    assert classes_in(Labels(labels, features=features_of({4: "dead"})).features) == {4: "dead"}


def test_other_columns_stay_when_classes_are_written():
    layer = Labels(np.zeros((4, 4), int), features={"index": [0, 3], "area": [np.nan, 7.0]})
    show_classes(layer, {3: "dead", 5: "alive"})
    show_classes(layer, {5: "alive"})
    assert layer.features["index"].tolist() == [0, 3, 5]
    assert layer.features["area"].fillna(-1).tolist() == [-1, 7, -1]
    assert classes_in(layer.features) == {5: "alive"}
    bare = Labels(np.zeros((4, 4), int))
    show_classes(bare, {2: "dead"})
    assert classes_in(bare.features) == {2: "dead"}
