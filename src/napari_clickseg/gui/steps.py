"""Steps: what the assistant that adds a model is told, and what it asks for, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from napari_clickseg.gui import status
from napari_clickseg.gui.status import Status
from napari_clickseg.models.io_spec import Conventions


@dataclass(frozen=True, slots=True)
class Question:
    """Is this file trusted, though code in it would run?"""

    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen in the first step: a file or folder, and of bare weights their class and what it is made with."""

    path: str
    class_path: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


Step = Literal["file", "trust", "check"]


@dataclass(frozen=True, slots=True)
class Adding:
    """What the assistant that adds a model shows.

    Attributes
    ----------
    step : {"file", "trust", "check"}
        Choose a file; answer the question; look at what was guessed.
    news : Status
        What happened, and what to do next.
    busy : bool
        Something is being worked out.
    file : str
        The path that was chosen.
    asks_class : bool
        The file holds weights alone: the import path of their class is needed.
    question : Question or None
    conventions : Conventions or None
        What fills the form; a form that shows this very object is left as it is.
    reasons : mapping of str to str
        Why each convention was guessed so.
    summary : str
        What the file is, in a few words.
    name : str
        Proposed for the model.
    can_keep : bool
        The answer to the form as it is was seen.
    keeping : bool
        It is being written: nothing can be changed or called off for that moment.
    """

    step: Step = "file"
    news: Status = status.CHOOSE_FILE
    busy: bool = False
    file: str = ""
    asks_class: bool = False
    question: Question | None = None
    conventions: Conventions | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""
    name: str = ""
    can_keep: bool = False
    keeping: bool = False
