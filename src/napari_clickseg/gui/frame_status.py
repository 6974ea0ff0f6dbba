"""What the status line says of frames, carrying, corrections, review and files."""

from __future__ import annotations

from collections.abc import Sequence

from napari_clickseg.core.clicks import Frame
from napari_clickseg.gui.sequence import Finding
from napari_clickseg.gui.status import Status, error
from napari_clickseg.session.state import ObjectState

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


def travelled(before: ObjectState, after: ObjectState, forward: bool) -> Status | None:
    """Return what one step of undo, or `forward` of redo, did to frames; None where it moved the object being drawn."""
    written = after.written if forward else before.written
    confirmed = sorted(before.notes.confirmed ^ after.notes.confirmed)
    if written is not None:
        count = len({frame for frame, _ in written.patches})
        what = f"what was done to objects on {'1 frame' if count == 1 else f'{count:,} frames'}"
    elif confirmed:
        now = "confirmed" if confirmed[0] in after.notes.confirmed else "not confirmed"
        what = f"frame {named(confirmed[0])} is {now}"
    else:
        return None
    if forward:
        return Status("ready", f"Done again: {what}. Ctrl+Z takes it back.")
    return Status("ready", f"Taken back: {what}. Ctrl+Shift+Z does it again.")


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
