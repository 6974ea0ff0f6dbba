"""State dicts: weights alone, and the class of the network that they belong to.

The class is named as "package.module:Class" or "file.py:Class"; the source text of a file travels inside the model.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from napari_clickseg.models.loaded import FAILURES, Opened, check_numbers, reason
from napari_clickseg.models.trust import ClassNeeded, Untrusted, digest

FORMAT = "state dict"
OWN = "napari_clickseg.networks."
"""Classes of this package need nobody's trust."""
PICKLES = (b"\x80", b"P")
"""How files of `torch.save` begin: as a pickle, or as a zip archive of pickles."""
NETWORK_KEY = "clickseg.network"
"""The entry of a safetensors file's metadata that declares class, kwargs and conventions as JSON."""
OPTIMISER = "optim"
"""How names of what an optimiser remembers begin; tensors, but no weights."""
NESTED = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights")
"""Where training frameworks put the state dict in a checkpoint."""
COMPILED = "_orig_mod."
"""What torch.compile puts into the names of weights, wherever the compiled part stands."""
COUNTER = "num_batches_tracked"
"""What batch normalisation counts in training; an answer does not depend on it, and some exports leave it out."""
DEEPEST = 3
"""So many tables deep a state dict is looked for in a checkpoint."""


@dataclass(frozen=True, slots=True)
class Blueprint:
    """The class of a network and what it is called with.

    Attributes
    ----------
    class_path : str
        "package.module:Class", or "file.py:Class" where `code` is the text of that file.
    kwargs : mapping
        Plain values, as JSON holds them.
    code : str
        Source text that came along; empty where the class is imported.
    """

    class_path: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""

    @classmethod
    def of(cls, class_path: str, kwargs: Mapping[str, Any] | None) -> Blueprint:
        """Return the blueprint of a class path as the user names it; a named file is read.

        Raises
        ------
        ValueError
            Where the path has another form, the file cannot be read or the arguments are no plain values.
        """
        place, _, name = class_path.rpartition(":")
        if not place or not name:
            raise ValueError(f"The class {class_path!r} must be named as package.module:Class or file.py:Class.")
        try:
            plain = json.loads(json.dumps(dict(kwargs or {})))
        except (TypeError, ValueError) as error:
            raise ValueError(f"The arguments of {name} must be values that JSON can hold ({error}).") from None
        if not place.endswith(".py"):
            return cls(class_path, plain)
        try:
            return cls(f"{Path(place).name}:{name}", plain, Path(place).expanduser().read_text("utf-8"))
        except (OSError, UnicodeError) as error:
            raise ValueError(f"The source {place} of the class {name} cannot be read ({reason(error)}).") from None

    @property
    def permission(self) -> str:
        """The sha256 of what is called, with which source and which arguments; empty for classes of this package."""
        if not self.code and self.class_path.startswith(OWN):
            return ""
        return digest({"class": self.class_path, "kwargs": self.kwargs, "code": self.code})

    def build(self) -> nn.Module:
        """Import the class, or run the source that came along, and return a network with untrained weights.

        Raises
        ------
        ValueError
            With one sentence, where there is no such class or it refuses its arguments.
        """
        place, _, name = self.class_path.rpartition(":")
        try:
            module = self._run_source(place) if self.code else import_module(place)
            kind: Callable[..., Any] = getattr(module, name)
            if not self.permission and not _is_own_network(kind):
                raise TypeError("it is no network of this package")
            network = kind(**self.kwargs)
        except FAILURES as error:
            given = f"{_shown(self.kwargs)} ({type(error).__name__}: {reason(error)})"
            raise ValueError(f"The class {self.class_path} gives no network with {given}.") from None
        if not isinstance(network, nn.Module):
            raise ValueError(f"{self.class_path} gives a {type(network).__name__}, not a torch.nn.Module.")
        return network

    def _run_source(self, file: str) -> ModuleType:
        """Run the source as a module, named by its content so that two models never share one.

        It is listed among the imported ones because dataclasses and pickling look their module up there.
        """
        module = ModuleType(f"clickseg_foreign_{digest(self.code.encode())[:16]}")
        sys.modules[module.__name__] = module
        exec(compile(self.code, file, "exec"), module.__dict__)
        return module


