"""The weights in the repository: small, in half precision, each with a card that tells where it comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from napari_clickseg.core.clicks import Click
from napari_clickseg.core.images import Image
from napari_clickseg.core.metrics import overlaps
from napari_clickseg.core.requests import Request, Segmenter
from napari_clickseg.models.card import ConvertedCard, read_card
from napari_clickseg.models.load import load_click_model, load_model
from napari_clickseg.models.registry import find_model
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.training.recipe import list_recipes, read_recipe

FOLDER = Path(__file__).parents[2] / "src" / "napari_clickseg" / "models" / "weights"
SAMPLE = FOLDER / "unet-sample.safetensors"
CLICKED = sorted(set(FOLDER.glob("*.safetensors")) - {SAMPLE})
"""Weights of networks that take clicks; the sample is one that does not."""
LARGEST, LARGEST_SAMPLE = 12e6, 6e6
"""Bytes."""
LARGEST_SYSTEM, ALL_SYSTEMS, ALL_FILES = 5e6, 15e6, 25.5e6
"""Bytes of one of the five published systems, of all five, and of all weights in the repository."""


@pytest.fixture(params=CLICKED, ids=lambda path: path.stem)
def weights(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_every_recipe_has_its_weights():
    assert {read_recipe(name).name for name in list_recipes()} == {path.stem for path in CLICKED}


def test_the_sample_is_small_open_and_shipped_and_says_what_it_is():
    card = read_card(SAMPLE)
    assert isinstance(card, ConvertedCard)
    assert SAMPLE.stat().st_size < LARGEST_SAMPLE
    assert card.class_path == "napari_clickseg.networks.unet:UNet"
    assert card.licence == "BSD-3-Clause"
    assert set(card.data) == set(card.metrics) == {"dsb2018", "usiigaci_phase"}
    assert find_model("unet-sample").kind == "shipped"
    assert "your own" in find_model("unet-sample").description


def test_the_sample_finds_the_nuclei_of_the_sample_image():
    samples = FOLDER.parents[1] / "samples"
    truth = np.asarray(read_image(samples / "nuclei_labels.tif").array)
    model = load_model("unet-sample", "cpu")
    assert isinstance(model, Segmenter)
    best = overlaps(truth, model.segment(read_image(samples / "nuclei.tif"), ())).best()
    assert np.mean(list(best.values())) > 0.8


def test_weights_are_small_and_in_half_precision(weights: Path):
    assert weights.stat().st_size < LARGEST
    assert {value.dtype for value in load_file(weights).values()} <= {np.dtype(np.float16), np.dtype(np.int64)}


def test_the_five_systems_and_all_weights_together_are_small():
    sizes = {path.stem: path.stat().st_size for path in (*CLICKED, SAMPLE)}
    systems = {name: size for name, size in sizes.items() if name not in ("default", "unet-sample")}
    assert len(systems) == 5
    assert max(systems.values()) < LARGEST_SYSTEM
    assert sum(systems.values()) < ALL_SYSTEMS
    assert sum(sizes.values()) < ALL_FILES


def test_cards_tell_data_licence_budget_recipe_and_what_was_measured(weights: Path):
    card = read_card(weights)
    assert card.name == weights.stem
    assert card.licence
    assert "windows" in card.budget
    assert {"dsb2018", "usiigaci_phase", "neuroproof_fibsem"} <= set(card.data)
    assert card.recipe["network"] == card.network
    assert card.metrics["dsb2018"]["noc@90"] > 1


def test_weights_find_a_bright_disc(weights: Path):
    y, x = np.mgrid[:120, :120]
    disc = np.hypot(y - 60, x - 55) < 18
    image = Image.of(
        np.where(disc, 180, 30).astype(np.uint8) + np.random.default_rng(0).integers(0, 12, disc.shape, np.uint8)
    )
    clicks = (Click((60.0, 55.0)), Click((60.0, 90.0), positive=False))
    predictor = load_click_model(weights, "cpu").with_refinements({"brs": False})  # which a clock would end
    answer = predictor.predict(image, Request((), clicks, None, 36.0))
    found = np.zeros_like(disc)
    found[answer.region.slices] = answer.mask()
    assert (found & disc).sum() / (found | disc).sum() > 0.5
