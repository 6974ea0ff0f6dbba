"""The pieces of training: recipes, losses, damage, drawn planes, windows."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.io import imsave

from napari_clickseg.damage import KINDS, damage
from napari_clickseg.engine.guidance import PointSet
from napari_clickseg.training import losses
from napari_clickseg.training.augment import vary
from napari_clickseg.training.data import connected_pieces, cut_windows, load_pool, read_planes
from napari_clickseg.training.recipe import Recipe, list_recipes, read_recipe
from napari_clickseg.training.synthetic import SHAPES, SIDE, synthetic_plane

NO_CLICKS = PointSet.of([[]], "cpu")


# -- recipes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_of_the_package_reads_and_credits_its_sources(name: str):
    recipe = read_recipe(name)
    assert {source.split(":")[0] for source in recipe.sources} - {"synthetic"} == set(recipe.credits)


def test_recipe_refuses_a_key_that_it_does_not_know():
    with pytest.raises(ValueError, match="schedule has no stepz; it may have optimiser, steps"):
        Recipe.from_toml('name = "x"\ntitle = "x"\ndescription = "x"\n[schedule]\nstepz = 1\n')


def test_unknown_recipe_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="one of clickseg"):
        read_recipe("abacus")


# -- losses ------------------------------------------------------------------------------------------------------------


def test_soft_iou_is_zero_for_a_perfect_and_near_one_for_an_opposite_answer():
    target = torch.zeros(1, 1, 20, 20)
    target[..., :10] = 1
    certain = torch.where(target > 0, 50.0, -50.0)
    assert float(losses.soft_iou(certain, target, NO_CLICKS)) == pytest.approx(0, abs=1e-4)
    assert float(losses.soft_iou(-certain, target, NO_CLICKS)) == pytest.approx(1, abs=0.01)


def test_click_loss_is_the_squared_error_at_the_clicks():
    logits = torch.zeros(1, 1, 4, 4)
    points = PointSet.of([[((1.0, 1.0), True), ((2.0, 2.0), False)]], "cpu")
    assert float(losses.click(logits, torch.zeros(1, 1, 4, 4), points)) == pytest.approx(0.25 + 0.25)


def test_click_loss_ignores_the_padding_of_other_samples():
    points = PointSet.of([[((1.0, 1.0), True)], []], "cpu")
    assert losses.click(torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4), points).tolist() == [0.25, 0.0]


def test_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="bce, bootstrapped, normalised_focal, soft_iou, click"):
        losses.weighted({"abacus": 1.0})


# -- damage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_of_damage_changes_the_mask(kind: str):
    labels = np.zeros((64, 64), np.int32)
    labels[10:30, 10:30], labels[10:30, 31:50] = 1, 2
    damaged = [KINDS[kind](labels == 1, labels, np.random.default_rng(seed)) for seed in range(8)]
    assert any((mask != (labels == 1)).any() for mask in damaged)


def test_merged_mask_holds_both_neighbours():
    labels = np.zeros((64, 64), np.int32)
    labels[10:30, 10:30], labels[10:30, 31:50] = 1, 2
    mask = KINDS["merged"](labels == 1, labels, np.random.default_rng(0))
    assert mask[labels == 1].all()
    assert mask[labels == 2].all()


def test_nothing_is_damaged_where_there_is_no_object():
    nothing = np.zeros((16, 16), bool)
    for seed in range(10):
        assert damage(nothing, nothing.astype(np.int32), np.random.default_rng(seed)).shape == (16, 16)


# -- drawn planes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_drawn_shapes_have_about_the_diameter_asked_for(shape: str):
    areas = [SHAPES[shape](np.random.default_rng(seed), 30.0).sum() for seed in range(20)]
    assert 0.4 < np.median(areas) / (np.pi * 15**2) < 2.2


@pytest.mark.parametrize("seed", range(6))
def test_drawn_plane_has_objects_and_colours_in_range(seed: int):
    image, labels = synthetic_plane(np.random.default_rng(seed), [], [])
    assert image.shape == (SIDE, SIDE, 3)
    assert labels.shape == (SIDE, SIDE)
    assert labels.max() > 0
    assert 0 <= image.min() <= image.max() <= 1


def test_same_seed_draws_the_same_plane():
    first, second = (synthetic_plane(np.random.default_rng(3), [], []) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


# -- data --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sources: `discs` with an index that names splits, `plain` with none."""
    rng = np.random.default_rng(0)
    for source in ("discs", "plain"):
        for part in ("images", "labels"):
            (tmp_path / source / part).mkdir(parents=True)
        for k in range(6):
            y, x = np.mgrid[:70, :80]
            labels = (np.hypot(y - 35, x - 30 - k) < 14).astype(np.uint16) + 2 * (np.hypot(y - 30, x - 65) < 9)
            image = np.where(labels > 0, 180, 40) + rng.integers(0, 20, labels.shape)
            imsave(tmp_path / source / "images" / f"{k}.png", image.astype(np.uint8), check_contrast=False)
            imsave(tmp_path / source / "labels" / f"{k}.png", labels.astype(np.uint16), check_contrast=False)
    with open(tmp_path / "discs" / "index.csv", "w", newline="") as handle:
        csv.writer(handle).writerows([("name", "split"), *((k, "train" if k < 4 else "val") for k in range(6))])
    return tmp_path


def test_only_the_split_asked_for_is_read(folder: Path):
    assert len(list(read_planes(folder, "discs", "train"))) == 4
    assert len(list(read_planes(folder, "discs", "val"))) == 2


def test_folder_without_an_index_keeps_every_fifth_image_for_validation(folder: Path):
    assert len(list(read_planes(folder, "plain", "train"))) == 4
    assert len(list(read_planes(folder, "plain", "val"))) == 2


def test_windows_show_the_object_at_the_share_asked_for(folder: Path):
    pool = load_pool(folder, {"discs": 1.0}, "train", torch.device("cpu"), 0.5)
    windows = cut_windows(pool, 16, 48, (0.4, 0.0, 0.0), np.random.default_rng(0))
    diameters = 2 * np.sqrt(windows.truths.sum(dim=(1, 2, 3)).numpy() / np.pi)
    assert windows.images.shape == (16, 3, 48, 48)
    assert np.median(diameters) / 48 == pytest.approx(0.4, abs=0.05)


def test_first_clicks_lie_on_the_object_in_the_windows_middle(folder: Path):
    pool = load_pool(folder, {"discs": 1.0}, "train", torch.device("cpu"), 0.8)
    windows = cut_windows(pool, 64, 48, (0.4, 0.3, 0.2), np.random.default_rng(0))
    assert windows.truths[:, 0, 24, 24].numpy()[windows.centred].mean() > 0.95


def test_source_without_images_is_refused(folder: Path):
    with pytest.raises(ValueError, match="no annotated image of the split 'test'"):
        load_pool(folder, {"discs": 1.0}, "test", torch.device("cpu"), 0.5)


def test_pieces_of_one_label_become_objects_of_their_own():
    labels = np.array([[1, 1, 0, 1], [2, 2, 0, 1], [2, 0, 3, 3]], np.int32)
    pieces = connected_pieces(labels)
    assert len(np.unique(pieces)) - 1 == 4
    assert pieces[0, 0] != pieces[0, 3]
    assert pieces[1, 0] != pieces[0, 0]


def test_varied_windows_keep_their_shape_and_stay_finite():
    images = torch.rand(8, 3, 32, 32)
    varied = vary(images, torch.Generator().manual_seed(0))
    assert varied.shape == images.shape
    assert torch.isfinite(varied).all()
    assert not torch.equal(varied, images)
