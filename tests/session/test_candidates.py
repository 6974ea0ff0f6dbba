"""Candidates: several answers to one click, chosen without a model, each choice one step of undo."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from doubles import Disks
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Request
from napari_clickseg.session.session import Session
from napari_clickseg.storage.serialization import pack, unpack

SHAPE = (20, 24)


@dataclass(frozen=True)
class Scales(Disks):
    """Answers a first click with disks of radius 2 and 4, and knows a larger one besides."""

    name: str = "scales"

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        answers = [replace(self._disk(image, request, radius), quality=q) for radius, q in ((2.0, 0.9), (4.0, 0.7))]
        if request.prior is not None:
            return Disks.predict(self, image, request, stop)
        return replace(answers[0], candidates=tuple(answers))

    def explore(self, image: Image, request: Request, stop: Stop = NEVER) -> tuple[Prediction, ...]:
        return tuple(replace(self._disk(image, request, r), quality=q) for r, q in ((4.2, 0.8), (7.0, 0.5)))

    def _disk(self, image: Image, request: Request, radius: float) -> Prediction:
        return Disks(radius=radius).predict(image, replace(request, prior=None))


def clicked(**options) -> Session:
    session = Session(np.zeros(SHAPE, np.float32), Scales(), **options)
    session.click((10, 12))
    return session


def area(session: Session) -> int:
    return int((session.labels == 1).sum())


def test_the_best_candidate_is_drawn_and_the_others_go_round() -> None:
    session = clicked()
    areas = []
    for shown in (0, 1, 0):
        assert session.candidate_shown == shown
        areas.append(area(session))
        assert session.next_candidate()
    assert areas[0] == areas[2] < areas[1]
    assert [one.quality for one in session.candidates()] == [0.9, 0.7]


def test_choosing_is_one_step_of_undo_and_of_redo() -> None:
    session = clicked()
    small = area(session)
    session.next_candidate()
    large = area(session)
    session.undo()
    assert (area(session), session.candidate_shown) == (small, 0)
    session.redo()
    assert (area(session), session.candidate_shown) == (large, 1)


def test_a_further_click_corrects_the_candidate_that_is_drawn() -> None:
    session = clicked()
    session.next_candidate()
    large = area(session)
    session.click((10, 18))
    assert area(session) > large
    assert session.candidates() == ()
    assert not session.next_candidate()


def test_exploring_adds_what_is_new_and_changes_nothing_that_is_drawn() -> None:
    session = clicked()
    before, step = session.labels.copy(), session.step
    request = session.unexplored()
    assert request is not None
    session.add_candidates(request, session.explore(request))
    np.testing.assert_array_equal(session.labels, before)
    assert session.step == step
    assert [one.quality for one in session.candidates()] == [0.9, 0.7, 0.5]
    assert session.unexplored() is None


def test_candidates_of_an_answer_that_is_no_longer_drawn_are_dropped() -> None:
    session = clicked()
    request = session.unexplored()
    assert request is not None
    found = session.explore(request)
    session.click((3, 3))
    session.add_candidates(request, found)
    assert session.candidates() == ()


def test_without_a_choice_nothing_happens() -> None:
    session = Session(np.zeros(SHAPE, np.float32), Disks())
    assert not session.next_candidate()
    session.click((10, 12))
    assert session.unexplored() is None
    assert session.candidates() == ()
    assert not session.next_candidate()
    with pytest.raises(ValueError, match="no answer on this frame"):
        session.choose((3,), session.state.masks[()])


def test_a_choice_can_be_done_again_from_its_act_alone() -> None:
    acts = []
    session = Session(np.zeros(SHAPE, np.float32), Scales())
    session.acted.connect(acts.append)
    session.click((10, 12))
    session.next_candidate()
    again = Session(np.zeros(SHAPE, np.float32), Disks())
    for act in acts:
        again.perform(replace(act, arguments={k: unpack(pack(v)) for k, v in act.arguments.items()}))
    np.testing.assert_array_equal(again.labels, session.labels)
    assert again.state.masks[()].quality == 0.7


def test_other_objects_around_the_click_come_with_the_request() -> None:
    labels = np.zeros(SHAPE, np.int32)
    labels[2:5, 3:7] = 4
    session = Session(np.zeros(SHAPE, np.float32), Disks(), labels=labels)
    session.click((10, 12))
    request = session.set_clicks((*session.clicks, replace(session.clicks[0], position=(12.0, 14.0))))
    assert request is not None
    assert request.others is not None
    expected = np.zeros(SHAPE, bool)
    expected[2:5, 3:7] = True
    np.testing.assert_array_equal(request.others.on(Region.whole(SHAPE)), expected)
