"""Answering: the model and the two threads that ask it: one answers clicks, the other loads it and warms it up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import cast

from napari_clickseg.core.jobs import LatestWorker, Outcome, Stop
from napari_clickseg.core.labels import highest_id
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.requests import Predictor, Request
from napari_clickseg.gui.background import Courier
from napari_clickseg.gui.late import LatePredictor
from napari_clickseg.gui.work import Work
from napari_clickseg.models.load import present_devices


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
