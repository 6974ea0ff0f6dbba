"""Variety of intensities: what differs between microscopes, stains and exposures, each window for itself."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def vary(images: Tensor) -> Tensor:
    """Return windows (batch, 3, y, x) in 0..1 with varied polarity, tone, colour, focus, shading and noise.

    As `training.augment.vary`, with a draw of its own for every window and step, and all of it on the device.
    """
    images = _tone(images)
    images = _colour(images)
    images = _resolution(images)
    images = _focus(images)
    images = _shading(images)
    return _noise(images)


def _uniform(images: Tensor, low: float, high: float, channels: int = 1) -> Tensor:
    return low + (high - low) * torch.rand((images.shape[0], channels, 1, 1), device=images.device)


def _chance(images: Tensor, share: float) -> Tensor:
    return _uniform(images, 0, 1) < share


def _tone(images: Tensor) -> Tensor:
    """Inversion, gamma and a black or white point moved into the picture."""
    images = torch.where(_chance(images, 0.15), 1 - images, images)
    gamma = torch.exp2(_uniform(images, -1.1, 1.1))
    images = images.clamp(1e-4, 1) ** torch.where(_chance(images, 0.5), gamma, torch.ones_like(gamma))
    low, high = _uniform(images, 0, 0.2), _uniform(images, 0.7, 1)
    return torch.where(_chance(images, 0.15), ((images - low) / (high - low)).clamp(0, 1), images)


def _colour(images: Tensor) -> Tensor:
    """Grey for some; channels weighted and shifted, or in another order, for others."""
    weights = _uniform(images, 0.1, 1, 3)
    grey = (images * weights / weights.sum(1, keepdim=True)).sum(1, keepdim=True).expand_as(images)
    images = torch.where(_chance(images, 0.2), grey, images)
    tinted = images * _uniform(images, 0.5, 1.3, 3) + _uniform(images, -0.15, 0.15, 3)
    images = torch.where(_chance(images, 0.3), tinted, images)
    order = torch.rand((images.shape[0], 3), device=images.device).argsort(dim=1)[:, :, None, None]
    shuffled = images.gather(1, order.expand_as(images))
    return torch.where(_chance(images, 0.2), shuffled, images)


def _resolution(images: Tensor) -> Tensor:
    """As if the picture had been enlarged by two or three."""
    for factor, share in ((2, 0.1), (3, 0.06)):
        size = [side // factor for side in images.shape[-2:]]
        small = functional.interpolate(images, size=size, mode="bilinear", align_corners=False)
        coarse = functional.interpolate(small, size=images.shape[-2:], mode="bilinear", align_corners=False)
        images = torch.where(_chance(images, share), coarse, images)
    return images


def _focus(images: Tensor) -> Tensor:
    """Blur by one of two widths, or too sharp an edge."""
    for sigma in (0.8, 1.8):
        line = torch.arange(-5, 6, device=images.device, dtype=images.dtype)
        kernel = torch.exp(-(line**2) / (2 * sigma**2))
        kernel = (kernel / kernel.sum()).expand(3, 1, 1, 11)
        soft = functional.conv2d(functional.pad(images, (5, 5, 5, 5), mode="replicate"), kernel, groups=3)
        soft = functional.conv2d(soft, kernel.transpose(2, 3), groups=3)
        sharp = (images + 0.8 * (images - soft)).clamp(0, 1)
        images = torch.where(_chance(images, 0.06), sharp, torch.where(_chance(images, 0.13), soft, images))
    return images


def _shading(images: Tensor) -> Tensor:
    """Uneven illumination."""
    coarse = torch.randn((images.shape[0], 1, 3, 3), device=images.device)
    field = functional.interpolate(coarse, size=images.shape[-2:], mode="bicubic", align_corners=True)
    return torch.where(_chance(images, 0.25), images * torch.exp(0.3 * field), images)


def _noise(images: Tensor) -> Tensor:
    """Read noise and shot noise, fine or as coarse as an enlarged image shows it, of a strength that varies."""
    grain = torch.randn((images.shape[0], 1, *images.shape[-2:]), device=images.device)
    coarse = functional.interpolate(grain[..., ::3, ::3], size=images.shape[-2:], mode="bilinear", align_corners=False)
    grain = torch.where(_chance(images, 0.5), grain, coarse)
    strength = _uniform(images, 0, 0.09) * (0.4 + images.clamp_min(0).sqrt())
    return torch.where(_chance(images, 0.35), images + strength * grain, images)
