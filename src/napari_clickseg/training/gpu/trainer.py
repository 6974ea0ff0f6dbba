"""Training on one device by the clock: a pack of planes, drawn scenes beside it, weights written every few minutes."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.inference.device import choose_precision
from napari_clickseg.models.card import read_click_card
from napari_clickseg.models.load import save_model
from napari_clickseg.models.registry import SUFFIX
from napari_clickseg.networks.lite_clicknet import LiteClickNet
from napari_clickseg.training.checkpoint import card_of
from napari_clickseg.training.gpu.pack import PackedPlane, read_pack
from napari_clickseg.training.gpu.pool import Pool, make_pool
from napari_clickseg.training.gpu.scenes import drawing, ready
from napari_clickseg.training.gpu.settings import GpuSettings
from napari_clickseg.training.gpu.steps import Stepper, Task
from napari_clickseg.training.gpu.validation import examine, in_words, set_exams

if TYPE_CHECKING:
    from napari_clickseg.training.recipe import Recipe

NETWORK, SIZES, GUIDANCE = "lite_clicknet", 2, 7
"""Channels: two Gaussians per polarity, the prior, whether there is one, other objects."""
AVERAGE = "average.safetensors"
AHEAD = 4
"""Steps that may be queued on the device before the host waits for it."""
PLANES_PER_STEP = 6
LOG_EVERY, EXAM_WINDOWS = 20.0, 64


@dataclass(frozen=True, slots=True)
class GpuPlan:
    """Where a run reads and writes, and how long it may take.

    Attributes
    ----------
    pack, out : Path
        The pack of planes; the folder of weights and log.
    seconds : float
        From `began` on; the rate falls to zero over what is left when training begins.
    start : Path or None
        Weights to begin with; those that fit are taken.
    processes : int
        How many draw scenes.
    compile : bool
        Whether the network is compiled first.
    """

    pack: Path
    out: Path
    seconds: float
    start: Path | None = None
    device: str = "cuda"
    processes: int = 12
    compile: bool = False
    save_every: float = 110.0
    seed: int = 0


Say = Callable[[str], None]


def train_packed(recipe: Recipe, plan: GpuPlan, say: Say, stop: Stop = NEVER) -> Path:
    """Train a recipe by the clock; return the weights file of the model, `plan.out`/NAME.safetensors, with its card.

    Raises
    ------
    ValueError
        For a recipe of another network than this way of training knows, or a start that is none of its models; as
        `train_on_gpu`.
    """
    task = task_of(recipe, choose_precision(torch.device(plan.device)))
    start = None if plan.start is None else read_click_card(plan.start)
    if start is not None and start.network != NETWORK:
        raise ValueError(f"{plan.start} holds weights of {start.network!r}; a pack trains {NETWORK!r} alone.")
    row = train_on_gpu(task, recipe.sources, plan, say, stop)
    network = LiteClickNet(GUIDANCE)
    take_weights(network, plan.out / AVERAGE)
    seen = f"{row['windows']} windows of {task.settings.targets} objects in {plan.seconds / 60:.3g} minutes"
    own = card_of(recipe, f"{seen} ({torch.device(plan.device).type})")
    weights = plan.out / f"{recipe.name}{SUFFIX}"
    save_model(weights, network, own if start is None else own.tuned_from(start))
    return weights


def task_of(recipe: Recipe, precision: torch.dtype = torch.bfloat16) -> Task:
    """Return what a recipe asks of every step.

    Raises
    ------
    ValueError
        For a recipe of another network, or of other click maps, than this way of training knows.
    """
    known = {"clicks": "gaussian", "prior": "probability", "others": True}
    other = {key: value for key, value in known.items() if recipe.encoding.get(key) != value}
    if recipe.network != NETWORK or len(recipe.encoding.get("sizes", ())) != SIZES or other:
        raise ValueError(
            f"The recipe {recipe.name} trains {recipe.network!r}; a pack trains {NETWORK!r} alone, on two Gaussians of "
            f"each polarity, a prior and other objects: take the recipe clickseg or one that extends it, or no pack."
        )
    settings = GpuSettings.from_table(recipe.gpu)
    placing = settings.placing(*recipe.shares[:2])
    return Task(settings, placing, recipe.side, tuple(recipe.encoding["sizes"]), recipe.losses, precision)


def train_on_gpu(
    task: Task, weights: Mapping[str, float], plan: GpuPlan, say: Say, stop: Stop = NEVER
) -> dict[str, Any]:
    """Train by the clock; return the last row of the log. Averaged weights are `plan.out`/average.safetensors.

    Parameters
    ----------
    weights : mapping of str to float
        How often each source of the pack is drawn, among real ones.
    say : callable
        Given a sentence or a table, now and then.
    stop : Stop
        Where it is requested, the run ends as if its time were over.

    Raises
    ------
    ValueError
        Where the file is no pack, or holds no plane of these sources for training.
    """
    began, device = time.monotonic(), torch.device(plan.device)
    _make_fast(device)
    torch.manual_seed(plan.seed)
    settings = task.settings
    slots = settings.slots if plan.processes else 0
    with (
        drawing(plan.processes, settings.slot_side, plan.pack, 1_000_003 * (plan.seed + 1)) if slots else nullcontext()
    ) as scenes:
        planes = list(read_pack(plan.pack))
        real = [plane for plane in planes if plane.entry.split == "train"]
        pool = make_pool(real, weights, device, slots, settings.slot_side)
        say(f"{time.monotonic() - began:.1f} s: {len(real)} planes, {len(pool.objects)} objects on {device}")
        exams = set_exams([p for p in planes if p.entry.split == "val"], task, device, EXAM_WINDOWS)
        torch.manual_seed(plan.seed)
        network = LiteClickNet(GUIDANCE).to(device).train()
        if plan.start is not None:
            say(take_weights(network, plan.start))
        average = copy.deepcopy(network).eval().requires_grad_(False)
        network = _channels_last(network)
        average = _channels_last(average)
        if plan.compile:
            network.encode = torch.compile(network.encode)  # type: ignore[method-assign]
            network.answer = torch.compile(network.answer)  # type: ignore[method-assign]
        stepper = Stepper(network, average, pool, task)
        if slots:
            _wait_for_scenes(scenes, pool, device)
        if device.type == "cuda":
            stepper.capture([(ungraded, graded) for ungraded, graded, _ in settings.rounds()])
        say(f"{time.monotonic() - began:.1f} s: ready, {pool.newest} scenes drawn")
        run = _Run(stepper, plan, began, say)
        return run.loop(
            lambda: [] if scenes is None else list(ready(scenes, PLANES_PER_STEP)),
            lambda: examine(average, exams, task),
            stop,
        )


def take_weights(network: LiteClickNet, path: Path) -> str:
    """Load the weights of a file that fit, by name and shape; return a sentence on those that do not.

    A head with more channels than before takes what there is for its first ones.
    """
    own, taken, new = network.state_dict(), {}, []
    for name, value in load_file(str(path)).items():
        value = value.float() if value.is_floating_point() else value
        if name in own and own[name].shape == value.shape:
            taken[name] = value
        elif name in own and own[name].shape[1:] == value.shape[1:]:
            taken[name] = own[name].cpu().clone()
            taken[name][: len(value)] = value
    new = [name for name in own if name not in taken]
    network.load_state_dict(taken, strict=False)
    return f"{len(taken)} weights of {path.name}; {len(new)} begin anew: {', '.join(new[:8])}"


class _Run:
    """Mutable: the loop over steps, its clock and its log."""

    def __init__(self, stepper: Stepper, plan: GpuPlan, began: float, say: Say) -> None:
        self._stepper, self._plan, self._began, self._say = stepper, plan, began, say
        self._rng = np.random.default_rng(plan.seed)
        self._rows: list[dict[str, Any]] = []

    def loop(
        self, planes: Callable[[], list[PackedPlane]], exam: Callable[[], Mapping[str, Any]], stop: Stop
    ) -> dict[str, Any]:
        """Train until the time is over, or a stop is requested."""
        stepper, settings = self._stepper, self._stepper.task.settings
        rounds = settings.rounds()
        chances = [often for _, _, often in rounds]
        start, logged, saved, steps = self._seconds(), self._seconds(), self._seconds(), 0
        marks: list[Any] = []
        while (now := self._seconds()) < self._plan.seconds and not stop.requested:
            share = (now - start) / max(self._plan.seconds - start, 1e-6)
            ungraded, graded, _ = rounds[int(self._rng.choice(len(rounds), p=chances))]
            for plane in planes():
                stepper.pool.fill(plane)
            stepper.step(ungraded, graded, max(0.5 * (1 + math.cos(math.pi * share)), 0.002))
            steps += 1
            _wait(marks, stepper.pool.device)
            if now - logged > LOG_EVERY:
                self._log(steps, now - logged)
                logged, steps = now, 0
            if now - saved > self._plan.save_every:
                saved = now
                self._save(exam())
        self._log(steps, self._seconds() - logged)
        self._save(exam())
        return self._rows[-1]

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _log(self, steps: int, seconds: float) -> None:
        stepper = self._stepper
        means = stepper.means(steps)
        windows = stepper.task.settings.batch * stepper.count
        row = {"seconds": round(self._seconds(), 1), "steps": stepper.count, "windows": windows, **means}
        row |= {"per_second": stepper.task.settings.batch * steps / max(seconds, 1e-6), "scenes": stepper.pool.newest}
        self._rows.append(row)
        self._say(", ".join(f"{name} {value:.4g}" for name, value in row.items()))

    def _save(self, table: Mapping[str, Any]) -> None:
        """Write averaged weights in half precision, and the log with the exam's table."""
        self._say(in_words(table))
        if self._rows:
            self._rows[-1]["exam"] = table
        out = self._plan.out
        out.mkdir(parents=True, exist_ok=True)
        write_halves(out / AVERAGE, self._stepper.average.state_dict())
        (out / "log.json").write_text(json.dumps(self._rows), encoding="utf-8")


