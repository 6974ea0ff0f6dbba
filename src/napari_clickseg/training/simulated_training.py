"""Simulated users of training: what is asked of the network for one batch of windows, as each published system does it.

A user is a generator. It yields what it asks; the trainer sends back the masks that the network gave; the next question
may depend on them. The rule of every corrective click is `core.simulated_user`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_clickseg.core.clicks import Click
from napari_clickseg.core.simulated_errors import damage
from napari_clickseg.core.simulated_user import first_click, next_click
from napari_clickseg.training.initial_clicks import (
    MOST_INITIAL,
    Labels,
    Mask,
    Rule,
    WindowClicks,
    box_clicks,
    medoid_clicks,
    sampled_clicks,
)
from napari_clickseg.training.windows import Windows, cut_windows, join_windows

if TYPE_CHECKING:
    from napari_clickseg.training.data import Pick, Pool
    from napari_clickseg.training.recipe import Clicks, Recipe

Packed = tuple[bytes, tuple[int, ...]]


def helpers(jobs: int) -> Executor:
    """Return an executor of `jobs` processes; with 0, everything is done at once in this one."""
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) if jobs else _Here()


class _Here(Executor):
    def map(
        self, fn: Any, *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[Any]:
        return map(fn, *iterables)


def damaged_masks(
    share: float, windows: Windows, rng: np.random.Generator, executor: Executor
) -> tuple[Tensor, Tensor]:
    """Return the masks that correction starts from.

    Returns
    -------
    Tensor, Tensor
        Masks (batch, 1, y, x) of 0 and 1, and which windows have one (batch,): a `share` of them, the others are empty.
    """
    truths = windows.truths[:, 0].cpu().numpy()
    labels = windows.labels[:, 0].cpu().numpy().astype(np.int32)
    chosen = np.flatnonzero(rng.random(len(truths)) < share)
    seeds = rng.integers(0, 2**31, len(truths))
    masks = np.zeros((len(truths), 1, *truths.shape[1:]), np.float32)
    damaged = executor.map(_damage_one, [(truths[k], labels[k], int(seeds[k])) for k in chosen])
    for k, mask in zip(chosen, damaged, strict=True):
        masks[k, 0] = mask
    has_mask = np.zeros(len(truths), np.float32)
    has_mask[chosen] = 1
    device = windows.truths.device
    return torch.from_numpy(masks).to(device), torch.from_numpy(has_mask).to(device)


def add_clicks(
    settings: Clicks,
    clicks: list[WindowClicks],
    windows: Windows,
    shown: Tensor,
    rng: np.random.Generator,
    executor: Executor,
    which: npt.NDArray[np.bool_] | None = None,
) -> None:
    """Let a robot add one click to each window, or to those in `which`, in `clicks`.

    Where a window has neither mask nor clicks, the click is a first one: in the middle of windows that were cut around
    it, off-centre by up to `settings.first_spread` in the others.
    """
    truths, masks = windows.truths[:, 0].cpu().numpy(), (shown[:, 0] > 0.5).cpu().numpy()
    names = list(settings.robots)
    chances = np.array([settings.robots[name] for name in names])
    robots = rng.choice(names, len(clicks), p=chances / chances.sum())
    seeds = rng.integers(0, 2**31, len(clicks))
    middle = truths.shape[1] // 2
    jobs = []
    for k, points in enumerate(clicks):
        if which is not None and not which[k]:
            continue
        first = not points and not masks[k].any()
        if first and windows.centred[k] and truths[k, middle, middle]:
            points.append(((float(middle), float(middle)), True))
        else:
            spread = settings.first_spread if first else None
            jobs.append((k, _pack(truths[k]), _pack(masks[k]), tuple(points), str(robots[k]), spread, int(seeds[k])))
    for k, click in executor.map(_click_one, jobs, chunksize=4):
        if click is not None:
            clicks[k].append((click.position, click.positive))


def _damage_one(job: tuple[Mask, Labels, int]) -> Mask:
    truth, labels, seed = job
    return damage(truth, labels, np.random.default_rng(seed))


def _click_one(
    job: tuple[int, Packed, Packed, tuple[Any, ...], str, float | None, int],
) -> tuple[int, Click | None]:
    k, truth_bits, mask_bits, clicks, robot, spread, seed = job
    truth, mask, rng = _unpack(truth_bits), _unpack(mask_bits), np.random.default_rng(seed)
    if spread is not None and truth.any():
        return k, first_click(truth, rng, spread * float(rng.random()))
    return k, next_click(truth, mask, [Click(point, sign) for point, sign in clicks], rng, robot)


def _pack(mask: Mask) -> Packed:
    return np.packbits(mask).tobytes(), mask.shape


def _unpack(packed: Packed) -> Mask:
    bits, shape = packed
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=math.prod(shape)).reshape(shape).astype(bool)


FORGOTTEN = 0.1
"""How often the mask shown is kept from the network, as when a click that was moved is asked about anew."""
RESET = 0.3
"""How often the state of an object begins anew (ITIS)."""
MEMORY = 2048
"""Objects whose click state is kept: an epoch of ITIS, of which the paper trains about twenty."""
Play = Generator["Ask", Tensor, None]


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """One question about a batch.

    Attributes
    ----------
    clicks : list of WindowClicks
        The clicks of each window.
    prior, has_mask : Tensor
        Masks (batch, 1, y, x), and which windows the network is given one for (batch,).
    graded : bool
        Whether the answer enters the loss.
    step : bool
        Whether the weights are updated before the next question (Forte et al.).
    """

    clicks: list[WindowClicks]
    prior: Tensor
    has_mask: Tensor
    graded: bool = True
    step: bool = False


@dataclass(slots=True)
class Slot:
    """Mutable: an object in memory, the seed of its window, its clicks and its last mask.

    Attributes
    ----------
    given : bool
        Whether it began from a mask; only then its masks are shown to the network.
    """

    pick: Pick
    seed: int
    clicks: WindowClicks = field(default_factory=list)
    mask: Tensor | None = None
    given: bool = False


@dataclass(slots=True)
class Memory:
    """Mutable: the click state of MEMORY objects, which outlasts an epoch (ITIS)."""

    slots: list[Slot] = field(default_factory=list)
    place: int = 0

    def next_slots(self, count: int, pool: Pool, rng: np.random.Generator) -> list[Slot]:
        """Return the slots of the next batch; those that are new or reset have no clicks.

        A reset keeps the object; its window is cut anew, as augmentation.
        """
        while len(self.slots) < MEMORY:
            self.slots.append(Slot(pool.pick(rng), int(rng.integers(2**31))))
        chosen = [(self.place + k) % MEMORY for k in range(count)]
        self.place = (self.place + count) % MEMORY
        for k in chosen:
            if self.slots[k].clicks and rng.random() < RESET:
                self.slots[k] = Slot(self.slots[k].pick, int(rng.integers(2**31)))
        return [self.slots[k] for k in chosen]

    def to_state(self) -> dict[str, Any]:
        """Return plain values and tensors, for a checkpoint."""
        slots = [(slot.pick, slot.seed, slot.clicks, slot.mask, slot.given) for slot in self.slots]
        return {"place": self.place, "slots": slots}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Memory:
        """Return the memory that `to_state` wrote."""
        return cls([Slot(*values) for values in state["slots"]], state["place"])


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One batch of windows, and what a simulated user has at hand."""

    settings: Clicks
    windows: Windows
    rng: np.random.Generator
    executor: Executor
    slots: Sequence[Slot] = ()

    @property
    def size(self) -> int:
        return len(self.windows.truths)

    def no_clicks(self) -> list[WindowClicks]:
        """Return an empty list per window."""
        return [[] for _ in range(self.size)]

    def no_masks(self) -> tuple[Tensor, Tensor]:
        """Return empty masks, and that no window has one."""
        truths = self.windows.truths
        return torch.zeros(truths.shape, device=truths.device), torch.zeros(self.size, device=truths.device)

    def everyone(self) -> Tensor:
        """Return the flags where every window has a mask."""
        return torch.ones(self.size, device=self.windows.truths.device)

    def add(self, clicks: list[WindowClicks], shown: Tensor, which: npt.NDArray[np.bool_] | None = None) -> None:
        """Let the robots of the recipe add a click to each window, or to those in `which`."""
        add_clicks(self.settings, clicks, self.windows, shown, self.rng, self.executor, which)

    def damaged(self) -> tuple[Tensor, Tensor]:
        """Return the masks that correction starts from, empty for most windows, and which windows have one."""
        return damaged_masks(self.settings.from_mask, self.windows, self.rng, self.executor)

    def initial(self, rule: Rule, which: npt.NDArray[np.bool_]) -> list[WindowClicks]:
        """Return the clicks that a rule places from nothing in the windows in `which`; none in the others."""
        clicks, objects = self.no_clicks(), self.objects()
        seeds = self.rng.integers(0, 2**31, self.size)
        chosen = np.flatnonzero(which)
        jobs = [(rule, *objects[k], int(seeds[k])) for k in chosen]
        for k, points in zip(chosen, self.executor.map(_initial_one, jobs, chunksize=2), strict=True):
            clicks[k] = points
        return clicks

    def objects(self) -> list[tuple[Mask, Labels]]:
        """Return the true mask and the labels of each window."""
        truths = self.windows.truths[:, 0].cpu().numpy()
        labels = self.windows.labels[:, 0].cpu().numpy().astype(np.int32)
        return list(zip(truths, labels, strict=True))


