"""Sequence: what the panel is told of the frames of a movie or a stack, as values, and who takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from napari_clickseg.core.clicks import Frame

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
