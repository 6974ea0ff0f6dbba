"""Settings: keys of a recipe that are changed one by one, as from the command line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from napari_clickseg.training.recipe import Recipe

BARE = re.compile(r"[^\W\d][\w -]*")
"""Words that need no quotes as the value of a setting."""
KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "text"),
    ((list, tuple), "a list"),
    (Mapping, "a table"),
)


def changed(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Return the recipe with keys changed one after the other.

    Parameters
    ----------
    settings : iterable of str
        Each `KEY=VALUE`: a key of the recipe, with dots into its tables, and a value in TOML. A bare word is text.

    Raises
    ------
    ValueError
        For text that is no setting; for a value of another kind than the one it replaces; as `Recipe.from_toml`.

    Examples
    --------
    >>> from napari_clickseg.training.recipe import read_recipe
    >>> ritm = changed(read_recipe("ritm"), ["encoding.prior=none", "losses={bce=1.0}"])
    >>> ritm.encoding["prior"], ritm.losses
    ('none', {'bce': 1.0})
    """
    table = recipe.to_json()
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not (key and equals):
            raise ValueError(f"{setting!r} changes nothing: wanted is KEY=VALUE, as side=96 or encoding.prior=none.")
        _put(table, key, _value(key, value))
    return Recipe.from_table(table)


def _value(key: str, text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        if BARE.fullmatch(text):
            return text
        raise ValueError(f"The value of {key} is written in TOML, and {text!r} is none: {error}.") from None


def _put(table: dict[str, Any], key: str, value: Any) -> None:
    """Write a value into tables in tables; one that is new there is looked up when the recipe is made of them."""
    *above, last = key.split(".")
    for name in above:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ValueError(f"A recipe has no {key}: its {name} is {_kind(table)}, not a table.")
    if last in table and table[last] is not None and _kind(table[last]) != _kind(value):
        raise ValueError(f"A recipe's {key} is {_kind(table[last])}, as {table[last]!r}, not {value!r}.")
    table[last] = value


def _kind(value: object) -> str:
    return next((name for kind, name in KINDS if isinstance(value, kind)), "a date")
