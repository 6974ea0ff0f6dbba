"""ONNX in torch: every operator answers as the specification's own reference does, and gradients go through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foreign_files import onnx as exported_onnx
from foreign_networks import seeded
from napari_clickseg.models.import_model import examine
from napari_clickseg.models.onnx_graph import open_onnx
from napari_clickseg.models.onnx_operators import OPERATORS

onnx = pytest.importorskip("onnx")
reference = pytest.importorskip("onnx.reference")
helper = onnx.helper

IMAGE = np.random.default_rng(0).normal(size=(1, 4, 6, 8)).astype(np.float32)
KERNEL = np.random.default_rng(1).normal(size=(4, 4, 3, 3)).astype(np.float32)
FOUR = np.array([0.5, 1.0, 1.5, 2.0], np.float32)


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def graph(nodes: list[Any], values: dict[str, np.ndarray], version: int = 18, outputs: int = 1) -> bytes:
    """A model whose input is `image` and whose outputs are `out0`, `out1` .."""
    image = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [None] * 4)
    outs = [helper.make_tensor_value_info(f"out{n}", onnx.TensorProto.FLOAT, None) for n in range(outputs)]
    initializers = [onnx.numpy_helper.from_array(value, name) for name, value in values.items()]
    made = helper.make_graph(nodes, "test", [image], outs, initializers)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", version)], ir_version=10).SerializeToString()


def one(operator: str, *values: np.ndarray, version: int = 18, outputs: int = 1, **attributes: Any) -> bytes:
    """A model of one operator, whose further inputs are constants."""
    names = [f"value{n}" for n in range(len(values))]
    node = helper.make_node(operator, ["image", *names], [f"out{n}" for n in range(outputs)], **attributes)
    return graph([node], dict(zip(names, values, strict=True)), version, outputs)


SINGLE = {
    "conv": one("Conv", KERNEL, FOUR, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 1]),
    "conv, uneven": one("Conv", KERNEL, kernel_shape=[3, 3], pads=[0, 1, 2, 1]),
    "conv, same": one("Conv", KERNEL, kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv, grouped": one("Conv", KERNEL[:, :2], kernel_shape=[3, 3], group=2, dilations=[2, 2]),
    "conv transposed": one("ConvTranspose", KERNEL, FOUR, strides=[2, 2], output_padding=[1, 1], pads=[1, 1, 1, 1]),
    "conv transposed, uneven": one("ConvTranspose", KERNEL, strides=[2, 2], pads=[0, 1, 1, 0]),
    "batch norm": one("BatchNormalization", FOUR, FOUR - 1, FOUR / 2, FOUR * 2, epsilon=1e-3),
    "instance norm": one("InstanceNormalization", FOUR, FOUR - 1),
    "group norm": one("GroupNormalization", FOUR, FOUR - 1, version=21, num_groups=2),
    "layer norm": one("LayerNormalization", np.ones(8, np.float32), axis=-1),
    "max pool": one("MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
    "max pool, uneven": one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1]),
    "average pool": one("AveragePool", kernel_shape=[2, 2], strides=[2, 2]),
    "global average pool": one("GlobalAveragePool"),
    "resize, nearest": one(
        "Resize",
        np.array([], np.float32),
        np.array([1, 1, 2, 2], np.float32),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "resize, linear": one("Resize", np.array([], np.float32), np.array([1, 1, 2, 2], np.float32), mode="linear"),
    "resize, corners": one(
        "Resize",
        np.array([], np.float32),
        np.array([], np.float32),
        whole(1, 4, 12, 16),
        mode="linear",
        coordinate_transformation_mode="align_corners",
    ),
    "resize, exact": one("Resize", np.array([], np.float32), np.array([1, 1, 2, 2], np.float32), mode="nearest"),
    "pad": one("Pad", whole(0, 0, 1, 2, 0, 0, 3, 4), np.array(7, np.float32)),
    "pad, reflected": one("Pad", whole(0, 0, 1, 2, 0, 0, 3, 4), mode="reflect"),
    "pad, edge": one("Pad", whole(0, 0, 1, 2, 0, 0, 3, 4), mode="edge"),
    "slice": one("Slice", whole(1, 0), whole(2**62, -1), whole(2, 3), whole(2, 1)),
    "slice, backwards": one("Slice", whole(5, -1), whole(0, -(2**62)), whole(2, 3), whole(-1, -2)),
    "split": one("Split", whole(1, 3), axis=1, outputs=2),
    "reshape": one("Reshape", whole(0, -1, 8)),
    "transpose": one("Transpose", perm=[0, 2, 3, 1]),
    "flatten": one("Flatten", axis=2),
    "unsqueeze": one("Unsqueeze", whole(0, -1)),
    "gather": one("Gather", whole(-1, 0), axis=2),
    "expand": one("Expand", whole(2, 4, 6, 8)),
    "tile": one("Tile", whole(1, 1, 2, 3)),
    "depth to space": one("DepthToSpace", blocksize=2, mode="CRD"),
    "clip": one("Clip", np.array(-0.5, np.float32), np.array(0.5, np.float32)),
    "clip, one end": one("Clip", np.array(0, np.float32)),
    "softmax": one("Softmax", axis=1),
    "log softmax": one("LogSoftmax", axis=1),
    "leaky relu": one("LeakyRelu", alpha=0.2),
    "prelu": one("PRelu", FOUR.reshape(4, 1, 1)),
    "elu": one("Elu", alpha=0.7),
    "selu": one("Selu"),
    "hard sigmoid": one("HardSigmoid", alpha=0.3),
    "hard swish": one("HardSwish"),
    "mish": one("Mish"),
    "gelu": one("Gelu", version=20),
    "reduce mean": one("ReduceMean", whole(2, 3)),
    "reduce sum": one("ReduceSum", whole(1), keepdims=0),
    "reduce max": one("ReduceMax", whole(1)),
    "matmul": one("MatMul", np.ones((8, 3), np.float32)),
    "add": one("Add", FOUR.reshape(4, 1, 1)),
    "sub": one("Sub", FOUR.reshape(4, 1, 1)),
    "mul": one("Mul", FOUR.reshape(4, 1, 1)),
    "div": one("Div", FOUR.reshape(4, 1, 1)),
    "pow": one("Pow", np.array(2, np.float32)),
    "max": one("Max", FOUR.reshape(4, 1, 1)),
    "concat": graph([helper.make_node("Concat", ["image", "image"], ["out0"], axis=1)], {}),
    **{name.lower(): one(name) for name in ("Relu", "Sigmoid", "Tanh", "Exp", "Abs", "Neg", "Erf", "Softplus")},
    **{name.lower(): one(name) for name in ("Floor", "Ceil", "Identity", "Reciprocal")},
}


@pytest.mark.parametrize("name", SINGLE)
def test_an_operator_answers_as_the_reference_does(name: str) -> None:
    wanted = reference.ReferenceEvaluator(onnx.load_model_from_string(SINGLE[name])).run(None, {"image": IMAGE})
    found = open_onnx(SINGLE[name], name, bool).module(torch.from_numpy(IMAGE))
    for answer, right in zip(found, wanted, strict=True):
        np.testing.assert_allclose(answer.numpy(), right, rtol=1e-4, atol=1e-5)


ASYMMETRIC = one(
    "Resize",
    np.array([], np.float32),
    np.array([1, 1, 2, 2], np.float32),
    mode="linear",
    coordinate_transformation_mode="asymmetric",
)


def test_shapes_that_are_computed_from_the_image_lead_to_its_size() -> None:
    """Enlarge to the image's own size by way of Shape, Gather, Cast, Mul, Concat and ConstantOfShape."""
    make = helper.make_node
    nodes = [
        make("Shape", ["image"], ["shape"]),
        make("Gather", ["shape", "places"], ["sides"], axis=0),
        make("Cast", ["sides"], ["real"], to=onnx.TensorProto.FLOAT),
        make("Mul", ["real", "half"], ["halved"]),
        make("Floor", ["halved"], ["floored"]),
        make("Cast", ["floored"], ["small"], to=onnx.TensorProto.INT64),
        make("Div", ["sides", "small"], ["ratio"]),
        make("Mul", ["small", "ratio"], ["again"]),
        make("Concat", ["ones", "again"], ["target"], axis=0),
        make("ConstantOfShape", ["target"], ["blank"]),
        make("Add", ["image", "blank"], ["out0"]),
    ]
    values = {"places": whole(2, 3), "half": np.array(0.5, np.float32), "ones": whole(1, 1)}
    model = graph(nodes, values)
    (wanted,) = reference.ReferenceEvaluator(onnx.load_model_from_string(model)).run(None, {"image": IMAGE})
    (found,) = open_onnx(model, "shapes", bool).module(torch.from_numpy(IMAGE))
    np.testing.assert_array_equal(found.numpy(), wanted)


