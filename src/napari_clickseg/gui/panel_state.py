"""Showing: what the panel says of the object being drawn and of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_clickseg.core.clicks import on_frame
from napari_clickseg.gui.layer_pair import Work
from napari_clickseg.gui.view import messages as status
from napari_clickseg.gui.view.messages import OBJECT_FIRST, named
from napari_clickseg.gui.view.protocol import Panel, Standing, Status
from napari_clickseg.gui.workspace import Desk
from napari_clickseg.session.session import Session
from napari_clickseg.session.state import ObjectState

if TYPE_CHECKING:
    from napari_clickseg.gui.controllers.models import Answering


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


def _excludes_nothing(session: Session) -> bool:
    """Whether the newest click is on a frame where all clicks exclude and no object was taken up."""
    if not session.clicks:
        return False
    frame = session.clicks[-1].frame(session.ndim)
    said = on_frame(session.clicks, frame, session.ndim)
    return frame not in session.state.taken_up and not any(click.positive for click in said)


def _clicks(count: int) -> str:
    return f"{count} click" if count == 1 else f"{count} clicks"


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


class Showing:
    """Mutable: reads the state of affairs off desk and model and tells the panel; holds what is told but once.

    Attributes
    ----------
    note : str
        A sentence that the next status ends with.
    seconds : float or None
        How long the newest answer to the object took.
    """

    def __init__(self, panel: Panel, desk: Desk, answering: Answering) -> None:
        self._panel = panel
        self._desk = desk
        self._answering = answering
        self.note = ""
        self.seconds: float | None = None
        self._held: Status | None = None
        self._held_at: object = None

    def status(self, news: Status) -> None:
        """Show a sentence."""
        self._panel.show_status(news)

    def warn(self, sentence: str) -> None:
        """Say what is wrong apart from what is done now, and go on saying it as `hold` does."""
        self.hold(status.error(sentence))

    def hold(self, news: Status) -> None:
        """Show a sentence in place of where things stand, until something is done."""
        self._held, self._held_at = news, None
        self.tell()

    def tell(self) -> None:
        """Say where things stand."""
        work = self._desk.current
        hit = None if work is None else work.object_hit()
        if work is None:
            self._panel.show_status(status.NO_IMAGE)
        elif self._answering.model.loaded is None and not work.session.clicks:
            self._panel.show_status(status.LOADING)
        elif self._held is not None and self._holds(work):
            self._panel.show_status(self._held)
        elif hit is not None and work.session.pending is None:
            self._panel.show_status(status.object_hit(hit, self.note))
        else:
            self._panel.show_status(of_session(work.session, self.note, self.seconds))
        self.note = ""

    def _holds(self, work: Work) -> bool:
        """Whether nothing was done in the session since the sentence held was shown first."""
        if work.session.pending is not None:
            return False
        self._held_at = self._held_at or work.session.state
        if self._held_at is not work.session.state:
            self._held = None
        return self._held is not None

    def standing(self, flipped: bool) -> None:
        """Show which object is being drawn and what makes sense now."""
        if self._desk.current is None:
            self._panel.show_standing(Standing())
            return
        session = self._desk.current.session
        self._panel.show_standing(
            Standing(
                label=session.label,
                kept=session.state.objects,
                empty=session.state.empty,
                can_undo=session.can_undo,
                can_redo=session.can_redo,
                flipped=flipped,
                threshold=session.threshold,
            )
        )

    def diameter(self) -> None:
        """Show how large objects are expected to be, if that is known without measuring."""
        work = self._desk.current
        if work is None or not (work.measured or work.session.diameter):
            self._panel.show_diameter(None, automatic=True)
        else:
            self._panel.show_diameter(work.session.expected_diameter(), automatic=work.session.diameter is None)

    def model(self, state: str) -> None:
        """Show which model is chosen, and that it is loading, ready somewhere, or cannot be used."""
        self._panel.show_model(self._answering.model.name, state)

    def devices(self, devices: tuple[str, ...]) -> None:
        """Offer the devices that were found."""
        self._panel.show_devices(devices)
