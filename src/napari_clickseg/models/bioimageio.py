"""bioimage.io packages: what their description declares of axes, processing and sizes, and the weights that it names.

Nothing is downloaded, and nothing is unpacked that leaves its folder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from napari_clickseg.models.bioimageio_description import Table, read_description, sequence
from napari_clickseg.models.loaded import OWN_RULE, Opened
from napari_clickseg.models.safe_archive import inside, unpack
from napari_clickseg.models.state_dict import Blueprint
from napari_clickseg.storage.atomic import checksum

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
