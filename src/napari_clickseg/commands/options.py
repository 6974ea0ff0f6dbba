"""Option and Command: what a row of the table of commands is made of, and the options that several commands share."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_clickseg.storage.output_checks import NamedPath, Role, check_paths, named_paths

if TYPE_CHECKING:
    from napari_clickseg.models.registry import ModelEntry


def find_named(name: str) -> ModelEntry:
    """Return the row of a model's name or path in the table of models, as `find_model`.

    Raises
    ------
    ValueError, FileNotFoundError
        As `find_model`; where a recipe has this name, the sentence says how it is made into a model.
    """
    from napari_clickseg.models.registry import find_model
    from napari_clickseg.training.recipe import list_recipes

    recipe = name.partition(":")[0]
    try:
        return find_model(name)
    except ValueError as error:
        if recipe not in list_recipes() or recipe in _models():
            raise
        raise ValueError(f"{error} {recipe} is a recipe: `clickseg train {recipe}` makes it.") from error


def _models() -> set[str]:
    from napari_clickseg.models.registry import list_models

    return {entry.name for entry in list_models()}


@dataclass(frozen=True, slots=True)
class Option:
    """One argument of a command: its names, its settings for argparse, and what becomes of a path.

    Attributes
    ----------
    role : Role, callable or None
        What becomes of the path that it names, or what derives that from the other arguments; None where it names none.
    needs : str
        The option without which this one does nothing, as "--correct"; empty where there is none.
    check : callable or None
        Raises ValueError where a value that was given means nothing, once all paths are known to be right.
    """

    names: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    role: Role | Callable[[argparse.Namespace], Role] | None = None
    needs: str = ""
    check: Callable[[Any], object] | None = None

    @classmethod
    def of(
        cls,
        *names: str,
        role: Role | Callable[[argparse.Namespace], Role] | None = None,
        needs: str = "",
        check: Callable[[Any], object] | None = None,
        **settings: Any,
    ) -> Option:
        """Return the option with these names; settings as in `ArgumentParser.add_argument`."""
        return cls(names, settings, role, needs, check)

    @property
    def dest(self) -> str:
        """The attribute of the parsed arguments that holds its value."""
        return str(self.settings.get("dest", self.names[0].lstrip("-").replace("-", "_")))

    @property
    def shown(self) -> str:
        """What a sentence calls it: "--output", or "IMAGE" for the argument without a name of its own."""
        return self.names[0] if self.names[0].startswith("-") else str(self.settings.get("metavar", self.names[0]))


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table of commands; `run` raises ValueError or OSError with a sentence where the input is bad."""

    name: str
    summary: str
    run: Callable[[argparse.Namespace], None]
    options: tuple[Option, ...]

    def check(self, chosen: argparse.Namespace) -> None:
        """Refuse arguments that would be ignored, and outputs that cannot be written or would destroy an input.

        Raises
        ------
        ValueError, OSError
            With a sentence, before any work is done.
        """
        used = {option.names[0] for option in self.options if _is_used(getattr(chosen, option.dest, None))}
        for option in self.options:
            if option.dest in chosen.given and getattr(chosen, option.dest) == []:
                raise ValueError(f"{option.shown} names nothing.")
            if option.needs and option.dest in chosen.given and option.needs not in used:
                raise ValueError(f"{option.shown} needs {option.needs}; without it, it would be ignored.")
        check_paths(path for option in self.options for path in self._paths(option, chosen))
        for option in self.options:
            if option.check is not None and option.dest in chosen.given:
                option.check(getattr(chosen, option.dest))

    def _paths(self, option: Option, chosen: argparse.Namespace) -> Sequence[NamedPath]:
        role = option.role(chosen) if callable(option.role) else option.role
        value = getattr(chosen, option.dest, None)
        if role == "model":
            names = value if isinstance(value, list) else [value] if value else []
            value = [name if Path(name).is_file() else name.partition(":")[0] for name in names]
        return () if role is None else named_paths(role, option.shown, value)


def _is_used(value: object) -> bool:
    return value is not None and value is not False


class Unfinished(Exception):  # noqa: N818 - a fact about the work, shown by its exit code
    """Raised by a command that did a part of its work; the sentence says which part is missing."""