def open_scene(recipe: Recipe, pool: Pool, rng: np.random.Generator, executor: Executor, memory: Memory) -> Scene:
    """Cut the windows of the next batch: new ones, or for a user who remembers those of the next slots."""
    count = recipe.schedule.batch
    if recipe.clicks.user != "remembering":
        windows = cut_windows(pool, count, recipe.side, recipe.shares, rng)
        return Scene(recipe.clicks, windows, rng, executor)
    slots = memory.next_slots(count, pool, rng)
    cuts = [
        cut_windows(pool, 1, recipe.side, recipe.shares, np.random.default_rng(slot.seed), [slot.pick])
        for slot in slots
    ]
    return Scene(recipe.clicks, join_windows(cuts), rng, executor, slots)


# -- users -------------------------------------------------------------------------------------------------------------


def correcting(scene: Scene) -> Play:
    """Round by round, every round graded, some objects from a damaged mask: the user of the default model."""
    shown, has_mask = damaged_masks(scene.settings.from_mask, scene.windows, scene.rng, scene.executor)
    clicks = scene.no_clicks()
    for _ in range(int(scene.rng.integers(1, scene.settings.rounds + 1))):
        scene.add(clicks, shown)
        shown = yield Ask(clicks, shown * has_mask.reshape(-1, 1, 1, 1), has_mask)
        has_mask = torch.from_numpy((scene.rng.random(scene.size) > FORGOTTEN).astype(np.float32)).to(shown.device)


