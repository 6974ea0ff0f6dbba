"""Validation while training: clicks to a good mask on fixed windows of objects that are never trained on."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from napari_clickseg.engine.guidance import Encoding, Guidance, PointSet
from napari_clickseg.engine.window import normalise
from napari_clickseg.networks.catalogue import streams_of
from napari_clickseg.training.data import Pool
from napari_clickseg.training.recipe import Recipe
from napari_clickseg.training.rounds import Said, add_clicks
from napari_clickseg.training.windows import cut_windows

WINDOWS = 192
BATCH = 32
CLICKS = 5
GOOD = 0.9
COMPARED = {"noc@90": ("clicks to 0.9", -1), "iou@1": ("IoU after 1 click", 1)}
"""What a comparison tells, in words, and the sign of a change for the better."""


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
    told = "; ".join(
        f"{what}: before {before[name]:.2f}, after {after[name]:.2f}" for name, (what, _) in COMPARED.items()
    )
    gains = {what: sign * (round(after[name], 2) - round(before[name], 2)) for name, (what, sign) in COMPARED.items()}
    worse = [what for what, gain in gains.items() if gain < 0]
    if not worse:
        return f"{told}."
    return (
        f"{told}. It got worse in {' and in '.join(worse)}. The model is kept all the same: "
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
    shown, told = torch.zeros_like(windows.images[:, :1]), torch.zeros(BATCH, device=device)
    said: list[Said] = [[] for _ in range(BATCH)]
    ious, images = [], normalise(windows.images).contiguous(memory_format=torch.channels_last)
    kept = guide.prepare(windows.images)
    with torch.autocast(device.type, torch.bfloat16):
        features = streams.encode(images)
        for _ in range(CLICKS):
            add_clicks(centre, said, windows, shown, rng, executor)
            logits = streams.decode(features, guide(PointSet.of(said, device), shown, told, kept))
            shown, told = torch.sigmoid(logits.float()), torch.ones(BATCH, device=device)
            ious.append(_iou(shown > 0.5, windows.truths).cpu().numpy())
    return np.stack(ious, axis=1)


def _iou(masks: Tensor, truths: Tensor) -> Tensor:
    shared = (masks & truths).sum(dim=(1, 2, 3))
    return shared / (masks | truths).sum(dim=(1, 2, 3)).clamp_min(1)
