"""Shown: what a conductor tells a panel, as values, and the Panel protocol that takes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from napari_clickseg.gui import status
from napari_clickseg.gui.geometry import Channel
from napari_clickseg.gui.sequence import SequencePanel
from napari_clickseg.gui.status import Status
from napari_clickseg.gui.steps import Adding, Question
from napari_clickseg.models.registry import ModelEntry


@dataclass(frozen=True, slots=True)
class Picks:
    """What the layer pickers offer and what is chosen."""

    images: list[Any]
    image: Any
    channels: list[Channel | None]
    channel: Channel | None
    labels: list[Any]
    label: Any
    points: list[Any]
    positive: Any
    negative: Any


@dataclass(frozen=True, slots=True)
class Standing:
    """What the panel shows of the object being drawn, and how many objects were kept before it."""

    label: int | None = None
    kept: int = 0
    empty: bool = True
    can_undo: bool = False
    can_redo: bool = False
    flipped: bool = False
    threshold: float = 0.5


@dataclass(frozen=True, slots=True)
class WholeFrame:
    """Whether all objects of the frame in view can be found at once, or are being looked for; a tip says more."""

    can: bool = False
    busy: bool = False
    tip: str = ""
    done: float = 0.0
    """How much of it is done, from 0 to 1; 0 where that is not known."""


class Panel(Protocol):
    """What the conductor tells a panel. Everything a panel asks comes by `Conductor.answer`."""

    @property
    def sequence(self) -> SequencePanel:
        """What is told of frames."""

    def show_picks(self, picks: Picks) -> None: ...
    def show_status(self, news: Status) -> None: ...
    def show_standing(self, standing: Standing) -> None: ...
    def show_diameter(self, diameter: float | None, automatic: bool) -> None: ...
    def show_model(self, name: str, state: str) -> None: ...
    def show_devices(self, devices: tuple[str, ...]) -> None: ...
    def show_models(self, models: list[ModelEntry]) -> None: ...
    def show_question(self, question: Question | None) -> None: ...
    def show_whole_frame(self, whole: WholeFrame) -> None: ...
    def show_adding(self, adding: Adding | None) -> None: ...


@contextmanager
def telling(panel: Panel) -> Iterator[None]:
    """Tell in the status line what is wrong with a request; anything else that goes wrong in it is a bug and passes."""
    try:
        yield
    except (ValueError, TypeError) as problem:
        panel.show_status(status.error(problem))
