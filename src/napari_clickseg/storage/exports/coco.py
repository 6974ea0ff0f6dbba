"""COCO: one annotation per object and plane with a run-length encoded mask, through pycocotools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.storage.atomic import written_whole
from napari_clickseg.storage.content import read_json, why
from napari_clickseg.storage.exports.frames import UNCLASSED, Exported, draw


def write(path: Path, exported: Exported) -> None:
    """Write all objects; each plane is one image of the data set."""
    coding = _pycocotools()
    height, width = exported.shape[-2:]
    number = {name: k for k, name in enumerate(exported.class_names(), 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    places = {frame: k for k, frame in enumerate(frame for frame, _ in exported.planes())}
    for frame, k in places.items():
        images.append(
            {
                "id": k + 1,
                "file_name": exported.plane_name(frame),
                "height": height,
                "width": width,
                "frame": list(frame),
            }
        )
    for item in exported.objects():
        mask = np.zeros((height, width), np.uint8, order="F")
        (y, x), (h, w) = item.offset, item.mask.shape
        mask[y : y + h, x : x + w] = item.mask
        code = coding.encode(mask)
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": places[item.frame] + 1,
                "category_id": number[exported.class_of(item.label)],
                "object_id": item.label,
                "segmentation": {"size": code["size"], "counts": code["counts"].decode("ascii")},
                "area": int(item.mask.sum()),
                "bbox": [x, y, w, h],
                "iscrowd": 0,
            }
        )
    categories = [{"id": k, "name": name} for name, k in number.items()]
    with written_whole(path) as part:
        part.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}), "utf-8")


def read(path: Path, shape: tuple[int, ...] | None = None, axes: str = "") -> npt.NDArray[Any]:
    """Return the annotations as labels: each image is a plane; masks and polygons are read.

    Raises
    ------
    ValueError
        Where it is no COCO file, or its images are not of the size wanted.
    """
    coding = _pycocotools()
    try:
        content = read_json(path)
        images = content["images"]
        sizes = {(int(image["height"]), int(image["width"])) for image in images}
        annotations = content["annotations"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is no COCO file: {why(error)}.") from error
    if len(sizes) != 1 or (shape is not None and (tuple(shape[-2:]) not in sizes or _count(shape) != len(images))):
        wanted = "one size" if shape is None else f"{_count(shape)} planes of {' x '.join(map(str, shape[-2:]))}"
        raise ValueError(f"{path.name} describes {len(images)} images, of sizes {sorted(sizes)}; wanted is {wanted}.")
    height, width = next(iter(sizes))
    shape = shape or ((height, width) if len(images) == 1 else (len(images), height, width))
    places = dict(zip((image["id"] for image in images), np.ndindex(*shape[:-2]), strict=True))
    labels = np.zeros(shape, np.uint32)
    for number, annotation in enumerate(annotations, 1):
        code = annotation["segmentation"]
        if isinstance(code, list):
            code = coding.merge(coding.frPyObjects(code, height, width))
        elif isinstance(code["counts"], list):
            code = coding.frPyObjects(code, height, width)
        label = int(annotation.get("object_id", number))
        draw(labels, places[annotation["image_id"]], label, coding.decode(code).astype(bool))
    return labels


def read_classes(path: Path) -> dict[int, str]:
    """Return the class of each object that has one: the name of its category, but for the one of unclassed objects.

    Raises
    ------
    ValueError
        Where it is no COCO file.
    """
    try:
        content = read_json(path)
        names = {one["id"]: str(one["name"]) for one in content.get("categories", [])}
        pairs = [
            (int(one.get("object_id", number)), names.get(one.get("category_id"), UNCLASSED))
            for number, one in enumerate(content["annotations"], 1)
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name} is no COCO file: {why(error)}.") from error
    return {label: name for label, name in pairs if name != UNCLASSED}


def _count(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape[:-2], dtype=int))


def _pycocotools() -> Any:
    try:
        from pycocotools import mask
    except ImportError as error:
        raise ValueError("COCO files need pycocotools: pip install 'napari-clickseg[exports]'.") from error
    return mask
