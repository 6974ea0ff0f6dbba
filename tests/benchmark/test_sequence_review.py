"""Looking: which wrong objects the review brings first, of labels that were carried or damaged."""

from __future__ import annotations

import numpy as np
import pytest

from movies import BrightPiece, movie
from napari_clickseg.benchmark import sequence_review as looking
from napari_clickseg.benchmark.sequence_review import CARRIED, DAMAGED, measure
from napari_clickseg.benchmark.sequences import Movie

STILL = {1: (14.0, 20.0, 7.0), 2: (30.0, 60.0, 7.0), 3: (14.0, 84.0, 6.0)}


def of(frames) -> Movie:
    image, truth = movie(frames)
    return Movie("disks", "a", image, truth)


def test_each_object_but_those_of_the_first_frame_has_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "DAMAGED_SHARE", 0.0)
    rows = measure(of([STILL] * 4), BrightPiece(), "bright", DAMAGED)
    assert sorted(int(row["rank"]) for row in rows) == list(range(1, 10))
    assert {row["frame"] for row in rows} == {"1", "2", "3"}
    assert {float(row["iou"]) for row in rows} == {1.0}


def test_what_was_damaged_comes_before_what_was_not(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def spoil(plane, label, rng) -> None:
        seen.append(label)
        if seen.count(2) == 3 and label == 2:
            plane[:, :60][plane[:, :60] == 2] = 0

    monkeypatch.setattr(looking, "_spoil", spoil)
    monkeypatch.setattr(looking, "DAMAGED_SHARE", 1.0)
    rows = measure(of([STILL] * 6), BrightPiece(), "bright", DAMAGED)
    wrong = [(row["frame"], row["object"], row["rank"]) for row in rows if float(row["iou"]) < 0.85]
    assert wrong == [("3", "2", "1")]


def test_an_object_that_ended_is_told_by_an_event() -> None:
    frames = [STILL, STILL, {1: STILL[1], 3: STILL[3]}, {1: STILL[1], 3: STILL[3]}]
    image, truth = movie(frames)
    truth[2:][movie([STILL, STILL])[1] == 2] = 2  # the truth holds on to what is not to be seen
    rows = measure(Movie("disks", "a", image, truth), BrightPiece(), "bright", CARRIED)
    gone = [row for row in rows if not row["rank"]]
    assert {(row["object"], row["iou"]) for row in gone} == {("2", "0.00000")}
    assert all(row["told"] in ("disappearance", "lost") for row in gone)


def test_objects_that_were_never_carried_are_no_fault_of_carried_labels() -> None:
    frames = [{1: STILL[1], 3: STILL[3]}, STILL, STILL]
    assert {row["object"] for row in measure(of(frames), BrightPiece(), "bright", CARRIED)} == {"1", "3"}


def test_damage_changes_an_object_in_place() -> None:
    plane = movie([STILL])[1][0]
    before = plane.copy()
    looking._spoil(plane, 2, np.random.default_rng(0))
    assert (plane != before).any()
    np.testing.assert_array_equal(plane == 1, before == 1)
