"""Journaling: a journal for each work; what a session that was not saved left behind is offered back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from napari_clickseg.core.jobs import Outcome, Stop
from napari_clickseg.gui.background import Background, Courier
from napari_clickseg.gui.layer_pair import Work
from napari_clickseg.gui.panel_state import Showing
from napari_clickseg.gui.view import messages as frame_status
from napari_clickseg.gui.view.protocol import SequencePanel, Status
from napari_clickseg.gui.workspace import Desk
from napari_clickseg.session.session import Session
from napari_clickseg.storage.atomic import put_right
from napari_clickseg.storage.event_log import Journal
from napari_clickseg.storage.recovery import Found, clean, discard, find, recover, supersede

MARK = "napari-clickseg journal"
"""The key in a layer's metadata by which the journals of what is in it are known: they need not be offered back."""


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """A session in which everything was done again, its journal, and what could not be done ("" where all was)."""

    found: Found
    beside: Work
    session: Session
    journal: Journal
    problem: str


class Journaling:
    """Mutable owner of the journals of one panel. A journal that fails is told once; work goes on.

    Parameters
    ----------
    viewer : napari.Viewer
        Its Labels layers tell what is there already.
    panel, desk, showing
        See there.
    """

    def __init__(self, viewer: Any, panel: SequencePanel, desk: Desk, showing: Showing) -> None:
        self._viewer = viewer
        self._panel = panel
        self._desk = desk
        self._showing = showing
        self._journals: dict[Session, Journal] = {}
        self._offers: list[Found] = []
        self._background = Background("clickseg-journals")
        self._courier = Courier(self._on_journal_told)
        desk.begun.connect(self._on_desk_begun)
        desk.dropped.connect(self._on_desk_dropped)
        desk.switched.connect(self._on_desk_switched)

    def open(self) -> None:
        """Start the thread that looks for journals."""
        self._background.open()
        threading.Thread(target=_cleaned, name="clickseg-clean", daemon=True).start()

    def close(self) -> None:
        """End all journals; each is written to its end by a thread of its own."""
        for session in tuple(self._journals):
            self._end(session)
        self._background.close()

    def journal(self, work: Work) -> Journal:
        """Return the journal of a work on the desk."""
        return self._journals[work.session]

    def saved(self, work: Work) -> None:
        """Take note that the labels of a work were saved: neither what was done so far nor older work is offered."""
        journal = self._journals.get(work.session)
        if journal is not None:
            journal.saved()
            threading.Thread(target=_superseded, args=(work.session, journal), name="clickseg-saved").start()

    # -- requests --------------------------------------------------------------------------------------------------

    def restore(self) -> None:
        """Do again what the session offered did, beside what there is now: in a Labels layer of its own."""
        work = self._desk.current
        if work is None or not self._offers:
            return
        found = self._offers.pop(0)
        self._panel.show_offer("")
        self._showing.status(frame_status.RESTORING)
        labels = None if work.session.step else work.session.labels
        self._background.submit(partial(_restored, found, work, labels), self._on_restored)

    def discard(self) -> None:
        """Forget the session offered, and offer the next one, if any."""
        if self._offers:
            self._background.submit(partial(_discarded, self._offers.pop(0)), self._on_discarded)
            self._offer()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _offer(self) -> None:
        self._panel.show_offer(self._offers[0].sentence if self._offers else "")

    def _start(self, session: Session, start: Callable[[], Journal]) -> Journal:
        journal = start()
        self._journals[session] = journal
        courier = self._courier
        journal.failed.connect(lambda sentence: courier.arrived.emit(Outcome("failed", sentence)))
        journal.resumed.connect(lambda sentence: courier.arrived.emit(Outcome("resumed", sentence)))
        if journal.problem:
            self._showing.warn(journal.problem)
        elif journal.note:
            self._showing.hold(Status("ready", journal.note))
        return journal

    def _end(self, session: Session) -> None:
        journal = self._journals.pop(session, None)
        if journal is not None:
            threading.Thread(target=_ended, args=(journal,), name="clickseg-journal-end").start()

    # -- what happened elsewhere -----------------------------------------------------------------------------------

    def _on_desk_begun(self, work: Work) -> None:
        if work.session not in self._journals:
            path = getattr(work.image_layer.source, "path", None)
            self._start(work.session, partial(Journal.start, work.session, path))
        known = work.labels_layer.metadata.get(MARK, ())
        work.labels_layer.metadata[MARK] = (*known, self._journals[work.session].path.stem)

    def _on_desk_dropped(self, work: Work) -> None:
        self._end(work.session)

    def _on_desk_switched(self, work: Work | None) -> None:
        self._offers = []
        self._offer()
        if work is not None and not work.session.step:
            present = {stem for layer in self._viewer.layers for stem in layer.metadata.get(MARK, ())}
            self._background.submit(partial(_looked_for, work, present), self._on_found)

    def _on_found(self, outcome: Outcome) -> None:
        if outcome.error is None:
            work, found = outcome.value
            self._offers = found if work is self._desk.current else []
            self._offer()

    def _on_restored(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._showing.status(frame_status.not_restored(outcome.error))
            return
        restored: Restored = outcome.value
        self._start(restored.session, lambda: restored.journal)
        if restored.beside not in self._desk:
            self._end(restored.session)
            return
        work = self._desk.restore(restored.beside, restored.session)
        self._showing.hold(frame_status.restored(work.labels_layer.name, restored.problem))
        self._offer()

    def _on_discarded(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._showing.status(frame_status.not_discarded(outcome.error))

    def _on_journal_told(self, outcome: Outcome) -> None:
        if outcome.key == "failed":
            self._showing.warn(outcome.value)
        else:
            self._showing.hold(Status("ready", outcome.value))


def _ended(journal: Journal) -> None:
    """Write the journal to its end; one that cannot even be deleted was told of before."""
    with contextlib.suppress(OSError):
        journal.close()


def _cleaned() -> None:
    """Put right what a killed process left half-way; delete what is old, or try again next time."""
    put_right()
    with contextlib.suppress(OSError):
        clean()


def _looked_for(work: Work, present: set[str], stop: Stop) -> tuple[Work, list[Found]]:
    found = find(work.session.image, labels=work.session.labels)
    return work, [f for f in found if not any(f.path.stem.startswith(stem) for stem in present)]


def _restored(found: Found, beside: Work, labels: Any, stop: Stop) -> Restored:
    """Do everything again in a session that nobody sees yet; the old journal goes when the new one is on the disk."""
    recovered, journals = recover(found.path), list[Journal]()
    image, predictor = beside.session.image, beside.session.predictor
    try:
        session = recovered.restored(
            image, predictor, labels, lambda session: journals.append(Journal.start(session, found.image or None))
        )
    except BaseException:
        for journal in journals:
            journal.saved()
            _ended(journal)
        raise
    (journal,) = journals
    try:
        journal.secure()
        if recovered.complete:
            discard(found.path)
    except OSError as error:
        recovered.problems.append(f"The journal of that session is kept, as there is no other yet: {error}")
    return Restored(found, beside, session, journal, " ".join(recovered.problems))


def _superseded(session: Session, journal: Journal) -> None:
    """Offer older sessions no more; where that cannot be noted they are offered once more."""
    with contextlib.suppress(OSError):
        supersede(session.image, session.labels, journal.began)


def _discarded(found: Found, stop: Stop) -> None:
    discard(found.path)
