"""Networks that strangers might have made: small, with random weights, and some with odd habits."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own custom


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
        middle = self.middle(F.max_pool2d(top, 2))
        bottom = F.max_pool2d(middle, 2)
        risen = self.up(self.up(self.bottom(bottom)))
        return self.leave(torch.cat([top, risen], 1))


class Volumes(nn.Module):
    """One convolution of volumes."""

    def __init__(self) -> None:
        super().__init__()
        self.only = nn.Conv3d(1, 1, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        return self.only(image)


class Picky(nn.Module):
    """One convolution that refuses small images."""

    def __init__(self) -> None:
        super().__init__()
        self.only = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        if image.shape[2] < 16:
            raise ValueError("too small")
        return self.only(image)


class Habit(nn.Module):
    """One convolution, and then something that an engine may stumble on."""

    def __init__(self, habit: str, channels: int = 1, outputs: int = 1) -> None:
        super().__init__()
        self.habit = habit
        self.only = nn.Conv2d(channels, outputs, 3, padding=1)

    def forward(self, image: Tensor) -> object:
        seen = self.only(image)
        return {
            "sigmoid": lambda: torch.sigmoid(seen),
            "softmax": lambda: torch.softmax(seen, 1),
            "classes": lambda: seen.argmax(1, keepdim=True),
            "smaller": lambda: seen[:, :, ::2, ::2],
            "flat": lambda: seen.flatten(1),
            "no gradient": seen.detach,
            "steps": lambda: (seen > 0).float(),
            "pair": lambda: (seen.mean((2, 3)), {"mask": seen}),
            "fixed": lambda: seen + torch.zeros(96, 96),
            "nothing": lambda: None,
        }[self.habit]()


def seeded(seed: int = 0, **options: int) -> TinyUNet:
    """A TinyUNet with the weights of a seed and statistics of a few batches, as training would leave it."""
    torch.manual_seed(seed)
    network = TinyUNet(**options)
    for _ in range(3):
        network(torch.randn(2, network.top[0].in_channels, 16, 16))
    return network.eval().requires_grad_(False)
