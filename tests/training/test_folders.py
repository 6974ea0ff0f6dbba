"""Folders that a user names become the sources of a run, in every mixture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skimage.io import imsave

from napari_clickseg.training.folders import find_folders
from napari_clickseg.training.recipe import DEFAULT, SYNTHETIC, TUNING_STEPS, Recipe, Schedule, for_start

RECIPE = Recipe(
    "r", "R", "For tests.", sources={"a:bright": 0.6, "b": 0.2, SYNTHETIC: 0.2}, credits={"a": "A", "b": "B"}
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("pack/a", "pack/b", "half/a", "mine", "others/mine", "others/theirs"):
        for part in ("images", "labels"):
            (tmp_path / folder / part).mkdir(parents=True)
            imsave(tmp_path / folder / part / "1.png", np.zeros((8, 8), np.uint8), check_contrast=False)
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_a_pack_serves_the_recipe_as_it_stands(root: Path):
    recipe, places = find_folders(RECIPE, [root / "pack"])
    assert recipe is RECIPE
    assert places == {"a": root / "pack" / "a", "b": root / "pack" / "b"}


def test_several_packs_complete_each_other(root: Path):
    (root / "half" / "a").rename(root / "half" / "b")
    (root / "pack" / "b").rename(root / "elsewhere")
    _, places = find_folders(RECIPE, [root / "pack", root / "half"])
    assert places == {"a": root / "pack" / "a", "b": root / "half" / "b"}


def test_a_folder_of_ones_own_takes_the_place_of_the_recipes_sources(root: Path):
    recipe, places = find_folders(RECIPE, [root / "mine"])
    assert recipe.sources == {"mine": pytest.approx(0.8), SYNTHETIC: 0.2}
    assert (recipe.name, recipe.credits) == ("r-mine", {"mine": "the user's own images"})
    assert places == {"mine": root / "mine"}


def test_of_the_default_recipe_the_folder_alone_names_the_model(root: Path):
    assert find_folders(replace(RECIPE, name=DEFAULT), [root / "mine"])[0].name == "mine"


def test_how_often_a_source_is_drawn_is_told_without_the_errors_of_its_sum(root: Path):
    thirds = replace(RECIPE, sources={"a": 0.1, "b": 0.2, SYNTHETIC: 0.7})
    assert find_folders(thirds, [root / "mine"])[0].sources["mine"] == 0.3


def test_sources_of_ones_own_are_drawn_alike(root: Path):
    recipe, places = find_folders(RECIPE, [root / "others"])
    assert recipe.sources == {"mine": pytest.approx(0.4), "theirs": pytest.approx(0.4), SYNTHETIC: 0.2}
    assert places["theirs"] == root / "others" / "theirs"


def test_beside_a_pack_ones_own_are_half_of_the_real_images(root: Path):
    recipe, places = find_folders(RECIPE, [root / "pack", root / "mine"])
    assert recipe.sources == {"mine": pytest.approx(0.4), "a:bright": 0.3, "b": 0.1, SYNTHETIC: 0.2}
    assert recipe.credits == {"mine": "the user's own images", "a": "A", "b": "B"}
    assert set(places) == {"a", "b", "mine"}


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        (["nowhere"], "There is no folder"),
        (["empty"], "has no images with labels"),
        (["half"], "draws from a, b, but .* has no b"),
        (["mine", "others"], "needs another name: there is a source 'mine' already"),
    ],
)
def test_folders_that_make_no_run_are_refused_in_one_sentence(root: Path, folders: list[str], sentence: str):
    with pytest.raises((ValueError, OSError), match=sentence):
        find_folders(RECIPE, [root / folder for folder in folders])


def test_trained_weights_are_tuned_gently_and_no_longer_than_the_recipe():
    gentle = for_start(RECIPE).schedule
    assert gentle.steps == TUNING_STEPS < RECIPE.schedule.steps
    assert gentle.rate < RECIPE.schedule.rate
    assert for_start(Recipe("r", "R", "", schedule=Schedule(steps=3))).schedule.steps == 3