def open_state_dict(path: Path, blueprint: Blueprint | None, allowed: Callable[[str], bool]) -> Opened:
    """Read weights and put them into a network of their class.

    Parameters
    ----------
    blueprint : Blueprint or None
        The class, where the user named it; a safetensors file may declare it itself.
    allowed : callable
        Returns for a sha256 whether it may run.

    Raises
    ------
    ValueError
        With one sentence, where the file is damaged, holds no state dict, or the class and the weights do not fit.
    ClassNeeded
        Where no class is named.
    Untrusted
        Where the class is not of this package and may not run.
    """
    weights, metadata = read_weights(path)
    blueprint = blueprint or _declared_blueprint(metadata)
    if blueprint is None:
        raise ClassNeeded(
            f"{path.name} holds weights alone ({len(weights)} tensors). Name the class of the network that they belong "
            "to, as package.module:Class or file.py:Class (--class), and what it is called with (--kwargs)."
        )
    declared = {name: (value, "the file's metadata says so") for name, value in metadata.get("conventions", {}).items()}
    return replace(open_weights(weights, blueprint, path.name, allowed), declared=declared)


def open_weights(
    weights: Mapping[str, Tensor], blueprint: Blueprint, name: str, allowed: Callable[[str], bool]
) -> Opened:
    """Put weights into a network of their class.

    Parameters
    ----------
    name : str
        Of the file that they come from, for sentences.

    Raises
    ------
    ValueError, Untrusted
        As `open_state_dict`.
    """
    if blueprint.permission and not allowed(blueprint.permission):
        raise Untrusted(f"The class {blueprint.class_path}", blueprint.permission)
    network = blueprint.build()
    fitting = _without_prefix(weights, network)
    fill(network, fitting, name)
    check_numbers(fitting, name)
    parts = (blueprint.class_path, blueprint.kwargs, blueprint.code)
    return Opened(network.eval(), FORMAT, fitting, blueprint.permission, {}, "", *parts)


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of a state dict by name, and what the file declares about its network.

    Raises
    ------
    ValueError
        With one sentence, where the file is damaged or holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        if path.read_bytes()[:1] not in PICKLES:
            raise ValueError(f"{path.name} is no file that torch wrote, whatever its name.") from None
        raise ValueError(
            f"{path.name} holds more than weights: opening it would run code. Save model.state_dict() instead of the "
            "model, or export it as TorchScript or ONNX."
        ) from None
    except (SafetensorError, EOFError, *FAILURES) as error:
        raise ValueError(f"{path.name} is damaged or no file of weights ({reason(error)}).") from None
    return _tensors(checkpoint, path.name), {}


def fill(network: nn.Module, weights: Mapping[str, Tensor], name: str) -> None:
    """Put weights into a network.

    Raises
    ------
    ValueError
        With one sentence, where they do not fit.
    """
    own = network.state_dict()
    weights = {**{key: value for key, value in own.items() if key.endswith(COUNTER)}, **weights}
    missing, unknown = [key for key in own if key not in weights], [key for key in weights if key not in own]
    if missing or unknown:
        parts = [f"{len(missing)} are missing, such as {missing[0]}"] if missing else []
        parts += [f"{len(unknown)} are unknown to it, such as {unknown[0]}"] if unknown else []
        raise ValueError(f"The weights in {name} do not fit {type(network).__name__}: {'; '.join(parts)}.")
    for key, value in own.items():
        if isinstance(value, Tensor) and value.shape != weights[key].shape:
            shapes = f"{tuple(weights[key].shape)} in the file, {tuple(value.shape)} in the network"
            raise ValueError(f"The weights in {name} do not fit {type(network).__name__}: {key} is {shapes}.")
    network.load_state_dict(dict(weights))


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with safe_open(str(path), framework="pt") as file:
        metadata = (file.metadata() or {}).get(NETWORK_KEY, "{}")
        return {name: file.get_tensor(name).clone() for name in file.keys()}, json.loads(metadata)  # noqa: SIM118 - no mapping


