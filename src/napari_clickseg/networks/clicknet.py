"""ClickNet, the network of the default model: a heavy image stream that clicks do not touch, and a light click stream.

The image stream runs once per window and its features are kept; a further click runs the click stream alone. Both are
U-Nets with skip connections at full resolution; the click stream sees the image stream's features at every scale.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_clickseg.networks.blocks import ConvUnit, Merge, Residual

Features = tuple[Tensor, ...]
"""One map per scale, finest first."""


class ImageStream(nn.Module):
    """Image (batch, 3, y, x) -> features at strides 1, 2, 4, 8, 16; sides must be multiples of 16."""

    def __init__(self, widths: Sequence[int], depths: Sequence[int], outputs: Sequence[int]) -> None:
        super().__init__()
        stages: list[nn.Module] = [nn.Sequential(ConvUnit(3, widths[0]), ConvUnit(widths[0], widths[0]))]
        for inputs, width, depth in zip(widths, widths[1:], depths, strict=False):
            blocks = [Residual(inputs, width, stride=2), *(Residual(width, width) for _ in range(depth - 1))]
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.top = ConvUnit(widths[-1], outputs[-1])
        self.merges = nn.ModuleList(
            Merge(coarse, fine, out) for coarse, fine, out in zip(outputs[1:], widths[:-1], outputs[:-1], strict=True)
        )

    def forward(self, image: Tensor) -> Features:
        maps = []
        x = image
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        x = self.top(x)
        features = [x]
        for merge, fine in zip(reversed(self.merges), reversed(maps[:-1]), strict=True):
            x = merge(x, fine)
            features.append(x)
        return tuple(reversed(features))


class ClickStream(nn.Module):
    """Guidance (batch, g, y, x) and image features -> logits (batch, 1, y, x)."""

    def __init__(self, guidance: int, image_widths: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        self.enter = ConvUnit(guidance + image_widths[0], widths[0])
        self.downs = nn.ModuleList(ConvUnit(a, a, stride=2) for a in widths[:-1])
        self.joins = nn.ModuleList(
            Residual(below + seen, out)
            for below, seen, out in zip(widths[:-1], image_widths[1:], widths[1:], strict=True)
        )
        self.merges = nn.ModuleList(
            Merge(coarse, fine, fine) for coarse, fine in zip(widths[1:], widths[:-1], strict=True)
        )
        self.leave = nn.Sequential(ConvUnit(widths[0], widths[0]), nn.Conv2d(widths[0], 1, 1))

    def forward(self, features: Features, guidance: Tensor) -> Tensor:
        x = self.enter(torch.cat((guidance, features[0]), dim=1))
        maps = [x]
        for down, join, seen in zip(self.downs, self.joins, features[1:], strict=True):
            x = join(torch.cat((down(x), seen), dim=1))
            maps.append(x)
        for merge, fine in zip(reversed(self.merges), reversed(maps[:-1]), strict=True):
            x = merge(x, fine)
        logits: Tensor = self.leave(x)
        return logits


class ClickNet(nn.Module):
    """The two streams. `forward` runs both; `encode` and `decode` run one each.

    Parameters
    ----------
    guidance : int
        Channels of the guidance (clicks and prior mask).
    widths, depths : sequences of int
        Channels of the image stream per scale, and residual blocks per scale from stride 2 on.
    features : sequence of int
        Channels of the image stream's output per scale.
    click_widths : sequence of int
        Channels of the click stream per scale.
    """

    def __init__(
        self,
        guidance: int,
        widths: Sequence[int] = (16, 32, 64, 128, 192),
        depths: Sequence[int] = (2, 3, 3, 3),
        features: Sequence[int] = (16, 32, 64, 96, 128),
        click_widths: Sequence[int] = (16, 32, 64, 96, 128),
    ) -> None:
        super().__init__()
        self.image_stream = ImageStream(widths, depths, features)
        self.click_stream = ClickStream(guidance, features, click_widths)

    def encode(self, image: Tensor) -> Features:
        """Return the features of an image (batch, 3, y, x), normalised."""
        features: Features = self.image_stream(image)
        return features

    def decode(self, features: Features, guidance: Tensor) -> Tensor:
        """Return logits (batch, 1, y, x) for a guidance (batch, g, y, x)."""
        logits: Tensor = self.click_stream(features, guidance)
        return logits

    def forward(self, image: Tensor, guidance: Tensor) -> Tensor:
        return self.decode(self.encode(image), guidance)
