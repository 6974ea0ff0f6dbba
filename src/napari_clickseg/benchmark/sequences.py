"""Sequences: movies and stacks with their truth, in part, and the worst frame of each object in one.

An object of a sequence is a *track*: the same id on all frames, or, where each frame is an image of its own, the same
id on images whose names differ in their last number (DAVIS).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.benchmark.annotation_formats import read_truth
from napari_clickseg.benchmark.datasets import Item, Plane, Target, at_frame, prepared
from napari_clickseg.benchmark.starting_masks import automatic_labels, start_of
from napari_clickseg.core.images import CHANNEL, Image
from napari_clickseg.core.metrics import SMALLEST_OBJECT, iou
from napari_clickseg.core.object_size import estimate_diameter
from napari_clickseg.storage.read_images import read_image

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame

Labels = npt.NDArray[Any]
NUMBERED = re.compile(r"(.+)_\d+")
"""Names of images that are frames of one sequence."""


@dataclass(frozen=True, slots=True, eq=False)
class Movie:
    """Some frames of a movie or a stack, in the middle of it along every axis.

    Attributes
    ----------
    source, name : str
    image : Image
        Axes (T or Z, Y, X), and C where there is colour.
    truth : ndarray of int
        (frames, rows, columns).
    """

    source: str
    name: str
    image: Image
    truth: Labels

    @property
    def frames(self) -> list[Frame]:
        """All of them, in their order."""
        return [(k,) for k in range(len(self.truth))]

    def objects(self, frame: Frame) -> list[int]:
        """Ids of the true objects on a frame that are large enough to count."""
        numbers, areas = np.unique(self.truth[frame], return_counts=True)
        return [int(n) for n, area in zip(numbers, areas, strict=True) if n and area >= SMALLEST_OBJECT]

    def plane(self, frame: Frame) -> Plane:
        """One frame as an image of its own."""
        return Plane(at_frame(self.image, frame), self.truth[frame])

    def random(self, *parts: object) -> np.random.Generator:
        """Random numbers that follow from the movie and these parts alone."""
        return np.random.default_rng(zlib.crc32("|".join(map(str, (self.source, self.name, *parts))).encode()))

    def automatic(self) -> npt.NDArray[np.int32]:
        """Return labels as a threshold and a watershed find them on each frame; no id is on two frames."""
        labels = np.zeros(self.truth.shape, np.int32)
        for frame in self.frames:
            plane = self.plane(frame)
            found = automatic_labels(plane, estimate_diameter(plane.image, (), 2))
            labels[frame] = np.where(found > 0, found + labels.max(), 0)
        return labels


def read_movie(item: Item, frames: int, side: int) -> Movie:
    """Read the middle frames of an item, and the middle of each.

    Raises
    ------
    ValueError
        Where it is no sequence of planes, or has fewer than two frames in its split.
    """
    image, truth = read_image(item.image), read_truth(item).labels
    if len(image.label_axes) != 3 or image.shape != truth.shape:
        raise ValueError(f"{item.image} is no movie or stack with labels of its shape; leave its source out.")
    first, last = (0, image.shape[0] - 1) if item.planes is None else item.planes
    if last == first:
        raise ValueError(f"{item.image} has one frame in this split; a sequence needs two at least.")
    length = min(frames, last - first + 1)
    start = first + (last - first + 1 - length) // 2
    places = [slice(start, start + length), *(_middle(n, side) for n in image.shape[1:])]
    by_axis = dict(zip(image.label_axes, places, strict=True))
    index = tuple(slice(None) if axis == CHANNEL else by_axis[axis] for axis in image.axes)
    cut = Image(np.asarray(image.array[index]), image.axes, image.spacing, image.channel)
    return Movie(item.source, item.name, cut, np.asarray(truth.array[tuple(places)]))


def _middle(size: int, side: int) -> slice:
    length = min(size, side)
    start = (size - length) // 2
    return slice(start, start + length)


# -- worst frames ------------------------------------------------------------------------------------------------------


def worst_frames(targets: Iterable[Target], start: str, count: int, seed: int) -> list[Target]:
    """Return of a fixed sample of each source's tracks the frame on which the mask to start from is worst.

    Parameters
    ----------
    start : str
        A name in `starts.STARTS`; on frames where it makes no mask of an object, that object is not asked about.
    count : int
        Tracks per source.
    """
    drawn = _sample(_tracks(targets), count, seed)
    wanted = {target: key for key, track in drawn.items() for target in track}
    worst: dict[tuple[str, str, int], tuple[float, Target]] = {}
    for target in sorted(wanted, key=lambda t: (t.item.source, t.item.name, t.frame, t.label)):
        quality = _quality(target, start)
        if quality is not None:
            key = wanted[target]
            worst[key] = min(worst.get(key, (2.0, target)), (quality, target), key=lambda pair: pair[0])
    return [worst[key][1] for key in drawn if key in worst]


def _tracks(targets: Iterable[Target]) -> dict[tuple[str, str, int], list[Target]]:
    """Targets by source, sequence and object."""
    tracks: dict[tuple[str, str, int], list[Target]] = {}
    for target in targets:
        tracks.setdefault((target.item.source, sequence_of(target.item.name), target.label), []).append(target)
    return tracks


def sequence_of(name: str) -> str:
    """Return the sequence that an image belongs to.

    >>> sequence_of("bmx-trees_00020"), sequence_of("hela01")
    ('bmx-trees', 'hela01')
    """
    numbered = NUMBERED.fullmatch(name)
    return numbered.group(1) if numbered else name


def _sample(
    tracks: dict[tuple[str, str, int], list[Target]], count: int, seed: int
) -> dict[tuple[str, str, int], list[Target]]:
    """So many tracks of each source, in their order; only those of two frames or more."""
    drawn: dict[tuple[str, str, int], list[Target]] = {}
    for source in dict.fromkeys(key[0] for key in tracks):
        keys = [key for key, track in tracks.items() if key[0] == source and len(track) > 1]
        order = np.random.default_rng([seed, zlib.crc32(source.encode())]).permutation(len(keys))[:count]
        drawn |= {keys[k]: tracks[keys[k]] for k in sorted(order)}
    return drawn


def _quality(target: Target, start: str) -> float | None:
    """IoU of the mask that a correction would start from; None where the object is too small to be damaged."""
    plane, diameter = prepared(target.item, target.frame)
    try:
        mask = start_of(plane, target.label, diameter, start, "|".join(target.key)).mask
    except ValueError:
        return None
    return iou(mask, plane.labels == target.label, plane.ignore)
