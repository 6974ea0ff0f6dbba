"""The pretrained encoder behind clicks: EfficientNet-Lite0 up to stride 16, dilated where a network decides finer.

The five published systems start from an encoder pretrained on ImageNet (Xception, ResNet, DenseNet). Here one encoder
stands for all of them, with the same weights: those of the default model's image stream. Guidance enters at the first
convolution: what an entry makes of it is added to the convolution's output, which is what RITM calls Conv1S. With a
convolution as the entry this is the same as putting image and guidance side by side; at first it adds next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn
from torch.nn import functional

from napari_clickseg.networks.encoder import EfficientNetLite0

WIDTHS = (16, 24, 40, 112)
"""Channels of the maps at strides 2, 4, 8 and 16, or where the last ones are dilated instead of strided."""
LAST_STAGE = 4
STRIDED = {2: 4, 3: 8}
"""Stages that halve the map beyond stride 4, and the stride before each."""
ENDS = (0, 1, 2, LAST_STAGE)
STEM = 32
FAINT = 0.01
"""Deviation of the weights that guidance enters by, before training."""
ENCODER = "image_stream.encoder."
"""Where a default model's weights file holds its encoder."""


def joined_entry(guidance: int) -> nn.Module:
    """Return the entry of guidance beside the image: a convolution whose weights begin near 0."""
    return _faint(nn.Conv2d(guidance, STEM, 3, 2, 1, bias=False))


def conv1s_entry(guidance: int) -> nn.Module:
    """Return RITM's entry of guidance, a block of its own; the weights of its last convolution begin near 0."""
    return nn.Sequential(
        nn.Conv2d(guidance, 16, 1), nn.LeakyReLU(0.2, inplace=True), _faint(nn.Conv2d(16, STEM, 3, 2, 1))
    )


def _faint(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.normal_(conv.weight, std=FAINT)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


class ClickedEncoder(nn.Module):
    """Image (batch, 3, y, x) and guidance (batch, g, y, x) -> four maps with `WIDTHS` channels, finest first.

    Parameters
    ----------
    entry : nn.Module
        Makes of the guidance what is added to the first convolution: (batch, `STEM`, y / 2, x / 2).
    stride : int
        Of the coarsest map: 16, or 8 or 4, where stages see farther instead of coarser (dilated convolutions).
    frozen : bool
        Whether batch normalisation keeps the statistics of pretraining, for batches too small to have any.
    """

    def __init__(self, entry: nn.Module, stride: int = 16, frozen: bool = False) -> None:
        super().__init__()
        if stride not in (4, 8, 16):
            raise ValueError(f"The encoder's coarsest map is at stride 4, 8 or 16, not {stride}.")
        whole = EfficientNetLite0()
        stem = whole.stem
        # Apart, not in a Sequential: the entry's output comes between them, and they must not be fused into one.
        self.first, self.normalise = stem[0], stem[1]
        self.enter_clicks = entry
        self.stages = nn.ModuleList(list(whole.stages)[: LAST_STAGE + 1])
        self.frozen = frozen
        self._dilations: list[tuple[int, int]] = []
        dilation = 1
        for number, stage in enumerate(self.stages):
            before = dilation
            if STRIDED.get(number, 0) >= stride:
                first: Any = cast(nn.Sequential, stage)[0]
                first.depthwise[0].stride = (1, 1)
                dilation *= 2
            self._dilations.append((before, dilation))

    def forward(self, image: Tensor, guidance: Tensor) -> tuple[Tensor, ...]:
        x = functional.relu6(self.normalise(self.first(image) + self.enter_clicks(guidance)))
        maps = []
        for stage, (first, rest) in zip(self.stages, self._dilations, strict=True):
            blocks = cast(nn.Sequential, stage)
            x = _dilated(blocks[1:], _dilated(blocks[:1], x, first), rest)
            maps.append(x)
        return tuple(maps[end] for end in ENDS)

    def train(self, mode: bool = True) -> ClickedEncoder:
        """Set training mode; batch normalisation that is frozen stays as it is."""
        super().train(mode)
        if self.frozen:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def load_pretrained(self, weights: Mapping[str, Tensor]) -> None:
        """Take the encoder's weights from those of a default model, as its file names them.

        Raises
        ------
        ValueError
            Where they hold no such encoder.
        """
        names = {"stem.0.": "first.", "stem.1.": "normalise."}
        ours: dict[str, Tensor] = {}
        for name, value in weights.items():
            inner = name.removeprefix(ENCODER)
            if inner == name:
                continue
            for theirs, own in names.items():
                inner = own + inner.removeprefix(theirs) if inner.startswith(theirs) else inner
            ours[inner] = value
        wanted = {name for name in self.state_dict() if not name.startswith("enter_clicks.")}
        if not wanted <= ours.keys():
            raise ValueError(f"The weights hold no encoder: {len(wanted - ours.keys())} of {len(wanted)} are missing.")
        self.load_state_dict({name: ours[name] for name in wanted}, strict=False)


def _dilated(blocks: nn.Module, x: Tensor, dilation: int) -> Tensor:
    """Run blocks as if their convolutions were dilated: each phase of the map is a map of its own.

    The same as dilated convolutions, which are slow where they are depthwise.
    """
    if dilation == 1:
        run: Tensor = blocks(x)
        return run
    batch, channels, rows, columns = x.shape
    x = x.reshape(batch, channels, rows // dilation, dilation, columns // dilation, dilation)
    x = blocks(x.permute(3, 5, 0, 1, 2, 4).flatten(0, 2))
    x = x.reshape(dilation, dilation, batch, *x.shape[1:]).permute(2, 3, 4, 0, 5, 1)
    return x.flatten(4, 5).flatten(2, 3)


def pretrained_parameters(network: nn.Module) -> set[nn.Parameter]:
    """Return the parameters of a network's encoders that pretraining has set."""
    return {
        parameter
        for module in network.modules()
        if isinstance(module, ClickedEncoder)
        for name, parameter in module.named_parameters()
        if not name.startswith("enter_clicks.")
    }
