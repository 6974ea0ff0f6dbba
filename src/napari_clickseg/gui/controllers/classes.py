"""Classes: objects get the class that is chosen, by key or click; others' are proposed in the background."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_clickseg.core.labels import standing
from napari_clickseg.gui.view import messages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.jobs import Outcome, Stop
    from napari_clickseg.core.object_classes import ClassProposal
    from napari_clickseg.gui.background import Background, Ticket
    from napari_clickseg.gui.controllers.objects import Objects
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.panel_state import Reports
    from napari_clickseg.gui.workspace import Workspace

Position = tuple[float, ...]
NEW = "class {}"
NO_OBJECT = "There is no object there; point at one and press the key again."
NO_IMAGE = "Open an image first."
NONE_PROPOSED = "No classes are proposed; give some objects a class, then press Propose."
KEPT = "{!r} is the class of objects; give them another one, or rename it by a double click."


class Classes:
    """Mutable: which class is given next, and what is proposed for the objects of one pair.

    Parameters
    ----------
    workspace, objects, background, reports
        Where the pairs are, who waits for places and answers, on which thread, where sentences go.
    """

    changed = Signal()
    """Another class is chosen, or other ones are proposed."""

    def __init__(self, workspace: Workspace, objects: Objects, background: Background, reports: Reports) -> None:
        self._workspace = workspace
        self._objects = objects
        self._background = background
        self._reports = reports
        self._chosen = ""
        self._ticket: Ticket | None = None
        self.proposals: tuple[LayerPair, Mapping[int, ClassProposal]] | None = None
        """What was proposed last, for objects of which some may have a class by now."""
        workspace.switched.connect(self._on_workspace_switched)

    @property
    def busy(self) -> bool:
        """Whether classes are being proposed."""
        return self._ticket is not None and self._ticket.busy

    def proposed(self, pair: LayerPair) -> Mapping[int, str]:
        """Return the class proposed for each object of a pair that still has none."""
        if self.proposals is None or self.proposals[0] is not pair:
            return {}
        given = pair.session.classes
        return {label: one.name for label, one in self.proposals[1].items() if label not in given}

    def close(self) -> None:
        """Call off what runs."""
        if self._ticket is not None:
            self._ticket.cancel()
        self.proposals = None

    # -- giving ----------------------------------------------------------------------------------------------------

    def classify(self, position: Position | None) -> None:
        """Give the object at a position, or the one that is clicked next, the chosen class; take it where it has it."""
        self._objects.at_place("classify", self._classify_at, position)

    def next_class(self) -> None:
        """Choose the next class of the list."""
        pair = self._ready_pair()
        names = pair.session.class_names
        if names:
            self.choose_class(names[(names.index(self.class_to_give(pair)) + 1) % len(names)])

    def choose_class(self, name: str) -> None:
        """Give this class from now on."""
        self._chosen = name
        self._reports.report(messages.class_chosen(name))
        self.changed.emit()

    def add_class(self) -> None:
        """Add a class to the list, to be renamed."""
        session = self._ready_pair().session
        number = next(k for k in range(1, len(session.class_names) + 2) if NEW.format(k) not in session.class_names)
        session.name_classes((*session.class_names, NEW.format(number)))
        self.choose_class(NEW.format(number))

    def rename_class(self, old: str, new: str) -> None:
        """Give a class of the list another name."""
        try:
            self._ready_pair().session.rename_class(old, new)
        finally:
            self.changed.emit()
        self._chosen = new.strip() if self._chosen == old else self._chosen

    def remove_class(self, name: str) -> None:
        """Take a class that no object has from the list.

        Raises
        ------
        ValueError
            Where objects have it.
        """
        session = self._ready_pair().session
        if name in session.classes.values():
            raise ValueError(KEPT.format(name))
        session.name_classes(one for one in session.class_names if one != name)

    def class_to_give(self, pair: LayerPair) -> str:
        """Return the chosen class; the first of the list where that is not there, "" where there are none."""
        names = pair.session.class_names
        return self._chosen if self._chosen in names else names[0] if names else ""

    def _classify_at(self, pair: LayerPair, position: Position) -> None:
        label = pair.label_at(position)
        if not label:
            raise ValueError(NO_OBJECT)
        name = self.class_to_give(pair) or NEW.format(1)
        new = None if pair.session.classes.get(label) == name else name
        kept = pair.session.state.kept
        pair.session.classify({label: new})
        if pair.session.state.kept > kept:
            self._objects.settle(pair)
        self._reports.report(messages.classified(label, new))
        self.changed.emit()

    # -- proposing -------------------------------------------------------------------------------------------------

    def propose_classes(self) -> None:
        """Propose a class for the other objects of the frame in view, in the background; again: show none any more.

        Raises
        ------
        ValueError
            Where there is no image.
        """
        pair = self._ready_pair()
        if self.proposed(pair) or self.busy:
            self.close()
            self._reports.resume()
        else:
            job = partial(_proposed, pair, pair.frame_in_view())
            self._ticket = self._background.long.submit(job, partial(self._on_proposed, pair))
            self._reports.report(messages.PROPOSING)
        self.changed.emit()

    def accept_classes(self) -> None:
        """Give all objects the class that is proposed for them, as one step of undo.

        Raises
        ------
        ValueError
            Where none are proposed.
        """
        if not self.proposed(self._ready_pair()):
            raise ValueError(NONE_PROPOSED)
        self._objects.when_answered(self._accept)

    def _accept(self, pair: LayerPair) -> None:
        """Accept what is proposed for the objects that are still there."""
        proposed = self.proposed(pair)
        there = standing(pair.session.labels, proposed)
        pair.session.classify({k: name for k, name in proposed.items() if there is None or k in there})
        self.proposals = None
        self._reports.report(messages.classes_accepted(len(proposed)))
        self.changed.emit()

    def _on_proposed(self, pair: LayerPair, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._reports.report(messages.no_classes(outcome.error))
        elif pair is self._workspace.current:
            self.proposals = pair, outcome.value
            self._reports.report(messages.classes_proposed(len(self.proposed(pair))))
        self.changed.emit()

    def _ready_pair(self) -> LayerPair:
        if self._workspace.current is None:
            raise ValueError(NO_IMAGE)
        return self._workspace.current

    def _on_workspace_switched(self, pair: LayerPair | None) -> None:
        self.close()
        self.changed.emit()


def _proposed(pair: LayerPair, frame: Frame, stop: Stop) -> Mapping[int, ClassProposal]:
    return pair.session.propose_classes(frame, stop)
