"""clickseg export: labels in the formats of other programs; clickseg import: labels from them."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from napari_clickseg.commands.options import AXES, Command, Option
from napari_clickseg.storage.exports import EXPORTS, export_for

HOME = "table with the columns object and class"


def run(chosen: argparse.Namespace) -> None:
    """Export labels."""
    from napari_clickseg.storage.exports.frames import Exported
    from napari_clickseg.storage.read_images import read_image
    from napari_clickseg.storage.read_labels import read_labels, read_labels_for

    export = export_for(chosen.output, chosen.format)
    image = None if chosen.image is None else read_image(chosen.image, chosen.axes)
    if image is None:
        read = read_labels(chosen.labels)
        labels, axes, spacing = read.array, read.axes, read.spacing
    else:
        labels, axes, spacing = read_labels_for(chosen.labels, image.shape), image.label_axes, image.spacing
    name = (chosen.image or chosen.labels).name.partition(".")[0]
    classes = {} if chosen.classes is None else read_classes(chosen.classes)
    frames = None if chosen.frames is None else _frames(chosen.frames, tuple(labels.shape[:-2]))
    pixels = None if image is None else image.array
    export.write(chosen.output, Exported(labels, axes, name, pixels, classes, {}, tuple(spacing), frames))
    print(f"written: {chosen.output} ({export.title})")


def run_import(chosen: argparse.Namespace) -> None:
    """Read labels from another program's file and write them as an image."""
    import numpy as np

    from napari_clickseg.core.images import guess_axes
    from napari_clickseg.storage.read_images import read_image
    from napari_clickseg.storage.write_labels import check_labels_path, write_labels

    export = export_for(chosen.file, chosen.format)
    check_labels_path(chosen.output)
    if chosen.image is None:
        labels = export.read(chosen.file)
        axes, spacing = guess_axes(labels.shape), (1.0,) * labels.ndim
    else:
        image = read_image(chosen.image, chosen.axes)
        labels = export.read(chosen.file, image.shape, image.label_axes)
        axes, spacing = image.label_axes, image.spacing
    write_labels(chosen.output, labels, axes, spacing)
    print(f"written: {chosen.output} ({len(np.unique(labels[labels > 0]))} objects)")


def read_classes(path: Path) -> dict[int, str]:
    """Return the class of each object from a table with the columns `object` (or `label`) and `class`.

    Raises
    ------
    ValueError
        Where the columns are not there, or an object is no whole number.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file)
        names = table.fieldnames or []
        key = next((name for name in ("object", "label") if name in names), None)
        if key is None or "class" not in names:
            raise ValueError(f"{path.name} has the columns {', '.join(names)}; wanted are object and class.")
        try:
            return {int(row[key]): row["class"] for row in table if row["class"]}
        except ValueError as error:
            raise ValueError(f"{path.name}: an object is named by a whole number ({error}).") from error


def _frames(numbers: str, counts: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The planes of "0,4,7-9" along the one axis before the plane's."""
    if len(counts) != 1:
        raise ValueError(f"--frames counts along one axis, but these labels have {len(counts)} before their planes.")
    chosen: list[int] = []
    for part in numbers.split(","):
        first, dash, last = part.partition("-")
        if not first.strip().isdecimal() or (dash and not last.strip().isdecimal()):
            raise ValueError(f"--frames {numbers} is no list of numbers and ranges such as 0,4,7-9.")
        chosen += range(int(first), int(last if dash else first) + 1)
    wrong = [k for k in chosen if k >= counts[0]]
    if wrong or not chosen:
        raise ValueError(f"--frames {numbers}: the labels have the planes 0 to {counts[0] - 1}.")
    return tuple((k,) for k in chosen)


FORMAT = Option.of(
    "--format", metavar="NAME", help=f"one of {', '.join(EXPORTS)}; by the ending of the file where absent"
)
COMMAND = Command(
    "export",
    "Write labels for other programs: ImageJ ROIs, QuPath, COCO, YOLO, Cellpose, GEFF, pairs for training.",
    run,
    (
        Option.of("labels", role="reads", type=Path, metavar="LABELS", help="the label image"),
        Option.of("--output", role="file", type=Path, required=True, metavar="PATH", help="what to write"),
        Option.of("--image", role="reads", type=Path, metavar="IMAGE", help="the image that the labels belong to"),
        Option.of("--classes", role="reads", type=Path, metavar="CSV", help=HOME),
        Option.of("--frames", metavar="LIST", help="these planes alone, as 0,4,7-9"),
        FORMAT,
        AXES,
    ),
)
IMPORT = Command(
    "import",
    "Read labels from ImageJ ROIs, QuPath GeoJSON or COCO, and write them as a label image to correct.",
    run_import,
    (
        Option.of("file", role="reads", type=Path, metavar="FILE", help="the file of the other program"),
        Option.of("--image", role="reads", type=Path, metavar="IMAGE", help="the image it belongs to: gives the size"),
        Option.of(
            "--output", role="labels", type=Path, required=True, metavar="LABELS", help="the label image to write"
        ),
        FORMAT,
        AXES,
    ),
)
