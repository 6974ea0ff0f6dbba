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
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from napari_clickseg.core.clicks import Click
from napari_clickseg.core.simulated_errors import damage
from napari_clickseg.core.simulated_user import NARROWEST, depth, first_click, next_click, pick_beside
from napari_clickseg.training.data import Pool
from napari_clickseg.training.recipe import Clicks, Recipe
from napari_clickseg.training.windows import Windows, cut_windows, join_windows

Mask = npt.NDArray[np.bool_]
Packed = tuple[bytes, tuple[int, ...]]
Said = list[tuple[tuple[float, ...], bool]]
"""Clicks of one window: (point, positive)."""


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
    told = np.zeros(len(truths), np.float32)
    told[chosen] = 1
    device = windows.truths.device
    return torch.from_numpy(masks).to(device), torch.from_numpy(told).to(device)


def add_clicks(
    clicks: Clicks,
    said: list[Said],
    windows: Windows,
    shown: Tensor,
    rng: np.random.Generator,
    executor: Executor,
) -> None:
    """Let a robot add one click to each window, in `said`.

    Where nothing is shown and nothing was said, the click is a first one: in the middle of windows that were cut around
    it, off-centre by up to `clicks.first_spread` in the others.
    """
    truths, masks = windows.truths[:, 0].cpu().numpy(), (shown[:, 0] > 0.5).cpu().numpy()
    names = list(clicks.robots)
    chances = np.array([clicks.robots[name] for name in names])
    robots = rng.choice(names, len(said), p=chances / chances.sum())
    seeds = rng.integers(0, 2**31, len(said))
    middle = truths.shape[1] // 2
    jobs = []
    for k, points in enumerate(said):
        first = not points and not masks[k].any()
        if first and windows.centred[k] and truths[k, middle, middle]:
            points.append(((float(middle), float(middle)), True))
        else:
            spread = clicks.first_spread if first else None
            jobs.append((k, _pack(truths[k]), _pack(masks[k]), tuple(points), str(robots[k]), spread, int(seeds[k])))
    for k, click in executor.map(_click_one, jobs, chunksize=4):
        if click is not None:
            said[k].append((click.position, click.positive))


def _damage_one(job: tuple[Mask, npt.NDArray[np.int32], int]) -> Mask:
    truth, labels, seed = job
    return damage(truth, labels, np.random.default_rng(seed))


def _click_one(
    job: tuple[int, Packed, Packed, tuple[Any, ...], str, float | None, int],
) -> tuple[int, Click | None]:
    k, truth_bits, mask_bits, said, robot, spread, seed = job
    truth, mask, rng = _unpack(truth_bits), _unpack(mask_bits), np.random.default_rng(seed)
    if spread is not None and truth.any():
        return k, first_click(truth, rng, spread * float(rng.random()))
    return k, next_click(truth, mask, [Click(point, sign) for point, sign in said], rng, robot)


def _pack(mask: Mask) -> Packed:
    return np.packbits(mask).tobytes(), mask.shape


def _unpack(packed: Packed) -> Mask:
    bits, shape = packed
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=math.prod(shape)).reshape(shape).astype(bool)


FORGOTTEN = 0.1
"""How often the mask shown is kept from the network, as when a click that was moved is asked about anew."""
RESET = 0.3
"""How often the state of an object begins anew (ITIS)."""
MEMORY = 1024
"""Objects whose click state is kept: an epoch of ITIS."""
MOST_POSITIVE, MOST_NEGATIVE = 10, 10
BAND = (5.0, 40.0)
"""Background that BRS clicks on: so many pixels from the object in a window of BAND_SIDE pixels."""
BAND_SIDE = 360
DISPLACED = (20.0, 50.0)
"""How far the first click of superpixel-box guidance lies off the centroid, in an image of DISPLACED_SIDE pixels."""
DISPLACED_SIDE = 480
DROPPED = 0.1
"""How often superpixel-box guidance is given the pair alone, and how often the first click alone, without a box."""
Play = Generator["Ask", Tensor, None]


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """One question about a batch.

    Attributes
    ----------
    said : list of Said
        The clicks of each window.
    prior, told : Tensor
        Masks (batch, 1, y, x), and for which windows the network is given them (batch,).
    graded : bool
        Whether the answer enters the loss.
    step : bool
        Whether the weights are updated before the next question (Forte et al.).
    """

    said: list[Said]
    prior: Tensor
    told: Tensor
    graded: bool = True
    step: bool = False


@dataclass(slots=True)
class Slot:
    """Mutable: an object in memory, as the seed of its window, its clicks and its last mask."""

    seed: int
    said: Said = field(default_factory=list)
    mask: Tensor | None = None


