"""Datasets: folders of images and label images, and a fixed sample of the objects in them.

A *source* is a folder with `images/` and `labels/` (whole numbers, 0 is the background), or `masks/` (255 object, 128
counts neither way). `index.csv` may name the items and their splits; without it every image that has a label image of
the same name belongs to every split. A *data pack* is a folder of sources. Stacks and movies are taken plane by plane.
"""

from __future__ import annotations

import csv
import os
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.clicks import Frame
from napari_clickseg.files import read_image
from napari_clickseg.images import CHANNEL, Image

DATA_VARIABLE = "CLICKSEG_DATA"
USUAL_PLACES = ("shared/data", "../shared/data")
SAME_SPLIT = {"eval": "test"}
"""Other names of splits."""
SMALLEST_OBJECT = 30
OBJECT_VALUE, IGNORED_VALUE = 255, 128


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a source; `planes` limits the first axis of a stack to a range (both ends included)."""

    source: str
    name: str
    image: Path
    labels: Path
    masks: bool = False
    planes: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One object to segment: its label on one frame of an item, and its area in pixels there."""

    item: Item
    frame: Frame
    label: int
    area: int


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """One frame of an item: a two-dimensional image, its labels, and pixels that count neither way."""

    image: Image
    labels: npt.NDArray[Any]
    ignore: npt.NDArray[np.bool_] | None = None


def find_data(folder: str | Path | None = None) -> Path:
    """Return the folder of data: the one named, else $CLICKSEG_DATA, else the usual places.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    """
    named = folder or os.environ.get(DATA_VARIABLE)
    for place in [Path(named).expanduser()] if named else map(Path, USUAL_PLACES):
        if place.is_dir():
            return place
    where = f"no folder {named}" if named else f"no data in {' or '.join(USUAL_PLACES)}"
    raise FileNotFoundError(
        f"There is {where}: name a folder with images/ and labels/, or one of such folders (--data)."
    )


def find_sources(data: Path, names: Sequence[str] = ()) -> dict[str, Path]:
    """Return the sources in a folder by name: the folder itself, or those of its subfolders that are sources.

    Raises
    ------
    ValueError
        Where there are none, or one that was asked for is missing.
    """
    folders = [data] if _is_source(data) else sorted(path for path in data.iterdir() if _is_source(path))
    found = {path.resolve().name: path for path in folders}
    if not found:
        raise ValueError(f"{data} holds no data: a source is a folder with images/ and labels/ (or masks/).")
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"There is no source {', '.join(missing)} in {data}; there are {', '.join(found)}.")
    return {name: found[name] for name in names or found}


def read_items(source: str, folder: Path, split: str) -> list[Item]:
    """Return the items of a source that belong to a split, by name.

    Raises
    ------
    ValueError
        Where the index names an image or a label image that is not there.
    """
    masks = not (folder / "labels").is_dir()
    images = _by_stem(folder / "images")
    labels = _by_stem(folder / ("masks" if masks else "labels"))
    index = folder / "index.csv"
    if not index.is_file():
        return [Item(source, name, images[name], labels[name], masks) for name in sorted(images.keys() & labels.keys())]
    items = []
    with open(index, newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            belongs, planes = _in_split(row.get("split") or "", split)
            if not belongs:
                continue
            name = row["name"]
            if name not in images or name not in labels:
                raise ValueError(f"{index} names {name}, but {folder} has no image and label image of that name.")
            items.append(Item(source, name, images[name], labels[name], masks, planes))
    return items


def read_plane(item: Item, frame: Frame) -> Plane:
    """Read one frame of an item, in two dimensions."""
    return _plane(item, read_image(item.image), read_image(item.labels), frame)


def list_targets(items: Iterable[Item], smallest: int = SMALLEST_OBJECT) -> list[Target]:
    """Return every object of at least `smallest` pixels on every frame."""
    targets = []
    for item in items:
        labels = read_image(item.labels)
        for frame in _frames(item, labels):
            plane = _labels(item, labels, frame)
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


def _is_source(folder: Path) -> bool:
    return (folder / "images").is_dir() and ((folder / "labels").is_dir() or (folder / "masks").is_dir())


def _by_stem(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.iterdir()) if not path.name.startswith(".")}


def _in_split(text: str, split: str) -> tuple[bool, tuple[int, int] | None]:
    """Tell whether an index row belongs to a split, and which planes of it where the row gives ranges.

    >>> _in_split("train: z 0-124, val: z 130-139", "val")
    (True, (130, 139))
    """
    text = text.strip()
    ranges = re.findall(r"(\w+):\s*\w+\s+(\d+)-(\d+)", text)
    if ranges:
        found: Mapping[str, tuple[int, int]] = {name: (int(first), int(last)) for name, first, last in ranges}
        return split in found, found.get(split)
    return text in ("", split) or SAME_SPLIT.get(text) == split, None


def _frames(item: Item, labels: Image) -> list[Frame]:
    frames = [tuple(int(k) for k in frame) for frame in np.ndindex(*labels.frames_shape(2))]
    if item.planes is None:
        return frames
    first, last = item.planes
    return [frame for frame in frames if first <= frame[0] <= last]


def _labels(item: Item, labels: Image, frame: Frame) -> npt.NDArray[Any]:
    plane = np.asarray(_at(labels, frame).array)
    if plane.ndim != 2:
        raise ValueError(f"{item.labels} is no label image: it has colours.")
    return (plane == OBJECT_VALUE).astype(np.uint8) if item.masks else plane


def _plane(item: Item, image: Image, labels: Image, frame: Frame) -> Plane:
    if image.shape != labels.shape:
        raise ValueError(f"{item.image} and its labels differ in shape: {image.shape} and {labels.shape}.")
    ignore = np.asarray(_at(labels, frame).array) == IGNORED_VALUE if item.masks else None
    return Plane(_at(image, frame), _labels(item, labels, frame), ignore)


def _at(image: Image, frame: Frame) -> Image:
    """One frame of an image as an image of two dimensions (and colours)."""
    ahead = iter(frame)
    spatial = image.label_axes[-2:]
    index = tuple(slice(None) if axis in spatial or axis == CHANNEL else next(ahead) for axis in image.axes)
    axes = "".join(axis for axis in image.axes if axis in spatial or axis == CHANNEL)
    return Image(np.asarray(image.array[index]), axes, image.spacing[-2:], image.channel)
