"""Ids beyond 32 bits stay apart where 32 bits must do."""

from __future__ import annotations

import numpy as np
import pytest

from napari_clickseg.core.labels import compacted


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_ids_that_fit_stay_as_they_are(dtype: type) -> None:
    labels = np.array([[0, 5, 200]], dtype)
    assert compacted(labels) is labels


@pytest.mark.parametrize("high", [2**31, 2**32, 2**32 + 5, 2**63 + 5])
def test_ids_that_would_become_one_stay_two_in_their_order(high: int) -> None:
    labels = np.array([[0, 5, high], [7, high, 0]], np.uint64)
    assert compacted(labels).tolist() == [[0, 1, 3], [2, 3, 0]]
    assert compacted(labels).dtype == np.int32


def test_what_is_below_zero_is_background() -> None:
    assert compacted(np.array([[-1, 2**40]])).tolist() == [[0, 1]]
