"""Status: the one line that says what happened and which key comes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from napari_clickseg.core.clicks import Frame
from napari_clickseg.gui.view import messages as status
from napari_clickseg.gui.view.protocol import Finding, Panel, Status

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


def object_hit(label: int, note: str = "") -> Status:
    """Return what to do after the first click hit another object."""
    return Status("ready", f"That is object {label}. Press W over it to correct it.{f' {note}' if note else ''}")


@contextmanager
def telling(panel: Panel) -> Iterator[None]:
    """Tell in the status line what is wrong with a request; anything else that goes wrong in it is a bug and passes."""
    try:
        yield
    except (ValueError, TypeError) as problem:
        panel.show_status(status.error(problem))


NOTHING_DOUBTFUL = Status("ready", "Nothing doubtful is left to look at. K confirms the frame in view.")
JOIN_FIRST = Status("ready", "Click on the first of the two objects. Esc leaves it.")
JOIN_SECOND = Status("ready", "Click on the object to join to the one being drawn. Esc leaves it.")
SPLIT_FIRST = Status("ready", "Click on one part of the object to split. Esc leaves it.")
SPLIT_SECOND = Status("ready", "Now click on the other part. Esc leaves it.")
RESTORING = Status("thinking", "Doing again what was done in that session ..")
PICK = {
    "delete": Status("ready", "Click on the object to delete. Esc leaves it."),
    "fill": Status("ready", "Click on the object whose holes are to be filled. Esc leaves it."),
    "relabel": Status("ready", "Click on the object that is to get another id. Esc leaves it."),
    "copy_previous": Status("ready", "Click where an object was on the frame before; beside all, to copy all of them."),
}


def named(frame: Frame) -> str:
    """Return a frame as the sliders number it.

    >>> named((3,)), named((3, 12))
    ('3', '3, 12')
    """
    return ", ".join(str(k) for k in frame)


def carrying(count: int) -> Status:
    """Return that objects are on their way."""
    frames = "1 frame" if count == 1 else f"{count:,} frames"
    return Status("thinking", f"Carrying over {frames}. You can look around; Esc or a click ends it where it stands.")


def carried(drawn: Sequence[Frame], halted: str, more: bool) -> Status:
    """Return how far objects were carried, and how to go on."""
    if not drawn:
        return Status("ready", f"Nothing was carried. {halted}".strip())
    count = "1 frame" if len(drawn) == 1 else f"{len(drawn):,} frames"
    why = f" {halted}" if halted else ""
    on = " Q goes on from there." if more else ""
    return Status(
        "ready", f"Carried over {count}, to frame {named(drawn[-1])}.{why}{on} G shows what to look at first."
    )


def not_carried(problem: BaseException) -> Status:
    """Return why carrying ended, and that nothing is lost."""
    return error(f"Carrying ended: {str(problem).rstrip('.')}. What was carried so far stays")


def new_id(label: int) -> Status:
    """Return what giving another id needs next."""
    return Status("ready", f"Type the new id of object {label} in the panel, then Enter. Esc leaves it.")


def join_second(label: int) -> Status:
    """Return what joining needs next."""
    return Status("ready", f"Object {label}, and which one? Click on it, or point at it and press J. Esc leaves it.")


def done(sentence: str) -> Status:
    """Return what a correction did, and how to take it back."""
    return Status("ready", f"{sentence} Ctrl+Z takes it back.")


def confirmed(frame: Frame, now: bool) -> Status:
    """Return what K did."""
    if now:
        return Status("ready", f"Frame {named(frame)} is confirmed: nothing is carried over it. K takes that back.")
    return Status("ready", f"Frame {named(frame)} is not confirmed any more.")


def looking_at(finding: Finding, number: int, count: int) -> Status:
    """Return what is odd at the place gone to."""
    whose = "" if finding.label is None or finding.question else f", object {finding.label}"
    text = f"{finding.text[:1].upper()}{finding.text[1:].rstrip('.')}."
    return Status("ready", f"{number} of {count:,}: frame {named(finding.frame)}{whose}. {text}")


def restored(layer: str, problem: str) -> Status:
    """Return where a restored session is, and what of it could not be done again."""
    if problem:
        return error(f"Restored in {layer!r} up to this point: {problem}")
    return Status("ready", f"Restored in the Labels layer {layer!r}. You can go on there; undo and redo know it all.")


def not_restored(problem: BaseException) -> Status:
    """Return why a session could not be restored, and that it is still there."""
    return error(f"That session could not be restored: {str(problem).rstrip('.')}. Its journal is kept")


def not_discarded(problem: BaseException) -> Status:
    """Return why a journal could not be deleted."""
    return error(f"The journal could not be deleted: {str(problem).rstrip('.')}. It is offered again next time")


def writing(name: str) -> Status:
    """Return that a file is being written."""
    return Status("thinking", f"Writing {name} .. You can go on meanwhile.")


def saved(name: str, whole: bool) -> Status:
    """Return that a file is there, and whether something was done while it was written."""
    if whole:
        return Status("ready", f"Saved in {name}.")
    return Status("ready", f"Saved in {name}, perhaps without what you did while it was written: save once more.")


def not_saved(problem: BaseException) -> Status:
    """Return why a file could not be written, and that nothing is lost."""
    reason = getattr(problem, "strerror", None) or str(problem)
    return error(f"{reason.rstrip('.')}. Nothing is lost; save in another place or under another name")


def not_reviewed(problem: BaseException) -> Status:
    """Return why there is no list of doubtful places."""
    return error(f"The labels could not be reviewed: {str(problem).rstrip('.')}. Clicking works as before")
