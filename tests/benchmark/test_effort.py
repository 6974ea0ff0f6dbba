"""Effort: what a robot does in a session on a movie, way by way."""

from __future__ import annotations

import numpy as np
import pytest

from movies import BrightPiece, movie
from napari_clickseg.benchmark import sequence_effort as effort
from napari_clickseg.benchmark.sequence_effort import CARRIED, FILE_ORDER, GOAL, SCRATCH, measure
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
    assert all(float(row["iou"]) >= GOAL for row in rows)


def test_an_object_that_comes_later_is_clicked_once_and_carried_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Movie, "automatic", lambda self: np.zeros(self.truth.shape, np.int32))
    frames = [{1: STILL[1]}, {1: STILL[1]}, STILL, STILL, STILL]
    rows = measure(of(frames), BrightPiece(), "bright", CARRIED)
    assert {row["frame"] for row in rows if row["object"] == "2" and row["clicks"] != "0"} == {"2"}
    assert all(float(row["iou"]) >= GOAL for row in rows)


def test_frames_corrected_first_bear_the_ids_of_the_first_and_those_between_take_no_click(
    steady: Movie, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Movie, "automatic", lambda self: np.zeros(self.truth.shape, np.int32))
    desk = effort.by_carrying_between(steady, BrightPiece())
    assert desk.clicks == {((k,), label): 1 for k in (0, 3) for label in (1, 2)}
    assert desk.renamed == {((3,), 1): 1, ((3,), 2): 1}
    assert all(len(np.unique(desk.session.labels[steady.truth == label])) == 1 for label in (1, 2))


def test_the_same_work_gives_the_same_rows(steady: Movie) -> None:
    assert measure(steady, BrightPiece(), "b", CARRIED) == measure(steady, BrightPiece(), "b", CARRIED)
