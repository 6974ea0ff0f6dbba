"""Tables of corrections, from rows that are written down."""

from __future__ import annotations

import numpy as np
import pytest

from napari_clickseg.benchmark.conversion import COLUMNS, Corrector, Row
from napari_clickseg.benchmark.correction_tables import (
    aims_table,
    failures_table,
    found_metrics,
    gains_of,
    gains_table,
    solved_of,
    who,
)
from napari_clickseg.core.metrics import DEBRIS, MISSED

UNET = Corrector("unet", "unet")


def row(protocol: str, image: str = "a", objects: int = 1, by: Corrector = UNET, **values: object) -> Row:
    place = {"source": "cells", "image": image, "objects": objects, "protocol": protocol}
    given = {**place, "labels": by.labels, "model": by.model, **values}
    return {column: str(given.get(column, "")) for column in COLUMNS}


def clicked(protocol: str, click: int, before: float, iou: float, mean: float = 0, **values: object) -> Row:
    numbers = {"click": click, "before": before, "iou": iou, "mean": mean, "harmed": 0, "seconds": 0.25}
    return row(protocol, **{**numbers, **values})


ROWS = [
    row("worst", click=0, mean=0.5),
    clicked("worst", 1, 0.2, 0.9, 0.7, object=1),
    clicked("worst", 2, 0.6, 0.5, 0.6, object=2),
    row("worst", image="b", objects=3, click=0, mean=0.9),
    clicked("worst", 1, 0.7, 0.8, 1.0, image="b", objects=3, object=1),
    row("random", click=0, mean=0.5),
    clicked("random", 1, 0.5, 0.6, 0.6, object=1),
    row("found", kind=MISSED, object=1, click=0),
    row("found", kind=MISSED, object=2, click=0),
    row("found", kind=DEBRIS, object=-4, click=0),
    clicked("alone", 1, 0.0, 0.8, kind=MISSED, object=1),
    clicked("alone", 2, 0.0, 0.9, kind=MISSED, object=1),
    clicked("alone", 1, 0.0, 0.8, kind=MISSED, object=2),
    clicked("alone", 1, 0.0, 0.9, kind=DEBRIS, object=-4, harmed=3),
]


def test_images_count_by_their_objects_and_keep_their_last_mean():
    gains = gains_of(ROWS, UNET, "worst")
    np.testing.assert_allclose(gains.means, [0.8, 0.925, 0.9])
    np.testing.assert_allclose(gains.gains, [(0.7 + 0.1) / 2, -0.1])


def test_the_deepest_fall_is_told_and_is_nothing_where_the_mean_rises():
    assert gains_of(ROWS, UNET, "worst").deepest_fall == pytest.approx(0.025)
    assert gains_of(ROWS, UNET, "random").deepest_fall == 0


def test_failures_are_solved_at_their_first_good_click():
    missed = solved_of(ROWS, UNET, [MISSED])
    assert (missed.found, missed.tried, missed.share) == (2, 2, 50)
    assert missed.clicks.tolist() == [2, np.inf]


def test_debris_is_solved_only_where_it_is_gone():
    assert solved_of(ROWS, UNET, [DEBRIS]).share == 0


def test_tables_have_a_line_for_every_model_and_the_papers_numbers():
    other = Corrector("unet", "default")
    rows = [*ROWS, *({**one, "model": "default"} for one in ROWS)]
    assert who(rows) == [UNET, other]
    assert "| unet | unet | worst | mean IoU, all objects | 80.0 | 92.5 | 90.0 |" in gains_table(rows)
    assert "| Jang and Kim, Table 4 |  |  | gain, clicked objects |  | +3.6 | +1.8 |" in gains_table(rows)
    assert "| default | unet | missed | 2 | 2 | 50 % | 2.0 | 250 |" in failures_table(rows)
    assert "| unet | unet | merged | 0 | 0 |  |  |  |" in failures_table(rows)


def test_aims_stand_beside_what_models_reached_on_their_own_labels():
    rows = [*ROWS, *({**one, "model": "default"} for one in ROWS)]
    told = aims_table(rows)
    assert told.startswith("|  | aim | unet |\n")
    assert "| +3.6 | +40.0 |" in told
    assert "| 80 % | 50 % |" in told
    assert "| pixels of other objects that changed | 0 | 3 |" in told


def test_a_card_is_told_what_the_model_finds_before_any_click():
    assert found_metrics(ROWS, "unet") == {"cells": {"images": 2, "objects": 4, "iou": 0.8, "iou above 0.85": 0.5}}
