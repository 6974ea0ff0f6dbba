"""Desk: what a robot does with an object and with the labels that lie where it is."""

from __future__ import annotations

import numpy as np
import pytest

from movies import BrightPiece, movie
from napari_clickseg.benchmark.sequence_effort import Desk
from napari_clickseg.benchmark.sequences import Movie

FIRST: tuple[int, ...] = (0,)
SMALL, LARGE = (FIRST, 1), (FIRST, 2)


@pytest.fixture
def pair() -> Movie:
    """Two frames with a small disk 1 on the left and a large one 2 on the right."""
    image, truth = movie([{1: (24.0, 20.0, 6.0), 2: (24.0, 60.0, 12.0)}] * 2)
    return Movie("disks", "a", image, truth)


def desk(pair: Movie, **masks: np.ndarray) -> Desk:
    """At labels of the first frame only, by names such as `label7`."""
    labels = np.zeros(pair.truth.shape, np.int32)
    for name, mask in masks.items():
        labels[0][mask] = int(name.removeprefix("label"))
    return Desk.of(pair, BrightPiece(), labels, "a way")


def columns(low: int, high: int) -> np.ndarray:
    return np.broadcast_to((np.arange(96) >= low) & (np.arange(96) < high), (48, 96))


def test_a_useless_label_is_erased_and_the_object_drawn_anew(pair: Movie) -> None:
    one = desk(pair, label7=columns(10, 32))
    assert one.bring(SMALL, 7) == 7
    assert one.erased == one.clicks == {SMALL: 1}
    assert np.array_equal(one.labels(FIRST) == 7, pair.truth[0] == 1)


def test_pieces_of_which_none_is_the_object_are_all_erased(pair: Movie) -> None:
    large = pair.truth[0] == 2
    one = desk(pair, label7=large & columns(40, 57), label8=large & columns(57, 64), label9=large & columns(64, 80))
    one.bring(LARGE, one.found(LARGE))
    assert one.erased == {LARGE: 3}
    assert one.clicks == {LARGE: 1}


def test_a_label_that_is_half_right_is_corrected_and_not_erased(pair: Movie) -> None:
    one = desk(pair, label7=(pair.truth[0] == 2) & columns(40, 64))
    assert one.bring(LARGE, 7) == 7
    assert one.erased == {}


def test_a_label_that_is_another_objects_stays_with_it(pair: Movie) -> None:
    one = desk(pair, label7=pair.truth[0] > 0)
    one.limit = 0
    assert one.bring(SMALL, 7) == 8
    assert one.erased == {}
    assert one.found(LARGE) == 7


def test_what_the_robot_drew_itself_is_not_erased(pair: Movie) -> None:
    one = desk(pair, label7=columns(10, 32))
    one.drawn.add((FIRST, 7))
    one.bring(SMALL, 7)
    assert one.erased == {}


def test_a_neighbour_that_covers_an_object_is_pushed_back(pair: Movie) -> None:
    one = desk(pair, label7=pair.truth[0] > 0)
    one.limit = 2
    one.bring(SMALL, 9)
    assert one.clicks == {SMALL: 2}


def test_too_many_clicks_are_not_made(pair: Movie) -> None:
    one = desk(pair)
    pair.truth[0][0:4, 80:96] = 5
    one.bring((FIRST, 5), 0)
    assert one.clicks == {(FIRST, 5): 20}


def test_an_object_gets_the_id_that_it_has_elsewhere_and_keeps_its_own_without_a_key(pair: Movie) -> None:
    one = desk(pair, label7=pair.truth[0] == 1, label8=pair.truth[0] == 2)
    one.rename(SMALL, 7, 3)
    one.rename(LARGE, 8, 8)
    one.rename(LARGE, 11, 4)
    assert one.renamed == {SMALL: 1}
    assert (one.found(SMALL), one.found(LARGE)) == (3, 8)


def test_rows_say_what_was_clicked_erased_and_renamed(pair: Movie) -> None:
    one = desk(pair, label7=columns(10, 32))
    one.rename(SMALL, one.bring(SMALL, 7), 5)
    told = [(row["frame"], row["object"], row["clicks"], row["erased"], row["renamed"]) for row in one.rows("m", "w")]
    assert told == [
        ("0", "1", "1", "1", "1"),
        ("0", "2", "0", "0", "0"),
        ("1", "1", "0", "0", "0"),
        ("1", "2", "0", "0", "0"),
    ]
