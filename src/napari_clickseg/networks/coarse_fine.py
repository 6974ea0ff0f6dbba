"""A pretrained encoder with squeeze and excitation, a coarse decoder and a fine one on top of it: the network of BRS.

Jang and Kim, "Interactive image segmentation via backpropagating refinement scheme" (2019), figure 2: an encoder whose
blocks end with squeeze and excitation (Hu et al. 2018); a coarse decoder of four blocks of three convolutions with skip
connections; a fine decoder of three atrous blocks that sees the coarse map and the input. The pretrained encoder stands
for DenseNet and ends at stride 16.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_clickseg.networks.blocks import ClickedNetwork
from napari_clickseg.networks.clicked_encoder import WIDTHS, ClickedEncoder, joined_entry

DILATIONS = (2, 4, 8)
"""Of the fine decoder's atrous blocks."""


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
    coarse : sequence of int
        Channels of the coarse decoder at strides 16, 8, 4 and 2.
    fine : int
        Channels of the fine decoder, which works at stride 2.
    """

    refined_layer = "coarse.blocks.0"
    """Whose output f-BRS rescales."""

    def __init__(self, guidance: int, coarse: Sequence[int] = (128, 96, 64, 32), fine: int = 16) -> None:
        super().__init__()
        self.encoder = ClickedEncoder(joined_entry(guidance))
        self.excitations = nn.ModuleList(Excitation(width) for width in WIDTHS)
        self.coarse = CoarseDecoder(WIDTHS, coarse)
        self.fine = nn.Sequential(
            ParametricUnit(3 + guidance + 1, fine, stride=2),
            *(ParametricUnit(fine, fine, dilation=dilation) for dilation in DILATIONS),
            nn.Conv2d(fine, 1, 1),
            _raise(1, 1),
        )

    def outputs(self, image: Tensor, guidance: Tensor) -> tuple[Tensor, ...]:
        maps = [excite(x) for excite, x in zip(self.excitations, self.encoder(image, guidance), strict=True)]
        coarse = self.coarse(maps)
        return self.fine(torch.cat((image, guidance, torch.sigmoid(coarse)), dim=1)), coarse
