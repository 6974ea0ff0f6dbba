"""Worker: jobs in order or the newest one, tokens that stop them, failures as values, and no waiting at the end."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from napari_clickseg.core.jobs import Stop, Worker, run_job

WAIT = 20


@pytest.fixture(params=[False, True], ids=["queue", "latest"])
def worker(request):
    made = Worker("test", latest=request.param)
    yield made
    made.close()


def gated(gate):
    """A job that waits for a gate and can be stopped meanwhile."""

    def job(stop):
        while not gate.wait(0.01):
            stop.check()
        return "done"

    return job


def test_a_job_is_run_on_another_thread_and_delivered(worker):
    delivered = []
    worker.submit(lambda stop: threading.get_ident(), delivered.append)
    assert worker.wait_idle(WAIT)
    assert [outcome.value != threading.get_ident() for outcome in delivered] == [True]


def test_a_failure_is_delivered_as_a_value(worker):
    delivered = []

    def fails(stop):
        raise OSError("the disk is full")

    worker.submit(fails, delivered.append)
    assert worker.wait_idle(WAIT)
    assert str(delivered[0].error) == "the disk is full"


def test_a_queue_runs_all_in_order():
    worker, delivered = Worker("test"), []
    for k in range(5):
        worker.submit(lambda stop, k=k: k, delivered.append)
    assert worker.wait_idle(WAIT)
    assert [outcome.value for outcome in delivered] == [0, 1, 2, 3, 4]
    worker.close()


def test_where_the_latest_wins_older_jobs_deliver_nothing():
    worker, delivered, gate = Worker("test", latest=True), [], threading.Event()
    worker.submit(gated(gate), delivered.append)
    worker.submit(lambda stop: "second", delivered.append)
    worker.submit(lambda stop: "third", delivered.append)
    assert worker.wait_idle(WAIT)
    assert [outcome.value for outcome in delivered] == ["third"]
    worker.close()


def test_the_token_stops_one_job_of_a_queue_and_no_other(worker):
    delivered, gate = [], threading.Event()
    token = worker.submit(gated(gate), delivered.append)
    token.request()
    assert worker.wait_idle(WAIT)
    worker.submit(lambda stop: "next", delivered.append)
    assert worker.wait_idle(WAIT)
    assert [outcome.value for outcome in delivered] == ["next"]


def test_the_first_of_a_queue_goes_before_those_that_wait():
    worker, delivered, gate, begun = Worker("test"), [], threading.Event(), threading.Event()
    worker.submit(lambda stop: begun.set() or gate.wait(WAIT), delivered.append)
    assert begun.wait(WAIT)
    worker.submit(lambda stop: "late", delivered.append)
    worker.submit(lambda stop: "early", delivered.append, first=True)
    gate.set()
    assert worker.wait_idle(WAIT)
    assert [outcome.value for outcome in delivered][-2:] == ["early", "late"]
    worker.close()


def test_closing_waits_for_nothing_and_takes_nothing_more(worker):
    delivered, gate = [], threading.Event()
    worker.submit(lambda stop: gate.wait(WAIT), delivered.append)
    worker.close()
    with pytest.raises(RuntimeError, match="was closed"):
        worker.submit(lambda stop: None, delivered.append)
    gate.set()
    assert worker.wait_idle(WAIT)
    assert delivered == []


def test_a_worker_that_finishes_does_all_that_was_handed_over():
    worker, delivered, gate = Worker("test"), [], threading.Event()
    worker.submit(gated(gate), delivered.append)
    worker.submit(lambda stop: "second", delivered.append)
    worker.close(finish=True)
    gate.set()
    assert worker.wait_idle(WAIT)
    assert [outcome.value for outcome in delivered] == ["done", "second"]


def test_a_job_run_here_and_now_gives_its_outcome_or_none_where_it_was_stopped():
    stop = Stop()
    assert run_job(lambda stop: 3, stop).value == 3
    stop.request()
    assert run_job(lambda stop: 3, stop) is None


@pytest.mark.parametrize("finishes", [True, False])
def test_where_the_interpreter_ends_threads_come_to_their_end(tmp_path: Path, finishes: bool) -> None:
    script = f"""
import time
from pathlib import Path
from napari_clickseg.core.jobs import Worker, start_thread

def slow(name):
    time.sleep(0.3)
    Path(name).touch()

def stopped(stop):
    for _ in range(500):
        stop.check()
        time.sleep(0.01)

start_thread(lambda: slow("imported"), "imports")
worker = Worker("files", finishes={finishes})
worker.submit(lambda stop: slow("running"), print)
worker.submit(lambda stop: slow("waiting"), print)
Worker("long").submit(stopped, print)
time.sleep(0.1)
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    assert {path.name for path in tmp_path.iterdir()} == {"imported", "running", *(["waiting"] if finishes else [])}
