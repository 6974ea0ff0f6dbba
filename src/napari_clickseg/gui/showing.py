"""Showing: what the panel says of the object being drawn and of the model."""

from __future__ import annotations

from napari_clickseg.gui import status
from napari_clickseg.gui.answering import Answering
from napari_clickseg.gui.desk import Desk
from napari_clickseg.gui.shown import Panel, Standing
from napari_clickseg.gui.status import Status
from napari_clickseg.gui.work import Work


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
            self._panel.show_status(status.of_session(work.session, self.note, self.seconds))
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
