"""Ledgers: a run goes on with what its table lacks, and other tables are refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from napari_clickseg.benchmark.sequence_tables import LEDGERS, Ledger

LEDGER = Ledger(
    "effort", ("source", "image", "model", "way", "clicks"), "way", ("a", "b"), lambda movie, predictor, name, way: []
)


def row(way: str, clicks: str = "1", image: str = "01") -> dict[str, str]:
    return {"source": "hela", "image": image, "model": "default", "way": way, "clicks": clicks}


def test_rows_are_appended_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "effort.csv"
    LEDGER.append(path, [row("a"), row("a", "2")])
    LEDGER.append(path, [row("b")])
    assert LEDGER.read(path) == [row("a"), row("a", "2"), row("b")]


def test_what_is_there_is_done(tmp_path: Path) -> None:
    path = tmp_path / "effort.csv"
    assert LEDGER.done(path) == set()
    LEDGER.append(path, [row("a")])
    assert LEDGER.done(path) == {("hela", "01", "default", "a")}


def test_the_second_movie_of_a_source_is_not_done_with_the_first(tmp_path: Path) -> None:
    path = tmp_path / "effort.csv"
    LEDGER.append(path, [row("a"), row("b")])
    assert ("hela", "02", "default", "a") not in LEDGER.done(path)


def test_a_packed_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "effort.csv"
    LEDGER.append(path, [row("a")])
    (tmp_path / "effort.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert LEDGER.read(tmp_path / "effort.csv.gz") == [row("a")]


def test_another_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "effort.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="is another table: wanted are the columns source, image, model"):
        LEDGER.read(tmp_path / "effort.csv")


@pytest.mark.parametrize("ledger", LEDGERS.values(), ids=list(LEDGERS))
def test_parts_have_a_column(ledger: Ledger) -> None:
    assert {"source", "model", ledger.part} <= set(ledger.columns)
    assert ledger.parts
