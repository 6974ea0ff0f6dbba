"""Variety of intensities: what differs between microscopes, stains and exposures, applied to windows on the device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def vary(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return windows (batch, 3, y, x) in 0..1 with varied polarity, tone, colour, focus, shading and noise."""
    images = _tone(images, generator)
    images = _colour(images, generator)
    images = _focus(images, generator)
    images = _shading(images, generator)
    return _noise(images, generator)


def _uniform(images: Tensor, low: float, high: float, generator: torch.Generator, channels: int = 1) -> Tensor:
    shape = (images.shape[0], channels, 1, 1)
    return low + (high - low) * torch.rand(shape, device=images.device, generator=generator)


def _chance(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    return _uniform(images, 0, 1, generator) < share


def _tone(images: Tensor, generator: torch.Generator) -> Tensor:
    """Inversion and gamma."""
    images = torch.where(_chance(images, 0.15, generator), 1 - images, images)
    gamma = torch.exp2(_uniform(images, -1.0, 1.0, generator))
    return images.clamp(1e-4, 1) ** torch.where(_chance(images, 0.5, generator), gamma, torch.ones_like(gamma))


def _colour(images: Tensor, generator: torch.Generator) -> Tensor:
    """Grey for some, channels weighted, shifted and shuffled for others."""
    grey = images.mean(dim=1, keepdim=True).expand_as(images)
    images = torch.where(_chance(images, 0.2, generator), grey, images)
    tinted = images * _uniform(images, 0.5, 1.3, generator, 3) + _uniform(images, -0.15, 0.15, generator, 3)
    images = torch.where(_chance(images, 0.25, generator), tinted, images)
    order = torch.randperm(3, device=images.device, generator=generator)
    return torch.where(_chance(images, 0.2, generator), images[:, order], images)


def _focus(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blur by one of two widths."""
    for sigma in (0.8, 1.8):
        line = torch.arange(-5, 6, device=images.device, dtype=images.dtype)
        kernel = torch.exp(-(line**2) / (2 * sigma**2))
        kernel = (kernel / kernel.sum()).expand(3, 1, 1, 11)
        soft = functional.conv2d(functional.pad(images, (5, 5, 5, 5), mode="replicate"), kernel, groups=3)
        soft = functional.conv2d(soft, kernel.transpose(2, 3), groups=3)
        images = torch.where(_chance(images, 0.15, generator), soft, images)
    return images


def _shading(images: Tensor, generator: torch.Generator) -> Tensor:
    """Uneven illumination."""
    coarse = torch.randn((images.shape[0], 1, 3, 3), device=images.device, generator=generator)
    field = functional.interpolate(coarse, size=images.shape[-2:], mode="bicubic", align_corners=True)
    return torch.where(_chance(images, 0.25, generator), images * torch.exp(0.3 * field), images)


def _noise(images: Tensor, generator: torch.Generator) -> Tensor:
    """Read noise and shot noise, fine or as coarse as an enlarged image shows it, of a strength that varies."""
    grain = torch.randn((images.shape[0], 1, *images.shape[-2:]), device=images.device, generator=generator)
    coarse = functional.interpolate(grain[..., ::3, ::3], size=images.shape[-2:], mode="bilinear", align_corners=False)
    grain = torch.where(_chance(images, 0.5, generator), grain, coarse)
    strength = _uniform(images, 0, 0.08, generator) * (0.4 + images.clamp_min(0).sqrt())
    return torch.where(_chance(images, 0.35, generator), images + strength * grain, images)
