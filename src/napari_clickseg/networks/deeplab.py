"""DeepLabV3+ of depth-wise separable convolutions: the network of ITIS, and of RITM with another entry of the clicks.

Chen et al., "Encoder-decoder with atrous separable convolution for semantic image segmentation" (2018). The pretrained
encoder stands for Xception (ITIS) and for ResNet-34 (RITM, whose DeepLabV3+ is its second backbone beside HRNet).
Scaled to windows that show an object with about half the pixels per side of the papers' images: the encoder ends at
stride 8, the atrous rates fit a map of 16 x 16, the low-level skip lies at stride 2 instead of 4. One logit stands for
the two-class softmax, and equals it: the softmax of two scores is the sigmoid of their difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_clickseg.networks.blocks import ClickedNetwork, ConvUnit, resized
from napari_clickseg.networks.clicked_encoder import WIDTHS, ClickedEncoder, conv1s_entry, joined_entry


class SeparableUnit(nn.Sequential):
    """Depth-wise 3 x 3 convolution, then 1 x 1 across channels, each with batch normalisation; ReLU at the end."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, 3, stride, dilation, dilation, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            ConvUnit(inputs, outputs, kernel=1),
        )


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


ENTRIES = {"joined": joined_entry, "conv1s": conv1s_entry}
"""How guidance enters the encoder."""


class DeepLabV3Plus(ClickedNetwork):
    """Image (batch, 3, y, x) and guidance (batch, g, y, x) -> logits, decided at stride 2 and enlarged.

    Parameters
    ----------
    guidance : int
        Channels of the guidance.
    entry : str
        "joined" puts the guidance beside the image (ITIS), "conv1s" lets it pass a block of its own (RITM).
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
        entry: str = "joined",
        rates: Sequence[int] = (2, 4, 6),
        pyramid: int = 192,
        low: int = 32,
    ) -> None:
        super().__init__()
        if entry not in ENTRIES:
            raise ValueError(f"Guidance enters a DeepLabV3Plus by {' or '.join(ENTRIES)}, not {entry!r}.")
        self.encoder = ClickedEncoder(ENTRIES[entry](guidance), stride=8)
        self.pyramid = AtrousPyramid(WIDTHS[-1], pyramid, rates)
        self.narrow = ConvUnit(WIDTHS[0], low, kernel=1)
        self.decoder = nn.Sequential(
            SeparableUnit(pyramid + low, pyramid // 2),
            SeparableUnit(pyramid // 2, pyramid // 2),
            nn.Conv2d(pyramid // 2, 1, 1),
        )

    def outputs(self, image: Tensor, guidance: Tensor) -> tuple[Tensor, ...]:
        low, *_, high = self.encoder(image, guidance)
        low, high = self.narrow(low), self.pyramid(high)
        logits = self.decoder(torch.cat((resized(high, low.shape[-2:]), low), dim=1))
        return (resized(logits, image.shape[-2:]),)
