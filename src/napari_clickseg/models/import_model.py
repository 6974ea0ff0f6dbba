"""Foreign models: examined, shown, kept as a model file like any other, and opened again.

Examining writes nothing; keeping writes one file, whole or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_clickseg.models.card import READABLE, ConvertedCard
from napari_clickseg.models.infer_spec import check, guess
from napari_clickseg.models.load import FILE_TENSOR, _allowing, _predictor, open_foreign
from napari_clickseg.models.loaded import Adapter, Opened, canonical
from napari_clickseg.models.registry import SUFFIX, list_models
from napari_clickseg.models.state_dict import Blueprint
from napari_clickseg.models.trust import digest, remember
from napari_clickseg.storage.atomic import checksum, written_whole
from napari_clickseg.storage.paths import expanded, user_folder

if TYPE_CHECKING:
    from napari_clickseg.inference.automatic_predictor import ClickablePredictor
    from napari_clickseg.models.io_spec import Conventions


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A foreign network that runs, with what was found out about it; nothing is kept yet.

    Attributes
    ----------
    source : Path
        The file or folder that it came from.
    format : str
        A name in `formats.FORMATS`.
    sha256 : str
        Of that file.
    conventions : Conventions
        The guess.
    guesses : mapping of str to str
        By convention, why it is guessed so.
    opened : Opened
        What the reader made of the file.
    """

    source: Path
    format: str
    sha256: str
    conventions: Conventions
    guesses: Mapping[str, str]
    opened: Opened

    @property
    def network(self) -> nn.Module:
        """The network under the guess: (1, channels, *spatial) in, (1, outputs, *spatial) out."""
        return self.adapted(self.conventions)

    def adapted(self, conventions: Conventions) -> nn.Module:
        """Return the network as the engine wants it, with the output that the conventions name."""
        return Adapter(
            self.opened.module, self.opened.axes or canonical(conventions.ndim), conventions.output, conventions.border
        )

    def check(self, conventions: Conventions) -> None:
        """Run the network under these conventions.

        Raises
        ------
        ValueError
            With one sentence, where it does not run, or has not the output channels that they name.
        """
        check(self.opened, conventions)

    def predictor(self, conventions: Conventions, name: str = "candidate", device: str = "cpu") -> ClickablePredictor:
        """Return a predictor that follows these conventions; they may be other than the guess.

        Raises
        ------
        ValueError
            Where the device is not there.
        """
        return _predictor(self.adapted(conventions), conventions, name, device)


def examine(
    path: str | Path, class_path: str | None = None, kwargs: Mapping[str, Any] | None = None, trust: bool = False
) -> Candidate:
    """Open a foreign network and find out its conventions. Writes nothing.

    Parameters
    ----------
    class_path, kwargs : str, mapping
        Of a state dict: the class of its network ("package.module:Class", "file.py:Class"), what it is called with.
    trust : bool
        Whether the user allows code of this file to run.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        With one sentence, where the file cannot be used.
    Untrusted
        Where code would have to run and nobody allowed it.
    ClassNeeded
        Where the file holds weights alone and no class is named.
    """
    path = expanded(path)
    blueprint = Blueprint.of(class_path, kwargs) if class_path else None
    opened = open_foreign(path, blueprint, _allowing(trust))
    conventions, guesses = guess(opened)
    return Candidate(path, opened.format, _sha256(path), conventions, guesses, opened)


def keep(
    candidate: Candidate,
    conventions: Conventions,
    name: str,
    title: str = "",
    description: str = "",
    licence: str = "",
    folder: Path | None = None,
    replace: bool = False,
) -> Path:
    """Write a foreign network as a model of the user's, and remember that its code may run.

    Parameters
    ----------
    name : str
        Letters, digits, dots, hyphens and underscores; it becomes the file's name.
    folder : Path, optional
        Where to write, in place of the user's models.
    replace : bool
        Take the place of a model of the user's that has this name.

    Returns
    -------
    Path
        Of the file written; where anything fails, there is none.

    Raises
    ------
    ValueError
        Where the name is odd or taken, or the network does not run under these conventions.
    OSError
        Where the file cannot be written.
    """
    path = check_name(name, folder, replace)
    opened = candidate.opened
    candidate.check(conventions)
    card = ConvertedCard(
        name=name,
        title=title or opened.title or name,
        description=description or opened.description or f"Made clickable from {candidate.source.name}.",
        origin=candidate.source.name,
        format=opened.format,
        sha256=candidate.sha256,
        conventions=conventions,
        axes=opened.axes or canonical(conventions.ndim),
        class_path=opened.class_path,
        kwargs=opened.kwargs,
        code=opened.code,
        licence=licence or opened.licence,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as unfinished:
        save_file(_tensors(opened.content), str(unfinished), metadata=card.to_metadata())
        unfinished.chmod(READABLE)
    if opened.permission:
        remember(opened.permission)
    return path


def check_name(name: str, folder: Path | None = None, replace: bool = False, way: str = "") -> Path:
    """Return the path that a model of this name is kept under.

    Parameters
    ----------
    folder, replace : Path, bool
        As in `keep`.
    way : str
        How the caller lets a model of the user's be replaced, for the sentence.

    Raises
    ------
    ValueError
        Where it is no file name, or that of a model that is there.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a model: use up to 64 letters, digits, dots, hyphens, underscores.")
    path = (folder or user_folder()) / f"{name}{SUFFIX}"
    entry = {entry.name.lower(): entry for entry in list_models()}.get(name.lower())
    if entry is not None and not (replace and entry.path == path):
        other = f"choose another name{way if entry.path == path else ''}"
        there = "it is not yours to replace" if replace else other
        raise ValueError(f"There is a model {entry.name!r} already; {there}.")
    if path.exists() and not replace:
        raise ValueError(f"There is a file {path} already; choose another name{way}.")
    return path


def _tensors(content: Mapping[str, Tensor] | bytes) -> dict[str, Tensor]:
    """Return what a kept file holds: weights in memory of their own, or a file's bytes."""
    if isinstance(content, bytes):
        return {FILE_TENSOR: torch.frombuffer(bytearray(content), dtype=torch.uint8)}
    return {name: value.detach().clone().contiguous() for name, value in content.items()}


def _sha256(path: Path) -> str:
    """Return the sha256 of a file; of a folder, that of its files' names and contents."""
    if path.is_file():
        return checksum(path)
    return digest({str(p.relative_to(path)): _sha256(p) for p in sorted(path.rglob("*")) if p.is_file()})
