"""clickseg measure: a table of what each object of a label image is like."""

from __future__ import annotations

import argparse
from dataclasses import replace

from napari_clickseg.commands.options import (
    AXES,
    BACKGROUND,
    CLASSES,
    Command,
    Option,
    a_path,
    check_table,
    tell_absent,
)


def run(chosen: argparse.Namespace) -> None:
    """Measure all objects and write the table."""
    from napari_clickseg.review.object_features import as_csv, measure
    from napari_clickseg.storage.atomic import written_whole
    from napari_clickseg.storage.read_images import read_image
    from napari_clickseg.storage.read_labels import read_labels_for
    from napari_clickseg.storage.tables import read_classes

    image = replace(read_image(chosen.image, chosen.axes), channel=None)
    labels = read_labels_for(chosen.labels, image.shape, background=chosen.background)
    ndim = 3 if chosen.volumes else 2
    if ndim > image.ndim:
        raise ValueError(
            f"--volumes needs an image with three axes in space, but {chosen.image} has {image.label_axes}."
        )
    classes = {} if chosen.classes is None else read_classes(chosen.classes)
    rows = list(measure(image, labels, ndim, classes))
    tell_absent("measure", chosen, set(classes) - {row["label"] for row in rows}, len(classes))
    with written_whole(chosen.output) as part:
        part.write_text(as_csv(rows), "utf-8")
    print(f"written: {chosen.output} ({len(rows)} rows)")


COMMAND = Command(
    "measure",
    "Measure the objects of a label image: size, shape, place and intensity, a row per object and frame.",
    run,
    (
        Option.of("image", role="reads", type=a_path, metavar="IMAGE", help="the image"),
        Option.of("labels", role="reads", type=a_path, metavar="LABELS", help="its labels"),
        Option.of(
            "--output",
            role="file",
            type=a_path,
            check=check_table,
            required=True,
            metavar="CSV",
            help="the table to write",
        ),
        Option.of("--volumes", action="store_true", help="measure volumes of a stack, not planes"),
        CLASSES,
        BACKGROUND,
        AXES,
    ),
)
