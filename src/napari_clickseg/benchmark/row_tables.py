"""Row tables: rows that are values of one dataclass, added to a CSV as they come, and read again."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

R = TypeVar("R")


def append_rows(path: Path, rows: Iterable[Any]) -> None:
    """Add rows, values of one dataclass, to a CSV as they come."""
    with open(path, "a", newline="", encoding="utf-8") as handle:
        for row in rows:
            table = csv.DictWriter(handle, [column.name for column in fields(row)], lineterminator="\n")
            if handle.tell() == 0:
                table.writeheader()
            table.writerow(asdict(row))
            handle.flush()


def read_rows(path: Path, kind: type[R]) -> list[R]:
    """Read what `append_rows` wrote, as values of its dataclass; nothing where there is no file."""
    if not path.exists():
        return []
    kinds = {"int": int, "float": float, "str": str}
    columns = [(column.name, kinds[str(column.type)]) for column in fields(kind)]  # type: ignore[arg-type]
    with open(path, newline="", encoding="utf-8") as handle:
        values: list[dict[str, Any]] = [
            {name: convert(row[name]) for name, convert in columns} for row in csv.DictReader(handle)
        ]
    return [kind(**row) for row in values]
