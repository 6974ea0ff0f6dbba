"""Hostile models: each ends in one sentence before it takes time or memory."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from foreign_networks import seeded
from napari_clickseg.models.bioimageio_description import read_description
from napari_clickseg.models.card import KEY
from napari_clickseg.models.infer_spec import guess
from napari_clickseg.models.load import load_click_model
from napari_clickseg.models.loaded import check_numbers
from napari_clickseg.models.onnx_graph import open_onnx, read_onnx
from napari_clickseg.models.registry import find_model

MEMORY = 512 << 20


def sentence(read: Callable[[], Any]) -> str:
    """With what it is refused, in little memory."""
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"\.$") as caught:
        read()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < MEMORY
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- descriptions ------------------------------------------------------------------------------------------------------

DOUBLING = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
MERGING = "".join(f"b{n}: &b{n} {{<<: [{', '.join([f'*b{n - 1}'] * 9)}], k{n}: 1}}\n" for n in range(1, 12))


@pytest.mark.parametrize(
    "text",
    [
        f"a0: &a0 [x]\n{DOUBLING}weights: {{}}\n",
        f"b0: &b0 {{k: 1}}\n{MERGING}weights: {{}}\n",
        "weights: &a [*a]\n",
    ],
)
def test_aliases_that_repeat_a_description_without_end_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "rdf.yaml").write_text(text)
    assert "aliases repeat it" in sentence(lambda: read_description(tmp_path / "rdf.yaml", "package"))


def test_a_description_of_many_megabytes_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "rdf.yaml").write_text("weights: 1\n" * 200_000)
    assert "more than any model needs" in sentence(lambda: read_description(tmp_path / "rdf.yaml", "package"))


def test_aliases_of_a_usual_description_are_followed(tmp_path: Path) -> None:
    text = "format_version: 0.5.3\nweights: {}\none: &one {x: 1}\nother: *one\n"
    (tmp_path / "rdf.yaml").write_text(text)
    assert read_description(tmp_path / "rdf.yaml", "package") == yaml.safe_load(text)


# -- ONNX --------------------------------------------------------------------------------------------------------------


def onnx_model(nodes: list[Any], functions: list[Any] = ()) -> bytes:
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    image, out = (helper.make_tensor_value_info(name, 1, [None] * 4) for name in ("image", "out"))
    graph = helper.make_graph(nodes, "test", [image], [out])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=10).SerializeToString()


def from_constants(*nodes: tuple[Any, ...], **constants: Any) -> bytes:
    """A model of (operator, inputs, attributes) one after the other, the last one's output added to the image."""
    onnx = pytest.importorskip("onnx")
    made = [
        onnx.helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(np.array(value), name))
        for name, value in constants.items()
    ]
    made += [
        onnx.helper.make_node(operator, inputs, [f"made{n}"], **dict(*attributes))
        for n, (operator, inputs, *attributes) in enumerate(nodes)
    ]
    made.append(onnx.helper.make_node("ReduceMax", [f"made{len(nodes) - 1}"], ["most"], keepdims=0))
    return onnx_model([*made, onnx.helper.make_node("Add", ["image", "most"], ["out"])])


