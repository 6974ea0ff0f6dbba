"""bioimage.io packages: what their description tells becomes conventions, of either version."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from foreign_files import onnx, scripted
from foreign_networks import seeded
from napari_clickseg.models import bioimageio as bioimage
from napari_clickseg.models.bioimageio import BY_DESCRIPTION
from napari_clickseg.models.import_model import Candidate, examine
from packages import described, package, state_dict, zipped


def opened(folder: Path, **changes: Any) -> Candidate:
    return examine(package(folder / "package", seeded(outputs=2), described(**changes)), trust=True)


def step(name: str, **kwargs: Any) -> dict[str, Any]:
    return {"id": name, "kwargs": kwargs}


def test_sizes_axes_and_halo_come_from_the_description(tmp_path: Path) -> None:
    candidate = opened(tmp_path)
    rules = candidate.conventions
    assert (rules.ndim, rules.channels, rules.divisible, rules.smallest_side, rules.halo) == (2, 1, 4, 16, 4)
    assert all(
        candidate.guesses[name] == BY_DESCRIPTION for name in ("ndim", "channels", "divisible", "smallest_side", "halo")
    )


def test_words_about_the_model_come_along(tmp_path: Path) -> None:
    parts = opened(tmp_path).opened
    assert (parts.title, parts.description, parts.licence) == ("Nuclei of a lab", "Finds nuclei.", "MIT")


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ([], ("none", 1.0, 99.8, True)),
        ([step("zero_mean_unit_variance", axes=["y", "x"])], ("mean-sd", 1.0, 99.8, True)),
        ([step("zero_mean_unit_variance", axes=["channel", "y", "x"])], ("mean-sd", 1.0, 99.8, False)),
        ([step("scale_range", axes=["y", "x"], min_percentile=2, max_percentile=98)], ("percentile", 2.0, 98.0, True)),
        ([step("scale_range")], ("percentile", 0.0, 100.0, False)),
        ([step("fixed_zero_mean_unit_variance", mean=[10.0], std=4.0)], ("fixed", 10.0, 4.0, True)),
        ([step("scale_linear", gain=0.5, offset=-1)], ("fixed", 2.0, 2.0, True)),
        ([step("ensure_dtype", dtype="float32"), step("scale_linear", gain=0.5)], ("fixed", 0.0, 2.0, True)),
        ([step("scale_linear", gain=0.5), step("zero_mean_unit_variance")], ("mean-sd", 1.0, 99.8, False)),
    ],
)
def test_preparation_becomes_a_normalisation(
    tmp_path: Path, steps: list[dict[str, Any]], wanted: tuple[str, float, float, bool]
) -> None:
    rules = opened(tmp_path, preprocessing=steps).conventions
    assert (rules.normalise, rules.low, rules.high, rules.per_channel) == wanted


@pytest.mark.parametrize(
    ("steps", "activation", "threshold"),
    [
        ([step("sigmoid")], "logits", 0.5),
        ([step("softmax", axis="channel")], "softmax", 0.5),
        ([step("sigmoid"), step("binarize", threshold=0.3)], "logits", 0.3),
    ],
)
def test_what_follows_the_network_tells_what_its_output_is(
    tmp_path: Path, steps: list[dict[str, Any]], activation: str, threshold: float
) -> None:
    rules = opened(tmp_path, postprocessing=steps).conventions
    assert (rules.activation, rules.threshold) == (activation, threshold)


@pytest.mark.parametrize(
    ("names", "objects", "boundary"),
    [
        (["foreground", "boundaries"], (0,), 1),
        (["cell border", "cell"], (1,), 0),
        (["background", "nuclei"], (1,), None),
        (["a", "b"], (1,), None),
    ],
)
def test_names_of_output_channels_tell_object_and_boundary(
    tmp_path: Path, names: list[str], objects: tuple[int, ...], boundary: int | None
) -> None:
    rules = opened(tmp_path, channel_names=names).conventions
    assert (rules.objects, rules.boundary) == (objects, boundary)


def test_a_network_of_one_size_gets_tiles_of_that_size(tmp_path: Path) -> None:
    description = described()
    for axis in description["inputs"][0]["axes"][2:]:
        axis["size"] = 32
    rules = examine(package(tmp_path / "package", seeded(outputs=2), description), trust=True).conventions
    assert (rules.tile, rules.divisible, rules.smallest_side) == (32, 32, 32)


def old_description() -> dict[str, Any]:
    """The same package in version 0.4."""
    return {
        "type": "model",
        "format_version": "0.4.9",
        "name": "Nuclei of a lab",
        "license": "MIT",
        "inputs": [
            {
                "name": "raw",
                "axes": "bcyx",
                "shape": {"min": [1, 1, 16, 16], "step": [0, 0, 4, 4]},
                "preprocessing": [
                    {"name": "zero_mean_unit_variance", "kwargs": {"mode": "fixed", "axes": "cyx", "mean": 3, "std": 2}}
                ],
            }
        ],
        "outputs": [
            {"name": "out", "axes": "bcyx", "halo": [0, 0, 4, 4], "postprocessing": [{"name": "sigmoid", "kwargs": {}}]}
        ],
        "weights": {
            "pytorch_state_dict": {
                "source": "weights.pt",
                "architecture": "foreign_networks.py:TinyUNet",
                "kwargs": {"outputs": 2},
            }
        },
    }


def test_descriptions_of_the_version_before_tell_the_same(tmp_path: Path) -> None:
    network = seeded(outputs=2)
    candidate = examine(package(tmp_path / "package", network, old_description()), trust=True)
    rules = candidate.conventions
    assert (rules.divisible, rules.smallest_side, rules.halo, rules.activation) == (4, 16, 4, "logits")
    assert (rules.normalise, rules.low, rules.high) == ("fixed", 3.0, 2.0)
    image = torch.ones(1, 1, 16, 16)
    assert torch.equal(candidate.network(image), network(image))


def test_a_class_of_a_library_is_imported_by_its_name(tmp_path: Path) -> None:
    description = old_description()
    entry = description["weights"]["pytorch_state_dict"]
    entry["architecture"] = "foreign_networks.TinyUNet"
    candidate = examine(package(tmp_path / "package", seeded(outputs=2), description), trust=True)
    assert candidate.opened.class_path == "foreign_networks:TinyUNet"


@pytest.mark.parametrize(("writer", "kind", "file"), [(scripted, "torchscript", "net.pt"), (onnx, "onnx", "net.onnx")])
def test_without_its_library_a_package_is_opened_by_other_weights(
    tmp_path: Path, writer: Any, kind: str, file: str
) -> None:
    description = described()
    description["weights"]["pytorch_state_dict"]["architecture"] = {
        "callable": "Net",
        "import_from": "no_such_library.nets",
    }
    description["weights"][kind] = {"source": file}
    folder = package(tmp_path / "package", seeded(outputs=2), description)
    writer(folder, seeded(outputs=2))
    assert examine(folder, trust=True).format == bioimage.WEIGHTS[kind]


def test_the_description_itself_and_the_zip_open_like_the_folder(tmp_path: Path) -> None:
    folder = package(tmp_path / "package", seeded(outputs=2), described())
    paths = (folder, folder / "rdf.yaml", zipped(folder))
    first, *others = (examine(path, trust=True).conventions for path in paths)
    assert all(other == first for other in others)


def refusal(folder: Path, description: dict[str, Any]) -> str:
    path = package(folder / "package", seeded(outputs=2), description)
    with pytest.raises(ValueError, match=r"\.$") as refused:
        examine(path, trust=True)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"format_version": "0.3.2"}, "has version 0.3.2; 0.4 and 0.5 can be read."),
        ({"weights": {"keras_hdf5": {"source": "x"}}}, "brings no weights that can be converted, which are pytorch_st"),
        ({"weights": {"torchscript": {"source": "../x.pt"}}}, "names a file '../x.pt' outside its folder"),
        ({"weights": {"torchscript": {"source": "https://a.b/x.pt"}}}, "https://a.b/x.pt is not in it; download the"),
        ({"weights": {"torchscript": {"type": "x"}}}, "leaves out what is needed (KeyError: 'source')."),
        ({"inputs": []}, "takes 0 inputs; one image is wanted."),
        ({"preprocessing": [step("clip", min=0)]}, "prepares images by clip, which cannot be followed."),
        (
            {"preprocessing": [step("scale_range"), step("scale_linear", gain=2)]},
            "prepares images by scale_linear after other steps.",
        ),
        (
            {"preprocessing": [step("fixed_zero_mean_unit_variance", mean=[1, 2], std=[1, 1])]},
            "normalises 2 channels, but takes 1.",
        ),
        ({"postprocessing": [step("stardist_postprocessing")]}, "makes objects by stardist_postprocessing, which"),
    ],
)
def test_a_description_that_cannot_be_followed_is_one_sentence(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    assert sentence in refusal(tmp_path, described(**changes))


@pytest.mark.parametrize(
    ("steps", "means", "deviations"),
    [
        ([step("fixed_zero_mean_unit_variance", mean=[1, 2], std=[3, 4], axis="channel")], (1, 2), (3, 4)),
        ([step("fixed_zero_mean_unit_variance", mean=[1, 2], std=3)], (1, 2), (3, 3)),
        ([step("scale_linear", gain=[2, 4], offset=[-2, 0], axis="channel")], (1, 0), (0.5, 0.25)),
        (
            [
                step("scale_linear", gain=1 / 255),
                step("fixed_zero_mean_unit_variance", mean=[0.4, 0.5], std=[0.2, 0.1]),
            ],
            (102, 127.5),
            (51, 25.5),
        ),
    ],
)
def test_means_and_deviations_of_each_channel_are_followed(
    tmp_path: Path, steps: list, means: tuple, deviations: tuple
) -> None:
    told = bioimage._before(steps, 2)
    assert told["normalise"][0] == "fixed"
    assert told["means"][0] == pytest.approx(means)
    assert told["deviations"][0] == pytest.approx(deviations)


def test_weights_that_are_not_what_the_package_says_are_refused(tmp_path: Path) -> None:
    description = described()
    description["weights"]["pytorch_state_dict"] = {**state_dict(), "sha256": hashlib.sha256(b"else").hexdigest()}
    assert refusal(tmp_path, description) == (
        "weights.pt is damaged: its sha256 is not what the package declares; download it again."
    )


@pytest.mark.parametrize("text", ["a: [", "just words", json.dumps({"type": "dataset"}), "\x00"])
def test_a_description_that_is_none_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "rdf.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"^The description in rdf\.yaml (cannot be read|describes no model)"):
        examine(tmp_path / "rdf.yaml", trust=True)


# -- outputs that need a rule of their own -----------------------------------------------------------------------------

OWN_RULE = "of which objects are made by a rule of its own that is not followed here"


@pytest.mark.parametrize(
    "names",
    [
        ["object probability", "distance_0", "distance_1"],
        ["dY flow", "dX flow", "cell probability"],
        ["mask", "radial"],
        ["embedding 1", "embedding 2"],
    ],
    ids=["StarDist", "Cellpose", "radial", "embedding"],
)
def test_outputs_named_for_distances_or_flows_are_refused_in_one_sentence(tmp_path: Path, names: list[str]) -> None:
    description = described(outputs=len(names), channel_names=names)
    path = package(tmp_path / "package", seeded(outputs=len(names)), description)
    with pytest.raises(ValueError, match=OWN_RULE) as refused:
        examine(path, trust=True)
    assert str(refused.value).startswith("The network gives ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("said", [{"config": {"stardist": {"n_rays": 32}}}, {"tags": ["nuclei", "Cellpose"]}])
def test_several_channels_of_a_program_with_a_rule_of_its_own_are_refused(tmp_path: Path, said: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"The network is one of (stardist|cellpose): .*{OWN_RULE}"):
        opened(tmp_path, **said)
    plain = described(outputs=1, channel_names=["cells"], **said)
    assert examine(package(tmp_path / "one", seeded(outputs=1), plain), trust=True).conventions.objects == (0,)


def test_a_package_of_the_version_before_is_refused_by_the_name_of_its_output(tmp_path: Path) -> None:
    description = old_description()
    description["outputs"][0]["name"] = "flows"
    with pytest.raises(ValueError, match=f"The network gives flows, {OWN_RULE}"):
        examine(package(tmp_path / "package", seeded(outputs=2), description), trust=True)
