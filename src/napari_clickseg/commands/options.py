"""Option and Command: what a row of the table of commands is made of, and the options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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
