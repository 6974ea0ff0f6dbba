"""Background: one thread beside the window for work that takes its time; what comes of it arrives on the GUI thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal, Slot

from napari_clickseg.core.jobs import Job, LatestWorker, Outcome, Stop

Receive = Callable[[Outcome], None]


class Courier(QObject):
    """Carries outcomes from a worker's thread to the thread it was made on."""

    arrived = Signal(object)

    def __init__(self, receive: Receive) -> None:
        super().__init__()
        self._receive = receive
        self.arrived.connect(self._on_arrived, Qt.ConnectionType.QueuedConnection)

    @Slot(object)
    def _on_arrived(self, outcome: Outcome) -> None:
        self._receive(outcome)


class Background:
    """Mutable owner of a worker on which the newest job wins. It can be opened again after it was closed.

    Parameters
    ----------
    name : str
        Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._courier = Courier(self._on_outcome)
        self._worker: LatestWorker | None = None
        self._awaited: tuple[object, Receive] | None = None
        self._stop = Stop()

    @property
    def done(self) -> float:
        """How much of the newest job is done, from 0 to 1; 0 where it does not tell."""
        return self._stop.done

    @property
    def busy(self) -> bool:
        """Whether an outcome is still awaited."""
        return self._awaited is not None

    def open(self) -> None:
        """Start the thread."""
        courier = self._courier  # kept by the thread: a bound method of its signal would not do so
        self._worker = LatestWorker(lambda outcome: courier.arrived.emit(outcome), name=self._name)

    def submit(self, job: Job, receive: Receive) -> None:
        """Run `job(stop)` as soon as possible; an older one is asked to stop, and what comes of it is dropped.

        Parameters
        ----------
        receive : callable
            Takes the outcome, on the thread that made this.

        Raises
        ------
        RuntimeError
            While closed.
        """
        if self._worker is None:
            raise RuntimeError(f"The thread {self._name!r} is closed; open it first.")
        key = object()
        self._awaited, self._stop = (key, receive), Stop()
        self._worker.submit(key, partial(self._run, key, job))

    def cancel(self) -> None:
        """Wait for nothing any more; ask what runs to stop."""
        self._awaited = None
        if self._worker is not None:
            self._worker.cancel()

    def close(self) -> None:
        """Cancel everything and let the thread end by itself: a window that closes waits for nobody."""
        self.cancel()
        if self._worker is not None:
            self._worker.close(timeout=0)
            self._worker = None

    def _run(self, key: object, job: Job, stop: Stop) -> Any:
        """On the worker's thread: the newest job is the one that is asked how far it is."""
        awaited = self._awaited
        if awaited is not None and awaited[0] is key:
            self._stop = stop
        return job(stop)

    def _on_outcome(self, outcome: Outcome) -> None:
        if self._awaited is None or outcome.key is not self._awaited[0]:
            return
        receive, self._awaited = self._awaited[1], None
        receive(outcome)
