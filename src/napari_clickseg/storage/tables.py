"""Tables: one reader for all CSVs (clicks, index, measurements), however a spreadsheet saved them, and their writers.

Encoding, separator and decimal sign are found out, since spreadsheets choose them by country and never say. Numbers
stay texts here; `number` reads them.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from napari_clickseg.core.clicks import Click
from napari_clickseg.storage.atomic import written_whole

SEPARATORS = ",;\t|"
"""In this order where a header holds as many of each."""
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NO_TABLES = {b"PK\x03\x04": "an Excel workbook", b"\xd0\xcf\x11\xe0": "an Excel workbook", b"%PDF": "a PDF"}
"""What files are that begin so."""
LONGEST_CELL = 1 << 24
"""Characters; a longer cell is one whose quotation mark was never closed."""
WHOLE = 1e-6
"""What an index of a frame may be off a whole number, as programs round."""
Position = tuple[float, ...]
BOX_WORD = "box"
"""In the column `positive`: the row is a corner of a box."""
TRUE_WORDS = {"1", "true", "yes", "positive", "+", "1.0"}
FALSE_WORDS = {"0", "false", "no", "negative", "-", "0.0", "-1"}
FRAME_AXES = ("t", "z", "frame", "time", "timepoint", "slice", "plane", "position")
"""Columns that place a click on a frame; the axes of a plane and channels are never frames."""
NAPARI_AXIS = re.compile(r"axis-(\d+)")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line of the file that it ends in, for sentences, and its cells by column, without outer blanks."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A table as a file holds it; rows whose cells are all empty are left out."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(path: str | Path) -> Table:
    """Read a CSV with a header, packed (.gz) or not.

    Columns are separated by commas, semicolons, tabs or bars; a first line `sep=;` declares which. Text is UTF-8,
    UTF-16, UTF-32 or else cp1252.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where it is no table, a column is named twice, or a row has more cells than there are columns.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}." if not path.exists() else f"{path} is no file of a table.")
    text = _decode(_unpacked(path), path)
    text, separator, above = _without_separator_line(text)
    try:
        lines = list(_lines(text, separator or _separator(text)))
    except csv.Error as error:
        raise ValueError(f"{path} cannot be read as a table ({error}); is a quotation mark left open?") from None
    if not lines:
        return Table(path, (), ())
    columns = _columns(lines[0][1], path)
    return Table(path, columns, tuple(_row(path, columns, line + above, cells) for line, cells in lines[1:]))


@contextmanager
def open_table(path: Path) -> Iterator[csv.DictReader[str]]:
    """Give the rows of a CSV as dicts, with their columns as `fieldnames`, which are for the caller to check."""
    table = read_table(path)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(table.columns)
    writer.writerows(list(row.cells.values()) for row in table.rows)
    text.seek(0)
    yield csv.DictReader(text)


def number(text: str) -> float:
    """Return the number that a cell holds, with a decimal point or a decimal comma.

    Raises
    ------
    ValueError
        Where it holds none.

    Examples
    --------
    >>> number(" 20,5"), number("1e3"), number("-0.25")
    (20.5, 1000.0, -0.25)
    """
    plain = text.strip().replace("\N{MINUS SIGN}", "-")
    if "_" in plain:  # float() reads 1_000
        raise ValueError(f"{text!r} is no number")
    return float(plain.replace(",", ".") if "." not in plain else plain)


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


# -- clicks ------------------------------------------------------------------------------------------------------------


def read_clicks_csv(path: str | Path, axes: Sequence[str], ndim: int | None = None) -> dict[int, list[Click]]:
    """Read a table of clicks: columns `object`, `positive`, then one column per axis, named as in `axes`.

    A table of points as napari saves it (`index`, `axis-0`, `axis-1` ..) is taken, too, where it has one column for
    each of the axes; without `object` each point is a positive click on an object of its own, its index + 1.
    Rows with "box" for `positive` are corners of boxes, see `read_boxes_csv`.

    Parameters
    ----------
    ndim : int, optional
        How many of the last axes the model sees: along those before them, clicks lie on whole frames. Not checked
        where absent.

    Returns
    -------
    dict
        Clicks of each object in the order of the rows, by object id; none for an object that has but a box.

    Raises
    ------
    ValueError
        With the line and what is wanted, where a column or a value is missing or unreadable, or where the clicks lie on
        several frames of an axis that the image does not have.
    """
    names = [axis.lower() for axis in axes]
    objects: dict[int, list[Click]] = {}
    for where, cells in _click_rows(path, names):
        label, click = _row_to_click(cells, names, where)
        _check_whole(click, names[: 0 if ndim is None else len(names) - ndim], where)
        clicks = objects.setdefault(label, [])
        if not _is_corner(cells):
            clicks.append(click)
    return objects


