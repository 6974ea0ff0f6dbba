"""Suggestions without a window: what is shown, what clicks and keys do to it, and what becomes of it."""

from __future__ import annotations

import numpy as np
import pytest

from doubles import Disks, Seeing, disk
from napari_clickseg.gui.controllers.suggestions import Suggestions
from stage import PairDouble, Stage

SHAPE = (64, 64)
MIDDLES = ((12, 12), (12, 40), (44, 24))


def plane() -> np.ndarray:
    image = np.zeros(SHAPE, np.float32)
    for middle, quality in zip(MIDDLES, (0.9, 0.8, 0.4), strict=True):
        image[disk(SHAPE, middle, 6)] = quality
    return image


def made(model=None, shape=SHAPE, image=None):
    stage = Stage(model or Seeing())
    parts = (stage.workspace, stage.objects, stage.models, stage.layers, stage.viewport, stage.background)
    stage.suggestions = Suggestions(*parts, stage.preview, stage.reports)
    stage.objects.interrupts = (stage.suggestions.call_off,)
    pair = PairDouble(shape, stage.model)
    pair.session.image.array[...] = 0
    object.__setattr__(pair.session.image, "array", plane() if image is None else image)
    stage.show(pair)
    stage.background.long.run_all()
    return stage


@pytest.fixture
def stage():
    return made()


@pytest.fixture
def found(stage):
    stage.suggestions.suggest()
    stage.background.long.run_all()
    return stage


def counts(stage):
    return stage.suggestions.state.shown, stage.suggestions.state.found


def labels(stage):
    return stage.workspace.current.session.labels


def test_nothing_is_written_and_the_unsure_ones_are_kept_back(found):
    assert counts(found) == (2, 3)
    assert not labels(found).any()
    assert "2 suggestions" in found.says


def test_more_or_fewer_are_shown_at_once(found):
    found.suggestions.set_least(0.3)
    assert counts(found) == (3, 3)
    found.suggestions.set_least(0.85)
    assert counts(found) == (1, 3)


def test_a_click_accepts_and_the_other_button_dismisses(found):
    found.click(12, 40)
    assert (labels(found) > 0).sum() == disk(SHAPE, (12, 40), 6).sum()
    assert counts(found) == (1, 3)
    found.click(12, 12, primary=False)
    assert counts(found) == (0, 3)
    assert not found.workspace.current.session.clicks
    found.click(12, 12)
    assert found.workspace.current.session.clicks


def test_while_an_object_is_drawn_clicks_belong_to_it(found):
    found.click(44, 50)
    found.answer()
    found.click(12, 40)
    assert len(found.workspace.current.session.clicks) == 2
    assert counts(found)[1] == 3


def test_undo_brings_accepted_ones_back_as_suggestions(found):
    found.suggestions.accept_all()
    assert counts(found) == (0, 3)
    assert len(np.unique(labels(found))) == 3
    found.objects.undo()
    assert not labels(found).any()
    assert counts(found) == (2, 3)


def test_what_napari_s_brush_paints_takes_a_suggestion_s_place(found):
    session = found.workspace.current.session
    from napari_clickseg.core.regions import Region

    labels(found)[6:19, 6:19] = 5
    session.painted_by_hand(Region((6, 6), (19, 19)))
    assert counts(found) == (1, 3)


def test_esc_stops_a_search_then_dismisses_all(stage):
    stage.suggestions.suggest()
    assert stage.suggestions.busy
    stage.objects.cancel()
    assert not stage.suggestions.busy
    assert "nothing was written" in stage.says
    stage.suggestions.suggest()
    stage.background.long.run_all()
    stage.objects.cancel()
    assert counts(stage) == (0, 0)
    assert stage.objects.claim is None


def test_the_quality_of_the_one_under_the_pointer_is_told(found):
    found.viewport.point_at(12.0, 40.0)
    assert found.suggestions.state.quality == pytest.approx(0.8)
    assert "quality 0.80" in found.says
    found.viewport.point_at(60.0, 60.0)
    assert found.suggestions.state.quality is None


def test_a_drawn_box_limits_the_search(stage):
    stage.suggestions.suggest_in_box()
    assert stage.objects.armed == "suggest_in_box"
    stage.layers.traced.emit([(2.0, 28.0), (30.0, 60.0)], True, True)
    stage.background.long.run_all()
    assert counts(stage) == (1, 1)
    assert stage.objects.armed == ""


def test_a_box_beside_the_image_is_refused(stage):
    stage.suggestions.suggest_in_box()
    stage.layers.traced.emit([(80.0, 80.0), (90.0, 99.0)], True, True)
    assert "outside the image" in stage.says
    assert not stage.suggestions.busy


def test_all_frames_come_as_one_step():
    stage = made(shape=(2, *SHAPE), image=np.stack([plane(), plane()]))
    assert stage.suggestions.state.frames
    stage.suggestions.suggest_all_frames()
    stage.background.long.run_all()
    assert counts(stage) == (4, 6)
    stage.suggestions.accept_all()
    assert [len(np.unique(frame)) for frame in labels(stage)] == [3, 3]
    stage.objects.undo()
    assert not labels(stage).any()


def test_a_model_that_answers_clicks_alone_is_named():
    stage = made(Disks(radius=6))
    assert not stage.suggestions.state.can
    with pytest.raises(ValueError, match="one object at a time"):
        stage.suggestions.suggest()


def test_nothing_to_accept_is_said(stage):
    with pytest.raises(ValueError, match="No suggestions are shown"):
        stage.suggestions.accept_all()
