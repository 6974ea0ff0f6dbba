"""Spread: the same results come from this process, from others and from a cluster."""

from __future__ import annotations

import pytest

from napari_clickseg.core import jobs as spread
from napari_clickseg.core.jobs import connected, results


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
