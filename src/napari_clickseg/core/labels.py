"""Label arrays: which may be drawn into, which ids they hold, and where an object lies. Reads no more than it must."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame

SEARCH_WHOLE = 1 << 24
"""Frames up to this many pixels are searched as a whole for an object; in larger ones only around the cursor."""
SEARCH_IN_MEMORY = 1 << 26
"""As many pixels in memory are searched at once before anybody notices."""
SEARCH_LONG = 1 << 30
"""So many pixels on disk are searched while somebody waits."""
SEARCHED_FIRST = 64
Point = Sequence[float]
"""A position within a frame."""
FEW = 3
"""Up to so many ids are compared one by one, which is faster than looking them up."""
READ_AT_ONCE = 1 << 24
"""Labels are searched in strips of about this many pixels, so that lazy ones need not fit into memory."""


def drawable(labels: Any, shape: tuple[int, ...]) -> Any:
    """Return labels that can be drawn into: the array itself, or a new one for None.

    Raises
    ------
    ValueError
        Where the shape is another one, or the array may not be written.
    TypeError
        Where the pixels are not integers, or are computed by dask.
    MemoryError
        Where new labels do not fit into memory.
    """
    if labels is None:
        return _new_labels(shape)
    array = labels if hasattr(labels, "shape") and hasattr(labels, "dtype") else np.asarray(labels)
    if tuple(array.shape) != shape:
        raise ValueError(f"The labels have the shape {tuple(array.shape)}, but this image needs {shape}.")
    if np.dtype(array.dtype).kind not in "iu":
        raise TypeError(f"Labels must be integers, but these are {array.dtype}.")
    if hasattr(array, "dask"):
        raise TypeError("Labels that dask computes cannot be drawn into; pass a copy, as numpy or zarr.")
    if isinstance(array, np.ndarray) and not array.flags.writeable:
        raise ValueError("These labels may not be written; pass a copy.")
    return array


def _new_labels(shape: tuple[int, ...]) -> npt.NDArray[np.int32]:
    try:
        return np.zeros(shape, np.int32)
    except MemoryError:
        size = 4 * math.prod(shape) / 1e9
        raise MemoryError(
            f"Labels of the shape {shape} take {size:,.0f} GB of memory; pass labels on disk, as zarr or a memory map."
        ) from None


def highest_id(labels: Any) -> int:
    """Return the highest id, read strip by strip; nothing is read of zarr labels of which nothing was written yet."""
    if getattr(labels, "nchunks_initialized", None) == 0 and not labels.fill_value:
        return 0
    *frames, rows, columns = labels.shape
    step = max(READ_AT_ONCE // max(columns, 1), 1)
    strips = [slice(k, k + step) for k in range(0, rows, step)]
    return max(0, *(int(np.max(labels[(*frame, rows)])) for frame in np.ndindex(*frames) for rows in strips))


def compacted(labels: Any) -> Any:
    """Return labels whose ids fit 32 bits: as they are where they do, else with ids from 1 on in their order.

    >>> compacted(np.array([[5, 2**32 + 5, 0]]))
    array([[1, 2, 0]], dtype=int32)
    """
    widest = np.iinfo(np.int32).max
    if np.iinfo(labels.dtype).max <= widest or highest_id(labels) <= widest:
        return labels
    values = np.asarray(labels[...])
    ids = np.unique(values)
    ids = ids[ids > 0]
    return np.where(values > 0, np.searchsorted(ids, values) + 1, 0).astype(np.int32)


def standing(labels: Any, ids: Collection[int]) -> frozenset[int] | None:
    """Return which of these ids some pixel has; None where the labels are too large to be searched meanwhile.

    >>> standing(np.array([[0, 3, 3]]), (2, 3))
    frozenset({3})
    """
    if not ids or math.prod(labels.shape) > SEARCH_WHOLE:
        return None if ids else frozenset()
    whole = np.asarray(labels[...])
    return frozenset(np.unique(whole[holds(whole, list(ids))]).tolist())


def unused_ids(labels: Any, most: int = 1 << 16) -> npt.NDArray[np.int64]:
    """Return the lowest ids from 1 on that no pixel has and that labels of this type hold, read strip by strip.

    >>> unused_ids(np.array([[0, 1, 3, 255]], np.uint8))[:3].tolist()
    [2, 4, 5]
    """
    *frames, rows, columns = labels.shape
    step = max(READ_AT_ONCE // max(columns, 1), 1)
    used: npt.NDArray[np.int64] = np.zeros(0, np.int64)
    for frame in np.ndindex(*frames):
        for k in range(0, rows, step):
            used = np.union1d(used, np.asarray(labels[(*frame, slice(k, k + step))])).astype(np.int64)
    highest = min(int(np.iinfo(np.dtype(labels.dtype)).max), most + used.size)
    return np.setdiff1d(np.arange(1, highest + 1), used)[:most]


def find_object(labels: Any, label: int, frames: Iterable[Frame], whole: Region) -> dict[Frame, Prediction]:
    """Return an object's masks on all of these frames on which it lies; `whole` is the region of a frame."""
    return _masks_of(labels, label, dict.fromkeys(frames, whole))


