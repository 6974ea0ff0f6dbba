"""bioimage.io packages as their authors write them: a description, the weights, and the class of the network."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import foreign_networks

SOURCE = Path(foreign_networks.__file__)


def axis(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "space", **more}


def described(outputs: int = 2, **changes: Any) -> dict[str, Any]:
    """A description of version 0.5 for `TinyUNet(outputs=outputs)`, with whatever is to be otherwise."""
    sides = {name: axis(name, size={"min": 16, "step": 4}) for name in "yx"}
    given = {name: axis(name, size={"tensor_id": "raw", "axis_id": name}, halo=4) for name in "yx"}
    names = changes.pop("channel_names", [f"output {n}" for n in range(outputs)])
    taken = {
        "id": "raw",
        "axes": [{"type": "batch"}, {"type": "channel", "channel_names": ["dna"]}, *sides.values()],
        "test_tensor": {"source": "in.npy"},
        "preprocessing": changes.pop("preprocessing", []),
    }
    made = {
        "id": "out",
        "axes": [{"type": "batch"}, {"type": "channel", "channel_names": names}, *given.values()],
        "test_tensor": {"source": "out.npy"},
        "postprocessing": changes.pop("postprocessing", []),
    }
    return {
        "type": "model",
        "format_version": "0.5.4",
        "name": "Nuclei of a lab",
        "description": "Finds nuclei.",
        "authors": [{"name": "Somebody"}],
        "license": "MIT",
        "cite": [{"text": "Nobody", "doi": "10.1000/xyz123"}],
        "documentation": "README.md",
        "inputs": [taken],
        "outputs": [made],
        "weights": {"pytorch_state_dict": state_dict(outputs)},
        **changes,
    }


def state_dict(outputs: int = 2, source: str = "weights.pt", file: str = "foreign_networks.py") -> dict[str, Any]:
    architecture = {"callable": "TinyUNet", "source": file, "kwargs": {"outputs": outputs}}
    return {"source": source, "architecture": architecture, "pytorch_version": "2.4"}


def package(folder: Path, network: nn.Module, description: dict[str, Any]) -> Path:
    """Write a package as a folder; JSON is YAML."""
    folder.mkdir()
    (folder / "rdf.yaml").write_text(json.dumps(description))
    (folder / "README.md").write_text("Read me.")
    torch.save(network.state_dict(), folder / "weights.pt")
    shutil.copy(SOURCE, folder)
    for name in ("in.npy", "out.npy"):
        np.save(folder / name, np.zeros((1, 1, 16, 16), np.float32))
    return folder


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    return path