def read_boxes_csv(path: str | Path, axes: Sequence[str]) -> dict[int, tuple[Position, Position]]:
    """Read the boxes of a table of clicks: two rows with "box" for `positive`, which hold opposite corners.

    Returns
    -------
    dict
        The two corners, by object id; objects without a box are not in it.

    Raises
    ------
    ValueError
        As `read_clicks_csv`, and where an object has another number of corners.
    """
    names = [axis.lower() for axis in axes]
    corners: dict[int, list[Position]] = {}
    for where, cells in _click_rows(path, names):
        if _is_corner(cells):
            label, click = _row_to_click(cells, names, where)
            corners.setdefault(label, []).append(click.position)
    boxes: dict[int, tuple[Position, Position]] = {}
    for label, found in corners.items():
        if len(found) != 2:
            raise ValueError(
                f"{path}: object {label} has {len(found)} rows with 'box'; a box has two, opposite corners."
            )
        boxes[label] = found[0], found[1]
    return boxes


def _click_rows(path: str | Path, names: Sequence[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The rows of a table of clicks, and where each stands."""
    table = _named_as_clicks(_lowered(read_table(path)), names)
    missing = [name for name in ("object", "positive", *names) if name not in table.columns]
    if missing:
        wanted, found = ", ".join(names), ", ".join(table.columns) or "none"
        raise ValueError(
            f"{path} has no column {', '.join(missing)}: it needs object, positive, {wanted} (found {found})."
        )
    _check_frames(table, names)
    for row in table.rows:
        yield f"{path}, line {row.line}", row.cells


def _is_corner(cells: Mapping[str, str]) -> bool:
    """Whether a row is a corner of a box."""
    return cells["positive"].strip().lower() == BOX_WORD


def write_clicks_csv(path: str | Path, objects: Mapping[int, Iterable[Click]], axes: Sequence[str]) -> None:
    """Write clicks as the table that `read_clicks_csv` reads."""
    with open(path, "w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle)
        table.writerow(["object", "positive", *(axis.lower() for axis in axes)])
        for label, clicks in objects.items():
            table.writerows([label, int(click.positive), *click.position] for click in clicks)


def _lowered(table: Table) -> Table:
    """The table with its columns in small letters."""
    columns = tuple(name.lower() for name in table.columns)
    rows = tuple(Row(row.line, dict(zip(columns, row.cells.values(), strict=True))) for row in table.rows)
    return Table(table.path, columns, rows)


def _named_as_clicks(table: Table, names: Sequence[str]) -> Table:
    """A table of napari's points with the columns of a table of clicks; any other table as it is."""
    numbered = {int(found[1]): name for name in table.columns if (found := NAPARI_AXIS.fullmatch(name))}
    if not numbered or set(names) <= set(table.columns):
        return table
    if "shape-type" in table.columns:
        raise ValueError(f"{table.path} holds shapes of napari; wanted are points, or a table of clicks.")
    if sorted(numbered) != list(range(len(names))):
        raise ValueError(
            f"{table.path} holds points with {len(numbered)} axes, but the image has {len(names)}: {', '.join(names)}."
        )
    if "object" not in table.columns and "index" not in table.columns:
        return table
    known = {numbered[k]: name for k, name in enumerate(names)}
    columns = [known.get(name, name) for name in table.columns]
    added = [name for name in ("object", "positive") if name not in columns]
    rows = []
    for row in table.rows:
        cells = dict(zip(columns, row.cells.values(), strict=True))
        own = {"object": _after(cells.get("index", ""), f"{table.path}, line {row.line}"), "positive": "1"}
        rows.append(Row(row.line, cells | {name: own[name] for name in added}))
    return Table(table.path, (*columns, *added), tuple(rows))


def _after(index: str, where: str) -> str:
    try:
        return f"{number(index) + 1:g}" if index else ""
    except ValueError:
        raise ValueError(f"{where}: 'index' is {index!r}, but it counts points; write a whole number.") from None


def _check_frames(table: Table, names: Sequence[str]) -> None:
    """Raise ValueError where clicks lie on several frames along an axis that the image does not have."""
    for name in FRAME_AXES:
        frames = {row.cells[name] for row in table.rows} if name in table.columns and name not in names else set()
        if len(frames) > 1:
            raise ValueError(
                f"{table.path} has clicks on {len(frames)} frames along {name}, but the image has the axes "
                f"{', '.join(names)} alone; give it the whole movie or stack, or the clicks of one frame."
            )


def _check_whole(click: Click, frame_names: Sequence[str], where: str) -> None:
    """Raise ValueError where a click lies between two frames."""
    for name, p in zip(frame_names, click.position, strict=False):
        if abs(p - round(p)) > WHOLE:
            raise ValueError(f"{where}: {name} is {p:g}, but it counts frames; write a whole number, from 0 on.")


def _row_to_click(cells: Mapping[str, str], names: Sequence[str], where: str) -> tuple[int, Click]:
    word = cells["positive"].lower().replace(",", ".")
    if word not in TRUE_WORDS | FALSE_WORDS | {BOX_WORD}:
        raise ValueError(
            f"{where}: 'positive' is {word!r}; write 1 for the object, 0 for the background, box for a box's corner."
        )
    try:
        position = tuple(number(cells[name]) for name in names)
        label = number(cells["object"])
    except ValueError:
        raise ValueError(f"{where}: 'object' and {', '.join(names)} must be numbers.") from None
    if not all(math.isfinite(p) for p in position):
        raise ValueError(f"{where}: {', '.join(names)} must be finite numbers.")
    if not (label >= 1 and label.is_integer()):
        raise ValueError(f"{where}: object ids are whole numbers from 1 on (0 is the background), not {label:g}.")
    return int(label), Click(position, word in TRUE_WORDS)


# -- classes -----------------------------------------------------------------------------------------------------------


def read_classes(path: str | Path) -> dict[int, str]:
    """Return the class of each object from a table with the columns `object` (or `label`) and `class`.

    Raises
    ------
    ValueError
        Where the columns are not there, or an object is no whole number or has two classes.
    """
    table = _lowered(read_table(path))
    key = next((name for name in ("object", "label") if name in table.columns), None)
    if key is None or "class" not in table.columns:
        raise ValueError(f"{path} has the columns {', '.join(table.columns)}; wanted are object and class.")
    classes: dict[int, str] = {}
    for row in table.rows:
        if row.cells["class"]:
            label = _id(row.cells[key], f"{path}, line {row.line}")
            if classes.setdefault(label, row.cells["class"]) != row.cells["class"]:
                raise ValueError(f"{path}, line {row.line}: object {label} has another class above; keep one of them.")
    return classes


def write_classes(path: str | Path, classes: Mapping[int, str]) -> None:
    """Write the class of each object as a table that `read_classes` reads.

    Raises
    ------
    OSError
        Where the disk refuses; no part of the file is left then.
    """
    with written_whole(Path(path)) as part, part.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("object", "class"), *sorted(classes.items())])


