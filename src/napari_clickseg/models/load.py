"""The table of foreign formats: how each is recognised, opened, and opened again from a kept model."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from napari_clickseg.inference.guidance import Encoding, Guidance
from napari_clickseg.models import onnx_graph, state_dict
from napari_clickseg.models import torchscript as programs
from napari_clickseg.models.bioimageio import DESCRIPTIONS, Parts, open_package
from napari_clickseg.models.card import READABLE, ConvertedCard, ModelCard, read_card
from napari_clickseg.models.loaded import Adapter, Opened, check_numbers
from napari_clickseg.models.registry import DEFAULT, WEIGHTLESS, ModelEntry, _card, _entry_points, find_model
from napari_clickseg.models.safe_archive import check_not_cut, check_size, members
from napari_clickseg.models.state_dict import Blueprint, open_state_dict, open_weights
from napari_clickseg.models.trust import Untrusted, remember, trusted
from napari_clickseg.networks.catalogue import PRETRAINED, build_network, judges, sees_objects
from napari_clickseg.networks.clicked_encoder import ClickedEncoder
from napari_clickseg.storage.atomic import written_whole

if TYPE_CHECKING:
    from napari_clickseg.core.requests import Predictor
    from napari_clickseg.inference.automatic_predictor import ClickablePredictor
    from napari_clickseg.inference.click_predictor import ClickPredictor
    from napari_clickseg.models.io_spec import Conventions


def present_devices() -> tuple[str, ...]:
    """Return what `load_model` takes as a device here. Importing torch takes seconds: a window asks on a worker."""
    from napari_clickseg.inference.device import available_devices

    return ("auto", *available_devices())


def load_model(name_or_path: str | Path = DEFAULT, device: str = "auto") -> Predictor:
    """Load a model by its name in the table, or from a weights file.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps". Models without weights always compute on the CPU.

    Raises
    ------
    ValueError
        Where there is no such model, its file is damaged, or the device is not there.

    Examples
    --------
    >>> load_model("geodesic").name
    'geodesic'
    """
    entry = find_model(name_or_path)
    return LOADERS[entry.kind](entry, device)


# -- loaders: one per kind of row --------------------------------------------------------------------------------------


def _load_weights(entry: ModelEntry, device: str) -> Predictor:
    from napari_clickseg.models.card import ConvertedCard

    assert entry.path is not None
    if isinstance(_card(entry.path), ConvertedCard):
        return _load_converted(entry, device)
    predictor = load_click_model(entry.path, device)
    return predictor.with_refinements(entry.switches) if entry.switches else predictor


def _load_converted(entry: ModelEntry, device: str) -> Predictor:

    assert entry.path is not None
    predictor = open_converted(entry.path, device)
    return predictor.with_refinements(entry.switches) if entry.switches else predictor


def _load_plugin(entry: ModelEntry, device: str) -> Predictor:
    """Call the entry point's object with the device; it returns a predictor."""
    factory: Callable[[str], Predictor] = _entry_points()[entry.name.removeprefix("plugin:")].load()
    return factory(device)


def _load_weightless(entry: ModelEntry, device: str) -> Predictor:
    from napari_clickseg.models import classic

    if device not in ("auto", "cpu"):
        from napari_clickseg.inference.device import choose_device

        choose_device(device)  # it is not used, but a name that means nothing is an error
    predictor: Predictor = getattr(classic, WEIGHTLESS[entry.name.removeprefix("weightless:")][0])()
    return predictor


LOADERS: dict[str, Callable[[ModelEntry, str], Predictor]] = {
    "shipped": _load_weights,
    "user": _load_weights,
    "plugin": _load_plugin,
    "weightless": _load_weightless,
}


FIRST_CONVOLUTION = "encoder.first."
"""Weights of every network in `PRETRAINED`; those that 0.1.0 trained under the same names have none."""


def new_network(name: str, options: Mapping[str, Any], encoding: Encoding) -> nn.Module:
    """Return a network of `networks.catalogue` with untrained weights that takes the encoding's channels.

    Raises
    ------
    ValueError
        For a name that is not in the table.
    """
    return build_network(name, {"guidance": Guidance(encoding).channels, **options})


def load_click_model(path: str | Path, device: str = "auto") -> ClickPredictor:
    """Return the predictor of a weights file of a click model.

    Raises
    ------
    ValueError
        With one sentence, where the file is corrupt, its weights do not fit its card, or the device is not there.
    """
    from napari_clickseg.inference.click_predictor import ClickPredictor
    from napari_clickseg.inference.device import choose_device
    from napari_clickseg.inference.judged_predictor import JudgedPredictor
    from napari_clickseg.models.card import read_click_card

    card = read_click_card(path)
    check_version(card, path)
    _check_network(card, Path(path))
    network = new_network(card.network, card.network_options, Encoding.from_mapping(card.encoding))
    read_weights(network, path)
    kind = JudgedPredictor if judges(network) and sees_objects(network) else ClickPredictor
    return kind.of(network, card, choose_device(device))


