"""Training: windows, rounds of robot clicks, loss on every round. Checkpoints resume exactly where they stopped.

Several processes of `parallel` do the same steps on batches of their own; the first one validates, logs and writes.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from napari_clickseg.core.jobs import NEVER, Stop, Stopped
from napari_clickseg.inference.guidance import Encoding, Guidance, PointSet
from napari_clickseg.inference.window import normalise
from napari_clickseg.models.card import ModelCard
from napari_clickseg.models.load import save_model
from napari_clickseg.networks.catalogue import streams_of
from napari_clickseg.training.augment import vary
from napari_clickseg.training.checkpoint import CHECKPOINT, Plan, Run, Write, card_of, open_logs, write_nothing
from napari_clickseg.training.data import Pool, Tell, load_pool, planes_to_draw
from napari_clickseg.training.distributed import Team, joined
from napari_clickseg.training.losses import Loss, weighted
from napari_clickseg.training.recipe import DRAWN, Recipe
from napari_clickseg.training.simulated_training import USERS, Ask, add_clicks, helpers, open_scene
from napari_clickseg.training.windows import cut_windows

if TYPE_CHECKING:
    from napari_clickseg.training.initial_clicks import WindowClicks

WINDOWS = 192
BATCH = 32
CLICKS = 5
GOOD = 0.9
COMPARED = {"noc@90": ("clicks to 0.9", -1), "iou@1": ("IoU after 1 click", 1)}
"""What a comparison names, in words, and the sign of a change for the better."""


def validate(recipe: Recipe, network: nn.Module, pool: Pool, executor: Executor) -> dict[str, float]:
    """Return the mean IoU after 1, 2, 3 and 5 centre clicks, and the mean clicks to IoU 0.9 (6 where never reached)."""
    rng = np.random.default_rng(1)
    ious = np.concatenate([_click_through(recipe, network, pool, rng, executor) for _ in range(WINDOWS // BATCH)])
    good = ious >= GOOD
    clicks = np.where(good.any(axis=1), good.argmax(axis=1) + 1, CLICKS + 1)
    means = {f"iou@{k}": float(ious[:, k - 1].mean()) for k in (1, 2, 3, CLICKS)}
    return {**means, "noc@90": float(clicks.mean())}


def compared(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """Return in words what training changed for validation's objects, and what got worse.

    >>> compared({"noc@90": 5.8, "iou@1": 0.54}, {"noc@90": 5.5, "iou@1": 0.63})
    'clicks to 0.9: before 5.80, after 5.50; IoU after 1 click: before 0.54, after 0.63.'
    """
    changes = "; ".join(
        f"{what}: before {before[name]:.2f}, after {after[name]:.2f}" for name, (what, _) in COMPARED.items()
    )
    gains = {what: sign * (round(after[name], 2) - round(before[name], 2)) for name, (what, sign) in COMPARED.items()}
    worse = [what for what, gain in gains.items() if gain < 0]
    if not worse:
        return f"{changes}."
    return (
        f"{changes}. It got worse in {' and in '.join(worse)}. The model is kept all the same: "
        "delete it, or train again with --replace, as you see fit."
    )


@torch.inference_mode()
def _click_through(
    recipe: Recipe, network: nn.Module, pool: Pool, rng: np.random.Generator, executor: Executor
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """IoU (window, click) of one batch of windows."""
    streams, guide = streams_of(network), Guidance(Encoding.from_mapping(recipe.encoding))
    centre = replace(recipe.clicks, robots={"centre": 1.0})
    windows = cut_windows(pool, BATCH, recipe.side, (recipe.shares[0], 0.3, 0.0), rng)
    device = windows.images.device
    shown, has_mask = torch.zeros_like(windows.images[:, :1]), torch.zeros(BATCH, device=device)
    clicks: list[WindowClicks] = [[] for _ in range(BATCH)]
    ious, images = [], normalise(windows.images).contiguous(memory_format=torch.channels_last)
    kept = guide.prepare(windows.images)
    with torch.autocast(device.type, torch.bfloat16):
        features = streams.encode(images)
        for _ in range(CLICKS):
            add_clicks(centre, clicks, windows, shown, rng, executor)
            logits = streams.decode(features, guide(PointSet.of(clicks, device), shown, has_mask, kept))
            shown = torch.sigmoid(logits.float())
            has_mask = torch.full_like(has_mask, float(guide.encoding.feeds == "latest"))
            ious.append(_iou(shown > 0.5, windows.truths).cpu().numpy())
    return np.stack(ious, axis=1)


def _iou(masks: Tensor, truths: Tensor) -> Tensor:
    shared = (masks & truths).sum(dim=(1, 2, 3))
    return shared / (masks | truths).sum(dim=(1, 2, 3)).clamp_min(1)


LARGEST_GRADIENT = 2.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What training reports after each step: the share done, and the newest row of the log with the newest loss.

    Before the first step of a sitting `doing` names what is read or drawn, and the rest is empty.
    """

    share: float = 0.0
    step: int = 0
    row: Mapping[str, float] = field(default_factory=dict)
    doing: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a run learns from and is checked on, and who helps it."""

    training: Pool
    validation: Pool
    executor: Executor


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears of a run: `report` of every bit of progress, `tell` of what is worth a sentence. `stop` may end it."""

    report: Callable[[Progress], None] = lambda progress: None
    stop: Stop = NEVER
    tell: Tell = lambda sentence: None

    def hear_preparing(self, doing: str) -> None:
        """Report what is read or drawn before the first step; raise `Stopped` where the run is to end."""
        self.stop.check()
        self.report(Progress(doing=doing))


