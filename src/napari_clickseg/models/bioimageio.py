"""bioimage.io packages: what their description declares of axes, processing and sizes, and the weights that it names.

Nothing is downloaded, and nothing is unpacked that leaves its folder.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from napari_clickseg.models.loaded import OWN_RULE, Opened
from napari_clickseg.models.safe_archive import inside, unpack
from napari_clickseg.models.state_dict import Blueprint
from napari_clickseg.storage.atomic import checksum

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


DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml", "rdf.yml", "model.yaml")
BY_DESCRIPTION = "the package's description says so"
WEIGHTS = {"pytorch_state_dict": "state dict", "torchscript": "TorchScript", "onnx": "ONNX"}
"""Weights that are taken, in this order of preference, and the format of each."""
LETTERS = {"batch": "b", "channel": "c"}
OBJECT_WORDS = ("foreground", "object", "nucle", "cell", "mask", "interior")
BOUNDARY_WORDS = ("boundar", "border", "membrane", "contour", "edge")
RULE_WORDS = ("distance", "dist_", "radial", "flow", "gradient", "offset", "vector", "embedding", "affinit")
"""Parts of names of output channels of which objects are made by a rule of their own."""
OWN_RULES = ("stardist", "cellpose", "omnipose", "hovernet", "plantseg", "embedseg")
"""Programs that make objects by a rule of their own, as packages name them in `config` and `tags`."""
WITHOUT_EFFECT = ("ensure_dtype",)
UNSETTLED = "Convert its weights file by itself, and choose the conventions by hand."
INCOMPLETE = (KeyError, IndexError, TypeError, AttributeError, StopIteration, ZeroDivisionError)
"""What following a description raises that leaves out what it must declare."""

Declared = dict[str, tuple[Any, str]]


@dataclass(frozen=True, slots=True)
class Parts:
    """The weights that a package names: their format, their file and the class that they belong to."""

    format: str
    weights: Path
    blueprint: Blueprint | None


def open_package(path: Path, open_parts: Callable[[Parts], Opened]) -> Opened:
    """Open a package: its zip, its folder or the description in it.

    Parameters
    ----------
    open_parts : callable
        Opens the weights.

    Raises
    ------
    ValueError
        With one sentence, where it is damaged, incomplete, or describes what cannot be followed.
    Untrusted
        Where `open_parts` finds code that may not run.
    """
    with tempfile.TemporaryDirectory(prefix="clickseg-") as unpacked:
        folder = path if path.is_dir() else path.parent
        if path.is_file() and path.name not in DESCRIPTIONS:
            folder = Path(unpacked)
            unpack(path, folder)
        name = path.name if path.name in DESCRIPTIONS else next(n for n in DESCRIPTIONS if (folder / n).is_file())
        try:
            described = read_description(folder / name, path.name)
            declared, axes = _declared(described)
            parts = _parts(described, folder)
        except INCOMPLETE as error:
            missing = f"{type(error).__name__}: {error}"
            raise ValueError(f"The description in {path.name} leaves out what is needed ({missing}).") from None
        opened = open_parts(parts)
    title, description, licence = (str(described.get(key) or "") for key in ("name", "description", "license"))
    declared = {**opened.declared, **declared}
    return replace(opened, declared=declared, axes=axes, title=title, description=description, licence=licence)


def _parts(described: Table, folder: Path) -> Parts:
    """Choose among the weights: those that can be taken, the earliest in `WEIGHTS`."""
    there = {name: described["weights"][name] for name in WEIGHTS if described["weights"].get(name)}
    for name, entry in there.items():
        needs_library = name == "pytorch_state_dict" and not _installed(entry["architecture"])
        if needs_library and len(there) > 1:
            continue  # the package brings weights that do not need it
        file = inside(folder, _local(entry["source"]))
        _check_sha256(file, entry.get("sha256"))
        return Parts(
            WEIGHTS[name], file, _blueprint(entry["architecture"], folder) if "architecture" in entry else None
        )
    raise ValueError(f"The package brings no weights that can be converted, which are {', '.join(WEIGHTS)}.")


def _installed(architecture: Table) -> bool:
    return "source" in architecture or find_spec(architecture["import_from"].partition(".")[0]) is not None


def _blueprint(architecture: Table, folder: Path) -> Blueprint:
    file = "source" in architecture
    place = inside(folder, _local(architecture["source"])) if file else architecture["import_from"]
    return Blueprint.of(f"{place}:{architecture['callable']}", architecture.get("kwargs"))


def _local(source: Any) -> str:
    """Return the name of a file of the package.

    Raises
    ------
    ValueError
        Where it lies on a server.
    """
    text = str(source)
    if "://" in text:
        raise ValueError(f"The package's file {text} is not in it; download the whole package from bioimage.io.")
    return text


def _check_sha256(file: Path, wanted: str | None) -> None:
    if wanted and checksum(file) != wanted:
        raise ValueError(f"{file.name} is damaged: its sha256 is not what the package declares; download it again.")


# -- what the description declares -------------------------------------------------------------------------------------


def _declared(described: Table) -> tuple[Declared, str]:
    """Return conventions by name, and the order of the axes."""
    if len(described["inputs"]) != 1:
        raise ValueError(f"The package's network takes {len(described['inputs'])} inputs; one image is wanted.")
    taken, given = described["inputs"][0], described["outputs"][0]
    _check_rule(described)
    axes, given_axes = _letters(taken["axes"]), _letters(given["axes"])
    if "c" not in axes or set(axes) - set("bczyx") or axes != given_axes:
        raise ValueError(f"The package's network takes the axes {axes} and gives {given_axes}; it cannot be followed.")
    space = [axis for axis in taken["axes"] if axis["type"] == "space"]
    declared: Declared = {"ndim": (len(space), BY_DESCRIPTION), "channels": (_channels(taken["axes"]), BY_DESCRIPTION)}
    declared |= _sides(space) | _halo(given["axes"])
    declared |= _before(sequence(taken.get("preprocessing")), _channels(taken["axes"])) | _after(
        sequence(given.get("postprocessing"))
    )
    return declared | _outputs(given["axes"]), axes


def _check_rule(described: Table) -> None:
    """Refuse a network whose output is distances, flows or the like, of which a rule of their own makes objects.

    Raises
    ------
    ValueError
        Where names of outputs and channels say so, or several channels come from a program that has such a rule.
    """
    axes = [axis for given in described["outputs"] for axis in given["axes"] if axis.get("type") == "channel"]
    names = [str(name).lower() for axis in axes for name in sequence(axis.get("channel_names"))]
    names += [str(given.get("id", "")).lower() for given in described["outputs"]]
    odd = [name for name in names if _named(name, RULE_WORDS)]
    if odd:
        raise ValueError(f"The network gives {odd[0]}, {OWN_RULE}")
    programs = {str(word).lower() for key in ("config", "tags") for word in sequence(described.get(key))}
    program = next((one for one in OWN_RULES if one in programs), None)
    if program is not None and _several(described["outputs"]):
        raise ValueError(f"The network is one of {program}: it gives several channels, {OWN_RULE}")


def _several(outputs: Sequence[Table]) -> bool:
    """Whether outputs have more than one channel, or do not declare how many."""
    axes = [axis for given in outputs for axis in given["axes"] if axis.get("type") == "channel"]
    counts = [len(axis["channel_names"]) if "channel_names" in axis else axis.get("size") for axis in axes]
    return len(outputs) > 1 or counts != [1]


def _letters(axes: Sequence[Table]) -> str:
    return "".join(LETTERS.get(axis["type"], str(axis.get("id", axis["type"]))) for axis in axes)


def _channels(axes: Sequence[Table]) -> int:
    """Return how many channels there are, as names or a size declare."""
    axis = next(axis for axis in axes if axis["type"] == "channel")
    return len(axis["channel_names"]) if "channel_names" in axis else int(axis["size"])


def _sides(space: Sequence[Table]) -> Declared:
    """Sides: of one length alone, or from a smallest one in steps."""
    fixed = {axis["size"] for axis in space if isinstance(axis.get("size"), int)}
    steps = [axis["size"] for axis in space if isinstance(axis.get("size"), Mapping) and "step" in axis["size"]]
    if len(fixed) > 1 or (fixed and steps):
        raise ValueError(f"The package's network takes oblong images alone. {UNSETTLED}")
    for side in fixed:
        return dict.fromkeys(("divisible", "smallest_side", "tile"), (side, BY_DESCRIPTION))
    if not steps:
        return {}
    step, least = max(size["step"] for size in steps), max(size["min"] for size in steps)
    return {"divisible": (step, BY_DESCRIPTION), "smallest_side": (least, BY_DESCRIPTION)} if least % step == 0 else {}


def _halo(axes: Sequence[Table]) -> Declared:
    halos = [axis["halo"] for axis in axes if axis.get("halo")]
    return {"halo": (max(halos), BY_DESCRIPTION)} if halos else {}


def _outputs(axes: Sequence[Table]) -> Declared:
    """Return object and boundary by the names of the output's channels."""
    channel = next(axis for axis in axes if axis["type"] == "channel")
    names = [str(name).lower() for name in sequence(channel.get("channel_names"))]
    boundaries = [n for n, name in enumerate(names) if _named(name, BOUNDARY_WORDS)]
    objects = [n for n, name in enumerate(names) if _named(name, OBJECT_WORDS) and n not in boundaries]
    if not objects:
        return {}
    why = f"its output channels are named {', '.join(names)}"
    return {"objects": (objects, why), "boundary": (boundaries[0] if boundaries else None, why)}


