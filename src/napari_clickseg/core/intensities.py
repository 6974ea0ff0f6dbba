"""Intensities: pixels of any number type as float32 in which nothing is lost, whatever their scale and offset.

Heights of an AFM in metres (1e-9), counts with an offset of 2**31, values of 1e9: single precision, or a floor such
as 1e-6 under a contrast, would take their contrast away. Their median and their spread are taken off in double
precision first. Images of usual values stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.float64]
"""What is subtracted from each channel, and what it is then divided by, shape (2, channels)."""

SMALLEST_SPREAD, LARGEST_SPREAD = 1e-3, 1e6
"""Spreads between these are usual."""
LARGEST_OFFSET = 4096
"""So many spreads away from 0, single precision has hardly ten bits left for the contrast."""
ALIKE = 1e3
"""Channels whose spreads differ by less than this factor are scaled alike, so that colours stay colours."""
TILE = 256
"""Side of the tile in the middle that gives spread and offset."""


def is_exact(dtype: Any) -> bool:
    """Return whether single precision holds every value of a type, none of them small.

    >>> is_exact(np.uint16), is_exact(np.uint32), is_exact(np.float32)
    (True, False, False)
    """
    kind = np.dtype(dtype)
    return kind.kind == "b" or (kind.kind in "iu" and kind.itemsize <= 2)


def levels_of(array: Any, axes: str, channel: str = "C") -> Levels | None:
    """Return the levels of an image, None where its values are usual.

    They are measured in the middle of the middle frame; where that has one value only, every n-th pixel of some frames.

    Parameters
    ----------
    axes : str
        One letter per axis of the array, the last two but the channel's being those of a plane.
    """
    if is_exact(array.dtype):
        return None
    place = axes.find(channel)
    shape = tuple(n for axis, n in zip(axes, array.shape, strict=True) if axis != channel)
    spreads = offsets = np.zeros(0)
    for index in _samples(shape):
        full: list[Any] = list(index)
        if place >= 0:
            full.insert(place, slice(None))
        sample = np.asarray(array[tuple(full)]).astype(np.float64)
        dropped = sum(not isinstance(i, slice) for i in full[:place]) if place >= 0 else 0
        flat = (
            np.moveaxis(sample, place - dropped, 0).reshape(sample.shape[place - dropped], -1) if place >= 0 else None
        )
        offsets, spreads = _statistics(sample.reshape(1, -1) if flat is None else flat)
        if spreads.any():
            break
    return _unusual(offsets, spreads)


def _samples(shape: Sequence[int]) -> list[tuple[Any, ...]]:
    """What to look at, in this order: the middle of the middle frame, then whole frames with steps."""
    middle = [n // 2 for n in shape[:-2]]
    tile = [slice(max((n - TILE) // 2, 0), max((n - TILE) // 2, 0) + TILE) for n in shape[-2:]]
    steps = [slice(None, None, max(-(-n // TILE), 1)) for n in shape[-2:]]
    frames = [middle, [0 for _ in middle], [n - 1 for n in shape[:-2]]] if middle else [middle]
    return [(*middle, *tile), *((*frame, *steps) for frame in frames)]


def _statistics(values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Median and spread of each row; spreads are 0 where a row has one value, or none."""
    offsets, spreads = np.zeros(len(values)), np.zeros(len(values))
    for k, row in enumerate(values):
        known = row[np.isfinite(row)]
        if known.size:
            low, middle, high = np.percentile(known, (0.1, 50, 99.9))
            if low == high:  # few pixels, or none, differ from the background
                low, high = known.min(), known.max()
            offsets[k], spreads[k] = middle, high - low
    return offsets, np.where(np.isfinite(spreads), spreads, 0)


def _unusual(offsets: npt.NDArray[np.float64], spreads: npt.NDArray[np.float64]) -> Levels | None:
    known = spreads > 0
    if not known.any():
        return None
    if spreads[known].max() <= ALIKE * spreads[known].min():
        offsets, spreads = np.full_like(offsets, np.median(offsets[known])), np.full_like(spreads, spreads.max())
    strange = (spreads < SMALLEST_SPREAD) | (spreads > LARGEST_SPREAD) | (np.abs(offsets) > LARGEST_OFFSET * spreads)
    if not (strange & (spreads > 0)).any():
        return None
    spreads = np.where(spreads > 0, spreads, 1.0)
    return np.stack([offsets, spreads])


def as_float32(raw: npt.NDArray[Any], levels: Levels | None = None) -> npt.NDArray[np.float32]:
    """Return values (channels, ...) as float32, NaN and infinities replaced; with levels, less these, divided by those.

    NaN becomes the median of the finite values, infinities become the nearest of their extremes.
    """
    if levels is not None:
        ends = (-1, *(1,) * (raw.ndim - 1))
        raw = (raw.astype(np.float64) - levels[0].reshape(ends)) / levels[1].reshape(ends)
    if raw.dtype.kind != "f":
        return raw.astype(np.float32)
    with np.errstate(over="ignore"):
        values = raw.astype(np.float32)
    finite = np.isfinite(values)
    if finite.all():
        return values
    known = values[finite]
    if known.size == 0:
        return np.zeros_like(values)
    return np.nan_to_num(values, nan=float(np.median(known)), posinf=float(known.max()), neginf=float(known.min()))
