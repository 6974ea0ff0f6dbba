"""Two streams, one for the image and one for clicks and mask, joined late: the network of "Getting to 99 %", scaled.

Forte et al., "Getting to 99 % accuracy in interactive segmentation" (2020), tables 4 and 5: group normalisation with
weight standardisation, dilated last layers, pyramid pooling, a U-Net decoder with skip connections from both streams
to full resolution, and a guided filter at the end. Basic residual blocks instead of ResNet-50's, an eighth to a quarter
of the widths, and a sigmoid in place of ``clip(0, 1)``, whose gradient vanishes where an untrained network starts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_clickseg.networks.blocks import ClickedNetwork, PyramidPooling, resized
from napari_clickseg.networks.guided_filter import GuidedFilter

STRIDES = (1, 2, 1, 1)
DILATIONS = (1, 1, 2, 4)
"""Of the image stream's four layers."""
INTERACTION_STRIDES = (1, 2, 1, 2, 2, 1)
SKIPS = (5, 3, 1)
"""Which of the interaction stream's maps join the decoder, at strides 8, 4 and 2."""
SLOPE = 0.01
"""Of LeakyReLU below zero."""
FAINTEST = 1e-4
"""Alphas are kept this far from 0 and 1, where logits are infinite."""


class StandardisedConv(nn.Conv2d):
    """Convolution whose weights have mean 0 and deviation 1 per output channel (Qiao et al. 2019)."""

    def forward(self, x: Tensor) -> Tensor:
        deviation, mean = torch.std_mean(self.weight, dim=(1, 2, 3), keepdim=True)
        weight = (self.weight - mean) / (deviation + 1e-5)
        return functional.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation)


