"""Identity: what tells an image from others when it is opened again, without reading all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from napari_clickseg.clicks import Frame
from napari_clickseg.images import Image
from napari_clickseg.packing import Json
from napari_clickseg.regions import Region

SAMPLED = 64
"""Side of the blocks that are read."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What is known of an image.

    Attributes
    ----------
    name : str
        The file's name, or "" where there is none: to be shown, not to be compared.
    shape : tuple of int
        With channels.
    axes, dtype, spacing
        As in the image.
    sample : str
        A checksum over blocks of some planes.
    """

    name: str
    shape: tuple[int, ...]
    axes: str
    dtype: str
    spacing: tuple[float, ...]
    sample: str

    @classmethod
    def of(cls, image: Image, path: str | Path | None = None) -> Identity:
        """Return the identity of an image; reads at most five blocks of three planes along each axis."""
        array = image.array
        name = "" if path is None else Path(path).name
        return cls(name, tuple(array.shape), image.axes, str(np.dtype(array.dtype)), image.spacing, _sample(image))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Identity:
        """Return the identity written by `to_json`."""
        name, axes, dtype, sample = (str(value[name]) for name in ("name", "axes", "dtype", "sample"))
        return cls(name, tuple(value["shape"]), axes, dtype, tuple(value["spacing"]), sample)

    def to_json(self) -> Json:
        """Return the identity as JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    def may_be(self, image: Image) -> bool:
        """Tell, without reading a pixel, whether an image may be this one."""
        return (self.shape, self.dtype) == (tuple(image.array.shape), str(np.dtype(image.array.dtype)))

    def shows(self, image: Image) -> bool:
        """Tell whether an image is this one, as far as the sample tells; axes and spacing may be named otherwise."""
        renamed = Image(image.array, self.axes, self.spacing) if self.may_be(image) else None
        return renamed is not None and _sample(renamed) == self.sample


def _sample(image: Image) -> str:
    """A checksum that is the same whichever channel is chosen."""
    whole = Image(image.array, image.axes, image.spacing)
    digest = hashlib.sha256()
    for frame in _some_frames(whole):
        for region in _some_blocks(whole.shape[-2:]):
            digest.update(whole.block(frame, region).tobytes())
    return digest.hexdigest()


def _some_frames(image: Image) -> Iterator[Frame]:
    """The first, the middle and the last plane along each axis in front."""
    yield from product(*({0: None, n // 2: None, n - 1: None} for n in image.frames_shape(2)))


def _some_blocks(shape: tuple[int, ...]) -> Iterator[Region]:
    """Blocks in the middle and half-way to the corners, which in many images are empty."""
    yield from (
        Region.around([share * n for share, n in zip(shares, shape, strict=True)], (SAMPLED, SAMPLED)).clip(shape)
        for shares in ((0.5, 0.5), (0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75))
    )
