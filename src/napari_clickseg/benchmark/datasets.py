"""Datasets: folders of images and label images, and a fixed sample of the objects in them.

A *source* is a folder in one of the layouts that `benchmark.annotation_formats` and `storage.image_label_pairs` know.
Without an index or lists of splits, every annotated image belongs to every split. A *data pack* is a folder of
sources. Stacks and movies are taken plane by plane.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.benchmark.annotation_formats import BY_NUMBER, LAYOUTS, Truth, find_layout, read_truth
from napari_clickseg.benchmark.annotation_formats import Item as Item
from napari_clickseg.core.images import CHANNEL, Image
from napari_clickseg.core.metrics import SMALLEST_OBJECT
from napari_clickseg.core.object_size import estimate_diameter
from napari_clickseg.storage.read_images import read_image

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame


@dataclass(frozen=True, slots=True)
class Target:
    """One object to segment: its label on one frame of an item, and its area in pixels there."""

    item: Item
    frame: Frame
    label: int
    area: int

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Source, image, frame and object, as tables name them."""
        return (self.item.source, self.item.name, _frame_text(self.frame), str(self.label))


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """One frame of an item: a two-dimensional image, its labels, and pixels that count neither way."""

    image: Image
    labels: npt.NDArray[Any]
    ignore: npt.NDArray[np.bool_] | None = None


def find_sources(data: Path, names: Sequence[str] = ()) -> dict[str, Path]:
    """Return the sources in a folder by name: the folder itself, or those of its subfolders that are sources.

    Raises
    ------
    ValueError
        Where there are none, or one that was asked for is missing.
    """
    folders = [data] if find_layout(data) else sorted(path for path in data.iterdir() if find_layout(path))
    found = {path.resolve().name: path for path in folders}
    if not found:
        known = "; ".join(layout.holds for layout in LAYOUTS)
        raise ValueError(f"{data} holds no data: a source is a folder with {known}.")
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"There is no source {', '.join(missing)} in {data}; there are {', '.join(found)}.")
    return {name: found[name] for name in names or found}


def find_items(data: Path, sources: Sequence[str], split: str, background: int | None = None) -> list[Item]:
    """Return the items of a split of the sources in a folder: of those named, else of all.

    Raises
    ------
    ValueError
        As `find_sources` and `read_items`, and where there are no items.
    """
    found = find_sources(data, sources)
    items = [item for name, folder in found.items() for item in read_items(name, folder, split, background)]
    if not items:
        raise ValueError(f"There is nothing in the split {split!r} of {', '.join(found)}.")
    return items


def read_items(source: str, folder: Path, split: str, background: int | None = 0) -> list[Item]:
    """Return the items of a source that belong to a split, by name.

    Parameters
    ----------
    background : int, optional
        The number that stands for background in labels and masks; see `Item`.

    Raises
    ------
    ValueError
        Where the folder has no layout that we know, its index or lists name what is not there, or a background is named
        for annotations that say themselves what it is.
    """
    layout = find_layout(folder)
    if layout is None:
        raise ValueError(f"{folder} is no source: its layout is not known.")
    items = layout.items(source, folder, split)
    if background and not all(item.coding in BY_NUMBER for item in items):
        raise ValueError(f"{folder} ({layout.name}) says itself what is background; leave --background out.")
    return [replace(item, background=background) for item in items]


def read_plane(item: Item, frame: Frame) -> Plane:
    """Read one frame of an item, in two dimensions."""
    return _plane(item, read_image(item.image), read_truth(item), frame)


@lru_cache(maxsize=4)
def prepared(item: Item, frame: Frame) -> tuple[Plane, float]:
    """A plane and the diameter that a session would estimate on it: the same for all of its objects."""
    plane = read_plane(item, frame)
    return plane, estimate_diameter(plane.image, (), 2)


def list_targets(items: Iterable[Item], smallest: int = SMALLEST_OBJECT) -> list[Target]:
    """Return every object of at least `smallest` pixels on every frame."""
    targets = []
    for item in items:
        labels = read_truth(item).labels
        for frame in _frames(item, labels):
            plane = np.asarray(at_frame(labels, frame).array)
            numbers, areas = np.unique(plane[plane > 0], return_counts=True)
            pairs = zip(numbers, areas, strict=True)
            targets += [Target(item, frame, int(n), int(a)) for n, a in pairs if a >= smallest]
    return targets


def sample_targets(targets: Sequence[Target], count: int, seed: int = 0) -> list[Target]:
    """Return a fixed sample, the same for the same targets, count and seed; all of them where there are no more.

    Each source draws by itself, so that adding a source changes no other's sample.
    """
    by_source: dict[str, list[Target]] = {}
    for target in targets:
        by_source.setdefault(target.item.source, []).append(target)
    drawn = []
    for source, members in by_source.items():
        rng = np.random.default_rng([seed, zlib.crc32(source.encode())])
        chosen = rng.choice(len(members), min(count, len(members)), replace=False)
        drawn += [members[k] for k in sorted(chosen)]
    return drawn


def _frames(item: Item, labels: Image) -> list[Frame]:
    frames = [tuple(int(k) for k in frame) for frame in np.ndindex(*labels.frames_shape(2))]
    if item.planes is None:
        return frames
    first, last = item.planes
    return [frame for frame in frames if first <= frame[0] <= last]


def _plane(item: Item, image: Image, truth: Truth, frame: Frame) -> Plane:
    if image.shape != truth.labels.shape:
        raise ValueError(f"{item.image} and its labels differ in shape: {image.shape} and {truth.labels.shape}.")
    ignore = None if truth.ignore is None else truth.ignore[frame]
    return Plane(at_frame(image, frame), np.asarray(at_frame(truth.labels, frame).array), ignore)


def at_frame(image: Image, frame: Frame) -> Image:
    """One frame of an image as an image of two dimensions (and colours)."""
    ahead = iter(frame)
    spatial = image.label_axes[-2:]
    index = tuple(slice(None) if axis in spatial or axis == CHANNEL else next(ahead) for axis in image.axes)
    axes = "".join(axis for axis in image.axes if axis in spatial or axis == CHANNEL)
    return Image(np.asarray(image.array[index]), axes, image.spacing[-2:], image.channel)


def _frame_text(frame: Frame) -> str:
    return ";".join(map(str, frame))
