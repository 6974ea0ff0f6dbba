"""Choosing: which model answers, from the list as it is now, and what to do where it cannot be used yet."""

from __future__ import annotations

from collections.abc import Callable

from psygnal import Signal

from napari_clickseg.gui import status
from napari_clickseg.gui.acts import ObjectActs
from napari_clickseg.gui.answering import Answering, Prepared
from napari_clickseg.gui.desk import Desk
from napari_clickseg.gui.showing import Showing
from napari_clickseg.gui.shown import Panel, telling
from napari_clickseg.gui.steps import Question
from napari_clickseg.models.registry import ModelEntry
from napari_clickseg.models.trust import Untrusted, remember


class ModelChoice:
    """Mutable: the file that waits for the user to trust it, and whether the model was just added.

    Parameters
    ----------
    panel, desk, acts, answering, showing
        See there.
    list_all : callable
        Returns the table of models as it is now.
    """

    changed = Signal()
    """Another model was chosen; it is not loaded yet."""
    ready = Signal()
    """The model chosen is loaded."""

    def __init__(
        self,
        panel: Panel,
        desk: Desk,
        acts: ObjectActs,
        answering: Answering,
        showing: Showing,
        list_all: Callable[[], list[ModelEntry]],
    ) -> None:
        self._panel = panel
        self._desk = desk
        self._acts = acts
        self._answering = answering
        self._showing = showing
        self._list_all = list_all
        self._untrusted: Untrusted | None = None
        self._just_added = False

    # -- requests --------------------------------------------------------------------------------------------------

    def choose_model(self, name: str) -> None:
        """Let another model answer, the clicks already made as well."""
        self._answering.change(name=name)
        self.begin()

    def choose_device(self, device: str) -> None:
        """Let the model compute elsewhere."""
        self._answering.change(device=device)
        self.begin()

    def trust_model(self) -> None:
        """Use the model chosen, though its file runs code: the user said that it is trusted, here and from now on."""
        if self._untrusted is None:
            return
        try:
            remember(self._untrusted.sha256)
        except OSError as problem:
            raise ValueError(f"That the file is trusted cannot be written down: {problem}.") from problem
        self._answering.change()
        self.begin()

    def list_models(self) -> None:
        """Offer the models that there are now: one may have been added elsewhere."""
        self._panel.show_models(self._list_all())

    # -- what becomes of it ----------------------------------------------------------------------------------------

    def added(self, name: str) -> None:
        """Offer and choose a model that was just written."""
        self.list_models()
        self._just_added = True
        with telling(self._panel):
            self.choose_model(name)
            self._showing.status(status.model_added(name))

    def begin(self) -> None:
        """Load the model chosen in the background, and ask it about the clicks already made."""
        self.changed.emit()
        self._ask_trust(None)
        self._showing.model("loading")
        self._showing.status(status.LOADING)
        self._desk.use_predictor(self._answering.model)
        self._acts.ask_again()
        self._answering.warm_up(self._desk.current)

    def prepared(self, found: Prepared | BaseException) -> None:
        """Take note that the model is there, or why it cannot be used."""
        name = self._answering.model.name
        if isinstance(found, Untrusted):
            self._ask_trust(found)
            self._showing.model("not trusted yet")
            self._showing.status(status.not_trusted(name))
        elif isinstance(found, BaseException):
            self._showing.model("error")
            self._showing.status(status.error(f"The model {name!r} cannot be used: {found}"))
        else:
            self._showing.devices(found.devices)
            if found.work is not None:
                found.work.prepared(found.highest)
            self.adopt()
            self._showing.diameter()
            self._showing.note, self._just_added = status.FINDS_ALL if self._just_added else "", False
            self._showing.tell()

    def adopt(self) -> None:
        """Once the model is loaded, show where it computes; sessions ask it directly from then on."""
        late = self._answering.model
        if late.loaded is None:
            return
        self._showing.model(f"ready on {late.loaded.device}")
        for work in self._desk:
            if work.session.predictor is late and work.session.pending is None:
                with telling(self._panel):
                    work.session.predictor = late.loaded
        self.ready.emit()

    def _ask_trust(self, untrusted: Untrusted | None) -> None:
        self._untrusted = untrusted
        name = self._answering.model.name
        self._panel.show_question(None if untrusted is None else Question(name, untrusted.sha256))
