"""Runs: the robot improves masks, every click is a row, a stopped run goes on, processes change nothing."""

from __future__ import annotations

import gzip
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from bench_rows import key_of
from doubles import Disks
from napari_clickseg.benchmark import click_runs as run
from napari_clickseg.benchmark.click_runs import COLUMNS, Job, click_through, read_rows, run_jobs
from napari_clickseg.benchmark.datasets import Target, list_targets, read_items
from napari_clickseg.core import jobs as spread
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Lost, Stop
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Request
from napari_clickseg.core.simulated_errors import KINDS
from napari_clickseg.core.simulated_user import ROBOTS


@pytest.fixture
def jobs(pack: Path) -> list[Job]:
    targets = list_targets(read_items("cells", pack / "cells", "test"))
    return [Job(target, "geodesic", max_clicks=4) for target in targets]


def without_seconds(path: Path) -> list[dict[str, str]]:
    rows = sorted(read_rows(path), key=lambda row: (*key_of(row), int(row["click"])))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_every_click_is_a_row(jobs: list[Job]) -> None:
    rows = click_through(jobs[0])
    assert list(rows[0]) == list(COLUMNS)
    assert [row["click"] for row in rows] == [str(k + 1) for k in range(len(rows))]
    assert rows[0]["positive"] == "1"
    assert (rows[0]["y"], rows[0]["x"]) == ("12.0", "12.0")
    assert float(rows[-1]["iou"]) > 0.9


def test_a_row_tells_what_the_click_did(jobs: list[Job]) -> None:
    first = click_through(jobs[0])[0]
    assert (first["start"], first["positive"]) == ("scratch", "1")
    assert float(first["corrected"]) > 0.8
    assert 0 < float(first["boundary_f"]) <= 1
    assert float(first["seconds"]) > 0


@pytest.mark.parametrize("robot", ROBOTS)
def test_every_robot_segments_an_object_and_does_the_same_again(jobs: list[Job], robot: str) -> None:
    first, again = (click_through(replace(jobs[0], robot=robot)) for _ in range(2))
    assert float(first[-1]["iou"]) > 0.7
    assert [(row["y"], row["x"], row["iou"]) for row in first] == [(row["y"], row["x"], row["iou"]) for row in again]


def test_the_second_click_of_a_pair_is_beside_the_object(jobs: list[Job]) -> None:
    rows = click_through(replace(jobs[0], robot="pair"))
    assert [row["positive"] for row in rows[:2]] == ["1", "0"]
    assert rows[1]["corrected"] in ("", "0.00000", "1.00000")


@pytest.mark.parametrize("start", ["damaged", "automatic"])
def test_a_correction_begins_with_the_row_of_the_mask_that_is_corrected(jobs: list[Job], start: str) -> None:
    rows = click_through(replace(jobs[0], start=start))
    begun = rows[0]
    assert begun["start"] in KINDS if start == "damaged" else begun["start"] == "automatic"
    assert [begun[name] for name in ("click", "y", "x", "positive", "corrected", "seconds")] == [
        *("0", "", "", "", ""),
        "0.00000",
    ]
    assert 0 < float(begun["iou"]) < 1
    assert [row["click"] for row in rows] == [str(k) for k in range(len(rows))]
    assert {row["start"] for row in rows} == {begun["start"]}


def test_the_mask_to_correct_is_what_the_model_is_given(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []

    @dataclass(frozen=True)
    class Listening(Disks):
        def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
            asked.append(request)
            return super().predict(image, request, stop)

    monkeypatch.setattr(run, "_model", lambda name, device: Listening())
    click_through(replace(jobs[0], start="damaged", max_clicks=1))
    assert asked[0].prior is not None
    assert not asked[0].estimated


@dataclass(frozen=True)
class Deaf(Disks):
    """Draws a fixed square, whatever is clicked."""

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        return Prediction.from_mask(np.ones((5, 5), bool), Region((10, 10), (15, 15)))


@pytest.mark.parametrize("robot", ROBOTS)
@pytest.mark.parametrize("start", ["scratch", "damaged"])
def test_a_model_that_obeys_no_click_gets_a_flat_curve_to_the_end(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch, robot: str, start: str
) -> None:
    monkeypatch.setattr(run, "_model", lambda name, device: Deaf())
    rows = click_through(replace(jobs[0], robot=robot, start=start, max_clicks=30))
    assert rows[-1]["click"] == "30"
    assert len({row["iou"] for row in rows if row["click"] != "0"}) == 1


def test_the_same_pixel_may_be_wanted_again_and_again(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class AllButOne(Disks):
        def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
            rows, columns = np.indices((56, 56))
            mask = np.hypot(rows - 12, columns - 12) <= 8
            mask[12, 12] = False
            return Prediction.from_mask(mask, Region.whole(mask.shape))

    monkeypatch.setattr(run, "_model", lambda name, device: AllButOne())
    rows = click_through(jobs[0])
    assert [(row["y"], row["x"]) for row in rows] == [("12.0", "12.0")] * 4
    assert len({row["iou"] for row in rows}) == 1


def test_an_ignored_band_counts_neither_way(pack: Path) -> None:
    (target,) = list_targets(read_items("natural_photos", pack / "natural_photos", "test"))
    rows = click_through(Job(target, "geodesic"))
    assert float(rows[-1]["iou"]) > 0.9
    assert all(float(row["y"]) >= 3 for row in rows)


def test_a_run_holds_all_jobs_and_goes_on_where_it_stopped(
    jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "clicks.csv"
    run_jobs(jobs, path)
    whole = without_seconds(path)
    assert {key_of(row) for row in whole} == {job.key for job in jobs}

    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]) + lines[-1][:20])
    asked: list[Job] = []
    monkeypatch.setattr(run, "click_through", lambda job: asked.append(job) or click_through(job))
    there: list[int] = []
    run_jobs(jobs, path, resumed=there.append)
    assert len(asked) == 1
    assert there == [len(jobs) - 1]
    assert without_seconds(path) == whole


