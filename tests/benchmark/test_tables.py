"""Reports: tables by source and model, averages, marks, robots, bad masks, time and memory."""

from __future__ import annotations

import numpy as np
import pytest

from bench_rows import Row, rows_of
from napari_clickseg.benchmark.results import collect
from napari_clickseg.benchmark.tables import card_metrics, ranking, report

ROWS = [
    *rows_of("cells", "default", {"1": [0.95, 0.95, 0.95], "2": [0.80, 0.92, 0.96]}, seconds=0.01),
    *rows_of("cells", "ritm", {"1": [0.50, 0.80, 0.91], "2": [0.40, 0.50, 0.95]}, seconds=0.04),
    *rows_of("cells", "geodesic", {"1": [0.50, 0.60, 0.70], "2": [0.50, 0.60, 0.70]}),
    *rows_of("stack", "default", {"1": [0.90, 0.91, 0.92]}, seconds=0.01),
    *rows_of("stack", "ritm", {"1": [0.90, 0.95, 0.95]}, seconds=0.04),
]


def written(rows: list[Row] = ROWS, clicks: int = 20, peaks: dict[str, float] | None = None) -> str:
    return report(collect(rows, "centre", clicks), peaks)


def cells(text: str, section: str, first: str, table: int = 0) -> dict[str, str]:
    """The line that begins with `first`, by column, in the n-th table of a section."""
    part = text.split(f"## {section}\n")[1].split("\n## ")[0]
    lines = [block for block in part.split("\n\n") if block.lstrip().startswith("|")][table].strip().splitlines()
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    line = next(line for line in split if line[0] == first)
    return dict(zip(split[0], line, strict=True))


def noisy(source: str, model: str, clicks: int, seed: int) -> list[Row]:
    """Thirty objects that reach 90 % around the click."""
    needed = np.random.default_rng(seed).integers(clicks - 2, clicks + 3, 30)
    return rows_of(source, model, {f"{k:02}": [0.5] * (n - 1) + [0.9] * (21 - n) for k, n in enumerate(needed)})


def test_the_first_table_sets_models_side_by_side() -> None:
    line = cells(written(), "NoC@90", "cells")
    assert list(line) == ["source", "objects", "default", "ritm", "geodesic"]
    assert line["objects"] == "2"
    assert line["default"] == "**1.50** (1.00-2.00)"
    assert line["ritm"] == "3.00 (3.00-3.00)"
    assert cells(written(), "NoC@90", "stack")["geodesic"] == ""


def test_what_cannot_be_told_from_the_best_is_marked() -> None:
    rows = noisy("cells", "a", 5, 0) + noisy("cells", "b", 5, 1) + noisy("cells", "c", 8, 2)
    line = cells(written(rows), "NoC@90", "cells")
    assert sum("**" in line[name] for name in "abc") == 1
    assert sum(line[name].endswith("≈") for name in "ab") == 1
    assert not line["c"].endswith("≈")


def test_equals_are_all_the_best() -> None:
    rows = rows_of("cells", "a", {"1": [0.5, 0.9]}) + rows_of("cells", "b", {"1": [0.7, 0.9]})
    line = cells(written(rows), "NoC@90", "cells")
    assert (line["a"], line["b"]) == ("**2.00** (2.00-2.00)", "**2.00** (2.00-2.00)")


def test_where_nothing_was_solved_nothing_is_the_best() -> None:
    rows = rows_of("cells", "a", {"1": [0.5, 0.6]}) + rows_of("cells", "b", {"1": [0.7, 0.8]})
    line = cells(written(rows), "NoC@90", "cells")
    assert (line["a"], line["b"]) == ("2.00 (2.00-2.00)", "2.00 (2.00-2.00)")
    rows += rows_of("stack", "a", {"1": [0.5, 0.9]}) + rows_of("stack", "b", {"1": [0.9, 0.9]})
    assert "**" not in cells(written(rows), "NoC@90", "cells")["b"]
    assert cells(written(rows), "NoC@90", "**average over microscopy**")["b"].startswith("**1.50**")


def test_the_legend_names_the_last_click_that_was_given() -> None:
    assert "the last click (3 at most) where" in written().replace("\n", " ")
    assert "the last click (20 at most) where" in written(rows_of("cells", "a", {"1": [0.5] * 100}), 100)


def test_few_objects_are_warned_of() -> None:
    assert "Fewer than 10 objects (cells: 2, stack: 1)" in written()
    assert "Fewer than" not in written(noisy("cells", "a", 5, 0))


def test_one_source_is_not_told_twice() -> None:
    rows = ROWS[:18] + rows_of("cells", "default", {"1": [0.5, 0.9, 0.9]}, robot="human")
    rows += rows_of("cells", "default", {"1": [0.5, 0.9, 0.9]}, start="cut")
    text = written(rows)
    assert text.count("by robot") == text.count("correct a bad mask") == 1
    assert "## Robots" not in text