def _tensors(checkpoint: Any, name: str) -> dict[str, Tensor]:
    """Return the state dict in a checkpoint, which may lie some tables deeper."""
    if not isinstance(checkpoint, Mapping):
        raise ValueError(f"{name} holds no state dict, a table of tensors by name, but a {type(checkpoint).__name__}.")
    found = _table_of_tensors(checkpoint, DEEPEST)
    if found is None:
        held = ", ".join(map(str, list(checkpoint)[:6])) or "nothing"
        raise ValueError(f"{name} holds no state dict, a table of tensors by name; it holds {held}.")
    return {str(key): value for key, value in found.items()}


def _table_of_tensors(table: Mapping[Any, Any], depth: int) -> Mapping[Any, Any] | None:
    """The first table of tensors alone, looked for under the usual names, then in the table itself.

    Where none is there, the only one under any other name but those of optimisers.
    """
    usual = [table[key] for key in NESTED if isinstance(table.get(key), Mapping)] if depth else []
    tables = (_table_of_tensors(nested, depth - 1) for nested in usual)
    found = next((inner for inner in tables if inner is not None), None)
    if found is None and table and all(isinstance(value, Tensor) for value in table.values()):
        return table
    if found is None and depth:
        others = (value for key, value in table.items() if key not in NESTED and not str(key).startswith(OPTIMISER))
        inside = (_table_of_tensors(value, depth - 1) for value in others if isinstance(value, Mapping))
        several = [inner for inner in inside if inner is not None]
        return several[0] if len(several) == 1 else None
    return found


def _declared_blueprint(metadata: Mapping[str, Any]) -> Blueprint | None:
    return Blueprint.of(metadata["class"], metadata.get("kwargs")) if "class" in metadata else None


def _without_prefix(weights: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Return the weights under the network's own names, where only a prefix is between them, however nested.

    Weights under other prefixes, as a loss function's, are left out. Where nothing fits, the weights stay as they are.
    """
    own = {name for name in network.state_dict() if not name.endswith(COUNTER)}
    plain = {name.replace(COMPILED, ""): value for name, value in weights.items()}
    for names in (weights, plain):
        for prefix in _prefixes(names, own):
            named = {name.removeprefix(prefix): value for name, value in names.items() if name.startswith(prefix)}
            if {name for name in named if not name.endswith(COUNTER)} == own:
                return named
    for prefix in _prefixes(own, plain):  # the class wraps what was saved
        if all(name.startswith(prefix) for name in own) and {name.removeprefix(prefix) for name in own} <= plain.keys():
            return {prefix + name: value for name, value in plain.items()}
    return dict(weights)


def _prefixes(names: Iterable[str], wanted: Collection[str]) -> list[str]:
    """What may stand before all of the wanted names: before one of them it does, and ends with a dot, or is empty."""
    first = next(iter(sorted(wanted)), "")
    found = (name.removesuffix(first) for name in names if first and name.endswith(first))
    return [prefix for prefix in dict.fromkeys(found) if not prefix or prefix.endswith(".")]


def _is_own_network(kind: Any) -> bool:
    """Distinguish a network's class from the other names in our modules, which would run without being trusted."""
    return isinstance(kind, type) and issubclass(kind, nn.Module) and kind.__module__.startswith(OWN)


def _shown(kwargs: Mapping[str, Any]) -> str:
    named = ", ".join(f"{key}={value!r}" for key, value in kwargs.items())
    return f"the arguments {named}" if named else "no arguments"
