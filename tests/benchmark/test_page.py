"""The page of the benchmark: its tables follow from the results beside it, and say what the numbers say."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from bench_rows import Row, rows_of
from napari_clickseg.benchmark.click_runs import COLUMNS
from napari_clickseg.benchmark.page import FIVE, PLACES, fill

DOCS = Path(__file__).parents[2] / "docs"
SLOW, FAST = [0.5, 0.6, 0.7, 0.8, 0.95], [0.5, 0.95, 0.95, 0.95, 0.95]


def write(folder: Path, name: str, rows: list[Row]) -> None:
    folder.mkdir(exist_ok=True)
    with gzip.open(folder / f"{name}.csv.gz", "wt", newline="", encoding="utf-8") as handle:
        table = csv.DictWriter(handle, COLUMNS)
        table.writeheader()
        table.writerows(rows)


def cells(text: str, first: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def objects(curve: list[float]) -> dict[str, list[float]]:
    return {str(k): curve for k in range(8)}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    rows = rows_of("cells", "default", objects(FAST)) + rows_of("natural_grabcut", "default", objects(SLOW))
    for name in FIVE:
        rows += rows_of("cells", name, objects(SLOW)) + rows_of("natural_grabcut", name, objects(FAST))
    write(tmp_path, "clicks", [*rows, *rows_of("cells", "ritm:flip=off", objects(SLOW))])
    return tmp_path


def test_prose_stays_and_places_are_filled_anew(results: Path):
    page = "# Title\n\n<!-- aims: begin -->\nold\n<!-- aims: end -->\n\nProse.\n"
    once = fill(page, results)
    assert "old" not in once
    assert once.startswith("# Title\n\n<!-- aims: begin -->\n| average")
    assert once.endswith("<!-- aims: end -->\n\nProse.\n")
    assert fill(once, results) == once


def test_the_default_is_set_beside_the_best_of_the_five(results: Path):
    line = cells(fill("<!-- aims: begin -->\n<!-- aims: end -->", results), "NoC@90")
    assert line == ["NoC@90", "2.00", "5.00 (`itis`)", "40 %", "1 of 1"]


def test_the_summary_tells_the_default_and_the_best_of_the_others(results: Path):
    rows = rows_of("dsb2018", "default", objects(FAST))
    rows += [row for name in FIVE for row in rows_of("dsb2018", name, objects(FAST if name == "ritm" else SLOW))]
    write(results, "clicks", rows)
    line = cells(fill("<!-- summary: begin -->\n<!-- summary: end -->", results), r"**average**")
    assert line[1:] == ["", "0.50", "0.95", "2.0", "2.0", "2.0", "2.0"]


def test_switched_refinements_stay_out_of_the_models_tables(results: Path):
    assert "flip" not in fill("<!-- averages: begin -->\n<!-- averages: end -->", results)


def test_a_part_of_a_system_is_judged_by_the_area_under_the_curve(tmp_path: Path):
    curves = {"ritm": FAST, "ritm:flip=off": SLOW, "ritm:zoom=off": FAST, "forte99": SLOW, "forte99:guided=off": FAST}
    curves |= {"default": FAST, "default:obey=off": FAST, "default:closer=off": [0.5, 0.95, 0.85, 0.95, 0.95]}
    twelve = [r for name, curve in curves.items() for r in rows_of("cells", name, {str(k): curve for k in range(12)})]
    write(tmp_path, "refinements", twelve)
    lines = fill("<!-- refinements: begin -->\n<!-- refinements: end -->", tmp_path).splitlines()[3:-1]
    parts = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [part[-1] for part in parts] == ["helps", "not shown", "harms", "not shown", "helps"]
    assert parts[0][2:5] == ["12", "5.00", "2.00"]
    assert parts[-1][-3:-1] == ["25.0", "0.0"]
    write(tmp_path, "refinements", [row for row in twelve if int(row["object"]) < 9])
    text = fill("<!-- refinements: begin -->\n<!-- refinements: end -->", tmp_path)
    assert text.count("too few objects") == 5


def test_a_place_that_nothing_fills_is_refused_with_those_that_there_are(tmp_path: Path):
    with pytest.raises(ValueError, match=r"Nothing fills weather on the page; it may have sources at ninety"):
        fill("<!-- weather: begin -->\n<!-- weather: end -->", tmp_path)


@pytest.mark.parametrize("path", [DOCS / "benchmark.md", DOCS.parent / "README.md"])
def test_committed_pages_say_what_the_committed_results_say(path: Path):
    page = path.read_text(encoding="utf-8")
    assert "<!-- summary: begin -->" in page
    assert fill(page, DOCS / "results") == page


def test_the_benchmarks_page_has_every_table():
    page = (DOCS / "benchmark.md").read_text(encoding="utf-8")
    assert all(f"<!-- {name}: begin -->" in page for name in PLACES)
