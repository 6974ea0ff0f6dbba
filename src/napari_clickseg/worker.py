"""LatestWorker: one background thread on which the newest job wins. Failures travel as values."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari_clickseg.questions import Stop, Stopped

Job = Callable[[Stop], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of a job: its value, or the error that ended it."""

    key: object
    value: Any = None
    error: BaseException | None = None


class LatestWorker:
    """Mutable owner of a daemon thread. When a newer job comes, a waiting one is dropped, a running one asked to stop.

    Parameters
    ----------
    deliver : callable
        Called with each `Outcome` on the worker's thread; a GUI hands it over to its own thread there.
        Jobs that ended because they were asked to are not delivered.
    """

    def __init__(self, deliver: Callable[[Outcome], None], name: str = "clickseg") -> None:
        self._deliver = deliver
        self._changed = threading.Condition()
        self._waiting: tuple[object, Job, Stop] | None = None
        self._running: Stop | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        with self._changed:
            return self._waiting is not None or self._running is not None

    def submit(self, key: object, job: Job) -> None:
        """Run `job(stop)` as soon as possible and deliver its outcome under `key`.

        Raises
        ------
        RuntimeError
            After `close`.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError("This worker was closed; make a new one.")
            if self._running is not None:
                self._running.request()
            self._waiting = (key, job, Stop())
            self._changed.notify_all()

    def cancel(self) -> None:
        """Drop the waiting job and ask the running one to stop."""
        with self._changed:
            self._waiting = None
            if self._running is not None:
                self._running.request()
            self._changed.notify_all()

    def close(self, timeout: float = 2.0) -> None:
        """Cancel everything and end the thread; waits at most `timeout` seconds for it."""
        self.cancel()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Wait until nothing runs or waits; return False if the time ran out first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._waiting is None and self._running is None, timeout)

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._closed)
                if self._waiting is None:
                    return
                key, job, stop = self._waiting
                self._waiting, self._running = None, stop
            outcome = run_job(key, job, stop)
            if outcome is not None:
                self._deliver(outcome)
            with self._changed:
                self._running = None
                self._changed.notify_all()


def run_job(key: object, job: Job, stop: Stop) -> Outcome | None:
    """Run a job here and now; None where it was stopped."""
    try:
        value = job(stop)
    except Stopped:
        return None
    except Exception as error:  # the worker's boundary: whatever failed is told as a value
        return Outcome(key, error=error)
    return None if stop.requested else Outcome(key, value)
