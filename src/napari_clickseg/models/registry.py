"""The table of models: shipped weights, the user's folder, other packages' entry points, and those without weights.

Listing reads cards, never weights, and imports no torch; a model's code is imported when the model is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from napari_clickseg.storage.paths import expanded, learned_folder, user_folder

if TYPE_CHECKING:
    from napari_clickseg.models.card import ConvertedCard, ModelCard


DEFAULT = "default"
SUFFIX = ".safetensors"
ENTRY_POINTS = "napari_clickseg.models"
SHIPPED_FOLDER = Path(__file__).parent / "weights"

SWITCHED = re.compile(r"(?P<model>.+?)(?P<switches>(:\w+=\w*)+)")
"""A model's name or path, then refinements to switch."""
POSITIONS = {"on": True, "off": False}
LEARNED = re.compile(r"learned-[0-9a-f]{10}")
"""The names of weights that were learned from kept objects; they lie beside the journals (`training.adapt`)."""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One row of the table of models.

    Attributes
    ----------
    name : str
        What `load_model` takes; unique in the table.
    title, description : str
        For people: a few words, and a sentence or two.
    kind : {"shipped", "user", "plugin", "weightless"}
        Where it comes from.
    path : Path or None
        Its weights file, where it has one.
    readable : bool
        False where the weights file is damaged; `description` says how.
    switches : mapping of str to bool
        Refinements that were asked for otherwise than the model's card has it.
    """

    name: str
    title: str
    description: str
    kind: str
    path: Path | None = None
    readable: bool = True
    switches: Mapping[str, bool] = field(default_factory=dict)


WEIGHTLESS = {
    "random-walker": ("RandomWalker", "Random walker", "Diffuses the clicks through even areas; no weights."),
    "geodesic": (
        "Geodesic",
        "Geodesic distance",
        "Shortest paths that avoid edges, from either kind of click; no weights.",
    ),
    "superpixels": ("Superpixels", "Superpixel growing", "Grows clicked superpixels by their likeness; no weights."),
    "grabcut": ("GrabCut", "GrabCut", "Colours of object and background and the cheapest cut; OpenCV, no weights."),
}
"""Name: class in `models.classic`, title, description."""
NEEDS = {"grabcut": "cv2"}
"""Libraries beyond those that the package brings; a predictor is listed where its library is there."""


def list_models() -> list[ModelEntry]:
    """Return every model there is, those with shipped weights first; names are unique.

    A damaged weights file is listed as such and stops nothing.
    """
    taken: set[str] = set()
    table = []
    for source in (_shipped, _user, _plugins, _weightless):
        for entry in source():
            name = entry.name if entry.name not in taken else f"{entry.kind}:{entry.name}"
            taken.add(name)
            table.append(replace(entry, name=name))
    return table


def find_model(name_or_path: str | Path = DEFAULT) -> ModelEntry:
    """Return the row of a model's name, or one made from the path of a weights file.

    Either may be followed by refinements to switch, as in "ritm:flip=off" or "default:obey=off:flip=on".

    Raises
    ------
    ValueError
        Where there is no such model, with the names there are; where the file has no readable card; where no
        refinement is of that name, or it is switched neither on nor off.
    FileNotFoundError
        Where a path leads to no file.
    """
    if match := SWITCHED.fullmatch(str(name_or_path)):
        plain = find_model(match["model"])
        return replace(plain, name=str(name_or_path), switches=_switches(plain, match["switches"]))
    table = {entry.name: entry for entry in list_models()}
    if str(name_or_path) in table:
        return table[str(name_or_path)]
    if LEARNED.fullmatch(str(name_or_path)):
        return _find_learned(str(name_or_path))
    path = expanded(name_or_path)
    if path.is_file():
        card = _card(path)
        return ModelEntry(path.stem, card.title, card.description, "user", path)
    if path.suffix == SUFFIX:
        raise FileNotFoundError(f"There is no weights file {path}.")
    raise ValueError(f"There is no model {str(name_or_path)!r}; there are {', '.join(table)}, or name a {SUFFIX} file.")


def _find_learned(name: str) -> ModelEntry:
    path = learned_folder() / f"{name}{SUFFIX}"
    if not path.is_file():
        raise ValueError(
            f"The weights {name!r} were learned from kept objects, and are not on this computer any more; keep such "
            "weights as a model, or name another model, whose answers differ."
        )
    card = _card(path)
    return ModelEntry(name, card.title, card.description, "user", path)


def _switches(entry: ModelEntry, text: str) -> dict[str, bool]:
    """Read ":flip=off:obey=on"."""
    from napari_clickseg.models.card import REFINEMENTS

    if entry.path is None:
        raise ValueError(f"{entry.name!r} has no refinements to switch: only models with weights have.")
    pairs = [part.split("=") for part in text.strip(":").split(":")]
    unknown = [name for name, _ in pairs if name not in REFINEMENTS]
    if unknown:
        raise ValueError(f"There is no refinement {', '.join(unknown)}; there are {', '.join(REFINEMENTS)}.")
    odd = [f"{name}={value}" for name, value in pairs if value not in POSITIONS]
    if odd:
        raise ValueError(f"A refinement is switched {' or '.join(POSITIONS)}, not {', '.join(odd)}.")
    return {name: POSITIONS[value] for name, value in pairs}


# -- sources: each gives rows of the table -----------------------------------------------------------------------------


def _shipped() -> Iterator[ModelEntry]:
    return _weights_in(SHIPPED_FOLDER, "shipped", first=DEFAULT)


def _user() -> Iterator[ModelEntry]:
    return _weights_in(user_folder(), "user")


def _weights_in(folder: Path, kind: str, first: str = "") -> Iterator[ModelEntry]:
    files = folder.glob(f"*{SUFFIX}") if folder.is_dir() else ()
    shown = (path for path in files if not path.name.startswith("."))  # those are still being written, or never were
    for path in sorted(shown, key=lambda path: (path.stem != first, path.stem)):
        try:
            card = _card(path)
        except (ValueError, OSError) as error:
            yield ModelEntry(path.stem, f"{path.stem} (damaged)", str(error), kind, path, readable=False)
        else:
            yield ModelEntry(path.stem, card.title, card.description, kind, path)


def _card(path: Path) -> ModelCard | ConvertedCard:
    from napari_clickseg.models.card import read_card

    return read_card(path)


def _plugins() -> Iterator[ModelEntry]:
    for name, point in _entry_points().items():
        package = point.dist.name if point.dist else point.module
        yield ModelEntry(name, name, f"From the package {package}.", "plugin")


def _weightless() -> Iterator[ModelEntry]:
    for name, (_, title, description) in WEIGHTLESS.items():
        if name not in NEEDS or find_spec(NEEDS[name]) is not None:
            yield ModelEntry(name, title, description, "weightless")


def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name)}