def find_object_near(
    labels: Any, label: int, frame: Frame, point: tuple[float, ...], whole: Region
) -> dict[Frame, Prediction]:
    """Return an object's mask on one frame; in a very large one, of the piece around the point."""
    if whole.size <= SEARCH_WHOLE:
        return _masks_of(labels, label, {frame: whole})
    return _masks_of(labels, label, {frame: piece_near(labels, label, frame, point, whole)})


def piece_near(labels: Any, label: int, frame: Frame, point: Sequence[float], whole: Region) -> Region:
    """Return a region around a point on whose rim an object does not lie, read outwards from the point.

    At least the piece of the object on which the point lies is inside.
    """
    region = Region.around(point, (SEARCHED_FIRST,) * whole.ndim).intersection(whole)
    while True:
        box = Region.of_mask(_object_in(labels, frame, region, label))
        if box is None:
            return region
        ring = box.placed_in(region).grow(1).intersection(whole)
        if region.intersection(ring) == ring:
            return region
        region = region.grow(max(region.shape) // 2 + 1).intersection(whole)


def quickly_searched(labels: Any, whole: Region) -> bool:
    """Return whether a whole frame of these labels is searched for an object before anybody notices."""
    in_memory = isinstance(labels, np.ndarray) and not isinstance(labels, np.memmap)
    return whole.size <= (SEARCH_IN_MEMORY if in_memory else SEARCH_WHOLE)


def read_block(labels: Any, frame: Frame, region: Region) -> npt.NDArray[Any]:
    """Return a copy of a region of one frame, shape `region.shape`."""
    return np.array(labels[region.at_frame(frame).slices]).reshape(region.shape)


def blocks_with(
    labels: Any, ids: Sequence[int], frames: Iterable[Frame], whole: Region, near: Sequence[Point] | None = None
) -> Iterator[tuple[Frame, Region, npt.NDArray[Any]]]:
    """Yield, for each frame that holds any of these objects, the smallest region that holds them, and its labels.

    The labels are not to be written into: they may be those that are there.

    Parameters
    ----------
    ids : sequence of int
        From 1 on.
    near : sequence of sequences of float, optional
        A pixel of each object within its frame: in a very large frame, they are searched only around there.
    """
    for frame in frames:
        if near is not None and whole.size > SEARCH_WHOLE:
            parts = [piece_near(labels, label, frame, point, whole) for label, point in zip(ids, near, strict=True)]
        else:
            parts = list(_strips(whole))
        boxes = [Region.of_mask(holds(_look_at(labels, frame, part), ids)) for part in parts]
        placed = [box.placed_in(part) for box, part in zip(boxes, parts, strict=True) if box is not None]
        if placed:
            region = reduce(Region.union, placed)
            yield frame, region, _look_at(labels, frame, region)


def holds(block: npt.NDArray[Any], ids: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Return which pixels belong to any of these objects.

    >>> holds(np.array([0, 1, 2, 3]), (3, 1)).tolist()
    [False, True, False, True]
    """
    if len(ids) > FEW:
        return np.isin(block, ids)
    return reduce(np.logical_or, (np.asarray(block == k) for k in ids))


def _strips(whole: Region) -> Iterator[Region]:
    """Cut a frame along its first axis into parts that may be read at once."""
    length, *rest = whole.shape
    step = max(READ_AT_ONCE // max(int(np.prod(rest)), 1), 1)
    for k in range(0, length, step):
        yield Region((k, *whole.start[1:]), (min(k + step, length), *whole.stop[1:]))


def _masks_of(labels: Any, label: int, where: Mapping[Frame, Region]) -> dict[Frame, Prediction]:
    found = {}
    for frame, region in where.items():
        there = _object_in(labels, frame, region, label)
        box = Region.of_mask(there)
        if box is not None:
            found[frame] = Prediction.from_mask(there[box.slices], box.placed_in(region))
    return found


def _object_in(labels: Any, frame: Frame, region: Region, label: int) -> npt.NDArray[np.bool_]:
    return np.asarray(_look_at(labels, frame, region) == label)


def _look_at(labels: Any, frame: Frame, region: Region) -> npt.NDArray[Any]:
    """As `read_block`, but without a copy of what is in memory."""
    return np.asarray(labels[region.at_frame(frame).slices]).reshape(region.shape)
