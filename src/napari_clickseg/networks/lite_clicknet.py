"""LiteClickNet: ClickNet's two streams on a pretrained encoder, with a quality for each answer and maps of all objects.

    encode(image)              -> features at strides 1, 2, 4, 8, 16                    once per window
    answer(features, guidance) -> logits, quality: the logit of the predicted IoU       per click
    dense(features)            -> depth, foreground, border and offsets at stride 2     once per window

Both streams are pyramids that add a projected coarse map to the finer one, which costs half of concatenating at full
resolution. Sides must be multiples of 32, at least 64; 4.2 M parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_clickseg.networks.blocks import ConvUnit, Residual, resized
from napari_clickseg.networks.encoder import CHANNELS, EfficientNetLite0

Features = tuple[Tensor, ...]
"""One map per scale, finest first."""
TOP = 128
"""Channels of the encoder's coarsest map, projected."""
DENSE = ("depth", "foreground", "border", "offset_y", "offset_x")
"""Channels of `dense`, all as logits but the offsets."""
JUDGED = 2
"""The decoder's map (index of its scale) under the mask that the quality is judged by: stride 4."""
SIGNS = 6
"""Numbers that `_signs` takes from an answer."""


class ImageStream(nn.Module):
    """Image -> features at strides 1 (a shallow branch of its own), 2, 4, 8, 16."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0()
        self.shallow = nn.Sequential(ConvUnit(3, widths[0]), ConvUnit(widths[0], widths[0]))
        self.top = ConvUnit(CHANNELS[-1], TOP, kernel=1)
        coarse_to_fine = widths[::-1]
        self.laterals = nn.ModuleList(
            _projection(seen, out) for seen, out in zip(CHANNELS[-2::-1], coarse_to_fine, strict=False)
        )
        self.ups = nn.ModuleList(Up(a, b) for a, b in zip((TOP, *coarse_to_fine), coarse_to_fine, strict=False))

    def forward(self, image: Tensor) -> Features:
        *fine, x = self.encoder(image)
        x = self.top(x)
        finer = [lateral(one) for lateral, one in zip(self.laterals, reversed(fine), strict=True)]
        features = []
        for up, one in zip(self.ups, (*finer, self.shallow(image)), strict=True):
            x = up(x, one)
            features.append(x)
        return tuple(reversed(features))


class Up(nn.Module):
    """One step up: the coarse map, projected and enlarged, added to the fine one, then a 3 x 3 unit."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.project = nn.Identity() if coarse == fine else nn.Conv2d(coarse, fine, 1, bias=False)
        self.conv = ConvUnit(fine, fine)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        raised: Tensor = self.conv(resized(self.project(coarse), fine.shape[-2:]) + fine)
        return raised


class ClickStream(nn.Module):
    """Features and guidance (batch, g, y, x) -> logits (batch, 1, y, x) and quality (batch, 1)."""

    def __init__(self, guidance: int, seen: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        self.enter = ConvUnit(guidance, widths[0])
        self.first = ConvUnit(widths[0], widths[0])
        self.see = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in zip(seen, widths, strict=True))
        self.downs = nn.ModuleList(ConvUnit(a, b, stride=2) for a, b in pairwise(widths))
        self.joins = nn.ModuleList(Residual(width, width) for width in widths[1:])
        self.ups = nn.ModuleList(Up(coarse, fine) for coarse, fine in zip(widths[1:], widths, strict=False))
        self.leave = nn.Conv2d(widths[0], 1, 1)
        self.judge = Judge(widths[-1], widths[JUDGED])

    def forward(self, features: Features, guidance: Tensor) -> tuple[Tensor, Tensor]:
        x = self.first(self.enter(guidance) + self.see[0](features[0]))
        maps = [x]
        for down, join, see, seen in zip(self.downs, self.joins, self.see[1:], features[1:], strict=True):
            x = join(down(x) + see(seen))
            maps.append(x)
        rising = [x]
        for up, fine in zip(reversed(self.ups), reversed(maps[:-1]), strict=True):
            rising.append(up(rising[-1], fine))
        logits: Tensor = self.leave(rising[-1])
        return logits, self.judge(rising[0], rising[-1 - JUDGED], logits.detach())


