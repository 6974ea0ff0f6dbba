"""Option and Command: what a row of the table of commands is made of, and the options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_clickseg.models.registry import ModelEntry


def find_named(name: str) -> ModelEntry:
    """Return the row of a model's name or path in the table of models, as `find_model`.

    Raises
    ------
    ValueError, FileNotFoundError
        As `find_model`; where a recipe has this name, the sentence tells how it is made into a model.
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
    """One argument of a command: its names, and what argparse is told of it."""

    names: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, *names: str, **settings: Any) -> Option:
        """Return the option with these names; settings as in `ArgumentParser.add_argument`."""
        return cls(names, settings)


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table of commands; `run` raises ValueError or OSError with a sentence where the input is bad."""

    name: str
    summary: str
    run: Callable[[argparse.Namespace], None]
    options: tuple[Option, ...]


class Unfinished(Exception):  # noqa: N818 - a fact about the work, told by its exit code
    """Raised by a command that did a part of its work; the sentence tells which part is missing."""


def comma_separated(text: str) -> list[str]:
    """Return what stands between commas.

    Examples
    --------
    >>> comma_separated("centre, human,")
    ['centre', 'human']
    """
    return [name.strip() for name in text.split(",") if name.strip()]


def count(text: str) -> int:
    """Return a whole number from 1 on; argparse refuses anything else with a sentence."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} must be at least 1")
    return number


def size(text: str) -> float:
    """Return a number above 0; argparse refuses anything else with a sentence."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be a positive number")
    return number


DEFAULT = " (default: %(default)s)"
MODEL = Option.of("--model", default="default", metavar="NAME_OR_PATH", help="see `clickseg models`" + DEFAULT)
OUTPUT = Option.of(
    "--output",
    type=Path,
    required=True,
    metavar="LABELS",
    help="labels to write: .tif, .zarr, .png, .npy",
)
DEVICE = Option.of("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:1, mps" + DEFAULT)


CTC = Option.of("--ctc", type=Path, metavar="FOLDER", help="also write a movie as a Cell Tracking Challenge result")


def write_tracks(folder: Path, labels: Any, parents: Mapping[int, int]) -> None:
    """Write a movie's labels as a result folder, and tell how many tracks it has.

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
