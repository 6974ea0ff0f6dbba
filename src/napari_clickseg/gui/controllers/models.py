"""Models: which model answers, and its questions and answers. The newest question wins."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_clickseg.core.images import Image, NothingSeenError
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.labels import highest_id
from napari_clickseg.core.requests import Predictor, Request, Seeing, Segmenter
from napari_clickseg.gui.view import messages
from napari_clickseg.gui.view.protocol import Option, Question
from napari_clickseg.models.registry import find_model
from napari_clickseg.models.trust import Untrusted, remember

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.jobs import Outcome
    from napari_clickseg.core.masks import Prediction
    from napari_clickseg.gui.background import Background, Ticket
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.panel_state import Reports
    from napari_clickseg.gui.workspace import Workspace
    from napari_clickseg.models.registry import ModelEntry

RECOMMENDED, OWN, COMPARISON, CLASSIC = "Recommended", "Your models", "For comparison (published systems)", "Classic"
PURPOSES = (RECOMMENDED, OWN, COMPARISON, CLASSIC)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the background work at opening found out."""

    devices: tuple[str, ...]
    pair: LayerPair | None
    highest: int | None
    """The highest id in large labels; None where it was known before."""


class Models:
    """Mutable owner of the model chosen. Nothing is delivered once the panel is closed.

    Parameters
    ----------
    list_all : callable
        Returns the table of models as it is now.
    load : callable
        `load(name, device)` returns a predictor; called on a background thread.
    name, device : str
        The model to begin with, and where it computes.

    Raises
    ------
    ValueError
        Where there are no models.
    """

    answered = Signal(object, float, str)
    """The awaited answer to a pair's object is drawn: the pair, the seconds it took, a note of the model."""
    failed_to_answer = Signal(object, object)
    """The awaited answer will not come: the pair and the error."""
    changed = Signal()
    """Another model was chosen; it is not loaded yet."""
    ready = Signal()
    """The model chosen is loaded."""

    def __init__(
        self,
        list_all: Callable[[], list[ModelEntry]],
        load: Callable[[str, str], Predictor],
        name: str | None,
        device: str,
    ) -> None:
        self._list_all = list_all
        self._load = load
        self._entries = list_all()
        self._learned: tuple[ModelEntry, ...] = ()
        if not self._entries:
            raise ValueError("The table of models is empty; reinstall napari-clickseg.")
        names = [entry.name for entry in self._entries]
        self.device = device
        self.devices: tuple[str, ...] = ("auto",) if device == "auto" else ("auto", device)
        self.model = self._late(name if name is not None and name in names else names[0])
        """Who answers; stands for the model chosen until that is loaded."""
        self.state = "loading"
        """What the panel says of the model: that it is loading, ready somewhere, or cannot be used."""
        self.failed = False
        self._untrusted: Untrusted | None = None
        self._just_added = False
        self._adopted = False
        self._asked: Request | None = None
        self._asked_at = 0.0
        self._warming: Ticket | None = None

    def join(self, workspace: Workspace, background: Background, reports: Reports) -> None:
        """Take the parts that need this one to be made."""
        self._workspace, self._background, self._reports = workspace, background, reports
        workspace.switched.connect(self._on_workspace_switched)

    def open(self, model: LatePredictor | None = None) -> None:
        """Load the model chosen, in the background; go on with the one of an earlier panel where that is given."""
        self._asked = None
        self.model = model or self._late(self.name)
        if all(entry.name != self.name for entry in (*self._entries, *self._learned)):
            with suppress(ValueError):  # weights learned in the earlier panel are offered as long as they are there
                self._learned = (find_model(self.name),)
        self._workspace.use_predictor(self.model)
        self._begin_state()

    def close(self) -> None:
        """Answer nothing until the panel is opened again."""
        self._begin_state()

    # -- what is shown ---------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name of the model chosen."""
        return self.model.name

    @property
    def loaded(self) -> Predictor | None:
        """The model chosen, once it is loaded."""
        return self.model.loaded

    @property
    def options(self) -> tuple[Option, ...]:
        """The models that can be picked, by what they are for."""
        entries = (*self._entries, *self._learned)
        options = [Option(_title(entry), entry.name, entry.description, purpose(entry)) for entry in entries]
        return tuple(sorted(options, key=lambda option: PURPOSES.index(option.heading)))

    @property
    def description(self) -> str:
        """What the model chosen is."""
        return next((e.description for e in (*self._entries, *self._learned) if e.name == self.name), "")

    @property
    def device_in_use(self) -> str:
        """Where the model computes; the CPU until it is loaded."""
        return self.model.device or "cpu"

    @property
    def question(self) -> Question | None:
        """The file that waits for the user to trust it."""
        return None if self._untrusted is None else Question(self.name, self._untrusted.sha256)

    # -- requests --------------------------------------------------------------------------------------------------

    def choose_model(self, name: str) -> None:
        """Let another model answer, the clicks already made as well."""
        self.model = self._late(name)
        self._begin()

    def use_learned(self, name: str) -> None:
        """Let weights learned from kept objects answer from the next click on; what is drawn stays as it is.

        Raises
        ------
        ValueError
            Where they are not there.
        """
        self._learned = (find_model(name),)
        self.model = self._late(name)
        self._begin(again=False)

    def choose_device(self, device: str) -> None:
        """Let the model compute elsewhere."""
        self.device = device
        self.model = self._late(self.name)
        self._begin()

    def trust_model(self) -> None:
        """Use the model chosen, though its file runs code: the user trusts it, here and from now on."""
        if self._untrusted is None:
            return
        try:
            remember(self._untrusted.sha256)
        except OSError as problem:
            raise ValueError(f"That the file is trusted cannot be written down: {problem}.") from problem
        self.model = self._late(self.name)
        self._begin()

    def list_models(self) -> None:
        """Offer the models that there are now: one may have been added elsewhere."""
        self._entries = self._list_all()
        self._reports.resume(self._reports.note)

    def add(self, name: str) -> None:
        """Offer and choose a model that was just written."""
        self._entries = self._list_all()
        self._just_added = True
        with self._reports.errors():
            self.choose_model(name)
            self._reports.report(messages.model_added(name))

    # -- questions and answers -------------------------------------------------------------------------------------

    def ask(self, pair: LayerPair, request: Request | None) -> None:
        """Have a question answered; None where there is nothing to ask any more."""
        if request is None:
            self._background.answers.cancel()
        elif request is not self._asked:
            self._asked_at = perf_counter()
            self._background.answers.submit(partial(pair.session.run, request), partial(self._on_answer, pair, request))
        self._asked = request

    def warm_up(self, pair: LayerPair | None) -> None:
        """Load the model, look for devices, read what takes long and run the model once, all in the background."""
        if self._warming is not None:
            self._warming.cancel()
        rehearsal = None if pair is None else pair.rehearsal()
        job = partial(_warmed_up, self.model, pair, rehearsal)
        self._warming = self._background.long.submit(job, partial(self._on_prepared, self.model))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _late(self, name: str) -> LatePredictor:
        return LatePredictor(name, partial(self._load, name, self.device))

    def _begin(self, again: bool = True) -> None:
        """Load the model chosen in the background, and ask it `again` about the clicks already made."""
        self.changed.emit()
        self._begin_state()
        self._workspace.use_predictor(self.model)
        pair = self._workspace.current
        if pair is not None and again:
            self.ask(pair, pair.session.ask_again())
        self._reports.report(messages.LOADING)
        self.warm_up(pair)

    def _begin_state(self) -> None:
        self._untrusted, self._adopted = None, False
        self.state, self.failed = "loading", False

    def _on_answer(self, pair: LayerPair, request: Request, outcome: Outcome) -> None:
        """Draw an answer if it is awaited; one that nobody awaits, or its failure, changes nothing."""
        awaited = pair in self._workspace and request is pair.session.pending
        if not awaited:
            return
        if outcome.error is not None:
            pair.session.fail(request, outcome.error)
            self.failed_to_answer.emit(pair, outcome.error)
            return
        self._adopt()
        following = pair.session.apply(request, outcome.value)
        if following is not None:
            self.ask(pair, following)
        else:
            self.answered.emit(pair, perf_counter() - self._asked_at, outcome.value.note)
            self._explore(pair)

    def _explore(self, pair: LayerPair) -> None:
        """Look for further candidates while nothing else is asked; a click ends that."""
        request = pair.session.unexplored()
        if request is not None and pair.session.pending is None:
            job = partial(pair.session.explore, request)
            self._background.answers.submit(job, partial(self._on_explored, pair, request))

    def _on_explored(self, pair: LayerPair, request: Request, outcome: Outcome) -> None:
        if outcome.error is None and pair in self._workspace:
            pair.session.add_candidates(request, outcome.value)

    def _on_prepared(self, model: LatePredictor, outcome: Outcome) -> None:
        """Take note that the model is there, or why it cannot be used."""
        if model is not self.model:
            return
        if isinstance(outcome.error, Untrusted):
            self._untrusted, self.state, self.failed = outcome.error, "not trusted yet", True
            self._reports.report(messages.not_trusted(self.name))
        elif outcome.error is not None:
            self.state, self.failed = "error", True
            self._reports.report(messages.not_usable(self.name, outcome.error))
        else:
            found: Prepared = outcome.value
            self.devices = found.devices
            if found.pair is not None:
                found.pair.prepared(found.highest)
            self._adopt()
            self._reports.resume(messages.FINDS_ALL if self._just_added else "")
            self._just_added = False

    def _adopt(self) -> None:
        """Once the model is loaded, show where it computes; sessions ask it directly from then on."""
        loaded = self.model.loaded
        if loaded is None:
            return
        for pair in self._workspace:
            if pair.session.predictor is self.model and pair.session.pending is None:
                with self._reports.errors():
                    pair.session.predictor = loaded
        if not self._adopted:
            self._adopted = True
            self.state = f"ready on {loaded.device}"
            self.ready.emit()

    def _on_workspace_switched(self, pair: LayerPair | None) -> None:
        self.warm_up(pair)


