"""Layouts: how published datasets lay out their images and annotations.

A folder's layout is recognised by what it holds. A reader lists the items of a split; how the annotation of an item
becomes labels is left to `codings`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.images import Image
from napari_clickseg.core.labels import compacted
from napari_clickseg.storage.image_label_pairs import (
    Pairs,
    files_in,
    find_pair,
    find_pairs,
    has_neighbours,
    has_parts,
    pair_up,
    read_annotation,
    read_index,
    split_ranges,
)
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.storage.read_labels import read_labels

SPLITS = ("train", "val", "test")
SAME_SPLIT = {"eval": "test"}
"""Other names of splits."""
PUBLISHED_SPLIT = {"test": "val"}
"""Published datasets keep the annotations of their test split; the papers test on "val"."""
DAVIS_SIZE = "480p"
DAVIS_LISTS = ("2017", "2016", DAVIS_SIZE)
SEQUENCE = re.compile(r"\d\d")
TRUTHS = ("GT", "ST")
"""Gold truth of the Cell Tracking Challenge is preferred to silver truth."""
MAN_SEG = re.compile(r"man_seg_?(\d+)(?:_(\d+))?\.tif")
ANNOTATION_FILES = ("annotations/instances_*.json", "annotations/lvis_*.json", "instances_*.json", "lvis_*.json")


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a source and its annotation.

    Attributes
    ----------
    coding : str
        How the annotation is coded: a key of `codings.CODINGS`.
    planes : tuple of int or None
        Limits the first axis of a stack to a range (both ends included).
    annotation : int or None
        Id of the one object meant, where objects may overlap and each is an item of its own.
    background : int or None
        The number that stands for background in labels and masks, as in `read_labels.as_ids`: 0 takes them as they
        are, None refuses those in which another number looks like background.
    """

    source: str
    name: str
    image: Path
    labels: Path
    coding: str = "labels"
    planes: tuple[int, int] | None = None
    annotation: int | None = None
    background: int | None = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """A way to lay out a dataset: how to recognise it, and how to list the items of a split."""

    name: str
    holds: str
    fits: Callable[[Path], bool]
    items: Callable[[str, Path, str], list[Item]]


def find_layout(folder: Path) -> Layout | None:
    """Return the layout of a folder; None where it has none that we know."""
    return next((layout for layout in LAYOUTS if layout.fits(folder)), None)


# -- sources of one's own, and folders of pairs ------------------------------------------------------------------------


def _own_items(source: str, folder: Path, split: str) -> list[Item]:
    pairs = find_pairs(folder)
    rows = read_index(folder)
    if rows is None:
        _check_split(split, folder)
        return _items_of(source, pairs)
    items = []
    for row in rows:
        belongs, planes = _in_split(row.get("split") or "", split)
        if belongs:
            pair = find_pair(folder, pairs, row["name"])
            items.append(Item(source, pair.name, pair.image, pair.labels, "mask" if pair.mask else "labels", planes))
    return items


def _check_split(split: str, folder: Path) -> None:
    """Raise ValueError where a split is asked for that no data without an index belong to."""
    if split not in SPLITS:
        raise ValueError(f"There is no split {split!r}: {folder} has no index, so all of it is {', '.join(SPLITS)}.")


def _in_split(text: str, split: str) -> tuple[bool, tuple[int, int] | None]:
    """Return whether an index row belongs to a split, and which planes of it where the row gives ranges.

    >>> _in_split("train: z 0-124, val: z 130-139", "val")
    (True, (130, 139))
    """
    text = text.strip()
    ranges = split_ranges(text)
    if ranges:
        found = ranges.get(split)
        return found is not None, None if found is None else (found.first, found.last)
    return text in ("", split) or SAME_SPLIT.get(text) == split, None


def _grabcut_items(source: str, folder: Path, split: str) -> list[Item]:
    return _items_of(source, pair_up(files_in(folder / "data_GT"), files_in(folder / "boundary_GT"), mask=True))


def _items_of(source: str, pairs: Pairs) -> list[Item]:
    """Every pair, whatever the split."""
    codings = {True: "mask", False: "labels"}
    return [Item(source, p.name, p.image, p.labels, codings[p.mask]) for p in pairs.by_name.values()]


# -- published datasets ------------------------------------------------------------------------------------------------


def _voc_items(source: str, folder: Path, split: str) -> list[Item]:
    names = _listed(folder / "ImageSets" / "Segmentation", split)
    images, objects = folder / "JPEGImages", folder / "SegmentationObject"
    return [
        Item(source, name, _needed(images / f"{name}.jpg"), _needed(objects / f"{name}.png"), "void") for name in names
    ]


def _sbd_items(source: str, folder: Path, split: str) -> list[Item]:
    names = _listed(folder, split)
    images, objects = folder / "img", folder / "inst"
    return [
        Item(source, name, _needed(images / f"{name}.jpg"), _needed(objects / f"{name}.mat"), "sbd") for name in names
    ]


