"""The description in a bioimage.io package (rdf.yaml), read as plain tables in the form of version 0.5.

Read without the library `bioimageio.spec`, of which the description's few tables that matter here need nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

OLD, NEW = "0.4", "0.5"
TYPES = {"b": "batch", "c": "channel", "z": "space", "y": "space", "x": "space"}
"""The type of each axis letter of version 0.4."""

Table = dict[str, Any]


def read_description(file: Path, name: str) -> Table:
    """Return a description of version 0.4 or 0.5 in the form of 0.5.

    Parameters
    ----------
    name : str
        Of the package, for sentences.

    Raises
    ------
    ValueError
        With one sentence, where it cannot be read or describes no model of these versions.
    """
    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except (yaml.YAMLError, OSError, UnicodeError, RecursionError) as error:
        raise ValueError(f"The description in {name} cannot be read ({' '.join(str(error).split())}).") from None
    if not isinstance(content, dict) or "weights" not in content:
        raise ValueError(f"The description in {name} describes no model: it names no weights.")
    version = str(content.get("format_version", ""))
    if not version.startswith((OLD, NEW)):
        raise ValueError(f"The description in {name} has version {version or 'none'}; {OLD} and {NEW} can be read.")
    return _modern(content) if version.startswith(OLD) else content


def _modern(old: Mapping[str, Any]) -> Table:
    """Bring a description of version 0.4 into the form of 0.5."""
    inputs = [_input(tensor) for tensor in old["inputs"]]
    outputs = [_output(tensor) for tensor in old["outputs"]]
    weights = {name: _weights(entry) for name, entry in old["weights"].items()}
    return {**old, "inputs": inputs, "outputs": outputs, "weights": weights}


def _input(tensor: Mapping[str, Any]) -> Table:
    shape = tensor["shape"]
    sizes = list(zip(shape["min"], shape["step"], strict=True)) if isinstance(shape, Mapping) else shape
    axes = [_axis(letter, size) for letter, size in zip(tensor["axes"], sizes, strict=True)]
    return {"axes": axes, "preprocessing": [_step(step) for step in tensor.get("preprocessing") or ()]}


def _output(tensor: Mapping[str, Any]) -> Table:
    halos = tensor.get("halo") or [0] * len(tensor["axes"])
    axes = [_axis(letter) | {"halo": halo} for letter, halo in zip(tensor["axes"], halos, strict=True)]
    return {"axes": axes, "postprocessing": [_step(step) for step in tensor.get("postprocessing") or ()]}


def _axis(letter: str, size: int | tuple[int, int] | None = None) -> Table:
    """Return one axis; a size is a number, or the smallest one and a step (0: it is the only one)."""
    if isinstance(size, tuple):
        least, step = size
        return _axis(letter, least) if step == 0 else _axis(letter) | {"size": {"min": least, "step": step}}
    return {"id": letter, "type": TYPES.get(letter, letter), "size": size}


def _step(step: Mapping[str, Any]) -> Table:
    """Return one step of processing: its name has become an id, letters of axes have become words."""
    kwargs = dict(step.get("kwargs") or {})
    fixed = step["name"] == "zero_mean_unit_variance" and kwargs.get("mode") == "fixed"
    if "axes" in kwargs:
        kwargs["axes"] = ["channel" if letter == "c" else letter for letter in kwargs["axes"]]
    return {"id": f"fixed_{step['name']}" if fixed else step["name"], "kwargs": kwargs}


def _weights(entry: Mapping[str, Any]) -> Table:
    """Return one entry of the weights; "file.py:Class" and "package.Class" have become tables."""
    named = entry.get("architecture")
    if not isinstance(named, str):
        return dict(entry)
    place, separator, called = named.rpartition(":") if ":" in named else named.rpartition(".")
    key = "source" if separator == ":" else "import_from"
    return {**entry, "architecture": {key: place, "callable": called, "kwargs": entry.get("kwargs") or {}}}


def sequence(value: Any) -> Sequence[Any]:
    """Return a list that a description may leave out.

    >>> sequence(None), sequence([1])
    ((), [1])
    """
    return value or ()
