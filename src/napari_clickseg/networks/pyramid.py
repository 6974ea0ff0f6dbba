"""A dilated encoder with a pyramid pooling head: the network of superpixel-box guidance.

DeepLab-v2 (Chen et al. 2018) is a ResNet whose last two stages are dilated instead of strided; the head is the pyramid
pooling of PSPNet (Zhao et al. 2017). The pretrained encoder stands for ResNet-101. Image and guidance enter together.
"""

from __future__ import annotations

from torch import Tensor, nn

from napari_clickseg.networks.blocks import ClickedNetwork, ConvUnit, PyramidPooling, resized
from napari_clickseg.networks.clicked_encoder import WIDTHS, ClickedEncoder, joined_entry


class PyramidNet(ClickedNetwork):
    """Image (batch, 3, y, x) and guidance (batch, g, y, x) -> logits, decided at a coarse stride and enlarged.

    Parameters
    ----------
    guidance : int
        Channels of the guidance.
    pooled : int
        Channels of each branch of the pyramid pooling.
    head : int
        Channels of the convolution that follows it.
    stride : int
        8 as in the paper, or 4 for windows that show an object with half the pixels per side of the paper's images.
    """

    refined_layer = "pooling"
    """Whose output f-BRS rescales."""

    def __init__(self, guidance: int, pooled: int = 64, head: int = 128, stride: int = 8) -> None:
        super().__init__()
        if stride not in (4, 8):
            raise ValueError(f"A PyramidNet decides at stride 8 or 4, not {stride}.")
        self.encoder = ClickedEncoder(joined_entry(guidance), stride)
        self.pooling = PyramidPooling(WIDTHS[-1], pooled)
        self.head = nn.Sequential(ConvUnit(WIDTHS[-1] + 4 * pooled, head), nn.Conv2d(head, 1, 1))

    def outputs(self, image: Tensor, guidance: Tensor) -> tuple[Tensor, ...]:
        features = self.encoder(image, guidance)[-1]
        return (resized(self.head(self.pooling(features)), image.shape[-2:]),)