class Judge(nn.Module):
    """Predict the IoU of an answer: what the window shows as a whole, what lies under the mask and along its rim."""

    def __init__(self, coarse: int, fine: int, hidden: int = 96) -> None:
        super().__init__()
        inputs = 2 * coarse + 2 * fine + SIGNS
        self.layers = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, 1))

    def forward(self, coarse: Tensor, fine: Tensor, logits: Tensor) -> Tensor:
        """Return (batch, 1) logits; no gradient goes through the mask that is judged."""
        chance = torch.sigmoid(logits.float())
        inside = functional.interpolate(chance, fine.shape[-2:], mode="bilinear", align_corners=False)
        rim = 4 * inside * (1 - inside)
        seen = (coarse.mean((2, 3)), coarse.amax((2, 3)), _mean_under(fine, inside), _mean_under(fine, rim))
        # The signs are no larger than 1, so that they keep their digits in half precision.
        quality: Tensor = self.layers(torch.cat((*seen, _signs(chance).to(coarse.dtype)), dim=1))
        return quality


def _mean_under(maps: Tensor, weight: Tensor) -> Tensor:
    """The mean of maps (batch, c, y, x) weighted by (batch, 1, y, x), as (batch, c)."""
    total = weight.sum((2, 3))
    return ((maps.float() * weight).sum((2, 3)) / (total + 1)).to(maps.dtype)


def _signs(chance: Tensor) -> Tensor:
    """What probabilities (batch, 1, y, x) show of themselves: stability, size, fuzziness and contact with the rim."""
    area = chance.mean((2, 3))
    certain, possible = (chance > 0.73).float().mean((2, 3)), (chance > 0.27).float().mean((2, 3))
    edges = (chance[:, :, 0].mean(2), chance[:, :, -1].mean(2), chance[..., 0].mean(2), chance[..., -1].mean(2))
    rim = torch.stack(edges).mean(0)
    fuzzy = (chance * (1 - chance)).mean((2, 3)) / (area + 1e-3)
    worst = torch.stack(edges).amax(0)
    return torch.cat((certain / (possible + 1e-3), area, area.sqrt(), fuzzy, rim, worst), dim=1)


class LiteClickNet(nn.Module):
    """The two streams and the dense head. `forward` runs both streams and gives the logits alone.

    Parameters
    ----------
    guidance : int
        Channels of the guidance (clicks, prior mask, mask of other objects).
    features, click_widths : sequences of int
        Channels of the image stream's output and of the click stream, per scale.
    """

    def __init__(
        self,
        guidance: int,
        features: Sequence[int] = (16, 32, 48, 64, 96),
        click_widths: Sequence[int] = (16, 32, 64, 96, 128),
    ) -> None:
        super().__init__()
        self.image_stream = ImageStream(features)
        self.click_stream = ClickStream(guidance, features, click_widths)
        self.centre_head = nn.Sequential(ConvUnit(features[1], 32), nn.Conv2d(32, len(DENSE), 1))

    def encode(self, image: Tensor) -> Features:
        """Return the features of an image (batch, 3, y, x), normalised."""
        features: Features = self.image_stream(image)
        return features

    def answer(self, features: Features, guidance: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (batch, 1, y, x) and the logit of the predicted IoU (batch, 1)."""
        answer: tuple[Tensor, Tensor] = self.click_stream(features, guidance)
        return answer

    def decode(self, features: Features, guidance: Tensor) -> Tensor:
        """Return the logits of `answer`."""
        return self.answer(features, guidance)[0]

    def dense(self, features: Features) -> Tensor:
        """Return maps (batch, 5, y / 2, x / 2) of what the image shows without clicks, as `DENSE` names them.

        The depth is the distance to the border of the object at that pixel over the largest one in that object; the
        offsets lead to the object's middle, in halves of its diameter.
        """
        maps: Tensor = self.centre_head(features[1])
        return maps

    def centres(self, features: Features) -> Tensor:
        """Return logits (batch, 1, y / 2, x / 2) of the depth inside any object; its peaks are objects' middles."""
        return self.dense(features)[:, :1]

    def forward(self, image: Tensor, guidance: Tensor) -> Tensor:
        return self.decode(self.encode(image), guidance)


def _projection(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