class LatePredictor:
    """Mutable: stands for a model until it is loaded, and hands every question over to it.

    Parameters
    ----------
    name : str
        The name in the table of models.
    load : callable
        Loads the model; called once, on the thread that first asks. Where it raises, the next question tries again.
    """

    def __init__(self, name: str, load: Callable[[], Predictor]) -> None:
        self._name = name
        self._load = load
        self._lock = threading.Lock()
        self._model: Predictor | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def loaded(self) -> Predictor | None:
        """The model; None as long as it is not loaded."""
        return self._model

    @property
    def ndim(self) -> int:
        """The number of axes that the model sees; two are expected until it is loaded."""
        return 2 if self._model is None else self._model.ndim

    @property
    def device(self) -> str:
        """Where the model computes; empty until it is loaded."""
        return "" if self._model is None else self._model.device

    def get(self) -> Predictor:
        """Return the model, loading it if nobody did yet."""
        with self._lock:
            if self._model is None:
                self._model = self._load()
            return self._model

    def check_request(self, image: Image, request: Request) -> None:
        """Check a request as the model does, loading it first if need be."""
        model = self.get()
        if isinstance(model, Seeing):
            model.check_request(image, request)

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        """Answer a request, loading the model first if need be."""
        model = self.get()
        stop.check()
        return model.predict(image, request, stop)

    def segment(self, image: Image, frame: Frame, stop: Stop = NEVER) -> npt.NDArray[np.int32]:
        """Return all objects on a frame, loading the model first if need be.

        Raises
        ------
        ValueError
            Where the model draws one object at a time.
        """
        model = self.get()
        stop.check()
        if not isinstance(model, Segmenter):
            raise ValueError(f"{model.name} draws one object at a time; pick a model that segments whole frames.")
        return model.segment(image, frame, stop)


def purpose(entry: ModelEntry) -> str:
    """Return what a model is for: the heading that it stands below in the list."""
    if entry.name == "default":
        return RECOMMENDED
    return {"user": OWN, "plugin": OWN, "shipped": COMPARISON}.get(entry.kind, CLASSIC)


def _title(entry: ModelEntry) -> str:
    """A model with weights goes by its name, as titles may be alike."""
    named = entry.path is not None and entry.readable and entry.title != entry.name
    return f"{entry.name} ({entry.title})" if named else entry.title


def _warmed_up(model: LatePredictor, pair: LayerPair | None, rehearsal: Request | None, stop: Stop) -> Prepared:
    from napari_clickseg.models.load import present_devices  # brings in torch: not when the panel opens

    model.get()
    devices = present_devices()
    highest = None
    if pair is not None and rehearsal is not None:
        stop.check()
        highest = None if pair.counted else highest_id(pair.session.labels)
        stop.check()
        with suppress(NothingSeenError):  # the next frame may have content
            pair.session.run(rehearsal, stop)
    return Prepared(devices, pair, highest)
