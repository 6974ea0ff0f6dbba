"""Label conventions: which number stands for background where it is not 0, and labels made of what means no objects.

Programs differ: the largest region numbered 1, 255 or the highest number for "no object" or "not annotated", objects in
black on white, outlines, masks of one value. Values alone cannot prove it, so what is found here is for a person to
confirm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[Any]
Kind = Literal["background", "void", "inverted", "outlines", "mask"]

WHOLE_PLANE = 1 << 20
"""Planes of up to so many pixels are looked at as a whole, of larger ones nine blocks."""
BLOCK = 256
EDGE, COVER = 0.5, 0.3
"""Background numbered otherwise holds at least these shares of the border, and of all pixels."""
AROUND = 0.9
"""Background around black objects holds at least this share of the border."""
AT_BORDER = 0.1
"""What is not annotated lies between objects, in lines, or holds at least this share of the border."""
THICK = 5
"""Lines are thinner than so many pixels."""
REST = 0.05
"""Of lines, at most this share is thicker."""
AREAS, SMALLEST_AREA = 3, 20
"""Outlines enclose at least so many areas, each of so many pixels."""
SPARSE = 4
"""A highest number that stands apart is no id where there are fewer other ids than a share of one in so many."""
VOID = {255, 2**15 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1}
"""The highest numbers of types, which stand for "no object" or "not annotated" in many data sets."""


@dataclass(frozen=True, slots=True)
class Convention:
    """A number that seems to stand for something else than one object.

    Attributes
    ----------
    kind : str
        "background": it is the ground that objects lie on; "void": no object, or not annotated; "inverted": the
        ground of objects that are 0; "outlines": lines around objects that are 0; "mask": all objects together.
    """

    kind: Kind
    value: int

    @property
    def sentence(self) -> str:
        """What was seen, without a subject: "hold 1 over most of the picture"."""
        return {
            "background": f"hold {self.value} over most of the picture, and 0 nowhere but in lines",
            "void": f"hold {self.value}, far above all other numbers, which often stands for no object",
            "inverted": f"hold {self.value} all around areas of 0",
            "outlines": f"hold {self.value} in lines that enclose areas of 0",
            "mask": f"hold one number, {self.value}, for all objects",
        }[self.kind]


def convention_of(labels: Any) -> Convention | None:
    """Return what else than one object a number of labels seems to stand for; None where all is usual.

    Looked at are the first, the middle and the last plane; 0 and whole numbers from 1 on are usual.

    Examples
    --------
    >>> plane = np.ones((40, 40), np.uint8)
    >>> plane[5:15, 5:15], plane[20:30, 20:30] = 2, 3
    >>> convention_of(plane)
    Convention(kind='background', value=1)
    >>> convention_of(np.where(plane == 1, 0, plane)) is None
    True
    """
    planes = [_looked_at(labels, frame) for frame in _frames(labels.shape[:-2])]
    values = np.unique(np.concatenate([np.unique(block) for blocks in planes for block, _ in blocks]))
    ids = [int(value) for value in values if value != 0]
    if not ids:
        return None
    found = (convention for blocks in planes for convention in _seen(blocks, ids))
    return next(found, None)


def with_background(labels: Array, value: int) -> Array:
    """Return labels in which this number is 0. Where 0 was the only other one, its connected areas are the objects.

    Of those areas, one that holds most of the border is background, too: it lies outside of the outlines.

    >>> with_background(np.array([[255, 255, 255], [255, 0, 255]], np.uint8), 255).tolist()
    [[0, 0, 0], [0, 1, 0]]
    """
    if not ((labels != 0) & (labels != value)).any():
        areas, _ = ndimage.label(labels == 0)
        borders = np.concatenate([side.ravel() for side in _sides(areas)])
        outer = np.bincount(borders, minlength=2)
        outer[0] = 0
        areas[areas == int(outer.argmax()) if outer.max() > borders.size / 2 else np.zeros(areas.shape, bool)] = 0
        return _renumbered(areas)
    return np.where(labels == value, 0, labels)


def in_parts(mask: Array) -> Array:
    """Return the connected parts of a mask as objects.

    >>> in_parts(np.array([[255, 0, 255]], np.uint8)).tolist()
    [[1, 0, 2]]
    """
    return np.asarray(ndimage.label(mask != 0)[0])


def as_usual(labels: Array, convention: Convention) -> Array:
    """Return labels in which 0 is background and every other number an object, by what a convention says."""
    return in_parts(labels) if convention.kind == "mask" else with_background(labels, convention.value)


# -- inside ------------------------------------------------------------------------------------------------------------

Looked = list[tuple[Array, Array]]
"""Blocks of a plane, and the pixels of each that lie on the plane's border."""


