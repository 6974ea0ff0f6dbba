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
from napari_clickseg.training.data import Pick, Pool
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
    which: npt.NDArray[np.bool_] | None = None,
) -> None:
    """Let a robot add one click to each window, or to those in `which`, in `said`.

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
        if which is not None and not which[k]:
            continue
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
MEMORY = 2048
"""Objects whose click state is kept: an epoch of ITIS, of which the paper trains about twenty."""
MOST_POSITIVE, MOST_NEGATIVE = 10, 10
BAND = (5.0, 40.0)
"""Background that BRS clicks on: so many pixels from the object in a window of BAND_SIDE pixels."""
BAND_SIDE = 360
DISPLACED = (20.0, 50.0)
"""How far the first click of superpixel-box guidance lies off the centroid, in an image of DISPLACED_SIDE pixels."""
DISPLACED_SIDE = 480
DROPPED = 0.1
"""How often superpixel-box guidance is given the pair alone, how often the first click alone, and, of an object that is
alone in its window, how often nothing at all."""
SPACING, MARGIN = (0.02, 0.06), (0.01, 0.03)
"""Least distance between initial clicks, and of those on the object from its outline, over the window's side (iFCN)."""
MOST_INITIAL = 5

Mask = npt.NDArray[np.bool_]
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
    """Mutable: an object in memory, the seed of its window, its clicks and its last mask.

    Attributes
    ----------
    given : bool
        Whether it began from a mask; only then its masks are shown to the network.
    """

    pick: Pick
    seed: int
    said: Said = field(default_factory=list)
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
            if self.slots[k].said and rng.random() < RESET:
                self.slots[k] = Slot(self.slots[k].pick, int(rng.integers(2**31)))
        return [self.slots[k] for k in chosen]

    def to_state(self) -> dict[str, Any]:
        """Return plain values and tensors, for a checkpoint."""
        slots = [(slot.pick, slot.seed, slot.said, slot.mask, slot.given) for slot in self.slots]
        return {"place": self.place, "slots": slots}

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

    def add(self, said: list[Said], shown: Tensor, which: npt.NDArray[np.bool_] | None = None) -> None:
        """Let the robots of the recipe add a click to each window, or to those in `which`."""
        add_clicks(self.clicks, said, self.windows, shown, self.rng, self.executor, which)

    def damaged(self) -> tuple[Tensor, Tensor]:
        """Return the masks that correction starts from, empty for most windows, and which windows have one."""
        return damaged_masks(self.clicks.from_mask, self.windows, self.rng, self.executor)

    def initial(
        self, rule: Callable[[Mask, npt.NDArray[np.int32], np.random.Generator], Said], which: npt.NDArray[np.bool_]
    ) -> list[Said]:
        """Return the clicks that a rule places from nothing in the windows in `which`; none in the others."""
        said, objects = self.no_clicks(), self.objects()
        seeds = self.rng.integers(0, 2**31, self.size)
        chosen = np.flatnonzero(which)
        jobs = [(rule, *objects[k], int(seeds[k])) for k in chosen]
        for k, points in zip(chosen, self.executor.map(_initial_one, jobs, chunksize=2), strict=True):
            said[k] = points
        return said

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
    slots = memory.next_slots(count, pool, rng)
    cuts = [
        cut_windows(pool, 1, recipe.side, recipe.shares, np.random.default_rng(slot.seed), [slot.pick])
        for slot in slots
    ]
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
    """Random first clicks, then 0 .. `rounds` corrective ones; only the last answer is graded (RITM).

    Where an external mask is to be corrected, the first click is a corrective one.
    """
    shown, told = scene.damaged()
    given = told.cpu().numpy() > 0
    said = scene.initial(sampled_clicks, ~given)
    scene.add(said, shown, given)
    for _ in range(int(scene.rng.integers(0, scene.clicks.rounds + 1))):
        shown, told = (yield Ask(said, shown, told, graded=False)), scene.everyone()
        scene.add(said, shown)
    yield Ask(said, shown, told)


def click_by_click(scene: Scene) -> Play:
    """`rounds` clicks, each at the largest error, and an update after each (Forte et al.); some from a given mask."""
    shown, told = scene.damaged()
    said = scene.no_clicks()
    for _ in range(scene.clicks.rounds):
        scene.add(said, shown)
        shown, told = (yield Ask(said, shown, told, step=True)), scene.everyone()


