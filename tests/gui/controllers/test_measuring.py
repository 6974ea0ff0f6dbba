"""Measuring: the features of the objects in view follow what is drawn and which frame is in view."""

from __future__ import annotations

import numpy as np
import pytest

from napari_clickseg.gui.controllers.measuring import Measuring
from stage import PairDouble, Stage


class Tabled(PairDouble):
    """Keeps the table that it was given."""

    def __init__(self, shape=(64, 64)) -> None:
        super().__init__(shape)
        self.table: dict = {}

    def show_features(self, columns) -> None:
        self.table = dict(columns)


@pytest.fixture
def stage():
    made = Stage()
    made.frames = made.viewport  # it is stepped as the viewport is
    made.measuring = Measuring(made.workspace, made.frames, made.background, made.reports)
    made.measuring.open()
    made.show(Tabled())
    return made


def settle(stage):
    stage.background.ring()
    stage.background.files.run_all()
    return stage.workspace.current.table


def test_nothing_is_measured_before_it_is_asked_for(stage):
    stage.workspace.current.session.labels[3:5, 3:8] = 2
    stage.workspace.drawn.emit(stage.workspace.current)
    assert settle(stage) == {}


def test_a_row_per_object_the_background_first(stage):
    stage.workspace.current.session.labels[3:5, 3:8] = 2
    stage.measuring.measure()
    table = settle(stage)
    assert table["index"] == [0, 2]
    assert table["area"][1] == 10.0
    assert table["centroid_x"][1] == 5.0


def test_the_table_follows_what_is_drawn_and_the_frame_in_view(stage):
    pair = stage.show(Tabled((2, 64, 64)))
    pair.session.labels[1, :4, :4] = 7
    stage.measuring.measure()
    assert settle(stage)["index"] == [0]
    stage.viewport.show_frame(pair, (1,))
    assert settle(stage)["area"][1] == 16.0
    pair.session.labels[1, 4:8, :4] = 7
    stage.workspace.drawn.emit(pair)
    assert settle(stage)["area"][1] == 32.0


def test_switched_off_the_table_is_emptied(stage):
    stage.workspace.current.session.labels[3:5, 3:8] = 2
    stage.measuring.measure()
    settle(stage)
    stage.measuring.measure()
    assert settle(stage) == {}
    assert np.array_equal(np.unique(stage.workspace.current.session.labels), [0, 2])


def test_the_class_of_an_object_stands_in_the_table(stage):
    pair = stage.workspace.current
    pair.session.labels[3:5, 3:8] = 2
    stage.measuring.measure()
    pair.session.classify({2: "dead"})
    assert settle(stage)["class"] == [None, "dead"]
    pair.session.undo()
    assert settle(stage)["class"] == [None, ""]