def _frames(counts: tuple[int, ...]) -> list[tuple[int, ...]]:
    chosen = [tuple(0 for _ in counts), tuple(n // 2 for n in counts), tuple(n - 1 for n in counts)]
    return list(dict.fromkeys(chosen))


def _looked_at(labels: Any, frame: tuple[int, ...]) -> Looked:
    rows, columns = labels.shape[-2:]
    if rows * columns <= WHOLE_PLANE:
        block = np.asarray(labels[frame]) if frame else np.asarray(labels[...])
        return [(block, np.concatenate([side.ravel() for side in _sides(block)]))]
    looked = []
    for row in _starts(rows):
        for column in _starts(columns):
            block = np.asarray(labels[(*frame, slice(row, row + BLOCK), slice(column, column + BLOCK))])
            on_border = (row == 0, row + BLOCK >= rows, column == 0, column + BLOCK >= columns)
            sides = [side.ravel() for side, there in zip(_sides(block), on_border, strict=True) if there]
            looked.append((block, np.concatenate([np.zeros(0, block.dtype), *sides])))
    return looked


def _starts(length: int) -> list[int]:
    return sorted({0, max((length - BLOCK) // 2, 0), max(length - BLOCK, 0)})


def _sides(plane: Array) -> tuple[Array, Array, Array, Array]:
    return plane[..., 0, :], plane[..., -1, :], plane[..., 0], plane[..., -1]


def _seen(blocks: Looked, ids: list[int]) -> Iterator[Convention]:
    pixels = np.concatenate([block.ravel() for block, _ in blocks])
    border = np.concatenate([side for _, side in blocks])
    thin_zeros = all(_is_thin(block == 0) for block, _ in blocks)
    if len(ids) > 1:
        for value in (ids[0], ids[-1]):
            if thin_zeros and (border == value).mean() > EDGE and (pixels == value).mean() > COVER:
                yield Convention("background", value)
        apart = ids[-1] in VOID and ids[-2] < ids[-1] - 1 and len(ids) - 1 <= ids[-1] / SPARSE
        void = [block == ids[-1] for block, _ in blocks]
        if apart and ((border == ids[-1]).mean() > AT_BORDER or (any(map(np.any, void)) and all(map(_is_thin, void)))):
            yield Convention("void", ids[-1])
        return
    value = ids[0]
    if any(_encloses(block == value) for block, _ in blocks):
        yield Convention("outlines", value)
    elif (pixels == 0).any() and not thin_zeros and (border == value).mean() > AROUND:
        if (pixels == value).mean() > EDGE:
            yield Convention("inverted", value)
    elif any(ndimage.label(block != 0)[1] > 1 for block, _ in blocks):
        yield Convention("mask", value)


def _is_thin(mask: npt.NDArray[np.bool_]) -> bool:
    """Whether a mask holds lines at most; where it holds nothing, it does."""
    count = int(mask.sum())
    thick = ndimage.binary_erosion(mask, np.ones((THICK, THICK), bool)) if count else mask
    return int(ndimage.binary_dilation(thick, np.ones((THICK, THICK), bool)).sum()) <= REST * count


def _encloses(lines: npt.NDArray[np.bool_]) -> bool:
    """Whether a mask is made of lines around several areas."""
    if not lines.any() or not _is_thin(lines):
        return False
    areas, count = ndimage.label(~lines)
    sizes = np.bincount(areas.ravel(), minlength=count + 1)[1:]
    return int((sizes >= SMALLEST_AREA).sum()) >= AREAS


def _renumbered(labels: Array) -> Array:
    """Labels with ids from 1 on, without gaps."""
    kept = np.unique(labels)
    return np.searchsorted(kept[kept > 0], labels) + (labels > 0)
