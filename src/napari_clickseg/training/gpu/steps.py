"""One step of training on the device: windows, clicks, answers, losses, update; nothing of it waits for the host.

On a GPU each plan of rounds is captured once as a CUDA graph and replayed, so that launching costs nothing; elsewhere
the same function runs as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_clickseg.training.gpu.distances import squared_distances
from napari_clickseg.training.gpu.simulated_user import ClickMaps, first_clicks, next_clicks
from napari_clickseg.training.gpu.starting_masks import starting_masks
from napari_clickseg.training.gpu.variety import vary
from napari_clickseg.training.gpu.windows import Placing, Windows, cut_windows

if TYPE_CHECKING:
    from napari_clickseg.networks.lite_clicknet import LiteClickNet
    from napari_clickseg.training.gpu.pool import Pool
    from napari_clickseg.training.gpu.settings import GpuSettings

SMALLEST = 12
"""Targets with fewer pixels in their window count for nothing."""
LARGEST_GRADIENT = 2.0
DEVIATIONS = 5.0
BORDER = 1.6
"""Pixels this near to a border are part of it, in the dense map."""
WARM_UPS = 3


@dataclass(frozen=True, slots=True)
class Task:
    """What stays the same from step to step; `vary` changes the intensities of windows (batch, 3, y, x)."""

    settings: GpuSettings
    placing: Placing
    side: int
    sizes: tuple[float, ...]
    losses: Mapping[str, float]
    precision: torch.dtype = torch.bfloat16
    vary: Callable[[Tensor], Tensor] = vary


def normalised(images: Tensor) -> Tensor:
    """Return windows with mean 0 and deviation 1 over all channels, as inference does."""
    deviation, mean = torch.std_mean(images, dim=(1, 2, 3), keepdim=True)
    return ((images - mean) / deviation.clamp_min(1e-6)).clamp(-DEVIATIONS, DEVIATIONS)


def step_loss(
    network: LiteClickNet, pool: Pool, task: Task, ungraded: int, graded: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of one batch, and means for the log: IoU after the first and the last round, quality error."""
    settings = task.settings
    rows = pool.draw(settings.batch, settings.drawn)
    windows = cut_windows(pool, rows, task.side, task.placing, settings.targets)
    images = normalised(task.vary(windows.images)).contiguous(memory_format=torch.channels_last)
    with _autocast(pool.device, task.precision):
        features = network.encode(images)
        dense = network.dense(features)
    total = settings.dense * dense_loss(dense.float(), windows)
    answers, means = _rounds(network, features, windows, pool, task, ungraded, graded)
    return total + answers, means


def _rounds(
    network: LiteClickNet,
    features: tuple[Tensor, ...],
    windows: Windows,
    pool: Pool,
    task: Task,
    ungraded: int,
    graded: int,
) -> tuple[Tensor, dict[str, Tensor]]:
    settings, count = task.settings, task.settings.targets
    features = tuple(_repeated(feature, count) for feature in features)
    truths, areas = windows.truths(), windows.full_areas(pool)
    weight = (truths.sum((1, 2)) >= SMALLEST).float()
    weight = weight / weight.sum().clamp_min(1)
    others = _others(windows)
    chance = torch.rand((4, len(truths)), device=truths.device)
    begun = chance[0] < settings.from_mask
    shown = starting_masks(truths, windows.labels_of_targets()) & begun[:, None, None]
    prior, has_mask = shown.float(), begun.float()
    clicks = ClickMaps.empty(truths, task.sizes)
    spread = torch.where(chance[1] < 0.3, 0.0, 0.95 * chance[2])
    total, ious = torch.zeros((), device=truths.device), []
    for number in range(ungraded + graded):
        clicks = _clicked(truths, shown, clicks, spread, begun if number == 0 else None)
        guidance = _guidance(clicks, prior, has_mask, others)
        with torch.set_grad_enabled(number >= ungraded), _autocast(pool.device, task.precision):
            logits, quality = network.answer(features, guidance)
        logits, quality = logits[:, 0].float(), quality[:, 0].float()
        shown, prior = logits.detach() > 0, torch.sigmoid(logits.detach())
        reached = _ious(shown, truths, areas)
        ious.append(((reached * weight).sum(), ((torch.sigmoid(quality.detach()) - reached) ** 2 * weight).sum()))
        if number >= ungraded:
            judged = (torch.sigmoid(quality) - reached) ** 2
            each = answer_loss(logits, truths.float(), clicks, task.losses) + settings.quality * judged
            total = total + (each * weight).sum() / graded
        has_mask = (torch.rand_like(has_mask) > settings.forgotten).float()
        spread = torch.where(torch.rand_like(spread) < 0.45, 0.0, 0.9 * torch.rand_like(spread))
    return total, {"first": ious[0][0], "last": ious[-1][0], "judged": ious[0][1]}


