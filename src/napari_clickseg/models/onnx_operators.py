"""Operators of ONNX in torch: a table of those that segmentation networks are made of, each as specified.

Each function takes the operator's inputs (None for one that is left out) and its attributes, and returns its output or
outputs. Attributes and inputs are named and ordered as in the specification (https://onnx.ai/onnx/operators); where an
attribute became an input in a later version, both are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own custom

Inputs = Sequence[Tensor | None]
Attributes = Mapping[str, Any]
Operator = Callable[[Inputs, Attributes], Tensor | Sequence[Tensor]]

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX_POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE_POOLS: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
DTYPES = {2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32, 7: torch.int64, 9: torch.bool}
"""ONNX number of each type that is no float; floats of all widths are computed in float32."""
MOST_AXES, MOST_PARTS = 64, 1 << 12
"""Shapes and pads are lists of at most so many numbers, parts of the second number."""


class Unsupported(ValueError):  # noqa: N818 - names what is
    """Raised where an operator is in the table, but not with these attributes."""


# -- small tools -------------------------------------------------------------------------------------------------------


def given(inputs: Inputs, index: int) -> Tensor:
    """Return an input that the operator cannot do without."""
    value = optional(inputs, index)
    if value is None:
        raise Unsupported(f"its input {index} is missing")
    return value


def optional(inputs: Inputs, index: int) -> Tensor | None:
    return inputs[index] if index < len(inputs) else None


def numbers(inputs: Inputs, index: int, attributes: Attributes, name: str, most: int = MOST_AXES) -> list[int] | None:
    """Return whole numbers, at most so many, that are an input or, in earlier versions, an attribute."""
    value = optional(inputs, index)
    if value is not None and value.numel() > most:
        raise Unsupported(f"its {name} are {value.numel():,} numbers, and {most} are the most")
    return list(attributes[name]) if name in attributes else None if value is None else value.long().tolist()


def sides(pads: Sequence[int]) -> list[int]:
    """Turn ONNX's pads (all begins, all ends) into torch's (last axis first, begin and end).

    >>> sides([1, 2, 3, 4])
    [2, 4, 1, 3]
    """
    half = len(pads) // 2
    return [pads[axis + end] for axis in reversed(range(half)) for end in (0, half)]


def window(image: Tensor, attributes: Attributes, kernel: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Return strides, dilations and pads (all begins, all ends) of a convolution or pool."""
    ndim = len(kernel)
    strides = list(attributes.get("strides", [1] * ndim))
    dilations = list(attributes.get("dilations", [1] * ndim))
    automatic = attributes.get("auto_pad", "NOTSET")
    if automatic in ("NOTSET", "VALID"):
        return strides, dilations, list(attributes.get("pads", [0] * 2 * ndim))
    outputs = [-(-side // stride) for side, stride in zip(image.shape[2:], strides, strict=True)]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    missing = [
        max((n - 1) * stride + r - side, 0)
        for n, stride, r, side in zip(outputs, strides, reach, image.shape[2:], strict=True)
    ]
    small, large = [m // 2 for m in missing], [m - m // 2 for m in missing]
    return strides, dilations, small + large if automatic == "SAME_UPPER" else large + small


def padded(image: Tensor, pads: Sequence[int], value: float = 0.0) -> tuple[Tensor, list[int]]:
    """Pad an image where its ends differ; return it with the padding that is left to the operator itself."""
    half = len(pads) // 2
    if list(pads[:half]) == list(pads[half:]):
        return image, list(pads[:half])
    return F.pad(image, sides(pads), value=value), [0] * half


# -- convolutions, pools, norms ----------------------------------------------------------------------------------------


def convolution(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, kernel = given(inputs, 0), given(inputs, 1)
    strides, dilations, pads = window(image, attributes, kernel.shape[2:])
    image, padding = padded(image, pads)
    run = CONVOLUTIONS[kernel.ndim - 2]
    return run(image, kernel, optional(inputs, 2), strides, padding, dilations, attributes.get("group", 1))


def transposed_convolution(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, kernel = given(inputs, 0), given(inputs, 1)
    ndim = kernel.ndim - 2
    if "output_shape" in attributes or attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise Unsupported("its padding follows from the output's shape")
    strides, dilations, pads = window(image, attributes, kernel.shape[2:])
    even = pads[:ndim] == pads[ndim:]
    extra = list(attributes.get("output_padding", [0] * ndim))
    padding = pads[:ndim] if even else [0] * ndim
    groups = attributes.get("group", 1)
    answer = TRANSPOSED[ndim](image, kernel, optional(inputs, 2), strides, padding, extra, groups, dilations)
    return answer if even else F.pad(answer, [-pad for pad in sides(pads)])


def max_pool(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, kernel = given(inputs, 0), list(attributes["kernel_shape"])
    strides, dilations, pads = window(image, attributes, kernel)
    image, padding = padded(image, pads, float("-inf"))
    ceil = bool(attributes.get("ceil_mode", 0))
    return MAX_POOLS[len(kernel)](image, kernel, strides, padding, dilations, ceil)


def average_pool(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, kernel = given(inputs, 0), list(attributes["kernel_shape"])
    strides, dilations, pads = window(image, attributes, kernel)
    image, padding = padded(image, pads)
    counted = bool(attributes.get("count_include_pad", 0))
    if set(dilations) != {1} or (padding == [0] * len(kernel) and any(pads) and not counted):
        raise Unsupported("it is dilated, or padded unevenly")
    return AVERAGE_POOLS[len(kernel)](image, kernel, strides, padding, bool(attributes.get("ceil_mode", 0)), counted)


def batch_norm(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, scale, shift, mean, variance = (given(inputs, i) for i in range(5))
    return F.batch_norm(image, mean, variance, scale, shift, False, 0.0, attributes.get("epsilon", 1e-5))


def instance_norm(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, scale, shift = (given(inputs, i) for i in range(3))
    return F.instance_norm(image, weight=scale, bias=shift, eps=attributes.get("epsilon", 1e-5))


def group_norm(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, scale, shift = (given(inputs, i) for i in range(3))
    groups = attributes["num_groups"]
    if scale.numel() == groups != image.shape[1]:  # until version 20 there was one number per group
        scale, shift = (value.repeat_interleave(image.shape[1] // groups) for value in (scale, shift))
    return F.group_norm(image, groups, scale, shift, attributes.get("epsilon", 1e-5))


def layer_norm(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, scale = given(inputs, 0), given(inputs, 1)
    shape = image.shape[attributes.get("axis", -1) :]
    return F.layer_norm(image, shape, scale, optional(inputs, 2), attributes.get("epsilon", 1e-5))


# -- shapes ------------------------------------------------------------------------------------------------------------


def reshape(inputs: Inputs, attributes: Attributes) -> Tensor:
    image = given(inputs, 0)
    wanted = numbers(inputs, 1, attributes, "shape") or []
    kept = not attributes.get("allowzero", 0)
    return image.reshape([image.shape[axis] if side == 0 and kept else side for axis, side in enumerate(wanted)])


def transpose(inputs: Inputs, attributes: Attributes) -> Tensor:
    image = given(inputs, 0)
    return image.permute(list(attributes.get("perm", range(image.ndim)[::-1])))


def flatten(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, axis = given(inputs, 0), attributes.get("axis", 1)
    return image.reshape(image.shape[:axis].numel(), -1)


def unsqueeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    image = given(inputs, 0)
    axes = numbers(inputs, 1, attributes, "axes") or []
    for axis in sorted(axis % (image.ndim + len(axes)) for axis in axes):
        image = image.unsqueeze(axis)
    return image


def squeeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    axes = numbers(inputs, 1, attributes, "axes")
    return given(inputs, 0).squeeze() if axes is None else given(inputs, 0).squeeze(axes)


def cut(inputs: Inputs, attributes: Attributes) -> Tensor:
    """Slice: begins and ends along some axes."""
    image = given(inputs, 0)
    starts, ends = numbers(inputs, 1, attributes, "starts") or [], numbers(inputs, 2, attributes, "ends") or []
    axes = numbers(inputs, 3, attributes, "axes") or list(range(len(starts)))
    steps = numbers(inputs, 4, attributes, "steps") or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        places = slice(start, end, step).indices(image.shape[axis])
        count = len(range(*places))
        image = image.index_select(axis, places[0] + places[2] * torch.arange(count, device=image.device))
    return image


def split(inputs: Inputs, attributes: Attributes) -> Sequence[Tensor]:
    image, axis = given(inputs, 0), attributes.get("axis", 0)
    parts = numbers(inputs, 1, attributes, "split", MOST_PARTS)
    return torch.split(image, parts, axis) if parts else image.chunk(attributes["num_outputs"], axis)


def pad(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, mode = given(inputs, 0), str(attributes.get("mode", "constant"))
    named = numbers(inputs, 1, attributes, "pads") or []
    axes = numbers(inputs, 3, {}, "axes") or list(range(image.ndim))
    pads = [0] * 2 * image.ndim
    for place, axis in enumerate(axes):
        pads[axis], pads[axis + image.ndim] = named[place], named[place + len(axes)]
    constant = optional(inputs, 2)
    if mode == "constant":
        return F.pad(image, sides(pads), value=attributes.get("value", 0.0) if constant is None else constant.item())
    spatial = sides(pads)[: 2 * (image.ndim - 2)]
    return F.pad(image, spatial, mode="replicate" if mode == "edge" else mode)


def resize(inputs: Inputs, attributes: Attributes) -> Tensor:
    """Resize since version 11 (region, scales, sizes), Resize 10 and Upsample (scales)."""
    image, ndim = given(inputs, 0), given(inputs, 0).ndim - 2
    scales, target = optional(inputs, 1 if len(inputs) == 2 else 2), numbers(inputs, 3, {}, "sizes")
    factors = None if scales is None or not scales.numel() else [float(s) for s in scales.tolist()]
    mode = attributes.get("mode", "nearest")
    default = "asymmetric" if len(inputs) == 2 else "half_pixel"
    place = attributes.get("coordinate_transformation_mode", default)
    rounding = attributes.get("nearest_mode", "floor" if len(inputs) == 2 else "round_prefer_floor")
    named, aligned = _interpolation(mode, place, rounding, ndim)
    if target is not None:
        return F.interpolate(image, target[-ndim:], mode=named, align_corners=aligned)
    if factors is None:
        raise Unsupported("it has neither scales nor sizes")
    return F.interpolate(image, scale_factor=factors[-ndim:], mode=named, align_corners=aligned)


def _interpolation(mode: str, place: str, rounding: str, ndim: int) -> tuple[str, bool | None]:
    """Return torch's name of an interpolation, and whether it aligns the corners."""
    nearest = {("asymmetric", "floor"): "nearest", ("half_pixel", "round_prefer_floor"): "nearest-exact"}
    smooth = {"linear": LINEAR.get(ndim), "cubic": "bicubic" if ndim == 2 else None}.get(mode)
    corners = {"half_pixel": False, "pytorch_half_pixel": False, "align_corners": True}
    if mode == "nearest" and (place, rounding) in nearest:
        return nearest[place, rounding], None
    if smooth and place in corners:
        return smooth, corners[place]
    raise Unsupported(f"its interpolation is {mode}, {place}, {rounding}")


def depth_to_space(inputs: Inputs, attributes: Attributes) -> Tensor:
    if attributes.get("mode", "DCR") != "CRD":
        raise Unsupported("its order is DCR")
    return F.pixel_shuffle(given(inputs, 0), attributes["blocksize"])


def gather(inputs: Inputs, attributes: Attributes) -> Tensor:
    data, index, axis = given(inputs, 0), given(inputs, 1), attributes.get("axis", 0)
    wrapped = (index % data.shape[axis]).to(data.device)
    chosen = data.index_select(axis, wrapped.reshape(-1))
    place = axis % data.ndim
    return chosen.reshape([*data.shape[:place], *index.shape, *data.shape[place + 1 :]])


def shape(inputs: Inputs, attributes: Attributes) -> Tensor:
    return torch.tensor(given(inputs, 0).shape[attributes.get("start", 0) : attributes.get("end")], dtype=torch.int64)


def constant_of_shape(inputs: Inputs, attributes: Attributes) -> Tensor:
    value: Tensor = attributes.get("value", torch.zeros(1))
    return value.reshape(()).expand(numbers(inputs, 0, {}, "sides") or []).clone()


# -- arithmetic --------------------------------------------------------------------------------------------------------


def divide(inputs: Inputs, attributes: Attributes) -> Tensor:
    above, below = given(inputs, 0), given(inputs, 1)
    whole = not above.is_floating_point() and not below.is_floating_point()
    return torch.div(above, below, rounding_mode="trunc") if whole else above / below


def clip(inputs: Inputs, attributes: Attributes) -> Tensor:
    low, high = (
        optional(inputs, i) if optional(inputs, i) is not None else attributes.get(name)
        for i, name in ((1, "min"), (2, "max"))
    )
    return torch.clamp(given(inputs, 0), low, high) if low is not None or high is not None else given(inputs, 0)


def cast(inputs: Inputs, attributes: Attributes) -> Tensor:
    return given(inputs, 0).to(DTYPES.get(attributes["to"], torch.float32))


def gemm(inputs: Inputs, attributes: Attributes) -> Tensor:
    left = given(inputs, 0).T if attributes.get("transA", 0) else given(inputs, 0)
    right = given(inputs, 1).T if attributes.get("transB", 0) else given(inputs, 1)
    product: Tensor = attributes.get("alpha", 1.0) * (left @ right)
    added = optional(inputs, 2)
    return product if added is None else product + attributes.get("beta", 1.0) * added


def constant(inputs: Inputs, attributes: Attributes) -> Tensor:
    (value,) = attributes.values()
    return value if isinstance(value, Tensor) else torch.tensor(value)


def one(function: Callable[[Tensor], Tensor]) -> Operator:
    """Return an operator of one input and no attributes."""
    return lambda inputs, attributes: function(given(inputs, 0))


def many(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    """Return an operator that joins its inputs one after the other."""
    return lambda inputs, attributes: reduce(function, (given(inputs, i) for i in range(len(inputs))))


def reduced(function: Callable[..., Tensor]) -> Operator:
    """Return an operator that reduces along axes."""

    def run(inputs: Inputs, attributes: Attributes) -> Tensor:
        image = given(inputs, 0)
        axes = numbers(inputs, 1, attributes, "axes") or list(range(image.ndim))
        return function(image, dim=axes, keepdim=bool(attributes.get("keepdims", 1)))

    return run


def along(function: Callable[[Tensor, int], Tensor]) -> Operator:
    """Return an operator along one axis, by default the last."""
    return lambda inputs, attributes: function(given(inputs, 0), attributes.get("axis", -1))


OPERATORS: dict[str, Operator] = {
    "Abs": one(torch.abs),
    "Add": many(torch.add),
    "And": many(torch.logical_and),
    "ArgMax": lambda i, a: given(i, 0).argmax(a.get("axis", 0), bool(a.get("keepdims", 1))),
    "AveragePool": average_pool,
    "BatchNormalization": batch_norm,
    "Cast": cast,
    "CastLike": lambda i, a: given(i, 0).to(given(i, 1).dtype),
    "Ceil": one(torch.ceil),
    "Clip": clip,
    "Concat": lambda i, a: torch.cat([given(i, n) for n in range(len(i))], a["axis"]),
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "Conv": convolution,
    "ConvTranspose": transposed_convolution,
    "DepthToSpace": depth_to_space,
    "Div": divide,
    "Dropout": one(lambda x: x),
    "Elu": lambda i, a: F.elu(given(i, 0), a.get("alpha", 1.0)),
    "Equal": many(torch.eq),
    "Erf": one(torch.erf),
    "Exp": one(torch.exp),
    "Expand": lambda i, a: given(i, 0).expand(np.broadcast_shapes(given(i, 0).shape, numbers(i, 1, {}, "sides") or ())),
    "Flatten": flatten,
    "Floor": one(torch.floor),
    "Gather": gather,
    "Gelu": lambda i, a: F.gelu(given(i, 0), approximate=a.get("approximate", "none")),
    "Gemm": gemm,
    "GlobalAveragePool": one(lambda x: x.mean(list(range(2, x.ndim)), keepdim=True)),
    "Greater": many(torch.gt),
    "GroupNormalization": group_norm,
    "HardSigmoid": lambda i, a: (given(i, 0) * a.get("alpha", 0.2) + a.get("beta", 0.5)).clamp(0, 1),
    "HardSwish": one(F.hardswish),
    "Identity": one(lambda x: x),
    "InstanceNormalization": instance_norm,
    "LayerNormalization": layer_norm,
    "LeakyRelu": lambda i, a: F.leaky_relu(given(i, 0), a.get("alpha", 0.01)),
    "Less": many(torch.lt),
    "Log": one(torch.log),
    "LogSoftmax": along(F.log_softmax),
    "MatMul": many(torch.matmul),
    "Max": many(torch.maximum),
    "MaxPool": max_pool,
    "Min": many(torch.minimum),
    "Mish": one(F.mish),
    "Mul": many(torch.mul),
    "Neg": one(torch.neg),
    "Not": one(torch.logical_not),
    "PRelu": lambda i, a: torch.where(given(i, 0) < 0, given(i, 0) * given(i, 1), given(i, 0)),
    "Pad": pad,
    "Pow": many(torch.pow),
    "Range": lambda i, a: torch.arange(given(i, 0).item(), given(i, 1).item(), given(i, 2).item()),
    "Reciprocal": one(torch.reciprocal),
    "ReduceMax": reduced(torch.amax),
    "ReduceMean": reduced(torch.mean),
    "ReduceMin": reduced(torch.amin),
    "ReduceSum": reduced(torch.sum),
    "Relu": one(F.relu),
    "Reshape": reshape,
    "Resize": resize,
    "Selu": one(F.selu),
    "Shape": shape,
    "Sigmoid": one(torch.sigmoid),
    "Slice": cut,
    "Softmax": along(F.softmax),
    "Softplus": one(F.softplus),
    "Split": split,
    "Sqrt": one(torch.sqrt),
    "Squeeze": squeeze,
    "Sub": many(torch.sub),
    "Sum": many(torch.add),
    "Tanh": one(torch.tanh),
    "Tile": lambda i, a: given(i, 0).repeat(numbers(i, 1, {}, "repeats") or []),
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
    "Upsample": resize,
    "Where": lambda i, a: torch.where(given(i, 0), given(i, 1), given(i, 2)),
}
"""Every operator that is taken, by its name in the specification."""
