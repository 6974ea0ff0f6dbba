"""Which objects of a session a model learns from: those kept one by one, and all of confirmed frames."""

import numpy as np
import pytest

from doubles import Disks, disk
from napari_clickseg.core.regions import Region
from napari_clickseg.core.suggestions import Suggestion
from napari_clickseg.session.session import Session

SHAPE = (64, 64)


@pytest.fixture
def session():
    one = Session(np.eye(64), Disks(radius=5), diameter=10)
    for place in ((10, 10), (10, 40)):
        one.click(place)
        one.commit()
    return one


def ids(session):
    return [one.label for one in session.exemplars()]


def test_those_kept_last_come_first_with_their_masks(session):
    assert ids(session) == [2, 1]
    last = session.exemplars()[0]
    assert np.array_equal(last.mask, disk(SHAPE, (10, 40), 5.4)[last.region.slices])


def test_what_is_being_drawn_or_was_undone_or_deleted_teaches_nothing(session):
    session.click((40, 40))
    assert ids(session) == [2, 1]
    session.cancel()
    session.delete(1)
    assert ids(session) == [2]
    session.undo()
    assert ids(session) == [2, 1]


def test_accepted_suggestions_count_once_their_frame_is_confirmed(session):
    found = Suggestion.of((), Region((0, 0), SHAPE), disk(SHAPE, (40, 20), 6), 0.9)
    session.accept([found])
    assert ids(session) == [2, 1]
    session.confirm(())
    assert ids(session) == [2, 1, 3]


def test_specks_and_models_of_volumes_are_left_out():
    flat = Session(np.eye(64), Disks(radius=2), diameter=10)
    flat.click((10, 10))
    flat.commit()
    assert flat.exemplars() == ()
    deep = Session(np.zeros((4, 8, 8)), Disks(ndim=3), axes="ZYX")
    assert deep.exemplars() == ()


def test_frames_of_a_movie_are_told_apart():
    movie = Session(np.zeros((3, *SHAPE)), Disks(radius=5), axes="TYX", diameter=10)
    for place in ((0, 10, 10), (2, 30, 30)):
        movie.click(place)
        movie.commit()
    assert [(one.frame, one.label) for one in movie.exemplars()] == [((2,), 2), ((0,), 1)]
