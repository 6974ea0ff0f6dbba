"""clickseg segment: a table of clicks on an image becomes labels."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_clickseg.commands.named import find_named
from napari_clickseg.commands.options import DEVICE, MODEL, Command, Option, size

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_clickseg.clicks import Click
    from napari_clickseg.images import Image
    from napari_clickseg.session import Session


def run_segment(chosen: argparse.Namespace) -> None:
    """Replay a table of clicks on an image and write the labels."""
    from napari_clickseg.files import check_labels_path, read_image, write_labels
    from napari_clickseg.models.registry import load_model
    from napari_clickseg.session import Session

    check_labels_path(chosen.output)
    find_named(chosen.model)  # refused before the image is read
    image = read_image(chosen.image, chosen.axes, chosen.channel)
    objects = _read_clicks(chosen.clicks, image)
    prior = None if chosen.labels is None else _read_labels(chosen.labels, image)
    predictor = load_model(chosen.model, chosen.device)
    session = Session(image, predictor, prior, diameter=chosen.diameter)
    _replay(session, objects)
    write_labels(chosen.output, session.labels, image.label_axes, image.spacing)
    clicked = f"{len(objects)} object{'' if len(objects) == 1 else 's'} clicked"
    print(f"written: {chosen.output} ({clicked}, {predictor.name} on {predictor.device})")


def _read_clicks(path: Path, image: Image) -> dict[int, list[Click]]:
    """Read the clicks of each object, in the order of the ids, and make sure that all lie inside the image."""
    from napari_clickseg.clicks import read_clicks_csv
    from napari_clickseg.regions import Region

    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    objects = read_clicks_csv(path, image.label_axes)
    if not objects:
        raise ValueError(f"{path} holds no clicks.")
    whole = Region.whole(image.shape)
    for number, clicks in sorted(objects.items()):
        for click in clicks:
            if not whole.contains(click.position):
                where = ", ".join(f"{p:g}" for p in click.position)
                raise ValueError(f"Object {number}: the click ({where}) lies outside the image of shape {image.shape}.")
    return dict(sorted(objects.items()))


def _read_labels(path: Path, image: Image) -> npt.NDArray[np.integer[Any]]:
    """Read labels into memory, wide enough for any id."""
    import numpy as np

    from napari_clickseg.files import read_image

    labels = read_image(path, image.label_axes).array
    if np.dtype(labels.dtype).kind not in "iu":
        raise ValueError(f"{path} holds {labels.dtype}, but labels must be integers.")
    return np.array(labels, np.int64 if labels.dtype.itemsize >= 4 else np.int32)


def _replay(session: Session, objects: Mapping[int, Sequence[Click]]) -> None:
    """Segment the objects in the order of their ids; those that the labels hold already are taken up."""
    import numpy as np
    from tqdm import tqdm

    there = set(np.unique(session.labels).tolist())
    for number, clicks in tqdm(objects.items(), unit="object"):
        if number in there:
            session.resume(number)
        else:
            session.start_new(number)
        for click in clicks:
            session.click(click.position, click.positive)
        if number in there or session.area():
            session.commit()
        else:
            session.cancel()
            tqdm.write(f"clickseg segment: object {number} is left out, its clicks give no pixels.", file=sys.stderr)


COMMAND = Command(
    "segment",
    "Segment an image by a table of clicks.",
    run_segment,
    (
        Option.of("image", type=Path, metavar="IMAGE", help="TIFF, PNG, JPEG, .npy, zarr"),
        Option.of("--clicks", type=Path, required=True, help="CSV: object, positive, then a column per axis (y, x)"),
        Option.of("--output", type=Path, required=True, metavar="LABELS", help="labels to write: .tif, .png, .npy"),
        Option.of("--labels", type=Path, metavar="PRIOR", help="labels to start from; clicked ids are corrected"),
        MODEL,
        DEVICE,
        Option.of("--axes", metavar="TZCYX", help="the image's axes, where the file does not tell"),
        Option.of("--channel", type=int, metavar="N", help="the one channel to use, counted from 0"),
        Option.of("--diameter", type=size, metavar="PIXELS", help="expected object diameter; else estimated"),
    ),
)
