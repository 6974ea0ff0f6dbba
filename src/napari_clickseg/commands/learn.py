"""clickseg learn: the default model learns from a few labelled objects, and is written where that saves clicks."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_clickseg.commands.options import (
    AXES,
    BACKGROUND,
    CHANNEL,
    DEFAULT,
    DEVICE,
    Command,
    Option,
    Unfinished,
    a_path,
    comma_separated,
    count,
)

if TYPE_CHECKING:
    from napari_clickseg.core.exemplars import Exemplar

MOST = 60
"""So many objects are learned from; of more, as many are drawn at random."""


def run(chosen: argparse.Namespace) -> None:
    """Learn, and write the model.

    Raises
    ------
    Unfinished
        Where the check finds that it saves no clicks: nothing is written then.
    """
    from napari_clickseg.inference.device import choose_device
    from napari_clickseg.models.registry import SUFFIX
    from napari_clickseg.training.adapt import adapt

    if chosen.output.suffix != SUFFIX:
        raise ValueError(f"A model is a {SUFFIX} file; {chosen.output.name} would not be found as one.")
    objects = _drawn(list(_objects(chosen)), chosen.most)
    print(f"learning from {len(objects)} objects")
    lesson = adapt(objects, choose_device(chosen.device), checked=not chosen.unchecked)
    if not lesson.better:
        raise Unfinished(f"{lesson.sentence} Nothing is written.")
    print(lesson.sentence)
    print(f"written: {lesson.save(chosen.output)}")


def _objects(chosen: argparse.Namespace) -> Iterator[Exemplar]:
    import numpy as np

    from napari_clickseg.core.exemplars import exemplars_on
    from napari_clickseg.storage.read_images import read_image
    from napari_clickseg.storage.read_labels import read_labels_for
    from napari_clickseg.training.few_objects import SMALLEST

    named = _ids(chosen)
    found: set[int] = set()
    for path, labels_path in _pairs(chosen.image, chosen.labels):
        image = read_image(path, chosen.axes, chosen.channel)
        labels = read_labels_for(labels_path, image.shape, background=chosen.background)
        for frame in np.ndindex(*image.frames_shape(2)):
            for one in exemplars_on(image, labels, frame):
                if (named is None or one.label in named) and one.area >= SMALLEST:
                    found.add(one.label)
                    yield one
    if named is not None and named - found:
        missing = ", ".join(map(str, sorted(named - found)))
        raise ValueError(f"{chosen.labels} holds no object {missing} of {SMALLEST} pixels or more.")


def _pairs(image: Path, labels: Path) -> list[tuple[Path, Path]]:
    """The image and its labels, or those of two folders that go by the same names."""
    from napari_clickseg.storage.image_label_pairs import images_below, labels_of

    if not image.is_dir() or not labels.is_dir() or image.suffix == ".zarr":
        return [(image, labels)]
    found = labels_of(images_below(image), image, labels)
    if not found:
        raise ValueError(f"No image in {image} has labels of its name in {labels}.")
    return sorted(found.items())


def _ids(chosen: argparse.Namespace) -> set[int] | None:
    if chosen.objects is None:
        return None
    wrong = [text for text in chosen.objects if not text.isdecimal()]
    if wrong:
        raise ValueError(f"--objects takes numbers of objects, not {', '.join(wrong)}.")
    return set(map(int, chosen.objects))


def _drawn(objects: list[Exemplar], most: int) -> list[Exemplar]:
    """The same ones each time."""
    import numpy as np

    if len(objects) <= most:
        return objects
    return [objects[k] for k in sorted(np.random.default_rng(0).permutation(len(objects))[:most])]


COMMAND = Command(
    "learn",
    "Let the default model learn from a few objects; written where it then needs fewer clicks on others of them.",
    run,
    (
        Option.of("image", role="reads", type=a_path, metavar="IMAGE", help="the image, or a folder of images"),
        Option.of("labels", role="reads", type=a_path, metavar="LABELS", help="its labels, or a folder with theirs"),
        Option.of(
            "--output",
            role="file",
            type=a_path,
            required=True,
            metavar="MODEL",
            help="the model to write, .safetensors",
        ),
        Option.of("--objects", type=comma_separated, metavar="1,5,7", help="learn from these objects alone"),
        Option.of("--most", type=count, default=MOST, metavar="N", help="learn from at most so many" + DEFAULT),
        Option.of("--unchecked", action="store_true", help="leave the check out, and write the model in any case"),
        BACKGROUND,
        DEVICE,
        AXES,
        CHANNEL,
    ),
)
