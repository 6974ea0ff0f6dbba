"""Inputs and outputs of networks made elsewhere: what they are given of an image, and what their output means.

A window is given in the network's pixels: the frame's own, or resampled where the conventions name a scale. Beyond the
frame it goes on as its own mirror image. Normalisation follows the whole frame, so that a window shows the network the
same values as a tile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from napari_clickseg.core.regions import Region

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.images import Image
    from napari_clickseg.models.io_spec import Conventions

Values = npt.NDArray[np.float32]

OVERVIEW = 2**22
"""Of frames with more pixels, every second, third .. one along each axis is looked at for the statistics."""
COLOURS = 3
"""A grey image is repeated for a network of up to so many channels."""
READ_TOGETHER = 3
"""Of so many channels, the first ones, an image reads all at once."""
FLAT = 1e-6
"""A smaller spread of intensities is taken for this one: a flat frame becomes 0 throughout."""
SMOOTHING = 0.7
"""Of the brightness, in pixels."""
FARTHEST = 1e-6
"""Probabilities this near to 0 and 1 have the last logits."""
MODES = {2: "bilinear", 3: "trilinear"}


# -- in ----------------------------------------------------------------------------------------------------------------


def chosen_channels(image: Image, conventions: Conventions) -> tuple[int, ...]:
    """Return which channels of an image feed a network, one for each of the network's.

    Raises
    ------
    ValueError
        Where the image has several channels, but not those, or one where the network takes more than colours,
        or no stack where it takes neighbouring planes.
    """
    if conventions.planes:
        return (_channel_of_planes(image, conventions),) * conventions.channels
    if conventions.channels > COLOURS and (image.channel is not None or image.channels == 1):
        raise ValueError(
            f"The model takes {conventions.channels} channels, but one channel of the image is looked at. Where they "
            "are neighbouring planes of a stack, say so when converting the model (planes)."
        )
    if image.channel is not None or image.channels == 1:
        return (image.channel or 0,) * conventions.channels
    wanted = conventions.use or tuple(range(conventions.channels))
    if max(wanted) >= image.channels:
        raise ValueError(
            f"The model wants channel {max(wanted)} (counted from 0) of an image that has {image.channels}; choose one "
            "channel of the image, or name the channels to use when converting the model."
        )
    return wanted


def _channel_of_planes(image: Image, conventions: Conventions) -> int:
    """The one channel of a stack whose neighbouring planes feed a network."""
    if image.ndim < 3 or image.label_axes[-3] == "T":
        raise ValueError(
            f"The model looks at {conventions.channels} neighbouring planes, but the image has the axes "
            f"{image.label_axes}; it needs a stack (Z, Y, X)."
        )
    channel = image.channel if image.channel is not None else (*conventions.use, 0)[0]
    if image.channels > 1 and image.channel is None and not conventions.use:
        raise ValueError(
            f"The model looks at neighbouring planes of one channel, but the image has {image.channels}; choose one."
        )
    if channel >= image.channels:
        raise ValueError(f"The model wants channel {channel} (counted from 0) of an image that has {image.channels}.")
    return channel


def grid_shape(frame_shape: Sequence[int], scale: float) -> tuple[int, ...]:
    """Return the shape of a frame in network pixels.

    >>> grid_shape((100, 51), 0.5)
    (50, 25)
    """
    return tuple(max(math.ceil(n * scale - 0.5), 1) for n in frame_shape)


def statistics(image: Image, frame: Frame, conventions: Conventions) -> Tensor:
    """Return what is subtracted and what is then divided by, float32 (2, network channels), from the whole frame."""
    channels = chosen_channels(image, conventions)
    fixed = {
        "none": (0.0, 1.0),
        "fixed": (conventions.low, conventions.high),
        "range": (conventions.low, conventions.high - conventions.low),
    }
    if conventions.normalise in fixed:
        pairs = list(zip(conventions.means, conventions.deviations, strict=True))
        pairs = pairs or [fixed[conventions.normalise]] * len(channels)
        return torch.tensor([_levelled(image, k, *pair) for k, pair in zip(channels, pairs, strict=True)]).T
    step = math.ceil((math.prod(image.frame_shape(conventions.ndim)) / OVERVIEW) ** (1 / conventions.ndim))
    seen = [_one(image, channel).everywhere(frame, step, conventions.ndim)[0] for channel in dict.fromkeys(channels)]
    together = [np.stack(seen)] * len(seen) if not conventions.per_channel else seen
    known = dict(zip(dict.fromkeys(channels), (_spread(values, conventions) for values in together), strict=True))
    return torch.tensor([known[channel] for channel in channels], dtype=torch.float32).T


def _levelled(image: Image, channel: int, low: float, high: float) -> tuple[float, float]:
    """What is taken off and divided by, of values as stored, for a channel's values as `Image.intensities` has them."""
    if image.levels is None:
        return low, high
    offset, spread = image.levels[:, channel if image.levels.shape[1] > 1 else 0]
    return float((low - offset) / spread), float(high / spread)


