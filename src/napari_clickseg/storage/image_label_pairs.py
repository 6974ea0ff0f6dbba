"""Sources: which image and which labels of a folder belong together, and what its index says of them.

A source is a folder with `images/` and `labels/` (whole numbers, 0 is the background) or `masks/`, or a folder with the
label images beside the images. `index.csv` may name the items, their splits and more. Training and benchmark read
folders here; what they make of the objects is theirs.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.images import CHANNEL, Image
from napari_clickseg.storage.read_images import READERS, UNREADABLE, read_image

DATA_VARIABLE = "CLICKSEG_DATA"
USUAL_PLACES = ("shared/data", "../shared/data")


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


INDEX = "index.csv"
IMAGES, LABELS, MASKS = "images", "labels", "masks"
OBJECT_VALUE, IGNORED_VALUE = 255, 128
"""What a mask says of a pixel: object, or neither way; 0 is the background."""
PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".pgm", ".ppm", ".jp2"}
INDEXED_PICTURES = {".png", ".bmp", ".gif"}
SESSION_OF_CELLPOSE = "_seg.npy"
"""How files end that hold a session of Cellpose, not an array."""
LABEL_WORDS = re.compile(
    r"[ _.-](cp_masks|masks?|labels?|seg|segmentation|gt|instances?)$|^(masks?|labels?|seg|gt)[ _.-]|#\d+$", re.I
)
IMAGE_WORDS = re.compile(r"[ _.-](img|im|image|raw|ome)$|^(img|im|image|raw)[ _.-]", re.I)
NUMBERED = re.compile(r"#\d+$")
RANGE = re.compile(r"(\w+):\s*(\w+)\s+(\d+)-(\d+)")

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and its labels; `mask` where the labels are in a folder of masks."""

    name: str
    image: Path
    labels: Path
    mask: bool = False


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs of a folder by name, and the names of images that have no labels."""

    by_name: Mapping[str, Pair]
    unlabelled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlaneRange:
    """Planes of a stack along an axis, both ends included."""

    axis: str
    first: int
    last: int


def is_source(folder: Path) -> bool:
    """Tell whether a folder has images and labels in subfolders, or label images beside images."""
    return has_parts(folder) or has_neighbours(folder)


def has_parts(folder: Path) -> bool:
    """Tell whether a folder has `images/` and `labels/` or `masks/`."""
    return (folder / IMAGES).is_dir() and any((folder / part).is_dir() for part in (LABELS, MASKS))


def has_neighbours(folder: Path) -> bool:
    """Tell whether any label image lies beside its image, as `a_masks.tif` beside `a.tif`."""
    if not folder.is_dir() or (folder / IMAGES).is_dir():
        return False
    images, labels = _told_apart(files_in(folder))
    known = {name for path in images for name in (path.stem, _bare(path.stem))}
    return any(_stem_of_labels(path.stem) in known for path in labels)


def find_pairs(folder: Path) -> Pairs:
    """Return the pairs of a source.

    Raises
    ------
    FileNotFoundError
        Where there is no such folder.
    ValueError
        Where no labels match an image, or several match one.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    if not has_parts(folder):
        images, labels = _told_apart(files_in(folder))
        return Pairs(pair_up(images, labels).by_name)
    mask = not (folder / LABELS).is_dir()
    return pair_up(files_in(folder / IMAGES), files_in(folder / (MASKS if mask else LABELS)), mask)


def pair_up(images: Iterable[Path], labels: Sequence[Path], mask: bool = False) -> Pairs:
    """Match labels to images: by the same name, else by a name that differs in a word such as `_mask` or `_labels`.

    A mask numbered `a#1`, `a#2` .. is one object of the image `a`, and a pair of its own.

    Raises
    ------
    ValueError
        Where no labels match an image, or several match one.
    """
    named = _by_name(images)
    exact = {name: [path] for name, path in _by_name(p for p in labels if p.stem in named).items()}
    loose = _loose_matches(named.keys() - exact.keys(), labels)
    matches = {name: exact.get(name) or loose.get(name, []) for name in sorted(named)}
    pairs = [pair for name, found in matches.items() for pair in _pairs_of(name, named[name], found, mask)]
    if not pairs and named and labels:
        raise ValueError(
            f"No labels in {labels[0].parent} match an image: there are {labels[0].name} .. and "
            f"{next(iter(named.values())).name} ..; give labels the image's name, or that and _mask or _labels."
        )
    return Pairs({pair.name: pair for pair in pairs}, tuple(name for name, found in matches.items() if not found))


def find_pair(folder: Path, pairs: Pairs, name: str) -> Pair:
    """Return the pair of a name.

    Raises
    ------
    ValueError
        Where there is none.
    """
    if name in pairs.by_name:
        return pairs.by_name[name]
    told = f"{folder / INDEX} names" if (folder / INDEX).is_file() else "There is an image"
    raise ValueError(f"{told} {name}, but {folder} has no image and label image of that name.")


