"""Reports: tables by source and model, averages, and the ratio to the best model without weights."""

from __future__ import annotations

from napari_clickseg.benchmark.report import collect, report
from napari_clickseg.benchmark.run import COLUMNS, Row


def rows_of(source: str, model: str, curves: dict[str, list[float]]) -> list[Row]:
    """Rows of objects on one image; a second per click."""
    rows = []
    for number, curve in curves.items():
        for k, value in enumerate(curve, start=1):
            values = [source, "a", "", number, "100", "centre", model, str(k), "0", "0", "1", str(value), "1.0"]
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


ROWS = [
    *rows_of("cells", "default", {"1": [0.95], "2": [0.8, 0.92]}),
    *rows_of("cells", "geodesic", {"1": [0.5, 0.8, 0.91], "2": [0.4, 0.5, 0.95]}),
    *rows_of("cells", "superpixels", {"1": [0.5, 0.6, 0.7, 0.7], "2": [0.5, 0.6, 0.7, 0.7]}),
    *rows_of("stack", "default", {"1": [0.9]}),
    *rows_of("stack", "geodesic", {"1": [0.1, 0.95]}),
]


def line(text: str, section: str, model: str) -> list[str]:
    """The cells of a model's row in a section."""
    part = text.split(f"## {section}\n")[1].split("\n## ")[0]
    row = next(row for row in part.splitlines() if row.startswith(f"| {model} "))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_source_table_has_every_number() -> None:
    cells = line(report(collect(ROWS, "centre", 4), "centre", 4), "cells", "default")
    assert cells[1] == "2"
    assert cells[2:5] == ["0.875", "0.935", "0.935"]
    assert cells[8].startswith("1.50 (")
    assert cells[9] == "0"
    assert cells[11:] == ["1000", "1000", "0.50"]


def test_the_ratio_is_to_the_best_model_without_weights_on_the_same_objects() -> None:
    text = report(collect(ROWS, "centre", 4), "centre", 4)
    assert line(text, "cells", "geodesic")[-1] == "1.00"
    assert line(text, "cells", "superpixels")[-1] == "1.33"


def test_averages_count_sources_alike_and_leave_out_models_that_did_not_run_everywhere() -> None:
    text = report(collect(ROWS, "centre", 4), "centre", 4)
    cells = line(text, "Average over the microscopy sources", "default")
    assert cells[1] == "2"
    assert cells[-2:] == ["1.25", "0.50"]
    assert "superpixels" not in text.split("## cells")[0]


def test_photographs_do_not_count_as_microscopy() -> None:
    rows = [*ROWS, *rows_of("natural_photos", "default", {"1": [0.1]})]
    text = report(collect(rows, "centre", 4), "centre", 4)
    assert line(text, "Average over the microscopy sources", "default")[1] == "2"
    assert line(text, "Average over all sources", "default")[1] == "3"


def test_other_robots_are_not_mixed_in() -> None:
    assert collect(ROWS, "human", 4) == {}