def _spread(values: Values, conventions: Conventions) -> tuple[float, float]:
    if conventions.normalise == "mean-sd":
        return float(values.mean(dtype=np.float64)), max(float(values.std(dtype=np.float64)), FLAT)
    low, high = np.percentile(values, (conventions.low, conventions.high))
    return float(low), max(float(high - low), FLAT)


def feed(image: Image, frame: Frame, window: Region, conventions: Conventions, spread: Tensor) -> Tensor:
    """Return a window as a network wants it, float32 (1, channels, \\*window.shape).

    Parameters
    ----------
    window : Region
        In network pixels; it may reach beyond the frame.
    spread : Tensor
        As `statistics` gives it.
    """
    shape = image.frame_shape(conventions.ndim)
    lines = [
        _line(a, b, n, m)
        for a, b, n, m in zip(window.start, window.stop, shape, grid_shape(shape, conventions.scale), strict=True)
    ]
    region = Region(tuple(line.start for line in lines), tuple(line.stop for line in lines))
    read = _read_planes if conventions.planes else _read
    values = read(image, frame, region, chosen_channels(image, conventions))
    for axis, line in enumerate(lines):
        values = line.of(values, axis + 1)
    ends = (-1, *(1,) * conventions.ndim)
    given = (torch.from_numpy(np.ascontiguousarray(values)) - spread[0].reshape(ends)) / spread[1].reshape(ends)
    return given[None]


def seen_grey(image: Image, frame: Frame, region: Region, conventions: Conventions) -> Values:
    """Return the brightness of a region of the frame: the mean of the channels that feed the network, smoothed."""
    channels = tuple(dict.fromkeys(chosen_channels(image, conventions)))
    smooth: Values = ndimage.gaussian_filter(_read(image, frame, region, channels).mean(axis=0), SMOOTHING)
    return smooth


def _read(image: Image, frame: Frame, region: Region, channels: tuple[int, ...]) -> Values:
    if image.channel is None and max(channels) < READ_TOGETHER:
        return image.intensities(frame, region)[list(channels)]
    return np.concatenate([_one(image, channel).intensities(frame, region) for channel in channels])


