"""Workshop: who opens and keeps foreign models, as the panel sees it, and the one that really does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from napari_clickseg.core.requests import Segmenter
from napari_clickseg.gui.steps import Choice
from napari_clickseg.models.io_spec import Conventions

ODD = re.compile(r"[^A-Za-z0-9._-]+")
NAMELESS = "model"


class Candidate(Protocol):
    """A foreign network that runs, with what was guessed of it."""

    @property
    def format(self) -> str: ...
    @property
    def conventions(self) -> Conventions: ...
    @property
    def guesses(self) -> Mapping[str, str]: ...
    def predictor(self, conventions: Conventions, name: str = ..., device: str = ...) -> Segmenter: ...


class Workshop(Protocol):
    """Who opens and keeps foreign models; `ForeignModels` in the panel. Called on a worker's thread."""

    def examine(self, choice: Choice, trust: bool) -> Candidate:
        """Open a file; Untrusted or ClassNeeded where the user has to say something first."""

    def keep(self, candidate: Candidate, conventions: Conventions, name: str) -> Path:
        """Write it as a model of the user's."""


class ForeignModels:
    """The workshop of the panel: `models.foreign`, imported on the thread that first needs it."""

    def examine(self, choice: Choice, trust: bool) -> Candidate:
        """Open a file."""
        from napari_clickseg.models import import_model as foreign

        return foreign.examine(choice.path, choice.class_path or None, choice.options, trust)

    def keep(self, candidate: Any, conventions: Conventions, name: str) -> Path:
        """Write it as a model of the user's."""
        from napari_clickseg.models import import_model as foreign

        return foreign.keep(candidate, conventions, name)


def proposed_name(path: str) -> str:
    """Return a name for a model that comes from this file or folder.

    Examples
    --------
    >>> proposed_name("/data/my U-Net (v2).pt")
    'my-U-Net-v2'
    """
    return ODD.sub("-", Path(path).stem).strip("-._")[:64] or NAMELESS
