"""Building blocks that networks share: convolution with normalisation, residual block, upsampling to a given size."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ConvUnit(nn.Sequential):
    """3 x 3 (or `kernel` x `kernel`) convolution, batch normalisation, ReLU; keeps the size for stride 1."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3 x 3 convolutions added to their input (He et al. 2016); the input is projected where shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = ConvUnit(inputs, outputs, stride)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs))
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
        raised = functional.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        merged: Tensor = self.conv(torch.cat((raised, fine), dim=1))
        return merged