@dataclass(slots=True)
class Memory:
    """Mutable: the click state of MEMORY objects, which outlasts an epoch (ITIS)."""

    slots: list[Slot] = field(default_factory=list)
    place: int = 0

    def next_slots(self, count: int, rng: np.random.Generator) -> list[Slot]:
        """Return the slots of the next batch; those that are new or reset have no clicks."""
        while len(self.slots) < MEMORY:
            self.slots.append(Slot(int(rng.integers(2**31))))
        chosen = [(self.place + k) % MEMORY for k in range(count)]
        self.place = (self.place + count) % MEMORY
        for k in chosen:
            if self.slots[k].said and rng.random() < RESET:
                self.slots[k] = Slot(int(rng.integers(2**31)))
        return [self.slots[k] for k in chosen]

    def to_state(self) -> dict[str, Any]:
        """Return plain values and tensors, for a checkpoint."""
        return {"place": self.place, "slots": [(slot.seed, slot.said, slot.mask) for slot in self.slots]}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Memory:
        """Return the memory that `to_state` wrote."""
        return cls([Slot(*values) for values in state["slots"]], state["place"])


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One batch of windows, and what a simulated user has at hand."""

    clicks: Clicks
    windows: Windows
    rng: np.random.Generator
    executor: Executor
    slots: Sequence[Slot] = ()

    @property
    def size(self) -> int:
        return len(self.windows.truths)

    def no_clicks(self) -> list[Said]:
        """Return an empty list per window."""
        return [[] for _ in range(self.size)]

    def no_masks(self) -> tuple[Tensor, Tensor]:
        """Return empty masks, told to no one."""
        truths = self.windows.truths
        return torch.zeros(truths.shape, device=truths.device), torch.zeros(self.size, device=truths.device)

    def everyone(self) -> Tensor:
        """Return the flags of a mask told to all."""
        return torch.ones(self.size, device=self.windows.truths.device)

    def add(self, said: list[Said], shown: Tensor) -> None:
        """Let the robots of the recipe add a click to each window."""
        add_clicks(self.clicks, said, self.windows, shown, self.rng, self.executor)

    def objects(self) -> list[tuple[Mask, npt.NDArray[np.int32]]]:
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
    slots = memory.next_slots(count, rng)
    cuts = [cut_windows(pool, 1, recipe.side, recipe.shares, np.random.default_rng(slot.seed)) for slot in slots]
    return Scene(recipe.clicks, join_windows(cuts), rng, executor, slots)


# -- users -------------------------------------------------------------------------------------------------------------


def correcting(scene: Scene) -> Play:
    """Round by round, every round graded, some objects from a damaged mask: the user of the default model."""
    shown, told = damaged_masks(scene.clicks.from_mask, scene.windows, scene.rng, scene.executor)
    said = scene.no_clicks()
    for _ in range(int(scene.rng.integers(1, scene.clicks.rounds + 1))):
        scene.add(said, shown)
        shown = yield Ask(said, shown * told.reshape(-1, 1, 1, 1), told)
        told = torch.from_numpy((scene.rng.random(scene.size) > FORGOTTEN).astype(np.float32)).to(shown.device)


def iterating(scene: Scene) -> Play:
    """Random first clicks, then 0 .. `rounds` corrective ones; only the last answer is graded (RITM)."""
    said = [sampled_clicks(truth, labels, scene.rng) for truth, labels in scene.objects()]
    shown, told = scene.no_masks()
    for _ in range(int(scene.rng.integers(0, scene.clicks.rounds + 1))):
        shown, told = (yield Ask(said, shown, told, graded=False)), scene.everyone()
        scene.add(said, shown)
    yield Ask(said, shown, told)


def click_by_click(scene: Scene) -> Play:
    """`rounds` clicks from nothing, each at the largest error, and an update after each (Forte et al.)."""
    said = scene.no_clicks()
    shown, told = scene.no_masks()
    for _ in range(scene.clicks.rounds):
        scene.add(said, shown)
        shown, told = (yield Ask(said, shown, told, step=True)), scene.everyone()


def remembering(scene: Scene) -> Play:
    """One question per object and epoch, with one corrective click more than in the epoch before (ITIS)."""
    (masks, told), said = scene.no_masks(), []
    for k, (slot, (truth, labels)) in enumerate(zip(scene.slots, scene.objects(), strict=True)):
        slot.said = slot.said or sampled_clicks(truth, labels, scene.rng)
        said.append(list(slot.said))
        if slot.mask is not None:
            masks[k, 0], told[k] = slot.mask.to(masks), 1
    shown = yield Ask(said, masks, told)
    scene.add(said, shown)
    for slot, points, mask in zip(scene.slots, said, shown[:, 0] > 0.5, strict=True):
        slot.said, slot.mask = points, mask.cpu()


def clustering(scene: Scene) -> Play:
    """Medoids of the object (1 .. 10) and of the background around it (0 .. 10), once (BRS, section 3.1)."""
    yield Ask([medoid_clicks(truth, scene.rng) for truth, _ in scene.objects()], *scene.no_masks())


def boxing(scene: Scene) -> Play:
    """A click near the centroid, one beside the object, then some inside and outside of the box (superpixel box)."""
    said = [box_clicks(truth, scene.rng) for truth, _ in scene.objects()]
    yield Ask(said, *scene.no_masks())


USERS: dict[str, Callable[[Scene], Play]] = {
    "correcting": correcting,
    "iterating": iterating,
    "click by click": click_by_click,
    "remembering": remembering,
    "clustering": clustering,
    "boxing": boxing,
}


# -- clicks that need no answer ----------------------------------------------------------------------------------------


def sampled_clicks(truth: Mask, labels: npt.NDArray[np.int32], rng: np.random.Generator) -> Said:
    """Return 1 .. 5 random clicks on the object, and 0 .. 5 around it, anywhere outside, or on its neighbours."""
    inner = depth(truth)
    said = _drawn(truth & (inner >= 0.3 * inner.max()), int(rng.integers(1, 6)), True, rng)
    band = ~truth & (_away(truth) < truth.shape[0] / 8)
    places = (band, ~truth, (labels > 0) & ~truth)
    return said + _drawn(places[rng.integers(len(places))], int(rng.integers(0, 6)), False, rng)


def medoid_clicks(truth: Mask, rng: np.random.Generator) -> Said:
    """Return 1 .. 10 medoids of the object and 0 .. 10 of the band around it as clicks."""
    outside = _away(truth) * BAND_SIDE / truth.shape[0]
    band = (outside >= BAND[0]) & (outside <= BAND[1])
    positive = medoids(np.argwhere(truth), int(rng.integers(1, MOST_POSITIVE + 1)), rng)
    negative = medoids(np.argwhere(band), int(rng.integers(0, MOST_NEGATIVE + 1)), rng)
    return [*_said(positive, True), *_said(negative, False)]


def medoids(points: npt.NDArray[np.intp], count: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return up to `count` of the points (n, 2), each the one with the smallest sum of distances within its cluster.

    Assignment and update take turns five times; of more than 200 points, 200 are drawn.
    """
    points = points if len(points) <= 200 else points[rng.choice(len(points), 200, replace=False)]
    count = min(count, len(points))
    if count == 0:
        return points[:0]
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    chosen = rng.choice(len(points), count, replace=False)
    for _ in range(5):
        nearest = apart[:, chosen].argmin(axis=1)
        members = [np.flatnonzero(nearest == k) for k in range(count)]
        chosen = np.array([m[apart[np.ix_(m, m)].sum(axis=0).argmin()] for m in members if m.size])
        count = len(chosen)
    return points[chosen]


