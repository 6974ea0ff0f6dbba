"""Movies of bright disks on a dark ground, whose right labels are known, and a weightless predictor that sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from doubles import disk
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Request

SHAPE = (48, 96)
Disks = Mapping[int, tuple[float, float, float]]
"""Row, column and radius by id."""


def movie(frames: Sequence[Disks], shape: tuple[int, int] = SHAPE) -> tuple[Image, np.ndarray]:
    """Return the image (TYX) and the labels of disks; the brighter the higher their id, with a little noise."""
    labels = np.zeros((len(frames), *shape), np.int32)
    for plane, disks in zip(labels, frames, strict=True):
        for label, (row, column, radius) in disks.items():
            plane[disk(shape, (row, column), radius)] = label
    noise = np.random.default_rng(0).normal(0, 2, labels.shape)
    return Image.of((20 + 150 * (labels > 0) + 5 * labels + noise).astype(np.float32), "TYX"), labels


def first_only(labels: np.ndarray, frame: int = 0) -> np.ndarray:
    """Return labels of which only one frame is drawn."""
    return np.where(np.arange(len(labels))[:, None, None] == frame, labels, 0).astype(labels.dtype)


@dataclass(frozen=True)
class BrightPiece:
    """Answers with the bright piece under the first click, and notes which frames it was asked about."""

    asked: list[tuple[int, ...]] = field(default_factory=list)
    ndim: int = 2
    name: str = "bright"
    device: str = "cpu"

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        stop.check()
        self.asked.append(request.frame)
        whole = Region.whole(image.frame_shape(min(self.ndim, image.ndim)))
        parts, _ = ndimage.label(image.block(request.frame, whole)[0] > 90)
        point = tuple(round(p) for p in request.clicks[0].point(whole.ndim))
        return Prediction.from_mask((parts == parts[point]) & (parts > 0), whole)
