"""The page of the benchmark: its tables follow from the results beside it, and say what the numbers say."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from bench_rows import Row, rows_of
from napari_clickseg.benchmark.click_runs import COLUMNS
from napari_clickseg.benchmark.page import PLACES, PUBLISHED, fill

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
    for name in PUBLISHED:
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


def test_photographs_stand_beside_what_the_papers_report(results: Path):
    line = cells(fill("<!-- photographs: begin -->\n<!-- photographs: end -->", results), "ritm")
    assert line == ["ritm", "2.00 (2.00-2.00)", "1.68"]


def test_the_summary_tells_the_default_and_the_best_of_the_others(results: Path):
    rows = rows_of("dsb2018", "default", objects(FAST)) + rows_of("dsb2018", "geodesic", objects(SLOW))
    rows += [row for name in PUBLISHED for row in rows_of("dsb2018", name, objects(FAST if name == "ritm" else SLOW))]
    write(results, "clicks", rows)
    line = cells(fill("<!-- summary: begin -->\n<!-- summary: end -->", results), r"**average**")
    assert line[1:] == ["0.50", "0.95", "2.0", "2.0", "2.0", "5.0"]


def test_switched_refinements_stay_out_of_the_models_tables(results: Path):
    assert "flip" not in fill("<!-- averages: begin -->\n<!-- averages: end -->", results)


def test_a_claim_holds_fails_or_is_reversed(tmp_path: Path):
    pairs = {"ri-full": FAST, "ri-nomask": SLOW, "ri-bce": FAST, "fo-full": SLOW, "fo-single": FAST}
    pairs |= {"ab-gaussian": FAST, "ab-distance": FAST}
    rows = [row for name, curve in pairs.items() for row in rows_of("cells", name, objects(curve))]
    boxes = {"sp-box": FAST, "sp-maps": SLOW}
    rows += [row for name, curve in boxes.items() for row in rows_of("cells", name, objects(curve), robot="pair")]
    write(tmp_path, "ablations", rows)
    text = fill("<!-- ablations: begin -->\n<!-- ablations: end -->", tmp_path)
    verdicts = [line.strip("|").split("|")[-1].strip() for line in text.splitlines()[3:-1]]
    assert verdicts == ["not shown", "holds", "reversed", "holds", "not shown"]


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
