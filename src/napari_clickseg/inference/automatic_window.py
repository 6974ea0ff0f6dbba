"""Sight: which part of a frame a click's answer looks at, in network pixels, and back to the frame's own pixels.

Pure. Windows stand at coarse steps, so that clicks near each other share one, and its plain answer is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.regions import Region
from napari_clickseg.inference.proposal_choice import AROUND

if TYPE_CHECKING:
    from napari_clickseg.core.masks import Prediction
    from napari_clickseg.inference.tiling import Sides

Values = npt.NDArray[np.float32]

USUAL = {2: 256, 3: 64}
"""Side of a window, in network pixels, by the number of axes, where the object does not ask for more."""
CLOSE = {2: 128, 3: 32}
"""The same around clicks that the answer contradicts: it is computed many times there."""
STEPS = 4
"""A window moves by this share of its side."""


def box_of(
    points: Sequence[tuple[tuple[float, ...], bool]], prior: Prediction | None, diameter: float, shape: Sequence[int]
) -> Region:
    """Return what a window should hold: the last click with its surroundings; other clicks and the mask if near.

    The last click comes first, as the answer is about it.
    """
    last = Region.around(points[-1][0], (1,) * len(shape)).grow(math.ceil(AROUND * diameter) + 4)
    limit = last.grow(math.ceil(2 * diameter))
    near = [Region.around(point, (1,) * len(shape)) for point, _ in points if limit.contains(point)]
    drawn = None if prior is None else Region.of_mask(prior.mask())
    if prior is not None and drawn is not None:
        near.append(drawn.placed_in(prior.region).intersection(limit))
    for box in near:
        last = last.union(box) if box.size else last
    return last.clip(shape)


def choose_sight(box: Region, shape: Sequence[int], sides: Sides, usual: Mapping[int, int]) -> Region:
    """Return the window, in network pixels, for a box that it should hold, on a frame of so many network pixels.

    Along each axis it holds the box where a window may be so long, and is the whole frame where that is no longer.

    >>> from napari_clickseg.inference.tiling import Sides
    >>> choose_sight(Region((10, 300), (40, 330)), (100, 1000), Sides(longest=512, divisible=16), USUAL)
    Region(start=(0, 192), stop=(112, 448))
    """
    spans = [_span(a, b, n, usual[len(shape)], sides) for a, b, n in zip(box.start, box.stop, shape, strict=True)]
    return Region(tuple(a for a, _ in spans), tuple(b for _, b in spans))


def _span(low: int, high: int, length: int, usual: int, sides: Sides) -> tuple[int, int]:
    side = sides.side(min(max(usual, (high - low) * STEPS // (STEPS - 1)), length))
    if side >= length:
        return 0, side
    step = max(side // STEPS // sides.divisible, 1) * sides.divisible
    last = math.ceil((length - side) / sides.divisible) * sides.divisible
    start = min(max(round((low + high - side) / 2 / step) * step, 0), last)
    return start, start + side


def to_grid(region: Region, steps: Sequence[float]) -> Region:
    """Return the network pixels that hold a region of the frame, for so many network pixels per pixel."""
    return Region(
        tuple(math.floor(a * s) for a, s in zip(region.start, steps, strict=True)),
        tuple(math.ceil(b * s) for b, s in zip(region.stop, steps, strict=True)),
    )


def from_grid(window: Region, shape: Sequence[int], steps: Sequence[float]) -> Region:
    """Return the frame's pixels whose middles lie in a window of network pixels."""
    return Region(
        tuple(math.ceil(a / s - 0.5) for a, s in zip(window.start, steps, strict=True)),
        tuple(math.ceil(b / s - 0.5) for b, s in zip(window.stop, steps, strict=True)),
    ).clip(shape)


def on_frame(values: Values, window: Region, region: Region, steps: Sequence[float]) -> Values:
    """Return values of a window's network pixels at the pixels of a region of the frame, between them linearly."""
    if all(step == 1 for step in steps):
        return values[region.within(window).slices]
    lines = [
        (np.arange(a, b) + 0.5) * s - 0.5 - w
        for a, b, s, w in zip(region.start, region.stop, steps, window.start, strict=True)
    ]
    found: Values = ndimage.map_coordinates(values, np.meshgrid(*lines, indexing="ij"), order=1, mode="nearest")
    return found
