"""No sleeps: jobs wait on events that the test sets, and the test waits on the worker."""

import threading

import pytest

from napari_clickseg.core.jobs import NEVER, LatestWorker, Outcome, Stop, Stopped, run_job

PATIENCE = 10.0


class Desk:
    """Collects outcomes, and holds a job back until it is told to go on."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.started, self.go_on = threading.Event(), threading.Event()

    def held(self, value):
        def job(stop: Stop):
            self.started.set()
            assert self.go_on.wait(PATIENCE)
            stop.check()
            return value

        return job


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def worker(desk):
    worker = LatestWorker(desk.outcomes.append)
    yield worker
    desk.go_on.set()
    worker.close(PATIENCE)
    assert not worker._thread.is_alive()


def test_a_job_is_answered_under_its_key(worker, desk):
    worker.submit("a", lambda stop: 42)
    assert worker.wait_idle(PATIENCE)
    assert [(o.key, o.value, o.error) for o in desk.outcomes] == [("a", 42, None)]
    assert not worker.busy


def test_the_newest_job_wins(worker, desk):
    worker.submit("running", desk.held(1))
    assert desk.started.wait(PATIENCE)
    worker.submit("waiting", lambda stop: 2)
    worker.submit("newest", lambda stop: 3)
    assert worker.busy
    desk.go_on.set()
    assert worker.wait_idle(PATIENCE)
    assert [o.key for o in desk.outcomes] == ["newest"]


def test_a_failure_travels_as_a_value_and_the_worker_goes_on(worker, desk):
    def fails(stop):
        raise KeyError("no such model")

    worker.submit("bad", fails)
    assert worker.wait_idle(PATIENCE)
    worker.submit("good", lambda stop: 1)
    assert worker.wait_idle(PATIENCE)
    assert isinstance(desk.outcomes[0].error, KeyError)
    assert desk.outcomes[1].value == 1


def test_cancel_drops_what_runs_and_what_waits(worker, desk):
    worker.submit("running", desk.held(1))
    assert desk.started.wait(PATIENCE)
    worker.submit("waiting", lambda stop: 2)
    worker.cancel()
    desk.go_on.set()
    assert worker.wait_idle(PATIENCE)
    assert desk.outcomes == []


def test_a_closed_worker_takes_no_jobs():
    worker = LatestWorker(print)
    worker.close(PATIENCE)
    worker.close(PATIENCE)
    with pytest.raises(RuntimeError, match="closed"):
        worker.submit("a", lambda stop: 1)


def test_waiting_for_idle_ends_when_the_time_is_over(worker, desk):
    worker.submit("running", desk.held(1))
    assert not worker.wait_idle(0)


def test_a_worker_may_be_closed_by_what_it_delivers_to():
    closed = threading.Event()
    holder = []

    def deliver(outcome):
        holder[0].close()
        closed.set()

    holder.append(LatestWorker(deliver))
    holder[0].submit("a", lambda stop: 1)
    assert closed.wait(PATIENCE)


def test_a_job_that_ignores_its_stop_is_not_delivered_either():
    stop = Stop()
    stop.request()
    assert run_job("a", lambda stop: 1, stop) is None


def test_a_stop_is_checked():
    stop = Stop()
    stop.check()
    stop.request()
    with pytest.raises(Stopped):
        stop.check()
    NEVER.check()


def test_a_job_that_knows_tells_how_much_of_it_is_done():
    stop = Stop()
    assert stop.done == 0
    stop.check(0.25)
    stop.check()
    assert stop.done == 0.25
