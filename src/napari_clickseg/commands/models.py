"""clickseg models: the models there are, or all that the card of one of them says."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_clickseg.commands.convert import written
from napari_clickseg.commands.options import Command, Option, a_path

if TYPE_CHECKING:
    from napari_clickseg.models.card import ConvertedCard, ModelCard
    from napari_clickseg.models.registry import ModelEntry

TOLD_ABOVE = ("name", "title", "description", "credits")
"""Keys of a recipe that a card says in places of its own."""


def run_models(chosen: argparse.Namespace) -> None:
    """List the models, describe one, or add the weights file of one to one's own."""
    if chosen.add is not None:
        if chosen.name is not None:
            raise ValueError(f"Describe {chosen.name!r}, or add {chosen.add}: one at a time.")
        print(f"added: {_add(chosen.add)}")
        return
    for line in _table() if chosen.name is None else _described(chosen.name):
        print(line)


def _add(path: Path) -> Path:
    """Copy a weights file into the folder of one's own models, under the name that its card says.

    Raises
    ------
    ValueError
        Where it is no weights file with a card, or another model of its name is there.
    """
    from napari_clickseg.models.card import READABLE, read_card
    from napari_clickseg.models.registry import SUFFIX
    from napari_clickseg.storage.atomic import checksum, written_whole
    from napari_clickseg.storage.paths import user_folder

    name = read_card(path).name
    place = user_folder() / f"{name}{SUFFIX}"
    if place.exists():
        if checksum(place) == checksum(path):
            return place
        raise ValueError(f"There is another model {name!r} in {place}: move it away first.")
    place.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(place) as unfinished:
        unfinished.write_bytes(path.read_bytes())
        unfinished.chmod(READABLE)
    return place


def _table() -> Iterator[str]:
    from napari_clickseg.models.registry import list_models
    from napari_clickseg.storage.paths import user_folder

    entries = list_models()
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        yield f"{entry.name:{width}}  {entry.kind:10}  {entry.title}: {entry.description}"
    yield f"Your own models: {user_folder()}"


def _described(name: str) -> Iterator[str]:
    """What there is to say of one model; those without weights have no card."""
    from napari_clickseg.models.card import ConvertedCard, read_card
    from napari_clickseg.models.registry import find_model

    entry = find_model(name)
    card = None if entry.path is None else read_card(entry.path)
    yield f"{entry.name} ({entry.kind}): {entry.title}"
    yield entry.description
    if isinstance(card, ConvertedCard):
        yield from _below(_converted(entry, card))
    elif card is not None:
        yield from _below(_card(entry, card))


def _converted(entry: ModelEntry, card: ConvertedCard) -> dict[str, list[str]]:
    """The parts of a converted network's card."""
    assert entry.path is not None
    rows = {
        "file": f"{entry.path} ({entry.path.stat().st_size / 1e6:.1f} MB)",
        "converted from": f"{card.origin} ({card.format})",
        "sha256": card.sha256,
        "licence": card.licence,
        "class": card.class_path + (", source kept in the file" if card.code else ""),
        "called with": ", ".join(f"{key}={json.dumps(value)}" for key, value in card.kwargs.items()),
    }
    conventions = {key: written(value) for key, value in card.conventions.counting().items()}
    return {
        "Network": _pairs({key: value for key, value in rows.items() if value}),
        "Conventions": _pairs(conventions),
        "Trained on": _pairs(card.data),
        "Measured on the test parts of": _measured(card.metrics),
    }


def _card(entry: ModelEntry, card: ModelCard) -> dict[str, list[str]]:
    """The parts of a card."""
    recipe = {key: value for key, value in card.recipe.items() if key not in TOLD_ABOVE}
    return {
        "Weights": _pairs(_weights(entry, card)),
        "Trained on": _pairs(card.data),
        "Recipe": _pairs({key: json.dumps(value) for key, value in _flat(recipe)}),
        "Measured on the test parts of": _measured(card.metrics),
    }


def _below(parts: Mapping[str, list[str]]) -> Iterator[str]:
    """The parts of a card below each other; one that the card leaves empty is left out."""
    for title, lines in parts.items():
        if lines:
            yield from ("", title, *(f"  {line}" for line in lines))


def _weights(entry: ModelEntry, card: ModelCard) -> dict[str, str]:
    from napari_clickseg.models.card import REFINEMENTS

    assert entry.path is not None
    on = [name for name in REFINEMENTS if entry.switches.get(name, name in card.refinements)]
    rows = {
        "file": f"{entry.path} ({entry.path.stat().st_size / 1e6:.1f} MB)",
        "origin": card.origin,
        "licence": card.licence,
        "network": " ".join([card.network, *(f"{key}={value}" for key, value in card.network_options.items())]),
        "window": f"{card.side} x {card.side} pixels, an object {100 * card.object_share:.0f} % of it",
        "encoding": ", ".join(f"{key} {json.dumps(value)}" for key, value in card.encoding.items()),
        "refinements": ", ".join(on) or "none",
        "budget": card.budget,
    }
    return {key: value for key, value in rows.items() if value}


def _flat(table: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Keys of a recipe as `clickseg train --set` takes them; an empty table stays whole."""
    for key, value in table.items():
        path = (*above, key)
        if isinstance(value, Mapping) and value:
            yield from _flat(value, path)
        else:
            yield ".".join(path), value


def _pairs(table: Mapping[str, str]) -> list[str]:
    width = max(map(len, table), default=0)
    return [f"{key:{width}}  {value}" for key, value in table.items()]


def _measured(metrics: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A row per source, a column per measure."""
    heads = list(dict.fromkeys(head for measured in metrics.values() for head in measured))
    width = max(map(len, metrics), default=0)
    rows = [(source, [_number(measured, head) for head in heads]) for source, measured in metrics.items()]
    lines = [("", heads), *rows] if rows else []
    return [f"{source:{width}}  {'  '.join(f'{cell:>7}' for cell in cells)}" for source, cells in lines]


def _number(measured: Mapping[str, float], head: str) -> str:
    return f"{measured[head]:g}" if head in measured else ""


COMMAND = Command(
    "models",
    "List the models there are, describe one, or add one.",
    run_models,
    (
        Option.of(
            "name",
            nargs="?",
            metavar="NAME_OR_PATH",
            help="describe this one: where it comes from, how it was trained, what was measured on which images",
        ),
        Option.of(
            "--add",
            role="reads",
            type=a_path,
            metavar="FILE",
            help="copy a weights file, as of a checkout or a release, into the folder of your own models",
        ),
    ),
)
