"""Doubles that are real: predictors without weights, whose answers can be told by eye."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Others, Request, Seed


def disk(shape: tuple[int, ...], centre: tuple[float, ...], radius: float) -> npt.NDArray[np.bool_]:
    """Pixels no farther than `radius` from `centre`."""
    away = sum((axis - c) ** 2 for axis, c in zip(np.ogrid[tuple(map(slice, shape))], centre, strict=True))
    return np.asarray(away <= radius**2)


@dataclass(frozen=True)
class Disks:
    """Answers with disks around positive clicks, less disks around negative ones, joined to the prior.

    The logit is 0 half a pixel beyond the radius and falls by 1 per pixel, so that a threshold matters.
    """

    ndim: int = 2
    radius: float = 2.0
    name: str = "disks"
    device: str = "cpu"

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        stop.check()
        shape = image.frame_shape(min(self.ndim, image.ndim))
        logits = np.full(shape, -4.0, np.float32)
        if request.prior is not None:
            logits = np.maximum(logits, request.prior.logits_on(Region.whole(shape)))
        for point, positive in request.points(len(shape)):
            away = np.sqrt(sum((axis - p) ** 2 for axis, p in zip(np.indices(shape), point, strict=True)))
            near = (self.radius + 0.5 - away).astype(np.float32)
            logits = np.maximum(logits, near) if positive else np.where(near > 0, np.float32(-4), logits)
        region = self._reached(request, shape)
        return Prediction(region, logits[region.slices])

    def _reached(self, request: Request, shape: tuple[int, ...]) -> Region:
        """A window around the clicks and the prior: answers seldom cover a whole frame."""
        reach = 2 * int(self.radius) + 5
        regions = [Region.around(point, (reach,) * len(shape)) for point, _ in request.points(len(shape))]
        if request.prior is not None:
            regions.append(request.prior.region)
        joined = regions[0]
        for region in regions[1:]:
            joined = joined.union(region)
        return joined.clip(shape)


def mortal(job: int) -> int:
    """Return a job with the other sign; a negative one ends the process that does it."""
    if job < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return -job


class BrokenError(Exception):
    """What `Failing` raises."""


@dataclass(frozen=True)
class Failing(Disks):
    """Fails on every question."""

    name: str = "failing"

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        raise BrokenError("out of order")


@dataclass(frozen=True)
class Finding(Disks):
    """Also finds objects by itself: a disk every `step` pixels, numbered from 3 on in steps of 4."""

    name: str = "finding"
    step: int = 5

    def segment(self, image: Image, frame: Frame, stop: Stop = NEVER) -> npt.NDArray[np.int32]:
        stop.check()
        shape = image.frame_shape(min(self.ndim, image.ndim))
        found = np.zeros(shape, np.int32)
        centres = np.ndindex(*(len(range(1, n, self.step)) for n in shape))
        for number, centre in enumerate(centres):
            found[disk(shape, tuple(1.0 + self.step * k for k in centre), 1.5)] = 3 + 4 * number
        return found


@dataclass(frozen=True)
class Choosing(Finding):
    """Offers a smaller and a larger disk as well, and on exploring one that is larger still."""

    name: str = "choosing"

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        answer = super().predict(image, request, stop)
        sizes = (0.0, -1.0, 1.0)
        candidates = tuple(replace(answer, logits=answer.logits + np.float32(more)) for more in sizes)
        return replace(candidates[0], candidates=candidates)

    def explore(self, image: Image, request: Request, stop: Stop = NEVER) -> tuple[Prediction, ...]:
        answer = super().predict(image, request, stop)
        return (replace(answer, logits=answer.logits + np.float32(3)),)


@dataclass(frozen=True)
class Seeing(Disks):
    """Sees each connected part of pixels above 0 as an object: its seed in the middle, its quality the brightest pixel.

    At a size that is not that of the object (by two octaves) it sees nothing.
    """

    name: str = "seeing"

    def parts(self, region: Region, diameter: float) -> list[Region]:
        return [region]

    def seeds(
        self, image: Image, frame: Frame, diameter: float, region: Region | None = None, stop: Stop = NEVER
    ) -> tuple[Seed, ...]:
        stop.check()
        whole = Region.whole(image.frame_shape(2))
        parts, count = ndimage.label(self._plane(image, frame) > 0)
        sizes = np.bincount(parts.ravel(), minlength=count + 1)
        middles = ndimage.center_of_mass(parts > 0, parts, range(1, count + 1))
        return tuple(
            Seed(tuple(map(float, middle)), 1.0)
            for label, middle in enumerate(middles, start=1)
            if (region or whole).contains(middle) and abs(np.log2(np.sqrt(4 * sizes[label] / np.pi) / diameter)) < 2
        )

    def answer_many(
        self,
        image: Image,
        frame: Frame,
        positions: Sequence[Sequence[float]],
        diameter: float,
        others: Others | None = None,
        stop: Stop = NEVER,
    ) -> tuple[Prediction, ...]:
        stop.check()
        plane = self._plane(image, frame)
        parts, _ = ndimage.label(plane > 0)
        found = []
        for position in positions:
            mask = parts == parts[tuple(round(p) for p in position)]
            box = Region.of_mask(mask)
            assert box is not None
            quality = float(plane[mask].max())
            answer = Prediction.from_mask(mask[box.slices], box)
            found.append(Prediction(box, answer.logits, quality=quality))
        return tuple(found)

    @staticmethod
    def _plane(image: Image, frame: Frame) -> npt.NDArray[np.float32]:
        return image.block(frame, Region.whole(image.frame_shape(2)))[0]
