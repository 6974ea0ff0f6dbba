"""Two streams, one for the image and one for clicks and mask, joined late: the network of "Getting to 99 %", scaled.

Forte et al., "Getting to 99 % accuracy in interactive segmentation" (2020), tables 4 and 5: dilated last layers,
pyramid pooling, a U-Net decoder with skip connections from both streams to full resolution, and a guided filter with a
learned guide at the end, which works at the image's own resolution. The pretrained encoder stands for ResNet-50. The
paper's batches are of one image, hence its group normalisation with weight standardisation; here the encoder's batch
normalisation keeps the statistics of pretraining, and the decoder has group normalisation. The decoder has an eighth to
a quarter of the paper's widths, and a sigmoid in place of ``clip(0, 1)``, whose gradient vanishes where an untrained
network starts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_clickseg.networks.blocks import ClickedNetwork, PyramidPooling, resized
from napari_clickseg.networks.clicked_encoder import WIDTHS, ClickedEncoder, joined_entry
from napari_clickseg.networks.guided_filter import GuidedFilter, LearnedGuide

INTERACTION_STRIDES = (1, 2, 1, 2, 2, 1)
SKIPS = (5, 3, 1)
"""Which of the interaction stream's maps join the decoder, at strides 8, 4 and 2."""
SLOPE = 0.01
"""Of LeakyReLU below zero."""
EPSILON = 1e-4
"""Of the guided filter: the guide's deviation below which a place counts as flat is a hundredth of the window's own."""
FAINTEST = 1e-4
"""Alphas are kept this far from 0 and 1, where logits are infinite."""


def _group_norm(width: int) -> nn.GroupNorm:
    """32 groups as in the paper, fewer where a group would have less than four channels."""
    return nn.GroupNorm(min(32, width // 4), width)


class LeakyUnit(nn.Sequential):
    """Convolution and LeakyReLU, and group normalisation after them where wanted.

    Where it is not, several stand in a row: the first weights are scaled so that the signal does not fade.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, normalised: bool = False) -> None:
        conv = nn.Conv2d(inputs, outputs, 3, stride, 1)
        nn.init.kaiming_normal_(conv.weight, SLOPE)
        super().__init__(conv, nn.LeakyReLU(SLOPE, inplace=True), _group_norm(outputs) if normalised else nn.Identity())


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
        self.encoder = ClickedEncoder(joined_entry(guidance - 1), stride=8, frozen=True)
        self.interaction_stream = InteractionStream(guidance, interaction_widths) if interaction else None
        added = [interaction_widths[number] if interaction else 0 for number in sorted(SKIPS)]
        coarse = WIDTHS[3] + added[2]
        self.pooling = PyramidPooling(coarse, pooled, activation=nn.LeakyReLU)
        self.decoder = Decoder((WIDTHS[0] + added[0], WIDTHS[1] + added[1], coarse + 4 * pooled), inputs, decoder)
        self.guide, self.filter = LearnedGuide(), GuidedFilter(epsilon=EPSILON)
        self.guided = guided

    def outputs(self, image: Tensor, guidance: Tensor) -> tuple[Tensor, ...]:
        logits = self._unfiltered(image, guidance)
        return (self.filtered(image, logits),) if self.guided else (logits,)

    def filtered(self, image: Tensor, logits: Tensor, fine: Tensor | None = None) -> Tensor:
        """Return logits (batch, 1, y, x) filtered along the image's edges, of an alpha matte between 0 and 1.

        Parameters
        ----------
        fine : Tensor, optional
            The same window with more pixels, normalised alike: the answer has its size.
        """
        alpha = self.filter(
            self.guide(image), torch.sigmoid(logits.float()), None if fine is None else self.guide(fine)
        )
        return torch.logit(alpha, eps=FAINTEST)

    def _unfiltered(self, image: Tensor, guidance: Tensor) -> Tensor:
        clicks = guidance[:, :-1]
        finest, fine, _, coarse = self.encoder(image, clicks)
        maps: Sequence[Tensor] = (finest, fine, coarse)
        if self.interaction_stream is not None:
            interaction = self.interaction_stream(guidance)
            maps = [torch.cat(pair, dim=1) for pair in zip(maps, interaction, strict=True)]
        logits: Tensor = self.decoder((*maps[:2], self.pooling(maps[2])), torch.cat((image, clicks), dim=1))
        return logits
