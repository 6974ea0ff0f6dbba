"""Click: what a user says. Clicks on a frame, and clicks as CSV and JSON; what they mean is the session's business."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Frame = tuple[int, ...]
"""Indices along the axes that the model does not see: (), (t,), (t, z)."""

WHOLE = 1e-6
"""What an index of a frame may be off a whole number, as programs round."""
TRUE_WORDS = {"1", "true", "yes", "positive", "+", "1.0"}
FALSE_WORDS = {"0", "false", "no", "negative", "-", "0.0", "-1"}


@dataclass(frozen=True, slots=True)
class Click:
    """One click of a user.

    Attributes
    ----------
    position : tuple of float
        In array order (.., z, y, x), pixel centres at whole numbers.
    positive : bool
        True says "this is the object", False "this is not".
    """

    position: tuple[float, ...]
    positive: bool = True

    def frame(self, ndim: int) -> Frame:
        """Return the frame that the click lies on, for a model that sees the last `ndim` axes.

        >>> Click((4.2, 10.0, 20.0)).frame(2)
        (4,)
        """
        return tuple(round(p) for p in self.position[: len(self.position) - ndim])

    def point(self, ndim: int) -> tuple[float, ...]:
        """Return the position within its frame.

        >>> Click((4.2, 10.0, 20.0)).point(2)
        (10.0, 20.0)
        """
        return self.position[len(self.position) - ndim :]


def on_frame(clicks: Iterable[Click], frame: Frame, ndim: int) -> tuple[Click, ...]:
    """Return the clicks that lie on a frame, in their order."""
    return tuple(click for click in clicks if click.frame(ndim) == frame)


def click_to_json(click: Click) -> dict[str, Any]:
    """Return the click as plain JSON values."""
    return {"position": list(click.position), "positive": click.positive}


def click_from_json(value: Mapping[str, Any]) -> Click:
    """Return the click written by `click_to_json`."""
    return Click(tuple(float(p) for p in value["position"]), bool(value["positive"]))


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
