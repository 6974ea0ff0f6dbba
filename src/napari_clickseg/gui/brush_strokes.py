"""Brush strokes: where napari's own tools painted labels, and what stood there before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.regions import Region


def painted_regions(strokes: Iterable[Any], thin: int | None) -> Iterator[Region]:
    """Yield where a Labels layer was painted, one region per plane, without the thin axis that stands for channels.

    Parameters
    ----------
    strokes : iterable
        The value of napari's `paint` event: (indices, old values, new value) each, the indices one array or slice per
        axis of the layer's data; strokes over masks (napari 0.9) tell a box instead.
    thin : int or None
        As in `Placement`.

    Examples
    --------
    >>> list(painted_regions([((np.array([2, 2]), np.array([5, 7]), np.array([1, 4])), None, 3)], None))
    [Region(start=(2, 5, 1), stop=(3, 8, 5))]
    """
    boxes: dict[tuple[int, ...], list[Region]] = {}
    for stroke in strokes:
        sides = [_side(index) for k, index in enumerate(_indices(stroke)) if k != thin]
        for front in np.ndindex(*(b - a for a, b in sides[:-2])):
            plane = tuple(int(a + k) for (a, _), k in zip(sides, front, strict=False))
            start, stop = zip(*sides[-2:], strict=True)
            boxes.setdefault(plane, []).append(Region(start, stop).at_frame(plane))
    yield from (reduce(Region.union, regions) for regions in boxes.values())


def before_strokes(labels: Any, box: Region, strokes: Sequence[Any], thin: int | None) -> npt.NDArray[Any]:
    """Return what stood in a box of the labels before these strokes, all of which lie inside; as `painted_regions`.

    >>> labels = np.array([[0, 3, 3, 3]])
    >>> before_strokes(labels, Region((0, 1), (1, 4)), [((np.array([0]), np.array([2])), np.array([8]), 3)], None)
    array([[3, 8, 3]])
    """
    block = np.array(labels[box.slices])
    for stroke in reversed(strokes):
        sides = [index for k, index in enumerate(_indices(stroke)) if k != thin]
        where = tuple(_shifted(index, start) for index, start in zip(sides, box.start, strict=True))
        if not hasattr(stroke, "slice_key"):
            block[where] = stroke[1]
        elif stroke.mask is None:
            block[where] = np.reshape(stroke.old_values, block[where].shape)
        else:
            block[where][np.reshape(stroke.mask, block[where].shape)] = stroke.old_values
    return block


def _shifted(index: Any, start: int) -> Any:
    return slice(index.start - start, index.stop - start) if isinstance(index, slice) else np.asarray(index) - start


def _indices(stroke: Any) -> Any:
    return getattr(stroke, "slice_key", None) or stroke[0]


def _side(index: Any) -> tuple[int, int]:
    if isinstance(index, slice):
        return int(index.start), int(index.stop)
    values = np.asarray(index)
    return int(values.min()), int(values.max()) + 1