def _davis_items(source: str, folder: Path, split: str) -> list[Item]:
    """Annotated frames of the listed sequences (2017), or the frames listed (2016)."""
    lists = next((folder / "ImageSets" / name for name in DAVIS_LISTS if (folder / "ImageSets" / name).is_dir()), None)
    if lists is None:
        raise ValueError(f"{folder / 'ImageSets'} holds none of {', '.join(DAVIS_LISTS)} to name the splits.")
    images, labels = folder / "JPEGImages" / DAVIS_SIZE, folder / "Annotations" / DAVIS_SIZE
    items = []
    for line in _listed(lists, split):
        listed = Path(line.split()[0])
        one = listed.suffix != ""
        sequence = labels / (listed.parent.name if one else listed.name)
        frames = [sequence / f"{listed.stem}.png"] if one else sorted(sequence.glob("*.png"))
        items += [
            Item(source, f"{path.parent.name}_{path.stem}", _twin(path, images), _needed(path), "mask")
            for path in frames
        ]
    return items


def _twin(labels: Path, images: Path) -> Path:
    return _needed(images / labels.parent.name / f"{labels.stem}.jpg")


def _listed(folder: Path, split: str) -> list[str]:
    """Lines of a split's list."""
    lists = {path.stem: path for path in sorted(folder.glob("*.txt"))}
    wanted = PUBLISHED_SPLIT.get(split, split)
    if wanted not in lists:
        raise ValueError(f"{folder} lists no split {wanted!r}; there are {', '.join(lists) or 'none'}.")
    return [line.strip() for line in lists[wanted].read_text("utf-8").splitlines() if line.strip()]


def _needed(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"{path} is missing, though the dataset's list names it.")
    return path


# -- COCO and LVIS -----------------------------------------------------------------------------------------------------


def _coco_items(source: str, folder: Path, split: str) -> list[Item]:
    """An item per object, for objects of COCO may overlap; crowds are no objects."""
    path = _annotation_file(folder, split)
    images, annotations = read_coco(path)
    places = _image_places(folder, path)
    found = {number: _coco_image(record, places) for number, record in images.items()}
    return [
        Item(source, found[a["image_id"]].stem, found[a["image_id"]], path, "coco", annotation=number)
        for number, a in annotations.items()
        if a.get("segmentation") and not a.get("iscrowd")
    ]


def _annotation_files(folder: Path) -> list[Path]:
    return [path for pattern in ANNOTATION_FILES for path in sorted(folder.glob(pattern))]


def _annotation_file(folder: Path, split: str) -> Path:
    """The file of annotations whose name holds the split, or the only one where its name holds none."""
    files = _annotation_files(folder)
    wanted = PUBLISHED_SPLIT.get(split, split)
    found = [path for path in files if wanted in path.stem]
    if not found:
        found = [path for path in files if not re.search("train|val|test", path.stem)]
    if len(found) != 1:
        names = ", ".join(path.name for path in found or files)
        raise ValueError(f"{folder} must hold one file of annotations for the split {wanted!r}, but it holds {names}.")
    return found[0]


@lru_cache(maxsize=2)
def read_coco(path: Path) -> tuple[dict[int, Any], dict[int, Any]]:
    """Return the records of images and of annotations of a file of COCO or LVIS, by id.

    Raises
    ------
    ValueError
        Where the file is none.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        images, annotations = ({record["id"]: record for record in content[p]} for p in ("images", "annotations"))
        return images, annotations
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} cannot be read as annotations of COCO or LVIS: {error}") from error


def _image_places(folder: Path, annotations: Path) -> list[Path]:
    """Folders in which the images may lie: those beside the annotations, one named as they are first."""
    subset = annotations.stem.rpartition("_")[2]
    above = [folder, folder / "images"]
    return [*(place / subset for place in above), *above]


def _coco_image(record: Mapping[str, Any], places: list[Path]) -> Path:
    """The image of a record: LVIS names it by the end of its address, COCO by a file name."""
    address = str(record.get("coco_url", "")).split("/")[-2:]
    names = [Path(*address), *([Path(record["file_name"])] if "file_name" in record else [])]
    for path in (place / name for name in names for place in places):
        if path.is_file():
            return path
    raise ValueError(f"The image {names[-1]} is in none of {', '.join(map(str, places))}.")


# -- Cell Tracking Challenge -------------------------------------------------------------------------------------------


def _challenge_items(source: str, folder: Path, split: str) -> list[Item]:
    """Frames of which there is a segmentation; of a volume annotated slice by slice, each slice."""
    items = [item for sequence in _sequences(folder) for item in _sequence_items(source, sequence)]
    if not items:
        raise ValueError(
            f"{folder} holds no segmentation (01_GT/SEG/man_seg*.tif or 01_ST/SEG): "
            "markers for tracking (TRA) are no outlines."
        )
    return items


def _sequences(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    folders = [path for path in sorted(folder.iterdir()) if SEQUENCE.fullmatch(path.name) and path.is_dir()]
    return [path for path in folders if any((folder / f"{path.name}_{truth}").is_dir() for truth in TRUTHS)]


def _sequence_items(source: str, sequence: Path) -> Iterator[Item]:
    segmentations = (sorted((sequence.parent / f"{sequence.name}_{t}" / "SEG").glob("man_seg*.tif")) for t in TRUTHS)
    for path in next((files for files in segmentations if files), []):
        match = MAN_SEG.fullmatch(path.name)
        if match is None:
            raise ValueError(f"{path} must be named man_segTTT.tif or, for one slice, man_seg_TTT_ZZZ.tif.")
        frame, plane = match.groups()
        image = _needed(sequence / f"t{frame}.tif")
        name = f"{sequence.name}_{image.stem}"
        if plane is None:
            yield Item(source, name, image, path)
        else:
            yield Item(source, name, image, path, "slice", (int(plane), int(plane)))


def _with(*parts: str) -> Callable[[Path], bool]:
    return lambda folder: all((folder / part).is_dir() for part in parts)


LAYOUTS = (
    Layout("images and labels", "images/ and labels/ (or masks/)", has_parts, _own_items),
    Layout("GrabCut", "data_GT/ and boundary_GT/", _with("data_GT", "boundary_GT"), _grabcut_items),
    Layout("PASCAL VOC", "JPEGImages/ and SegmentationObject/", _with("JPEGImages", "SegmentationObject"), _voc_items),
    Layout("SBD", "img/ and inst/", _with("img", "inst"), _sbd_items),
    Layout(
        "DAVIS",
        "JPEGImages/480p/ and Annotations/480p/",
        _with(f"JPEGImages/{DAVIS_SIZE}", f"Annotations/{DAVIS_SIZE}"),
        _davis_items,
    ),
    Layout(
        "COCO, LVIS",
        "annotations/instances_*.json or annotations/lvis_*.json",
        lambda folder: bool(_annotation_files(folder)),
        _coco_items,
    ),
    Layout("Cell Tracking Challenge", "01/ and 01_GT/", lambda folder: bool(_sequences(folder)), _challenge_items),
    Layout("side by side", "label images beside the images (a.tif, a_masks.tif)", has_neighbours, _own_items),
)
"""The first that fits is taken."""


VOID = 255


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What an annotation says: labels of the image's shape, and pixels that count neither way."""

    labels: Image
    ignore: npt.NDArray[np.bool_] | None = None


