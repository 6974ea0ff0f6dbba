"""A dilated ResNet with a pyramid pooling head: the network of the superpixel box, scaled.

DeepLab-v2 (Chen et al. 2018) is a ResNet whose last two stages are dilated instead of strided; the head is the pyramid
pooling of PSPNet (Zhao et al. 2017). ResNet-101 there, a narrow ResNet-18 here. Image and guidance enter together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_clickseg.networks.blocks import ClickedNetwork, ConvUnit, PyramidPooling, Residual, resized

STRIDES = (1, 2, 1, 1)
DILATIONS = (1, 1, 2, 4)
"""Of the four stages: the last two see farther instead of coarser."""
POOLING_STRIDES = {8: 2, 4: 1}
"""Of the pooling after the first convolution, by the stride at which the network decides."""


class PyramidNet(ClickedNetwork):
    """Image (batch, 3, y, x) and guidance (batch, g, y, x) -> logits, decided at a coarse stride and enlarged.

    Parameters
    ----------
    guidance : int
        Channels of the guidance.
    widths, depths : sequences of int
        Channels and residual blocks of the four stages.
    pooled : int
        Channels of each branch of the pyramid pooling.
    head : int
        Channels of the convolution that follows it.
    stride : int
        8 as in the paper, or 4 (the first pooling keeps the size) for windows much smaller than the paper's images.
    """

    refined_layer = "pooling"
    """Whose output f-BRS rescales."""

    def __init__(
        self,
        guidance: int,
        widths: Sequence[int] = (48, 96, 160, 224),
        depths: Sequence[int] = (2, 2, 2, 2),
        pooled: int = 64,
        head: int = 128,
        stride: int = 8,
    ) -> None:
        super().__init__()
        if stride not in POOLING_STRIDES:
            raise ValueError(f"A PyramidNet decides at stride {' or '.join(map(str, POOLING_STRIDES))}, not {stride}.")
        stages: list[nn.Module] = [ConvUnit(3 + guidance, widths[0], 2), nn.MaxPool2d(3, POOLING_STRIDES[stride], 1)]
        inputs = widths[0]
        for width, depth, step, dilation in zip(widths, depths, STRIDES, DILATIONS, strict=True):
            stages.append(Residual(inputs, width, step, dilation))
            stages.extend(Residual(width, width, dilation=dilation) for _ in range(depth - 1))
            inputs = width
        self.encoder = nn.Sequential(*stages)
        self.pooling = PyramidPooling(inputs, pooled)
        self.head = nn.Sequential(ConvUnit(inputs + 4 * pooled, head), nn.Conv2d(head, 1, 1))

    def outputs(self, image: Tensor, guidance: Tensor) -> tuple[Tensor, ...]:
        features = self.encoder(torch.cat((image, guidance), dim=1))
        return (resized(self.head(self.pooling(features)), image.shape[-2:]),)
