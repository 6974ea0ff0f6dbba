"""ONNX: a graph of operators, walked in torch so that gradients go through it. Nothing in such a file is code.

Libraries that convert ONNX to torch bring torchvision along; the operators of segmentation networks are few enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_clickseg.models.loaded import FAILURES, Excess, Opened, check_numbers, declared_by_shape, reason
from napari_clickseg.models.onnx_operators import OPERATORS
from napari_clickseg.models.onnx_sizes import Sizes

FORMAT = "ONNX"
DOMAINS = ("", "ai.onnx")
FIRST_VERSION = 9
SOFTMAX_VERSION = 13
"""Until then a softmax flattened all that came after its axis."""
SOFTMAXES = ("Softmax", "LogSoftmax")
MOST_COLOURS = 4
MOST_STEPS = 100_000
MOST_NODES, MOST_INPUTS = 10_000, 1 << 12


@dataclass(frozen=True, slots=True)
class Step:
    """One operator of the graph: what it is, where its values come from and go to."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    finished: tuple[str, ...] = ()
    """Values that nobody needs after it."""


class OnnxNetwork(nn.Module):
    """The graph of an ONNX file as a network: image in, the graph's outputs out.

    Floating-point weights are its buffers, numbers of its shape arithmetic stay on the CPU.

    Parameters
    ----------
    image : str
        The graph's one input.
    outputs : tuple of str
        The graph's outputs.
    steps : sequence of Step
        In an order in which each finds its inputs.
    values : mapping of str to Tensor
        Weights and constants by name.
    """

    def __init__(self, image: str, outputs: tuple[str, ...], steps: Sequence[Step], values: dict[str, Tensor]) -> None:
        super().__init__()
        self.image, self.outputs, self.steps = image, outputs, tuple(_finishing(steps, outputs))
        self.constants = {name: value for name, value in values.items() if not value.is_floating_point()}
        self.weights = {name: f"weight_{n}" for n, name in enumerate(sorted(values.keys() - self.constants.keys()))}
        for name, buffer in self.weights.items():
            self.register_buffer(buffer, values[name])
        self._constant = sum(value.numel() for value in values.values())

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the graph's outputs.

        Raises
        ------
        ValueError
            With the operator that failed, and why.
        Excess
            With the operator that would make more than a network needs of such an image.
        """
        known = {self.image: image, **self.constants}
        known |= {name: getattr(self, buffer) for name, buffer in self.weights.items()}
        sizes = Sizes(image.numel() // max(min(image.shape[1:]), 1), self._constant)  # of its axes, channels are fewest
        for step in self.steps:
            given = [known[name] if name else None for name in step.inputs]
            try:
                sizes.check(step.operator, given, step.attributes)
                made = OPERATORS[step.operator](given, step.attributes)
                new = dict(zip(step.outputs, [made] if isinstance(made, Tensor) else made, strict=False))
                sizes.keep(step.operator, new.values())
            except Excess as error:
                raise Excess(f"its operator {step.operator} is refused: {error}", error.made) from error
            except FAILURES as error:
                raise ValueError(f"its operator {step.operator} fails: {reason(error)}") from error
            known.update(new)
            sizes.drop(known.pop(name) for name in step.finished if name in known)
        return tuple(known[name] for name in self.outputs)


def read_onnx(path: Path) -> bytes:
    """Return the bytes of an ONNX file, with weights that lie in a file beside it put into them.

    Raises
    ------
    ValueError
        With one sentence, where the file is damaged, or what lies beside it is missing.
    """
    onnx = _library(path.name)
    model = _parsed(path.read_bytes(), path.name)
    if not _lies_elsewhere(onnx, model):
        return path.read_bytes()
    try:
        onnx.external_data_helper.load_external_data_for_model(model, str(path.parent))
        content: bytes = model.SerializeToString()
    except (onnx.checker.ValidationError, *FAILURES) as error:
        raise ValueError(
            f"{path.name} keeps its weights in a file beside it that cannot be read ({reason(error)})."
        ) from None
    return content


def open_onnx(content: bytes, name: str, allowed: Callable[[str], bool]) -> Opened:
    """Open an ONNX file; it needs no permission, because nothing in it is code.

    Raises
    ------
    ValueError
        With one sentence, where the file is damaged or has operators that are not in the table, or the library `onnx`
        is not installed.
    """
    onnx = _library(name)
    model = _parsed(content, name)
    if _lies_elsewhere(onnx, model):
        raise ValueError(f"{name} keeps values in other files, which are not there; export it with all values inside.")
    if model.functions:
        if _written_out(model) > MOST_STEPS:
            raise ValueError(
                f"{name} has functions that become more than {MOST_STEPS:,} steps when they are written out."
            )
        model = onnx.inliner.inline_local_functions(model)
    _check_operators(model, name)
    graph = model.graph
    values = {value.name: _tensor(onnx, value) for value in graph.initializer}
    check_numbers(values, name)
    images = [value for value in graph.input if value.name not in values]
    if len(images) != 1:
        raise ValueError(f"{name} takes {len(images)} inputs; one image is wanted.")
    steps = [_step(onnx, node) for node in graph.node]
    check_numbers(_constants(steps), name)
    network = OnnxNetwork(images[0].name, tuple(value.name for value in graph.output), steps, values)
    axes, shape = _axes([size.dim_value or None for size in images[0].type.tensor_type.shape.dim])
    return Opened(network.eval(), FORMAT, content, "", declared_by_shape(shape, name), axes)


def _library(name: str) -> Any:
    if find_spec("onnx") is None:
        raise ValueError(f'{name} is ONNX, which needs a library: pip install "napari-clickseg[onnx]".')
    import onnx
    import onnx.checker
    import onnx.external_data_helper
    import onnx.inliner
    import onnx.numpy_helper

    return onnx


def _parsed(content: bytes, name: str) -> Any:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, *FAILURES) as error:
        raise ValueError(f"{name} is damaged or no ONNX file ({reason(error)}).") from None
    if not model.graph.node:
        raise ValueError(f"{name} is damaged or no ONNX file (its graph is empty).")
    return model


def _nodes(nodes: Iterable[Any]) -> Iterator[Any]:
    """Nodes, and those of the graphs that are attributes of them."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (*attribute.graphs, *((attribute.g,) if attribute.HasField("g") else ())):
                yield from _nodes(graph.node)


