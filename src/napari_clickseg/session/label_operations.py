"""Verbs: what it takes to merge, split, delete, fill, relabel and copy objects, as edits by frame. Pure planners.

They read the frames that they are given and write nothing; the session writes what they plan, as one step of undo.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.edits import Edit
from napari_clickseg.core.labels import Point, blocks_with, holds, piece_near, read_block
from napari_clickseg.core.regions import Region
from napari_clickseg.session.watershed_split import SURROUNDINGS, Pixel, second_part

if TYPE_CHECKING:
    from napari_clickseg.core.images import Image

Edits = dict[Frame, Edit]


def merge(
    labels: Any, ids: Sequence[int], frames: Iterable[Frame], whole: Region, near: Sequence[Point] | None = None
) -> Edits:
    """Return the edits that make several objects one, under the first one's id.

    Parameters
    ----------
    labels : array-like
        numpy, zarr or a memory map.
    ids : sequence of int
        At least two; the first one's id stays.
    frames : iterable of Frame
        Where; other frames stay as they are.
    whole : Region
        Of a frame.
    near : sequence of sequences of float, optional
        A pixel of each object within its frame: where to look in a very large one.

    Raises
    ------
    ValueError
        Where there are fewer than two objects, one of them is on none of these frames, or `near` does not name a pixel
        for each.
    """
    wanted = tuple(dict.fromkeys(int(k) for k in ids))
    if len(wanted) < 2:
        raise ValueError(f"Merging takes two objects or more, but got {_listed(wanted) or 'none'}.")
    if near is not None and len(near) != len(wanted):
        raise ValueError(f"`near` must name a pixel of each of the {len(wanted)} objects, but names {len(near)}.")
    _check_ids(wanted)
    edits: Edits = {}
    found: set[int] = set()
    for frame, region, block in blocks_with(labels, wanted, frames, whole, near):
        found.update(k for k in wanted if (block == k).any())
        others = holds(block, wanted[1:])
        if others.any():
            edits[frame] = _edit(region, others, wanted[0])
    _check_found(wanted, found, "to merge")
    return edits


def delete(labels: Any, label: int, frames: Iterable[Frame], whole: Region, near: Point | None = None) -> Edits:
    """Return the edits that erase an object.

    Parameters
    ----------
    near : sequence of float, optional
        A pixel of the object within its frame: where to look in a very large one.

    Raises
    ------
    ValueError
        Where the object is on none of these frames.
    """
    _check_ids([label])
    blocks = blocks_with(labels, [label], frames, whole, _one(near))
    edits = {frame: _edit(region, block == label, 0) for frame, region, block in blocks}
    _check_found([label], {label} if edits else set(), "to delete")
    return edits


def fill(labels: Any, label: int, frame: Frame, whole: Region, near: Point | None = None) -> Edits:
    """Return the edit that gives an object the background that it encloses; objects in its holes stay.

    Raises
    ------
    ValueError
        Where the object is not on this frame, or encloses no background.
    """
    _check_ids([label])
    edits = {}
    for _, region, block in blocks_with(labels, [label], [frame], whole, _one(near)):
        holes = ndimage.binary_fill_holes(block == label) & (block == 0)
        if not holes.any():
            raise ValueError(f"Object {label} has no holes{_on(frame)}.")
        edits[frame] = _edit(region, holes, label)
    _check_found([label], {label} if edits else set(), "to fill", frame)
    return edits


def relabel(labels: Any, label: int, new: int, frames: Iterable[Frame], whole: Region) -> Edits:
    """Return the edits that give an object another id.

    Raises
    ------
    ValueError
        Where the object is on none of these frames, or another one there has the new id already.
    """
    _check_ids([label, new])
    if label == new:
        raise ValueError(f"Object {label} has this id already.")
    edits = {}
    for frame, region, block in blocks_with(labels, [label, new], frames, whole):
        mine = np.asarray(block == label)
        if mine.any() and (block == new).any():
            raise ValueError(f"There is an object {new} already{_on(frame)}; merge the two, or choose another id.")
        if mine.any():
            edits[frame] = _edit(region, mine, new)
    _check_found([label], {label} if edits else set(), "to relabel")
    return edits


def swap(labels: Any, one: int, other: int, frames: Iterable[Frame], whole: Region) -> Edits:
    """Return the edits with which two objects swap their ids.

    Raises
    ------
    ValueError
        Where the two are one, or one of them is on none of these frames.
    """
    _check_ids([one, other])
    if one == other:
        raise ValueError(f"Swapping takes two objects, but both are {one}.")
    edits: Edits = {}
    found: set[int] = set()
    for frame, region, block in blocks_with(labels, [one, other], frames, whole):
        first, second = np.asarray(block == one), np.asarray(block == other)
        found.update(k for k, mask in ((one, first), (other, second)) if mask.any())
        box = Region.of_mask(first | second)
        if box is not None:
            written, values = (first | second)[box.slices], np.where(first, other, one)[box.slices]
            edits[frame] = Edit(box.placed_in(region), written, values.astype(np.int64))
    _check_found([one, other], found, "to swap")
    return edits


def copy(labels: Any, source: Frame, target: Frame, ids: Sequence[int] | None, whole: Region) -> Edits:
    """Return the edit that copies objects of one frame to another, into background and onto themselves.

    Parameters
    ----------
    ids : sequence of int or None
        Which objects; None copies all of the source frame.

    Raises
    ------
    ValueError
        Where the frames are one, or an object is not on the source frame.
    """
    if source == target:
        raise ValueError(f"Objects are copied from one frame to another, but both are {source}.")
    there = read_block(labels, source, whole)
    present = np.unique(there[there > 0])
    wanted = present if ids is None else np.unique(np.asarray(ids, np.int64))
    if not wanted.size:
        raise ValueError(f"There are no objects to copy{_on(source)}.")
    _check_ids(wanted.tolist())
    _check_found(wanted.tolist(), set(present.tolist()), "to copy", source)
    here = read_block(labels, target, whole)
    bare = np.where(np.isin(here, wanted), 0, here)
    after = np.where(np.isin(there, wanted) & (bare == 0), there, bare)
    box = Region.of_mask(after != here) or Region.whole((0,) * whole.ndim)
    return {target: Edit.of(here[box.slices], after[box.slices], box)}


def split(
    labels: Any, image: Image, frame: Frame, first: tuple[float, ...], second: tuple[float, ...], new: int
) -> Edits:
    """The edit that cuts an object in two by `session.watershed_split`: the part around `second` gets the new id.

    Parameters
    ----------
    first, second : tuple of float
        Positions of two pixels of one object, within the frame.
    new : int
        The id of the second part.

    Raises
    ------
    ValueError
        Where the two pixels are one, or not both on one object.
    """
    whole = Region.whole(image.frame_shape(len(first)))
    pixels = [_pixel(point, whole) for point in (first, second)]
    on = [int(read_block(labels, frame, Region(p, tuple(k + 1 for k in p))).item()) for p in pixels]
    if 0 in on or on[0] != on[1]:
        names = " and ".join(f"object {k}" if k else "background" for k in on)
        raise ValueError(f"Splitting takes two points on one object, but these lie on {names}.")
    if pixels[0] == pixels[1]:
        raise ValueError("Splitting takes two points, but both lie on one pixel.")
    region = _around_object(labels, on[0], frame, pixels, whole)
    grey = image.intensities(frame, region).mean(axis=0)
    mask = np.asarray(read_block(labels, frame, region) == on[0])
    inside = [tuple(p - s for p, s in zip(pixel, region.start, strict=True)) for pixel in pixels]
    part = second_part(grey, mask, inside, image.spacing[-whole.ndim :])
    return {frame: _edit(region, part, new)}


def _around_object(labels: Any, label: int, frame: Frame, pixels: Sequence[Pixel], whole: Region) -> Region:
    """A region that holds the pieces of an object on which these pixels lie, and a little around them."""
    boxes = []
    for pixel in pixels:
        region = piece_near(labels, label, frame, pixel, whole)
        box = Region.of_mask(np.asarray(read_block(labels, frame, region) == label))
        assert box is not None
        boxes.append(box.placed_in(region))
    return boxes[0].union(boxes[1]).grow(SURROUNDINGS + 1).intersection(whole)


def _pixel(point: tuple[float, ...], whole: Region) -> Pixel:
    return tuple(min(max(round(p), 0), n - 1) for p, n in zip(point, whole.stop, strict=True))


def frames_from(frame: Frame, counts: Sequence[int]) -> Iterator[Frame]:
    """Yield a frame and all that follow along the first axis that the model does not see, at the same other indices.

    >>> list(frames_from((1, 0), (3, 2)))
    [(1, 0), (2, 0)]
    """
    if not frame:
        yield frame
        return
    yield from ((k, *frame[1:]) for k in range(frame[0], counts[0]))


def _edit(region: Region, written: npt.NDArray[np.bool_], value: int) -> Edit:
    """Write one value, on no more than the pixels that change."""
    box = Region.of_mask(written) or Region.whole((0,) * region.ndim)
    values = np.broadcast_to(np.array(value, np.min_scalar_type(value)), box.shape)
    return Edit(box.placed_in(region), written[box.slices], values)


def _one(near: Point | None) -> list[Point] | None:
    return None if near is None else [near]


def _check_ids(ids: Sequence[int]) -> None:
    unfit = [k for k in ids if k < 1]
    if unfit:
        raise ValueError(f"Object ids start at 1 (0 is the background), but got {_listed(unfit)}.")


def _check_found(wanted: Sequence[int], found: set[int], what: str, frame: Frame = ()) -> None:
    missing = [k for k in wanted if k not in found]
    if missing:
        raise ValueError(f"There is no object {_listed(missing)} {what}{_on(frame)}.")


def _listed(ids: Sequence[int]) -> str:
    return ", ".join(str(k) for k in ids)


def _on(frame: Frame) -> str:
    return f" on frame {', '.join(str(k) for k in frame)}" if frame else ""
