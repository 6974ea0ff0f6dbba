"""The table of foreign formats: how each is recognised, opened, and opened again from a kept model."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from napari_clickseg.models import onnx_graph, programs, state_dict
from napari_clickseg.models.archive import check_not_cut, check_size, members
from napari_clickseg.models.bioimage import DESCRIPTIONS, Parts, open_package
from napari_clickseg.models.card import ConvertedCard
from napari_clickseg.models.opened import Opened
from napari_clickseg.models.state_dict import Blueprint, open_state_dict, open_weights

Allowed = Callable[[str], bool]
PACKAGE = "bioimage.io package"


@dataclass(frozen=True, slots=True)
class Program:
    """A format of files that hold all: `read` gives the bytes to keep, `open` takes them, a name and who may run."""

    words: str
    open: Callable[[bytes, str, Allowed], Opened]
    read: Callable[[Path], bytes] = Path.read_bytes


PROGRAMS = {
    programs.TORCHSCRIPT: Program("torch.jit.script or trace: .pt, .pth, .ts", programs.open_torchscript),
    programs.EXPORTED: Program("torch.export: .pt2", programs.open_exported),
    onnx_graph.FORMAT: Program("ONNX: .onnx", onnx_graph.open_onnx, onnx_graph.read_onnx),
}
"""Formats of one file that holds all."""
FORMATS = {
    state_dict.FORMAT: "weights and the class that they belong to: .safetensors, .pt, .pth",
    **{name: program.words for name, program in PROGRAMS.items()},
    PACKAGE: "a zip or folder with rdf.yaml",
}
"""All that is taken, in words."""
WEIGHTS_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".pkl")


def open_foreign(path: Path, blueprint: Blueprint | None, allowed: Allowed) -> Opened:
    """Open a file or folder in any of the formats.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    ValueError
        With one sentence, where it is in none of the formats, or damaged.
    Untrusted
        Where code would have to run that may not.
    """
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    name = recognise(path)
    if name == PACKAGE:
        return open_package(path, lambda parts: _open_parts(parts, allowed))
    if name == state_dict.FORMAT:
        return open_state_dict(path, blueprint, allowed)
    if blueprint is not None:
        raise ValueError(f"{path.name} is {name} and brings its network along; name no class for it.")
    return _open_program(name, path, allowed)


def reopen(card: ConvertedCard, content: Mapping[str, Tensor] | bytes, allowed: Allowed) -> Opened:
    """Open what a kept model holds.

    Raises
    ------
    ValueError, Untrusted
        As `open_foreign`.
    """
    if isinstance(content, bytes) and card.format in PROGRAMS:
        return PROGRAMS[card.format].open(content, card.name, allowed)
    if not isinstance(content, bytes) and card.format == state_dict.FORMAT:
        return open_weights(content, Blueprint(card.class_path, card.kwargs, card.code), card.name, allowed)
    raise ValueError(f"The model {card.name} says that it is {card.format!r}, but it does not hold that.")


def recognise(path: Path) -> str:
    """Tell the format of a file or folder, by what is in it more than by its name.

    Raises
    ------
    ValueError
        With the formats that there are, where it is none of them; or where it is an archive without its end.
    """
    if path.is_dir():
        inside: Sequence[str] = [entry.name for entry in path.iterdir()]
        return _known(path, PACKAGE if set(inside) & set(DESCRIPTIONS) else "")
    check_size(path)
    if path.name in DESCRIPTIONS:
        return PACKAGE
    if zipfile.is_zipfile(path):
        return _known(path, _in_archive(members(path)))
    check_not_cut(path)
    by_suffix = dict.fromkeys(WEIGHTS_SUFFIXES, state_dict.FORMAT) | {".onnx": onnx_graph.FORMAT}
    return _known(path, by_suffix.get(path.suffix.lower(), ""))


def _in_archive(names: Sequence[str]) -> str:
    """Tell what an archive is by the names in it; torch puts all of its own into one folder."""
    inner = {name.partition("/")[2] for name in names}
    if set(names) & set(DESCRIPTIONS):
        return PACKAGE
    if "constants.pkl" in inner and any(name.startswith("code/") for name in inner):
        return programs.TORCHSCRIPT
    if "archive_format" in inner or "serialized_exported_program.json" in names:
        return programs.EXPORTED
    return state_dict.FORMAT if "data.pkl" in inner else ""


def _known(path: Path, name: str) -> str:
    if name:
        return name
    choices = "; ".join(f"{name} ({words})" for name, words in FORMATS.items())
    raise ValueError(f"{path.name or path} is in no format that can be converted, which are {choices}.")


def _open_parts(parts: Parts, allowed: Allowed) -> Opened:
    """Open the weights that a package names."""
    if parts.format == state_dict.FORMAT:
        return open_state_dict(parts.weights, parts.blueprint, allowed)
    return _open_program(parts.format, parts.weights, allowed)


def _open_program(name: str, path: Path, allowed: Allowed) -> Opened:
    program = PROGRAMS[name]
    return program.open(program.read(path), path.name, allowed)