def remembering(scene: Scene) -> Play:
    """One question per object and epoch, with one corrective click more than in the epoch before (ITIS).

    Some objects begin from a damaged mask and one corrective click, the others from sampled clicks; only of the former
    the network is shown the mask of the epoch before.
    """
    new = np.array([not slot.said for slot in scene.slots])
    damaged, chosen = scene.damaged()
    begins = new & (chosen.cpu().numpy() > 0)
    said = scene.initial(sampled_clicks, new & ~begins)
    masks, told = scene.no_masks()
    for k, slot in enumerate(scene.slots):
        if begins[k]:
            slot.mask, slot.given = damaged[k, 0] > 0.5, True
        if not new[k]:
            said[k] = list(slot.said)
        if slot.mask is not None and slot.given:
            masks[k, 0], told[k] = slot.mask.to(masks), 1
    scene.add(said, masks, begins)
    shown = yield Ask(said, masks, told)
    scene.add(said, shown)
    for slot, points, mask in zip(scene.slots, said, shown[:, 0] > 0.5, strict=True):
        slot.said, slot.mask = points, mask.cpu()


def clustering(scene: Scene) -> Play:
    """Medoids of the object (1 .. 10) and of the background around it (0 .. 10), once (BRS, section 3.1)."""
    yield Ask(scene.initial(medoid_clicks, np.ones(scene.size, bool)), *scene.no_masks())


def boxing(scene: Scene) -> Play:
    """A click near the centroid, one beside the object, then some inside and outside of the box (superpixel box).

    Where a given mask is to be corrected, it draws the box, and the clicks lie on its errors.
    """
    masks, told = scene.damaged()
    given = told.cpu().numpy() > 0
    said = scene.initial(box_clicks, ~given)
    for _ in range(int(scene.rng.integers(1, MOST_INITIAL))):
        scene.add(said, masks, given)
    yield Ask(said, masks, told)


USERS: dict[str, Callable[[Scene], Play]] = {
    "correcting": correcting,
    "iterating": iterating,
    "click by click": click_by_click,
    "remembering": remembering,
    "clustering": clustering,
    "boxing": boxing,
}


# -- clicks that need no answer ----------------------------------------------------------------------------------------


def _initial_one(
    job: tuple[Callable[[Mask, npt.NDArray[np.int32], np.random.Generator], Said], Mask, npt.NDArray[np.int32], int],
) -> Said:
    rule, truth, labels, seed = job
    return rule(truth, labels, np.random.default_rng(seed))


def sampled_clicks(truth: Mask, labels: npt.NDArray[np.int32], rng: np.random.Generator) -> Said:
    """Return 1 .. 5 random clicks on the object, and 0 .. 5 around it, at its outline, or on its neighbours.

    The three ways of Xu et al. 2016 (iFCN), which ITIS and RITM follow: no click is nearer than `SPACING` to another,
    none on the object nearer than `MARGIN` to its outline; those at the outline lie as far from each other as may be.
    """
    side = truth.shape[0]
    spacing, margin = (rng.uniform(*span) * side for span in (SPACING, MARGIN))
    inner = depth(truth)
    inside = truth & (inner >= min(margin, 0.7 * inner.max()))
    said = _said(_spaced(inside, int(rng.integers(1, MOST_INITIAL + 1)), spacing, rng), True)
    outside = _away(truth)
    band = (outside > margin) & (outside < side / 8)
    way, count = rng.integers(3), int(rng.integers(0, MOST_INITIAL + 1))
    if way == 0:
        return said + _said(_spaced(band, count, spacing, rng), False)
    if way == 1:
        return said + _said(_spaced((labels > 0) & ~truth, count, spacing, rng), False)
    return said + _said(_farthest(band, count, rng), False)


def _spaced(pixels: Mask, count: int, spacing: float, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Up to `count` random pixels (n, 2), each at least `spacing` from those before."""
    where = np.argwhere(pixels)
    chosen: list[npt.NDArray[np.intp]] = []
    while len(where) and len(chosen) < count:
        chosen.append(where[rng.integers(len(where))])
        where = where[((where - chosen[-1]) ** 2).sum(axis=1) >= spacing**2]
    return np.array(chosen, np.intp).reshape(-1, 2)


def _farthest(pixels: Mask, count: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Up to `count` pixels (n, 2): a random one, then each the farthest from those before."""
    where = np.argwhere(pixels)
    if not len(where) or not count:
        return where[:0]
    chosen = [int(rng.integers(len(where)))]
    away = np.full(len(where), np.inf)
    while len(chosen) < min(count, len(where)):
        away = np.minimum(away, ((where - where[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(away.argmax()))
    return where[chosen]


def medoid_clicks(truth: Mask, labels: npt.NDArray[np.int32], rng: np.random.Generator) -> Said:
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


def box_clicks(truth: Mask, labels: npt.NDArray[np.int32], rng: np.random.Generator) -> Said:
    """Return two clicks that span a box around the object, then 2 .. 5 on it outside the box, and beside it inside.

    The negative click lies where `core.simulated_user.pick_beside` puts it; only an object without surroundings goes
    without it. Of some objects, fewer clicks are given (guidance dropout), and of some that are alone, none.
    """
    where = np.argwhere(truth)
    alone = not (labels[~truth] > 0).any()
    if where.size == 0 or (alone and rng.random() < DROPPED):
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
