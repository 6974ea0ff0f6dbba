"""Opened: what the reader of any format makes of a foreign file."""

from __future__ import annotations

from collections.abc import Mapping
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