def box_clicks(truth: Mask, rng: np.random.Generator) -> Said:
    """Return two clicks that span a box around the object, then 2 .. 5 on it outside the box, and beside it inside.

    The negative click lies where `core.simulated_user.pick_beside` puts it; only an object without surroundings goes
    without it. Of some objects, fewer clicks are given.
    """
    where = np.argwhere(truth)
    if where.size == 0:
        return []
    centre = _displaced(truth, where, rng)
    corner = pick_beside(truth, ~truth, centre, rng)
    kept = rng.random()
    if corner is None or kept < DROPPED:
        return [(centre, True)]
    said: Said = [(centre, True), ((float(corner[0]), float(corner[1])), False)]
    if kept < 2 * DROPPED:
        return said
    y, x = np.indices(truth.shape)
    half = np.abs(np.subtract(corner, centre))
    half = np.maximum(half, NARROWEST * half.max())
    inside = (np.abs(y - centre[0]) <= half[0]) & (np.abs(x - centre[1]) <= half[1])
    count = int(rng.integers(2, 6))
    return said + _drawn(truth & ~inside, count, True, rng) + _drawn(~truth & inside, count, False, rng)


def _displaced(truth: Mask, where: npt.NDArray[np.intp], rng: np.random.Generator) -> tuple[float, float]:
    """The pixel of the object nearest to a place somewhat off its centroid."""
    length, angle = rng.uniform(*DISPLACED) * truth.shape[0] / DISPLACED_SIDE, rng.uniform(0, 2 * np.pi)
    aim = where.mean(axis=0) + length * np.array([np.sin(angle), np.cos(angle)])
    y, x = where[((where - aim) ** 2).sum(axis=1).argmin()]
    return float(y), float(x)


def _away(truth: Mask) -> npt.NDArray[np.float64]:
    """Each pixel's distance to the object; infinite where there is none."""
    away: npt.NDArray[np.float64] = ndimage.distance_transform_edt(~truth)
    return away if truth.any() else np.full(truth.shape, np.inf)


def _drawn(pixels: Mask, count: int, positive: bool, rng: np.random.Generator) -> Said:
    where = np.argwhere(pixels)
    return _said(where[rng.choice(len(where), min(count, len(where)), replace=False)], positive) if len(where) else []


def _said(points: npt.NDArray[np.intp], positive: bool) -> Said:
    return [((float(y), float(x)), positive) for y, x in points]