def write_halves(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write weights in half precision, whole or not at all."""
    halves = {
        name: (value.detach().half() if value.is_floating_point() else value.detach()).cpu().contiguous()
        for name, value in weights.items()
    }
    unfinished = path.with_suffix(".part")
    save_file(halves, str(unfinished))
    unfinished.replace(path)


def _wait_for_scenes(scenes: Any, pool: Pool, device: torch.device) -> None:
    """Fill the first slot: a batch may be drawn from then on."""
    while not pool.newest:
        pool.fill(scenes.get(timeout=120))
    if device.type == "cuda":
        torch.cuda.synchronize()


def _wait(marks: list[Any], device: torch.device) -> None:
    """Let the host run a few steps ahead of the device, no more."""
    if device.type != "cuda":
        return
    mark = torch.cuda.Event()  # type: ignore[no-untyped-call]
    mark.record()
    marks.append(mark)
    if len(marks) > AHEAD:
        marks.pop(0).synchronize()


def _channels_last(network: LiteClickNet) -> LiteClickNet:
    return cast(LiteClickNet, network.to(memory_format=torch.channels_last))  # type: ignore[call-overload]


def _make_fast(device: torch.device) -> None:
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.benchmark_limit = 3  # more tries cost most of a minute and find nothing faster
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
