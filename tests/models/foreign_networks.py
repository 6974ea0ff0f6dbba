"""Networks that strangers might have made: small, with random weights, and with odd habits."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TinyUNet(nn.Module):
    """A U-Net of two levels; sides must be multiples of 4."""

    def __init__(self, channels: int = 1, outputs: int = 1, width: int = 4) -> None:
        super().__init__()
        self.top = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.middle = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU())
        self.bottom = nn.Conv2d(width, width, 3, padding=1)
        self.up = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.leave = nn.Conv2d(2 * width, outputs, 1)

    def forward(self, image: Tensor) -> Tensor:
        top = self.top(image)
        middle = self.middle(nn.functional.max_pool2d(top, 2))
        bottom = nn.functional.max_pool2d(middle, 2)
        risen = self.up(self.up(self.bottom(bottom)))
        return self.leave(torch.cat([top, risen], 1))


def seeded(seed: int = 0, **options: int) -> TinyUNet:
    """A TinyUNet with the weights of a seed, as training would leave it."""
    torch.manual_seed(seed)
    network = TinyUNet(**options)
    for _ in range(3):
        network(torch.randn(2, network.top[0].in_channels, 16, 16))
    return network.eval()
