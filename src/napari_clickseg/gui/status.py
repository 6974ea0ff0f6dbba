"""Status: the one line that says what happened and which key comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_clickseg.core.clicks import on_frame
from napari_clickseg.session.session import Session

Kind = Literal["loading", "ready", "thinking", "error"]


@dataclass(frozen=True, slots=True)
class Status:
    """A sentence for the user and what kind of news it is."""

    kind: Kind
    text: str


NO_IMAGE = Status("ready", "Open an image, or pick one above.")
LOADING = Status("loading", "Loading the model. You can click already.")
FLAT_ONLY = (
    "Clicks need the 2D view of the last two axes: press the 2D/3D button below the layer list, "
    "or put the axes back in order."
)
PICK_OBJECT = Status("ready", "Click on the object to take up. Esc leaves it.")
OBJECT_FIRST = Status("ready", "Click on the object first; exclude clicks then correct it.")
OUTSIDE = Status("error", "That click lies outside the image; click on the image.")
LABELS_REMOVED = Status(
    "ready", "The Labels layer was removed, but its objects are held here: the next click brings it back."
)
CLICKS_REMOVED = Status(
    "ready", "A click layer was removed; here is a new one with the same clicks. Esc cancels the object."
)

LOOKING = Status("thinking", "Looking for all objects of this frame. Esc stops that; you can go on clicking.")
CALLED_OFF = Status("ready", "Stopped; nothing was written.")
CHOOSE_FILE = Status("ready", "Choose the file or folder of a segmentation network.")
EXAMINING = Status("thinking", "Reading the model ..")
MAY_IT_RUN = Status("loading", "This file can run code. Nothing of it has run yet.")
CLASS_NEEDED = Status("ready", "The file holds weights alone: say of which class they are.")
TRYING = Status("thinking", "Asking the model about the frame in view ..")
KEEPING = Status("thinking", "Writing it to your models ..")
OPEN_TO_CHECK = Status("ready", "Open an image that the model was made for: its answer is shown before you keep it.")
FINDS_ALL = "Segment this frame finds all objects at once."


def tried(count: int, seconds: float) -> Status:
    """Return how many objects a model that is being added found on the frame in view."""
    if not count:
        return Status("ready", f"No objects ({seconds:.1f} s). Change what was guessed below; the answer follows.")
    objects = "1 object" if count == 1 else f"{count:,} objects"
    return Status("ready", f"{objects} ({seconds:.1f} s). Looks right? Keep it. If not, change what was guessed below.")


def no_answer(problem: BaseException) -> Status:
    """Return why a model that is being added has no answer."""
    return error(f"The model could not answer: {error(problem).text} Change what was guessed below")


def not_trusted(name: str) -> Status:
    """Return that a model waits for the user's word."""
    return Status("error", f"{name!r} can run code, and was never trusted on this computer: see below the model.")


def model_added(name: str) -> Status:
    """Return that a model can be used from now on."""
    return Status("loading", f"{name!r} is one of your models now, and loading.")


def found(count: int, seconds: float) -> Status:
    """Return how many objects were found on a frame, and how to go on."""
    if not count:
        return Status("ready", f"No new objects on this frame ({seconds:.1f} s). Click where you see one.")
    objects = "1 new object" if count == 1 else f"{count:,} new objects"
    return Status("ready", f"{objects} ({seconds:.1f} s). W over one, then clicks correct it. Ctrl+Z takes all back.")


def not_found(problem: BaseException) -> Status:
    """Return why a frame could not be segmented, and that nothing was written."""
    return error(f"This frame could not be segmented: {error(problem).text} Nothing was written")


def image_removed(name: str) -> Status:
    """Return what became of the objects of an image that was removed."""
    return Status("ready", f"The image {name!r} was removed; its objects stay in their Labels layer.")


def flipped(now: bool) -> Status:
    """Return what the buttons mean; `now` where they are swapped."""
    words = ("excludes", "includes") if now else ("includes", "excludes")
    return Status("ready", f"The left button now {words[0]}, the right one {words[1]}. T swaps them back.")


def not_answered(problem: BaseException) -> Status:
    """Return why a question has no answer, and that nothing is lost."""
    return error(
        f"The model could not answer: {error(problem).text} Your clicks are still there; click again to ask anew"
    )


def error(sentence: object) -> Status:
    """Return what went wrong, as one sentence."""
    text = " ".join(str(sentence).split()) or type(sentence).__name__
    return Status("error", text if text.endswith((".", "!", "?")) else f"{text}.")


def of_session(session: Session, note: str = "", seconds: float | None = None) -> Status:
    """Return where the object being drawn stands and what the next key would do."""
    if session.pending is not None:
        return Status(
            "thinking",
            f"Object {session.label}: looking at {_clicks(len(session.clicks))}. Enter keeps it when it is there.",
        )
    if _excludes_nothing(session):
        return OBJECT_FIRST
    took = "" if seconds is None else f" ({seconds:.2f} s)"
    added = f" {note}" if note else ""
    area = session.area()
    if area and session.clicks:
        return Status(
            "ready", f"Object {session.label}: {area:,} px{took}. Enter keeps it, Ctrl+Z takes the click back.{added}"
        )
    if area:
        return Status(
            "ready",
            f"Object {session.label} taken up: {area:,} px. Click what it lacks, right-click what is too much.{added}",
        )
    if session.clicks:
        return Status(
            "ready", f"Object {session.label}: nothing found there. Click again beside it, or Esc cancels.{added}"
        )
    return Status(
        "ready", f"Click on object {session.label}. Right click or Shift excludes, W takes up another.{added}"
    )


def object_hit(label: int, note: str = "") -> Status:
    """Return what to do after the first click hit another object."""
    return Status("ready", f"That is object {label}. Press W over it to correct it.{f' {note}' if note else ''}")


def _excludes_nothing(session: Session) -> bool:
    """Whether the newest click is on a frame where all clicks exclude and no object was taken up."""
    if not session.clicks:
        return False
    frame = session.clicks[-1].frame(session.ndim)
    said = on_frame(session.clicks, frame, session.ndim)
    return frame not in session.state.taken_up and not any(click.positive for click in said)


def _clicks(count: int) -> str:
    return f"{count} click" if count == 1 else f"{count} clicks"
