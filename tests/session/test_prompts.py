"""Boxes, lassos and strokes: where an object starts, in one undo step each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from doubles import Disks, disk
from napari_clickseg import Session
from napari_clickseg.core.clicks import Click
from napari_clickseg.core.requests import Request
from napari_clickseg.session.replay import Act


def session(**options) -> Session:
    return Session(np.zeros((40, 60)), Disks(), **options)


def asked(made: Session, **options) -> Request:
    request = made.set_box((10, 20), (20, 40), **options)
    assert request is not None
    return request


def test_a_box_asks_with_the_ellipse_in_it_and_a_click_at_its_centre():
    made = session()
    request = asked(made)
    assert request.clicks == (Click((15.0, 30.0)),)
    assert request.prior is not None
    mask = request.prior.full_mask((40, 60))
    y, x = np.mgrid[:40, :60]
    assert np.array_equal(mask, ((y - 15) / 5) ** 2 + ((x - 30) / 10) ** 2 <= 1)
    assert request.diameter == pytest.approx(2 * np.sqrt(mask.sum() / np.pi))
    prompt = made.state.prompts[()]
    assert (prompt.kind, prompt.points) == ("box", ((10.0, 20.0), (20.0, 40.0)))


def test_a_box_is_drawn_answered_and_undone_as_one_step():
    made = session()
    made.box((10, 20), (20, 40))
    assert made.labels[15, 30] == 1
    assert made.labels[15, 21] == 1
    made.undo()
    assert not made.labels.any()
    assert made.state.empty
    assert not made.state.prompts
    made.redo()
    assert made.labels[15, 21] == 1


def test_later_clicks_go_on_from_the_answer_and_a_new_box_starts_anew():
    made = session()
    made.box((10, 20), (20, 40))
    answer = made.state.masks[()]
    request = made.set_clicks((*made.clicks, Click((15.0, 45.0))))
    assert request is not None
    assert request.prior is answer
    made.apply(request, made.run(request))
    again = made.set_box((28, 4), (36, 12))
    assert again is not None
    assert again.prior is made.state.prompts[()].mask


def test_a_lasso_starts_from_its_inside_with_a_click_at_the_deepest_pixel():
    made = session()
    request = made.set_lasso([(5, 5), (5, 15), (25, 15), (25, 5)])
    assert request is not None
    assert request.prior is not None
    assert request.prior.full_mask((40, 60)).sum() == 200
    [click] = request.clicks
    assert 9 <= click.position[0] <= 20
    assert 9 <= click.position[1] <= 10


def test_a_stroke_is_a_chain_of_clicks_in_one_step():
    made = session()
    made.stroke([(20, x) for x in range(10, 50)])
    assert len(made.clicks) == 8
    assert (made.clicks[0].position, made.clicks[-1].position) == ((20.0, 10.0), (20.0, 49.0))
    made.stroke([(20, 48), (20, 49)], positive=False)
    assert made.labels[20, 49] == 0
    made.undo()
    assert made.labels[20, 49] == 1
    made.undo()
    assert made.state.empty


def test_prompts_are_acts_that_draw_the_same_again():
    made, again = session(), session()
    acts: list[Act] = []
    made.acted.connect(acts.append)
    made.box((10, 20), (20, 40))
    made.commit()
    made.lasso([(25, 5), (25, 15), (35, 15), (35, 5)])
    made.undo()
    made.redo()
    assert [act.name for act in acts if act.name != "apply"] == ["set_prompt", "commit", "set_prompt", "undo", "redo"]
    for act in acts:
        again.perform(act)
    assert np.array_equal(again.labels, made.labels)
    assert again.state.prompts[()].points == made.state.prompts[()].points


def test_an_object_that_is_there_is_corrected_by_a_box():
    labels = disk((40, 60), (15, 30), 4).astype(np.uint16) * 7
    made = session(labels=labels)
    made.resume(7)
    made.box((8, 20), (22, 40))
    assert made.commit() == 7
    assert labels[15, 22] == 7


@pytest.mark.parametrize(
    ("kind", "points", "sentence"),
    [
        ("box", [(10, 20), (10.5, 40)], "draw it around the object"),
        ("box", [(10, 20), (20, 90)], "outside the image"),
        ("lasso", [(5, 5), (5, 6), (5, 7)], "encloses no area"),
        ("star", [(5, 5), (9, 9)], "no prompt 'star'"),
    ],
)
def test_prompts_that_mean_nothing_change_nothing(kind: str, points: list, sentence: str):
    made = session()
    with pytest.raises(ValueError, match=sentence):
        made.set_prompt(kind, points)
    assert made.state.empty
    assert not made.can_undo


def test_a_box_lies_on_one_plane_of_a_movie():
    made = Session(np.zeros((3, 40, 60)), Disks())
    made.box((1, 10, 20), (1, 20, 40))
    assert made.labels[1].any()
    assert not made.labels[[0, 2]].any()
    with pytest.raises(ValueError, match="on 2"):
        made.set_box((0, 10, 20), (1, 20, 40))
    volumes = Session(np.zeros((9, 40, 60)), replace(Disks(), ndim=3))
    with pytest.raises(ValueError, match="sees volumes"):
        volumes.set_box((1, 10, 20), (1, 20, 40))
