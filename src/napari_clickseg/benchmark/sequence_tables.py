"""Tables of what was measured of sequences. Reads nothing but rows."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_clickseg.benchmark import costs as carrying
from napari_clickseg.benchmark import sequence_effort as effort
from napari_clickseg.benchmark import sequence_review as review
from napari_clickseg.benchmark.sequence_effort import GOAL
from napari_clickseg.benchmark.tables import table
from napari_clickseg.storage.tables import open_table

if TYPE_CHECKING:
    from napari_clickseg.benchmark.sequences import Movie
    from napari_clickseg.core.requests import Predictor

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
        The column that distinguishes the parts of the work on one movie.
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

    def done(self, path: Path) -> set[tuple[str, str, str, str]]:
        """Source, image, model and part of all that a table holds."""
        rows = self.read(path) if path.exists() else []
        return {(row["source"], row["image"], row["model"], row[self.part]) for row in rows}

    def append(self, path: Path, rows: Sequence[Row]) -> None:
        """Add rows to a table, which is begun where there is none."""
        with open(path, "a", newline="", encoding="utf-8") as handle:
            table = csv.DictWriter(handle, self.columns, lineterminator="\n")
            if handle.tell() == 0:
                table.writeheader()
            table.writerows(rows)


LEDGERS: dict[str, Ledger] = {
    "effort": Ledger("effort", effort.COLUMNS, "way", tuple(effort.WAYS), effort.measure),
    "review": Ledger("review", review.COLUMNS, "labels", tuple(review.KINDS), review.measure),
    "cost": Ledger("carrying", carrying.CARRYING_COLUMNS, "part", tuple(carrying.PARTS), carrying.measure),
}
"""By what is asked."""


FIFTH, LOOKED_AT, SHARE_FOUND, SECONDS, TIMES = 0.2, 0.2, 0.9, 10.0, 3.0
"""Aims: clicks against clicking from scratch; part of the list, and share of the wrong objects in it; seconds of one
object over 100 frames; all objects' time against one's."""


def effort_table(rows: Sequence[Row]) -> str:
    """Clicks per object and frame, way by way, and their share of clicking from scratch, without and with the keys."""
    lines = []
    for source, model in dict.fromkeys((row["source"], row["model"]) for row in rows):
        mine = [row for row in rows if (row["source"], row["model"]) == (source, model)]
        scratch = _clicks([row for row in mine if row["way"] == effort.SCRATCH])
        for way in effort.WAYS:
            some = [row for row in mine if row["way"] == way]
            if not some:
                continue
            touched = sum(int(row["clicks"]) > 0 for row in some) / len(some)
            good = sum(float(row["iou"]) >= GOAL for row in some) / len(some)
            mean, keys = _clicks(some), _keys(some)
            shares = [f"{100 * done / scratch:.0f} %" if scratch else "" for done in (mean, mean + keys)]
            later = _clicks([row for row in some if row["frame"] != "0"])
            size = " x ".join(some[0][name] for name in ("frames", "rows", "columns"))
            cells = (f"{later:.2f}", f"{100 * touched:.0f} %", f"{100 * good:.0f} %")
            lines.append([source, model, way, size, str(len(some)), f"{mean:.2f}", f"{keys:.2f}", *shares, *cells])
    head = ["source", "model", "way", "frames", "objects on frames"]
    measures = ["clicks per object and frame", "erased or renamed", "clicks, of from scratch", "with those"]
    measures += ["clicks, first frame left out", "objects clicked on", f"IoU {GOAL} at the end"]
    return table([*head, *measures], lines, words=4)


def _clicks(rows: Sequence[Row]) -> float:
    return float(np.mean([int(row["clicks"]) for row in rows])) if rows else 0.0


def _keys(rows: Sequence[Row]) -> float:
    return float(np.mean([int(row["erased"]) + int(row["renamed"]) for row in rows]))


def review_table(rows: Sequence[Row]) -> str:
    """How many wrong objects lie in the first part of the list, and how many could."""
    lines = []
    for source, model, labels in dict.fromkeys((row["source"], row["model"], row["labels"]) for row in rows):
        mine = [row for row in rows if (row["source"], row["model"], row["labels"]) == (source, model, labels)]
        listed = [row for row in mine if row["rank"]]
        found, possible, wrong = _early(listed)
        reported = sum(not row["rank"] and row["told"] != "" for row in mine)
        silent = sum(not row["rank"] and row["told"] == "" for row in mine)
        shares = [f"{100 * n / wrong:.0f} %" if wrong else "" for n in (found, possible)]
        numbers = (len(listed), wrong, *shares, reported, silent)
        lines.append([source, labels, model, *map(str, numbers)])
    head = ["source", "labels", "model", "on the list", "wrong", f"in the first {100 * LOOKED_AT:.0f} %"]
    return table([*head, "at best", "gone, reported by an event", "gone, not reported"], lines, words=3)


def cost_table(rows: Sequence[Row]) -> str:
    """Seconds per frames and objects, and peaks of memory."""
    head = ["source", "model", "what", "frames", "objects per frame", "CPU s", "ms per frame", "peak MB"]
    lines = []
    for row in rows:
        per_frame = f"{1000 * float(row['seconds']) / int(row['frames']):.0f}" if row["seconds"] else ""
        seconds = f"{float(row['seconds']):.1f}" if row["seconds"] else ""
        peak = f"{float(row['peak_mb']):.0f}" if row["peak_mb"] else ""
        lines.append(
            [row["source"], row["model"], row["what"], row["frames"], row["objects"], seconds, per_frame, peak]
        )
    return table(head, lines, words=3)


TABLES: dict[str, Callable[[Sequence[Row]], str]] = {
    "effort": effort_table,
    "review": review_table,
    "cost": cost_table,
}
"""By what is asked, as in `benchmark.sequence_tables.LEDGERS`."""


# -- aims --------------------------------------------------------------------------------------------------------------


def aims_table(efforts: Sequence[Row], reviews: Sequence[Row], costs: Sequence[Row]) -> str:
    """What was to be reached, and what was."""
    lines = [
        [f"clicks of carry and review, of from scratch: {source}", f"{100 * FIFTH:.0f} %", share]
        for source, share in _shares(efforts)
    ]
    for labels in review.KINDS:
        counts = _found_early([row for row in reviews if row["labels"] == labels])
        reached = "{:.0f} %, {:.0f} % at best".format(*(100 * n / counts[2] for n in counts[:2])) if counts[2] else ""
        lines.append([f"wrong objects in the first 20 %, {labels} labels", f"{100 * SHARE_FOUND:.0f} %", reached])
    one, every = (_per_frame(costs, what) for what in (carrying.ONE, carrying.ALL))
    long = f"{100 * one[max(one)]:.1f}" if one else ""
    times = f"{every[carrying.FEW] / one[carrying.FEW]:.1f}" if carrying.FEW in one and carrying.FEW in every else ""
    lines += [
        ["one object over 100 frames of 512 x 512, CPU s", f"{SECONDS:.0f}", long],
        ["all objects' time against one's", f"{TIMES:.0f}", times],
    ]
    return table(["", "aim", "here"], lines)


def _shares(rows: Sequence[Row]) -> list[tuple[str, str]]:
    found = []
    for source in dict.fromkeys(row["source"] for row in rows):
        both = [
            _clicks([row for row in rows if row["source"] == source and row["way"] == way])
            for way in (effort.CARRIED, effort.SCRATCH)
        ]
        found.append((source, f"{100 * both[0] / both[1]:.0f} %" if both[1] else ""))
    return found


def _found_early(rows: Sequence[Row]) -> tuple[int, int, int]:
    """Over all lists: wrong objects in the first part, how many could be there, and all of them."""
    lists: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row["rank"]:
            lists.setdefault((row["source"], row["model"], row["labels"]), []).append(row)
    counts = [_early(listed) for listed in lists.values()]
    return sum(c[0] for c in counts), sum(c[1] for c in counts), sum(c[2] for c in counts)


def _early(listed: Sequence[Row]) -> tuple[int, int, int]:
    """The same of one list."""
    wrong = [row for row in listed if float(row["iou"]) < GOAL]
    looked = math.ceil(LOOKED_AT * len(listed))
    return sum(int(row["rank"]) <= looked for row in wrong), min(looked, len(wrong)), len(wrong)


def _per_frame(rows: Sequence[Row], what: str) -> dict[int, float]:
    """Seconds per frame by the number of frames."""
    mine = [row for row in rows if row["what"] == what and row["part"] == carrying.SECONDS]
    return {int(row["frames"]): float(row["seconds"]) / int(row["frames"]) for row in mine}
