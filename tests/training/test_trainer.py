"""Training runs end to end on a few drawn discs: it learns, resumes exactly, stops when told, and refuses bad input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from skimage.io import imsave
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from napari_clickseg.core.jobs import Stop, Stopped
from napari_clickseg.core.simulated_user import ROBOTS
from napari_clickseg.inference.guidance import CLICK_MAPS, PRIORS
from napari_clickseg.models.card import REFINEMENTS, read_card
from napari_clickseg.models.load import load_click_model
from napari_clickseg.networks.catalogue import NETWORKS
from napari_clickseg.session.session import Session
from napari_clickseg.training import checkpoint as logs
from napari_clickseg.training import trainer as validation
from napari_clickseg.training.checkpoint import CHECKPOINT, EVENTS, LOG, OPTIMISERS, Plan
from napari_clickseg.training.losses import LOSSES
from napari_clickseg.training.recipe import Clicks, Recipe, Schedule, list_recipes
from napari_clickseg.training.simulated_training import USERS
from napari_clickseg.training.trainer import Progress, check_folder, compared, train

PAGE = Path(__file__).parents[2] / "docs" / "training.md"
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
    predictor = load_click_model(weights, "cpu")
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


def test_tuning_is_measured_before_its_first_step_and_compared_at_the_end(plan: Plan):
    first = train(RECIPE, plan)
    told: list[str] = []
    tuned = train(replace(RECIPE, name="mine"), replace(plan, out=plan.out / "b", start=first), tell=told.append)
    rows = [line.split(",") for line in (plan.out / "b" / LOG).read_text().splitlines()]
    assert [row[0] for row in rows] == ["step", "0", "6"]
    (sentence,) = told
    before, after = (f"{float(row[rows[0].index('noc@90')]):.2f}" for row in rows[1:])
    assert sentence.startswith(f"clicks to 0.9: before {before}, after {after}; IoU after 1 click: before")
    card = read_card(tuned)
    assert card.origin == "tuned from 'discs'"
    assert card.budget == "6 steps of 4 windows in 0 minutes (cpu), after 6 steps of 4 windows in 0 minutes (cpu)"


def test_where_tuning_made_it_worse_the_sentence_says_so():
    worse = compared({"noc@90": 5.5, "iou@1": 0.6}, {"noc@90": 5.0, "iou@1": 0.5})
    assert "It got worse in IoU after 1 click. The model is kept all the same" in worse
    assert "worse" not in compared({"noc@90": 5.5, "iou@1": 0.6}, {"noc@90": 5.5, "iou@1": 0.599})


def test_weights_of_another_network_are_no_start(plan: Plan):
    first = train(RECIPE, plan)
    wider = replace(RECIPE, encoding={"sizes": [1.5, 3.0, 7.0]})
    with pytest.raises(ValueError, match="do not fit the network ClickNet"):
        train(wider, replace(plan, out=plan.out / "b", start=first))


def test_checkpoint_of_another_recipe_is_refused(plan: Plan):
    train(RECIPE, plan)
    with pytest.raises(ValueError, match="belongs to another recipe, of another encoding, side"):
        train(replace(RECIPE, encoding={"sizes": [1.5, 3.0, 7.0]}, side=64), plan)
    assert (plan.out / CHECKPOINT).is_file()


def test_a_refused_run_leaves_no_folder_behind(plan: Plan):
    imsave(plan.data / "discs" / "labels" / "2.png", np.ones((8, 8), np.uint16), check_contrast=False)
    with pytest.raises(ValueError, match="differ in shape"):
        train(RECIPE, plan)
    assert not plan.out.exists()


def test_a_place_that_nobody_may_write_into_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.access", lambda place, mode: False)
    with pytest.raises(ValueError, match=r"cannot be written to .*new: .* may not be written into"):
        check_folder(tmp_path / "new")


def test_a_run_that_is_stopped_while_images_are_read_ends_there(plan: Plan):
    stop = Stop()
    with pytest.raises(Stopped):
        train(RECIPE, plan, lambda progress: stop.request() if progress.doing == "reading discs: 1" else None, stop)
    assert not plan.out.exists()


def test_checkpoint_of_two_processes_is_refused_by_one(plan: Plan):
    train(RECIPE, plan)
    state = torch.load(plan.out / CHECKPOINT, weights_only=True)
    torch.save({**state, "ranks": state["ranks"] * 2}, plan.out / CHECKPOINT)
    with pytest.raises(ValueError, match="belongs to a run of 2 processes, and there are 1: go on with 2, or start"):
        train(RECIPE, plan)


def test_finished_run_goes_on_where_more_steps_are_wanted(plan: Plan):
    train(RECIPE, plan)
    longer = replace(RECIPE, schedule=replace(RECIPE.schedule, steps=8))
    told: list[str] = []
    assert "8 steps" in read_card(train(longer, plan, tell=told.append)).budget
    assert told == [f"The run in {plan.out} goes on from step 6."]
    assert [line.partition(",")[0] for line in (plan.out / LOG).read_text().splitlines()] == ["step", "6", "8"]


def test_progress_is_told_after_each_step_and_ends_at_the_whole(plan: Plan):
    heard: list[Progress] = []
    train(RECIPE, plan, heard.append)
    before = [progress for progress in heard if progress.doing]
    assert heard[: len(before)] == before
    assert heard[2] == Progress(doing="reading discs: 2")
    assert [progress.share for progress in heard[len(before) :]] == pytest.approx(
        [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1]
    )


def test_tensorboard_shows_the_rows_of_the_csv_once_after_steps_were_lost_and_done_again(plan: Plan):
    checking = replace(plan, validate_every=-1.0)
    stop = Stop()
    with pytest.raises(Stopped):
        train(RECIPE, checking, stopping_after(2, stop), stop)
    checkpoint = (plan.out / CHECKPOINT).read_bytes()
    train(RECIPE, checking)
    (plan.out / CHECKPOINT).write_bytes(checkpoint)
    train(RECIPE, checking)
    rows = [line.split(",") for line in (plan.out / LOG).read_text().splitlines()]
    shown = EventAccumulator(str(plan.out / EVENTS)).Reload()
    for name, column in zip(rows[0], list(zip(*rows[1:], strict=True)), strict=True):
        if name != "step":
            scalars = shown.Scalars(name)
            assert [event.step for event in scalars] == [1, 2, 3, 4, 5, 6]
            assert [event.value for event in scalars] == pytest.approx([float(value) for value in column])


def test_without_tensorboard_the_log_is_the_csv(plan: Plan, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logs, "find_spec", lambda name: None)
    train(RECIPE, plan)
    assert (plan.out / LOG).is_file()
    assert not (plan.out / EVENTS).exists()


def test_the_page_on_training_shows_a_recipe_that_can_be_read_and_names_every_choice():
    page = PAGE.read_text("utf-8")
    shown = Recipe.from_toml(page.partition("```toml\n")[2].partition("```")[0])
    assert (shown.name, shown.schedule.rate, shown.side) == ("mine", 5e-4, 128)
    tables = (NETWORKS, CLICK_MAPS, PRIORS, LOSSES, USERS, ROBOTS, OPTIMISERS, REFINEMENTS, list_recipes())
    assert [name for table in tables for name in table if f"`{name}`" not in page] == []


@pytest.mark.gpu
def test_a_few_steps_on_a_gpu_in_half_precision_leave_finite_weights(plan: Plan):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    rows = []
    weights = train(RECIPE, replace(plan, device="cuda"), lambda progress: rows.append(dict(progress.row)))
    assert all(np.isfinite(row["loss"]) for row in rows)
    assert all(torch.isfinite(value).all() for value in load_file(weights).values())


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
