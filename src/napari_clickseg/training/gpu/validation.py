"""Validation on the device: clicks on fixed windows of objects that are never trained on, source by source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_clickseg.training.gpu.pool import Pool, make_pool
from napari_clickseg.training.gpu.simulated_user import ClickMaps, first_clicks, next_clicks
from napari_clickseg.training.gpu.steps import Task, normalised
from napari_clickseg.training.gpu.windows import Placing, Windows, cut_windows

if TYPE_CHECKING:
    from napari_clickseg.networks.lite_clicknet import LiteClickNet
    from napari_clickseg.training.gpu.pack import PackedPlane

CLICKS = 6
GOOD = 0.9
BATCH = 256


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """Fixed windows of one source: of the object's own scale, and of any scale."""

    source: str
    pool: Pool
    own: Windows
    other: Windows


def set_exams(planes: Sequence[PackedPlane], task: Task, device: torch.device, each: int, seed: int = 0) -> list[Exam]:
    """Return an exam of `each` windows for every source among validation planes."""
    torch.manual_seed(seed)
    exams = []
    for source in dict.fromkeys(plane.entry.source for plane in planes):
        pool = make_pool([plane for plane in planes if plane.entry.source == source], {source: 1.0}, device)
        rows = pool.draw(each, 0.0)
        own = Placing(task.placing.share, 0.0, any_scale=0.0, shift=0.1, plain=True)
        other = Placing(task.placing.share, 0.0, any_scale=1.0, lowest=0.1, highest=1.2, shift=0.1, plain=True)
        exams.append(Exam(source, pool, *(cut_windows(pool, rows, task.side, placing, 1) for placing in (own, other))))
    return exams


def examine(network: LiteClickNet, exams: Sequence[Exam], task: Task) -> dict[str, dict[str, float]]:
    """Return for each source and "mean": IoU after 1, 3 and 5 clicks, clicks to 0.9 (7 where never), quality's worth.

    `corr` and `corr_any` are the correlations of predicted quality with IoU over first answers, in windows of the
    object's own scale and of any scale.
    """
    table: dict[str, dict[str, float]] = {}
    for exam in exams:
        reached, quality = _sat(network, exam.pool, exam.own, task, CLICKS)
        free, free_quality = _sat(network, exam.pool, exam.other, task, 1)
        arrived = (reached >= GOOD).int()
        clicks = torch.where(arrived.any(0), arrived.argmax(0) + 1, CLICKS + 1).float()
        values = {"iou@1": reached[0], "iou@3": reached[2], "iou@5": reached[4], "noc@90": clicks, "any@1": free[0]}
        table[exam.source] = {name: float(value.mean()) for name, value in values.items()}
        table[exam.source]["corr"] = _correlation(quality[0], reached[0])
        table[exam.source]["corr_any"] = _correlation(free_quality[0], free[0])
    if table:
        names = next(iter(table.values()))
        table["mean"] = {name: sum(row[name] for row in table.values()) / len(table) for name in names}
    return table


def in_words(table: Mapping[str, Mapping[str, float]]) -> str:
    """Return the table as lines of text."""
    lines = []
    for source, row in table.items():
        lines.append(f"{source:24s} " + "  ".join(f"{name} {value:.3f}" for name, value in row.items()))
    return "\n".join(lines)


def _sat(network: LiteClickNet, pool: Pool, windows: Windows, task: Task, clicks: int) -> tuple[Tensor, Tensor]:
    """IoU and predicted quality after each click, (clicks, windows); the network is put into evaluation mode."""
    network.eval()
    truths, areas = windows.truths(), windows.full_areas(pool)
    maps = ClickMaps.empty(truths, task.sizes)
    spread = torch.zeros(len(truths), device=truths.device)
    shown, prior, has_mask = torch.zeros_like(truths), torch.zeros_like(truths, dtype=torch.float32), 0.0
    ious, qualities = [], []
    with torch.no_grad():
        images = normalised(windows.images).contiguous(memory_format=torch.channels_last)
        with torch.autocast(truths.device.type, task.precision, enabled=task.precision != torch.float32):
            features = network.encode(images)
        for number in range(clicks):
            made = first_clicks(truths, spread) if number == 0 else next_clicks(truths, shown, maps, spread, slip=0.0)
            maps = maps.add(made.places, made.positive, made.made)
            flag = torch.full_like(prior, has_mask)
            guidance = torch.cat((maps.maps, torch.stack((prior * has_mask, flag, torch.zeros_like(prior)), 1)), 1)
            with torch.autocast(truths.device.type, task.precision, enabled=task.precision != torch.float32):
                logits, quality = network.answer(features, guidance)
            prior, has_mask = torch.sigmoid(logits[:, 0].float()), 1.0
            shown = prior > 0.5
            shared = (shown & truths).sum((1, 2)).float()
            whole = torch.maximum(areas, truths.sum((1, 2)).float())
            ious.append(shared / (whole + shown.sum((1, 2)) - shared).clamp_min(1))
            qualities.append(torch.sigmoid(quality[:, 0].float()))
    return torch.stack(ious), torch.stack(qualities)


def _correlation(one: Tensor, other: Tensor) -> float:
    both = torch.stack((one, other)).double()
    both = both - both.mean(1, keepdim=True)
    return float((both[0] * both[1]).sum() / both.norm(dim=1).prod().clamp_min(1e-9))
