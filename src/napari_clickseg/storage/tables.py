"""Files: images into `Image`, labels and tables onto disk. A file that we write is there as a whole or not at all.

What a file says about its axes and its spacing is taken over; what it leaves open, the caller may name.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from napari_clickseg.core.clicks import Click
from napari_clickseg.storage.atomic import written_whole

WHOLE = 1e-6
"""What an index of a frame may be off a whole number, as programs round."""
TRUE_WORDS = {"1", "true", "yes", "positive", "+", "1.0"}
FALSE_WORDS = {"0", "false", "no", "negative", "-", "0.0", "-1"}


def read_clicks_csv(path: str | Path, axes: Sequence[str], ndim: int | None = None) -> dict[int, list[Click]]:
    """Read a table of clicks: columns `object`, `positive`, then one column per axis, named as in `axes`.

    Columns are separated by commas, or, as spreadsheets of some countries write them, by semicolons.

    Parameters
    ----------
    ndim : int, optional
        How many of the last axes the model sees: along those before them, clicks lie on whole frames. Not checked
        where absent.

    Returns
    -------
    dict
        Clicks of each object in the order of the rows, by object id.

    Raises
    ------
    ValueError
        With the line and what is wanted, where a column or a value is missing or unreadable.
    """
    names = [axis.lower() for axis in axes]
    objects: dict[int, list[Click]] = {}
    with open(path, newline="", encoding="utf-8-sig") as handle:
        header = handle.readline()
        handle.seek(0)
        separator = ";" if ";" in header and "," not in header else ","
        rows = csv.DictReader(handle, skipinitialspace=True, delimiter=separator)
        rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or []]
        missing = [name for name in ("object", "positive", *names) if name not in rows.fieldnames]
        if missing:
            wanted, found = ", ".join(names), ", ".join(rows.fieldnames) or "none"
            raise ValueError(
                f"{path} has no column {', '.join(missing)}: it needs object, positive, {wanted} (found {found})."
            )
        for row in rows:
            where = f"{path}, line {rows.line_num}"
            number, click = _row_to_click(row, names, where)
            _check_whole(click, names[: 0 if ndim is None else len(names) - ndim], where)
            objects.setdefault(number, []).append(click)
    return objects


def write_clicks_csv(path: str | Path, objects: Mapping[int, Iterable[Click]], axes: Sequence[str]) -> None:
    """Write clicks as the table that `read_clicks_csv` reads."""
    with open(path, "w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle)
        table.writerow(["object", "positive", *(axis.lower() for axis in axes)])
        for number, clicks in objects.items():
            table.writerows([number, int(click.positive), *click.position] for click in clicks)


def _check_whole(click: Click, frame_names: Sequence[str], where: str) -> None:
    """Raise ValueError where a click lies between two frames."""
    for name, p in zip(frame_names, click.position, strict=False):
        if abs(p - round(p)) > WHOLE:
            raise ValueError(f"{where}: {name} is {p:g}, but it counts frames; write a whole number, from 0 on.")


def _row_to_click(row: Mapping[str, str | None], names: Sequence[str], where: str) -> tuple[int, Click]:
    word = (row["positive"] or "").strip().lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise ValueError(f"{where}: 'positive' is {word!r}; write 1 for the object and 0 for the background.")
    try:
        position = tuple(float(row[name] or "") for name in names)
        number = float(row["object"] or "")
    except ValueError:
        raise ValueError(f"{where}: 'object' and {', '.join(names)} must be numbers.") from None
    if not all(math.isfinite(p) for p in position):
        raise ValueError(f"{where}: {', '.join(names)} must be finite numbers.")
    if not (number >= 1 and number.is_integer()):
        raise ValueError(f"{where}: object ids are whole numbers from 1 on (0 is the background), not {number:g}.")
    return int(number), Click(position, word in TRUE_WORDS)


def write_table(path: Path, rows: Sequence[Mapping[str, object]], columns: Sequence[str] = ()) -> None:
    """Write rows as CSV, under these columns or those that the first row names.

    Raises
    ------
    ValueError
        Where there are neither columns nor rows, or a row has columns of its own.
    OSError
        Where the disk refuses; no part of the file is left then.
    """
    columns = columns or list(rows[0] if rows else ())
    if not columns:
        raise ValueError(f"There are no rows to write to {path}, and so no columns.")
    with written_whole(path) as unfinished, open(unfinished, "w", newline="", encoding="utf-8") as handle:
        table = csv.DictWriter(handle, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


@contextmanager
def open_table(path: Path) -> Iterator[csv.DictReader[str]]:
    """Give the reader of a CSV, which may be packed (.csv.gz); what its columns are is for the caller to check."""
    unpacked = gzip.open if path.suffix == ".gz" else open
    with unpacked(path, "rt", newline="", encoding="utf-8") as handle:
        yield csv.DictReader(handle)
