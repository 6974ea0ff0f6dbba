"""Image: an array with named axes and spacing, read frame by frame and block by block, never as a whole."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.intensities import Levels, as_float32, is_exact, levels_of
from napari_clickseg.core.regions import Region

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.geometry import Geometry

CHANNEL = "C"
KNOWN_AXES = frozenset("TZCYX")
"""The letters that image files name axes by, as far as they mean something here."""
COLOUR_COUNTS = (3, 4)
NEAR = 64
"""Side of the region around a click that usually shows that a frame has content."""
SLAB = 1 << 22
CHECKED = 1 << 20
"""About so many pixels of a region are looked at to find out whether they were changed."""
CHECKED_ON_DISK = 256
"""Side of what is looked at in the middle of a region that is larger, where reading takes its time."""
MOST_SEEN = 3
"""So many channels are looked at together, as colours; of more, the first ones."""


def guess_axes(shape: Sequence[int]) -> str:
    """Guess axis names from a shape: a last axis of 3 or 4 is colour, what stands before Y and X are Z and T.

    >>> guess_axes((512, 512)), guess_axes((512, 512, 3)), guess_axes((40, 512, 512)), guess_axes((9, 40, 512, 512))
    ('YX', 'YXC', 'ZYX', 'TZYX')

    Raises
    ------
    ValueError
        Below two or above four axes besides colour.
    """
    colour = CHANNEL if len(shape) >= 3 and shape[-1] in COLOUR_COUNTS else ""
    rest = len(shape) - len(colour)
    if not 2 <= rest <= 4:
        raise ValueError(f"An image of shape {tuple(shape)} has no obvious axes; name them, for example axes='TZYX'.")
    return "TZYX"[4 - rest :] + colour


class NothingSeenError(ValueError):
    """Raised where all pixels of a frame have one value, or none."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Image:
    """An image as the rest of the package sees it.

    Parameters
    ----------
    array : array-like
        Any integer, float or bool dtype; numpy, dask, zarr or a memory map. Only the blocks asked for are read.
    axes : str
        One letter per axis, spatial ones last apart from `C`: "YX", "YXC", "TZYX", "TCYX" ..
    spacing : tuple of float
        Size of a pixel along each axis but the channel's, in any one unit.
    channel : int or None
        The one channel to use; None uses all of them (up to three, as colours).
    geometry : Geometry or None
        Sizes, place and units as the file declares them, along `label_axes`; None where nothing is known but `spacing`.

    Raises
    ------
    ValueError
        Where axes or spacing do not fit the array, or the image is empty.
    TypeError
        Where the pixels are not numbers (complex, strings, objects).
    """

    array: Any
    axes: str
    spacing: tuple[float, ...]
    channel: int | None = None
    geometry: Geometry | None = None
    _channel_axis: int | None = field(init=False)
    shape: tuple[int, ...] = field(init=False)
    """The shape without channels, that of the labels, as it was at first: arrays on disk may grow."""
    _levels: dict[int | None, Levels | None] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        shape = tuple(self.array.shape)
        if len(self.axes) != len(shape) or len(set(self.axes)) != len(self.axes):
            raise ValueError(f"axes={self.axes!r} must name each of the {len(shape)} axes of the shape {shape} once.")
        if 0 in shape:
            raise ValueError(f"The image is empty: its shape is {shape}.")
        if np.dtype(self.array.dtype).kind not in "biuf":
            raise TypeError(f"Pixels must be integers, floats or booleans, but these are {self.array.dtype}.")
        object.__setattr__(self, "_channel_axis", self.axes.index(CHANNEL) if CHANNEL in self.axes else None)
        object.__setattr__(self, "shape", tuple(n for n, a in zip(shape, self.axes, strict=True) if a != CHANNEL))
        if len(self.shape) < 2:
            raise ValueError(f"axes={self.axes!r} leave fewer than two axes to draw on.")
        if len(self.spacing) != len(self.shape):
            raise ValueError(f"spacing={self.spacing} must hold one number for each of the axes {self.label_axes}.")
        if not all(np.isfinite(s) and s > 0 for s in self.spacing):
            raise ValueError(f"spacing={self.spacing} must be positive numbers.")
        if self.channel is not None and not 0 <= self.channel < self.channels:
            raise ValueError(f"There is no channel {self.channel}: this image has {self.channels}, counted from 0.")

    @classmethod
    def of(
        cls, image: Any, axes: str | None = None, spacing: Sequence[float] | None = None, channel: int | None = None
    ) -> Image:
        """Return an Image from an array (or pass an Image through), guessing the axes where they are not named.

        >>> Image.of(np.zeros((64, 64, 3), np.uint8)).shape
        (64, 64)
        """
        if isinstance(image, Image):
            if axes is None and spacing is None and channel is None:
                return image
            return cls(
                image.array,
                (axes or image.axes).upper(),
                image.spacing if spacing is None else tuple(spacing),
                image.channel if channel is None else channel,
            )
        array = image if hasattr(image, "shape") and hasattr(image, "dtype") else np.asarray(image)
        axes = (axes or guess_axes(array.shape)).upper()
        steps = (1.0,) * len(axes.replace(CHANNEL, "")) if spacing is None else tuple(float(s) for s in spacing)
        return cls(array, axes, steps, channel)

    @property
    def label_axes(self) -> str:
        """The axes without channels."""
        return self.axes.replace(CHANNEL, "")

    @property
    def in_memory(self) -> bool:
        """Whether any part of the image is read in no time."""
        return isinstance(self.array, np.ndarray)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def channels(self) -> int:
        return 1 if self._channel_axis is None else int(self.array.shape[self._channel_axis])

    def frame_shape(self, ndim: int) -> tuple[int, ...]:
        """Return the shape of one frame for a model that sees the last `ndim` axes."""
        return self.shape[self.ndim - ndim :]

    def frames_shape(self, ndim: int) -> tuple[int, ...]:
        """Return how many frames there are along each axis that the model does not see."""
        return self.shape[: self.ndim - ndim]

    def block(self, frame: Frame, region: Region) -> npt.NDArray[np.float32]:
        """Read a region of one frame.

        Parameters
        ----------
        region : Region
            Must lie inside the frame.

        Returns
        -------
        ndarray of float32
            Shape (channels, *region.shape), one to three channels; NaN and infinities replaced by the nearest finite
            extreme of the block (NaN by its median).
        """
        return as_float32(self._read(frame, region.slices)[:MOST_SEEN])

    def intensities(self, frame: Frame, region: Region) -> npt.NDArray[np.float32]:
        """Read a region of one frame as `block`, without what makes single precision lose contrast: see `levels`."""
        return as_float32(self._read(frame, region.slices)[:MOST_SEEN], self._levels_read(MOST_SEEN))

    @property
    def levels(self) -> Levels | None:
        """What `intensities` takes off each channel and divides it by, shape (2, channels); None for usual values."""
        if is_exact(self.array.dtype):
            return None
        middle = tuple(n // 2 for n in self.frames_shape(2))
        seen = self.checksum(middle, Region.whole(self.frame_shape(2)))
        if seen not in self._levels:
            self._levels.clear()
            self._levels[seen] = levels_of(self.array, self.axes, CHANNEL)
        return self._levels[seen]

    def checksum(self, frame: Frame, region: Region) -> int | None:
        """Return a checksum of the pixels of a region of one frame, as far as it lies inside.

        It shows that an image was changed in place. Of a large region every n-th pixel is looked at, on disk those in
        the middle. None for arrays that have to compute their pixels, as dask's.
        """
        if hasattr(self.array, "dask"):
            return None
        inside, step = region.clip(self.frame_shape(region.ndim)), 1
        if inside.size > CHECKED and self.in_memory:
            step = math.isqrt(inside.size // CHECKED)
        elif inside.size > CHECKED:
            inside = Region.around(inside.centre, (CHECKED_ON_DISK,) * region.ndim).intersection(inside)
        steps = (1,) * (region.ndim - 2) + (step, step)
        index = tuple(slice(s.start, s.stop, k) for s, k in zip(inside.slices, steps, strict=True))
        return zlib.crc32(np.ascontiguousarray(self._read(frame, index)).view(np.uint8).reshape(-1).data)

    def _levels_read(self, most: int) -> Levels | None:
        """The levels of the channels that `_read` gives, up to so many."""
        levels = self.levels
        if levels is None or self._channel_axis is None:
            return levels
        return levels[:, :most] if self.channel is None else levels[:, self.channel : self.channel + 1]

    def raw(self, frame: Frame, region: Region) -> npt.NDArray[Any]:
        """Read a region of one frame as it is stored: its own dtype, shape (channels, *region.shape), all channels."""
        return self._read(frame, region.slices)

    def check_content(self, frame: Frame, ndim: int, near: Sequence[float] = ()) -> None:
        """Raise NothingSeenError where all pixels of a frame have one value, or none: there is nothing to outline.

        Parameters
        ----------
        near : sequence of float, optional
            A point of the frame, around which is looked first; usually no more has to be read.
        """
        shape = self.frame_shape(ndim)
        first = Region.around(near, (NEAR,) * ndim).clip(shape) if len(near) else None
        values: dict[int, set[float]] = {}
        for region in (*((first,) if first is not None else ()), *_slabs(shape)):
            for channel, block in enumerate(self._read(frame, region.slices)[:MOST_SEEN]):
                known = block[np.isfinite(block)] if block.dtype.kind == "f" else block
                here = values.setdefault(channel, set())
                here |= {float(known.min()), float(known.max())} if known.size else set()
                if len(here) > 1:
                    return
        where = f"Frame {', '.join(map(str, frame))} of the image" if frame else "The image"
        known_values = [f"{value:g}" for here in values.values() for value in here]
        held = f"the value {', '.join(known_values)} everywhere" if known_values else "no pixel with a value"
        raise NothingSeenError(f"{where} has {held}; there is nothing to outline.")

    def everywhere(self, frame: Frame, step: int, ndim: int) -> npt.NDArray[np.float32]:
        """Read every `step`-th pixel of a frame along each axis as `intensities`: an overview, (channels, ...)."""
        values = self._read(frame, (slice(None, None, step),) * ndim)[:MOST_SEEN]
        return as_float32(values, self._levels_read(MOST_SEEN))

    def _read(self, frame: Frame, slices: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Read slices of one frame in the file's own dtype, shape (channels, ...)."""
        index: list[Any] = [*frame, *slices]
        if self._channel_axis is None:
            return np.asarray(self.array[tuple(index)])[np.newaxis]
        one = slice(None) if self.channel is None else slice(self.channel, self.channel + 1)
        index.insert(self._channel_axis, one)
        dropped = sum(not isinstance(i, slice) for i in index[: self._channel_axis])
        return np.moveaxis(np.asarray(self.array[tuple(index)]), self._channel_axis - dropped, 0)


def _slabs(shape: tuple[int, ...]) -> Iterator[Region]:
    """A frame of this shape cut along its first axis into regions of no more than some million pixels each."""
    thick = max(SLAB // max(math.prod(shape[1:]), 1), 1)
    for start in range(0, shape[0], thick):
        yield Region((start, *(0 for _ in shape[1:])), (min(start + thick, shape[0]), *shape[1:]))