def test_corrections_of_damage_go_on_under_the_name_of_the_damage(jobs: list[Job], tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    starts = [replace(job, start=start) for job in jobs[:3] for start in ("scratch", "damaged", "automatic")]
    run_jobs(starts, path)
    whole = without_seconds(path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    run_jobs(starts, path)
    assert without_seconds(path) == whole
    assert len({key_of(row) for row in whole}) == len(starts)


def test_more_clicks_are_asked_for_again(jobs: list[Job], tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    target: Target = jobs[0].target
    run_jobs([Job(target, "superpixels", max_clicks=1)], path)
    run_jobs([Job(target, "superpixels", max_clicks=3)], path)
    assert [row["click"] for row in read_rows(path)] == ["1", "2", "3"]


def test_stopping_keeps_the_objects_that_were_done(
    jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped_at_the_third(job: Job) -> list[run.Row]:
        if job is jobs[2]:
            raise KeyboardInterrupt
        return click_through(job)

    monkeypatch.setattr(run, "click_through", stopped_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs, tmp_path / "clicks.csv")
    assert {key_of(row) for row in read_rows(tmp_path / "clicks.csv")} == {job.key for job in jobs[:2]}


def test_several_processes_give_the_same_rows(jobs: list[Job], tmp_path: Path) -> None:
    run_jobs(jobs[:3], tmp_path / "one.csv", processes=1)
    run_jobs(jobs[:3], tmp_path / "two.csv", processes=2)
    assert without_seconds(tmp_path / "one.csv") == without_seconds(tmp_path / "two.csv")


def test_objects_whose_worker_ended_are_named_at_the_end_and_the_same_command_does_them(
    jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_the_second(work, some, processes, cluster):
        yield from (Lost(job, "The worker ended.") if job is jobs[1] else work(job) for job in some)

    monkeypatch.setattr(run, "results", without_the_second)
    with pytest.raises(OSError, match=f"1 of {len(jobs)} objects are missing") as caught:
        run_jobs(jobs, tmp_path / "clicks.csv")
    assert "/".join(jobs[1].target.key) in str(caught.value)
    monkeypatch.undo()
    run_jobs(jobs, tmp_path / "clicks.csv")
    assert {key_of(row) for row in read_rows(tmp_path / "clicks.csv")} == {job.key for job in jobs}


def test_a_cluster_gives_the_same_rows(jobs: list[Job], tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    run_jobs(jobs[:3], tmp_path / "one.csv")
    with distributed.LocalCluster(1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        run_jobs(jobs[:3], tmp_path / "two.csv", scheduler=cluster.scheduler_address)
    assert without_seconds(tmp_path / "one.csv") == without_seconds(tmp_path / "two.csv")


def test_a_cluster_goes_on_where_a_run_stopped_and_stopping_cancels_what_waits(
    jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "clicks.csv"
    with distributed.LocalCluster(1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        with monkeypatch.context() as patched:
            patched.setattr(run.tqdm, "update", interrupted)
            with pytest.raises(KeyboardInterrupt):
                run_jobs(jobs, path, scheduler=cluster.scheduler_address)
        assert len({key_of(row) for row in read_rows(path)}) == 1
        run_jobs(jobs, path, scheduler=cluster.scheduler_address)
    assert {key_of(row) for row in read_rows(path)} == {job.key for job in jobs}


def test_without_dask_a_cluster_is_refused_in_one_sentence(
    jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match=r"needs dask.distributed: pip install"):
        run_jobs(jobs, tmp_path / "clicks.csv", scheduler="tcp://127.0.0.1:1")


def test_a_dead_scheduler_is_told_before_the_work(
    jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(spread, "CONNECT_SECONDS", 0.2)
    with pytest.raises(OSError, match=r"Nothing answered at tcp://127.0.0.1:1 .*is a dask scheduler running there\?"):
        run_jobs(jobs, tmp_path / "clicks.csv", scheduler="tcp://127.0.0.1:1")
    assert not (tmp_path / "clicks.csv").exists()


def test_rows_are_read_from_a_packed_csv_too(jobs: list[Job], tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    run_jobs(jobs[:1], path)
    packed = tmp_path / "clicks.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_rows(packed) == read_rows(path)


def test_columns_in_another_order_are_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text(",".join(reversed(COLUMNS)) + "\n")
    with pytest.raises(ValueError, match=r"its columns are not just source, image, .*, in this order"):
        read_rows(path)


def test_a_foreign_csv_is_left_alone(jobs: list[Job], tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"no result of this benchmark.*no column source, .*\(--out\)"):
        run_jobs(jobs, path)
    assert path.read_text() == "a,b\n1,2\n"
