"""Spread: the same work on many things, here, in other processes, or on a dask cluster; results as they come."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, TypeVar

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