def _repeated(feature: Tensor, count: int) -> Tensor:
    """Each window's map once per target, channels last as before."""
    last = feature.permute(0, 2, 3, 1)[:, None].expand(-1, count, -1, -1, -1)
    return last.reshape(-1, *last.shape[2:]).permute(0, 3, 1, 2)


def _clicked(truths: Tensor, shown: Tensor, clicks: ClickMaps, spread: Tensor, begun: Tensor | None) -> ClickMaps:
    """Add a click to each target: a first one where nothing was begun, else one that corrects what is shown."""
    corrective = next_clicks(truths, shown, clicks, spread)
    if begun is None:
        return clicks.add(corrective.places, corrective.positive, corrective.made)
    first = first_clicks(truths, spread)
    places = torch.where(begun[:, None], corrective.places, first.places)
    positive = torch.where(begun, corrective.positive, first.positive)
    return clicks.add(places, positive, torch.where(begun, corrective.made, first.made))


def _guidance(clicks: ClickMaps, prior: Tensor, has_mask: Tensor, others: Tensor) -> Tensor:
    flag = has_mask[:, None, None].expand_as(prior)
    channels = torch.cat((clicks.maps, torch.stack((prior * flag, flag, others), dim=1)), dim=1)
    return channels.contiguous(memory_format=torch.channels_last)


def _others(windows: Windows) -> Tensor:
    """Masks of other objects: none for half of the targets, else a random part, at times a pixel too large or small."""
    count = windows.targets.numel()
    luck = torch.rand((3, count), device=windows.labels.device)
    others = windows.others(torch.where(luck[0] < 0.5, 0.0, luck[1] * 1.4)).float()[:, None]
    larger = functional.max_pool2d(others, 3, 1, 1)
    smaller = -functional.max_pool2d(-others, 3, 1, 1)
    which = luck[2].reshape(-1, 1, 1, 1)
    return torch.where(which < 0.2, larger, torch.where(which > 0.8, smaller, others))[:, 0]


def answer_loss(logits: Tensor, truths: Tensor, clicks: ClickMaps, weights: Mapping[str, float]) -> Tensor:
    """Return the weighted sum of `bce`, `soft_iou` and `click` (as in `training.losses`) of maps (batch, y, x)."""
    alpha = torch.sigmoid(logits)
    bce = functional.binary_cross_entropy_with_logits(logits, truths, reduction="none").mean((1, 2))
    shared, either = (alpha * truths).sum((1, 2)), torch.maximum(alpha, truths).sum((1, 2))
    soft_iou = 1 - (shared + 1) / (either + 1)
    sizes = len(clicks.sizes)
    positive, negative = (clicks.maps[:, k] > 0.99 for k in (0, sizes))
    click = (positive * (1 - alpha) ** 2 + negative * alpha**2).sum((1, 2))
    values = {"bce": bce, "soft_iou": soft_iou, "click": click}
    return torch.stack([weight * values[name] for name, weight in weights.items()]).sum(0)


