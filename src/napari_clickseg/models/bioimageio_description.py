"""Descriptions of bioimage.io packages, of version 0.4 and 0.5, both in the form of 0.5."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

OLD, NEW = "0.4", "0.5"
TYPES = {"b": "batch", "c": "channel", "z": "space", "y": "space", "x": "space"}
"""The type of each axis letter of version 0.4."""

Table = dict[str, Any]
MOST_TEXT = 1 << 20
"""Descriptions have so many bytes at most; usual ones have a hundredth."""
MOST_NODES = 50_000


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
    if file.stat().st_size > MOST_TEXT:
        raise ValueError(f"The description in {name} is {file.stat().st_size:,} bytes long, more than any model needs.")
    try:
        content = _plain(file.read_text("utf-8"))
    except (yaml.YAMLError, OSError, UnicodeError, RecursionError) as error:
        raise ValueError(f"The description in {name} cannot be read ({' '.join(str(error).split())}).") from None
    if not isinstance(content, dict) or "weights" not in content:
        raise ValueError(f"The description in {name} describes no model: it names no weights.")
    version = str(content.get("format_version", ""))
    if not version.startswith((OLD, NEW)):
        raise ValueError(f"The description in {name} has version {version or 'none'}; {OLD} and {NEW} can be read.")
    return _modern(content) if version.startswith(OLD) else content


def _plain(text: str) -> Any:
    """What a text of YAML says, read no further where aliases would make it many times as long.

    Raises
    ------
    yaml.YAMLError
        Where they do, or the text is no YAML.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _length(node, {}) > MOST_NODES:
            raise yaml.YAMLError("its aliases repeat it beyond all measure")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _length(node: yaml.Node, known: dict[int, float]) -> float:
    """How many nodes there are below one when each alias is written out; infinity where one contains itself."""
    if id(node) not in known:
        known[id(node)] = math.inf
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        flat = (part for entry in parts for part in (entry if isinstance(entry, tuple) else (entry,)))
        known[id(node)] = 1 + sum(_length(part, known) for part in flat)
    return known[id(node)]


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
    steps = [_step(step) for step in tensor.get("postprocessing") or ()]
    return {"id": tensor.get("name", ""), "axes": axes, "postprocessing": steps}


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
