"""Write a trained U-Net in every format that can be converted, convert each file, and compare the answers.

    python export_unet.py --weights OUT/our.pt OUT/monai.pt --image IMAGE --out OUT/formats --table formats.csv

The table has a row per format: how far probabilities are from the original network's at most, and how many pixels
are object for the one and not for the other. Needs onnx; MONAI for its network.
"""

from __future__ import annotations

import argparse
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from train_unet import networks

from napari_clickseg.core.images import Image
from napari_clickseg.models.import_model import examine, keep
from napari_clickseg.models.io_spec import Conventions
from napari_clickseg.models.load import open_converted
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.storage.tables import write_table

CLASSES = {
    "our": ("napari_clickseg.networks.unet:UNet", {}),
    "monai": (
        "monai.networks.nets:BasicUNet",
        {"spatial_dims": 2, "in_channels": 3, "out_channels": 3, "features": [16, 16, 32, 64, 128, 16]},
    ),
}
"""Where the class of each network lies, and what it is called with."""
SAID = {"activation": "softmax", "objects": [1], "boundary": 2}
"""Conventions that no file tells by itself; which sides a network takes is found out."""
SIDE = 128
EXAMPLE = (1, 3, SIDE, SIDE)

Written = tuple[Path, dict[str, object]]


def as_state_dict(network: nn.Module, folder: Path, name: str) -> Written:
    torch.save(network.state_dict(), folder / "weights.pt")
    return folder / "weights.pt", _of_class(name)


def as_safetensors(network: nn.Module, folder: Path, name: str) -> Written:
    save_file(network.state_dict(), folder / "weights.safetensors")
    return folder / "weights.safetensors", _of_class(name)


def as_torchscript(network: nn.Module, folder: Path, name: str) -> Written:
    torch.jit.trace(network, torch.zeros(EXAMPLE)).save(folder / "traced.pt")
    return folder / "traced.pt", {}


def as_program(network: nn.Module, folder: Path, name: str) -> Written:
    sides = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    example = torch.zeros(1, 3, SIDE, 2 * SIDE)
    torch.export.save(torch.export.export(network, (example,), dynamic_shapes=(sides,)), folder / "program.pt2")
    return folder / "program.pt2", {}


def as_onnx(network: nn.Module, folder: Path, name: str) -> Written:
    sides = {"image": {2: "y", 3: "x"}}
    path = folder / "network.onnx"
    torch.onnx.export(
        network,
        (torch.zeros(EXAMPLE),),
        path,
        input_names=["image"],
        dynamic_axes=sides,
        opset_version=17,
        dynamo=False,
    )
    return path, {}


def as_package(network: nn.Module, folder: Path, name: str) -> Written:
    """A bioimage.io package with TorchScript inside."""
    traced, _ = as_torchscript(network, folder, name)
    for end in ("in", "out"):
        np.save(folder / f"{end}.npy", np.zeros(EXAMPLE, np.float32))
    path = folder / "package.zip"
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("rdf.yaml", json.dumps(_described(traced.name)))
        package.writestr("README.md", "Nuclei and cells.")
        for file in (traced, folder / "in.npy", folder / "out.npy"):
            package.write(file, file.name)
    return path, {}


WRITERS: dict[str, Callable[[nn.Module, Path, str], Written]] = {
    "state dict (.pt)": as_state_dict,
    "state dict (.safetensors)": as_safetensors,
    "TorchScript": as_torchscript,
    "torch.export (.pt2)": as_program,
    "ONNX": as_onnx,
    "bioimage.io package": as_package,
}


def compare(network: nn.Module, name: str, image: Path, out: Path) -> list[dict[str, object]]:
    """Return a row per format: the converted model beside the original network on an image."""
    pixels = read_image(image)
    wanted = _original(network, pixels)
    return [
        {"network": name, "format": form, **_converted(network, name, form, pixels, wanted, out)} for form in WRITERS
    ]


def _converted(
    network: nn.Module, name: str, form: str, pixels: Image, wanted: np.ndarray, out: Path
) -> dict[str, object]:
    """What a format's row tells; where the file cannot be converted, why."""
    write = WRITERS[form]
    folder = out / write.__name__
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path, options = write(network, folder, name)
        try:
            candidate = examine(path, trust=True, **options)
        except ValueError as refused:
            return {"largest_difference": "", "pixels_that_differ": "", "megabytes": "", "refused": str(refused)}
    rules = Conventions.from_mapping(candidate.conventions.to_mapping() | SAID)
    kept = keep(candidate, rules, f"{name}-{write.__name__}", folder=out / "models", replace=True)
    predictor = open_converted(kept, "cpu", trust=True)
    differs = (predictor.probability(pixels, ()) > rules.threshold) != (wanted > rules.threshold)
    return {
        "largest_difference": f"{np.abs(predictor.probability(pixels, ()) - wanted).max():.1e}",
        "pixels_that_differ": int(differs.sum()),
        "megabytes": f"{kept.stat().st_size / 1e6:.1f}",
        "refused": "",
    }


def _original(network: nn.Module, pixels: Image) -> np.ndarray:
    """What the network itself makes of an image whose sides fit it, without anything of ours but the reading."""
    plane = np.asarray(pixels.array, np.float32)
    low, high = np.percentile(plane, (1.0, 99.8))
    given: Tensor = torch.from_numpy((plane - low) / (high - low)).float().expand(1, 3, *plane.shape)
    with torch.inference_mode():
        classes = torch.softmax(network(given), 1)[0]
    return (classes[1] - classes[2]).clamp(0, 1).numpy()


def _of_class(name: str) -> dict[str, object]:
    path, options = CLASSES[name]
    return {"class_path": path, "kwargs": options}


def _described(weights: str) -> dict[str, object]:
    """The description of a package of version 0.5."""
    sides = [{"id": axis, "type": "space", "size": {"min": 64, "step": 16}} for axis in "yx"]
    same = [{"id": axis, "type": "space", "size": {"tensor_id": "raw", "axis_id": axis}, "halo": 32} for axis in "yx"]
    channels = [["red", "green", "blue"], ["background", "object", "contact"]]
    axes = [[{"type": "batch"}, {"type": "channel", "channel_names": names}] for names in channels]
    scaled = {"id": "scale_range", "kwargs": {"axes": ["y", "x"], "min_percentile": 1.0, "max_percentile": 99.8}}
    taken = {"id": "raw", "axes": [*axes[0], *sides], "test_tensor": {"source": "in.npy"}, "preprocessing": [scaled]}
    given = {"id": "classes", "axes": [*axes[1], *same], "test_tensor": {"source": "out.npy"}}
    return {
        "type": "model",
        "format_version": "0.5.4",
        "name": "U-Net",
        "description": "Nuclei and cells.",
        "authors": [{"name": "A lab"}],
        "license": "CC0-1.0",
        "cite": [{"text": "None", "doi": "10.1000/xyz123"}],
        "documentation": "README.md",
        "inputs": [taken],
        "outputs": [given],
        "weights": {"torchscript": {"source": weights, "pytorch_version": torch.__version__.split("+")[0]}},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="NETWORK.pt, each named for its network")
    parser.add_argument("--image", type=Path, required=True, help="grey, of sides that are multiples of 16")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True)
    options = parser.parse_args()
    rows = []
    for weights in options.weights:
        network = networks(weights.stem).eval().requires_grad_(False)
        network.load_state_dict(torch.load(weights, weights_only=True))
        rows += compare(network, weights.stem, options.image, options.out / weights.stem)
    write_table(options.table, rows)


if __name__ == "__main__":
    main()