def comma_separated(text: str) -> list[str]:
    """Return what stands between commas.

    Examples
    --------
    >>> comma_separated("centre, human,")
    ['centre', 'human']
    """
    return [name.strip() for name in text.split(",") if name.strip()]


TABLES = (".csv", ".txt")
"""How the names of tables end that are written."""


def a_path(text: str) -> Path:
    """Return a path; argparse refuses empty text, which Path takes for the folder where the program runs."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it names nothing; name a file or a folder")
    return Path(text)


def check_table(path: Path) -> None:
    """Raise ValueError where the name of a table to write does not end as that of a table."""
    if path.suffix.lower() not in TABLES:
        raise ValueError(f"{path} would hold a table; let its name end in {' or '.join(TABLES)}.")


def whole(text: str) -> int:
    """Return a whole number; argparse refuses anything else with a sentence."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def from_zero(text: str) -> int:
    """Return a whole number from 0 on; argparse refuses anything else with a sentence."""
    if whole(text) < 0:
        raise argparse.ArgumentTypeError(f"{text} must be a whole number from 0 on")
    return int(text)


def address(text: str) -> str:
    """Return the address of a dask scheduler; argparse refuses what is none."""
    if not re.fullmatch(r"(?:[a-z]+://)?[^\s/]+:\d+/?|inproc://\S+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no address of a scheduler, as tcp://HOST:8786")
    return text


def count(text: str) -> int:
    """Return a whole number from 1 on; argparse refuses anything else with a sentence."""
    counted = int(text) if text.isdecimal() else 0
    if counted < 1:
        raise argparse.ArgumentTypeError(f"{text} must be a whole number from 1 on")
    return counted


def size(text: str) -> float:
    """Return a number above 0; argparse refuses anything else with a sentence."""
    length = number(text)
    if not 0 < length < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be a positive number")
    return length


