"""Systems: each model with the robot of its paper beside the default on the same objects; what first corrections do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from napari_clickseg.benchmark.click_runs import KEY, Row
from napari_clickseg.benchmark.results import NATURAL, Measured, collect, shared
from napari_clickseg.benchmark.starting_masks import AUTOMATIC, SCRATCH
from napari_clickseg.benchmark.tables import AUC, COSTLY_CLICKS, Column, table
from napari_clickseg.core.metrics import COSTLY, LIMIT, Values, clicks_to_reach, mean_interval

REFERENCE = ("default", "centre")
"""The model and the robot that all others are set beside."""
PAPERS_ROBOTS: Mapping[str, tuple[str, ...]] = {
    "itis": ("cluster", "random"),
    "spbox": ("pair",),
    "forte99": ("centre",),
    "ritm": ("centre",),
    "brs": ("dominant",),
}
"""The robots that a system's paper clicks with."""
TARGET = 0.85
CONFIDENT = 1.96
"""Standard deviations to either side of a mean that hold 95 %."""

Curves = Mapping[str, Measured]
"""Of one model and robot, by source."""


def curves_of(rows: Iterable[Row]) -> dict[tuple[str, str], dict[str, Measured]]:
    """Return the curves from scratch on microscopy, by model and robot, then by source."""
    wanted = [row for row in rows if row["start"] == SCRATCH and not row["source"].startswith(NATURAL)]
    wanted.sort(key=_who)
    found = {}
    for who, mine in groupby(wanted, _who):
        results = collect(mine, who[1], LIMIT)
        found[who] = {source: results.scratch(source).models[who[0]] for source in results.sources}
    return found


def systems_table(rows: Iterable[Row], order: Sequence[str]) -> str:
    """A line per model and robot, each on the objects that it was run on, beside the reference on the same ones.

    Parameters
    ----------
    order : sequence of str
        The models; those that were not run are left out.
    """
    curves = curves_of(rows)
    there = sorted((who for who in curves if who[0] in order), key=lambda who: (order.index(who[0]), who[1]))
    head = ["model", "robot", "sources", "objects", "IoU@1", "NoC@85 (95 %)", "NoC@90", "AuC", COSTLY_CLICKS.head]
    head += ["NoC@85 beside the default's", "AuC beside the default's"]
    return table(head, [_system_line(who, curves[who], curves[REFERENCE]) for who in there], words=2)


def _who(row: Row) -> tuple[str, str]:
    return row["model"], row["robot"]


def _system_line(who: tuple[str, str], curves: Curves, reference: Curves) -> list[str]:
    needed = {source: clicks_to_reach(m.ious, TARGET) for source, m in curves.items()}
    needs_ninety = Column("", lambda m: clicks_to_reach(m.ious, 0.90), "{:.2f}")
    columns = [needs_ninety, AUC, COSTLY_CLICKS]
    pairs = _paired(curves, reference)
    return [
        who[0],
        who[1] + (" (its paper's)" if who[1] in PAPERS_ROBOTS.get(who[0], ()) else ""),
        str(len(curves)),
        str(sum(len(m.objects) for m in curves.values())),
        f"{_mean(m.ious[:, 0].mean() for m in curves.values()):.3f}",
        f"{_mean(n.mean() for n in needed.values()):.2f}{_interval(list(needed.values()), '{:.2f}', '-')}",
        *(column.written(_mean(column.mean(m) for m in curves.values())) for column in columns),
        difference(pairs, Column("", lambda m: clicks_to_reach(m.ious, TARGET), "{:+.2f}")),
        difference(pairs, Column("", AUC.values, "{:+.3f}")),
    ]


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


Pairs = Sequence[tuple[Measured, Measured]]
"""Two models' curves of the same objects, a pair per source."""


def _paired(curves: Curves, reference: Curves) -> Pairs:
    """The objects that both saw, source by source."""
    pairs = []
    for source in sorted(curves.keys() & reference.keys()):
        both = shared((curves[source], reference[source]))
        if both:
            pairs.append((curves[source].of(both), reference[source].of(both)))
    return pairs


def difference(pairs: Pairs, column: Column) -> str:
    """The mean of paired differences, the first less the second, with its 95 % interval; empty where there is none."""
    differences = [column.values(one) - column.values(other) for one, other in pairs]
    if not differences or not any(values.any() for values in differences):
        return ""
    mean = _mean(values.mean() for values in differences)
    return column.form.format(mean) + _interval(differences, column.form, " to ")


def _interval(groups: Sequence[Values], form: str, to: str) -> str:
    """The 95 % interval of the mean, in brackets; empty where a source has one object alone, which tells of none."""
    if min(group.size for group in groups) < 2:
        return ""
    return f" ({to.join(form.format(end) for end in mean_interval(*groups))})"


# -- first corrections -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Corrections:
    """IoUs of masks that a model corrects: before, after the first click, and after the last one that all got."""

    before: Values
    first: Values
    last: Values
    clicks: int

    @classmethod
    def of(cls, traces: Sequence[Sequence[Row]]) -> Corrections:
        """Return those of traces that begin with the mask itself; one that ended early keeps its last IoU."""
        clicks = max(len(trace) for trace in traces) - 1
        ious = np.array([[float(trace[min(k, len(trace) - 1)]["iou"]) for k in (0, 1, clicks)] for trace in traces])
        return cls(ious[:, 0], ious[:, 1], ious[:, 2], clicks)


def first_corrections_table(rows: Iterable[Row], order: Sequence[str]) -> str:
    """A line per kind of start and model: how many masks the first click made worse, and the IoUs."""
    traces: dict[tuple[str, str], list[list[Row]]] = {}
    for _, group in groupby(rows, lambda row: tuple(row[column] for column in KEY)):
        trace = list(group)
        if trace[0]["click"] == "0":
            start = AUTOMATIC if trace[0]["start"] == AUTOMATIC else "damaged"
            traces.setdefault((start, trace[0]["model"]), []).append(trace)
    there = sorted((who for who in traces if who[1] in order), key=lambda who: (who[0], order.index(who[1])))
    lines = [[*who, *_correction_cells(Corrections.of(traces[who]))] for who in there]
    last = max((Corrections.of(mine).clicks for mine in traces.values()), default=1)
    worse = f"worse by more than {100 * COSTLY:.0f} points"
    head = ["start", "model", "masks", "made worse by the first click (95 %)", worse, "IoU@0", "IoU@1", f"IoU@{last}"]
    return table(head, lines, words=2)


def _correction_cells(made: Corrections) -> list[str]:
    worse, much = made.first < made.before, made.first < made.before - COSTLY
    low, high = share_interval(int(worse.sum()), worse.size)
    share = f"{100 * worse.mean():.0f} % ({100 * low:.0f}-{100 * high:.0f})"
    means = (f"{values.mean():.3f}" for values in (made.before, made.first, made.last))
    return [str(worse.size), share, f"{100 * much.mean():.0f} %", *means]


def share_interval(count: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson's).

    >>> [round(end, 2) for end in share_interval(0, 20)]
    [0.0, 0.16]
    """
    square = CONFIDENT**2
    middle = (count + square / 2) / (of + square)
    reach = CONFIDENT * np.sqrt(count * (of - count) / of + square / 4) / (of + square)
    return max(float(middle - reach), 0.0), min(float(middle + reach), 1.0)
