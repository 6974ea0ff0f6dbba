"""Codings: how the annotations of datasets are coded in their files, and become labels of the image's shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.benchmark.layouts import Item, read_coco
from napari_clickseg.core.images import Image
from napari_clickseg.storage.image_label_pairs import read_labels, read_mask
from napari_clickseg.storage.read_images import read_image

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
    return Truth(read_labels(item.labels))


def _as_mask(item: Item) -> Truth:
    image = read_labels(item.labels)
    labels, ignore = read_mask(np.asarray(image.array))
    return Truth(Image(labels, image.axes, image.spacing), ignore)


def _with_void(item: Item) -> Truth:
    image = read_labels(item.labels)
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
    stack, plane = read_image(item.image), read_labels(item.labels)
    if len(stack.shape) != 3 or stack.shape[1:] != plane.shape:
        raise ValueError(f"{item.labels} is no plane of {item.image}: {plane.shape} and {stack.shape}.")
    return Truth(Image(np.broadcast_to(np.asarray(plane.array), stack.shape), stack.label_axes, stack.spacing))


CODINGS: dict[str, Callable[[Item], Truth]] = {
    "labels": _as_labels,
    "mask": _as_mask,
    "void": _with_void,
    "sbd": _of_sbd,
    "coco": _of_coco,
    "slice": _of_slice,
}
