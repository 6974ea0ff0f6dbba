"""bioimage.io packages: a description (rdf.yaml) that tells axes, processing, sizes and weights, and what it names.

The library `bioimageio.spec` reads descriptions of every version; nothing is downloaded, and nothing is unpacked that
leaves its folder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from napari_clickseg.models.archive import inside, unpack
from napari_clickseg.models.opened import Opened
from napari_clickseg.models.running import FAILURES, reason
from napari_clickseg.models.state_dict import Blueprint

DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml", "rdf.yml", "model.yaml")
SAYS = "the package's description says so"
WEIGHTS = {"pytorch_state_dict": "state dict", "torchscript": "TorchScript", "onnx": "ONNX"}
"""Weights that are taken, in this order of preference, and the format of each."""
LETTERS = {"batch": "b", "channel": "c"}
OBJECT_WORDS = ("foreground", "object", "nucle", "cell", "mask", "interior")
BOUNDARY_WORDS = ("boundar", "border", "membrane", "contour", "edge")
WITHOUT_EFFECT = ("ensure_dtype",)
UNSETTLED = "Convert its weights file by itself, and choose the conventions by hand."

Told = dict[str, tuple[Any, str]]


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
    if find_spec("bioimageio") is None or find_spec("bioimageio.spec") is None:
        raise ValueError(f'{path.name} is a bioimage.io package: pip install "napari-clickseg[bioimageio]" to read it.')
    with tempfile.TemporaryDirectory(prefix="clickseg-") as unpacked:
        folder = path if path.is_dir() else path.parent
        if path.is_file() and path.name not in DESCRIPTIONS:
            folder = Path(unpacked)
            unpack(path, folder)
        name = path.name if path.name in DESCRIPTIONS else next(n for n in DESCRIPTIONS if (folder / n).is_file())
        described = _description(folder / name, path.name)
        told, axes = _told(described)
        opened = open_parts(_parts(described, folder))
    words = {"title": described.name, "description": described.description, "licence": str(described.license or "")}
    return replace(opened, told={**opened.told, **told}, axes=axes, **words)


def _description(file: Path, name: str) -> Any:
    """Read a description, whatever its version, as one of the newest."""
    import bioimageio.spec

    try:
        described = bioimageio.spec.load_model_description(file, format_version="latest", perform_io_checks=False)
    except FAILURES as error:
        raise ValueError(f"The description in {name} is no valid bioimage.io model ({reason(error)}).") from None
    return described


def _parts(described: Any, folder: Path) -> Parts:
    """Choose among the weights: those that can be taken, the earliest in `WEIGHTS`."""
    there = [name for name in WEIGHTS if getattr(described.weights, name) is not None]
    for name in there:
        entry = getattr(described.weights, name)
        blueprint = _blueprint(entry, folder) if name == "pytorch_state_dict" else None
        if blueprint is None and name == "pytorch_state_dict" and len(there) > 1:
            continue  # its library is not installed, and the package brings weights that do not need it
        return Parts(WEIGHTS[name], inside(folder, _local(entry.source)), blueprint)
    raise ValueError(f"The package brings no weights that can be converted, which are {', '.join(WEIGHTS)}.")


def _blueprint(entry: Any, folder: Path) -> Blueprint | None:
    """Return the class of a state dict; None where the library that it comes from is not installed."""
    architecture = entry.architecture
    if hasattr(architecture, "source"):
        file = inside(folder, _local(architecture.source))
        return Blueprint.of(f"{file}:{architecture.callable}", architecture.kwargs)
    library = architecture.import_from.partition(".")[0]
    return (
        Blueprint.of(f"{architecture.import_from}:{architecture.callable}", architecture.kwargs)
        if find_spec(library)
        else None
    )


def _local(source: Any) -> str:
    """Return the name of a file of the package.

    Raises
    ------
    ValueError
        Where it lies on a server.
    """
    text = str(getattr(source, "path", source) if not str(source).startswith("http") else source)
    if text.startswith("http"):
        raise ValueError(f"The package's file {text} is not in it; download the whole package from bioimage.io.")
    return text


# -- what the description tells ----------------------------------------------------------------------------------------


def _told(described: Any) -> tuple[Told, str]:
    """Return conventions by name, and the order of the axes."""
    if len(described.inputs) != 1:
        raise ValueError(f"The package's network takes {len(described.inputs)} inputs; one image is wanted.")
    taken, given = described.inputs[0], described.outputs[0]
    axes, given_axes = _letters(taken.axes), _letters(given.axes)
    if "c" not in axes or set(axes) - set("bczyx") or axes != given_axes:
        raise ValueError(
            f"The package's network takes the axes {axes} and gives {given_axes}; this cannot be followed."
        )
    space = [axis for axis in taken.axes if axis.type == "space"]
    channel = next(axis for axis in taken.axes if axis.type == "channel")
    told: Told = {"ndim": (len(space), SAYS), "channels": (int(channel.size), SAYS)}
    told |= _sides(space) | _halo(given.axes)
    told |= _before(taken.preprocessing) | _after(given.postprocessing)
    return told | _outputs(next(axis for axis in given.axes if axis.type == "channel")), axes


def _letters(axes: Sequence[Any]) -> str:
    return "".join(LETTERS.get(axis.type, str(axis.id)) for axis in axes)


def _sides(space: Sequence[Any]) -> Told:
    """Sides: of one length alone, or from a smallest one in steps."""
    fixed = {axis.size for axis in space if isinstance(axis.size, int)}
    steps = [axis.size for axis in space if hasattr(axis.size, "step")]
    if len(fixed) > 1 or (fixed and steps):
        raise ValueError(f"The package's network takes oblong images alone. {UNSETTLED}")
    for side in fixed:
        return dict.fromkeys(("divisible", "smallest_side", "tile"), (side, SAYS))
    if not steps:
        return {}
    step, least = max(size.step for size in steps), max(size.min for size in steps)
    return {"divisible": (step, SAYS), "smallest_side": (-(-least // step) * step, SAYS)} if least % step == 0 else {}


def _halo(axes: Sequence[Any]) -> Told:
    halos = [axis.halo for axis in axes if getattr(axis, "halo", None)]
    return {"halo": (max(halos), SAYS)} if halos else {}


def _outputs(channel: Any) -> Told:
    """Tell object and boundary by the names of the output's channels."""
    names = [str(name).lower() for name in channel.channel_names]
    objects = [n for n, name in enumerate(names) if _named(name, OBJECT_WORDS) and not _named(name, BOUNDARY_WORDS)]
    boundaries = [n for n, name in enumerate(names) if _named(name, BOUNDARY_WORDS)]
    if not objects:
        return {}
    why = f"its output channels are named {', '.join(names)}"
    return {"objects": (objects, why), "boundary": (boundaries[0] if boundaries else None, why)}