def dense_loss(maps: Tensor, windows: Windows) -> Tensor:
    """Return the loss of the dense maps (batch, 5, side / 2, side / 2).

    Depth, foreground and border by binary cross-entropy, offsets by an absolute error inside objects. Where a source's
    labels are incomplete, only what carries a label is graded.
    """
    labels = windows.labels
    inside = labels > 0
    edge = torch.zeros_like(inside)
    across, down = labels[:, 1:] != labels[:, :-1], labels[:, :, 1:] != labels[:, :, :-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[:, :, 1:] |= down
    edge[:, :, :-1] |= down
    away = squared_distances(edge).float().sqrt() + 0.5
    depth = (away / windows.depths.clamp_min(1.0)).clamp(0, 1) * inside
    border = away < BORDER
    graded = (inside | border | windows.complete[:, None, None]).float()
    offsets = (2 * windows.middles / windows.diameters.clamp_min(2.0)[..., None]).clamp(-2, 2)
    targets = torch.stack((depth, inside.float(), border.float(), offsets[..., 0], offsets[..., 1]), dim=1)
    targets, graded = functional.avg_pool2d(targets, 2), functional.avg_pool2d(graded[:, None], 2)
    targets[:, 2:3] = (targets[:, 2:3] > 0.49).float()
    crosses = functional.binary_cross_entropy_with_logits(maps[:, :3], targets[:, :3], reduction="none")
    within = (targets[:, 1:2] > 0.99).float()
    missed = ((maps[:, 3:] - targets[:, 3:]).abs() * within).sum() / (2 * within.sum() + 1)
    each = (crosses * graded).sum((0, 2, 3)) / (graded.sum() + 1)
    return each[0] + 0.3 * each[1] + 0.3 * each[2] + 0.2 * missed


def _ious(masks: Tensor, truths: Tensor, areas: Tensor) -> Tensor:
    """IoU with the whole object, what lies outside of the window included."""
    shared = (masks & truths).sum((1, 2)).float()
    whole = torch.maximum(areas, truths.sum((1, 2)).float())
    return shared / (whole + masks.sum((1, 2)) - shared).clamp_min(1)


def _autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    # Weights cast without gradients in an ungraded round must not be taken from the cache in a graded one.
    return torch.autocast(device.type, precision, enabled=precision != torch.float32, cache_enabled=False)


class Stepper:
    """Mutable: network, average of weights and optimiser; `step` trains on one batch by one of the plans."""

    def __init__(self, network: LiteClickNet, average: nn.Module, pool: Pool, task: Task) -> None:
        self.network, self.average, self.pool, self.task = network, average, pool, task
        device, settings = pool.device, task.settings
        encoder = set(map(id, network.image_stream.encoder.parameters()))
        parts = ([p for p in network.parameters() if (id(p) in encoder) is wanted] for wanted in (False, True))
        self._rates = [torch.zeros((), device=device) for _ in range(2)]
        groups = [{"params": part, "lr": rate} for part, rate in zip(parts, self._rates, strict=True)]
        on_gpu = device.type == "cuda"
        self.optimiser = torch.optim.AdamW(
            groups, weight_decay=settings.weight_decay, fused=True, capturable=on_gpu, betas=(0.9, 0.99)
        )
        self._broken = torch.zeros((), device=device)
        self._keeps = torch.zeros((), device=device)
        self.optimiser.found_inf = self._broken  # type: ignore[attr-defined]
        self.sums = {name: torch.zeros((), device=device) for name in ("loss", "first", "last", "judged", "broken")}
        self.count = 0
        self._graphs: dict[tuple[int, int], Callable[[], None]] = {}
        self._pairs = _floats(network, average)

    def step(self, ungraded: int, graded: int, rate: float) -> None:
        """Train on one batch; nothing is waited for."""
        settings = self.task.settings
        self.count += 1
        rise = min(self.count / settings.warm_up, 1.0)
        for group, factor in zip(self._rates, (1.0, settings.encoder_rate), strict=True):
            group.fill_(settings.rate * rate * rise * factor)
        self._keeps.fill_(1 - min(settings.average, (1 + self.count) / (10 + self.count)))
        self._graphs.get((ungraded, graded), lambda: self._train(ungraded, graded))()

    def capture(self, plans: list[tuple[int, int]]) -> None:
        """Capture each plan as a CUDA graph, after a few steps at a rate of 0.

        The plans share their memory.
        """
        held = None
        for plan in plans:
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(WARM_UPS):
                    self._train(*plan)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=held):
                self._train(*plan)
            held = held or graph.pool()
            self._graphs[plan] = graph.replay

    def means(self, steps: int) -> dict[str, float]:
        """Return the means of the last steps, and begin to add up anew; waits for the device."""
        values = {name: float(total) / max(steps, 1) for name, total in self.sums.items()}
        for total in self.sums.values():
            total.zero_()
        return values

    def _train(self, ungraded: int, graded: int) -> None:
        for p in self.network.parameters():
            p.grad = None
        loss, means = step_loss(self.network, self.pool, self.task, ungraded, graded)
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self._broken.copy_((~torch.isfinite(norm)).float())
        self.optimiser.step()
        self._follow()
        for name, value in (("loss", loss.detach()), *means.items(), ("broken", self._broken)):
            self.sums[name].add_(value.detach())

    def _follow(self) -> None:
        """The average of the weights follows them."""
        with torch.no_grad():
            values, means = self._pairs
            ahead = torch._foreach_sub(values, means)
            torch._foreach_mul_(ahead, self._keeps)
            torch._foreach_add_(means, ahead)


def _floats(network: nn.Module, average: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """The floating point weights and buffers of both, in the same order."""
    both = zip(network.state_dict().values(), average.state_dict().values(), strict=True)
    pairs = [(value.detach(), mean.detach()) for value, mean in both if value.is_floating_point()]
    return [value for value, _ in pairs], [mean for _, mean in pairs]