def iterating(scene: Scene) -> Play:
    """Random first clicks, then 0 .. `rounds` corrective ones; only the last answer is graded (RITM).

    Where an external mask is to be corrected, the first click is a corrective one.
    """
    shown, has_mask = scene.damaged()
    given = has_mask.cpu().numpy() > 0
    clicks = scene.initial(sampled_clicks, ~given)
    scene.add(clicks, shown, given)
    for _ in range(int(scene.rng.integers(0, scene.settings.rounds + 1))):
        shown, has_mask = (yield Ask(clicks, shown, has_mask, graded=False)), scene.everyone()
        scene.add(clicks, shown)
    yield Ask(clicks, shown, has_mask)


def click_by_click(scene: Scene) -> Play:
    """`rounds` clicks, each at the largest error, and an update after each (Forte et al.); some from a given mask."""
    shown, has_mask = scene.damaged()
    clicks = scene.no_clicks()
    for _ in range(scene.settings.rounds):
        scene.add(clicks, shown)
        shown, has_mask = (yield Ask(clicks, shown, has_mask, step=True)), scene.everyone()


def remembering(scene: Scene) -> Play:
    """One question per object and epoch, with one corrective click more than in the epoch before (ITIS).

    Some objects begin from a damaged mask and one corrective click, the others from sampled clicks; only of the former
    the network is shown the mask of the epoch before.
    """
    new = np.array([not slot.clicks for slot in scene.slots])
    damaged, chosen = scene.damaged()
    begins = new & (chosen.cpu().numpy() > 0)
    clicks = scene.initial(sampled_clicks, new & ~begins)
    masks, has_mask = scene.no_masks()
    for k, slot in enumerate(scene.slots):
        if begins[k]:
            slot.mask, slot.given = damaged[k, 0] > 0.5, True
        if not new[k]:
            clicks[k] = list(slot.clicks)
        if slot.mask is not None and slot.given:
            masks[k, 0], has_mask[k] = slot.mask.to(masks), 1
    scene.add(clicks, masks, begins)
    shown = yield Ask(clicks, masks, has_mask)
    scene.add(clicks, shown)
    for slot, points, mask in zip(scene.slots, clicks, shown[:, 0] > 0.5, strict=True):
        slot.clicks, slot.mask = points, mask.cpu()


def clustering(scene: Scene) -> Play:
    """Medoids of the object (1 .. 10) and of the background around it (0 .. 10), once (BRS, section 3.1)."""
    yield Ask(scene.initial(medoid_clicks, np.ones(scene.size, bool)), *scene.no_masks())


def boxing(scene: Scene) -> Play:
    """A click near the centroid, one beside the object, then some inside and outside of the box (superpixel box).

    Where a given mask is to be corrected, it draws the box, and the clicks lie on its errors.
    """
    masks, has_mask = scene.damaged()
    given = has_mask.cpu().numpy() > 0
    clicks = scene.initial(box_clicks, ~given)
    for _ in range(int(scene.rng.integers(1, MOST_INITIAL))):
        scene.add(clicks, masks, given)
    yield Ask(clicks, masks, has_mask)


USERS: dict[str, Callable[[Scene], Play]] = {
    "correcting": correcting,
    "iterating": iterating,
    "click by click": click_by_click,
    "remembering": remembering,
    "clustering": clustering,
    "boxing": boxing,
}


def _initial_one(
    job: tuple[Rule, Mask, Labels, int],
) -> WindowClicks:
    rule, truth, labels, seed = job
    return rule(truth, labels, np.random.default_rng(seed))
