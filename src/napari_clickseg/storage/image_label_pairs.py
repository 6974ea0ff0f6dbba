"""Sources: which image and which labels of a folder belong together, and what its index says of them.

A source is a folder with `images/` and `labels/` (whole numbers, 0 is the background) or `masks/`, or a folder with the
label images beside the images. `index.csv` may name the items, their splits and more. Training and benchmark read
folders here; what they make of the objects is theirs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.images import Image
from napari_clickseg.storage.ome_zarr import is_zarr
from napari_clickseg.storage.paths import expanded
from napari_clickseg.storage.read_images import images_in, is_image
from napari_clickseg.storage.read_labels import as_ids, read_labels
from napari_clickseg.storage.tables import read_table

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
    for place in [expanded(named)] if named else map(Path, USUAL_PLACES):
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
MARKER = ".clickseg-labels"
"""A file that marks that a folder holds labels which we wrote, and no images."""
RESULT_WORDS = re.compile(r"[ _.-](flows|outlines|dP|cellprob|cp_output|cp_outlines)(_cp_masks)?$", re.I)
"""What else segmentation programs write beside an image."""
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
    """Return whether a folder has images and labels in subfolders, or label images beside images."""
    return has_parts(folder) or has_neighbours(folder)


def has_parts(folder: Path) -> bool:
    """Return whether a folder has `images/` and `labels/` or `masks/`."""
    return (folder / IMAGES).is_dir() and any((folder / part).is_dir() for part in (LABELS, MASKS))


def has_neighbours(folder: Path) -> bool:
    """Return whether any label image lies beside its image, as `a_masks.tif` beside `a.tif`."""
    if not folder.is_dir() or (folder / IMAGES).is_dir():
        return False
    return bool(_split_by_kind(files_in(folder))[1])


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
        images, labels = _split_by_kind(files_in(folder))
        return Pairs(pair_up(images, labels).by_name)
    mask = not (folder / LABELS).is_dir()
    return pair_up(images_of(folder / IMAGES), files_in(folder / (MASKS if mask else LABELS)), mask)


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
    source = f"{folder / INDEX} names" if (folder / INDEX).is_file() else "There is an image"
    raise ValueError(f"{source} {name}, but {folder} has no image and label image of that name.")


def read_index(folder: Path) -> list[dict[str, str]] | None:
    """Return the rows of a source's index, or None where it has none."""
    if not (folder / INDEX).is_file():
        return None
    return [dict(row.cells) for row in read_table(folder / INDEX).rows]


def split_ranges(text: str) -> dict[str, PlaneRange]:
    """Return the planes that belong to each split, where an index gives ranges of a stack; else nothing.

    >>> split_ranges("train: z 0-124, val: z 130-139")["val"]
    PlaneRange(axis='z', first=130, last=139)
    >>> split_ranges("train")
    {}
    """
    return {name: PlaneRange(axis, int(first), int(last)) for name, axis, first, last in RANGE.findall(text)}


def files_in(folder: Path) -> list[Path]:
    """Return what can be read as an image in a folder, by name: images, label images, and zarr folders."""
    return [path for path in sorted(folder.iterdir()) if is_image(path) and path.exists()]


def images_of(folder: Path) -> list[Path]:
    """Return the images of a folder, by name, without the label images and the like that lie beside them."""
    return _split_by_kind(files_in(folder))[0]


def images_below(folder: Path, output: Path | None = None) -> list[Path]:
    """Return the images in a folder and in those below it, by name; of a zarr of several images, these.

    Left out are hidden files, the insides of zarr, label images beside their images and in folders of labels, folders
    of labels that we wrote, and whatever a link leads back to.

    Parameters
    ----------
    output : Path, optional
        A folder of labels that is left out, too.
    """
    if is_zarr(folder):
        return images_in(folder)
    root = folder.resolve()
    seen = {root, *root.parents} | ({output.resolve()} if output is not None else set())
    return list(_images_below(folder, seen))