def number(text: str) -> float:
    """Return a number; argparse refuses anything else with a sentence."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def share(text: str) -> float:
    """Return a number between 0 and 1; argparse refuses anything else with a sentence."""
    part = number(text)
    if not 0 <= part <= 1:
        raise argparse.ArgumentTypeError(f"{text} must lie between 0 and 1")
    return part


def frame_list(text: str) -> tuple[range, ...]:
    """Return the frames that "0,4,7-9" names; argparse refuses anything else with a sentence.

    Examples
    --------
    >>> frame_list("0,4,7-9")
    (range(0, 1), range(4, 5), range(7, 10))
    """
    parts = [re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part, re.ASCII) for part in text.split(",")]
    named = tuple(range(int(part[1]), int(part[2] or part[1]) + 1) for part in parts if part)
    if len(named) < len(parts):
        raise argparse.ArgumentTypeError(f"{text} is no list of frames: write numbers and ranges, as in 0,4,7-9")
    if not all(named):
        raise argparse.ArgumentTypeError(f"{text} must name the lower frame first")
    return named


def frame_range(text: str) -> tuple[int, int]:
    """Return the first and the last frame of "3-17" or "5"; argparse refuses anything else with a sentence."""
    first, *others = frame_list(text)
    if others:
        raise argparse.ArgumentTypeError(f"{text} is no range of frames: write the first and the last, as in 2-17")
    return first[0], first[-1]


DEFAULT = " (default: %(default)s)"


def image_axes(text: str) -> str:
    """Return the axes of an image in capitals; argparse refuses letters and orders that no image can have.

    Examples
    --------
    >>> image_axes("tcyx")
    'TCYX'
    """
    axes = text.upper()
    if not (axes.isascii() and axes.isalpha()):
        raise argparse.ArgumentTypeError(f"{text} must be letters, one per axis: T, Z, C, Y, X")
    if len(set(axes)) < len(axes):
        raise argparse.ArgumentTypeError(f"{text} names an axis twice")
    if not axes.replace("C", "").endswith("YX"):
        raise argparse.ArgumentTypeError(f"{text} must end in YX, besides C: the rows of a plane, then its columns")
    return axes


def channels_seen(count: int, name: str) -> str:
    """Return a sentence about which channels are looked at of `count` ones, where not all of them; else nothing."""
    from napari_clickseg.core.images import MOST_SEEN

    if count <= MOST_SEEN:
        return ""
    return f"{name} has {count} channels; channels 0, 1 and 2 are looked at. Choose one with --channel N, from 0 on."


SET_BY_PARSER = ("run", "check", "shown")
"""Attributes of parsed arguments that belong to the command: its methods, and what sentences call each argument."""


def refuse_unused(chosen: argparse.Namespace, mode: str, used: Collection[str]) -> None:
    """Raise ValueError where an argument was given that does nothing in this mode of a command.

    Parameters
    ----------
    mode : str
        What a sentence calls the mode, as "--report" or "one image".
    used : collection of str
        What may be given, as attributes of the parsed arguments.
    """
    unused = sorted(chosen.given - set(used) - {"command", *SET_BY_PARSER})
    if unused:
        names = ", ".join(chosen.shown[name] for name in unused)
        raise ValueError(f"{names} would be ignored with {mode}; leave it out.")


def damaged_pixels(error: Exception, file: str) -> str:
    """Return a sentence on a file whose pixels could not be decoded when they were looked at; "" for other errors."""
    from napari_clickseg.storage.content import UNPACKABLE, failed_to_unpack

    return UNPACKABLE.format(file) if failed_to_unpack(error) else ""


def warn(command: str, sentence: str) -> None:
    """Print a sentence beside the results; nothing where there is none."""
    if sentence:
        print(f"clickseg {command}: {sentence}", file=sys.stderr)


MODEL = Option.of(
    "--model", role="model", default="default", metavar="NAME_OR_PATH", help="see `clickseg models`" + DEFAULT
)
OUTPUT = Option.of(
    "--output",
    role="labels",
    type=a_path,
    required=True,
    metavar="LABELS",
    help="labels to write: .tif, .zarr, .png, .npy",
)


def _check_device(name: str) -> None:
    from napari_clickseg.inference.device import choose_device

    choose_device(name)


DEVICE = Option.of(
    "--device", check=_check_device, default="auto", metavar="D", help="auto, cpu, cuda, cuda:1, mps" + DEFAULT
)


AXES = Option.of("--axes", type=image_axes, metavar="TZCYX", help="the image's axes, where the file does not say")
CHANNEL = Option.of("--channel", type=from_zero, metavar="N", help="the one channel to use, counted from 0")
BACKGROUND = Option.of(
    "--background",
    type=whole,
    metavar="N",
    help="the number that is no object in the labels read; 0: all other numbers are objects (default: 0, where nothing "
    "looks different)",
)
CLASSES = Option.of(
    "--classes", role="reads", type=a_path, metavar="CSV", help="table with the columns object and class"
)
SHOWN = 10
"""So many ids are named in a sentence."""


def tell_absent(command: str, chosen: argparse.Namespace, absent: Collection[int], count: int) -> None:
    """Report objects that a table of classes names and the labels lack; raise ValueError where they lack all of them.

    Parameters
    ----------
    count : int
        How many objects the table names.
    """
    if count and len(absent) == count:
        raise ValueError(f"{chosen.classes} names none of the objects in {chosen.labels}; is it another image's table?")
    if absent:
        named = ", ".join(map(str, sorted(absent)[:SHOWN])) + (" .." if len(absent) > SHOWN else "")
        warn(command, f"{chosen.classes} names objects that are not in {chosen.labels}: {named}.")


RECIPE = Option.of("recipe", nargs="?", default="clickseg", metavar="RECIPE", help="name or TOML file" + DEFAULT)
FOLDERS = Option.of(
    "--data",
    role="reads",
    type=a_path,
    nargs="+",
    metavar="FOLDER",
    help="folders with images and labels of your own, or a folder of the recipe's sources",
)
CTC = Option.of(
    "--ctc",
    role="result",
    type=a_path,
    metavar="FOLDER",
    help="also write a movie as a Cell Tracking Challenge result",
)


def write_tracks(folder: Path, labels: Any, parents: Mapping[int, int]) -> None:
    """Write a movie's labels as a result folder, and print how many tracks it has.

    An object that vanishes and comes back goes on as a track of its own, as the challenge wants it.

    Raises
    ------
    ValueError, OSError
        As `cell_tracking.write_result`.
    """
    from napari_clickseg.storage.cell_tracking import write_result

    tracks = write_result(folder, labels, parents, split_gaps=True)
    from_parents = sum(track.parent > 0 for track in tracks)
    print(f"written: {folder} ({len(tracks)} tracks, {from_parents} of them from a parent)")
