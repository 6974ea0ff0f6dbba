"""Opened: what the reader of any format makes of a foreign file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


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
    told : mapping of str to (value, str)
        Conventions that the file tells, each with the words for where it does.
    axes : str
        The order of the network's axes, where the file tells; else empty.
    class_path, kwargs, code : str, mapping, str
        As in a `ConvertedCard`.
    title, description, licence : str
        What the file says of itself.
    """

    module: nn.Module
    format: str
    content: Mapping[str, Tensor] | bytes
    permission: str = ""
    told: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    axes: str = ""
    class_path: str = ""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    title: str = ""
    description: str = ""
    licence: str = ""


def told_by_shape(shape: Sequence[int | None], name: str) -> dict[str, tuple[Any, str]]:
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
    told: dict[str, tuple[Any, str]] = {"ndim": (len(shape) - 2, "the file says so")}
    if shape[1] is not None:
        told["channels"] = (shape[1], "the file says so")
    fixed = {side for side in shape[2:] if side is not None}
    if len(fixed) > 1 or (fixed and None in shape[2:]):
        sides = " x ".join("any" if side is None else str(side) for side in shape[2:])
        raise ValueError(f"{name} was exported for images of {sides} alone; export it with dynamic_shapes, or square.")
    for side in fixed:
        why = f"it was exported for sides of {side} alone (dynamic_shapes would allow others)"
        told |= dict.fromkeys(("divisible", "smallest_side", "tile"), (side, why))
    return told
