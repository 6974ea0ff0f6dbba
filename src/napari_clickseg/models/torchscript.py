"""TorchScript and torch.export programs: networks that bring their own code along.

Both are opened only with permission. A TorchScript archive is a program; `torch.export.load` documents that it
unpickles parts of the file, which can run anything.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from napari_clickseg.models.io_spec import Conventions
from napari_clickseg.models.loaded import FAILURES, Opened, check_numbers, declared_by_shape, reason
from napari_clickseg.models.trust import Untrusted, digest

TORCHSCRIPT, EXPORTED = "TorchScript", "torch.export"


def open_torchscript(content: bytes, name: str, allowed: Callable[[str], bool]) -> Opened:
    """Open a TorchScript archive.

    Parameters
    ----------
    name : str
        Of the file, for sentences.
    allowed : callable
        Returns for a sha256 whether it may run.

    Raises
    ------
    Untrusted
        Where it may not run.
    ValueError
        With one sentence, where it is damaged.
    """
    permission = _permission(content, name, allowed)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "`?torch.jit", DeprecationWarning
            )  # files in this format will stay around
            module = torch.jit.load(io.BytesIO(content), map_location="cpu")  # type: ignore[no-untyped-call]
    except FAILURES as error:
        raise ValueError(f"{name} cannot be opened as TorchScript ({reason(error)}).") from None
    check_numbers(module.state_dict(), name)
    return Opened(module.eval(), TORCHSCRIPT, content, permission)


def open_exported(content: bytes, name: str, allowed: Callable[[str], bool]) -> Opened:
    """Open a torch.export program; it declares channels and sides where it was made for certain ones.

    Raises
    ------
    Untrusted, ValueError
        As `open_torchscript`; also where it takes batches or oblong images alone.
    """
    permission = _permission(content, name, allowed)
    try:
        program = torch.export.load(io.BytesIO(content))
        module: nn.Module = program.module()
    except FAILURES as error:
        raise ValueError(f"{name} cannot be opened as a torch.export program ({reason(error)}).") from None
    check_numbers(program.state_dict, name)
    declared = declared_by_shape(_shape(program), name)
    longest = _longest_side(program)
    if longest is not None and "tile" not in declared:
        declared["tile"] = (longest, f"it was exported for sides up to {longest}")
    return Opened(module, EXPORTED, content, permission, declared)


def _permission(content: bytes, name: str, allowed: Callable[[str], bool]) -> str:
    sha256 = digest(content)
    if not allowed(sha256):
        raise Untrusted(name, sha256)
    return sha256


def _sizes(program: torch.export.ExportedProgram) -> Sequence[Any]:
    """Return the sizes of the first input, symbols for those that may vary."""
    wanted = next(iter(program.graph_signature.user_inputs), None)
    node = next((node for node in program.graph.nodes if node.name == wanted), None)
    sizes: Sequence[Any] = () if node is None else node.meta["val"].shape
    return sizes


def _shape(program: torch.export.ExportedProgram) -> list[int | None]:
    """Return the shape of the first input, None for sides that may vary."""
    return [size if isinstance(size, int) else None for size in _sizes(program)]


def _longest_side(program: torch.export.ExportedProgram) -> int | None:
    """Return the longest side that the program takes, where that is shorter than a usual tile."""
    symbols = [size.node.expr for size in _sizes(program)[2:] if not isinstance(size, int)]
    ranges = (program.range_constraints[symbol] for symbol in symbols if symbol in program.range_constraints)
    longest = min((float(bounds.upper) for bounds in ranges), default=math.inf)
    return int(longest) if longest < Conventions().tile else None
