"""Sequence: what the panel is told of the frames of a movie or a stack, as values, and who takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from napari_clickseg.core.clicks import Frame
from napari_clickseg.gui.placement import Channel
from napari_clickseg.gui.view import protocol as status
from napari_clickseg.models.io_spec import Conventions
from napari_clickseg.models.registry import ModelEntry

Kind = Literal["loading", "ready", "thinking", "error"]


@dataclass(frozen=True, slots=True)
class Status:
    """A sentence for the user and what kind of news it is."""

    kind: Kind
    text: str


CHOOSE_FILE = Status("ready", "Choose the file or folder of a segmentation network.")


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


FrameState = Literal["empty", "drawn", "carried", "doubtful", "confirmed"]
Extent = Literal["frame", "onwards", "all"]
"""On which frames a correction acts: this one, this one and those after it, every one."""


@dataclass(frozen=True, slots=True)
class Strip:
    """The frames along one axis.

    Attributes
    ----------
    axis : str
        Its letter: T, Z ..
    states : tuple of str
        What is known of each frame.
    current : int
        The one in view.
    reasons : mapping of int to str
        Why a frame is doubtful, by its index.
    axes : str
        All axes that a strip can run along.
    named : bool
        The image says what this axis is; else its letter is but the usual one.
    """

    axis: str
    states: tuple[FrameState, ...]
    current: int
    reasons: Mapping[int, str] = field(default_factory=dict)
    axes: str = ""
    named: bool = True

    def count(self, state: FrameState) -> int:
        """Return how many frames are in a state.

        >>> Strip("T", ("empty", "drawn", "empty"), 0).count("empty")
        2
        """
        return self.states.count(state)


@dataclass(frozen=True, slots=True)
class Carry:
    """How a carrying stands.

    Attributes
    ----------
    running : bool
    done, total : int
        Frames carried so far, and to be carried at most.
    resume : int or None
        The frame from which it can go on; None where there is nothing to go on with.
    again : bool
        It goes on from a frame that was corrected since: what lies behind it is carried anew.
    """

    running: bool = False
    done: int = 0
    total: int = 0
    resume: int | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of an image: its letter, the size of a pixel along it, and in what unit."""

    name: str
    spacing: float
    unit: str = ""
    leading: bool = False
    """It stands before the plane, so that it may be time or depth."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A place to look at.

    Attributes
    ----------
    frame : tuple of int
    label : int or None
        The object; None where the frame as a whole is meant.
    text : str
        What is odd there.
    question : bool
        An event that the user has to decide, not only a doubt.
    position : tuple of float or None
        Where on the frame, if it is known.
    """

    frame: Frame
    label: int | None
    text: str
    question: bool = False
    position: tuple[float, ...] | None = None


class SequencePanel(Protocol):
    """What a panel is told of frames. Everything it asks comes by the conductor's `answer`."""

    def show_strip(self, strip: Strip | None) -> None:
        """Show the frames; None where the image has but one."""

    def show_carry(self, carry: Carry) -> None: ...
    def show_axes(self, axes: Sequence[Axis]) -> None: ...
    def show_findings(self, findings: Sequence[Finding], chosen: int | None) -> None: ...
    def ask_id(self, label: int | None) -> None:
        """Ask for the new id of an object; None asks no more."""

    def ask_path(self, kind: str, proposed: str) -> None:
        """Ask where "labels" or a "session" are to be saved; the answer comes as `write_labels` or `write_session`."""

    def show_offer(self, text: str) -> None:
        """Offer an unfinished session; nothing where the text is empty."""


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
