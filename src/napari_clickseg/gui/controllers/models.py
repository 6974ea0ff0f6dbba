"""Choosing: which model answers, from the list as it is now, and what to do where it cannot be used yet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import cast

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, LatestWorker, Outcome, Stop
from napari_clickseg.core.labels import highest_id
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.requests import Predictor, Request, Segmenter
from napari_clickseg.gui.background import Courier
from napari_clickseg.gui.controllers.objects import ObjectActs
from napari_clickseg.gui.layer_pair import Work
from napari_clickseg.gui.panel_state import Showing
from napari_clickseg.gui.view import messages as status
from napari_clickseg.gui.view.messages import telling
from napari_clickseg.gui.view.protocol import Panel, Question
from napari_clickseg.gui.workspace import Desk
from napari_clickseg.models.load import present_devices
from napari_clickseg.models.registry import ModelEntry
from napari_clickseg.models.trust import Untrusted, remember


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


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What came of a question: a prediction, or the error in its place; seconds since it was asked."""

    work: Work
    request: Request
    result: Prediction | BaseException
    seconds: float


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the background work at opening found out."""

    devices: tuple[str, ...]
    work: Work | None
    highest: int | None
    """The highest id in large labels; None where it was known before."""


class Answering:
    """Mutable owner of the model chosen and of the threads; nothing is delivered once it is closed.

    Parameters
    ----------
    load : callable
        `load(name, device)` returns a predictor; called on a worker's thread.
    name, device : str
        The model to begin with, and where it computes.
    answered : callable
        Takes each `Answer`, on the thread that opened this.
    prepared : callable
        Takes what warming up found out, or the error that makes the model unusable, on the same thread.
    """

    def __init__(
        self,
        load: Callable[[str, str], Predictor],
        name: str,
        device: str,
        answered: Callable[[Answer], None],
        prepared: Callable[[Prepared | BaseException], None],
    ) -> None:
        self._load = load
        self._device = device
        self._answered = answered
        self._prepared = prepared
        self._asked: Request | None = None
        self._asked_at = 0.0
        self._open = False
        self.model = self._late(name)
        """Who answers; stands for the model chosen until that is loaded."""

    def open(self) -> None:
        """Start the threads."""
        self._open = True
        self._asked = None
        self.model = self._late(self.model.name)
        self._answers = Courier(self._on_answer)
        self._chores = Courier(self._on_chore)
        self._worker = LatestWorker(self._answers.arrived.emit)
        self._warmer = LatestWorker(self._chores.arrived.emit, name="clickseg-chores")

    def close(self) -> None:
        """End the threads; an answer still awaited never comes."""
        self._open = False
        self._worker.close()
        self._warmer.close()

    def change(self, name: str | None = None, device: str | None = None) -> None:
        """Let another model answer from now on, or the same one elsewhere."""
        self._device = device if device is not None else self._device
        self.model = self._late(name if name is not None else self.model.name)

    def ask(self, work: Work, request: Request | None) -> None:
        """Have a question answered by the worker; None where there is nothing to ask any more."""
        if request is None:
            self._worker.cancel()
        elif request is not self._asked:
            self._asked_at = perf_counter()
            self._worker.submit((work, request), partial(work.session.run, request))
        self._asked = request

    def warm_up(self, work: Work | None) -> None:
        """Load the model, look for devices, read what takes long and run the model once, all in the background."""
        self._warmer.submit(self.model, partial(_warmed_up, self.model, work))

    def _late(self, name: str) -> LatePredictor:
        return LatePredictor(name, partial(self._load, name, self._device))

    def _on_answer(self, outcome: Outcome) -> None:
        if not self._open:
            return
        work, request = cast(tuple[Work, Request], outcome.key)
        result = outcome.value if outcome.error is None else outcome.error
        self._answered(Answer(work, request, result, perf_counter() - self._asked_at))

    def _on_chore(self, outcome: Outcome) -> None:
        if self._open and outcome.key is self.model:
            self._prepared(outcome.value if outcome.error is None else outcome.error)


def _warmed_up(model: LatePredictor, work: Work | None, stop: Stop) -> Prepared:
    model.get()
    devices = present_devices()
    highest = None
    if work is not None:
        stop.check()
        highest = None if work.counted else highest_id(work.session.labels)
        stop.check()
        work.session.run(work.rehearsal(), stop)
    return Prepared(devices, work, highest)


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
