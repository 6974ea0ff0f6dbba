"""An ordinary U-Net: image in, classes out, and no click anywhere. What a lab has that does not click yet.

Ronneberger et al., "U-Net: convolutional networks for biomedical image segmentation" (2015), with what is usual today:
padded convolutions, batch normalisation, and enlargement by repetition.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from napari_clickseg.networks.blocks import ConvUnit


class UNet(nn.Module):
    """Image (batch, channels, y, x) -> logits (batch, outputs, y, x); sides must be multiples of ``2**depth``.

    Parameters
    ----------
    channels, outputs : int
        Of the image, and of the answer.
    width : int
        Channels at full size. Each of the `depth` halvings doubles them, up to `widest`.
    depth : int
        How often the sides are halved, at least once.
    widest : int
        The most channels of a map.

    Raises
    ------
    ValueError
        For a depth, or a number of channels, that is no network.

    Examples
    --------
    >>> UNet(channels=1, outputs=2, width=8, depth=2)(torch.zeros(1, 1, 8, 12)).shape
    torch.Size([1, 2, 8, 12])
    """

    refined_layer = "ups.0"
    """Whose output f-BRS rescales: the coarsest map on the way up."""

    def __init__(self, channels: int = 3, outputs: int = 3, width: int = 16, depth: int = 4, widest: int = 128) -> None:
        super().__init__()
        if min(channels, outputs, width, depth, widest) < 1:
            raise ValueError(
                f"A U-Net has at least one channel, output and halving, but is to have channels={channels}, "
                f"outputs={outputs}, width={width}, depth={depth}, widest={widest}."
            )
        widths = [min(width * 2**level, widest) for level in range(depth + 1)]
        self.enter = _pair(channels, widths[0])
        self.downs = nn.ModuleList(_pair(a, b) for a, b in pairwise(widths))
        self.ups = nn.ModuleList(_pair(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.halve = nn.MaxPool2d(2)
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")
        self.leave = nn.Conv2d(widths[0], outputs, 1)

    def forward(self, image: Tensor) -> Tensor:
        maps = [self.enter(image)]
        for down in self.downs:
            maps.append(down(self.halve(maps[-1])))
        x = maps.pop()
        for up in self.ups:
            x = up(torch.cat((self.enlarge(x), maps.pop()), dim=1))
        logits: Tensor = self.leave(x)
        return logits


def _pair(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(ConvUnit(inputs, outputs), ConvUnit(outputs, outputs))
