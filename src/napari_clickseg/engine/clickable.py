"""ClickablePredictor: any differentiable segmentation network answers clicks, without being trained for it.

Jang and Kim, "Interactive image segmentation via backpropagating refinement scheme" (2019), section 3.3: interaction
maps enter through the first convolution's own weights, which is to say that they are added to the network's input.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from napari_clickseg.clicks import Frame
from napari_clickseg.engine.brs import Budget
from napari_clickseg.engine.feeding import feed, grid_shape, pick, statistics, to_frame, to_probability
from napari_clickseg.engine.instances import find_objects
from napari_clickseg.engine.runtime import FeatureCache
from napari_clickseg.engine.tiling import Sides, cover
from napari_clickseg.images import Image
from napari_clickseg.masks import CERTAIN, Prediction
from napari_clickseg.models.conventions import Conventions
from napari_clickseg.questions import NEVER, Request, Stop
from napari_clickseg.regions import Region


@dataclass(frozen=True, slots=True, eq=False)
class ClickablePredictor:
    """Answers requests, and finds all objects, with a network made elsewhere. Its cache changes no answer.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode, in float32, on its device: (1, channels, ...) -> (1, channels, ...).
    conventions : Conventions
        What the network is given, and what its output means.
    name : str
        The name in the table of models.
    budget : Budget
        What backpropagating refinement may spend on a click.
    """

    network: nn.Module
    conventions: Conventions
    name: str
    torch_device: torch.device
    note: str = ""
    cache: FeatureCache = field(default_factory=FeatureCache)
    budget: Budget = field(default_factory=Budget)

    @classmethod
    def of(
        cls, network: nn.Module, conventions: Conventions, name: str, device: torch.device, note: str = ""
    ) -> ClickablePredictor:
        """Return the predictor of a network, which is put on the device; its weights never change."""
        ready: nn.Module = network.eval().requires_grad_(False).to(device=device)
        return cls(ready, conventions, name, device, note, budget=Budget.of_device(device))

    @property
    def ndim(self) -> int:
        return self.conventions.ndim

    @property
    def device(self) -> str:
        return self.torch_device.type

    @property
    def sides(self) -> Sides:
        rule = self.conventions
        return Sides(rule.tile, rule.halo, rule.divisible, rule.smallest_side)

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        """Answer a request with the one object that the clicks mean."""
        probability = self.probability(image, request.frame, stop)
        objects = find_objects(probability > self.conventions.threshold, self.conventions.split)
        mask = np.zeros(objects.shape, bool)
        if request.prior is not None:
            mask = request.prior.full_mask(objects.shape)
        for point, positive in request.points(self.ndim):
            label = objects[tuple(np.clip(np.rint(point).astype(int), 0, np.array(objects.shape) - 1))]
            if label:
                mask[objects == label] = positive
        region = Region.whole(mask.shape)
        return Prediction(region, np.where(mask, CERTAIN, -CERTAIN).astype(np.float32), self.note)

    def probability(self, image: Image, frame: Frame, stop: Stop = NEVER) -> npt.NDArray[np.float32]:
        """Return the probability of "object", shape of the frame; tile by tile the original network's answer."""
        shape = image.frame_shape(self.ndim)
        grid = np.empty(grid_shape(shape, self.conventions.scale), np.float32)
        for tile in cover(grid.shape, self.sides):
            stop.check()
            with torch.inference_mode():
                seen = to_probability(self._answer(self._given(image, frame, tile.window)), self.conventions)
            grid[tile.kept.slices] = seen[0, 0].cpu().numpy()[tile.kept.within(tile.window).slices]
        found: npt.NDArray[np.float32] = to_frame(torch.from_numpy(grid)[None, None], shape)[0, 0].numpy()
        return found

    def segment(self, image: Image, frame: Frame, stop: Stop = NEVER) -> npt.NDArray[np.int32]:
        """Return all objects of a frame, numbered from 1."""
        rule = self.conventions
        return find_objects(self.probability(image, frame, stop) > rule.threshold, rule.split, rule.smallest)

    def _given(self, image: Image, frame: Frame, window: Region) -> Tensor:
        (spread,) = self.cache.get(image, ("statistics", frame), lambda: (statistics(image, frame, self.conventions),))
        return feed(image, frame, window, self.conventions, spread).to(self.torch_device)

    def _answer(self, given: Tensor) -> Tensor:
        return pick(self.network(given), self.conventions, given.shape[2:])
