"""What labels got wrong, told by eye from small arrays."""

from __future__ import annotations

import numpy as np
import pytest

from napari_clickseg.core.metrics import DEBRIS, MERGED, MISSED, OUTLINE, Failure, find_failures, overlaps


def boxes(*columns: tuple[int, int, int]) -> np.ndarray:
    """Labels on 10 x 60 pixels: (label, first column, last column excluded), all rows."""
    labels = np.zeros((10, 60), np.int32)
    for label, start, stop in columns:
        labels[:, start:stop] = label
    return labels


TRUTH = boxes((1, 0, 10), (2, 10, 20), (3, 40, 50))


@pytest.mark.parametrize(
    ("found", "failures"),
    [
        (TRUTH, []),
        (boxes((7, 0, 10), (8, 10, 20)), [Failure(MISSED, 3, 0, 0.0, 100)]),
        (boxes((7, 0, 10), (8, 10, 20), (9, 40, 42)), [Failure(MISSED, 3, 0, 0.2, 100)]),
        (boxes((7, 0, 10), (8, 10, 20), (9, 40, 46)), [Failure(OUTLINE, 3, 9, 0.6, 100)]),
        (
            boxes((7, 0, 20), (9, 40, 50)),
            [Failure(MERGED, 1, 7, 0.5, 100), Failure(MERGED, 2, 7, 0.5, 100)],
        ),
        (
            boxes((7, 0, 10), (8, 10, 20), (9, 40, 50), (4, 25, 35)),
            [Failure(DEBRIS, 0, 4, 0.0, 100)],
        ),
    ],
    ids=["all right", "missed", "barely touched", "too small", "merged", "debris"],
)
def test_each_failure_has_its_kind(found: np.ndarray, failures: list[Failure]):
    assert find_failures(TRUTH, found) == failures


def test_an_object_of_a_good_enough_label_is_no_failure():
    assert find_failures(boxes((1, 0, 20)), boxes((5, 0, 17))) == []
    assert [f.kind for f in find_failures(boxes((1, 0, 20)), boxes((5, 0, 16)))] == [OUTLINE]


def test_true_objects_too_small_to_count_are_neither_missed_nor_make_debris():
    truth = boxes((1, 0, 2), (2, 20, 30))
    assert find_failures(truth, boxes((4, 20, 30))) == []
    assert find_failures(truth, boxes((3, 0, 2), (4, 20, 30))) == []


def test_the_label_that_covers_most_of_an_object_is_taken_up():
    both = overlaps(boxes((1, 0, 20)), boxes((5, 0, 8), (6, 8, 20)))
    assert both.most_on(1) == 6
    assert both.best() == {1: 0.6}


def test_without_labels_all_is_missed():
    assert [f.kind for f in find_failures(TRUTH, np.zeros_like(TRUTH))] == [MISSED] * 3
