"""Pyramid: coarser copies of large labels, so that napari draws only what fits the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_clickseg.core.regions import Region

LARGEST_PLAIN = 3072
"""Planes with a longer side are shown as a pyramid: refreshing a plain layer takes time in proportion to its pixels."""
COARSEST = 1024


def levels_for(labels: Any) -> list[Any]:
    """Return the labels and, where the plane is large, empty coarser levels: half the rows and columns each time.

    >>> [level.shape for level in levels_for(np.zeros((4000, 6000), np.uint8))]
    [(4000, 6000), (2000, 3000), (1000, 1500), (500, 750)]
    """
    levels = [labels]
    if max(labels.shape[-2:]) <= LARGEST_PLAIN:
        return levels
    while max(levels[-1].shape[-2:]) > COARSEST:
        *frames, height, width = levels[-1].shape
        levels.append(np.zeros((*frames, -(-height // 2), -(-width // 2)), labels.dtype))
    return levels


def copy_down(levels: Sequence[Any], region: Region) -> None:
    """Bring the coarser levels up to date after the first one was written to in `region`.

    Every level keeps each n-th pixel of the first; n is read off their shapes.
    """
    finest = levels[0]
    for level in levels[1:]:
        steps = [max(round(a / b), 1) for a, b in zip(finest.shape, level.shape, strict=True)]
        into = [
            slice(a // n, min(-(-b // n), size))
            for a, b, n, size in zip(region.start, region.stop, steps, level.shape, strict=True)
        ]
        source = tuple(slice(i.start * n, i.stop * n, n) for i, n in zip(into, steps, strict=True))
        level[tuple(into)] = finest[source]
