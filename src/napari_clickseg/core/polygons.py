"""Outlines of masks as polygons along the edges of pixels, holes and separate parts included, and polygons as masks.

Corners are (y, x) on the grid between pixels: pixel (0, 0) is the square from (0, 0) to (1, 1). So a polygon filled by
the centres of pixels gives back the mask it came from, in every program that counts this way (ImageJ, QuPath).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Ring = npt.NDArray[np.int64]
"""Corners (n, 2) of a closed line, the first one not repeated; an outer ring has a positive `signed_area`."""


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """One connected part of a mask.

    Attributes
    ----------
    outer : ring
    holes : tuple of rings
        The lines around its holes.
    """

    outer: Ring
    holes: tuple[Ring, ...] = ()


def polygons_of(mask: Mask) -> list[Polygon]:
    """Return the parts of a mask (y, x) that hang together by the sides of pixels.

    >>> ring = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
    >>> [(part.outer.tolist(), len(part.holes)) for part in polygons_of(ring)]
    [([[0, 0], [0, 3], [3, 3], [3, 0]], 1)]
    """
    rings = rings_of(mask)
    outer = [ring for ring in rings if signed_area(ring) > 0]
    holes: list[list[Ring]] = [[] for _ in outer]
    for ring in rings:
        if signed_area(ring) < 0:
            around = [k for k, line in enumerate(outer) if _encloses(line, ring)]
            holes[min(around, key=lambda k: signed_area(outer[k]))].append(ring)
    return [Polygon(line, tuple(inner)) for line, inner in zip(outer, holes, strict=True)]


def rings_of(mask: Mask) -> list[Ring]:
    """Return the closed lines between a mask (y, x) and what is not part of it.

    Where two pixels meet at a corner alone, the lines go apart: each pixel belongs to a part of its own.
    """
    following = _steps(np.pad(np.asarray(mask, bool), 1))
    rings = []
    while following:
        start = next(iter(following))
        corners: list[tuple[int, int]] = []
        corner, heading = start, following[start][0]
        while True:
            headings = following[corner]
            turned = heading if len(headings) == 1 and headings[0] == heading else _turn(headings, heading)
            if turned != heading or not corners:
                corners.append(corner)
            headings.remove(turned)
            if not headings:
                del following[corner]
            heading, corner = turned, (corner[0] + turned[0], corner[1] + turned[1])
            if corner == start:
                break
        rings.append(_without_straight(np.array(corners)))
    return rings


def signed_area(ring: npt.NDArray[Any]) -> float:
    """Return the area that a ring encloses in pixels: positive for outer rings, negative for holes."""
    y, x = ring[:, 0], ring[:, 1]
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def fill(rings: Iterable[Sequence[Any] | npt.NDArray[Any]], shape: tuple[int, int]) -> Mask:
    """Return the pixels (y, x) whose centres lie inside an odd number of rings (n, 2), given as (y, x).

    >>> fill([[(0, 0), (0, 3), (2, 3), (2, 0)]], (3, 4)).astype(int).tolist()
    [[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]]
    """
    parity = np.zeros((shape[0], shape[1] + 1), bool)
    for ring in rings:
        points = np.asarray(ring, float).reshape(-1, 2)
        for (y0, x0), (y1, x1) in zip(points, np.roll(points, -1, axis=0), strict=True):
            low, high = sorted((y0, y1))
            first, last = max(int(np.ceil(low - 0.5)), 0), min(int(np.ceil(high - 0.5)), shape[0])
            rows = np.arange(first, last)
            crossings = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0) if rows.size else rows.astype(float)
            columns = np.clip(np.ceil(crossings - 0.5).astype(int), 0, shape[1])
            parity[rows, columns] ^= True
    filled: Mask = np.logical_xor.accumulate(parity, axis=1)[:, :-1]
    return filled


def _steps(padded: Mask) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """From each corner the directions (dy, dx) of the lines that leave it, with the mask on their right."""
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}
    above, below = padded[:-1, 1:-1], padded[1:, 1:-1]
    left, right = padded[1:-1, :-1], padded[1:-1, 1:]
    lines = (
        (np.argwhere(below & ~above), (0, 0), (0, 1)),
        (np.argwhere(above & ~below), (0, 1), (0, -1)),
        (np.argwhere(left & ~right), (0, 0), (1, 0)),
        (np.argwhere(right & ~left), (1, 0), (-1, 0)),
    )
    for places, offset, step in lines:
        for y, x in (places + offset).tolist():
            following.setdefault((y, x), []).append(step)
    return following


def _turn(headings: Sequence[tuple[int, int]], heading: tuple[int, int]) -> tuple[int, int]:
    """The way to go on: at a corner that two pixels share, around the same pixel."""
    right = (heading[1], -heading[0])
    return right if right in headings else headings[0]


def _without_straight(corners: Ring) -> Ring:
    """A ring without corners at which it does not turn."""
    before, after = corners - np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0) - corners
    turns = np.sign(before) != np.sign(after)
    kept: Ring = corners[turns.any(axis=1)]
    return kept


def _encloses(outer: Ring, inner: Ring) -> bool:
    """Whether the pixel inside the first corner of a hole lies within an outer ring."""
    y, x = inner[0]
    step = inner[1] - inner[0]
    # The mask lies on the right of the line, so the pixel on its right belongs to the part around the hole.
    centre = (
        np.array([y, x])
        + step / max(np.abs(step).max(), 1) / 2
        + np.array([step[1], -step[0]]) / (max(np.abs(step).max(), 1) * 2)
    )
    low = np.floor(outer.min(axis=0)).astype(int)
    size = np.ceil(outer.max(axis=0)).astype(int) - low
    row, column = np.floor(centre).astype(int) - low
    if not (0 <= row < size[0] and 0 <= column < size[1]):
        return False
    return bool(fill([outer - low], (int(size[0]), int(size[1])))[row, column])
