"""HRNet-18s with object-contextual representations: the network of RITM, and the yardstick of our speed.

Backbone: Wang et al., "Deep high-resolution representation learning" (2020), the small W18 variant; head: Yuan et al.,
"Object-contextual representations" (2020), width 48; clicks enter by a convolution of their own, added to the first
convolution's output (RITM, Conv1S).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_clickseg.networks.blocks import ClickedNetwork, ConvUnit, Residual, resized

WIDTHS = (18, 36, 72, 144)
BLOCKS = 2
MODULES = (1, 3, 2)
"""Modules of the stages with two, three and four branches."""


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 convolutions added to their input."""

    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvUnit(inputs, middle, kernel=1),
            ConvUnit(middle, middle),
            nn.Sequential(nn.Conv2d(middle, outputs, 1, bias=False), nn.BatchNorm2d(outputs)),
        )
        self.project = (
            nn.Identity()
            if inputs == outputs
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.project(x), inplace=True)


class Exchange(nn.Module):
    """One module: residual blocks on every branch, then each branch gets the sum of all, brought to its size."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(Residual(w, w) for _ in range(BLOCKS))) for w in widths)
        self.routes = nn.ModuleList(
            nn.ModuleList(_route(widths, source, target) for source in range(len(widths)))
            for target in range(len(widths))
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        fused = []
        for target, routes in enumerate(cast(list[nn.ModuleList], self.routes)):
            size = maps[target].shape[-2:]
            total = torch.zeros_like(maps[target])
            for route, x in zip(routes, maps, strict=True):
                total = total + resized(route(x), size)
            fused.append(functional.relu(total))
        return fused


def _route(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """Down by strided convolutions, up by a 1 x 1 convolution (enlarged afterwards), straight on by nothing."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(nn.Conv2d(widths[source], widths[target], 1, bias=False), nn.BatchNorm2d(widths[target]))
    steps: list[nn.Module] = [ConvUnit(widths[source], widths[source], 2) for _ in range(target - source - 1)]
    last = nn.Sequential(nn.Conv2d(widths[source], widths[target], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[target]))
    return nn.Sequential(*steps, last)


class ObjectContext(nn.Module):
    """Object-contextual representations: each pixel attends to the mean feature of a coarse object and background."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.coarse = nn.Sequential(ConvUnit(inputs, inputs, kernel=1), nn.Conv2d(inputs, 1, 1))
        self.pixels = ConvUnit(inputs, 2 * width)
        self.query = nn.Sequential(ConvUnit(2 * width, width, kernel=1), ConvUnit(width, width, kernel=1))
        self.key = nn.Sequential(ConvUnit(2 * width, width, kernel=1), ConvUnit(width, width, kernel=1))
        self.value = ConvUnit(2 * width, width, kernel=1)
        self.raise_ = ConvUnit(width, 2 * width, kernel=1)
        self.join = ConvUnit(4 * width, 2 * width, kernel=1)
        self.fine = nn.Conv2d(2 * width, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return fine and coarse logits at the size of `x`."""
        coarse, pixels = self.coarse(x), self.pixels(x)
        shares = functional.softmax(torch.cat((coarse, -coarse), dim=1).flatten(2), dim=-1)
        regions = torch.einsum("brp,bcp->bcr", shares, pixels.flatten(2))[..., None]
        query, key = self.query(pixels).flatten(2), self.key(regions).flatten(2)
        attention = functional.softmax(torch.einsum("bcp,bcr->bpr", query, key) * query.shape[1] ** -0.5, dim=-1)
        context = torch.einsum("bpr,bcr->bcp", attention, self.value(regions).flatten(2))
        context = self.raise_(context.reshape(context.shape[0], -1, *pixels.shape[-2:]))
        return self.fine(self.join(torch.cat((context, pixels), dim=1))), coarse


class HRNet18s(ClickedNetwork):
    """Image (batch, 3, y, x) and guidance (batch, g, y, x) -> fine logits, and the object context's coarse ones."""

    refined_layer = "head.pixels"
    """Whose output f-BRS rescales."""

    def __init__(self, guidance: int, ocr: int = 48) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(3, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64))
        self.enter_clicks = nn.Sequential(
            nn.Conv2d(guidance, 16, 1), nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(16, 64, 3, 2, 1)
        )
        self.stem = ConvUnit(64, 64, 2)
        self.stage = nn.Sequential(Bottleneck(64, 64, 256), *(Bottleneck(256, 64, 256) for _ in range(BLOCKS - 1)))
        self.splits = nn.ModuleList(
            [nn.ModuleList([ConvUnit(256, WIDTHS[0]), ConvUnit(256, WIDTHS[1], 2)])]
            + [nn.ModuleList([ConvUnit(WIDTHS[k], WIDTHS[k + 1], 2)]) for k in (1, 2)]
        )
        self.stages = nn.ModuleList(
            nn.ModuleList(Exchange(WIDTHS[: k + 2]) for _ in range(count)) for k, count in enumerate(MODULES)
        )
        self.head = ObjectContext(sum(WIDTHS), ocr)

    def outputs(self, image: Tensor, guidance: Tensor) -> tuple[Tensor, ...]:
        x = functional.relu(self.enter(image) + self.enter_clicks(guidance))
        x = self.stage(self.stem(x))
        splits = cast(list[nn.ModuleList], self.splits)
        maps = [split(x) for split in splits[0]]
        for number, stage in enumerate(cast(list[nn.ModuleList], self.stages)):
            if number:
                maps = [*maps, splits[number][0](maps[-1])]
            for module in stage:
                maps = module(maps)
        size = maps[0].shape[-2:]
        fine, coarse = self.head(torch.cat([resized(m, size) for m in maps], dim=1))
        return resized(fine, image.shape[-2:]), resized(coarse, image.shape[-2:])
