"""Ledgers: what is measured of sequences, a table of rows per question; a run goes on with what its table lacks."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_clickseg.benchmark import carrying, desk, effort, looking
from napari_clickseg.benchmark.sequences import Movie
from napari_clickseg.core.requests import Predictor
from napari_clickseg.storage.tables import open_table

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Ledger:
    """One question about sequences.

    Attributes
    ----------
    file : str
        Name of its table, without ending.
    columns : tuple of str
    part : str
        The column that tells the parts of the work on one movie apart.
    parts : tuple of str
        Its values.
    measure : callable
        (movie, predictor, model's name, part) -> rows.
    """

    file: str
    columns: tuple[str, ...]
    part: str
    parts: tuple[str, ...]
    measure: Callable[[Movie, Predictor, str, str], list[Row]]

    def read(self, path: Path) -> list[Row]:
        """Return the rows of a table, which may be packed (.csv.gz).

        Raises
        ------
        ValueError
            Where its columns are others.
        """
        with open_table(path) as table:
            if tuple(table.fieldnames or ()) != self.columns:
                raise ValueError(f"{path} is another table: wanted are the columns {', '.join(self.columns)}.")
            return list(table)

    def done(self, path: Path) -> set[tuple[str, str, str]]:
        """Source, model and part of all that a table holds."""
        rows = self.read(path) if path.exists() else []
        return {(row["source"], row["model"], row[self.part]) for row in rows}

    def append(self, path: Path, rows: Sequence[Row]) -> None:
        """Add rows to a table, which is begun where there is none."""
        with open(path, "a", newline="", encoding="utf-8") as handle:
            table = csv.DictWriter(handle, self.columns, lineterminator="\n")
            if handle.tell() == 0:
                table.writeheader()
            table.writerows(rows)


LEDGERS: dict[str, Ledger] = {
    "effort": Ledger("effort", desk.COLUMNS, "way", tuple(effort.WAYS), effort.measure),
    "review": Ledger("review", looking.COLUMNS, "labels", tuple(looking.KINDS), looking.measure),
    "cost": Ledger("carrying", carrying.COLUMNS, "part", tuple(carrying.PARTS), carrying.measure),
}
"""By what is asked."""
