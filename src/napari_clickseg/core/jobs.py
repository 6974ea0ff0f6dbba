"""Jobs: tokens that stop them, a thread that runs them, processes and clusters that share them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar


class Stopped(Exception):  # noqa: N818 - a fact about a job, not an error to report
    """Raised inside a job that was asked to end."""


class Stop:
    """Mutable: asks a running job to end, and knows how far it is. The job calls `check` between its steps."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._done = 0.0

    def request(self) -> None:
        """Ask the job to end at its next check."""
        self._event.set()

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    @property
    def done(self) -> float:
        """How much of the job is done, from 0 to 1; 0 where it does not tell."""
        return self._done

    def check(self, done: float | None = None) -> None:
        """Raise `Stopped` if the job was asked to end; a job that knows how much of it is done tells that here."""
        if self.requested:
            raise Stopped
        if done is not None:
            self._done = done


NEVER = Stop()
"""A stop that nobody requests."""


J = TypeVar("J")
R = TypeVar("R")

CONNECT_SECONDS = 10
"""How long a scheduler may take to answer before it counts as not there."""


def results(
    work: Callable[[J], R], jobs: Sequence[J], processes: int = 1, cluster: Any | None = None
) -> Generator[R, None, None]:
    """Do the work on every job; yield results in the order in which they are ready.

    Close the generator to give up what is not done yet.

    Parameters
    ----------
    work : callable
        A function of a module, which other processes can import.
    processes : int
        How many work at a time on this machine; 1 works in this process.
    cluster : dask client, optional
        As `connected` gives it: its workers do the work instead.
    """
    if cluster is not None:
        return _on_cluster(work, jobs, cluster)
    return _in_processes(work, jobs, processes) if processes > 1 and len(jobs) > 1 else (work(job) for job in jobs)


@contextmanager
def connected(address: str | None) -> Iterator[Any | None]:
    """Give a dask client of the scheduler at an address; None without one.

    Raises
    ------
    ValueError
        Where dask.distributed is not installed.
    OSError
        Where nothing answers at the address.
    """
    if address is None:
        yield None
        return
    try:
        import distributed
    except ImportError as error:
        raise ValueError(
            'A cluster needs dask.distributed: pip install "napari-clickseg[cluster]", here and on the workers.'
        ) from error
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS)
    except OSError as error:
        raise OSError(
            f"Nothing answered at {address} within {CONNECT_SECONDS} s; is a dask scheduler running there?"
        ) from error
    with client:
        yield client


def _in_processes(work: Callable[[J], R], jobs: Sequence[J], processes: int) -> Generator[R, None, None]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(processes, len(jobs)), context, initializer=_start_process)
    try:
        for future in as_completed([pool.submit(work, job) for job in jobs]):
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _on_cluster(work: Callable[[J], R], jobs: Sequence[J], client: Any) -> Generator[R, None, None]:
    """Results as the workers of a dask cluster finish jobs; those that nobody waits for any more are cancelled."""
    from distributed import as_completed as as_finished

    futures = client.map(work, jobs, pure=False)
    try:
        for future in as_finished(futures):
            yield future.result()
    finally:
        client.cancel(futures)


def _start_process() -> None:
    """One thread per process; Ctrl+C is the parent's to handle; no process outlives its parent."""
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


Job = Callable[[Stop], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of a job: its value, or the error that ended it."""

    value: Any = None
    error: BaseException | None = None


Deliver = Callable[[Outcome], None]


class Worker:
    """Mutable owner of a daemon thread that runs one job at a time.

    Parameters
    ----------
    name : str
        Of the thread.
    latest : bool
        The newest job wins: one that waits is dropped when it comes, one that runs is asked to stop. Else jobs run in
        the order in which they came.
    """

    def __init__(self, name: str, latest: bool = False) -> None:
        self._latest = latest
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Job, Stop, Deliver]] = deque()
        self._running: Stop | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        with self._changed:
            return bool(self._waiting) or self._running is not None

    def submit(self, job: Job, deliver: Deliver, first: bool = False) -> Stop:
        """Run `job(stop)` when its turn comes; return the token with which it can be stopped.

        Parameters
        ----------
        deliver : callable
            Called with the `Outcome` on the worker's thread. A job that was stopped delivers nothing.
        first : bool
            Before the jobs that wait.

        Raises
        ------
        RuntimeError
            After `close`.
        """
        stop = Stop()
        with self._changed:
            if self._closed:
                raise RuntimeError(f"The worker {self._thread.name!r} was closed; make a new one.")
            if self._latest:
                self._stop_all()
            if first:
                self._waiting.appendleft((job, stop, deliver))
            else:
                self._waiting.append((job, stop, deliver))
            self._changed.notify_all()
        return stop

    def cancel(self) -> None:
        """Drop the jobs that wait and ask the one that runs to stop."""
        with self._changed:
            self._stop_all()
            self._changed.notify_all()

    def close(self, finish: bool = False) -> None:
        """Let the thread end by itself, without waiting for it; `finish`: after the jobs that wait are done."""
        with self._changed:
            if not finish:
                self._stop_all()
            self._closed = True
            self._changed.notify_all()

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Wait until nothing runs or waits; return False if the time ran out first."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and self._running is None, timeout)

    def _stop_all(self) -> None:
        for _, stop, _ in self._waiting:
            stop.request()
        self._waiting.clear()
        if self._running is not None:
            self._running.request()

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting) or self._closed)
                if not self._waiting:
                    return
                job, stop, deliver = self._waiting.popleft()
                self._running = stop
            outcome = run_job(job, stop)
            if outcome is not None:
                deliver(outcome)
            with self._changed:
                self._running = None
                self._changed.notify_all()


def run_job(job: Job, stop: Stop) -> Outcome | None:
    """Run a job here and now; None where it was stopped."""
    try:
        stop.check()
        value = job(stop)
    except Stopped:
        return None
    except Exception as error:  # the worker's boundary: whatever failed travels as a value
        return Outcome(error=error)
    return None if stop.requested else Outcome(value)
