"""Rounds: what a simulated user starts from and where the user clicks next, for a whole batch of windows.

Masks travel to other processes as bits; the rule of every click is `robot`'s.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_clickseg.clicks import Click
from napari_clickseg.damage import damage
from napari_clickseg.robot import first_click, next_click
from napari_clickseg.training.recipe import Clicks
from napari_clickseg.training.windows import Windows

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