MILLION = 10**6
NEAREST = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
TWICE = [("Tile", ["image" if k == 0 else f"made{k - 1}", "shape"]) for k in range(40)]
JOINED = [("Concat", ["image" if k == 0 else f"made{k - 1}"] * 2, {"axis": 1}) for k in range(50)]
KERNEL = np.zeros((1, 1, 3, 3), np.float32)
POOL = {"kernel_shape": [MILLION] * 2, "pads": [MILLION // 2] * 4}
PAIRS = ("Reshape", ["image", "a"]), ("Reshape", ["image", "b"])
HUGE: dict[str, tuple[list[tuple[Any, ...]], dict[str, Any]]] = {
    "tile": ([("Tile", ["image", "shape"])], {"shape": [1, 1, MILLION, MILLION]}),
    "tile, past all numbers": ([("Tile", ["image", "shape"])], {"shape": [1, 1, 2**40, 2**40]}),
    "tile again and again": (TWICE, {"shape": [1, 1, 2, 2]}),
    "expand": ([("Expand", ["image", "shape"]), ("Relu", ["made0"])], {"shape": [2**20, 2**20, 1, 1]}),
    "fill": ([("ConstantOfShape", ["shape"])], {"shape": [MILLION, MILLION]}),
    "fill below 0": ([("ConstantOfShape", ["shape"])], {"shape": [-1, MILLION]}),
    "count": ([("Range", ["a", "b", "c"])], {"a": 0.0, "b": 1.0, "c": 1e-12}),
    "count down": ([("Range", ["a", "b", "c"])], {"a": 2**60, "b": 0, "c": -1}),
    "count to infinity": ([("Range", ["a", "b", "c"])], {"a": 0.0, "b": np.inf, "c": 1.0}),
    "pad": ([("Pad", ["image", "pads"])], {"pads": [0, 0, MILLION, MILLION] * 2}),
    "resize": ([("Resize", ["image", "", "s"], NEAREST)], {"s": np.array([1, 1, 1e5, 1e5], np.float32)}),
    "resize to sides": ([("Resize", ["image", "", "", "s"], NEAREST)], {"s": [1, 1, MILLION, MILLION]}),
    "gather": ([("Gather", ["image", "index"], {"axis": 3})], {"index": np.zeros(MILLION, np.int64)}),
    "join": (JOINED, {}),
    "convolve": ([("Conv", ["image", "w"], {"pads": [MILLION] * 4})], {"w": KERNEL}),
    "stretch": ([("ConvTranspose", ["image", "w"], {"strides": [MILLION] * 2})], {"w": KERNEL}),
    "pool": ([("MaxPool", ["image"], POOL)], {}),
    "every pair": ([*PAIRS, ("Add", ["made0", "made1"])], {"a": [-1, 1], "b": [1, -1]}),
    "every product": ([*PAIRS, ("MatMul", ["made0", "made1"])], {"a": [-1, 1], "b": [1, -1]}),
}
"""Operators and constants."""


@pytest.mark.parametrize("what", HUGE)
def test_a_graph_that_makes_more_than_fits_a_computer_is_refused_before_it_does(what: str) -> None:
    nodes, constants = HUGE[what]
    content = from_constants(*nodes, **constants)
    words = sentence(lambda: guess(open_onnx(content, "m.onnx", bool)))
    assert "more than any network needs" in words or "ConstantOfShape fails" in words


def test_constants_that_are_no_numbers_are_named_and_infinite_ones_where_they_come_through() -> None:
    nan = from_constants(("Add", ["image", "c"]), c=np.float32("nan"))
    assert "Constant c, value holds values that are no numbers" in sentence(lambda: open_onnx(nan, "m.onnx", bool))
    slope = from_constants(("LeakyRelu", ["image"], {"alpha": float("nan")}))
    assert "LeakyRelu made0, alpha holds" in sentence(lambda: open_onnx(slope, "m.onnx", bool))
    infinite = from_constants(("Add", ["image", "c"]), c=np.float32("inf"))
    assert "no numbers or infinite" in sentence(lambda: guess(open_onnx(infinite, "m.onnx", bool)))
    masked = from_constants(("Max", ["image", "c"]), c=np.float32("-inf"))
    assert guess(open_onnx(masked, "m.onnx", bool))[0].channels == 1


def calling(name: str, other: str) -> Any:
    helper = pytest.importorskip("onnx").helper
    nodes = [helper.make_node(other, ["x"], ["t"], domain="own"), helper.make_node(other, ["t"], ["y"], domain="own")]
    return helper.make_function("own", name, ["x"], ["y"], nodes, [helper.make_opsetid("own", 1)])


@pytest.mark.parametrize("last", ["f0", "Relu"])
def test_functions_that_double_or_call_themselves_are_refused(last: str) -> None:
    helper = pytest.importorskip("onnx").helper
    functions = [calling(f"f{n}", f"f{n + 1}" if n < 40 else last) for n in range(41)]
    content = onnx_model([helper.make_node("f0", ["image"], ["out"], domain="own")], functions)
    assert "functions that become more than 100,000 steps" in sentence(lambda: open_onnx(content, "m.onnx", bool))


@pytest.mark.parametrize("location", ["/etc/hostname", "../secret", "weights"])
def test_a_constant_that_names_another_file_is_not_read(tmp_path: Path, location: str) -> None:
    onnx = pytest.importorskip("onnx")
    value = onnx.numpy_helper.from_array(np.zeros(4, np.float32), "v")
    value.ClearField("raw_data")
    value.data_location = onnx.TensorProto.EXTERNAL
    value.external_data.add(key="location", value=location)
    constant = onnx.helper.make_node("Constant", [], ["c"], value=value)
    (tmp_path / "m.onnx").write_bytes(onnx_model([constant, onnx.helper.make_node("Add", ["image", "c"], ["out"])]))
    (tmp_path.parent / "secret").write_bytes(bytes(16))
    assert "cannot be read" in sentence(lambda: read_onnx(tmp_path / "m.onnx"))
    content = (tmp_path / "m.onnx").read_bytes()
    assert "other files" in sentence(lambda: open_onnx(content, "m.onnx", bool))


# -- weights and cards -------------------------------------------------------------------------------------------------


def changed(tmp_path: Path, weights: Callable[[dict[str, Any]], None] = lambda w: None, **card: Any) -> Path:
    """The shipped default model with other weights, or other values in its card."""
    source = find_model("default").path
    tensors, metadata = load_file(source), _metadata(source)
    weights(tensors)
    values = {**json.loads(metadata[KEY]), **card}
    save_file(tensors, tmp_path / "m.safetensors", metadata={**metadata, KEY: json.dumps(values)})
    return tmp_path / "m.safetensors"


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        return dict(file.metadata())


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"side": 10**9}, "side of 1000000000"),
        ({"side": 0}, "side of 0"),
        ({"side": "wide"}, "side of 'wide'"),
        ({"object_share": float("nan")}, "nan of a window"),
        ({"network_options": {"features": [10**7] * 5}}, "fits no computer"),
        ({"network_options": {"depths": [1] * 10**4}}, "fits no computer"),
    ],
)
def test_a_card_with_impossible_sizes_is_refused(tmp_path: Path, card: dict[str, Any], words: str) -> None:
    path = changed(tmp_path, **card)
    assert words in sentence(lambda: load_click_model(path, "cpu"))


def test_a_card_of_a_network_larger_than_its_file_is_refused_before_it_is_made(tmp_path: Path) -> None:
    options = {"widths": [4096] * 5, "depths": [1] * 4, "features": [4096] * 5, "click_widths": [4096] * 5}
    path = changed(tmp_path, network="clicknet", network_options=options)
    assert "a network of other sizes" in sentence(lambda: load_click_model(path, "cpu"))
    deep = changed(tmp_path, network="clicknet", network_options={**options, "depths": [8000] * 4})
    assert "a network of other sizes" in sentence(lambda: load_click_model(deep, "cpu"))


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    def spoil(tensors: dict[str, Any]) -> None:
        name = next(name for name, value in tensors.items() if value.is_floating_point() and value.ndim == 4)
        tensors[name] = tensors[name].clone()
        tensors[name].view(-1)[3] = float("nan")

    path = changed(tmp_path, spoil)
    assert "no numbers (NaN)" in sentence(lambda: load_click_model(path, "cpu"))


def test_infinities_that_mask_are_no_damage() -> None:
    weights = {**seeded(outputs=2).state_dict(), "mask": torch.tensor([-torch.inf, 0.0])}
    check_numbers(weights, "file")