def test_a_whole_network_answers_as_the_reference_does(tmp_path: Path) -> None:
    saved = exported_onnx(tmp_path, seeded(outputs=3))
    image = np.random.default_rng(2).normal(size=(1, 1, 32, 48)).astype(np.float32)
    (wanted,) = reference.ReferenceEvaluator(str(saved.path)).run(None, {"image": image})
    found = examine(saved.path).network(torch.from_numpy(image))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_gradients_reach_the_image(tmp_path: Path) -> None:
    image = torch.ones((1, 1, 16, 16), requires_grad=True)
    examine(exported_onnx(tmp_path, seeded()).path).network(image).sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


def test_weights_in_a_file_beside_it_come_along(tmp_path: Path) -> None:
    network = seeded()
    saved = exported_onnx(tmp_path, network)
    model = onnx.load(saved.path)
    beside = tmp_path / "beside.onnx"
    onnx.save_model(model, beside, save_as_external_data=True, location="weights.bin", size_threshold=0)
    image = torch.ones(1, 1, 16, 16)
    assert torch.equal(examine(beside).network(image), examine(saved.path).network(image))
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ValueError, match=r"beside\.onnx keeps its weights in a file beside it that cannot be read"):
        examine(beside)


def test_channels_that_come_last_are_turned_round() -> None:
    image = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, None, None, 3])
    out = helper.make_tensor_value_info("out0", onnx.TensorProto.FLOAT, None)
    made = helper.make_graph([helper.make_node("Sigmoid", ["image"], ["out0"])], "test", [image], [out])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    opened = open_onnx(model.SerializeToString(), "last.onnx", bool)
    assert (opened.axes, opened.declared["channels"][0]) == ("byxc", 3)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (one("LSTM"), r"^net\.onnx has operators that cannot be converted: LSTM\.$"),
        (one("Softmax", version=11, axis=1), r"is of ONNX version \(opset\) 11; export it with 13 or later\.$"),
        (one("Relu", version=7), r"is of ONNX version \(opset\) 7; export it with 9 or later\.$"),
        (b"\x08\x07", r"^net\.onnx is damaged or no ONNX file \(its graph is empty\)\.$"),
        (b"no model", r"^net\.onnx is damaged or no ONNX file \("),
    ],
)
def test_what_cannot_be_converted_is_one_sentence(model: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        open_onnx(model, "net.onnx", bool)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (one("DepthToSpace", blocksize=2), "its operator DepthToSpace fails: its order is DCR"),
        (ASYMMETRIC, "its operator Resize fails: its interpolation is linear, asymmetric, round_prefer_floor"),
    ],
)
def test_an_operator_that_asks_for_more_than_the_table_has_says_so(model: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        open_onnx(model, "net.onnx", bool).module(torch.from_numpy(IMAGE))


def test_without_the_library_onnx_files_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = exported_onnx(tmp_path, seeded())
    monkeypatch.setattr("napari_clickseg.models.onnx_graph.find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r'net\.onnx is ONNX, which needs a library: pip install "napari-clickseg\[onnx'
    ):
        examine(saved.path)


def test_operators_are_named_as_in_the_specification() -> None:
    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    assert set(OPERATORS) <= known
