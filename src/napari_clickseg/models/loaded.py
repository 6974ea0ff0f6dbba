"""Running networks of strangers: one shape of input and output for all of them, and what their failures look like."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

OWN_RULE = (
    "of which objects are made by a rule of its own that is not followed here; export its object probability alone, or "
    "let its own program find the objects and correct its labels with another model."
)
"""The sentence about networks whose output is distances, flows or the like."""


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A foreign network, and what is needed to keep it.

    Attributes
    ----------
    module : Module
        The network as its author made it, in eval mode.
    format : str
        A name in `formats.FORMATS`.
    content : mapping of str to Tensor, or bytes
        What a kept file holds: the weights as given, or the foreign file, whole.
    permission : str
        The sha256 of the code that ran, which the user was asked about; empty where none had to.
    declared : mapping of str to (value, str)
        Conventions that the file declares, each with a sentence on where.
    axes : str
        The order of the network's axes, where the file declares it; else empty.
    class_path, kwargs, code : str, mapping, str
        As in a `ConvertedCard`.
    title, description, licence : str
        What the file declares about itself.
    """

    module: nn.Module
    format: str
    content: Mapping[str, Tensor] | bytes
    permission: str = ""
    declared: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    axes: str = ""
    class_path: str = ""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    title: str = ""
    description: str = ""
    licence: str = ""


def declared_by_shape(shape: Sequence[int | None], name: str) -> dict[str, tuple[Any, str]]:
    """Return the conventions that follow from the shape of input that a network was exported for.

    Parameters
    ----------
    shape : sequence of int or None
        Batch, channel, spatial sides; None where any will do.
    name : str
        Of the file, for sentences.

    Raises
    ------
    ValueError
        Where it takes no single image, or none with sides of one length.
    """
    if len(shape) not in (4, 5):
        raise ValueError(
            f"{name} takes inputs with {len(shape)} axes; 4 or 5 are wanted: batch, channel, spatial ones."
        )
    if shape[0] not in (None, 1):
        raise ValueError(f"{name} was exported for batches of {shape[0]}; export it with a batch of 1.")
    declared: dict[str, tuple[Any, str]] = {"ndim": (len(shape) - 2, "the file says so")}
    if shape[1] is not None:
        declared["channels"] = (shape[1], "the file says so")
    fixed = {side for side in shape[2:] if side is not None}
    if len(fixed) > 1 or (fixed and None in shape[2:]):
        sides = " x ".join("any" if side is None else str(side) for side in shape[2:])
        raise ValueError(f"{name} was exported for images of {sides} alone; export it with dynamic_shapes, or square.")
    for side in fixed:
        why = f"it was exported for sides of {side} alone (dynamic_shapes would allow others)"
        declared |= dict.fromkeys(("divisible", "smallest_side", "tile"), (side, why))
    return declared


class Excess(ValueError):  # noqa: N818 - names what is
    """Raised where a network wants more memory or time than any needs; `made` says how many numbers it made before."""

    def __init__(self, sentence: str, made: int) -> None:
        super().__init__(sentence)
        self.made = made


FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    pickle.PickleError,
    torch.jit.Error,
    zipfile.BadZipFile,
)
"""What a stranger's code may raise when it is opened or run; each becomes a sentence about their file."""
LONGEST_REASON = 200


