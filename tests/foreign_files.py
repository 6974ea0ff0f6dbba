"""Foreign networks in files, in each format that can be converted, as their authors would write them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import foreign_networks
from packages import described, package, zipped

SOURCE = Path(foreign_networks.__file__)
TINY = f"{SOURCE}:TinyUNet"


@dataclass(frozen=True)
class Saved:
    """A file, and what `examine` needs besides."""

    path: Path
    options: Mapping[str, Any] = field(default_factory=dict)


def of_class(path: Path, network: nn.Module, called: str = TINY) -> Saved:
    outputs = network.leave.out_channels
    return Saved(path, {"class_path": called, "kwargs": {"outputs": outputs}})


def state_dict(folder: Path, network: nn.Module) -> Saved:
    torch.save(network.state_dict(), folder / "net.pt")
    return of_class(folder / "net.pt", network)


def checkpoint(folder: Path, network: nn.Module) -> Saved:
    """As training frameworks write it: one table deeper, with a prefix and things of their own."""
    weights = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": weights, "lr": 0.1}, folder / "net.ckpt")
    return of_class(folder / "net.ckpt", network)


def halves(folder: Path, network: nn.Module) -> Saved:
    """Weights in half precision; the network is rounded too, to be the original."""
    weights = {name: v.half() if v.is_floating_point() else v for name, v in network.state_dict().items()}
    network.load_state_dict(weights)
    save_file(weights, folder / "net.safetensors")
    return of_class(folder / "net.safetensors", network)


def safetensors(folder: Path, network: nn.Module) -> Saved:
    save_file(network.state_dict(), folder / "net.safetensors")
    return of_class(folder / "net.safetensors", network)


def scripted(folder: Path, network: nn.Module) -> Saved:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(network).save(folder / "net.pt")
    return Saved(folder / "net.pt")


def traced(folder: Path, network: nn.Module) -> Saved:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(network, torch.zeros(1, 1, 32, 32)).save(folder / "net.ts")
    return Saved(folder / "net.ts")


def exported(folder: Path, network: nn.Module) -> Saved:
    sides = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    program = torch.export.export(network, (torch.zeros(1, 1, 32, 48),), dynamic_shapes=(sides,))
    torch.export.save(program, folder / "net.pt2")
    return Saved(folder / "net.pt2")


def exported_fixed(folder: Path, network: nn.Module) -> Saved:
    torch.export.save(torch.export.export(network, (torch.zeros(1, 1, 64, 64),)), folder / "fixed.pt2")
    return Saved(folder / "fixed.pt2")


def onnx(folder: Path, network: nn.Module) -> Saved:
    pytest.importorskip("onnx")
    axes = {"image": {2: "height", 3: "width"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, network.top[0].in_channels, 32, 32),),
            folder / "net.onnx",
            input_names=["image"],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
    return Saved(folder / "net.onnx")


def bioimage_folder(folder: Path, network: nn.Module) -> Saved:
    return Saved(package(folder / "package", network, described(outputs=network.leave.out_channels)))


def bioimage_zip(folder: Path, network: nn.Module) -> Saved:
    return Saved(zipped(bioimage_folder(folder, network).path))


WRITERS: Mapping[str, Callable[[Path, nn.Module], Saved]] = {
    writer.__name__: writer
    for writer in (
        state_dict,
        checkpoint,
        halves,
        safetensors,
        scripted,
        traced,
        exported,
        exported_fixed,
        onnx,
        bioimage_folder,
        bioimage_zip,
    )
}
