"""Systems with backpropagating refinement against themselves without."""

from __future__ import annotations

from bench_rows import rows_of
from napari_clickseg.benchmark.correction_tables import backpropagation_table, models_with_both
from napari_clickseg.benchmark.results import collect

QUICK, SLOW = [0.5, 0.9, 0.9, 0.9], [0.5, 0.6, 0.7, 0.9]


def objects(curve: list[float]) -> dict[str, list[float]]:
    return {str(k): curve for k in range(5)}


def test_clicks_saved_and_time_spent_stand_side_by_side():
    rows = rows_of("cells", "ritm:brs=off", objects(SLOW), seconds=0.02)
    rows += rows_of("cells", "ritm:brs=on", objects(QUICK), seconds=0.05)
    table = backpropagation_table(collect(rows, "centre", 20))
    assert "| ritm | 5 | 4.00 | 2.00 | +2.00 (+2.00 to +2.00) | 20 | 50 | 2.5 |" in table


def test_models_that_ran_one_way_only_are_left_out():
    rows = rows_of("cells", "ritm:brs=off", objects(SLOW)) + rows_of("cells", "itis:brs=on", objects(QUICK))
    assert models_with_both(collect(rows, "centre", 20)) == []
