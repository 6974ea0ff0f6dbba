"""Training runs end to end on a few drawn discs: it learns, resumes exactly, stops when told, and refuses bad input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from skimage.io import imsave

from napari_clickseg.engine.predictor import ClickPredictor
from napari_clickseg.questions import Stop, Stopped
from napari_clickseg.session import Session
from napari_clickseg.training import validation
from napari_clickseg.training.recipe import Clicks, Recipe, Schedule
from napari_clickseg.training.simulation import USERS
from napari_clickseg.training.trainer import CHECKPOINT, LOG, Plan, train

OPTIONS = {
    "widths": [8, 8, 16, 16, 16],
    "depths": [1, 1, 1, 1],
    "features": [8, 8, 16, 16, 16],
    "click_widths": [8, 8, 16, 16, 16],
}
RECIPE = Recipe(
    "discs",
    "Discs",
    "For tests.",
    network_options=OPTIONS,
    side=32,
    sources={"discs": 1.0},
    credits={"discs": "drawn here"},
    clicks=Clicks(rounds=2),
    schedule=Schedule(steps=6, batch=4, rate=3e-3, warm_up=1, average=0.9),
)


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr(validation, "WINDOWS", 8)
    monkeypatch.setattr(validation, "BATCH", 8)
    for part in ("images", "labels"):
        (tmp_path / "data" / "discs" / part).mkdir(parents=True)
    for k in range(3):
        y, x = np.mgrid[:60, :60]
        labels = (np.hypot(y - 30, x - 28 - k) < 12).astype(np.uint16)
        image = (40 + 150 * labels + np.random.default_rng(k).integers(0, 20, labels.shape)).astype(np.uint8)
        imsave(tmp_path / "data" / "discs" / "images" / f"{k}.png", image, check_contrast=False)
        imsave(tmp_path / "data" / "discs" / "labels" / f"{k}.png", labels, check_contrast=False)
    return Plan(tmp_path / "data", tmp_path / "out", device="cpu")


def stopping_after(step: int, stop: Stop):
    return lambda progress: stop.request() if progress.step == step else None


def test_stopped_run_resumes_to_the_same_weights_bit_by_bit(plan: Plan):
    whole = train(RECIPE, replace(plan, out=plan.out / "whole"))
    stop = Stop()
    with pytest.raises(Stopped):
        train(RECIPE, replace(plan, out=plan.out / "parts"), stopping_after(3, stop), stop)
    parts = train(RECIPE, replace(plan, out=plan.out / "parts"))
    first, second = load_file(whole), load_file(parts)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_trained_model_answers_a_session(plan: Plan):
    weights = train(replace(RECIPE, schedule=replace(RECIPE.schedule, steps=60, batch=8)), plan)
    predictor = ClickPredictor.load(weights, "cpu")
    assert "60 steps of 8 windows" in predictor.card.budget
    assert predictor.card.data == {"discs": "drawn here"}
    assert (plan.out / LOG).read_text().startswith("step,seconds,loss,iou@1")
    y, x = np.mgrid[:60, :60]
    truth = np.hypot(y - 30, x - 30) < 12
    session = Session(np.where(truth, 190, 40).astype(np.uint8), predictor, diameter=24)
    session.click((30, 30))
    mask = session.mask()
    assert (mask & truth).sum() / (mask | truth).sum() > 0.6


def test_training_can_begin_from_given_weights(plan: Plan):
    first = train(RECIPE, plan)
    start = load_file(first)
    again = train(
        replace(RECIPE, schedule=replace(RECIPE.schedule, steps=1, rate=0.0)),
        replace(plan, out=plan.out / "b", start=first),
    )
    name = "click_stream.leave.1.weight"
    assert torch.equal(load_file(again)[name], start[name])


def test_weights_of_another_network_are_no_start(plan: Plan):
    first = train(RECIPE, plan)
    wider = replace(RECIPE, encoding={"sizes": [1.5, 3.0, 7.0]})
    with pytest.raises(ValueError, match="do not fit the network ClickNet"):
        train(wider, replace(plan, out=plan.out / "b", start=first))


def test_checkpoint_of_another_recipe_is_refused(plan: Plan):
    train(RECIPE, plan)
    with pytest.raises(ValueError, match="belongs to another recipe"):
        train(replace(RECIPE, encoding={"sizes": [1.5, 3.0, 7.0]}), plan)
    assert (plan.out / CHECKPOINT).is_file()


@pytest.mark.parametrize("user", USERS)
def test_every_simulated_user_trains_a_network_without_streams_of_its_own(plan: Plan, user: str):
    ritm = replace(
        RECIPE, network="hrnet18s", network_options={}, encoding={"clicks": "disk", "sizes": [3], "prior": "mask"}
    )
    short = replace(
        ritm, side=64, auxiliary=0.4, clicks=Clicks(user, rounds=2), schedule=replace(RECIPE.schedule, steps=2)
    )
    weights = train(short, plan)
    assert all(torch.isfinite(value).all() for value in load_file(weights).values())


@pytest.mark.parametrize("user", ["remembering", "click by click"])
def test_users_resume_where_they_stopped(plan: Plan, user: str):
    recipe = replace(RECIPE, clicks=Clicks(user, rounds=2), schedule=replace(RECIPE.schedule, steps=4))
    whole = train(recipe, replace(plan, out=plan.out / "whole"))
    stop = Stop()
    with pytest.raises(Stopped):
        train(recipe, replace(plan, out=plan.out / "parts"), stopping_after(2, stop), stop)
    parts = train(recipe, replace(plan, out=plan.out / "parts"))
    first, second = load_file(whole), load_file(parts)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_clicks_placed_by_other_processes_are_the_same(plan: Plan):
    alone = train(replace(RECIPE, schedule=replace(RECIPE.schedule, steps=2)), replace(plan, out=plan.out / "a"))
    helped = train(
        replace(RECIPE, schedule=replace(RECIPE.schedule, steps=2)), replace(plan, out=plan.out / "b", jobs=1)
    )
    first, second = load_file(alone), load_file(helped)
    assert all(torch.equal(first[name], second[name]) for name in first)