class Adapter(nn.Module):
    """A network as the engine wants it: (1, channels, *spatial) in, one tensor (1, outputs, *spatial) out, fp32.

    Its weights take no gradient, and it stays as it is when switched to training.

    Parameters
    ----------
    module : Module
        The network as its author made it.
    axes : str
        The order in which it takes and gives its axes: b(atch), c(hannel), z, y, x; without b it knows no batch.
    output : int
        Which of its output tensors is wanted.
    border : sequence of int
        As in `Conventions`: where answers are smaller than the input, the image goes on as its mirror image.
    """

    def __init__(self, module: nn.Module, axes: str = "bcyx", output: int = 0, border: Sequence[int] = ()) -> None:
        super().__init__()
        self.module = module.float()
        for weight in module.parameters():  # one by one, because TorchScript cannot be switched as a whole
            weight.requires_grad_(False)
        self.axes = axes
        self.output = output
        self.border = tuple(border)

    def forward(self, image: Tensor) -> Tensor:
        """Return the wanted output for an image (1, channels, *spatial).

        Raises
        ------
        ValueError
            Where the network returns no such tensor.
        """
        given = _continued(image, self.border) if self.border else image
        answers = self.answers(given)
        if self.output >= len(answers):
            raise ValueError(f"it returns {len(answers)} tensors, so there is no output {self.output}")
        answer = answers[self.output]
        return _within(answer, given, image, self.border[0]) if self.border else answer

    def answers(self, image: Tensor) -> list[Tensor]:
        """Return every tensor that the network answers an image (1, channels, *spatial) with."""
        return [_back(answer, self.axes) for answer in tensors_in(self.module(_to(image, self.axes)))]

    def train(self, mode: bool = True) -> Adapter:
        """Stay as it is: some foreign networks refuse the switch."""
        self.training = False
        return self


def _continued(image: Tensor, border: Sequence[int]) -> Tensor:
    """Let an image go on beyond its sides as its mirror image; where it is too short for that, by its last pixels."""
    short = max(border) >= min(image.shape[2:])
    return functional.pad(image, tuple(border) * (image.ndim - 2), mode="replicate" if short else "reflect")


def _within(answer: Tensor, given: Tensor, image: Tensor, lack: int) -> Tensor:
    """The part of an answer that lies on the image.

    Raises
    ------
    ValueError
        Where the answer does not lack just so many pixels on either side.
    """
    if tuple(answer.shape[2:]) != tuple(side - 2 * lack for side in given.shape[2:]):
        raise ValueError(f"from sides of {tuple(given.shape[2:])} it makes {tuple(answer.shape[2:])}")
    return answer[(slice(None), slice(None), *(slice(0, side) for side in image.shape[2:]))]


def tensors_in(returned: Any) -> Iterator[Tensor]:
    """Yield the tensors of what a network returned: one, or some in tuples, lists and tables, in order."""
    if isinstance(returned, Tensor):
        yield returned
    elif isinstance(returned, Mapping):
        for value in returned.values():
            yield from tensors_in(value)
    elif isinstance(returned, list | tuple):
        for value in returned:
            yield from tensors_in(value)


def canonical(ndim: int) -> str:
    """Return the order of axes that the engine uses.

    >>> canonical(2), canonical(3)
    ('bcyx', 'bczyx')
    """
    return "bc" + "zyx"[3 - ndim :]


def reason(error: BaseException) -> str:
    """Return an error's message in one line without its full stop; of a traceback in it the last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    line = lines[-1] if any("Traceback" in line for line in lines) else lines[0]
    return (line if len(line) <= LONGEST_REASON else line[:LONGEST_REASON] + "..").rstrip(".:")


def _to(image: Tensor, axes: str) -> Tensor:
    """Bring (1, channels, *spatial) into an order of axes."""
    ours = canonical(image.ndim - 2)
    if axes == ours:
        return image
    turned = image.permute([ours.index(axis) for axis in _whole(axes)])
    return turned if "b" in axes else turned[0]


def _back(returned: Tensor, axes: str) -> Tensor:
    """Bring an order of axes back into (1, channels, *spatial); what has other axes is left as it is."""
    ours = canonical(sum(axis in "zyx" for axis in axes))
    if axes == ours or returned.ndim != len(axes):
        return returned
    batch = returned if "b" in axes else torch.unsqueeze(returned, 0)
    return batch.permute([_whole(axes).index(axis) for axis in ours])


def _whole(axes: str) -> str:
    """Return the order with its batch, which comes first where it is not named."""
    return axes if "b" in axes else f"b{axes}"


def check_numbers(weights: Mapping[str, Tensor], name: str) -> None:
    """Raise ValueError where weights hold values that are no numbers: whatever is asked, nothing comes of them.

    Infinities stay: networks use them to mask.
    """
    for layer, values in weights.items():
        if values.is_floating_point() and bool(values.isnan().any()):
            raise ValueError(f"The weights in {name} are damaged: {layer} holds values that are no numbers (NaN).")