def _group_norm(width: int) -> nn.GroupNorm:
    """32 groups as in the paper, fewer where a group would have less than four channels."""
    return nn.GroupNorm(min(32, width // 4), width)


class GroupUnit(nn.Sequential):
    """Standardised convolution, group normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            StandardisedConv(inputs, outputs, 3, stride, dilation, dilation, bias=False),
            _group_norm(outputs),
            nn.ReLU(inplace=True),
        )


class GroupResidual(nn.Module):
    """Two standardised 3 x 3 convolutions added to their input, which is projected where shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.first = GroupUnit(inputs, outputs, stride, dilation)
        self.second = nn.Sequential(
            StandardisedConv(outputs, outputs, 3, 1, dilation, dilation, bias=False), _group_norm(outputs)
        )
        self.project = (
            nn.Identity()
            if inputs == outputs and stride == 1
            else nn.Sequential(StandardisedConv(inputs, outputs, 1, stride, bias=False), _group_norm(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.second(self.first(x)) + self.project(x), inplace=True)


class LeakyUnit(nn.Sequential):
    """Convolution and LeakyReLU, and group normalisation after them where wanted.

    Where it is not, several stand in a row: the first weights are scaled so that the signal does not fade.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, normalised: bool = False) -> None:
        conv = nn.Conv2d(inputs, outputs, 3, stride, 1)
        nn.init.kaiming_normal_(conv.weight, SLOPE)
        super().__init__(conv, nn.LeakyReLU(SLOPE, inplace=True), _group_norm(outputs) if normalised else nn.Identity())


class ImageStream(nn.Module):
    """Image and click maps (batch, c, y, x) -> maps at strides 2, 4 and 8, finest first."""

    def __init__(self, inputs: int, stem: int, widths: Sequence[int], depth: int) -> None:
        super().__init__()
        self.stem = GroupUnit(inputs, stem, stride=2)
        self.pool = nn.MaxPool2d(3, 2, 1)
        layers = []
        for below, width, stride, dilation in zip((stem, *widths[:-1]), widths, STRIDES, DILATIONS, strict=True):
            rest = (GroupResidual(width, width, dilation=dilation) for _ in range(depth - 1))
            layers.append(nn.Sequential(GroupResidual(below, width, stride, dilation), *rest))
        self.fine, self.coarse = layers[0], nn.Sequential(*layers[1:])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        stem = self.stem(x)
        fine = self.fine(self.pool(stem))
        return stem, fine, self.coarse(fine)


class InteractionStream(nn.Module):
    """Click maps and previous mask (batch, g, y, x) -> maps at strides 2, 4 and 8, finest first."""

    def __init__(self, guidance: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.units = nn.ModuleList(
            LeakyUnit(inputs, outputs, stride)
            for inputs, outputs, stride in zip((guidance, *widths[:-1]), widths, INTERACTION_STRIDES, strict=True)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps = []
        for unit in self.units:
            x = unit(x)
            maps.append(x)
        return tuple(maps[number] for number in sorted(SKIPS))


class Decoder(nn.Module):
    """Maps of both streams at strides 2, 4 and 8, and the input, -> logits at full resolution.

    Parameters
    ----------
    skips : sequence of int
        Channels of both streams together at strides 2, 4 and 8; the last after pyramid pooling.
    inputs : int
        Channels of image and click maps.
    widths : sequence of int
        Channels at strides 8, 4, 2, and of the two convolutions at full resolution.
    """

    def __init__(self, skips: Sequence[int], inputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        at_8, at_4, at_2, first, second = widths
        self.low = nn.Sequential(LeakyUnit(skips[2], at_8, normalised=True), LeakyUnit(at_8, at_8, normalised=True))
        self.middle = LeakyUnit(at_8 + skips[1], at_4, normalised=True)
        self.high = LeakyUnit(at_4 + skips[0], at_2, normalised=True)
        self.full = nn.Sequential(LeakyUnit(at_2 + inputs, first), LeakyUnit(first, second), nn.Conv2d(second, 1, 1))

    def forward(self, maps: Sequence[Tensor], inputs: Tensor) -> Tensor:
        x = self.low(maps[2])
        for unit, fine in ((self.middle, maps[1]), (self.high, maps[0]), (self.full, inputs)):
            x = unit(torch.cat((resized(x, fine.shape[-2:]), fine), dim=1))
        logits: Tensor = x
        return logits


class TwoStreamNet(ClickedNetwork):
    """Image (batch, 3, y, x) and guidance (batch, g, y, x) -> logits of an alpha matte.

    The guidance's last channel is the previous mask, the others are click maps. The image stream sees image and click
    maps, the interaction stream all of the guidance: a bad previous mask cannot spoil the image's features.

    Parameters
    ----------
    guidance : int
        Channels of the guidance, at least 2.
    interaction : bool
        Whether there is an interaction stream. Without one, nothing sees the previous mask (the paper's baseline).
    guided : bool
        Whether the matte is filtered along the image's edges at the end; may be switched afterwards.
    stem, widths, depth
        Channels of the image stream's first convolution and of its four layers, and residual blocks per layer.
    interaction_widths : sequence of int
        Channels of the six convolutions of the interaction stream.
    pooled : int
        Channels of each branch of the pyramid pooling.
    decoder : sequence of int
        Channels at strides 8, 4, 2, and of the two convolutions at full resolution.
    """

    refined_layer = "pooling"
    """Whose output f-BRS rescales."""

    def __init__(
        self,
        guidance: int,
        interaction: bool = True,
        guided: bool = True,
        stem: int = 32,
        widths: Sequence[int] = (32, 64, 128, 256),
        depth: int = 2,
        interaction_widths: Sequence[int] = (8, 16, 32, 32, 64, 64),
        pooled: int = 64,
        decoder: Sequence[int] = (128, 64, 16, 16, 8),
    ) -> None:
        super().__init__()
        if guidance < 2:
            raise ValueError(
                f"A TwoStreamNet needs click maps and the previous mask as guidance, not {guidance} channel."
            )
        inputs = 3 + guidance - 1
        self.image_stream = ImageStream(inputs, stem, widths, depth)
        self.interaction_stream = InteractionStream(guidance, interaction_widths) if interaction else None
        said = [interaction_widths[number] if interaction else 0 for number in sorted(SKIPS)]
        coarse = widths[-1] + said[2]
        self.pooling = PyramidPooling(coarse, pooled, activation=nn.LeakyReLU)
        self.decoder = Decoder((stem + said[0], widths[0] + said[1], coarse + 4 * pooled), inputs, decoder)
        self.filter = GuidedFilter()
        self.guided = guided

    def outputs(self, image: Tensor, guidance: Tensor) -> tuple[Tensor, ...]:
        inputs = torch.cat((image, guidance[:, :-1]), dim=1)
        maps: Sequence[Tensor] = self.image_stream(inputs)
        if self.interaction_stream is not None:
            said = self.interaction_stream(guidance)
            maps = [torch.cat(pair, dim=1) for pair in zip(maps, said, strict=True)]
        logits: Tensor = self.decoder((*maps[:2], self.pooling(maps[2])), inputs)
        if not self.guided:
            return (logits,)
        alpha = self.filter(image, torch.sigmoid(logits.float()))
        return (torch.logit(alpha, eps=FAINTEST),)
