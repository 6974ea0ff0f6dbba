"""Guidance: clicks and the prior mask as the channels that a network sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NOWHERE = -1e4
"""Coordinate that stands for "no click": its Gaussian is zero everywhere."""


@dataclass(frozen=True, slots=True)
class PointSet:
    """Clicks of a batch in window pixels, padded with NOWHERE.

    Attributes
    ----------
    positive, negative : Tensor of float32
        Shape (batch, clicks, 2), (y, x).
    """

    positive: Tensor
    negative: Tensor

    @classmethod
    def of(cls, batch: Sequence[Sequence[tuple[tuple[float, ...], bool]]], device: torch.device | str) -> PointSet:
        """Return the point set of a batch of lists of (point, positive)."""
        return cls(
            *(_padded([[p for p, sign in one if sign is wanted] for one in batch], device) for wanted in (True, False))
        )


def _padded(batch: Sequence[Sequence[tuple[float, ...]]], device: torch.device | str) -> Tensor:
    longest = max((len(points) for points in batch), default=0)
    rows = [[*points, *((NOWHERE, NOWHERE),) * (longest - len(points))] for points in batch]
    return torch.tensor(rows, dtype=torch.float32, device=device).reshape(len(batch), longest, 2)


def gaussians(points: Tensor, shape: tuple[int, int], sigma: float) -> Tensor:
    """Return the highest Gaussian over a batch's points at each pixel.

    Parameters
    ----------
    points : Tensor
        (batch, clicks, 2) in pixels.
    shape : (int, int)
        Rows and columns of the map.
    sigma : float
        In pixels.

    Returns
    -------
    Tensor of float32
        (batch, 1, *shape), 1 at a click and 0 far from all.
    """
    batch, count, _ = points.shape
    if count == 0:
        return torch.zeros((batch, 1, *shape), device=points.device)
    rows = torch.arange(shape[0], device=points.device, dtype=torch.float32)
    columns = torch.arange(shape[1], device=points.device, dtype=torch.float32)
    # A Gaussian is separable, so the exponentials are taken along each axis and multiplied.
    along_y = torch.exp(-((rows - points[..., :1]) ** 2) / (2 * sigma**2))
    along_x = torch.exp(-((columns - points[..., 1:]) ** 2) / (2 * sigma**2))
    return (along_y[..., :, None] * along_x[..., None, :]).amax(dim=1, keepdim=True)


@dataclass(frozen=True, slots=True)
class GaussianGuidance:
    """Each polarity as Gaussians at several scales, then the prior's probability and whether there is a prior.

    Gaussians beat distance maps in ITIS, several scales are from Forte et al., the prior mask from RITM.
    """

    sigmas: tuple[float, ...] = (2.0, 10.0)

    @property
    def channels(self) -> int:
        return 2 * len(self.sigmas) + 2

    def __call__(self, points: PointSet, prior: Tensor, has_prior: Tensor) -> Tensor:
        """Return the channels.

        Parameters
        ----------
        prior : Tensor
            Probabilities (batch, 1, y, x), 0 where there is none.
        has_prior : Tensor
            (batch,) of 0 and 1.

        Returns
        -------
        Tensor
            (batch, `channels`, y, x).
        """
        shape = (prior.shape[-2], prior.shape[-1])
        maps = [gaussians(side, shape, sigma) for side in (points.positive, points.negative) for sigma in self.sigmas]
        flag = has_prior.to(prior.dtype).reshape(-1, 1, 1, 1).expand_as(prior)
        return torch.cat((*maps, prior, flag), dim=1)
