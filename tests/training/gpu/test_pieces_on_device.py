"""Training on one device: every piece against the loop over objects that it stands for, on the CPU and small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy import ndimage

from napari_clickseg.networks.lite_clicknet import LiteClickNet
from napari_clickseg.training.gpu.distances import depths, squared_distances
from napari_clickseg.training.gpu.pack import Entry, PackedPlane, count_planes, object_rows, read_pack, write_pack
from napari_clickseg.training.gpu.pool import TARGET, Pool, make_pool
from napari_clickseg.training.gpu.scenes import borrow, drawn_plane
from napari_clickseg.training.gpu.settings import GpuSettings
from napari_clickseg.training.gpu.simulated_user import ClickMaps, first_clicks, next_clicks
from napari_clickseg.training.gpu.starting_masks import KINDS, Objects, starting_masks
from napari_clickseg.training.gpu.steps import Stepper, Task, dense_loss
from napari_clickseg.training.gpu.trainer import GpuPlan, take_weights, train_on_gpu, write_halves
from napari_clickseg.training.gpu.windows import Placing, cut_windows

CPU = torch.device("cpu")
STILL = Placing(share=0.4, any_scale=0.0, shift=0.0, plain=True)


def plane(split: str = "train", source: str = "cells", complete: bool = True) -> PackedPlane:
    """A bright disk and a bright rectangle on a dark plane."""
    labels = np.zeros((96, 120), np.int32)
    y, x = np.mgrid[:96, :120]
    labels[(y - 40) ** 2 + (x - 40) ** 2 < 14**2] = 7
    labels[50:80, 70:100] = 3
    numbered, rows = object_rows(labels, np.random.default_rng(0))
    pixels = np.repeat(np.where(labels > 0, 200, 30).astype(np.uint8)[..., None], 3, axis=2)
    return PackedPlane(Entry(source, split, complete, "png", labels.shape), pixels, numbered, rows)


@pytest.fixture
def pool() -> Pool:
    return make_pool([plane()], {"cells": 1.0}, CPU, slots=2, side=64)


def task(**options) -> Task:
    settings = GpuSettings(batch=2, targets=2, plans={"0+1": 1.0, "1+1": 1.0}, slots=0, warm_up=1, **options)
    return Task(settings, settings.placing(0.46, 0.45), 64, (1.5, 7.0), {"bce": 1.0, "soft_iou": 1.0}, torch.float32)


def disks(count: int = 3, side: int = 48) -> torch.Tensor:
    y, x = np.mgrid[:side, :side]
    return torch.from_numpy(np.stack([(y - 20 - k) ** 2 + (x - 24) ** 2 < (8 + k) ** 2 for k in range(count)]))


# -- distances -----------------------------------------------------------------------------------------------------


def test_distances_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    masks = rng.random((5, 40, 33)) < np.array([0.5, 0.1, 0.02, 0.9, 0.005])[:, None, None]
    found = squared_distances(torch.from_numpy(masks)).numpy()
    for mask, squares in zip(masks, found, strict=True):
        np.testing.assert_allclose(squares, ndimage.distance_transform_edt(~mask) ** 2)


def test_beyond_the_rim_counts_as_outside() -> None:
    mask = np.zeros((9, 9), bool)
    mask[2:, :5] = True
    expected = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    np.testing.assert_allclose(depths(torch.from_numpy(mask)[None])[0], expected)


# -- pack and pool -------------------------------------------------------------------------------------------------


def test_a_pack_gives_back_what_was_written(tmp_path: Path) -> None:
    planes = [plane(), plane("val", "others", complete=False)]
    assert write_pack(tmp_path / "pack.zip", planes) == 2
    for before, after in zip(planes, read_pack(tmp_path / "pack.zip"), strict=True):
        assert after.entry == before.entry
        np.testing.assert_array_equal(after.pixels, before.pixels)
        np.testing.assert_array_equal(after.labels, before.labels)
        np.testing.assert_array_equal(after.rows, before.rows)
    assert [one.entry.source for one in read_pack(tmp_path / "pack.zip", "val")] == ["others"]
    assert count_planes(tmp_path / "pack.zip", "train") == 1


def test_a_file_that_is_no_pack_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pack.zip").write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match="is no pack of training planes"):
        list(read_pack(tmp_path / "pack.zip"))


def test_a_pool_without_the_sources_named_is_refused() -> None:
    with pytest.raises(ValueError, match="holds no plane of elsewhere"):
        make_pool([plane()], {"elsewhere": 1.0}, CPU)


def test_drawn_planes_take_the_oldest_slot(pool: Pool) -> None:
    labels, rows = object_rows(np.pad(np.ones((20, 20), np.int32), 22), np.random.default_rng(0))
    drawn = PackedPlane(
        Entry("synthetic", "train", True, "png", (64, 64)), np.zeros((64, 64, 3), np.uint8), labels, rows
    )
    assert not pool.filled.item()
    assert (pool.draw(50, 0.9) < pool.slots.objects).all()
    assert all(pool.fill(drawn) for _ in range(3))
    assert pool.filled.item() == 2
    picked = pool.draw(200, 0.5)
    assert 0 < (picked >= pool.slots.objects).sum() < 200
    assert (pool.objects[picked, TARGET] > 0).all()
    with pytest.raises(ValueError, match="wanted is a square of 64"):
        pool.fill(plane())


# -- windows -------------------------------------------------------------------------------------------------------


def test_a_window_shows_its_object_at_the_share_wanted(pool: Pool) -> None:
    windows = cut_windows(pool, torch.tensor([1, 2]), 64, STILL, 1)
    truths = windows.truths()
    diameters = 2 * np.sqrt(truths.sum((1, 2)).numpy() / np.pi)
    np.testing.assert_allclose(diameters / 64, 0.4, atol=0.02)
    np.testing.assert_allclose(windows.full_areas(pool), truths.sum((1, 2)), rtol=0.08)
    # A corner of the other object lies in each window and is bright, too: all that is bright is all that is labelled.
    bright, labelled = windows.images[:, 0] > 0.45, windows.labels > 0
    assert (labelled & ~truths).flatten(1).any(dim=1).all()
    assert ((bright & labelled).sum((1, 2)) / (bright | labelled).sum((1, 2))).min() > 0.95
    assert bright[truths].float().mean() > 0.95


def test_offsets_lead_to_the_objects_middle_however_the_window_is_turned(pool: Pool) -> None:
    torch.manual_seed(3)
    turned = Placing(share=0.3, octaves=0.1, any_scale=0.0, shift=0.05)
    windows = cut_windows(pool, torch.tensor([1] * 6), 64, turned, 1)
    line = torch.arange(64.0)
    for truth, offsets in zip(windows.truths(), windows.middles, strict=True):
        middle = [float((truth * axis).sum() / truth.sum()) for axis in (line[:, None], line[None, :])]
        ends = [line[:, None] + offsets[..., 0], line[None, :] + offsets[..., 1]]
        for axis in (0, 1):
            assert float(ends[axis][truth].mean()) == pytest.approx(middle[axis], abs=1.5)


def test_further_targets_are_other_objects_of_the_window(pool: Pool) -> None:
    wide = Placing(share=0.2, any_scale=0.0, shift=0.0, plain=True)
    windows = cut_windows(pool, torch.tensor([1, 1, 2, 2]), 64, wide, 2)
    assert windows.targets[:, 0].tolist() == [1, 1, 2, 2]
    assert set(windows.targets.flatten().tolist()) <= {1, 2}
    others = windows.others(torch.ones(8))
    assert not (others & windows.truths()).any()


# -- simulated user ------------------------------------------------------------------------------------------------


def test_first_clicks_without_spread_hit_the_deepest_pixel() -> None:
    truths = disks()
    made = first_clicks(truths, torch.zeros(3))
    inner = depths(truths)
    for k, (y, x) in enumerate(made.places.long().tolist()):
        assert inner[k, y, x] == inner[k].max()
    assert made.positive.all()


def test_corrective_clicks_lie_on_errors_and_say_which_kind() -> None:
    truths = disks()
    shown = torch.zeros_like(truths)
    shown[1] = True
    shown[2] = truths[2]
    made = next_clicks(truths, shown, ClickMaps.empty(truths, (1.5, 7.0)), torch.full((3,), 0.5), slip=0.0)
    assert made.made.tolist() == [True, True, False]
    assert made.positive[:2].tolist() == [True, False]
    for k in (0, 1):
        y, x = made.places[k].long().tolist()
        assert truths[k, y, x] != shown[k, y, x]


def test_click_maps_hold_the_highest_gaussian_of_each_polarity() -> None:
    maps = ClickMaps.empty(torch.zeros(1, 16, 16, dtype=torch.bool), (1.5, 7.0))
    yes, no = torch.tensor([True]), torch.tensor([False])
    maps = maps.add(torch.tensor([[3.0, 4.0]]), yes, yes).add(torch.tensor([[10.0, 12.0]]), no, yes)
    maps = maps.add(torch.tensor([[8.0, 8.0]]), yes, no)
    assert maps.maps[0, :, 3, 4].tolist()[:2] == [1, 1]
    assert maps.maps[0, :, 10, 12].tolist()[2:] == [1, 1]
    assert maps.maps[0, 0, 8, 8] < 0.5
    near = maps.clicked()[0].nonzero().tolist()
    assert {(3, 4), (10, 12)} <= {tuple(place) for place in near}
    assert all(min(np.hypot(y - 3, x - 4), np.hypot(y - 10, x - 12)) <= 1 for y, x in near)


@pytest.mark.parametrize("damage", KINDS, ids=lambda damage: damage.__name__)
def test_every_starting_mask_errs_and_still_means_the_object(damage) -> None:
    torch.manual_seed(0)
    truths = disks(40)[:, :48]
    labels = truths.int() * 5
    labels[:, 36:44, 4:20] = 9
    masks = damage(Objects.of(truths & (labels == 5), labels))
    kept = labels == 5
    assert (masks != kept).any()
    shared = (masks & kept).sum((1, 2)) / kept.sum((1, 2))
    assert shared.median() > 0.2


def test_starting_masks_are_drawn_from_all_kinds() -> None:
    torch.manual_seed(0)
    truths = disks(30)
    areas = starting_masks(truths, truths.int()).sum((1, 2)) / truths.sum((1, 2))
    assert areas.min() < 0.85
    assert areas.max() > 1.1


# -- steps and runs ------------------------------------------------------------------------------------------------


def test_perfect_dense_maps_cost_less_than_empty_ones(pool: Pool) -> None:
    windows = cut_windows(pool, torch.tensor([1, 2]), 64, STILL, 1)
    inside = torch.nn.functional.avg_pool2d((windows.labels > 0).float()[:, None], 2)
    maps = torch.cat((inside - 0.5, 12 * inside - 6, -4 * torch.ones_like(inside), *(0 * inside for _ in "yx")), dim=1)
    assert dense_loss(maps, windows) < dense_loss(torch.zeros_like(maps), windows)


def test_a_step_changes_weights_and_their_average(pool: Pool) -> None:
    torch.manual_seed(0)
    network, average = LiteClickNet(7).train(), LiteClickNet(7).eval().requires_grad_(False)
    average.load_state_dict(network.state_dict())
    before = {name: value.clone() for name, value in average.state_dict().items()}
    stepper = Stepper(network, average, pool, task())
    for plan in ((0, 1), (1, 1)):
        stepper.step(*plan, 1.0)
    means = stepper.means(2)
    assert means["broken"] == 0
    assert np.isfinite(means["loss"])
    changed = [name for name, value in average.state_dict().items() if not torch.equal(value, before[name])]
    assert {"click_stream.leave.weight", "click_stream.judge.layers.0.weight", "centre_head.1.bias"} <= set(changed)


def test_a_run_by_the_clock_writes_weights_and_a_log(tmp_path: Path) -> None:
    write_pack(tmp_path / "pack.zip", [plane(), plane("val")])
    plan = GpuPlan(tmp_path / "pack.zip", tmp_path / "out", 0.0, device="cpu", processes=0)
    sentences: list[str] = []
    row = train_on_gpu(task(), {"cells": 1.0}, plan, sentences.append)
    assert set(row["exam"]) == {"cells", "mean"}
    assert json.loads((tmp_path / "out" / "log.json").read_text())[-1]["steps"] == row["steps"]
    network = LiteClickNet(7)
    assert "0 begin anew" in take_weights(network, tmp_path / "out" / "average.safetensors")
    assert any("iou@1" in sentence for sentence in sentences)


def test_weights_of_fewer_channels_fill_the_first_ones(tmp_path: Path) -> None:
    network = LiteClickNet(7)
    weights = dict(network.state_dict())
    weights["centre_head.1.bias"] = torch.tensor([5.0])
    weights["click_stream.leave.bias"] = torch.zeros(4, 4)
    write_halves(tmp_path / "old.safetensors", weights)
    assert load_file(tmp_path / "old.safetensors")["centre_head.1.bias"].dtype == torch.float16
    fresh = LiteClickNet(7)
    sentence = take_weights(fresh, tmp_path / "old.safetensors")
    assert "1 begin anew: click_stream.leave.bias" in sentence
    assert fresh.centre_head[1].bias[0] == 5


def test_drawn_planes_come_with_rows_for_their_objects() -> None:
    loan = borrow([plane()], np.random.default_rng(0))
    assert (len(loan.textures), len(loan.cutouts)) == (1, 2)
    drawn = drawn_plane(4, 96, loan)
    assert drawn.pixels.shape == (96, 96, 3)
    assert len(drawn.rows) == drawn.labels.max()


def test_settings_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match="has no sped; it may have batch"):
        GpuSettings.from_table({"sped": 1})
    with pytest.raises(ValueError, match="wanted is ungraded"):
        GpuSettings.from_table({"plans": {"3": 1.0}})
    assert GpuSettings.from_table({"plans": {"1+2": 3.0, "0+1": 1.0}}).rounds() == [(1, 2, 0.75), (0, 1, 0.25)]
