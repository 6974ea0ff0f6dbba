"""The whole job: what a simulated user does until all objects are good, counted where every act can be told by eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from doubles import Seeing, disk
from napari_clickseg.benchmark.datasets import read_items
from napari_clickseg.benchmark.row_tables import append_rows, read_rows
from napari_clickseg.benchmark.whole_job import FIRST, LIKE, NOTHING, JobRow, Worker, job_table, run_jobs
from napari_clickseg.commands.bench_suggestions import JOBS
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Request
from napari_clickseg.session.session import Session

PLACES = [(20, 20), (20, 60), (60, 20), (60, 60)]


class Bright(Seeing):
    """Sees what is brighter than 110, and answers clicks with the connected parts that they lie on."""

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        parts, _ = ndimage.label(self._plane(image, request.frame) > 0)
        meant = [parts[tuple(round(p) for p in point)] for point, positive in request.points(2) if positive]
        return Prediction.from_mask(np.isin(parts, meant) & (parts > 0), Region.whole(parts.shape))

    def _plane(self, image: Image, frame: tuple[int, ...]) -> np.ndarray:
        return np.where(Seeing._plane(image, frame) > 110, np.float32(0.9), np.float32(0))


def scene(shown: int) -> tuple[Image, np.ndarray]:
    """Five bright disks, of which so many are objects."""
    plane, truth = np.zeros((80, 80), np.float32), np.zeros((80, 80), np.int32)
    for number, place in enumerate([*PLACES, (40, 40)], start=1):
        plane[disk(plane.shape, place, 8)] = 200
        if number <= shown:
            truth[disk(plane.shape, place, 8)] = number
    return Image.of(plane), truth


def worker(shown: int) -> Worker:
    image, truth = scene(shown)
    return Worker(Session(image, Bright(), np.zeros(truth.shape, np.int32)), truth, np.random.default_rng(0))


def test_an_object_from_nothing_is_a_click_and_a_key() -> None:
    one = worker(4)
    one.draw(2)
    assert (one.clicks, one.keeps, one.taken) == (1, 1, 0)
    assert one.wrong() == [1, 3, 4]


def test_all_suggestions_that_are_objects_are_accepted_at_once_and_others_dismissed() -> None:
    one = worker(4)
    one.suggest(())
    assert (one.accepts, one.dismissals) == (1, 1)
    assert one.wrong() == []


def test_where_few_are_objects_they_are_accepted_one_by_one() -> None:
    one = worker(1)
    one.suggest(())
    assert (one.accepts, one.dismissals) == (1, 0)
    assert one.wrong() == []
    assert len(np.unique(one.session.labels)) == 2, "nothing but the object"


def test_a_label_that_half_means_an_object_is_taken_up_and_corrected() -> None:
    one = worker(4)
    half = one.truth == 1
    half[:, :18] = False
    one.session.labels[half] = 1
    one.draw(1)
    assert one.taken == 1
    assert 1 not in np.unique(one.wrong())
    assert (one.session.labels[one.truth == 1] == 1).mean() > 0.9


def test_a_row_for_each_way_and_the_shares_of_their_acts(pack: Path, tmp_path: Path) -> None:
    item = read_items("cells", pack / "cells", "test")[0]
    rows = list(run_jobs(Bright(), item, (), 56))
    assert [row.way for row in rows] == [NOTHING, FIRST, LIKE]
    assert [row.good for row in rows] == [row.objects for row in rows]
    plain, first, like = rows
    assert plain.acts == 2 * plain.objects
    assert first.acts < like.acts < plain.acts
    append_rows(tmp_path / "rows.csv", rows)
    assert read_rows(tmp_path / "rows.csv", JobRow) == rows
    share = round(100 * first.acts / plain.acts)
    assert f"| cells | 1 | {plain.objects} | 2.0 | 1.00 | {share} |" in job_table(rows)


def test_the_command_measures_the_whole_job(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from napari_clickseg.cli import main

    monkeypatch.setattr("napari_clickseg.models.load.load_model", lambda name, device: Bright())
    command = [
        "bench",
        "--suggest",
        "1",
        "--whole-job",
        "--data",
        str(pack),
        "--sources",
        "cells",
        "--models",
        "default",
    ]
    for _ in range(2):
        assert main([*command, "--out", str(tmp_path / "out")]) == 0
        assert "| **average** |" in capsys.readouterr().out
    assert len(read_rows(tmp_path / "out" / JOBS, JobRow)) == 3
    assert main(["bench", "--whole-job", "--data", str(pack), "--models", "default"]) == 2
    assert "--whole-job needs --suggest" in capsys.readouterr().err
