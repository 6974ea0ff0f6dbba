"""Recovery: a journal for each pair; what a session that was not saved left behind is offered back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.gui.view import messages
from napari_clickseg.gui.view.protocol import Status, Thumbnail
from napari_clickseg.storage.atomic import put_right
from napari_clickseg.storage.event_log import Journal
from napari_clickseg.storage.image_identity import THUMBNAIL as SMALL
from napari_clickseg.storage.journal_files import Found, clean, discard, find, supersede
from napari_clickseg.storage.recovery import recover

if TYPE_CHECKING:
    from napari_clickseg.core.jobs import Outcome
    from napari_clickseg.gui.background import Background, Ticket
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.panel_state import Reports
    from napari_clickseg.gui.workspace import Workspace
    from napari_clickseg.session.session import Session

THUMBNAIL = 2 * SMALL
"""Larger pictures than that are none of ours."""
MARK = "napari-clickseg journal"
"""The key in a layer's metadata by which the journals of what is in it are known: they need not be offered back."""


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """A session in which everything was done again, its journal, and what could not be done ("" where all was)."""

    found: Found
    beside: LayerPair
    session: Session
    journal: Journal
    problem: str


class Recovery:
    """Mutable owner of the journals of one panel. A journal that fails is reported once; pair goes on.

    Parameters
    ----------
    layers : iterable
        The layers of the viewer: they name the journals of what is there already.
    workspace, background, reports
        Where the pairs are, on which thread journals are found, where sentences go.
    """

    changed = Signal()
    """`offer` is another one."""
    restored = Signal(str)
    """A session is restored; carries the name of the model that answered in it last."""

    def __init__(self, layers: Iterable[Any], workspace: Workspace, background: Background, reports: Reports) -> None:
        self._layers = layers
        self._workspace = workspace
        self._background = background
        self._reports = reports
        self._journals: dict[Session, Journal] = {}
        self._offers: list[Found] = []
        self._looking: Ticket | None = None
        workspace.begun.connect(self._on_workspace_begun)
        workspace.dropped.connect(self._on_workspace_dropped)
        workspace.switched.connect(self._on_workspace_switched)

    @property
    def offer(self) -> str:
        """The session that is offered back, as a sentence; "" where none is."""
        return self._offers[0].sentence if self._offers else ""

    @property
    def picture(self) -> Thumbnail | None:
        """The image of the session that is offered back, in small; None where none is offered, or it was not seen."""
        grey = self._offers[0].thumbnail if self._offers else None
        if grey is None or grey.ndim != 2 or not 0 < max(grey.shape) <= THUMBNAIL:
            return None
        square = np.zeros((max(grey.shape),) * 2, np.uint8)
        square[: grey.shape[0], : grey.shape[1]] = grey
        return Thumbnail(len(square), square.tobytes())

    @property
    def busy(self) -> bool:
        """Whether journals are being looked for."""
        return self._looking is not None and self._looking.busy

    def open(self) -> None:
        """Delete what is old, in the background."""
        self._background.files.worker.submit(_cleaned, _ignored)

    def close(self) -> None:
        """End all journals; each is written to its end."""
        for session in tuple(self._journals):
            self._end(session)

    def journal(self, pair: LayerPair) -> Journal:
        """Return the journal of a pair."""
        return self._journals[pair.session]

    def release(self, pair: LayerPair) -> Journal:
        """Return the journal of a pair, which goes on without us."""
        journal = self._journals.pop(pair.session)
        journal.failed.disconnect()
        journal.resumed.disconnect()
        return journal

    def adopt(self, pair: LayerPair, journal: Journal) -> None:
        """Go on with the journal of a pair that an earlier panel released."""
        self._start(pair.session, lambda: journal)

    def saved(self, pair: LayerPair) -> None:
        """Take note that the labels of a pair were saved: neither what was done so far nor older work is offered."""
        journal = self._journals.get(pair.session)
        if journal is not None:
            journal.saved()
            self._background.files.worker.submit(partial(_superseded, pair.session, journal), _ignored)

    # -- requests --------------------------------------------------------------------------------------------------

    def restore(self) -> None:
        """Do again what the session offered did, beside what there is now: in a Labels layer of its own."""
        pair = self._workspace.current
        if pair is None or not self._offers:
            return
        found = self._offers.pop(0)
        self._reports.report(messages.RESTORING)
        labels = None if pair.session.step else pair.session.labels
        self._background.files.submit(partial(_restored, found, pair, labels), self._on_restored)

    def discard(self) -> None:
        """Forget the session offered, and offer the next one, if any."""
        if self._offers:
            self._background.files.submit(partial(_discarded, self._offers.pop(0)), self._on_discarded)
            self.changed.emit()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _warn(self, sentence: str) -> None:
        """Report what is wrong apart from what is done now, until something is done."""
        self._reports.hold(messages.error(sentence))

    def _note(self, sentence: str) -> None:
        self._reports.hold(Status("ready", sentence))

    def _start(self, session: Session, start: Callable[[], Journal]) -> Journal:
        journal = start()
        self._journals[session] = journal
        send = self._background.courier.send
        journal.failed.connect(lambda sentence: send(partial(self._warn, sentence)))
        journal.resumed.connect(lambda sentence: send(partial(self._note, sentence)))
        if journal.problem:
            self._warn(journal.problem)
        elif journal.note:
            self._note(journal.note)
        return journal

    def _end(self, session: Session) -> None:
        journal = self._journals.pop(session, None)
        if journal is not None:
            self._background.files.worker.submit(partial(_ended, journal), _ignored)

    # -- what happened elsewhere -----------------------------------------------------------------------------------

    def _on_workspace_begun(self, pair: LayerPair) -> None:
        if pair.session not in self._journals:
            path = getattr(pair.image_layer.source, "path", None)
            self._start(pair.session, partial(Journal.start, pair.session, path))
        journal = self._journals[pair.session]
        known = pair.labels_layer.metadata.get(MARK, ())
        pair.labels_layer.metadata[MARK] = tuple(dict.fromkeys((*known, journal.path.stem)))
        if pair.session.step:
            self._background.files.worker.submit(partial(_compared, journal), _ignored)

    def _on_workspace_dropped(self, pair: LayerPair) -> None:
        self._end(pair.session)

    def _on_workspace_switched(self, pair: LayerPair | None) -> None:
        self._offers = []
        self.changed.emit()
        if pair is not None and not pair.session.step:
            present = {stem for layer in self._layers for stem in layer.metadata.get(MARK, ())}
            self._looking = self._background.files.submit(partial(_looked_for, pair, present), self._on_found)

    def _on_found(self, outcome: Outcome) -> None:
        if outcome.error is None:
            pair, found = outcome.value
            self._offers = found if pair is self._workspace.current else []
            self.changed.emit()

    def _on_restored(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._reports.report(messages.not_restored(outcome.error))
            return
        restored: Restored = outcome.value
        self._start(restored.session, lambda: restored.journal)
        if restored.beside not in self._workspace:
            self._end(restored.session)
            return
        pair = self._workspace.restore(restored.beside, restored.session)
        self._reports.hold(messages.restored(pair.labels_layer.name, restored.problem))
        self.restored.emit(restored.found.model)
        self.changed.emit()

    def _on_discarded(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._reports.report(messages.not_discarded(outcome.error))


def _compared(journal: Journal, stop: Stop) -> None:
    journal.compare()


def _ended(journal: Journal, stop: Stop) -> None:
    """Write the journal to its end; one that cannot even be deleted was reported before."""
    with contextlib.suppress(OSError):
        journal.close()


def _ignored(outcome: Outcome) -> None:
    """Nobody awaits what came of it."""


def _cleaned(stop: Stop) -> None:
    """Put right what a killed process left half-way; delete what is old, or try again next time."""
    put_right()
    with contextlib.suppress(OSError):
        clean()


def _looked_for(pair: LayerPair, present: set[str], stop: Stop) -> tuple[LayerPair, list[Found]]:
    found = find(pair.session.image, labels=pair.session.labels)
    return pair, [f for f in found if not any(f.path.stem.startswith(stem) for stem in present)]


def _restored(found: Found, beside: LayerPair, labels: Any, stop: Stop) -> Restored:
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
            _ended(journal, NEVER)
        raise
    (journal,) = journals
    try:
        journal.secure()
        if recovered.complete:
            discard(found.path)
    except OSError as error:
        recovered.problems.append(f"The journal of that session is kept, as there is no other yet: {error}")
    return Restored(found, beside, session, journal, " ".join(recovered.problems))


def _superseded(session: Session, journal: Journal, stop: Stop) -> None:
    """Offer older sessions no more; where that cannot be noted they are offered once more."""
    with contextlib.suppress(OSError):
        supersede(session.image, session.labels, journal.began)


def _discarded(found: Found, stop: Stop) -> None:
    discard(found.path)
