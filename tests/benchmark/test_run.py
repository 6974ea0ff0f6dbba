"""Runs: the robot improves masks, every click is a row, a stopped run goes on, processes change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_clickseg.benchmark import run
from napari_clickseg.benchmark.datasets import Target, list_targets, read_items
from napari_clickseg.benchmark.run import COLUMNS, Job, click_through, key_of, read_rows, run_jobs


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
    run_jobs(jobs, path)
    assert len(asked) == 1
    assert without_seconds(path) == whole


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


def test_a_foreign_csv_is_left_alone(jobs: list[Job], tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="no result of this benchmark"):
        run_jobs(jobs, path)
    assert path.read_text() == "a,b\n1,2\n"
