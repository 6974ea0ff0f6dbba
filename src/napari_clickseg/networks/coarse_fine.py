"""A DenseNet encoder, a coarse decoder and a fine one on top of it: the network of BRS, scaled.

Jang and Kim, "Interactive image segmentation via backpropagating refinement scheme" (2019), figure 2: dense blocks
(Huang et al. 2017) each ending with squeeze and excitation (Hu et al. 2018); a coarse decoder of four blocks of three
convolutions with skip connections; a fine decoder of three atrous blocks that sees the coarse map and the input.
Scaled: fewer and thinner dense layers, and a last dense block that stays at stride 16.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_clickseg.networks.blocks import ClickedNetwork, ConvUnit

DILATIONS = (2, 4, 8)
"""Of the fine decoder's atrous blocks."""


class DenseLayer(nn.Module):
    """Normalise, ReLU, 1 x 1, normalise, ReLU, 3 x 3: what it adds is put beside what it saw."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            ConvUnit(inputs, 4 * growth, kernel=1),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.body(x)), dim=1)


class Excitation(nn.Module):
    """Squeeze and excitation: every channel is weighted by what the whole map holds."""

    def __init__(self, width: int, reduction: int = 8) -> None:
        super().__init__()
        self.gates = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, width // reduction, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // reduction, width, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        gated: Tensor = x * self.gates(x)
        return gated


class ParametricUnit(nn.Sequential):
    """3 x 3 convolution, parametric ReLU, batch normalisation: in the decoders of the paper, in this order."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False),
            nn.PReLU(outputs),
            nn.BatchNorm2d(outputs),
        )


def _raise(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """Deconvolution to twice the size."""
    return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)


class DenseEncoder(nn.Module):
    """Input (batch, c, y, x) -> maps at strides 2, 4, 8 and 16, finest first; `widths` tells their channels."""

    def __init__(self, inputs: int, stem: int, growth: int, depths: Sequence[int]) -> None:
        super().__init__()
        self.stem = ConvUnit(inputs, stem, stride=2)
        self.pools = nn.ModuleList([nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2), nn.AvgPool2d(2), nn.Identity()])
        self.blocks, self.narrows = nn.ModuleList(), nn.ModuleList()
        width, narrowed = stem, []
        for depth in depths:
            layers = [DenseLayer(width + growth * number, growth) for number in range(depth)]
            width += growth * depth
            self.blocks.append(nn.Sequential(*layers, Excitation(width)))
            half = 8 * round(width / 16)
            self.narrows.append(ConvUnit(width, half, kernel=1))
            narrowed.append(half)
            width = half
        self.widths = (stem, *narrowed[:2], narrowed[3])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps = [self.stem(x)]
        for pool, block, narrow in zip(self.pools, self.blocks, self.narrows, strict=True):
            maps.append(narrow(block(pool(maps[-1]))))
        return (*maps[:3], maps[4])


class CoarseDecoder(nn.Module):
    """Maps at strides 2, 4, 8 and 16 -> logits (batch, 1, y, x) at full size, decided at stride 2."""

    def __init__(self, seen: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        raised = [0, *widths[:-1]]
        self.raises = nn.ModuleList(_raise(width, width) for width in widths[:-1])
        self.blocks = nn.ModuleList(
            nn.Sequential(ParametricUnit(above + skip, out), ParametricUnit(out, out), ParametricUnit(out, out))
            for above, skip, out in zip(raised, reversed(seen), widths, strict=True)
        )
        self.decide = nn.Sequential(nn.Conv2d(widths[-1], 1, 1), _raise(1, 1))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        x = self.blocks[0](maps[-1])
        for enlarge, block, skip in zip(self.raises, list(self.blocks)[1:], maps[-2::-1], strict=True):
            x = block(torch.cat((enlarge(x), skip), dim=1))
        logits: Tensor = self.decide(x)
        return logits


class CoarseFineNet(ClickedNetwork):
    """Image (batch, 3, y, x) and guidance (batch, g, y, x) -> fine and coarse logits.

    Parameters
    ----------
    guidance : int
        Channels of the guidance.
    stem, growth : int
        Channels of the first convolution, and those that each dense layer adds.
    depths : sequence of int
        Dense layers of the four blocks.
    coarse : sequence of int
        Channels of the coarse decoder at strides 16, 8, 4 and 2.
    fine : int
        Channels of the fine decoder, which works at stride 2.
    """

    refined_layer = "coarse.blocks.0"
    """Whose output f-BRS rescales."""

    def __init__(
        self,
        guidance: int,
        stem: int = 32,
        growth: int = 24,
        depths: Sequence[int] = (4, 6, 8, 8),
        coarse: Sequence[int] = (128, 96, 64, 16),
        fine: int = 16,
    ) -> None:
        super().__init__()
        self.encoder = DenseEncoder(3 + guidance, stem, growth, depths)
        self.coarse = CoarseDecoder(self.encoder.widths, coarse)
        self.fine = nn.Sequential(
            ParametricUnit(3 + guidance + 1, fine, stride=2),
            *(ParametricUnit(fine, fine, dilation=dilation) for dilation in DILATIONS),
            nn.Conv2d(fine, 1, 1),
            _raise(1, 1),
        )

    def outputs(self, image: Tensor, guidance: Tensor) -> tuple[Tensor, ...]:
        inputs = torch.cat((image, guidance), dim=1)
        coarse = self.coarse(self.encoder(inputs))
        return self.fine(torch.cat((inputs, torch.sigmoid(coarse)), dim=1)), coarse
