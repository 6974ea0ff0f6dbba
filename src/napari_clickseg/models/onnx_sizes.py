"""Sizes of ONNX values before they are made: a small file may ask for more memory or time than any computer has.

A network for segmentation makes a few hundred values per pixel of its image at most. What an operator is about to make
follows from the shapes of its inputs, and is refused where it is far more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from napari_clickseg.models.loaded import Excess
from napari_clickseg.models.onnx_operators import Attributes, Inputs, given, numbers, optional, window

MOST_PER_PIXEL, LEAST = 256, 1 << 22
"""One value of the graph has at most so many numbers per pixel of the image, and any may have the second number."""
KEPT, MADE = 4, 32
"""So many times as many are kept at once, and made in all."""
WORK_PER_PIXEL, LEAST_WORK = 1 << 20, 1 << 28
"""As many multiplications one operator takes at most."""
VIEWS = (
    "Constant",
    "Dropout",
    "Expand",
    "Flatten",
    "Identity",
    "Reshape",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)
"""Operators that make nothing: what they return is what came, seen in another way."""
Shape = Sequence[float]


class Sizes:
    """Mutable: how much a graph may still make of one image.

    Parameters
    ----------
    pixels : int
        Of the image.
    constant : int
        Numbers in weights and constants.

    Raises
    ------
    Excess
        Where `check` and `keep` find that an operator would make, compute or keep more than a network needs.
    """

    def __init__(self, pixels: int, constant: int) -> None:
        self._most = MOST_PER_PIXEL * pixels + constant + LEAST
        self._work = WORK_PER_PIXEL * pixels + LEAST_WORK
        self._kept = self._made = 0

    def check(self, operator: str, inputs: Inputs, attributes: Attributes) -> None:
        """Look at what an operator would make."""
        count = float(math.prod(SHAPES[operator](inputs, attributes))) if operator in SHAPES else 0.0
        self._refuse(count, self._most, "it would make {:.3g} numbers")
        work = count * INNER[operator](inputs, attributes) if operator in INNER else 0.0
        self._refuse(work, self._work, "it would take {:.3g} multiplications")

    def keep(self, operator: str, values: Iterable[Tensor]) -> None:
        """Count values that an operator made."""
        if operator not in VIEWS:
            count = sum(value.numel() for value in values)
            self._kept, self._made = self._kept + count, self._made + count
            self._refuse(self._kept, KEPT * self._most, "with it {:.3g} numbers are kept at once")
            self._refuse(self._made, MADE * self._most, "with it {:.3g} numbers were made in all")

    def drop(self, values: Iterable[Tensor]) -> None:
        """Take note of values that nobody needs any more; of constants and the image, which were never counted, too."""
        self._kept = max(self._kept - sum(value.numel() for value in values), 0)

    def _refuse(self, count: float, most: float, what: str) -> None:
        if not count <= most:
            raise Excess(f"{what.format(count)}, more than any network needs of such an image", self._made)


# -- shapes of what is made --------------------------------------------------------------------------------------------


def _broadcast(inputs: Inputs, attributes: Attributes) -> Shape:
    return np.broadcast_shapes(*(tuple(value.shape) for value in inputs if value is not None))


def _expanded(inputs: Inputs, attributes: Attributes) -> Shape:
    return np.broadcast_shapes(tuple(given(inputs, 0).shape), tuple(numbers(inputs, 1, {}, "shape") or ()))


def _repeated(inputs: Inputs, attributes: Attributes) -> Shape:
    return [*given(inputs, 0).shape, *(numbers(inputs, 1, {}, "repeats") or ())]


def _filled(inputs: Inputs, attributes: Attributes) -> Shape:
    return numbers(inputs, 0, {}, "shape") or ()


def _counted(inputs: Inputs, attributes: Attributes) -> Shape:
    start, stop, step = (float(given(inputs, n).item()) for n in range(3))
    return [max((stop - start) / step, 0.0)]


def _padded(inputs: Inputs, attributes: Attributes) -> Shape:
    pads, axes = numbers(inputs, 1, attributes, "pads") or [], numbers(inputs, 3, {}, "axes")
    sides = list(given(inputs, 0).shape)
    half = len(pads) // 2
    for place, axis in enumerate(axes or range(half)):
        sides[axis] += max(pads[place], 0) + max(pads[place + half], 0)
    return sides


def _resized(inputs: Inputs, attributes: Attributes) -> Shape:
    image, scales = given(inputs, 0), optional(inputs, 1 if len(inputs) == 2 else 2)
    target = numbers(inputs, 3, {}, "sizes")
    if target is not None:
        return [*image.shape[:2], *target[2 - image.ndim :]]
    factors = [] if scales is None else scales.tolist()
    return [*image.shape[: image.ndim - len(factors)], *(s * f for s, f in zip(image.shape, factors, strict=True))]


def _gathered(inputs: Inputs, attributes: Attributes) -> Shape:
    data, index = given(inputs, 0), given(inputs, 1)
    axis = attributes.get("axis", 0) % max(data.ndim, 1)
    return [*data.shape[:axis], *index.shape, *data.shape[axis + 1 :]]


def _joined(inputs: Inputs, attributes: Attributes) -> Shape:
    return [sum(value.numel() for value in inputs if value is not None)]


def _product(inputs: Inputs, attributes: Attributes) -> Shape:
    left, right = given(inputs, 0), given(inputs, 1)
    front = np.broadcast_shapes(tuple(left.shape[:-2]), tuple(right.shape[:-2]))
    return [*front, *left.shape[-2:-1], *right.shape[-1:][: right.ndim - 1]]


def _gemm(inputs: Inputs, attributes: Attributes) -> Shape:
    left, right = given(inputs, 0), given(inputs, 1)
    return [left.shape[1 if attributes.get("transA", 0) else 0], right.shape[0 if attributes.get("transB", 0) else 1]]


def _convolved(inputs: Inputs, attributes: Attributes) -> Shape:
    image, kernel = given(inputs, 0), given(inputs, 1)
    return [image.shape[0], kernel.shape[0], *_slid(image, list(kernel.shape[2:]), attributes)]


def _pooled(inputs: Inputs, attributes: Attributes) -> Shape:
    image = given(inputs, 0)
    return [*image.shape[:2], *_slid(image, list(attributes["kernel_shape"]), attributes)]


def _slid(image: Tensor, kernel: Sequence[int], attributes: Attributes) -> Shape:
    """Sides before strides, as padding makes them: no smaller than what comes."""
    _, _, pads = window(image, attributes, kernel)
    half = len(pads) // 2
    return [side + abs(a) + abs(b) for side, a, b in zip(image.shape[2:], pads[:half], pads[half:], strict=True)]


def _transposed(inputs: Inputs, attributes: Attributes) -> Shape:
    image, kernel = given(inputs, 0), given(inputs, 1)
    strides, dilations, _ = window(image, attributes, kernel.shape[2:])
    extra = attributes.get("output_padding", [0] * len(strides))
    ways = zip(image.shape[2:], strides, kernel.shape[2:], dilations, extra, strict=True)
    sides = [n * stride + k * dilation + more for n, stride, k, dilation, more in ways]
    return [image.shape[0], kernel.shape[1] * attributes.get("group", 1), *sides]


BROADCAST = (
    "Add",
    "And",
    "Div",
    "Equal",
    "Greater",
    "Less",
    "Max",
    "Min",
    "Mul",
    "Pow",
    "PRelu",
    "Sub",
    "Sum",
    "Where",
)
SHAPES: dict[str, Callable[[Inputs, Attributes], Shape]] = {
    **dict.fromkeys(BROADCAST, _broadcast),
    "AveragePool": _pooled,
    "Concat": _joined,
    "ConstantOfShape": _filled,
    "Conv": _convolved,
    "ConvTranspose": _transposed,
    "Expand": _expanded,
    "Gather": _gathered,
    "Gemm": _gemm,
    "MatMul": _product,
    "MaxPool": _pooled,
    "Pad": _padded,
    "Range": _counted,
    "Resize": _resized,
    "Tile": _repeated,
    "Upsample": _resized,
}
"""Of the operators that make more than comes in: sides of what they make, at least as many numbers as that has."""


# -- multiplications for each number made ------------------------------------------------------------------------------


def _of_kernel(inputs: Inputs, attributes: Attributes) -> float:
    kernel = given(inputs, 1)
    return kernel.numel() / max(kernel.shape[0], 1)


def _of_row(inputs: Inputs, attributes: Attributes) -> float:
    left = given(inputs, 0)
    return float(left.shape[0] if attributes.get("transA", 0) else left.shape[-1])


INNER: dict[str, Callable[[Inputs, Attributes], Any]] = {
    **{"Conv": _of_kernel, "ConvTranspose": _of_kernel, "Gemm": _of_row, "MatMul": _of_row},
    **dict.fromkeys(("AveragePool", "MaxPool"), lambda inputs, attributes: math.prod(attributes["kernel_shape"])),
}