def train(
    recipe: Recipe,
    plan: Plan,
    report: Callable[[Progress], None] = lambda progress: None,
    stop: Stop = NEVER,
    tell: Tell = lambda sentence: None,
) -> Path:
    """Train a model and return its weights file, which the first process writes.

    A run that begins with weights is measured before its first step, too, and ends with a sentence on the difference.

    Parameters
    ----------
    report : callable
        Given a `Progress` while images are read and drawn, and after each step.
    tell : callable
        Given sentences for people: where a run goes on, what tuning changed.

    Raises
    ------
    ValueError
        Where data, device, folder, start weights or recipe cannot be used, in one sentence; no folder is made then.
    Stopped
        Where `stop` was requested; from the first step on, the checkpoint is written first.
    """
    with joined(plan.device) as team:
        listener = Listener(report, stop, tell) if team.leads else Listener(stop=stop)
        return _train(recipe, plan, team, listener)


def check_folder(folder: Path) -> None:
    """Raise ValueError where a run cannot write into a folder, which need not be there yet."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise ValueError(f"The run cannot be written to {folder}: {there} is a file, and wanted is a folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"The run cannot be written to {folder}: {there} may not be written into.")


def _train(recipe: Recipe, plan: Plan, team: Team, listener: Listener) -> Path:
    check_folder(plan.out)
    run = Run.begin(recipe, plan, team)
    checkpoint, weights = plan.out / CHECKPOINT, plan.out / f"{recipe.name}.safetensors"
    if team.agree(plan.resume and checkpoint.is_file()):
        run.load(checkpoint)
        listener.tell(f"The run in {plan.out} goes on from step {run.step}.")
    with helpers(plan.jobs) as executor:
        material = _material(recipe, plan, team.device, executor, listener.hear_preparing)
        plan.out.mkdir(parents=True, exist_ok=True)
        with open_logs(plan.out, run.step if run.rows else -1) if team.leads else nullcontext(write_nothing) as write:
            if run.start is not None and run.step == 0 and not run.rows:
                listener.hear_preparing("measuring the weights that it begins with")
                _log(recipe, run, material, [math.nan], write)
            _loop(recipe, plan, run, material, write, listener)
    run.save(checkpoint)
    if team.leads:
        save_model(weights, run.average, _card(recipe, run))
    if run.rows and run.rows[0]["step"] == 0:
        listener.tell(compared(run.rows[0], run.rows[-1]))
    return weights


def _material(recipe: Recipe, plan: Plan, device: torch.device, executor: Executor, tell: Tell) -> Material:
    """Read what validation wants first, so that nothing is drawn before all files are known to be good."""
    real = {name: weight for name, weight in recipe.sources.items() if name not in DRAWN}
    spread, schedule = recipe.clicks.first_spread, recipe.schedule
    drawn = planes_to_draw(schedule.steps * schedule.batch, plan.minutes)
    helping = executor if plan.jobs else None
    validation = load_pool(
        plan.data, real, "val", device, spread, places=plan.places, tell=tell, background=plan.background
    )
    training = load_pool(
        plan.data,
        recipe.sources,
        "train",
        device,
        spread,
        plan.seed,
        helping,
        plan.places,
        drawn,
        tell,
        plan.background,
    )
    return Material(training, validation, executor)


@dataclass(slots=True)
class Clock:
    """Mutable: a run's seconds over all its sittings, and at which of them it was last validated and saved."""

    began: float
    validated: float
    saved: float

    @classmethod
    def of(cls, run: Run) -> Clock:
        """Return the clock of a run that begins, or goes on."""
        return cls(time.monotonic() - run.seconds, run.seconds, run.seconds)

    def seconds(self) -> float:
        """Return how long the run has taken so far."""
        return time.monotonic() - self.began


