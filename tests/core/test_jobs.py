"""Spread: the same results come from this process, from others and from a cluster."""

from __future__ import annotations

import sys

import dask
import pytest

from doubles import mortal
from napari_clickseg.core import jobs as spread
from napari_clickseg.core.jobs import Lost, connected, results


@pytest.mark.parametrize("processes", [1, 2])
def test_every_job_gives_its_result(processes: int) -> None:
    assert sorted(results(abs, [-3, 2, -1], processes)) == [1, 2, 3]
    assert list(results(abs, [], processes)) == []


def test_work_here_is_done_only_as_far_as_it_is_asked_for() -> None:
    done: list[int] = []
    answers = results(done.append, [1, 2, 3])
    next(answers)
    answers.close()
    assert done == [1]


def test_a_cluster_gives_the_same_results() -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        connected(cluster.scheduler_address) as client,
    ):
        assert sorted(results(abs, [-3, 2], cluster=client)) == [2, 3]


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_the_job_whose_process_ends_is_named_and_the_others_go_on() -> None:
    came = list(results(mortal, [1, 2, -3, 4, 5], processes=2))
    assert sorted(one for one in came if not isinstance(one, Lost)) == [-5, -4, -2, -1]
    (lost,) = (one for one in came if isinstance(one, Lost))
    assert lost.job == -3
    assert lost.why.startswith("The worker that did it was ended, twice")


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_the_job_whose_worker_of_a_cluster_ends_is_named_and_the_others_go_on() -> None:
    distributed = pytest.importorskip("distributed")
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(1, threads_per_worker=1, dashboard_address=None) as cluster,
        connected(cluster.scheduler_address) as client,
    ):
        came = list(results(mortal, [1, -3, 4], cluster=client))
    assert sorted(one for one in came if not isinstance(one, Lost)) == [-4, -1]
    assert [one.job for one in came if isinstance(one, Lost)] == [-3]


def test_a_cluster_without_workers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(spread, "ALONE_SECONDS", 0.2)
    with (
        distributed.LocalCluster(n_workers=0, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        connected(cluster.scheduler_address) as client,
        pytest.raises(OSError, match="has had no worker"),
    ):
        list(results(abs, [-3, 2], cluster=client))


def test_without_an_address_there_is_no_client() -> None:
    with connected(None) as client:
        assert client is None


def test_a_dead_scheduler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(spread, "CONNECT_SECONDS", 0.2)
    with pytest.raises(OSError, match="Nothing answered at tcp:"), connected("tcp://127.0.0.1:1"):
        pass


def test_dask_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ValueError, match=r"napari-clickseg\[cluster\]"), connected("tcp://127.0.0.1:1"):
        pass
