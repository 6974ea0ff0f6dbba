"""Effort: what a robot does in a session on a movie, way by way."""

from __future__ import annotations

import numpy as np
import pytest

from movies import BrightPiece, movie
from napari_clickseg.benchmark import effort
from napari_clickseg.benchmark.effort import CARRIED, FILE_ORDER, SCRATCH, Desk, measure
from napari_clickseg.benchmark.sequences import Movie

STILL = {1: (14.0, 20.0, 7.0), 2: (30.0, 60.0, 7.0)}


def of(frames) -> Movie:
    image, truth = movie(frames)
    return Movie("disks", "a", image, truth)


@pytest.fixture
def steady() -> Movie:
    return of([{k: (y, x + t, r) for k, (y, x, r) in STILL.items()} for t in range(4)])


def clicks(rows) -> list[int]:
    return [int(row["clicks"]) for row in rows]


def test_from_scratch_each_object_of_each_frame_takes_a_click(steady: Movie) -> None:
    rows = measure(steady, BrightPiece(), "bright", SCRATCH)
    assert clicks(rows) == [1] * 8
    assert all(float(row["iou"]) > 0.95 and float(row["before"]) == 0 for row in rows)


def test_good_automatic_labels_take_no_click(steady: Movie) -> None:
    assert clicks(measure(steady, BrightPiece(), "bright", FILE_ORDER)) == [0] * 8


def test_what_is_carried_well_takes_no_click(steady: Movie, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Movie, "automatic", lambda self: np.zeros(self.truth.shape, np.int32))
    rows = measure(steady, BrightPiece(), "bright", CARRIED)
    assert clicks(rows) == [1, 1, 0, 0, 0, 0, 0, 0]
    assert all(float(row["iou"]) >= effort.GOAL for row in rows)


def test_an_object_that_comes_later_is_clicked_once_and_carried_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Movie, "automatic", lambda self: np.zeros(self.truth.shape, np.int32))
    frames = [{1: STILL[1]}, {1: STILL[1]}, STILL, STILL, STILL]
    rows = measure(of(frames), BrightPiece(), "bright", CARRIED)
    assert {row["frame"] for row in rows if row["object"] == "2" and row["clicks"] != "0"} == {"2"}
    assert all(float(row["iou"]) >= effort.GOAL for row in rows)


def test_a_neighbour_that_covers_an_object_is_pushed_back(steady: Movie) -> None:
    labels = np.where(steady.truth == 1, 7, 0).astype(np.int32)
    labels[0][steady.truth[0] == 2] = 7
    desk = Desk.of(steady, BrightPiece(), labels, SCRATCH)
    desk.limit = 2
    desk.bring(((0,), 2), 9)
    assert desk.clicks == {((0,), 2): 2}


def test_too_many_clicks_are_not_made(steady: Movie) -> None:
    desk = Desk.of(steady, BrightPiece(), np.zeros(steady.truth.shape, np.int32), SCRATCH)
    desk.movie.truth[0][0:4, 80:96] = 5
    desk.bring(((0,), 5), 0)
    assert desk.clicks == {((0,), 5): 20}


def test_the_same_work_gives_the_same_rows(steady: Movie) -> None:
    assert measure(steady, BrightPiece(), "b", CARRIED) == measure(steady, BrightPiece(), "b", CARRIED)