def _check_network(card: ModelCard, path: Path) -> None:
    """Refuse a card whose network would have more weights than the file can hold, before memory is taken for it."""
    with safe_open(str(path), framework="pt") as weights:
        held = len(weights.keys())
    blocks = sum(n for n in card.network_options.get("depths", ()) if isinstance(n, int))
    wanted = 0 if blocks > held else sum(weight.numel() for weight in _outline(card).parameters())
    if blocks > held or wanted > path.stat().st_size:
        raise ValueError(f"The weights in {path} do not fit its card: that describes a network of other sizes.")


def _outline(card: ModelCard) -> nn.Module:
    """The network without weights."""
    with torch.device("meta"):
        return new_network(card.network, card.network_options, Encoding.from_mapping(card.encoding))


def check_version(card: ModelCard, path: str | Path) -> None:
    """Refuse weights that version 0.1.0 trained for a network that is built on a pretrained encoder since.

    Raises
    ------
    ValueError
        Where the file holds such weights, with the version that opens them; where it cannot be read.
    """
    if card.network not in PRETRAINED:
        return
    try:
        with safe_open(str(path), framework="pt") as weights:
            names = list(weights.keys())
    except (SafetensorError, OSError):
        raise ValueError(f"{path} is no readable weights file: it is another format, or damaged.") from None
    if not any(name.startswith(FIRST_CONVOLUTION) for name in names):
        raise ValueError(
            f"{path} was trained by napari-clickseg 0.1.0, whose network {card.network!r} was another one: only 0.1.0 "
            f"opens it; use it there, or train it anew with this version."
        )


def read_weights(network: nn.Module, path: str | Path) -> None:
    """Read weights into a network.

    Raises
    ------
    ValueError
        With the reason in one sentence, where the file is missing or corrupt or its weights do not fit.
    """
    try:
        weights = {name: value.float() for name, value in load_file(str(path)).items()}
        network.load_state_dict(weights)
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"The weights in {path} do not fit the network {type(network).__name__} ({reason}).") from None
    check_numbers(weights, str(path))


def read_encoder(network: nn.Module, path: str | Path) -> None:
    """Let a network's pretrained encoder begin with the one in a default model's weights file.

    Raises
    ------
    ValueError
        Where the network has none, or the file is missing, corrupt or without such an encoder.
    """
    encoders = [module for module in network.modules() if isinstance(module, ClickedEncoder)]
    if not encoders:
        raise ValueError(f"The network {type(network).__name__} has no encoder that could be pretrained.")
    try:
        weights = {name: value.float() for name, value in load_file(str(path)).items()}
        for encoder in encoders:
            encoder.load_pretrained(weights)
    except (SafetensorError, ValueError, RuntimeError, OSError) as error:
        raise ValueError(f"The encoder in {path} cannot be used ({str(error).splitlines()[0]}).") from None


def save_model(path: str | Path, network: nn.Module, card: ModelCard) -> None:
    """Write a network's weights in half precision, with its card, as one safetensors file; whole or not at all."""
    halves = {
        name: value.detach().cpu().half().contiguous() if value.is_floating_point() else value.detach().cpu()
        for name, value in network.state_dict().items()
    }
    with written_whole(Path(path)) as unfinished:
        save_file(halves, str(unfinished), metadata=card.to_metadata())
        unfinished.chmod(READABLE)


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
    raise ValueError(f"The model {card.name} declares the format {card.format!r}, but it does not hold that.")


def recognise(path: Path) -> str:
    """Return the format of a file or folder, by what is in it more than by its name.

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
    """Return what an archive is by the names in it; torch puts all of its own into one folder."""
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


FILE_TENSOR = "file"
"""The one tensor of a kept file that holds a foreign file's bytes."""
SAY_OF_KEPT = "choose it in the panel, or call open_converted(path, trust=True) in Python, once"


def open_converted(path: str | Path, device: str = "auto", trust: bool = False) -> ClickablePredictor:
    """Return the predictor of a converted model's file.

    Raises
    ------
    ValueError
        With one sentence, where the file is damaged or the device is not there.
    Untrusted
        Where its code was never trusted on this computer.
    """
    path = Path(path)
    card = read_card(path)
    if not isinstance(card, ConvertedCard):
        raise ValueError(f"{path} is a model that takes clicks already; it was not converted.")
    tensors = load_file(str(path))
    try:
        opened = reopen(card, _content(tensors), _allowing(trust))
    except Untrusted as question:
        raise Untrusted(f"The model {card.name!r}", question.sha256, SAY_OF_KEPT) from None
    if trust and opened.permission:
        remember(opened.permission)
    adapter = Adapter(opened.module, card.axes, card.conventions.output, card.conventions.border)
    return _predictor(adapter, card.conventions, card.name, device)


def _predictor(network: nn.Module, conventions: Conventions, name: str, device: str) -> ClickablePredictor:
    from napari_clickseg.inference.automatic_predictor import ClickablePredictor
    from napari_clickseg.inference.device import choose_device

    plain = ClickablePredictor.of(network, conventions, name, choose_device(device))
    return replace(plain, other=cache(lambda: load_model(DEFAULT, device)))


def _allowing(trust: bool) -> Callable[[str], bool]:
    return lambda sha256: trust or trusted(sha256)


def _content(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor] | bytes:
    if tensors.keys() == {FILE_TENSOR} and tensors[FILE_TENSOR].dtype == torch.uint8:
        return tensors[FILE_TENSOR].numpy().tobytes()
    return tensors
