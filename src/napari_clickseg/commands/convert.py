"""clickseg convert: a segmentation network made elsewhere becomes a model that takes clicks."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_clickseg.commands.options import DEVICE, Command, Option, a_path, number, whole
from napari_clickseg.models.io_spec import ACTIVATIONS, KINDS, NORMALISATIONS, Conventions
from napari_clickseg.storage.output_checks import same

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.images import Image
    from napari_clickseg.models.import_model import Candidate

USUAL = "as usual; nothing says otherwise"
CHOSEN = "chosen by you"
UNUSED = "chosen by you, but {} does not use it"
NOTHING = "none"
WAY = ", or replace it with --force"
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
"""What Pillow writes by the end of a name, in colours."""
TRUTHS = {"yes": True, "no": False}


def run_convert(chosen: argparse.Namespace) -> None:
    """Examine a foreign network, show its conventions and its answer, and keep it where it has a name."""
    from napari_clickseg.models.import_model import check_name, examine, keep

    if chosen.name is not None:
        place = check_name(chosen.name, replace=chosen.force, way=WAY)  # refused before the network is run
        if same(place, chosen.model):
            raise ValueError(f"{chosen.model} would be replaced by what comes of it; choose another --name.")
    candidate = examine(chosen.model, chosen.class_path, chosen.kwargs, chosen.trust)
    given = {name: getattr(chosen, name) for name in EXPLAINED if hasattr(chosen, name)}
    conventions = Conventions.from_mapping(candidate.conventions.to_mapping() | given)
    print(f"{candidate.source.name}: {candidate.format}, sha256 {candidate.sha256}")
    for line in _table(candidate, conventions, given):
        print(line)
    candidate.check(conventions)
    if chosen.image is not None:
        _show(candidate, conventions, chosen)
    if chosen.name is None:
        print("Nothing is kept. Add --name NAME to keep it.")
        return
    words = (chosen.title, chosen.description, chosen.licence)
    path = keep(candidate, conventions, chosen.name, *words, replace=chosen.force)
    print(f"written: {path}")
    print(f"Choose it in the panel, or: clickseg segment IMAGE --model {chosen.name} --output LABELS.tif")


def _table(candidate: Candidate, conventions: Conventions, given: Mapping[str, Any]) -> Iterator[str]:
    """A row per convention that counts or was given: its name, its value and the reason for it."""
    counting = conventions.counting()
    values = {
        name: written(value) for name, value in conventions.to_mapping().items() if name in counting or name in given
    }
    names, widest = max(map(len, values)), max(map(len, values.values()))
    for name, value in values.items():
        why = candidate.guesses.get(name, USUAL)
        if name in given:
            why = CHOSEN if name in counting else UNUSED.format(conventions.normalise)
        yield f"  {name:{names}}  {value:{widest}}  {why}"


def written(value: Any) -> str:
    """Return a convention's value as its option takes it.

    >>> written([0, 2]), written(None), written([]), written(True), written(99.8), written("range")
    ('0,2', 'none', 'none', 'yes', '99.8', 'range')
    """
    if value is None or value == []:
        return NOTHING
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


# -- the answer on an image --------------------------------------------------------------------------------------------


def _show(candidate: Candidate, conventions: Conventions, chosen: argparse.Namespace) -> None:
    """Segment the first frame of an image, print what was found, and draw it where a file is named."""
    from napari_clickseg.storage.read_images import read_image

    image = read_image(chosen.image)
    frame = (0,) * len(image.frames_shape(conventions.ndim))
    labels = candidate.predictor(conventions, device=chosen.device).segment(image, frame)
    found = int(labels.max(initial=0))
    objects = f"{found} object{'' if found == 1 else 's'}"
    where = f"frame {frame}" if frame else "image"
    print(f"{chosen.image.name}: {objects} on {(labels > 0).mean():.1%} of the {where}")
    if chosen.preview is not None:
        _draw(chosen.preview, image, frame, labels)


def _draw(path: Path, image: Image, frame: Frame, labels: npt.NDArray[np.int32]) -> None:
    """Write the outlines on the image as a picture; of a volume, its middle plane."""
    from imageio import v3

    from napari_clickseg.batch.demo import overlay
    from napari_clickseg.core.images import Image
    from napari_clickseg.core.regions import Region
    from napari_clickseg.storage.atomic import written_whole

    middle = tuple(side // 2 for side in labels.shape[:-2])
    seen = image.intensities(frame, Region.whole(labels.shape))[(slice(None), *middle)]
    with written_whole(path) as unfinished:
        v3.imwrite(unfinished, overlay(Image(seen, "CYX", (1.0, 1.0)), labels[middle]), plugin="pillow")
    print(f"written: {path}")


def picture(text: str) -> Path:
    """Return the path of a picture to draw; argparse refuses names that do not say how it is written."""
    path = Path(text)
    if path.suffix.lower() not in PICTURES:
        raise argparse.ArgumentTypeError(f"{text} must end in {', '.join(PICTURES)}")
    return path


# -- options: one per convention ---------------------------------------------------------------------------------------


def _numbers(text: str) -> list[int]:
    """Read "0,2"; "none" is an empty list."""
    return [] if text == NOTHING else [whole(part) for part in text.split(",")]


def _sizes(text: str) -> list[float]:
    """Read "0.5,2"; "none" is an empty list."""
    return [] if text == NOTHING else [number(part) for part in text.split(",")]


def _number_or_none(text: str) -> int | None:
    return None if text == NOTHING else whole(text)


def _truth(text: str) -> bool:
    if text not in TRUTHS:
        raise argparse.ArgumentTypeError(f"{text} must be {' or '.join(TRUTHS)}")
    return TRUTHS[text]


def _table_of(text: str) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        table = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is no JSON ({error})") from None
    if not isinstance(table, dict):
        raise argparse.ArgumentTypeError(f"{text} must be a table, as in '{{\"channels\": 1}}'")
    return table


READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "int": (whole, "N"),
    "int | None": (_number_or_none, "N|none"),
    "float": (number, "X"),
    "bool": (_truth, "yes|no"),
    "str": (str, "NAME"),
    "tuple[int, ...]": (_numbers, "N,N.."),
    "tuple[float, ...]": (_sizes, "X,X.."),
}
"""How an option of each kind of convention is read, and what its value is called."""
EXPLAINED = {
    "ndim": "spatial axes that the network sees: 2 or 3",
    "channels": "its input channels",
    "use": "channels of the image that feed them, counted from 0",
    "normalise": "what becomes of the image: " + "; ".join(f"{name}: {what}" for name, what in NORMALISATIONS.items()),
    "low": "first number of the normalisation",
    "high": "second number of the normalisation",
    "per_channel": "statistics of each channel, not of all together",
    "scale": "network pixels per image pixel",
    "output": "which tensor, of a network that returns several, counted from 0",
    "activation": "what the output is: " + "; ".join(f"{name}: {what}" for name, what in ACTIVATIONS.items()),
    "objects": "output channels that add up to object",
    "per_class": "each of these channels is a class of its own",
    "boundary": "output channel to subtract",
    "divisible": "sides are multiples of this",
    "smallest_side": "sides are at least this long",
    "tile": "sides are at most this long",
    "halo": "what tiles share on each side",
    "threshold": "what lies above is object",
    "split": "touching objects are split by shape",
    "smallest": "objects of fewer pixels are dropped",
    "means": "under fixed: what is subtracted from each channel, in place of --low",
    "deviations": "under fixed: what each channel is divided by, in place of --high",
    "planes": "its channels are neighbouring planes of a stack, the one looked at in the middle",
    "border": "what its answer lacks on a side, and how far the image goes on behind",
}
"""Every convention, for `--help`."""


def _option(name: str, text: str) -> Option:
    read, metavar = READERS[KINDS[name]]
    flag = f"--{name.replace('_', '-')}"
    return Option.of(
        flag, dest=name, type=read, metavar=metavar, default=argparse.SUPPRESS, help=text.replace("%", "%%")
    )


COMMAND = Command(
    "convert",
    "Make a segmentation network of your own take clicks.",
    run_convert,
    (
        Option.of(
            "model",
            role="reads",
            type=a_path,
            metavar="MODEL",
            help="TorchScript, torch.export (.pt2), ONNX, a state dict, or a bioimage.io package (zip or folder)",
        ),
        Option.of("--name", metavar="NAME", help="keep it under this name; without one, it is only shown"),
        Option.of(
            "--class", dest="class_path", metavar="CLASS", help="of a state dict: package.module:Class or file.py:Class"
        ),
        Option.of(
            "--kwargs",
            needs="--class",
            type=_table_of,
            default={},
            metavar="JSON",
            help="what that class is called with",
        ),
        Option.of("--trust", action="store_true", help="you know who made it: its code may run on this computer"),
        Option.of("--image", role="reads", type=a_path, metavar="IMAGE", help="show how many objects it finds there"),
        Option.of(
            "--preview",
            role="file",
            needs="--image",
            type=picture,
            metavar="PICTURE",
            help=f"draw them, as the name says: {', '.join(PICTURES)}",
        ),
        Option.of("--title", needs="--name", default="", metavar="WORDS", help="for the model picker"),
        Option.of("--description", needs="--name", default="", metavar="WORDS", help="a sentence about it"),
        Option.of("--licence", needs="--name", default="", metavar="NAME", help="of its weights"),
        Option.of(
            "--force",
            needs="--name",
            action="store_true",
            help="take the place of a model of yours that has this name",
        ),
        DEVICE,
        *(_option(name, text) for name, text in EXPLAINED.items()),
    ),
)
