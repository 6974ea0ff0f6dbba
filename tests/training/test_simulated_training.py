"""Simulated users: what each asks of a network, what is graded, what comes back into the next question."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from doubles import disk
from napari_clickseg.training import simulated_training as simulation
from napari_clickseg.training.data import Plane, Pool, Target
from napari_clickseg.training.initial_clicks import WindowClicks
from napari_clickseg.training.recipe import Clicks, Recipe, Schedule
from napari_clickseg.training.simulated_training import (
    USERS,
    Ask,
    Memory,
    Scene,
    Slot,
    helpers,
    open_scene,
)
from napari_clickseg.training.windows import Windows

SIDE = 48
TRUTH = disk((SIDE, SIDE), (22, 25), 11)
NEIGHBOUR = disk((SIDE, SIDE), (22, 44), 5)
LABELS = TRUTH + 2 * NEIGHBOUR.astype(np.int32)
NOTHING = np.zeros((SIDE, SIDE), bool)
SEEDS = range(30)


def scene(
    user: str = "correcting", truths: tuple[np.ndarray, ...] = (TRUTH, TRUTH), seed: int = 0, **clicks: object
) -> Scene:
    """Windows with these objects, and users whose robots click in the middle of the largest error."""
    labels = torch.from_numpy(np.stack([LABELS * truth.any() for truth in truths]))[:, None].float()
    windows = Windows(
        torch.zeros(len(truths), 3, SIDE, SIDE),
        labels,
        torch.from_numpy(np.stack(truths))[:, None],
        torch.from_numpy(np.stack(truths))[:, None].float(),
        np.zeros(len(truths), bool),
    )
    settings = Clicks(user, **{"rounds": 3, "robots": {"centre": 1.0}, **clicks})
    return Scene(settings, windows, np.random.default_rng(seed), helpers(0))


def slot(seed: int) -> Slot:
    return Slot(("discs", 0, 0), seed)


def pool(side: int = SIDE) -> Pool:
    """One plane with one disc."""
    pixels = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    target = Target(1, 22.0, (22.0, 25.0), np.array([[22, 25]], np.float32))
    plane = Plane((pixels,), torch.from_numpy(LABELS.astype(np.float32))[None, None], (target,))
    return Pool({"discs": [plane]}, {"discs": 1.0})


def nothing_found(ask: Ask) -> Tensor:
    return torch.zeros_like(ask.prior)


def play(scene: Scene, answer: Callable[[Ask], Tensor] = nothing_found) -> list[Ask]:
    """What a user asks of a network that answers so; the clicks as they were when the question was put."""
    user, asked = USERS[scene.settings.user](scene), []
    try:
        ask = next(user)
        while True:
            asked.append(replace(ask, clicks=copy.deepcopy(ask.clicks)))
            ask = user.send(answer(ask))
    except StopIteration:
        return asked


def counts(asked: list[Ask]) -> list[list[int]]:
    return [[len(points) for points in ask.clicks] for ask in asked]


def on(mask: np.ndarray, clicks: WindowClicks) -> list[bool]:
    return [bool(mask[int(y), int(x)]) for (y, x), _ in clicks]


# -- what every user does ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", USERS)
def test_a_window_without_its_object_is_asked_about_too(user: str):
    for seed in range(8):
        slots = [slot(0), slot(1)]
        asked = play(replace(scene(user, (NOTHING, TRUTH), seed), slots=slots))
        assert all(not positive for ask in asked for _, positive in ask.clicks[0])
        assert asked[-1].clicks[1]


@pytest.mark.parametrize("user", USERS)
def test_the_last_answer_is_graded(user: str):
    assert play(replace(scene(user), slots=[slot(0), slot(1)]))[-1].graded


@pytest.mark.parametrize("user", USERS)
def test_clicks_lie_on_the_side_that_they_say(user: str):
    asked = play(replace(scene(user), slots=[slot(0), slot(1)]))
    for points in asked[-1].clicks:
        assert on(TRUTH, points) == [positive for _, positive in points]


@pytest.mark.parametrize("user", USERS)
def test_the_same_seed_asks_the_same(user: str):
    first, second = (play(replace(scene(user, seed=5), slots=[slot(0), slot(1)])) for _ in range(2))
    assert [ask.clicks for ask in first] == [ask.clicks for ask in second]


# -- correcting --------------------------------------------------------------------------------------------------------


def test_correcting_asks_up_to_as_many_times_as_there_are_rounds_with_one_more_click_each_and_grades_all():
    games = [play(scene(from_mask=0.0, seed=seed)) for seed in SEEDS]
    assert {len(asked) for asked in games} == {1, 2, 3}
    for asked in games:
        assert counts(asked) == [[k + 1, k + 1] for k in range(len(asked))]
        assert all(ask.graded and not ask.step for ask in asked)


def test_correcting_shows_the_last_answer_but_now_and_then_keeps_it_to_itself():
    answer = torch.full((1, 1, SIDE, SIDE), 0.25)
    games = [play(scene(truths=(TRUTH,), from_mask=0.0, seed=seed), lambda ask: answer) for seed in range(60)]
    later = [ask for asked in games for ask in asked[1:]]
    assert 0.02 < np.mean([not ask.has_mask.any() for ask in later]) < 0.25
    assert all(torch.equal(ask.prior, answer * ask.has_mask) for ask in later)


def test_correcting_begins_with_damaged_masks_where_it_should():
    (first, *_) = play(scene(from_mask=1.0))
    assert first.has_mask.tolist() == [1.0, 1.0]
    assert first.prior[0].any()
    (bare, *_) = play(scene(from_mask=0.0))
    assert bare.has_mask.tolist() == [0.0, 0.0]
    assert not bare.prior.any()


# -- iterating ---------------------------------------------------------------------------------------------------------


def test_iterating_grades_the_last_of_its_questions_only():
    games = [play(scene("iterating", seed=seed)) for seed in SEEDS]
    assert {len(asked) for asked in games} == {1, 2, 3, 4}
    for asked in games:
        assert [ask.graded for ask in asked] == [False] * (len(asked) - 1) + [True]


def test_iterating_adds_a_click_and_shows_the_last_answer_at_each_further_question():
    asked = next(
        g for g in (play(scene("iterating", seed=s, from_mask=0.0), answer_of_round) for s in SEEDS) if len(g) == 4
    )
    first, *rest = counts(asked)
    assert rest == [[n + k for n in first] for k in (1, 2, 3)]
    assert not asked[0].has_mask.any()
    for ask, before in zip(asked[1:], asked, strict=False):
        assert ask.has_mask.tolist() == [1.0, 1.0]
        assert torch.equal(ask.prior, answer_of_round(before))


def answer_of_round(ask: Ask) -> Tensor:
    """A map that tells by which question it was given."""
    return torch.full_like(ask.prior, 0.01 * len(ask.clicks[0]))


# -- click by click ----------------------------------------------------------------------------------------------------


def test_click_by_click_asks_after_every_click_and_wants_an_update_each_time():
    asked = play(scene("click by click", from_mask=0.0), answer_of_round)
    assert counts(asked) == [[1, 1], [2, 2], [3, 3]]
    assert all(ask.graded and ask.step for ask in asked)
    assert not asked[0].has_mask.any()
    assert torch.equal(asked[1].prior, answer_of_round(asked[0]))
    assert asked[2].has_mask.tolist() == [1.0, 1.0]


def test_click_by_click_clicks_on_the_largest_error():
    half = torch.from_numpy(TRUTH & (np.arange(SIDE)[:, None] < 22)).float()
    asked = play(scene("click by click", (TRUTH,), from_mask=0.0), lambda ask: half[None, None])
    (y, x), positive = asked[1].clicks[0][-1]
    assert positive
    assert TRUTH[int(y), int(x)]
    assert y >= 22


def test_users_stop_clicking_where_nothing_is_wrong():
    perfect = torch.from_numpy(TRUTH).float()[None, None]
    assert counts(play(scene("click by click", (TRUTH,), from_mask=0.0), lambda ask: perfect)) == [[1], [1], [1]]


# -- remembering -------------------------------------------------------------------------------------------------------


def test_remembering_asks_once_per_epoch_with_one_click_more_and_shows_no_mask_from_scratch():
    slots = [slot(0), slot(1)]
    half = torch.from_numpy(TRUTH & (np.arange(SIDE) < 25)).float().expand(2, 1, -1, -1)
    games = [
        play(replace(scene("remembering", seed=seed, from_mask=0.0), slots=slots), lambda ask: half)
        for seed in range(3)
    ]
    assert [len(asked) for asked in games] == [1, 1, 1]
    assert not any(asked[0].has_mask.any() for asked in games)
    for before, after in itertools.pairwise(games):
        assert [new[:-1] for new in after[0].clicks] == before[0].clicks


def test_remembering_begins_with_a_click_on_a_damaged_mask_and_then_shows_the_mask_of_the_epoch_before():
    slots = [slot(0), slot(1)]
    half = torch.from_numpy(TRUTH & (np.arange(SIDE) < 25)).float().expand(2, 1, -1, -1)
    first = play(replace(scene("remembering", from_mask=1.0), slots=slots), lambda ask: half * 0.9)
    second = play(replace(scene("remembering", seed=1, from_mask=1.0), slots=slots), lambda ask: half)
    third = play(replace(scene("remembering", seed=2, from_mask=1.0), slots=slots))
    assert counts(first) == [[1, 1]]
    assert first[0].has_mask.tolist() == [1.0, 1.0]
    for mask, points in zip(first[0].prior[:, 0] > 0.5, first[0].clicks, strict=True):
        assert on((mask.numpy() != TRUTH), points) == [True]
    for before, after in ((first, second), (second, third)):
        assert counts(after) == [[n + 1 for n in counts(before)[0]]]
        assert [new[:-1] for new in after[0].clicks] == before[0].clicks
        assert after[0].has_mask.tolist() == [1.0, 1.0]
        assert torch.equal(after[0].prior, half)


def test_memory_goes_round_its_slots_and_returns_to_them_after_an_epoch(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(simulation, "MEMORY", 6)
    memory, rng = Memory(), np.random.default_rng(0)
    epoch = [memory.next_slots(2, pool(), rng) for _ in range(3)]
    assert len({slot.seed for pair in epoch for slot in pair}) == 6
    assert [slot.seed for slot in memory.next_slots(2, pool(), rng)] == [slot.seed for slot in epoch[0]]


def test_batch_larger_than_what_is_left_of_an_epoch_begins_the_next_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(simulation, "MEMORY", 3)
    memory, rng = Memory(), np.random.default_rng(0)
    first, second = memory.next_slots(2, pool(), rng), memory.next_slots(2, pool(), rng)
    assert second[1] is first[0]


def test_memory_resets_clicked_objects_as_often_as_it_should(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(simulation, "MEMORY", 1000)
    memory, rng = Memory(), np.random.default_rng(0)
    before = memory.next_slots(1000, pool(), rng)
    for slot in before[:800]:
        slot.clicks = [((1.0, 1.0), True)]
    after = memory.next_slots(1000, pool(), rng)
    kept = [new is old for new, old in zip(after, before, strict=True)]
    assert 1 - sum(kept[:800]) / 800 == pytest.approx(simulation.RESET, abs=0.05)
    assert all(kept[800:])
    assert all(not slot.clicks and slot.mask is None for slot, same in zip(after, kept, strict=True) if not same)


def test_memory_passes_through_its_state_exactly(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(simulation, "MEMORY", 4)
    memory = Memory()
    slots = memory.next_slots(2, pool(), np.random.default_rng(0))
    play(replace(scene("remembering"), slots=slots))
    torch.save(memory.to_state(), tmp_path / "state.pt")
    back = Memory.of_state(torch.load(tmp_path / "state.pt", weights_only=True))
    assert back.place == memory.place == 2
    assert [(slot.seed, slot.clicks) for slot in back.slots] == [(slot.seed, slot.clicks) for slot in memory.slots]
    for mine, theirs in zip(back.slots[:2], memory.slots[:2], strict=True):
        assert torch.equal(mine.mask, theirs.mask)
    chosen = [one.next_slots(4, pool(), np.random.default_rng(7)) for one in (memory, back)]
    assert [slot.seed for slot in chosen[0]] == [slot.seed for slot in chosen[1]]


def test_same_slot_shows_the_same_window_in_every_epoch(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(simulation, "MEMORY", 2)
    recipe = Recipe("x", "x", "x", side=32, clicks=Clicks("remembering"), schedule=Schedule(batch=2))
    memory, rng = Memory(), np.random.default_rng(0)
    first, second = (open_scene(recipe, pool(), rng, helpers(0), memory) for _ in range(2))
    assert torch.equal(first.windows.images, second.windows.images)
    assert torch.equal(first.windows.truths, second.windows.truths)
    assert not torch.equal(first.windows.images[0], first.windows.images[1])


# -- clustering --------------------------------------------------------------------------------------------------------


def test_clustering_asks_once_about_medoids_without_a_mask():
    (ask,) = play(scene("clustering"))
    assert ask.graded
    assert not ask.has_mask.any()
    assert all(1 <= sum(positive for _, positive in points) <= 10 for points in ask.clicks)


# -- boxing ------------------------------------------------------------------------------------------------------------


def test_boxing_asks_once_without_a_mask():
    (ask,) = play(scene("boxing", from_mask=0.0))
    assert ask.graded
    assert not ask.has_mask.any()


def test_boxing_around_a_given_mask_clicks_on_its_errors():
    asked = [play(scene("boxing", from_mask=1.0, seed=seed))[0] for seed in SEEDS]
    for ask in asked:
        assert ask.has_mask.tolist() == [1.0, 1.0]
        for mask, points in zip(ask.prior[:, 0] > 0.5, ask.clicks, strict=True):
            assert all(on(mask.numpy() != TRUTH, points))
    assert {len(points) for ask in asked for points in ask.clicks} - {0} == {1, 2, 3, 4}


def test_iterating_begins_with_a_corrective_click_where_a_mask_is_given():
    for seed in SEEDS:
        first = play(scene("iterating", from_mask=1.0, seed=seed))[0]
        assert first.has_mask.tolist() == [1.0, 1.0]
        for mask, points in zip(first.prior[:, 0] > 0.5, first.clicks, strict=True):
            assert len(points) == int((mask.numpy() != TRUTH).any())
            assert all(on(mask.numpy() != TRUTH, points))