def test_the_average_leaves_out_photographs_and_models_that_did_not_run_everywhere() -> None:
    rows = ROWS + [row for name in ("default", "ritm") for row in rows_of("natural_photos", name, {"1": [0.1] * 3})]
    line = cells(written(rows), "NoC@90", "**average over microscopy**")
    assert line["default"].startswith("**1.25**")
    assert line["geodesic"] == ""
    average = cells(written(rows), "Averages over the microscopy sources", "default")
    assert average["IoU@1"] == "0.887"
    assert average["NoC@90"] == "1.25"
    assert cells(written(rows), "Averages over the microscopy sources", "ritm", 1)["boundary F@1"] == "0.575"


def test_models_stand_in_the_order_of_their_clicks() -> None:
    assert ranking(collect(ROWS, "centre", 20)) == ["default", "ritm", "geodesic"]


def test_photographs_alone_have_an_order_and_no_average() -> None:
    rows = rows_of("natural_photos", "a", {"1": [0.5, 0.9]}) + rows_of("natural_photos", "b", {"1": [0.9, 0.9]})
    assert ranking(collect(rows, "centre", 20)) == ["b", "a"]
    assert "average over" not in written(rows).lower()
    assert "Averages over" not in written(rows)


def test_a_source_tells_clicks_set_curve_shares_and_edges() -> None:
    text = written()
    clicks = cells(text, "cells", "ritm")
    assert clicks["NoC@80"] == "2.50 (2.00-3.00)"
    assert clicks["unsolved, %"] == "0"
    assert clicks["ms"] == "40"
    assert cells(text, "cells", "geodesic")["unsolved, %"] == "100"
    assert cells(text, "cells", "ritm", 1) == {"model": "ritm", "80 %": "3", "85 %": "3", "90 %": "3", "95 %": "> 3"}
    assert cells(text, "cells", "ritm", 2) == {
        "model": "ritm",
        "1": "0.450",
        "2": "0.650",
        "3": "0.930",
        "AuC": "0.670",
    }
    assert cells(text, "cells", "default", 3) == {"model": "default", "90 @1": "50", "95 @1": "50", "99 @1": "0"}
    assert cells(text, "cells", "ritm", 4)["boundary F@1"] == "0.350"
    assert cells(text, "cells", "ritm", 4)["corrected"] == "0.50"


def test_a_long_run_tells_what_a_hundred_clicks_solve() -> None:
    rows = rows_of("cells", "a", {"1": [0.5] * 40 + [0.95] * 60, "2": [0.5] * 100})
    line = cells(written(rows, 100), "cells", "a")
    assert line["NoC@90"].startswith("20.00 ")
    assert line["NoC100@90"].startswith("70.50 ")
    assert (line["unsolved, %"], line["unsolved after 100, %"]) == ("100", "50")
    assert "NoC100@90" not in cells(written(rows, 20), "cells", "a")


def test_time_and_memory_are_shares_of_the_reference() -> None:
    line = cells(written(peaks={"default": 300, "ritm": 600}), "Time and memory", "default")
    assert (line["ms per click"], line["ms p95"], line["peak MB"]) == ("10", "10", "300")
    assert (line["median of `ritm`'s"], line["peak of `ritm`'s"]) == ("0.25", "0.50")


def test_without_the_reference_there_are_no_shares_of_it() -> None:
    line = cells(written(rows_of("cells", "a", {"1": [0.9]}), peaks={"a": 300}), "Time and memory", "a")
    assert list(line) == ["model", "clicks", "ms per click", "ms p95", "peak MB"]


def test_memory_that_was_not_measured_is_left_empty() -> None:
    assert cells(written(), "Time and memory", "default")["peak MB"] == ""


def test_robots_stand_side_by_side_on_the_same_objects() -> None:
    rows = ROWS + rows_of("cells", "default", {"2": [0.5, 0.5, 0.95]}, robot="human")
    line = cells(written(rows), "cells", "default", 5)
    assert line == {"model": "default", "centre": "2.00", "human": "3.00"}
    assert "with all robots (1):" in written(rows)
    assert "## Robots" not in written(rows), "the other robot did not click on all sources"


def test_one_robot_needs_no_table() -> None:
    assert "by robot" not in written()


def test_corrections_are_told_by_kind_of_bad_mask() -> None:
    curve = [0.6, 0.7, 0.7, 0.7, 0.95]
    rows = ROWS + rows_of("cells", "default", {"1": curve, "2": [0.92, *curve[1:]]}, start="merged")
    text = written(rows)
    line = cells(text, "From a bad mask", "merged")
    assert line["objects"] == "2"
    assert (line["IoU@0"], line["IoU@1"], line["IoU@4"]) == ("0.760", "0.700", "0.950")
    assert line["NoC@90"] == "2.00"
    assert cells(text, "cells", "merged", 5) == line
    assert "From a bad mask" not in written()


def test_objects_that_not_all_models_saw_are_counted() -> None:
    rows = ROWS + rows_of("stack", "default", {"2": [0.9, 0.9, 0.9]})
    assert cells(written(rows), "NoC@90", "stack")["objects"] == "1 of 2"


def test_a_card_tells_of_each_source_on_which_the_model_ran() -> None:
    metrics = card_metrics(collect(ROWS, "centre", 20), "geodesic")
    assert metrics.keys() == {"cells"}
    assert metrics["cells"]["objects"] == 2
    assert metrics["cells"]["iou@1"] == pytest.approx(0.5)
    assert metrics["cells"]["noc@90"] == 3