def read_truth(item: Item) -> Truth:
    """Read the annotation of an item.

    Raises
    ------
    ValueError
        Where it cannot be read, or is not what the layout promises.
    """
    return CODINGS[item.coding](item)


def _as_labels(item: Item) -> Truth:
    image, _ = read_annotation(item.labels, background=item.background)
    return Truth(replace(image, array=compacted(image.array)))


def _as_mask(item: Item) -> Truth:
    return Truth(*read_annotation(item.labels, True, item.background))


def _with_void(item: Item) -> Truth:
    image = read_labels(item.labels, background=0)
    labels = np.asarray(image.array)
    return Truth(Image(np.where(labels == VOID, 0, labels), image.axes, image.spacing), labels == VOID)


def _of_sbd(item: Item) -> Truth:
    from scipy.io import loadmat

    try:
        labels = loadmat(item.labels)["GTinst"][0, 0]["Segmentation"]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{item.labels} cannot be read as instances of SBD: {error}") from error
    return Truth(Image.of(labels, "YX"))


def _of_coco(item: Item) -> Truth:
    """The one object's mask, its value the id of the annotation."""
    images, annotations = read_coco(item.labels)
    number = item.annotation
    assert number is not None  # every item of COCO is one annotation
    record = images[annotations[number]["image_id"]]
    mask = _decode(annotations[number]["segmentation"], int(record["height"]), int(record["width"]))
    return Truth(Image.of(np.where(mask, number, 0), "YX"))


def _decode(segmentation: Any, height: int, width: int) -> npt.NDArray[np.bool_]:
    """A mask (y, x) from polygons, from run lengths, or from their compressed text."""
    try:
        from pycocotools import mask as coco
    except ImportError:
        raise ValueError('Reading COCO and LVIS needs pycocotools: pip install "napari-clickseg[bench]".') from None
    packed = isinstance(segmentation, dict) and not isinstance(segmentation["counts"], list)
    runs = segmentation if packed else coco.frPyObjects(segmentation, height, width)
    merged = coco.merge(runs) if isinstance(runs, list) else runs
    return np.asarray(coco.decode(merged), bool)


def _of_slice(item: Item) -> Truth:
    """Labels of one plane of a stack: they stand for every plane, and `planes` names the one that counts."""
    stack, (plane, _) = read_image(item.image), read_annotation(item.labels, background=item.background)
    if len(stack.shape) != 3 or stack.shape[1:] != plane.shape:
        raise ValueError(f"{item.labels} is no plane of {item.image}: {plane.shape} and {stack.shape}.")
    return Truth(Image(np.broadcast_to(np.asarray(plane.array), stack.shape), stack.label_axes, stack.spacing))


BY_NUMBER = {"labels", "mask", "slice"}
"""Codings in which numbers are objects and background; the others say themselves what is what."""
CODINGS: dict[str, Callable[[Item], Truth]] = {
    "labels": _as_labels,
    "mask": _as_mask,
    "void": _with_void,
    "sbd": _of_sbd,
    "coco": _of_coco,
    "slice": _of_slice,
}
