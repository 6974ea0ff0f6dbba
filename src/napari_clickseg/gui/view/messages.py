"""The sentences of the status line: what happened, and what to do next. Values in, `Status` out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_clickseg.core.images import NothingSeenError
from napari_clickseg.gui.view.protocol import Status

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.review.findings import Finding

# -- drawing -----------------------------------------------------------------------------------------------------------

NO_IMAGE = Status("ready", "Open an image, or try a sample below.")
FIRST_STEPS = (
    "Click on a cell: its outline appears.",
    "Left click adds what it lacks, right click removes what is too much.",
    "Enter keeps it; the next click starts the next cell.",
)
"""The hints on the canvas, in the order in which they come."""
OPENING = Status("loading", "Opening ..")
LOADING = Status("loading", "Loading the model. You can click already.")
FLAT_ONLY = (
    "Clicks need the 2D view of the last two axes: press the 2D/3D button below the layer list, "
    "or put the axes back in order."
)
POINT_FIRST = "Point at the place on the image, then press the key again."
OBJECT_FIRST = Status("ready", "Click on the object first; exclude clicks then correct it.")
OUTSIDE = Status("error", "That click lies outside the image; click on the image.")
LABELS_REMOVED = Status(
    "ready", "The Labels layer was removed, but its objects are held here: the next click brings it back."
)
CLICKS_REMOVED = Status(
    "ready", "A click layer was removed; here is a new one with the same clicks. Esc cancels the object."
)


def error(sentence: object) -> Status:
    """Return what went wrong, as one sentence."""
    text = " ".join(str(sentence).split()) or type(sentence).__name__
    return Status("error", text if text.endswith((".", "!", "?")) else f"{text}.")


def thinking(label: int, clicks: int, queued: int) -> Status:
    """Return that an answer is awaited, and how many acts come after it."""
    after = f" {_count(queued, 'act')} after it." if queued else " Enter keeps it when it is there."
    return Status("thinking", f"Object {label}: looking at {_count(clicks, 'click')}.{after}")


def drawn(label: int, area: int, seconds: float | None, note: str = "") -> Status:
    """Return that an object is drawn."""
    took = "" if seconds is None else f" ({seconds:.2f} s)"
    return Status(
        "ready", _with(f"Object {label}: {area:,} px{took}. Enter keeps it, Ctrl+Z takes the click back.", note)
    )


def taken_up(label: int, area: int, note: str = "") -> Status:
    """Return that an existing object can be corrected now."""
    return Status(
        "ready",
        _with(f"Correcting object {label}: {area:,} px. Click what it lacks, right-click what is too much.", note),
    )


def nothing_found(label: int, note: str = "") -> Status:
    """Return that the model found nothing."""
    return Status("ready", _with(f"Object {label}: nothing found there. Click again beside it, or Esc cancels.", note))


def click_on(label: int, note: str = "") -> Status:
    """Return how an object is begun."""
    return Status("ready", _with(f"Click on object {label}. A click inside an object corrects that one.", note))


def kept(label: int) -> str:
    """Return the note after an object was kept."""
    return f"Object {label} is kept."


def nothing_left(other: int) -> Status:
    """Return why the answer to a click at the rim of an object was not drawn."""
    return Status("ready", f"Nothing but object {other} lies there. Click well inside it to correct it.")


def clicks_off(why: str) -> Status:
    """Return why clicks do not count now, with a button that makes them count."""
    return Status("error", f"Clicks are off: {why}.", (("Back to clicking", "activate"),))


def flipped(now: bool) -> Status:
    """Return what the buttons mean; `now` where they are swapped."""
    words = ("excludes", "includes") if now else ("includes", "excludes")
    return Status("ready", f"The left button now {words[0]}, the right one {words[1]}. T swaps them back.")


def not_answered(problem: BaseException) -> Status:
    """Return why a question has no answer, and that nothing is lost."""
    if isinstance(problem, NothingSeenError):
        return error(f"{error(problem).text} Esc takes the click back")
    return error(
        f"The model could not answer: {error(problem).text} Your clicks are still there; click again to ask anew"
    )


def hovering(now: bool) -> Status:
    """Return whether masks are shown ahead of clicks."""
    if now:
        return Status("ready", "Looking ahead: rest the pointer on a cell to see what a click would give. ⇧H ends it.")
    return Status("ready", "Not looking ahead any more. ⇧H does it again.")


# -- models ------------------------------------------------------------------------------------------------------------

FINDS_ALL = "The tab 'All cells' finds all objects at once."
CHOOSE_FILE = Status("ready", "Choose the file or folder of a segmentation network.")
EXAMINING = Status("thinking", "Reading the model ..")
MAY_IT_RUN = Status("loading", "This file can run code. Nothing of it has run yet.")
CLASS_NEEDED = Status("ready", "The file holds weights alone: name the class that they belong to.")
TRYING = Status("thinking", "Asking the model about the frame in view ..")
KEEPING = Status("thinking", "Writing it to your models ..")
OPEN_TO_CHECK = Status("ready", "Open an image that the model was made for: its answer is shown before you keep it.")


def tried(count: int, seconds: float) -> Status:
    """Return how many objects a model that is being added found on the frame in view."""
    if not count:
        return Status("ready", f"No objects ({seconds:.1f} s). Change what was guessed below; the answer follows.")
    objects = _count(count, "object")
    return Status("ready", f"{objects} ({seconds:.1f} s). Looks right? Keep it. If not, change what was guessed below.")


def no_answer(problem: BaseException) -> Status:
    """Return why a model that is being added has no answer."""
    return error(f"The model could not answer: {error(problem).text} Change what was guessed below")


def not_trusted(name: str) -> Status:
    """Return that a model waits for the user to trust it."""
    return Status("error", f"{name!r} can run code, and was never trusted on this computer: see below the model.")


def not_usable(name: str, problem: BaseException) -> Status:
    """Return why a model cannot be used."""
    return error(f"The model {name!r} cannot be used: {problem}")


def model_added(name: str) -> Status:
    """Return that a model can be used from now on."""
    return Status("loading", f"{name!r} is one of your models now, and loading.")


# -- all objects of a frame --------------------------------------------------------------------------------------------

LOOKING = Status("thinking", "Looking for all objects. Esc stops that; you can go on clicking.")
CALLED_OFF = Status("ready", "Stopped; nothing was written.")


def suggested(shown: int, found: int, seconds: float, note: str) -> Status:
    """Return how many suggestions are shown, and what to do with them."""
    if note:
        return Status("ready", note)
    if not found:
        return Status("ready", f"No new objects ({seconds:.1f} s). Click where you see one.")
    if not shown:
        return Status(
            "ready", f"{_count(found, 'suggestion')}, none of them sure; the slider in 'All cells' shows more."
        )
    words = "A click accepts one, a right click dismisses it, Shift+Enter accepts all."
    return Status("ready", f"{_count(shown, 'suggestion')} ({seconds:.1f} s). {words}")


def suggestion(quality: float | None, similarity: float | None) -> Status:
    """Return how good the suggestion under the pointer is."""
    parts = [
        f"{name} {value:.2f}" for name, value in (("quality", quality), ("likeness", similarity)) if value is not None
    ]
    about = f" ({', '.join(parts)})" if parts else ""
    return Status("ready", f"Suggestion{about}: a click accepts it, a right click dismisses it.")


def accepted(labels: Sequence[int]) -> Status:
    """Return what suggestions became."""
    if not labels:
        return Status("ready", "Nothing was written: there are objects by now.")
    if len(labels) == 1:
        return Status("ready", f"Object {labels[0]}. Click inside to correct it; Ctrl+Z takes it back.")
    return Status("ready", f"{len(labels)} new objects. Click inside one to correct it; Ctrl+Z takes all back.")


def not_found(problem: BaseException) -> Status:
    """Return why objects could not be looked for, and that nothing was written."""
    return error(f"Objects could not be looked for: {error(problem).text} Nothing was written")


def measuring(now: bool) -> Status:
    """Return whether objects are measured, and where the numbers are."""
    if now:
        where = "they stand in napari's features table (Layers, Visualize) and are saved beside the labels"
        return Status("ready", f"Objects are measured: {where}. ⇧T ends it.")
    return Status("ready", "Objects are not measured any more.")


PROPOSING = Status("ready", "Classes are being proposed. Shift+Q stops it.")


def class_chosen(name: str) -> Status:
    """Return which class is given next."""
    return Status("ready", f"Shift+K gives the object under the pointer the class {name}.")


def classified(label: int, name: str | None) -> Status:
    """Return which class an object has now."""
    return done(f"Object {label} has no class any more." if name is None else f"Object {label} is of the class {name}.")


def classes_proposed(count: int) -> Status:
    """Return how many classes are proposed, and what can be done with them."""
    if not count:
        return Status("ready", "All objects of this frame have a class already.")
    text = f"Proposed for {_count(count, 'object')}: broken lines. Shift+U accepts all; Shift+K gives another class."
    return Status("ready", text)


def classes_accepted(count: int) -> Status:
    """Return how many objects got a class."""
    return done(f"{_count(count, 'object')} got the class proposed.")


def no_classes(problem: BaseException) -> Status:
    """Return why no classes can be proposed."""
    return error(f"No classes are proposed: {error(problem).text}")


def not_measured(problem: BaseException) -> Status:
    """Return why objects could not be measured."""
    return error(f"The objects could not be measured: {error(problem).text}")


# -- tools -------------------------------------------------------------------------------------------------------------

ONLY_AROUND = "Parts of it that lie farther away in this large image were not looked for, and stay as they are."
CHANGED_MEANWHILE = "Something else was done meanwhile, so this correction was left; press its key again."
ARMED: dict[str, str] = {
    "take_up": "Click on the object to correct.",
    "join": "Click on the first of the two objects.",
    "split": "Click on one part of the object to split.",
    "delete": "Click on the object to delete.",
    "fill": "Click on the object whose holes are to be filled.",
    "relabel": "Click on the object that is to get another number.",
    "swap": "Click on the first of the two objects that swap their numbers.",
    "copy_previous": "Click where an object was on the frame before; beside all, to copy all of them.",
    "box": "Drag a box around the object.",
    "stroke": "Draw along the object; the right button excludes.",
    "lasso": "Draw around the object.",
    "suggest_in_box": "Drag a box around the objects to find.",
    "accept_suggestion": "Click on the suggestion to accept.",
    "dismiss_suggestion": "Click on the suggestion to dismiss.",
    "classify": "Click on the object to give the class to.",
}


def armed(name: str) -> Status:
    """Return what an armed tool waits for."""
    return Status("ready", f"{ARMED[name]} Esc leaves the tool.")


def second(name: str, label: int) -> Status:
    """Return what a tool of two clicks waits for, after the first."""
    words = {
        "join": f"Object {label}, and which one? Click on it, or point at it and press J.",
        "split": f"Now the other part of object {label}: click on it.",
        "swap": f"Object {label} and which one? Click on it, or point at it and press Shift+R.",
    }
    return Status("ready", f"{words[name]} Esc leaves the tool.")


def new_id(label: int) -> Status:
    """Return what giving another number needs next."""
    return Status("ready", f"Type the new number of object {label} in the panel, then Enter. Esc leaves it.")


def done(sentence: str) -> Status:
    """Return what a correction did, and how to take it back."""
    return Status("ready", f"{sentence} Ctrl+Z takes it back.")


# -- frames ------------------------------------------------------------------------------------------------------------

NOTHING_DOUBTFUL = Status("ready", "Nothing doubtful is left to look at. K confirms the frame in view.")


def named(frame: Frame) -> str:
    """Return a frame as the sliders number it.

    >>> named((3,)), named((3, 12))
    ('3', '3, 12')
    """
    return ", ".join(str(k) for k in frame)


def following(count: int, unit: str = "frame") -> Status:
    """Return that objects are being followed through frames, or planes of a stack."""
    return Status(
        "thinking",
        f"Tracking over {_count(count, unit)}. You can look around; Esc or a click ends it where it stands.",
    )


def followed(drawn_on: Sequence[Frame], halted: str, more: bool, unit: str = "frame") -> Status:
    """Return how far objects were followed, and how to go on."""
    if not drawn_on:
        return Status("ready", f"Nothing was tracked. {halted}".strip())
    why = f" {halted}" if halted else ""
    on = " Q goes on from there." if more else ""
    count = _count(len(drawn_on), unit)
    return Status(
        "ready", f"Tracked over {count}, to {unit} {named(drawn_on[-1])}.{why}{on} G shows what to look at first."
    )


def not_followed(problem: BaseException) -> Status:
    """Return why tracking ended, and that nothing is lost."""
    return error(f"Tracking ended: {str(problem).rstrip('.')}. What was tracked so far stays")


def would_replace(objects: int, frames: int, more: bool) -> Status:
    """Return what tracking would write over, as a question; `more`: there may be more of it."""
    least = "at least " if more else ""
    return Status(
        "error",
        f"{least}{_count(objects, 'object')} on {_count(frames, 'frame')} would be replaced.".capitalize(),
        (("Add missing only", "add missing"), ("Replace", "replace"), ("Leave", "leave")),
    )


def travelled(what: str, forward: bool) -> Status:
    """Return what one step of undo, or `forward` of redo, did."""
    if forward:
        return Status("ready", f"Done again: {what}. Ctrl+Z takes it back.")
    return Status("ready", f"Taken back: {what}. Ctrl+Shift+Z does it again.")


CLASSES = "what was done to classes"


def edited_frames(count: int) -> str:
    """Return what an edit concerned."""
    return f"what was done to objects on {_count(count, 'frame')}"


def confirmation(frame: Frame, now: bool) -> str:
    """Return that a frame is confirmed or not, as part of a sentence."""
    return f"frame {named(frame)} is {'confirmed' if now else 'not confirmed'}"


def confirmed(frame: Frame, now: bool) -> Status:
    """Return what K did."""
    if now:
        return Status("ready", f"Frame {named(frame)} is confirmed: nothing is written over it. K takes that back.")
    return Status("ready", f"Frame {named(frame)} is not confirmed any more.")


def looking_at(finding: Finding, number: int, count: int) -> Status:
    """Return what is odd at the place gone to."""
    whose = "" if finding.label is None or finding.question else f", object {finding.label}"
    text = f"{finding.text[:1].upper()}{finding.text[1:].rstrip('.')}."
    return Status("ready", f"{number} of {count:,}: frame {named(finding.frame)}{whose}. {text}")


def not_reviewed(problem: BaseException) -> Status:
    """Return why there is no list of doubtful places."""
    return error(f"The labels could not be reviewed: {str(problem).rstrip('.')}. Clicking works as before")


# -- files -------------------------------------------------------------------------------------------------------------

RESTORING = Status("thinking", "Doing again what was done in that session ..")


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


def reading(name: str) -> Status:
    """Return that a file is being read."""
    return Status("thinking", f"Reading {name} ..")


def not_read(name: str, problem: BaseException) -> Status:
    """Return why a file cannot be opened."""
    return error(f"{name} cannot be opened as labels: {str(problem).rstrip('.')}")


def saved(name: str, whole: bool) -> Status:
    """Return that a file is there, and whether something was done while it was written."""
    if whole:
        return Status("ready", f"Saved in {name}.")
    return Status("ready", f"Saved in {name}, perhaps without what you did while it was written: save once more.")


def not_saved(problem: BaseException) -> Status:
    """Return why a file could not be written, and that nothing is lost."""
    reason = getattr(problem, "strerror", None) or str(problem)
    return error(f"{reason.rstrip('.')}. Nothing is lost; save in another place or under another name")


def _count(number: int, word: str) -> str:
    """The number with its word.

    >>> _count(1, "frame"), _count(1200, "frame")
    ('1 frame', '1,200 frames')
    """
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def _with(sentence: str, note: str) -> str:
    return f"{sentence} {note}" if note else sentence