def _named(name: str, words: Sequence[str]) -> bool:
    return any(word in name for word in words)


def _before(steps: Sequence[Table], channels: int) -> Declared:
    """Return the normalisation: statistics undo what a line before them did, and lines one after another are a line."""
    declared: Declared = {"normalise": ("none", "the package's description names no normalisation")}
    line: Line | None = None
    for number, step in enumerate(step for step in steps if step["id"] not in WITHOUT_EFFECT):
        kwargs = step.get("kwargs") or {}
        if step["id"] in LINES and (line is not None or not number):
            line = LINES[step["id"]](kwargs, channels).after(line)
            follows = line.conventions()
        elif step["id"] in STATISTICS:
            line, follows = None, STATISTICS[step["id"]](kwargs)
        elif step["id"] in LINES:
            raise ValueError(f"The package prepares images by {step['id']} after other steps. {UNSETTLED}")
        else:
            raise ValueError(f"The package prepares images by {step['id']}, which cannot be followed. {UNSETTLED}")
        declared = {name: (value, f"{BY_DESCRIPTION}: {step['id']}") for name, value in follows}
    return declared


@dataclass(frozen=True, slots=True)
class Line:
    """(value - low) / high, for each channel."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def after(self, before: Line | None) -> Line:
        """Return both lines as one, `before` being the first."""
        if before is None:
            return self
        low = tuple(b + own * scale for own, b, scale in zip(self.low, before.low, before.high, strict=True))
        return Line(low, tuple(own * scale for own, scale in zip(self.high, before.high, strict=True)))

    def conventions(self) -> Iterator[tuple[str, Any]]:
        """Give the conventions: two numbers where all channels have the same."""
        yield "normalise", "fixed"
        if len(set(self.low)) == len(set(self.high)) == 1:
            yield from (("low", self.low[0]), ("high", self.high[0]))
        else:
            yield from (("means", self.low), ("deviations", self.high))


def _mean_sd(kwargs: Table) -> Iterator[tuple[str, Any]]:
    yield from (("normalise", "mean-sd"), ("per_channel", not _has_channel(kwargs)))


def _percentiles(kwargs: Table) -> Iterator[tuple[str, Any]]:
    low, high = float(kwargs.get("min_percentile", 0)), float(kwargs.get("max_percentile", 100))
    yield from (("normalise", "percentile"), ("low", low), ("high", high), ("per_channel", not _has_channel(kwargs)))


def _fixed(kwargs: Table, channels: int) -> Line:
    return Line(_each(kwargs["mean"], channels), _each(kwargs["std"], channels))


def _line(kwargs: Table, channels: int) -> Line:
    """Gain x value + offset is (value - low) / high."""
    gains, offsets = _each(kwargs.get("gain", 1), channels), _each(kwargs.get("offset", 0), channels)
    pairs = list(zip(gains, offsets, strict=True))
    return Line(tuple(-offset / gain for gain, offset in pairs), tuple(1 / gain for gain, _ in pairs))


def _each(value: Any, channels: int) -> tuple[float, ...]:
    """Return a number for each channel, which may be given once.

    Raises
    ------
    ValueError
        Where there are several, but not as many as channels.
    """
    numbers = tuple(float(v) for v in (value if isinstance(value, list | tuple) else [value]))
    if len(numbers) == 1:
        return numbers * channels
    if len(numbers) != channels:
        raise ValueError(f"The package normalises {len(numbers)} channels, but takes {channels}. {UNSETTLED}")
    return numbers


def _has_channel(kwargs: Table) -> bool:
    """Return whether statistics go over the channels too; without axes they go over everything."""
    axes = kwargs.get("axes")
    return axes is None or "channel" in axes


STATISTICS: Mapping[str, Callable[[Table], Iterator[tuple[str, Any]]]] = {
    "zero_mean_unit_variance": _mean_sd,
    "scale_range": _percentiles,
}
"""Steps of preparation whose result does not depend on a line before them."""
LINES: Mapping[str, Callable[[Table, int], Line]] = {"fixed_zero_mean_unit_variance": _fixed, "scale_linear": _line}
"""Steps that subtract and divide by numbers of their own."""


def _after(steps: Sequence[Table]) -> Declared:
    """Return what the network's own output is, by what the package does to it afterwards."""
    declared: Declared = {}
    for step in steps:
        if step["id"] == "binarize" and isinstance(step["kwargs"]["threshold"], int | float):
            declared["threshold"] = (float(step["kwargs"]["threshold"]), f"{BY_DESCRIPTION}: binarize")
        elif step["id"] in ACTIVATIONS:
            declared["activation"] = (ACTIVATIONS[step["id"]], f"{BY_DESCRIPTION}: {step['id']}")
        elif step["id"] not in WITHOUT_EFFECT:
            raise ValueError(f"The package makes objects by {step['id']}, which cannot be followed. {UNSETTLED}")
    return declared


ACTIVATIONS = {"sigmoid": "logits", "softmax": "softmax"}
"""Each step after the network that turns its output into probabilities."""