def read_index(folder: Path) -> list[dict[str, str]] | None:
    """Return the rows of a source's index, or None where it has none."""
    if not (folder / INDEX).is_file():
        return None
    with open(folder / INDEX, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def split_ranges(text: str) -> dict[str, PlaneRange]:
    """Return the planes that belong to each split, where an index gives ranges of a stack; else nothing.

    >>> split_ranges("train: z 0-124, val: z 130-139")["val"]
    PlaneRange(axis='z', first=130, last=139)
    >>> split_ranges("train")
    {}
    """
    return {name: PlaneRange(axis, int(first), int(last)) for name, axis, first, last in RANGE.findall(text)}


def files_in(folder: Path) -> list[Path]:
    """Return the images of a folder, by name: files that we can read as one, and zarr folders."""
    return [path for path in sorted(folder.iterdir()) if _is_image(path)]


def read_labels(path: Path) -> Image:
    """Read a label image or mask. Of pictures with a palette the indices count, unless the palette is one of greys.

    Raises
    ------
    ValueError
        Where it cannot be read or has colours.
    """
    image = _read_indices(path) if path.suffix.lower() in INDEXED_PICTURES else None
    image = image or read_image(path)
    if CHANNEL not in image.axes:
        return image
    planes = np.moveaxis(np.asarray(image.array), image.axes.index(CHANNEL), 0)[:3]
    if (planes != planes[0]).any():
        raise ValueError(f"{path} is no label image: it has colours.")
    return Image(planes[0], image.axes.replace(CHANNEL, ""), image.spacing)


def read_mask(labels: Array) -> tuple[Array, npt.NDArray[np.bool_] | None]:
    """Return labels, and the pixels that count neither way, of what a folder of masks may hold.

    Only 0, 128 and 255 are a mask of one object; any other values are ids, and every pixel counts.

    >>> read_mask(np.array([0, 128, 255]))
    (array([0, 0, 1], dtype=uint8), array([False,  True, False]))
    >>> read_mask(np.array([0, 1, 255]))
    (array([  0,   1, 255]), None)
    """
    if not set(np.unique(labels)) <= {0, IGNORED_VALUE, OBJECT_VALUE}:
        return labels, None
    return (labels == OBJECT_VALUE).astype(np.uint8), labels == IGNORED_VALUE


def _is_image(path: Path) -> bool:
    suffix = path.suffix.lower()
    if path.name.startswith(".") or path.name.endswith(SESSION_OF_CELLPOSE):
        return False
    return suffix in READERS or (suffix in PICTURES and path.is_file())


def _told_apart(files: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Tell images from label images where both lie in one folder."""
    images: list[Path] = []
    labels: list[Path] = []
    for path in files:
        (labels if LABEL_WORDS.search(path.stem) else images).append(path)
    return images, labels


def _by_name(files: Iterable[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in files:
        if path.stem in named:
            raise ValueError(f"{path.parent} has both {named[path.stem].name} and {path.name}: keep one of them.")
        named[path.stem] = path
    return named


def _bare(name: str) -> str:
    return IMAGE_WORDS.sub("", name)


def _stem_of_labels(name: str) -> str:
    return LABEL_WORDS.sub("", re.sub(r"\.ome$", "", name, flags=re.I))


def _loose_matches(names: Set[str], labels: Iterable[Path]) -> dict[str, list[Path]]:
    """Label images by the image whose name theirs holds, words such as `_mask` and `_img` left out."""
    bare: dict[str, list[str]] = {}
    for name in sorted(names):
        bare.setdefault(_bare(name), []).append(name)
    matches: dict[str, list[Path]] = {}
    for path in labels:
        stem = _stem_of_labels(path.stem)
        meant = [stem] if stem in names else bare.get(stem, [])
        if len(meant) > 1:
            raise ValueError(f"{path} may belong to {' or '.join(meant)}: give it the name of its image.")
        for name in meant:
            matches.setdefault(name, []).append(path)
    return matches


def _pairs_of(name: str, image: Path, found: Sequence[Path], mask: bool) -> list[Pair]:
    if len(found) > 1 and not all(NUMBERED.search(path.stem) for path in found):
        raise ValueError(f"{image} has several label images, {', '.join(p.name for p in found)}: keep one of them.")
    return [Pair(name if len(found) == 1 else path.stem, image, path, mask) for path in found]


def _read_indices(path: Path) -> Image | None:
    """Indices of a picture with a palette; None where it has none, or one of greys only."""
    from PIL import Image as Picture

    try:
        with Picture.open(path) as picture:
            palette = picture.getpalette("RGB") if picture.mode == "P" else None
            if palette is None or palette[::3] == palette[1::3] == palette[2::3]:
                return None
            return Image.of(np.asarray(picture), "YX")
    except UNREADABLE as error:
        raise ValueError(f"{path} cannot be read as an image: {error}") from error
