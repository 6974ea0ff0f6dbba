"""Systems beside the default, each on the objects that it saw; what first corrections do: from rows written down."""

from __future__ import annotations

import numpy as np
import pytest

from bench_rows import Row, rows_of
from napari_clickseg.benchmark.system_tables import first_corrections_table, share_interval, systems_table

FAST, SLOW = [0.6, 0.9, 0.9], [0.5, 0.6, 0.9]


def cells(text: str) -> list[list[str]]:
    """A table's lines below its head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def clicked(model: str, curve: list[float], count: int, robot: str = "centre") -> list[Row]:
    return rows_of("cells", model, {str(k): curve for k in range(count)}, robot)


def test_each_system_stands_beside_the_default_on_the_objects_that_it_saw():
    rows = clicked("default", FAST, 5) + clicked("itis", SLOW, 3) + clicked("itis", FAST, 2, "cluster")
    default, itis, cluster = cells(systems_table(rows, ("default", "itis")))
    assert default[:6] == ["default", "centre", "1", "5", "0.600", "2.00 (2.00-2.00)"]
    assert default[-2:] == ["", ""]
    assert itis[:6] == ["itis", "centre", "1", "3", "0.500", "3.00 (3.00-3.00)"]
    assert itis[-2] == "+1.00 (+1.00 to +1.00)"
    assert itis[-1].startswith("-0.")
    assert cluster[1:4] == ["cluster (its paper's)", "1", "2"]
    assert cluster[-2:] == ["", ""]


def test_photographs_and_corrections_of_masks_stay_out():
    rows = clicked("default", FAST, 2) + rows_of("natural_grabcut", "default", {"1": SLOW})
    rows += rows_of("cells", "default", {"9": [0.1, *SLOW]}, start="damaged")
    assert cells(systems_table(rows, ("default",)))[0][2:5] == ["1", "2", "0.600"]


def test_of_one_object_there_is_no_interval():
    rows = clicked("default", FAST, 1) + clicked("itis", SLOW, 1)
    _, itis = cells(systems_table(rows, ("default", "itis")))
    assert (itis[5], itis[-2]) == ("3.00", "+1.00")


def test_costly_clicks_are_those_that_lose_more_than_five_points():
    rows = clicked("default", [0.9, 0.8, 0.9], 2)
    assert cells(systems_table(rows, ("default",)))[0][8] == "50.0"


def test_masks_that_the_first_click_made_worse_are_counted_by_kind_of_start():
    curves = {"1": [0.5, 0.4, 0.9], "2": [0.5, 0.48, 0.6], "3": [0.5, 0.8, 0.9], "4": [0.5, 0.5]}
    rows = rows_of("cells", "m", curves, start="cut") + rows_of("cells", "m", {"1": [0.4, 0.7]}, start="automatic")
    automatic, damaged = cells(first_corrections_table(rows, ("m",)))
    assert automatic[:3] == ["automatic", "m", "1"]
    assert damaged[:5] == ["damaged", "m", "4", "50 % (15-85)", "25 %"]
    assert damaged[5:] == ["0.500", "0.545", "0.725"]


@pytest.mark.parametrize(("count", "of"), [(0, 10), (3, 10), (10, 10)])
def test_the_interval_of_a_share_holds_it_and_lies_between_0_and_1(count: int, of: int):
    low, high = share_interval(count, of)
    assert 0 <= low <= count / of <= high + 1e-12
    assert high <= 1
    assert np.diff(share_interval(30 * count, 30 * of)) < high - low