def _loop(
    recipe: Recipe,
    plan: Plan,
    run: Run,
    material: Material,
    write: Write,
    listener: Listener,
) -> None:
    clock = Clock.of(run)
    losses: list[float] = []
    while (share := run.team.agree(_share(recipe, plan, run))) < 1:
        for group in run.optimiser.param_groups:
            group["lr"] = group["share"] * _rate(recipe, share, run.step)
        losses.append(newest := _step(recipe, run, material, share))
        run.step += 1
        run.seconds = clock.seconds()
        done = min(_share(recipe, plan, run), 1.0)
        if run.seconds - clock.validated > plan.validate_every or done == 1:
            clock.validated = run.seconds
            _log(recipe, run, material, losses, write)
        _save_when_due(plan, run, clock, listener.stop)
        listener.report(Progress(done, run.step, {**(run.rows[-1] if run.rows else {}), "loss": newest}))


def _log(recipe: Recipe, run: Run, material: Material, losses: list[float], write: Write) -> None:
    """Validate and log, where this process leads; the losses since the last time are reported, and cleared."""
    if run.team.leads:
        numbers = {"step": run.step, "seconds": round(run.seconds), "loss": float(np.mean(losses))}
        run.rows.append(numbers | validate(recipe, run.average, material.validation, material.executor))
        write(run.rows)
    losses.clear()


def _save_when_due(plan: Plan, run: Run, clock: Clock, stop: Stop) -> None:
    """Write the checkpoint after a while, and where the run is to stop; all processes do, or none."""
    if run.team.agree(run.seconds - clock.saved > plan.save_every or stop.requested):
        clock.saved = run.seconds
        run.save(plan.out / CHECKPOINT)
        if run.team.agree(stop.requested):
            raise Stopped


def _share(recipe: Recipe, plan: Plan, run: Run) -> float:
    """How much of the run is done, by the clock or by steps."""
    return run.step / recipe.schedule.steps if plan.minutes is None else run.seconds / (60 * plan.minutes)


def _rate(recipe: Recipe, share: float, step: int) -> float:
    """A short rise, then half a cosine."""
    rise = min((step + 1) / recipe.schedule.warm_up, 1.0)
    return recipe.schedule.rate * rise * max(0.5 * (1 + math.cos(math.pi * min(share, 1.0))), 0.002)


