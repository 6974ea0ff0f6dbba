"""Jobs: tokens that stop them, a thread that runs them, processes and clusters that share them."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
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
        """How much of the job is done, from 0 to 1; 0 where that is not known."""
        return self._done

    def check(self, done: float | None = None) -> None:
        """Raise `Stopped` if the job was asked to end; a job that knows how much of it is done reports that here."""
        if self.requested:
            raise Stopped
        if done is not None:
            self._done = done


NEVER = Stop()
"""A stop that nobody requests."""


J = TypeVar("J")
R = TypeVar("R")

ENDED = "The worker that did it was ended, twice; by the system, where memory ran out."
NO_WORKER = "The cluster has no workers any more."
ALONE_SECONDS = 20
"""How long a cluster may be without workers before it is given up."""
LOOK_SECONDS = 0.05
CONNECT_SECONDS = 10
"""How long a scheduler may take to answer before it counts as not there."""


@dataclass(frozen=True, slots=True, eq=False)
class Lost:
    """Comes in the place of a result: the worker ended that had the job, also when it was tried once more.

    Attributes
    ----------
    job : Any
        The job.
    why : str
        In a sentence.
    """

    job: Any
    why: str


def results(
    work: Callable[[J], R], jobs: Sequence[J], processes: int = 1, cluster: Any | None = None
) -> Generator[R | Lost, None, None]:
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

    Raises
    ------
    OSError
        From the generator, where there are no workers at all.
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


def _in_processes(work: Callable[[J], R], jobs: Sequence[J], processes: int) -> Generator[R | Lost, None, None]:
    """Results from processes of this machine; jobs under work when one of these ends are tried again one by one."""
    waiting = deque(jobs)
    while waiting:
        suspects: list[J] = []
        yield from _until_one_ends(work, waiting, min(processes, len(waiting)), suspects)
        for suspect in suspects:
            ended: list[J] = []
            yield from _until_one_ends(work, deque([suspect]), 1, ended)
            if ended:
                _check_processes()
                yield Lost(suspect, ENDED)


def _until_one_ends(
    work: Callable[[J], R], waiting: deque[J], processes: int, suspects: list[J]
) -> Generator[R, None, None]:
    """Take jobs off those that wait and yield their results, until a process ends; `suspects` were under work then."""
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_start_process)
    running: dict[Future[R], J] = {}
    try:
        while (waiting or running) and not suspects:
            while waiting and len(running) < processes:
                job = waiting.popleft()
                running[pool.submit(work, job)] = job
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    suspects.append(job)
                else:
                    yield future.result()
    except BrokenProcessPool:  # it ended before it was given this job
        suspects.append(job)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    suspects.extend(running.values())


def _check_processes() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_start_process) as pool:
        try:
            pool.submit(abs, 0).result()
        except BrokenProcessPool as error:
            raise OSError("No worker process can be started on this machine; work in one (--jobs 1).") from error


def _on_cluster(work: Callable[[J], R], jobs: Sequence[J], client: Any) -> Generator[R | Lost, None, None]:
    """Results as the workers of a dask cluster finish jobs; those that nobody waits for any more are cancelled."""
    from distributed import KilledWorker
    from distributed import as_completed as as_finished

    futures = client.map(work, jobs, pure=False)
    job_of = dict(zip(futures, jobs, strict=True))
    finished, alone, last = as_finished(futures), 0.0, time.monotonic()
    try:
        while job_of and alone < ALONE_SECONDS:
            if not finished.has_ready():
                time.sleep(LOOK_SECONDS)
                now = time.monotonic()
                alone, last = 0.0 if client.nthreads() else alone + now - last, now
                continue
            for future in finished.next_batch(block=False):
                job, alone, last = job_of.pop(future), 0.0, time.monotonic()
                try:
                    yield future.result()
                except (KilledWorker, CancelledError):
                    yield Lost(job, ENDED)
        if len(job_of) == len(jobs) and jobs:
            raise OSError(
                f"The scheduler has had no worker for {ALONE_SECONDS} s; start some (dask worker ADDRESS), and run "
                "the same command again."
            )
        yield from (Lost(job, NO_WORKER) for job in job_of.values())
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


AT_EXIT = 10.0
"""Seconds in which threads may come to their end when the interpreter ends."""
_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


def start_thread(target: Callable[[], None], name: str) -> threading.Thread:
    """Start a daemon thread for which the interpreter waits when it ends, `AT_EXIT` at most.

    One that is cut off within compiled code, as while it imports a library, may crash the process.
    """
    thread = threading.Thread(target=target, name=name, daemon=True)
    _threads.add(thread)
    thread.start()
    return thread


@atexit.register
def end_threads() -> None:
    """Stop what can be stopped, and wait for the rest, `AT_EXIT` at most; workers may be handed more afterwards."""
    for worker in list(_workers):
        if not worker.finishes:
            worker.cancel()
    limit = time.monotonic() + AT_EXIT
    for worker in list(_workers):
        worker.wait_idle(max(limit - time.monotonic(), 0))
    for thread in list(_threads):
        thread.join(max(limit - time.monotonic(), 0))


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
    finishes : bool
        Where the interpreter ends, jobs that wait are done first; else they are dropped, and the one that runs stops.
    """

    def __init__(self, name: str, latest: bool = False, finishes: bool = False) -> None:
        self._latest, self.finishes = latest, finishes
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Job, Stop, Deliver]] = deque()
        self._running: Stop | None = None
        self._closed = False
        _workers.add(self)
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
