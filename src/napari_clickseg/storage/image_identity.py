"""Image identity: by what an image is recognised when it is opened again, without reading all of a large one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.images import Image
from napari_clickseg.core.labels import SEARCH_WHOLE
from napari_clickseg.core.regions import Region

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.storage.serialization import Json

SAMPLED = 64
"""Side of the blocks that are read."""
READ_WHOLE = 1 << 25
"""Images of up to so many bytes are read as a whole: no two of them are taken for each other."""
LOOKED_AT = 12
"""Along each axis of a plane of which some blocks are flat, so many more are read at most."""
VERSION = "2:"
"""How samples begin that are taken as here; those of version 0.1 begin with a digit of their checksum."""
THUMBNAIL = 96
"""Longest side of the picture that is shown beside an offer."""


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
        A checksum over its pixels, or over blocks of some planes where it is large; "" where no pixel was read yet.
    """

    name: str
    shape: tuple[int, ...]
    axes: str
    dtype: str
    spacing: tuple[float, ...]
    sample: str

    @classmethod
    def of(cls, image: Image, path: str | Path | None = None) -> Identity:
        """Return the identity of an image; reads it if it is small, else blocks of three planes along each axis."""
        return replace(cls.unread(image, path), sample=VERSION + _sample(_whole(image)))

    @classmethod
    def unread(cls, image: Image, path: str | Path | None = None) -> Identity:
        """Return what is known of an image before a pixel of it is read."""
        array = image.array
        name = "" if path is None else Path(path).name
        return cls(name, tuple(array.shape), image.axes, str(np.dtype(array.dtype)), image.spacing, "")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Identity:
        """Return the identity written by `to_json`."""
        name, axes, dtype, sample = (str(value[name]) for name in ("name", "axes", "dtype", "sample"))
        return cls(name, tuple(value["shape"]), axes, dtype, tuple(value["spacing"]), sample)

    def to_json(self) -> Json:
        """Return the identity as JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    def may_be(self, image: Image) -> bool:
        """Return, without reading a pixel, whether an image may be this one."""
        return (self.shape, self.dtype) == (tuple(image.array.shape), str(np.dtype(image.array.dtype)))

    def shows(self, image: Image) -> bool:
        """Return whether an image is this one, as far as the sample tells; axes and spacing may be named otherwise."""
        return Samples(image).show(self)


class Samples:
    """Mutable: the samples of one image, each read once however many identities are compared with it."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._known: dict[tuple[str, bool], str] = {}

    def show(self, identity: Identity) -> bool:
        """Return whether the image is this one; by shape and type alone where its pixels were never read."""
        if not identity.may_be(self._image):
            return False
        if not identity.sample:
            return True
        try:
            image = Image(self._image.array, identity.axes, identity.spacing)
        except (ValueError, TypeError):
            return False
        new = identity.sample.startswith(VERSION)
        key = identity.axes, new
        if key not in self._known:
            self._known[key] = VERSION + _sample(image) if new else _sample_of_first_version(image)
        return self._known[key] == identity.sample


def thumbnail(image: Image) -> npt.NDArray[np.uint8]:
    """Return the middle plane of an image in small, grey; of a very large one, the middle of that plane."""
    whole = _whole(image)
    frame = tuple(n // 2 for n in whole.frames_shape(2))
    plane = Region.whole(whole.shape[-2:])
    if plane.size > SEARCH_WHOLE:
        plane = Region.around(plane.centre, (THUMBNAIL * 8,) * 2).clip(plane.stop)
        grey = whole.block(frame, plane).mean(axis=0)
    else:
        grey = whole.everywhere(frame, max(1, max(plane.shape) // THUMBNAIL), 2).mean(axis=0)
    step = max(1, max(grey.shape) // THUMBNAIL)
    grey = grey[::step, ::step]
    low, high = np.percentile(grey, (1, 99))
    scaled = 255 * np.clip((grey - low) / max(float(high - low), 1e-6), 0, 1)
    return np.asarray(scaled, np.uint8)


def _whole(image: Image) -> Image:
    """The image with all its channels, whichever is chosen."""
    return Image(image.array, image.axes, image.spacing)


def _sample(image: Image) -> str:
    """A checksum over all pixels of a small image; of a large one over blocks, more of them where it is flat."""
    digest = hashlib.sha256()
    small = int(np.prod(image.array.shape)) * np.dtype(image.array.dtype).itemsize <= READ_WHOLE
    for frame in np.ndindex(*image.frames_shape(2)) if small else _some_frames(image):
        whole = Region.whole(image.shape[-2:])
        for block in [image.block(frame, whole)] if small else _telling_blocks(image, frame):
            digest.update(block.tobytes())
    return digest.hexdigest()


def _telling_blocks(image: Image, frame: Frame) -> Iterator[npt.NDArray[np.float32]]:
    """Five blocks of a plane, and where nothing is to be seen in some of them, others until there is in as many."""
    first = [image.block(frame, region) for region in _some_blocks(image.shape[-2:])]
    yield from first
    flat = sum(_flat(block) for block in first)
    for region in _more_blocks(image.shape[-2:]):
        if not flat:
            return
        yield (block := image.block(frame, region))
        flat -= not _flat(block)


def _flat(block: npt.NDArray[np.float32]) -> bool:
    return not block.size or bool(block.min() == block.max())


def _more_blocks(shape: tuple[int, ...]) -> Iterator[Region]:
    """Blocks on a grid over the plane."""
    for shares in product(range(LOOKED_AT), repeat=2):
        centre = [(share + 0.5) * n / LOOKED_AT for share, n in zip(shares, shape, strict=True)]
        yield Region.around(centre, (SAMPLED, SAMPLED)).clip(shape)


def _sample_of_first_version(image: Image) -> str:
    """A checksum over five blocks of some planes, as journals and session files of version 0.1 hold."""
    digest = hashlib.sha256()
    for frame in _some_frames(image):
        for region in _some_blocks(image.shape[-2:]):
            digest.update(image.block(frame, region).tobytes())
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