def _step(recipe: Recipe, run: Run, material: Material, share: float) -> float:
    """One batch: cut windows, let the recipe's user ask, mean of the graded answers' losses."""
    pool = material.training.drawn() if share < recipe.schedule.drawn_until else material.training
    scene = open_scene(recipe, pool, run.rng, material.executor, run.memory)
    varied = vary(scene.windows.images, run.generator)
    ask_network = _Asking(recipe, run, varied, scene.windows.targets, share, material.executor)
    user = USERS[recipe.clicks.user](scene)
    losses: list[Tensor] = []
    values: list[float] = []
    try:
        ask = next(user)
        while True:
            shown, loss = ask_network(ask)
            if ask.graded:
                losses.append(loss)
            if ask.step:
                values.append(_update(run, torch.stack(losses).mean(), recipe.schedule.average))
                losses.clear()
                ask_network.forget()
            ask = user.send(shown)
    except StopIteration:
        pass
    if losses:
        values.append(_update(run, torch.stack(losses).mean(), recipe.schedule.average))
    return float(np.mean(values))


class _Asking:
    """Mutable: one batch before the network; the image's features are kept until the weights change."""

    def __init__(
        self, recipe: Recipe, run: Run, images: Tensor, truths: Tensor, share: float, executor: Executor
    ) -> None:
        self._network, self._streams = run.network, streams_of(run.network)
        self._guide = Guidance(Encoding.from_mapping(recipe.encoding))
        self._images = normalise(images).contiguous(memory_format=torch.channels_last)
        self._kept = self._guide.prepare(images, executor.map)
        self._truths, self._loss = truths, weighted(recipe.losses)
        self._auxiliary, self._coarse = recipe.auxiliary, share < recipe.schedule.coarse_until
        self._features: tuple[Tensor, ...] | None = None
        self._half = run.half

    def __call__(self, ask: Ask) -> tuple[Tensor, Tensor]:
        """Return the masks (batch, 1, y, x) that the network gives, and their loss.

        An answer that is not graded is given as in use: batch normalisation learns nothing from it.
        """
        points = PointSet.of(ask.clicks, self._images.device)
        guidance = self._guide(points, ask.prior * ask.has_mask.reshape(-1, 1, 1, 1), ask.has_mask, self._kept)
        self._network.train(ask.graded)
        half = torch.autocast(self._images.device.type, torch.bfloat16, enabled=self._half)
        with half, torch.set_grad_enabled(ask.graded):
            if self._features is None or not ask.graded:
                features = self._streams.encode(self._images)
                self._features = features if ask.graded else None
            else:
                features = self._features
            outputs = self._streams.outputs(features, guidance)
        logits = [output.float() for output in (outputs[-1:] if self._coarse else outputs)]
        return torch.sigmoid(logits[0].detach()), self._graded(logits, points, self._loss)

    def forget(self) -> None:
        """Forget the features: the weights have changed."""
        self._features = None

    def _graded(self, logits: Sequence[Tensor], points: PointSet, loss: Loss) -> Tensor:
        main, *others = (loss(each, self._truths, points).mean() for each in logits)
        return main + self._auxiliary * sum(others)


def _update(run: Run, loss: Tensor, decay: float) -> float:
    """Step down the gradient; the averaged weights follow."""
    run.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    run.team.average_gradients(run.network.parameters())
    nn.utils.clip_grad_norm_(run.network.parameters(), LARGEST_GRADIENT)
    run.optimiser.step()
    decay = min(decay, (1 + run.step) / (10 + run.step))
    means, values = (list(network.state_dict().values()) for network in (run.average, run.network))
    floating = [mean.is_floating_point() for mean in means]
    with torch.no_grad():
        torch._foreach_lerp_(list(compress(means, floating)), list(compress(values, floating)), 1 - decay)
        for mean, value, averaged in zip(means, values, floating, strict=True):
            if not averaged:
                mean.copy_(value)
    return float(loss.detach())


def _card(recipe: Recipe, run: Run) -> ModelCard:
    windows, device = recipe.schedule.batch * run.team.size, run.team.device.type
    steps, minutes = counted(run.step, "step"), counted(round(run.seconds / 60), "minute")
    own = card_of(recipe, f"{steps} of {windows} windows in {minutes} ({device})")
    return own if run.start is None else own.tuned_from(run.start)


def counted(number: int, what: str) -> str:
    """Return a number of things in words.

    >>> counted(1, "minute"), counted(20, "minute")
    ('1 minute', '20 minutes')
    """
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