def _lies_elsewhere(onnx: Any, model: Any) -> bool:
    """Whether values of a model, constants within it and its functions too, are kept in other files."""
    nodes = _nodes([*model.graph.node, *(node for function in model.functions for node in function.node)])
    attributes = [attribute for node in nodes for attribute in node.attribute]
    constants = [tensor for one in attributes for tensor in (one.t, *one.tensors)]
    return any(map(onnx.external_data_helper.uses_external_data, (*model.graph.initializer, *constants)))


def _written_out(model: Any) -> float:
    """How many steps a model takes when its functions are written out; infinity where one calls itself."""
    functions = {(function.domain, function.name): function for function in model.functions}
    known: dict[tuple[str, str], float] = {}

    def length(nodes: Iterable[Any]) -> float:
        return sum(called((node.domain, node.op_type)) for node in _nodes(nodes))

    def called(key: tuple[str, str]) -> float:
        if key not in functions:
            return 1
        if key not in known:
            known[key] = math.inf
            known[key] = length(functions[key].node)
        return known[key]

    return length(model.graph.node)


def _check_operators(model: Any, name: str) -> None:
    """Refuse operators that are not in the table, all at once, and versions that mean others by the same names."""
    unknown = {n.op_type for n in model.graph.node if n.op_type not in OPERATORS or n.domain not in DOMAINS}
    if unknown:
        raise ValueError(f"{name} has operators that cannot be converted: {', '.join(sorted(unknown))}.")
    if len(model.graph.node) > MOST_NODES:
        raise ValueError(f"{name} has {len(model.graph.node):,} operators; {MOST_NODES:,} are the most.")
    most = max(len(n.input) for n in model.graph.node)
    if most > MOST_INPUTS:
        raise ValueError(f"{name} has an operator of {most:,} inputs; {MOST_INPUTS:,} are the most.")
    version = next((entry.version for entry in model.opset_import if entry.domain in DOMAINS), 0)
    softmax = any(n.op_type in SOFTMAXES for n in model.graph.node)
    least = SOFTMAX_VERSION if softmax else FIRST_VERSION
    if version < least:
        raise ValueError(f"{name} is of ONNX version (opset) {version}; export it with {least} or later.")


def _step(onnx: Any, node: Any) -> Step:
    attributes = {attribute.name: _attribute(onnx, attribute) for attribute in node.attribute}
    return Step(node.op_type, tuple(node.input), tuple(node.output), attributes)


def _constants(steps: Iterable[Step]) -> dict[str, Tensor]:
    """The values and numbers that are written in the operators themselves, by what they belong to."""
    every = {f"{one.operator} {', '.join(one.outputs)}, {k}": v for one in steps for k, v in one.attributes.items()}
    lists = {where: value if isinstance(value, list) else [value] for where, value in every.items()}
    numbers = {where: some for where, some in lists.items() if some and all(isinstance(v, float) for v in some)}
    tensors = {where: value for where, value in every.items() if isinstance(value, Tensor)}
    return {**tensors, **{where: torch.tensor(some) for where, some in numbers.items()}}


def _attribute(onnx: Any, attribute: Any) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    return _tensor(onnx, value) if isinstance(value, onnx.TensorProto) else value


def _tensor(onnx: Any, value: Any) -> Tensor:
    """Return a value of the graph; floats of all widths become float32."""
    tensor = torch.from_numpy(onnx.numpy_helper.to_array(value).copy())
    return tensor.float() if tensor.is_floating_point() else tensor


def _finishing(steps: Sequence[Step], outputs: Sequence[str]) -> Iterator[Step]:
    """Yield the steps, each with the values that are needed no more after it, so that memory is given back."""
    last = {name: number for number, step in enumerate(steps) for name in (*step.inputs, *step.outputs)}
    for number, step in enumerate(steps):
        names = {name for name in (*step.inputs, *step.outputs) if last[name] == number}
        yield Step(step.operator, step.inputs, step.outputs, step.attributes, tuple(names - set(outputs)))


def _axes(shape: list[int | None]) -> tuple[str, list[int | None]]:
    """Return the order of the axes where the channels come last, and the shape with the channels second.

    >>> _axes([1, None, None, 3]), _axes([1, 3, None, None])
    (('byxc', [1, 3, None, None]), ('', [1, 3, None, None]))
    """
    few = [size is not None and size <= MOST_COLOURS for size in shape]
    if len(shape) in (4, 5) and few[-1] and not few[1]:
        return "b" + "zyx"[5 - len(shape) :] + "c", [shape[0], shape[-1], *shape[1:-1]]
    return "", shape
