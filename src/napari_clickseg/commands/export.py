"""clickseg export: labels in the formats of other programs; clickseg import: labels from them."""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from napari_clickseg.commands.options import (
    AXES,
    BACKGROUND,
    CLASSES,
    Command,
    Option,
    a_path,
    check_table,
    frame_list,
    tell_absent,
)
from napari_clickseg.storage.exports import EXPORTS, WITH_CLASSES, check_ending, export_for

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.images import Image
    from napari_clickseg.storage.output_checks import Role


def run(chosen: argparse.Namespace) -> None:
    """Export labels."""
    from napari_clickseg.storage.exports.frames import Exported
    from napari_clickseg.storage.read_images import read_image
    from napari_clickseg.storage.read_labels import read_labels, read_labels_for
    from napari_clickseg.storage.tables import read_classes

    export = export_for(chosen.output, chosen.format)
    check_ending(chosen.output, export)
    if chosen.classes is not None and export.name not in WITH_CLASSES:
        raise ValueError(f"--classes would be ignored: {export.title} holds no classes; leave it out.")
    image = None if chosen.image is None else read_image(chosen.image, chosen.axes)
    if image is None:
        read = read_labels(chosen.labels, chosen.background)
        labels, axes, spacing = read.array, read.axes, read.spacing
    else:
        labels = read_labels_for(chosen.labels, image.shape, background=chosen.background)
        axes, spacing = image.label_axes, image.spacing
    name = (chosen.image or chosen.labels).name.partition(".")[0]
    classes = {} if chosen.classes is None else read_classes(chosen.classes)
    frames = None if chosen.frames is None else _planes(chosen.frames, tuple(labels.shape[:-2]))
    exported = Exported(labels, axes, name, _pixels(image), classes, {}, tuple(spacing), frames)
    tell_absent("export", chosen, exported.absent(set(classes)), len(classes))
    export.write(chosen.output, exported)
    print(f"written: {chosen.output} ({export.title})")


def _pixels(image: Image | None) -> Any:
    """The pixels of an image with its channels last, so that they are indexed as its labels are."""
    from napari_clickseg.core.images import CHANNEL
    from napari_clickseg.storage.read_images import in_order

    if image is None or CHANNEL not in image.axes:
        return None if image is None else image.array
    place = image.axes.index(CHANNEL)
    return in_order(image.array, (*(k for k in range(len(image.axes)) if k != place), place))


def run_import(chosen: argparse.Namespace) -> None:
    """Read labels from another program's file and write them as an image."""
    import numpy as np

    from napari_clickseg.core.images import guess_axes
    from napari_clickseg.storage.read_images import read_image
    from napari_clickseg.storage.tables import write_classes
    from napari_clickseg.storage.write_labels import check_labels_path, write_labels

    export = export_for(chosen.file, chosen.format, reads=True)
    check_labels_path(chosen.output)
    if chosen.image is None:
        labels = export.read(chosen.file)
        axes, spacing, geometry = guess_axes(labels.shape), (1.0,) * labels.ndim, None
    else:
        image = read_image(chosen.image, chosen.axes)
        labels = export.read(chosen.file, image.shape, image.label_axes)
        axes, spacing, geometry = image.label_axes, image.spacing, image.geometry
    write_labels(chosen.output, labels, axes, spacing, geometry)
    print(f"written: {chosen.output} ({len(np.unique(labels[labels > 0]))} objects)")
    if chosen.classes is not None:
        classes = export.read_classes(chosen.file)
        write_classes(chosen.classes, classes)
        print(f"written: {chosen.classes} ({len(classes)} objects have a class)")


def _planes(frames: tuple[range, ...], counts: tuple[int, ...]) -> tuple[Frame, ...]:
    """The planes that --frames names along the one axis before the plane's."""
    if len(counts) != 1:
        raise ValueError(f"--frames counts along one axis, but these labels have {len(counts)} before their planes.")
    absent = next((frame for frame in frames if frame[-1] >= counts[0]), None)
    if absent is not None:
        raise ValueError(f"--frames: there is no plane {absent[-1]}; the labels have the planes 0 to {counts[0] - 1}.")
    return tuple((k,) for k in dict.fromkeys(chain.from_iterable(frames)))


def _role(chosen: argparse.Namespace) -> Role:
    """What becomes of --output: a file, or a folder that files are added to."""
    return "folder" if chosen.format is not None and not export_for(chosen.output, chosen.format).suffix else "file"


WITH_IMAGE = replace(AXES, needs="--image")
FORMAT = Option.of(
    "--format", metavar="NAME", help=f"one of {', '.join(EXPORTS)}; by the ending of the file where absent"
)
COMMAND = Command(
    "export",
    "Write labels for other programs: ImageJ ROIs, QuPath, COCO, YOLO, Cellpose, GEFF, pairs for training.",
    run,
    (
        Option.of("labels", role="reads", type=a_path, metavar="LABELS", help="the label image"),
        Option.of("--output", role=_role, type=a_path, required=True, metavar="PATH", help="what to write"),
        Option.of("--image", role="reads", type=a_path, metavar="IMAGE", help="the image that the labels belong to"),
        CLASSES,
        Option.of("--frames", type=frame_list, metavar="LIST", help="these planes alone, as 0,4,7-9"),
        BACKGROUND,
        FORMAT,
        WITH_IMAGE,
    ),
)
IMPORT = Command(
    "import",
    "Read labels from ImageJ ROIs, QuPath GeoJSON or COCO, and write them as a label image to correct.",
    run_import,
    (
        Option.of("file", role="reads", type=a_path, metavar="FILE", help="the file of the other program"),
        Option.of(
            "--image", role="reads", type=a_path, metavar="IMAGE", help="the image it belongs to: gives the size"
        ),
        Option.of(
            "--output", role="labels", type=a_path, required=True, metavar="LABELS", help="the label image to write"
        ),
        Option.of(
            "--classes",
            role="file",
            type=a_path,
            check=check_table,
            metavar="CSV",
            help="also write the class of each object",
        ),
        FORMAT,
        WITH_IMAGE,
    ),
)
