"""The pieces of training: recipes, losses, damage, windows."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.io import imsave

from napari_clickseg.core.simulated_errors import KINDS, damage
from napari_clickseg.inference.guidance import Encoding, PointSet
from napari_clickseg.models.load import new_network
from napari_clickseg.training import losses
from napari_clickseg.training.augment import vary
from napari_clickseg.training.data import connected_pieces, load_pool, read_planes
from napari_clickseg.training.recipe import Recipe, list_recipes, read_recipe
from napari_clickseg.training.windows import cut_windows

NO_CLICKS = PointSet.of([[]], "cpu")


# -- recipes -----------------------------------------------------------------------------------------------------------


HEADER = 'name = "x"\ntitle = "x"\ndescription = "x"\n'
LARGEST_FILE = 12_000_000
"""Bytes of a weights file."""
DRAWN = {"synthetic", "mattes"}
"""Sources that nobody has to be credited for."""


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_of_the_package_reads_and_credits_its_sources(name: str):
    recipe = read_recipe(name)
    assert {source.split(":")[0] for source in recipe.sources} - DRAWN == set(recipe.credits)


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_builds_a_network_whose_weights_fit_the_largest_file(name: str):
    recipe = read_recipe(name)
    network = new_network(recipe.network, recipe.network_options, Encoding.from_mapping(recipe.encoding))
    assert 2 * sum(value.numel() for value in network.state_dict().values()) < LARGEST_FILE


@pytest.mark.parametrize("name", sorted(set(list_recipes()) - {"clickseg"}))
def test_the_published_systems_share_windows_real_data_and_budget_with_one_another_and_no_system(name: str):
    default, recipe, other = read_recipe("clickseg"), read_recipe(name), read_recipe("ritm")
    for shared in ("side", "shares", "credits"):
        assert getattr(recipe, shared) == getattr(default, shared)
    real = {source: weight for source, weight in recipe.sources.items() if source not in DRAWN}
    assert real == {source: weight for source, weight in default.sources.items() if source not in DRAWN}
    assert sum(recipe.sources.values()) == pytest.approx(sum(default.sources.values()))
    windows = [one.schedule.steps * one.schedule.batch for one in (recipe, other)]
    assert windows[0] == windows[1]
    assert recipe.network != default.network
    assert recipe.encoding != default.encoding
    assert recipe.clicks != default.clicks


def test_extending_takes_over_what_is_not_said_of_data_and_budget_but_never_the_system():
    recipe = Recipe.from_toml(HEADER + 'extends = "ritm"\nside = 64\n[schedule]\nsteps = 7\n')
    ritm = read_recipe("ritm")
    assert (recipe.side, recipe.shares, recipe.sources) == (64, ritm.shares, ritm.sources)
    assert recipe.schedule == replace(ritm.schedule, steps=7)
    plain = Recipe("x", "x", "x")
    for own in ("network", "encoding", "refinements", "losses", "clicks", "auxiliary"):
        assert getattr(recipe, own) == getattr(plain, own)


def test_recipe_to_extend_is_looked_for_beside_the_file_that_names_it(tmp_path: Path):
    (tmp_path / "bases").mkdir()
    (tmp_path / "bases" / "base.toml").write_text(HEADER + "side = 80\n")
    (tmp_path / "bases" / "middle.toml").write_text(HEADER + 'extends = "base.toml"\n')
    (tmp_path / "top.toml").write_text(HEADER + 'extends = "bases/middle.toml"\n')
    assert read_recipe(str(tmp_path / "top.toml")).side == 80


def test_recipe_that_extends_itself_is_refused(tmp_path: Path):
    (tmp_path / "a.toml").write_text(HEADER + 'extends = "b.toml"\n')
    (tmp_path / "b.toml").write_text(HEADER + 'extends = "a.toml"\n')
    with pytest.raises(ValueError, match=r"The recipe .*\.toml extends itself"):
        read_recipe(str(tmp_path / "a.toml"))


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ('extends = "abacus"', "no recipe 'abacus': give a TOML file, or one of brs, clickseg"),
        ('network = "abacus"', "no network 'abacus' for a recipe; there are clicknet, "),
        ("network_options = { beads = 10 }", "network clicknet has no option beads; it may have widths, depths"),
        ('encoding = { clicks = "abacus" }', "no click map 'abacus'; there are gaussian"),
        ("encoding = { beads = 10 }", "An encoding has no beads; it may have clicks"),
        ('refinements = ["flip", "abacus"]', "no refinement 'abacus' for a recipe; there are closer, zoom"),
        ('refinements = ["guided"]', "network ClickNet has no guided filter"),
        ("losses = { abacus = 1.0 }", "no loss 'abacus' for a recipe; there are bce"),
        ('clicks = { user = "abacus" }', "no simulated user 'abacus' for a recipe; there are correcting"),
        ("clicks = { robots = { abacus = 1.0 } }", "no robot 'abacus' for a recipe; there are centre"),
        ('schedule = { optimiser = "abacus" }', "no optimiser 'abacus' for a recipe; there are adamw"),
        ("beads = 10", "A recipe has no beads; it may have name, title"),
        ("beads", "written in TOML, and this is none: .* line 4"),
    ],
)
def test_recipe_that_names_what_is_not_there_is_refused_when_it_is_read(said: str, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        Recipe.from_toml(HEADER + said + "\n")


def test_recipe_without_a_name_is_refused_with_what_it_needs():
    with pytest.raises(ValueError, match="A recipe needs title, description"):
        Recipe.from_toml('name = "x"')


def test_recipe_refuses_a_key_that_it_does_not_know():
    with pytest.raises(ValueError, match="schedule has no stepz; it may have optimiser, steps"):
        Recipe.from_toml('name = "x"\ntitle = "x"\ndescription = "x"\n[schedule]\nstepz = 1\n')


def test_unknown_recipe_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="give a TOML file, or one of brs, clickseg"):
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


def test_bootstrapped_is_the_mean_over_the_worst_quarter_of_the_pixels():
    logits = torch.tensor([0.0, 3.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0]).reshape(1, 1, 2, 4)
    worst = (np.log1p(np.exp(3.0)) + np.log(2.0)) / 2
    assert float(losses.bootstrapped(logits, torch.zeros(1, 1, 2, 4), NO_CLICKS)) == pytest.approx(worst)


def test_normalised_focal_is_the_cross_entropy_weighted_by_what_is_missing_of_each_probability():
    right, wrong = 0.9, 0.2
    logits = torch.logit(torch.tensor([right, 1 - wrong])).reshape(1, 1, 1, 2)
    target = torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 2)
    by_hand = -(0.1 * np.log(right) + 0.8 * np.log(wrong)) / (0.1 + 0.8)
    assert float(losses.normalised_focal(logits, target, NO_CLICKS)) == pytest.approx(by_hand, rel=1e-5)


def test_normaliser_of_the_focal_loss_carries_no_gradient():
    logits = torch.tensor([0.5, -1.0]).reshape(1, 1, 1, 2).requires_grad_()
    target = torch.ones(1, 1, 1, 2)
    (given,) = torch.autograd.grad(losses.normalised_focal(logits, target, NO_CLICKS).sum(), logits)
    p = torch.sigmoid(logits.detach())
    slope = p * (1 - p) * (torch.log(p) - (1 - p) / p)  # d/dz of -(1 - p) log p
    torch.testing.assert_close(given, slope / (1 - p).sum())


@pytest.mark.parametrize("name", losses.LOSSES)
def test_every_loss_gives_one_finite_value_per_sample_and_a_gradient(name: str):
    logits = torch.tensor([-80.0, 80.0, 0.0, 1.0]).expand(3, 1, 4, 4).clone().requires_grad_()
    points = PointSet.of([[((1.0, 2.0), True)], [((1.0, 3.0), False)], []], "cpu")
    values = losses.LOSSES[name](logits, torch.eye(4).expand(3, 1, 4, 4), points)
    (gradient,) = torch.autograd.grad(values.sum(), logits)
    assert values.shape == (3,)
    assert torch.isfinite(values).all()
    assert torch.isfinite(gradient).all()


def test_weighted_losses_add_up():
    logits, target = torch.tensor([0.5, -1.0]).reshape(1, 1, 1, 2), torch.ones(1, 1, 1, 2)
    total = losses.weighted({"bce": 2.0, "soft_iou": 0.5})(logits, target, NO_CLICKS)
    expected = 2 * losses.bce(logits, target, NO_CLICKS) + losses.soft_iou(logits, target, NO_CLICKS) / 2
    torch.testing.assert_close(total, expected)


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


def test_item_of_no_split_belongs_to_each_as_in_the_benchmark(folder: Path):
    (folder / "discs" / "index.csv").write_text("name,split\n0,train\n1,\n2\n3, val\n")
    assert len(list(read_planes(folder, "discs", "train"))) == 3
    assert len(list(read_planes(folder, "discs", "val"))) == 3


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
