"""Few objects: a network learns from a handful of objects, cut out with what surrounds them.

The stream that runs with each click learns, and the normalisation of the image's; batches are cut, clicked and graded
as in the default's own training (`training.gpu.steps`).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_clickseg.inference.window import three_channels
from napari_clickseg.training.gpu.pack import Entry, PackedPlane, object_rows
from napari_clickseg.training.gpu.pool import TARGET, make_pool
from napari_clickseg.training.gpu.settings import GpuSettings
from napari_clickseg.training.gpu.steps import Stepper, Task
from napari_clickseg.training.gpu.windows import Placing

if TYPE_CHECKING:
    from napari_clickseg.core.exemplars import Exemplar
    from napari_clickseg.core.jobs import Stop
    from napari_clickseg.models.card import ModelCard
    from napari_clickseg.networks.lite_clicknet import LiteClickNet

SOURCE = "kept"
SMALLEST = 24
"""Pixels of the smallest object that is learned from."""
LARGEST = 96.0
"""Objects are shown to training at most so many pixels wide: in the network's window they are about 59."""
ROUNDS = {"0+2": 0.5, "1+2": 0.25, "3+2": 0.25}
LOSSES = {"bce": 1.0, "soft_iou": 1.0, "click": 0.1}
OCTAVES, ANY_SCALE = 0.35, 0.15


@dataclass(frozen=True, slots=True)
class Effort:
    """What learning may cost: seconds in all, and updates of the weights, windows each, and how fast.

    The steps are what a minute on two cores is enough for; on val images a rate of 1e-3 did harm, and this one little.
    """

    seconds: float = 45.0
    steps: int = 30
    batch: int = 5
    rate: float = 3e-4
    average: float = 0.9


USUAL = Effort()


def vary_slightly(images: Tensor) -> Tensor:
    """Return windows in 0..1 with another gamma and a little noise each: it is the same microscope, after all."""
    gamma = torch.exp2(0.8 * torch.rand((len(images), 1, 1, 1), device=images.device) - 0.4)
    noise = 0.03 * torch.rand((len(images), 1, 1, 1), device=images.device)
    return images.clamp(1e-4, 1) ** gamma + noise * torch.randn_like(images)


class Trainee:
    """Mutable: a network that learns, and the average of its weights."""

    def __init__(self, network: LiteClickNet, card: ModelCard, device: torch.device, effort: Effort) -> None:
        self._network = copy.deepcopy(network).to(device)
        learning = learning_parameters(self._network)
        self._network.requires_grad_(False)
        for parameter in learning:
            parameter.requires_grad_(True)
        self._average = copy.deepcopy(self._network).requires_grad_(False)
        settings = GpuSettings(
            batch=effort.batch,
            targets=1,
            plans=ROUNDS,
            drawn=0.0,
            slots=0,
            rate=effort.rate,
            encoder_rate=1.0,
            warm_up=4,
            average=effort.average,
            dense=0.0,
        )
        self._task = Task(
            settings,
            Placing(card.object_share, OCTAVES, ANY_SCALE),
            card.side,
            tuple(card.encoding["sizes"]),
            LOSSES,
            torch.bfloat16 if device.type == "cuda" else torch.float32,
            vary_slightly,
        )
        self._device = device

    def train(
        self, objects: Sequence[Exemplar], steps: int, seconds: float, stop: Stop, shares: tuple[float, float]
    ) -> None:
        """Learn from objects, for so many steps or seconds, whichever is over first.

        Parameters
        ----------
        shares : (float, float)
            How much of the whole job is done before and after, for `stop.done`.
        """
        began, (first, last) = time.monotonic(), shares
        stop.check(first)
        pool = make_pool([exemplar_plane(one) for one in objects], {SOURCE: 1.0}, self._device)
        stepper = Stepper(self._network, self._average, pool, self._task)
        rounds = self._task.settings.rounds()
        rng = np.random.default_rng(0)
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(0)
            for step in range(steps):
                share = max(step / steps, (time.monotonic() - began) / seconds)
                if share >= 1:
                    break
                stop.check(first + share * (last - first))
                ungraded, graded, _ = rounds[rng.choice(len(rounds), p=[often for *_, often in rounds])]
                stepper.step(ungraded, graded, max(0.5 * (1 + math.cos(math.pi * share)), 0.05))

    def weights(self) -> LiteClickNet:
        """Return the averaged weights as a file would hold them, on the CPU."""
        network = copy.deepcopy(self._average).cpu()
        with torch.no_grad():
            for value in network.state_dict().values():
                if value.is_floating_point():
                    value.copy_(value.half().float())
        return network.eval()


def learning_parameters(network: LiteClickNet) -> list[nn.Parameter]:
    """Return what learns: the click stream, and scale and bias of the image stream's normalisation."""
    norms = [module for module in network.image_stream.modules() if isinstance(module, nn.BatchNorm2d)]
    return [*network.click_stream.parameters(), *(p for norm in norms for p in norm.parameters())]


def exemplar_plane(one: Exemplar) -> PackedPlane:
    """Return what is around an object as a plane of training, in which it alone is a target."""
    pixels = three_channels(one.image.intensities(one.frame, one.region))
    low, high = np.percentile(pixels, (0.1, 99.9))
    grey = np.clip((pixels - low) / max(float(high - low), 1e-6), 0, 1).astype(np.float32)
    labels = one.labels
    factor = LARGEST / one.diameter
    if factor < 1:
        size = [max(round(n * factor), 8) for n in labels.shape]
        smaller = functional.interpolate(
            torch.from_numpy(grey)[None], size=size, mode="bilinear", align_corners=False, antialias=True
        )
        ids = functional.interpolate(torch.from_numpy(labels)[None, None].double(), size=size, mode="nearest-exact")
        grey, labels = smaller[0].numpy(), ids[0, 0].numpy().astype(np.int32)
    numbered, rows = object_rows(labels, np.random.default_rng(one.label))
    rows[:, TARGET] = 0
    rows[int(numbered[labels == one.label][0]) - 1, TARGET] = 1
    colours = np.ascontiguousarray(np.rint(np.moveaxis(grey, 0, -1) * 255).astype(np.uint8))
    height, width = labels.shape
    return PackedPlane(Entry(SOURCE, "train", False, "png", (height, width)), colours, numbered, rows)