def _named(name: str, words: Sequence[str]) -> bool:
    return any(word in name for word in words)


def _before(steps: Sequence[Any]) -> Told:
    """Tell the normalisation: the last step that counts, as statistics undo what a line before them did."""
    told: Told = {"normalise": ("none", "the package's description names no normalisation")}
    counted = [step for step in steps if step.id not in WITHOUT_EFFECT]
    for number, step in enumerate(counted):
        if step.id not in NORMALISATIONS:
            raise ValueError(f"The package prepares images by {step.id}, which cannot be followed. {UNSETTLED}")
        follows = dict(NORMALISATIONS[step.id](step.kwargs))
        if number and step.id not in STATISTICS:
            raise ValueError(f"The package prepares images by {step.id} after other steps. {UNSETTLED}")
        told = {name: (value, f"{SAYS}: {step.id}") for name, value in follows.items()}
    return told


def _mean_sd(kwargs: Any) -> Iterator[tuple[str, Any]]:
    yield from (("normalise", "mean-sd"), ("per_channel", not _has_channel(kwargs.axes)))


def _percentiles(kwargs: Any) -> Iterator[tuple[str, Any]]:
    low, high = kwargs.min_percentile, kwargs.max_percentile
    yield from (("normalise", "percentile"), ("low", float(low)), ("high", float(high)))
    yield "per_channel", not _has_channel(kwargs.axes)


def _fixed(kwargs: Any) -> Iterator[tuple[str, Any]]:
    yield from (("normalise", "fixed"), ("low", _one(kwargs.mean)), ("high", _one(kwargs.std)))


def _line(kwargs: Any) -> Iterator[tuple[str, Any]]:
    """Gain x value + offset is (value - low) / high."""
    gain, offset = _one(kwargs.gain), _one(kwargs.offset)
    yield from (("normalise", "fixed"), ("low", -offset / gain), ("high", 1 / gain))


def _one(value: Any) -> float:
    """Return a number that may be given once or for each channel.

    Raises
    ------
    ValueError
        Where the channels' numbers differ.
    """
    values = {float(v) for v in (value if isinstance(value, Sequence) else [value])}
    if len(values) > 1:
        raise ValueError(f"The package normalises each channel by other numbers {sorted(values)}. {UNSETTLED}")
    return values.pop()


def _has_channel(axes: Sequence[Any] | None) -> bool:
    """Tell whether statistics go over the channels too; without axes they go over everything."""
    return axes is None or "channel" in [str(axis) for axis in axes]


NORMALISATIONS: Mapping[str, Callable[[Any], Iterator[tuple[str, Any]]]] = {
    "zero_mean_unit_variance": _mean_sd,
    "scale_range": _percentiles,
    "fixed_zero_mean_unit_variance": _fixed,
    "scale_linear": _line,
}
"""Each step of preparation that can be followed."""
STATISTICS = ("zero_mean_unit_variance", "scale_range")
"""Steps whose result does not depend on a line before them."""


def _after(steps: Sequence[Any]) -> Told:
    """Tell what the network's own output is, by what the package does to it afterwards."""
    told: Told = {}
    for step in steps:
        if step.id == "binarize" and isinstance(step.kwargs.threshold, float):
            told["threshold"] = (min(max(step.kwargs.threshold, 0.0), 1.0), f"{SAYS}: binarize")
        elif step.id in ACTIVATIONS:
            told["activation"] = (ACTIVATIONS[step.id], f"{SAYS}: {step.id}")
        elif step.id not in WITHOUT_EFFECT:
            raise ValueError(f"The package makes objects by {step.id}, which cannot be followed. {UNSETTLED}")
    return told


ACTIVATIONS = {"sigmoid": "logits", "softmax": "softmax"}
"""Each step after the network that turns its output into probabilities."""
