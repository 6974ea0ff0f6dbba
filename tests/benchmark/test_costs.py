"""Carrying: a movie that goes back and forth, and one that is larger than any memory."""

from __future__ import annotations

import numpy as np
import pytest

from movies import BrightPiece, movie
from napari_clickseg.benchmark import costs as carrying
from napari_clickseg.benchmark.costs import CARRYING_COLUMNS as COLUMNS
from napari_clickseg.benchmark.costs import measure_memory, measure_seconds, there_and_back, virtual_movie
from napari_clickseg.benchmark.sequences import Movie

STILL = {1: (14.0, 20.0, 7.0), 2: (30.0, 60.0, 7.0)}


def of(count: int) -> Movie:
    image, truth = movie([{k: (y, x + t, r) for k, (y, x, r) in STILL.items()} for t in range(count)])
    return Movie("disks", "a", image, truth)


def test_a_movie_goes_back_and_forth() -> None:
    long = there_and_back(of(3), 6)
    places = [int(np.argwhere(plane == 1)[:, 1].min()) for plane in long.truth]
    assert places == [13, 14, 15, 14, 13, 14, 15]


def test_one_object_and_all_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "LENGTH", 4)
    monkeypatch.setattr(carrying, "FEW", 2)
    rows = measure_seconds(there_and_back(of(3), 4), BrightPiece(), "bright")
    assert [(row["what"], row["frames"], row["objects"]) for row in rows] == [
        ("one object", "2", "1.0"),
        ("all objects", "2", "2.0"),
        ("one object", "4", "1.0"),
        ("all objects", "4", "2.0"),
    ]
    assert all(float(row["seconds"]) > 0 for row in rows)


def test_every_frame_of_the_virtual_movie_is_the_one_stored() -> None:
    plane = np.arange(12, dtype=np.uint16).reshape(3, 4)
    virtual = virtual_movie(plane)
    assert virtual.nbytes > 100e9
    np.testing.assert_array_equal(virtual[11_000, :3, :4], plane)


def test_memory_is_read_after_each_length_of_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    class Here:
        """Runs what it is given, here."""

        def __init__(self, *given: object) -> None:
            pass

        def __enter__(self) -> Here:
            return self

        def __exit__(self, *given: object) -> None:
            pass

        def submit(self, function, *given):
            self.result = lambda: function(*given)
            return self

    monkeypatch.setattr(carrying, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(carrying, "load_model", lambda name, device: BrightPiece())
    monkeypatch.setattr(carrying, "VIRTUAL_SIDE", 128)
    rows = measure_memory(of(2), BrightPiece(), "bright", (1, 3))
    assert [(row["frames"], row["objects"]) for row in rows] == [("1", "2.0"), ("3", "2.0")]
    assert all(tuple(row) == COLUMNS and float(row["peak_mb"]) >= 0 for row in rows)
