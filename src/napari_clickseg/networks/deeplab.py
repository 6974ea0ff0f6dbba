"""DeepLabV3+ of depth-wise separable convolutions, small: the network of ITIS.

Chen et al., "Encoder-decoder with atrous separable convolution for semantic image segmentation" (2018). Image and
guidance enter together. Scaled to small windows: the encoder ends at stride 8, the atrous rates fit a map of 16 x 16,
the widths are about a third of Xception's. One logit stands for the two-class softmax, and equals it: the softmax of
two scores is the sigmoid of their difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_clickseg.networks.blocks import ClickedNetwork, ConvUnit, resized


class SeparableUnit(nn.Sequential):
    """Depth-wise 3 x 3 convolution, then 1 x 1 across channels, each with batch normalisation; ReLU at the end."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, 3, stride, dilation, dilation, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            ConvUnit(inputs, outputs, kernel=1),
        )


class SeparableResidual(nn.Module):
    """Three separable convolutions added to their input; the input is projected where shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            SeparableUnit(inputs, outputs, dilation=dilation),
            SeparableUnit(outputs, outputs, dilation=dilation),
            SeparableUnit(outputs, outputs, stride, dilation),
        )
        self.project = (
            nn.Identity()
            if inputs == outputs and stride == 1
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.body(x) + self.project(x)
        return added


class AtrousPyramid(nn.Module):
    """Atrous spatial pyramid pooling: separable convolutions at several rates, a 1 x 1 one, and the image's mean."""

    def __init__(self, inputs: int, width: int, rates: Sequence[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [ConvUnit(inputs, width, kernel=1), *(SeparableUnit(inputs, width, dilation=rate) for rate in rates)]
        )
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(inputs, width, 1), nn.ReLU(inplace=True))
        self.join = ConvUnit((len(rates) + 2) * width, width, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        seen = [branch(x) for branch in self.branches]
        joined: Tensor = self.join(torch.cat((*seen, self.mean(x).expand_as(seen[0])), dim=1))
        return joined


class DeepLabV3Plus(ClickedNetwork):
    """Image (batch, 3, y, x) and guidance (batch, g, y, x) -> logits, decided at stride 4 and enlarged.

    Parameters
    ----------
    guidance : int
        Channels of the guidance.
    widths : sequence of int
        Channels at strides 2, 4 and 8.
    depth : int
        Residual blocks of the middle flow, at stride 8, every second one with atrous convolutions.
    rates : sequence of int
        Atrous rates of the pyramid.
    pyramid, low : int
        Channels of each branch of the pyramid, and of the low-level skip connection.
    """

    refined_layer = "pyramid"
    """Whose output f-BRS rescales."""

    def __init__(
        self,
        guidance: int,
        widths: Sequence[int] = (32, 96, 256),
        depth: int = 6,
        rates: Sequence[int] = (2, 4, 6),
        pyramid: int = 128,
        low: int = 32,
    ) -> None:
        super().__init__()
        self.enter = ConvUnit(3 + guidance, widths[0], stride=2)
        self.low_level = SeparableResidual(widths[0], widths[1], stride=2)
        self.middle = nn.Sequential(
            SeparableResidual(widths[1], widths[2], stride=2),
            *(SeparableResidual(widths[2], widths[2], dilation=1 + number % 2) for number in range(depth)),
        )
        self.pyramid = AtrousPyramid(widths[2], pyramid, rates)
        self.narrow = ConvUnit(widths[1], low, kernel=1)
        self.decoder = nn.Sequential(
            SeparableUnit(pyramid + low, pyramid), SeparableUnit(pyramid, pyramid), nn.Conv2d(pyramid, 1, 1)
        )

    def outputs(self, image: Tensor, guidance: Tensor) -> tuple[Tensor, ...]:
        low = self.low_level(self.enter(torch.cat((image, guidance), dim=1)))
        high = self.pyramid(functional.relu(self.middle(low)))
        low = self.narrow(functional.relu(low))
        logits = self.decoder(torch.cat((resized(high, low.shape[-2:]), low), dim=1))
        return (resized(logits, image.shape[-2:]),)