def _read_planes(image: Image, frame: Frame, region: Region, channels: tuple[int, ...]) -> Values:
    """A region of a plane and of as many on either side; beyond the ends of the stack, its last plane again."""
    one, last = _one(image, channels[0]), image.frames_shape(2)[-1] - 1
    places = (min(max(frame[-1] + k - len(channels) // 2, 0), last) for k in range(len(channels)))
    return np.concatenate([one.intensities((*frame[:-1], place), region) for place in places])


def _one(image: Image, channel: int) -> Image:
    """The image with one channel alone."""
    return image if image.channels == 1 else replace(image, channel=channel)


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """How network pixels along one axis come from the image's pixels from `start` to `stop`: taken, or weighted."""

    start: int
    stop: int
    taken: npt.NDArray[np.intp]
    weights: Values | None = None

    def of(self, values: Values, axis: int) -> Values:
        if self.weights is None:
            return np.take(values, self.taken, axis)
        return np.moveaxis(np.tensordot(values, self.weights, (axis, 1)), -1, axis)


def _line(start: int, stop: int, length: int, grid: int) -> _Line:
    """The line of network pixels from `start` to `stop` on a frame with so many pixels, and so many of the network."""
    places = mirrored(np.arange(start, stop), grid)
    if grid == length:
        first = int(places.min())
        return _Line(first, int(places.max()) + 1, places - first)
    step = length / grid
    centres, reach = (places + 0.5) * step - 0.5, max(step, 1.0)
    first, last = max(math.ceil(centres.min() - reach), 0), min(math.floor(centres.max() + reach), length - 1)
    hats = (1 - np.abs(centres[:, None] - np.arange(first, last + 1)) / reach).clip(0)
    return _Line(first, last + 1, places, (hats / hats.sum(1, keepdims=True)).astype(np.float32))


def mirrored(places: npt.NDArray[np.intp], length: int) -> npt.NDArray[np.intp]:
    """Return where places beyond a line lie in its mirror image, which repeats neither end.

    >>> mirrored(np.arange(-2, 6), 4)
    array([2, 1, 0, 1, 2, 3, 2, 1])
    """
    if length == 1:
        return np.zeros_like(places)
    period = 2 * (length - 1)
    folded: npt.NDArray[np.intp] = length - 1 - np.abs(np.mod(places, period) - (length - 1))
    return folded


# -- out ---------------------------------------------------------------------------------------------------------------


def pick(output: object, conventions: Conventions, shape: Sequence[int]) -> Tensor:
    """Return the tensor (1, channels, \\*shape) of a network's output that the conventions name.

    Raises
    ------
    ValueError
        Where there is none, or it has another shape or fewer channels.
    """
    several = list(output.values()) if isinstance(output, Mapping) else output
    if isinstance(several, list | tuple):
        if conventions.output >= len(several):
            raise ValueError(f"The model returns {len(several)} outputs, so there is no output {conventions.output}.")
        several = several[conventions.output]
    if not isinstance(several, Tensor) or tuple(several.shape[2:]) != tuple(shape) or several.shape[0] != 1:
        came = tuple(several.shape) if isinstance(several, Tensor) else type(several).__name__
        raise ValueError(
            f"The model answers an image of {tuple(shape)} pixels with {came}; one value a pixel is wanted."
        )
    wanted = max(*conventions.objects, conventions.boundary or 0)
    if wanted >= several.shape[1]:
        raise ValueError(f"The model's output has {several.shape[1]} channels, so there is no channel {wanted}.")
    return several


def to_probability(output: Tensor, conventions: Conventions) -> Tensor:
    """Return the probability of "object", float32 (1, 1, ...), of an output (1, channels, ...)."""
    output = output.float()
    if conventions.activation == "softmax":
        output = torch.softmax(output, 1)
    elif conventions.activation == "logits":
        output = torch.sigmoid(output)
    probability = output[:, list(conventions.objects)].sum(1, keepdim=True)
    if conventions.boundary is not None:
        probability = probability - output[:, conventions.boundary, None]
    return probability.clamp(0, 1)


def to_extent(output: Tensor, conventions: Conventions) -> Tensor:
    """Return the probability of "object" among those that are not "boundary", (1, 1, ...): how far objects may grow.

    Classes of a softmax exclude each other, so that pixels of a boundary between two objects count for neither; without
    one, channels speak for themselves and "object" is taken as it is.
    """
    inside = to_probability(output, replace(conventions, boundary=None))
    if conventions.boundary is None or conventions.activation != "softmax":
        return inside
    boundary = torch.softmax(output.float(), 1)[:, conventions.boundary, None]
    return (inside / (1 - boundary).clamp_min(FARTHEST)).clamp(0, 1)


def to_logit(output: Tensor, conventions: Conventions) -> Tensor:
    """Return the logit of "object", 0 at the conventions' threshold, (1, 1, ...).

    Where the output has logits of its own they are used as they are: the sigmoid's flat ends have hardly a slope that
    refinement could follow.
    """
    border = math.log(conventions.threshold / (1 - conventions.threshold)) if 0 < conventions.threshold < 1 else 0.0
    plain = conventions.boundary is None and conventions.activation
    if plain == "logits" and len(conventions.objects) == 1:
        return output[:, list(conventions.objects)].float() - border
    if plain == "softmax":
        inside = list(conventions.objects)
        outside = [k for k in range(output.shape[1]) if k not in inside]
        if outside:
            return (
                torch.logsumexp(output[:, inside].float(), 1, keepdim=True)
                - torch.logsumexp(output[:, outside].float(), 1, keepdim=True)
                - border
            )
    return torch.logit(to_probability(output, conventions), FARTHEST) - border


def to_frame(grid: Tensor, shape: Sequence[int]) -> Tensor:
    """Return values of all network pixels of a frame, (1, 1, ...), on the frame's own pixels."""
    if tuple(grid.shape[2:]) == tuple(shape):
        return grid
    return functional.interpolate(grid, size=tuple(shape), mode=MODES[len(shape)], align_corners=False)
