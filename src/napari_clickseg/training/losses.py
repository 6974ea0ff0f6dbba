"""Losses on logits. Each takes (logits, target, points) with (batch, 1, y, x) maps and returns one value per sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from napari_clickseg.inference.guidance import NOWHERE, PointSet

Loss = Callable[[Tensor, Tensor, PointSet], Tensor]
WORST = 4
"""One in so many pixels is among the worst."""


def bce(logits: Tensor, target: Tensor, points: PointSet) -> Tensor:
    """Binary cross-entropy, mean over pixels."""
    return functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(dim=(1, 2, 3))


def bootstrapped(logits: Tensor, target: Tensor, points: PointSet) -> Tensor:
    """Binary cross-entropy, mean over the worst quarter of the pixels (ITIS)."""
    each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").flatten(1)
    return each.topk(max(each.shape[1] // WORST, 1), dim=1).values.mean(dim=1)


def normalised_focal(logits: Tensor, target: Tensor, points: PointSet) -> Tensor:
    """Focal loss over the sum of its own weights (1 - p), equation 2 of RITM; the sum carries no gradient.

    So the gradient does not fade while the masks improve.
    """
    each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    weight = 1 - torch.exp(-each)
    return (weight * each).sum(dim=(1, 2, 3)) / weight.detach().sum(dim=(1, 2, 3)).clamp_min(1e-4)


def soft_iou(logits: Tensor, target: Tensor, points: PointSet) -> Tensor:
    """1 - sum(a t) / sum(max(a, t)): the first term of Forte et al., equation 1."""
    alpha = torch.sigmoid(logits)
    shared = (alpha * target).sum(dim=(1, 2, 3))
    either = torch.maximum(alpha, target).sum(dim=(1, 2, 3))
    return 1 - (shared + 1) / (either + 1)


def click(logits: Tensor, target: Tensor, points: PointSet) -> Tensor:
    """Sum over clicks of (a_c - t_c)^2: the second term of Forte et al., equation 1."""
    alpha = torch.sigmoid(logits)[:, 0]
    total = torch.zeros(alpha.shape[0], device=alpha.device)
    for side, wanted in ((points.positive, 1.0), (points.negative, 0.0)):
        if side.shape[1] == 0:
            continue
        real = side[..., 0] > NOWHERE / 2
        rows = side[..., 0].round().long().clamp(0, alpha.shape[1] - 1)
        columns = side[..., 1].round().long().clamp(0, alpha.shape[2] - 1)
        at = alpha[torch.arange(alpha.shape[0], device=alpha.device)[:, None], rows, columns]
        total = total + ((at - wanted) ** 2 * real).sum(dim=1)
    return total


LOSSES: dict[str, Loss] = {
    "bce": bce,
    "bootstrapped": bootstrapped,
    "normalised_focal": normalised_focal,
    "soft_iou": soft_iou,
    "click": click,
}


def weighted(terms: Mapping[str, float]) -> Loss:
    """Return the weighted sum of losses named in `LOSSES`."""

    def total(logits: Tensor, target: Tensor, points: PointSet) -> Tensor:
        values = [weight * LOSSES[name](logits, target, points) for name, weight in terms.items()]
        return torch.stack(values).sum(dim=0)

    return total