def _images_below(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """The images in a folder and below; `seen` grows by the folders that were looked into."""
    images = set(images_of(folder))
    for path in sorted(folder.iterdir()):
        if path in images:
            yield path
        elif is_zarr(path):
            yield from images_in(path)
        elif path.is_dir() and not path.name.startswith("."):
            inner = path.resolve()
            if inner not in seen and not (inner / MARKER).exists() and not _is_folder_of_labels(path, images):
                seen.add(inner)
                yield from _images_below(path, seen)


def _is_folder_of_labels(folder: Path, beside: Set[Path]) -> bool:
    """Return whether a folder is that of the labels of images beside it."""
    return folder.name.lower() in (LABELS, MASKS) and (bool(beside) or (folder.parent / IMAGES).is_dir())


def tables_of(images: Sequence[Path], root: Path, folder: Path) -> dict[Path, Path]:
    """Return the table of clicks of each image below `root` that has one: NAME.csv in the same place below `folder`.

    Of an image NAME.ome.tif, the table may be called NAME.csv, too, unless that is another image's.
    """
    stems = {image.relative_to(root).with_suffix("") for image in images}
    found = {}
    for image in images:
        stem = image.relative_to(root).with_suffix("")
        bare = stem.with_name(_bare_of_ome(stem.name))
        names = [stem] if bare in stems else [stem, bare]
        there = (folder / name.with_name(f"{name.name}.csv") for name in names)
        table = next((path for path in there if path.is_file()), None)
        if table is not None:
            found[image] = table
    return found


def labels_of(images: Sequence[Path], root: Path, folder: Path) -> dict[Path, Path]:
    """Return the labels of each image below `root` that has some in the same place below `folder`.

    The name decides, as in `pair_up`: the very same one, else one that differs in `.ome` or in a word such as `_masks`.

    Raises
    ------
    ValueError
        Where an image has several.
    """
    by_place: dict[Path, list[Path]] = {}
    for image in images:
        by_place.setdefault(image.parent.relative_to(root), []).append(image)
    found: dict[Path, Path] = {}
    for place, here in by_place.items():
        labels = _label_files(folder / place, here)
        names = {image.stem: image for image in here}
        matches: dict[Path, list[Path]] = {}
        for key in (_exact, _bare_of_ome, _stem_of_labels):
            taken = {path for paths in matches.values() for path in paths}
            by_name: dict[str, list[Path]] = {}
            for path in labels:
                if path not in taken:
                    by_name.setdefault(key(path.stem), []).append(path)
            for stem, image in names.items():
                wanted = stem if key is _exact else _bare_of_ome(stem)
                if image not in matches and by_name.get(wanted) and (wanted == stem or wanted not in names):
                    matches[image] = by_name[wanted]
        for image, paths in matches.items():
            if len(paths) > 1:
                several = ", ".join(path.name for path in paths)
                raise ValueError(f"{image.name} has several label images in {folder / place}, {several}: keep one.")
            found[image] = paths[0]
    return found


def _label_files(folder: Path, images: Sequence[Path]) -> list[Path]:
    """What may be labels in a folder: all that can be read, but the images themselves and other results."""
    if not folder.is_dir():
        return []
    own = {image.resolve() for image in images}
    there = (path for path in files_in(folder) if path.resolve() not in own)
    return [path for path in there if not RESULT_WORDS.search(path.stem)]


def _exact(stem: str) -> str:
    return stem


def _bare_of_ome(stem: str) -> str:
    return re.sub(r"\.ome$", "", stem, flags=re.I)


def read_annotation(
    path: Path, mask: bool = False, background: int | None = None
) -> tuple[Image, npt.NDArray[np.bool_] | None]:
    """Return the labels of an image, and the pixels that count neither way where it is a mask that has such.

    Parameters
    ----------
    mask : bool
        Whether it lies in a folder of masks; see `read_mask`.
    background : int, optional
        As in `read_labels.as_ids`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_labels`.
    """
    if not mask:
        return read_labels(path, background), None
    image = read_labels(path, background=0)
    labels, ignored = read_mask(np.asarray(image.array))
    if ignored is None or not ignored.any():
        labels, ignored = read_mask(np.asarray(as_ids(np.asarray(image.array), path, background)))
    return Image(labels, image.axes, image.spacing), ignored


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


def _split_by_kind(files: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Return images and label images where both lie in one folder; what else belongs to an image is left out.

    A name with a word such as `_masks` is that of labels where the image of that name is there, too: others may be
    called so and be images.
    """
    paths = list(files)
    plain = {path for path in paths if not (LABEL_WORDS.search(path.stem) or RESULT_WORDS.search(path.stem))}
    known = {name for path in plain for name in (path.stem, _bare(path.stem))}
    images: list[Path] = []
    labels: list[Path] = []
    for path in paths:
        if path not in plain and RESULT_WORDS.sub("", path.stem) in known:
            continue
        belongs = path not in plain and _stem_of_labels(path.stem) in known
        (labels if belongs else images).append(path)
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
    return LABEL_WORDS.sub("", _bare_of_ome(name))


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