def _id(text: str, where: str) -> int:
    try:
        label = number(text)
    except ValueError:
        raise ValueError(f"{where}: an object is named by a whole number, not {text!r}.") from None
    if not (label >= 1 and label.is_integer()):
        raise ValueError(f"{where}: object ids are whole numbers from 1 on (0 is the background), not {label:g}.")
    return int(label)


# -- text --------------------------------------------------------------------------------------------------------------


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is a damaged gzip file ({error}); unpack or write it again.") from None


def _decode(data: bytes, path: Path) -> str:
    """The text of a file whose encoding nothing shows but its bytes."""
    for start, what in NO_TABLES.items():
        if data.startswith(start):
            raise ValueError(f"{path} is {what}, not a table of text; save the sheet as CSV.")
    marked = next((encoding for mark, encoding in BYTE_ORDER_MARKS if data.startswith(mark)), None)
    try:
        if marked or _is_wide(data):
            return data.decode(marked or _is_wide(data))
    except UnicodeDecodeError:
        raise ValueError(f"{path} cannot be read as a table: its text is damaged.") from None
    if b"\0" in data:
        raise ValueError(f"{path} is no table of text; wanted is a CSV.")
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _is_wide(data: bytes) -> str:
    """The name of UTF-16 where each second byte of the first ones is 0, as in Latin letters of that; else nothing."""
    start = data[:64]
    if len(start) >= 4 and not any(start[1::2]) and all(start[::2]):
        return "utf-16-le"
    if len(start) >= 4 and not any(start[::2]) and all(start[1::2]):
        return "utf-16-be"
    return ""


def _without_separator_line(text: str) -> tuple[str, str, int]:
    """The text without a first line such as `sep=;`, the separator that it names, and how many lines were taken off."""
    found = re.match(r'"?sep=(.)"?[ ,;\t]*(\r\n|\r|\n|$)', text, re.I)
    return (text[found.end() :], found[1], 1) if found else (text, "", 0)


def _separator(text: str) -> str:
    """The separator of the first line that is not empty: the one that stands there most often outside of quotes."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    bare = re.sub(r'"[^"]*"', "", header)
    return max(SEPARATORS, key=lambda separator: (bare.count(separator), -SEPARATORS.index(separator)))


def _lines(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that hold something, each with the line that it ends in."""
    before = csv.field_size_limit(LONGEST_CELL)  # a setting of the whole process
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=separator != "\t")
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield reader.line_num, stripped
    finally:
        csv.field_size_limit(before)


def _columns(header: Sequence[str], path: Path) -> tuple[str, ...]:
    """The names of the columns; those without a name are counted, and dropped at the end."""
    names = list(header)
    while names and not names[-1]:
        names.pop()
    names = [name or f"column {k}" for k, name in enumerate(names, start=1)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path} has two columns {twice[0]}; name each column once.")
    return tuple(names)


def _row(path: Path, columns: Sequence[str], line: int, cells: Sequence[str]) -> Row:
    if any(cells[len(columns) :]):
        raise ValueError(
            f"{path}, line {line}: there are {len(cells)} cells, but {len(columns)} columns; put text that holds the "
            "separator, such as a decimal comma, into quotation marks."
        )
    padded = [*cells, *[""] * (len(columns) - len(cells))]
    return Row(line, dict(zip(columns, padded, strict=False)))
