"""Building blocks that networks share: convolutions with normalisation, residual block, pooling, sizes, outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class ClickedNetwork(nn.Module, ABC):
    """A network of image (batch, 3, y, x) and guidance (batch, g, y, x) that may answer more than once.

    The sides must be multiples of 16, at least 64.
    """

    @abstractmethod
    def outputs(self, image: Tensor, guidance: Tensor) -> tuple[Tensor, ...]:
        """Return logits (batch, 1, y, x): the answer first, then the coarser ones that training may look at too."""

    def forward(self, image: Tensor, guidance: Tensor) -> Tensor:
        return self.outputs(image, guidance)[0]


def resized(x: Tensor, size: Sequence[int]) -> Tensor:
    """Return a map brought to a size (y, x), bilinearly; the same map where it has that size already."""
    if x.shape[-2:] == tuple(size):
        return x
    return functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


class ConvUnit(nn.Sequential):
    """3 x 3 (or `kernel` x `kernel`) convolution, batch normalisation, ReLU; keeps the size for stride 1."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, kernel: int = 3, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3 x 3 convolutions added to their input (He et al. 2016); the input is projected where shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.first = ConvUnit(inputs, outputs, stride, dilation=dilation)
        self.second = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, padding=dilation, dilation=dilation, bias=False), nn.BatchNorm2d(outputs)
        )
        self.project = (
            nn.Identity()
            if inputs == outputs and stride == 1
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.second(self.first(x)) + self.project(x), inplace=True)


class Merge(nn.Module):
    """Bring a coarse map to a finer one's size, put both together and convolve: one step up of a U-Net."""

    def __init__(self, coarse: int, fine: int, outputs: int) -> None:
        super().__init__()
        self.conv = ConvUnit(coarse + fine, outputs)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        merged: Tensor = self.conv(torch.cat((resized(coarse, fine.shape[-2:]), fine), dim=1))
        return merged


class PyramidPooling(nn.Module):
    """Means over grids of several sizes, beside the map itself (Zhao et al. 2017).

    The output has ``inputs + len(grids) * width`` channels. A grid of one cell leaves one value per channel, which no
    batch of one image can be normalised by: the pooled branches have no normalisation.

    Parameters
    ----------
    inputs, width : int
        Channels of the map, and of each pooled branch.
    grids : sequence of int
        Cells per side.
    activation : callable
        Makes the module after each branch's convolution.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        grids: Sequence[int] = (1, 2, 3, 6),
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(grid), nn.Conv2d(inputs, width, 1), activation()) for grid in grids
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, *(resized(branch(x), x.shape[-2:]) for branch in self.branches)), dim=1)
