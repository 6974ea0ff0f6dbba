"""Report: Markdown tables of what models reached. Reads nothing but results and peaks of memory.

Nearly every number is a mean over objects, so a column says how to get it for each object; its mean over sources and
its interval follow. The exceptions stand in `WHOLE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_clickseg.benchmark.results import Comparison, Measured, Results, Setting, shared
from napari_clickseg.core.metrics import (
    LIMIT,
    LONG,
    TARGETS,
    Values,
    area_under_curve,
    clicks_of_set,
    clicks_to_reach,
    costly_clicks,
    largest_fall,
    mean_interval,
    unsolved,
)

MAIN_TARGETS = (0.90, 0.85)
"""Those of the two tables that the report begins with."""
COUNTS = (1, 5, 10, 20)
HIGH = (0.90, 0.95, 0.99)
CORRECTED_COUNTS = (1, 4, 10)
"""Clicks into a bad mask after which the mean IoU is given, beside that of the mask itself."""
CARD_COUNTS = (1, 2, 3, 5, 10)
FEW = 10
"""With fewer objects than this a bootstrap interval means little."""
REFERENCE = "ritm"
"""Time and memory are given as shares of this model's, where it ran."""
TIED = "≈"

LEGEND = """The robot `{robot}` clicks at most {clicks} times per object. NoC@k: mean number of clicks to an IoU of k %,
the last click ({limit} at most) where it was never reached. Unsolved: objects that never reached 90 %. In brackets: the
95 % interval of the mean, by bootstrap over objects (of an average: over the objects of each source). AuC: area under
the IoU of each click, normalised. Costly clicks: of those after the first, the share that lowers the IoU by more than 5
points; where most objects never reach a target, these two say more than NoC. **Bold**: the
best, where any reached the target. {tied}: the interval of the paired difference to the best holds 0, so the data do
not tell the two apart. On each source the models are compared on the objects that all of them saw. Averages count every
source alike and leave out models that did not run on all of them."""
FEW_NOTE = "Fewer than {few} objects ({sources}): the intervals of so few mean little."
SHARES_NOTE = "Share of objects (%) with an IoU of at least 90, 95, 99 % after so many clicks:"
EDGES_NOTE = (
    "Boundary F (within 2 pixels) after so many clicks; corrected: of the wrong pixels that hang together with the "
    "clicked one, the share that is right after the click, over all clicks and at the first, fifth, ...:"
)
SET_NOTE = "Clicks per object until the mean IoU of the set reaches the target:"
CURVE_NOTE = "Mean IoU after each click, and the area under that curve (AuC, normalised):"
ROBOTS_NOTE = "NoC@90 by robot, on the objects that all models saw with all robots ({count}):"
STARTS_NOTE = (
    "Clicks that correct a bad mask, at most {clicks} per object: mean IoU of the mask itself (IoU@0) and after some "
    "of them, and NoC@90, 0 where the mask was as good before:"
)


@dataclass(frozen=True, slots=True)
class Column:
    """One number per object, and how its mean is written.

    Attributes
    ----------
    values : callable
        From a model's curves to an array (objects,), not a number where an object has none.
    needs : int
        Clicks that must have been given for the column to be there.
    interval : bool
        Write the 95 % interval of the mean.
    """

    head: str
    values: Callable[[Measured], Values]
    form: str = "{:.3f}"
    needs: int = 1
    interval: bool = False

    def mean(self, measured: Measured) -> float:
        """The mean over objects; not a number where no object has one."""
        values = self.values(measured)
        known = values[~np.isnan(values)]
        return float(known.mean()) if known.size else float("nan")

    def text(self, measured: Measured) -> str:
        """The cell of one model on one source."""
        text = self.written(self.mean(measured))
        return f"{text} ({_span(mean_interval(self.values(measured)), self.form)})" if self.interval else text

    def written(self, mean: float) -> str:
        """The mean as text; empty where there is none."""
        return "" if np.isnan(mean) else self.form.format(mean)


# -- columns -----------------------------------------------------------------------------------------------------------


def _percent(target: float) -> str:
    return f"{100 * target:.0f}"


def _noc(target: float, interval: bool = False) -> Column:
    head = f"NoC@{_percent(target)}"
    return Column(head, lambda m: clicks_to_reach(m.ious, target), "{:.2f}", interval=interval)


def _share(holds: npt.NDArray[np.bool_]) -> Values:
    """In percent, so that sources of different sizes compare."""
    return np.where(holds, 100.0, 0.0)


def _iou(count: int, head: str = "IoU@{}") -> Column:
    return Column(head.format(count), lambda m: m.ious[:, count - 1], needs=count)


def _above(target: float, count: int) -> Column:
    head = f"{_percent(target)} @{count}"
    return Column(head, lambda m: _share(m.ious[:, count - 1] >= target), "{:.0f}", count)


def _boundary(count: int) -> Column:
    return Column(f"boundary F@{count}", lambda m: m.boundary[:, count - 1], needs=count)


def _corrected(count: int) -> Column:
    return Column(f"corrected @{count}", lambda m: m.corrected[:, count - 1], "{:.2f}", count)


def _corrected_by_all(measured: Measured) -> Values:
    """Mean over an object's clicks that had an error to correct."""
    clicked = measured.corrected[:, :LIMIT]
    counts = (~np.isnan(clicked)).sum(axis=1)
    return np.where(counts > 0, np.nansum(clicked, axis=1) / np.maximum(counts, 1), np.nan)


COSTLY_CLICKS = Column(
    "costly clicks, %", lambda m: 100 * costly_clicks(m.ious, ~np.isnan(m.seconds)), "{:.1f}", needs=2
)
"""Of the clicks after the first, those that lower the IoU by more than `COSTLY`."""
AUC = Column("AuC", lambda m: area_under_curve(m.ious))
UNSOLVED = Column("unsolved, %", lambda m: _share(unsolved(m.ious, 0.90)), "{:.0f}")
CLICKS = (
    *(_noc(target, interval=True) for target in TARGETS),
    UNSOLVED,
    AUC,
    COSTLY_CLICKS,
    Column(f"NoC{LONG}@90", lambda m: clicks_to_reach(m.ious, 0.90, LONG), "{:.2f}", LONG, interval=True),
    Column(f"unsolved after {LONG}, %", lambda m: _share(unsolved(m.ious, 0.90, LONG)), "{:.0f}", LONG),
)
CURVE = (*(_iou(count, "{}") for count in range(1, LIMIT + 1)), AUC)
SHARES = tuple(_above(target, count) for target in HIGH for count in COUNTS)
EDGES = (
    *(_boundary(count) for count in COUNTS),
    Column("corrected", _corrected_by_all, "{:.2f}"),
    *(_corrected(count) for count in COUNTS),
)
AVERAGED = (*(_iou(count) for count in COUNTS), AUC, *(_noc(target) for target in TARGETS), UNSOLVED, COSTLY_CLICKS)
AVERAGED_EDGES = (*(_boundary(count) for count in COUNTS), Column("corrected", _corrected_by_all, "{:.2f}"))
CORRECTION = (
    Column("IoU@0", lambda m: m.begun),
    *(_iou(count) for count in CORRECTED_COUNTS),
    Column("NoC@90", lambda m: np.where(m.begun >= 0.90, 0.0, clicks_to_reach(m.ious, 0.90)), "{:.2f}"),
)
WHOLE: Mapping[str, Callable[[Measured], str]] = {
    "largest fall": lambda m: f"{largest_fall(m.ious):.3f}",
    "ms": lambda m: _milliseconds(m.seconds, 50),
    "ms p95": lambda m: _milliseconds(m.seconds, 95),
}
"""Numbers that are no means over objects."""


# -- the report --------------------------------------------------------------------------------------------------------


def report(results: Results, peaks: Mapping[str, float] | None = None) -> str:
    """Return the whole report as Markdown; `peaks` are MB of memory by model, None where they were not measured."""
    clicks = max(results.scratch(source).clicks for source in results.sources)
    order = ranking(results)
    parts = ["# Benchmark", LEGEND.format(robot=results.robot, clicks=clicks, limit=min(LIMIT, clicks), tied=TIED)]
    parts += [_few_note(results), *main_part(results, order)]
    if len(results.microscopy) > 1:
        parts += ["## Averages over the microscopy sources"]
        parts += [average_table(results, order, columns) for columns in (AVERAGED, AVERAGED_EDGES)]
        parts += robots_part("## Robots", results, results.microscopy, order)
        parts += starts_part("## From a bad mask", results, results.microscopy, order)
    parts += ["## Time and memory", speed_table(results, order, peaks or {})]
    for source in results.sources:
        parts += _source_part(results, source, order)
    return "\n\n".join(part for part in parts if part) + "\n"


def main_part(results: Results, order: Sequence[str]) -> list[str]:
    """Return headings and tables of the clicks that all comes down to."""
    tables = [[f"## NoC@{_percent(target)}", main_table(results, order, target)] for target in MAIN_TARGETS]
    return [part for titled in tables for part in titled]


def _few_note(results: Results) -> str:
    """A warning that names the sources of few objects; empty where there are none."""
    counts = {source: len(results.scratch(source).objects) for source in results.sources}
    few = ", ".join(f"{source}: {count}" for source, count in counts.items() if count < FEW)
    return FEW_NOTE.format(few=FEW, sources=few) if few else ""


def card_metrics(results: Results, model: str) -> dict[str, dict[str, float]]:
    """Return what a model's card says of each source on which the model ran."""
    metrics = {}
    for source in results.sources:
        comparison = results.scratch(source)
        if model in comparison.models:
            columns = [*_reached(map(_iou, CARD_COUNTS), comparison.clicks), *map(_noc, TARGETS)]
            measured = comparison.models[model]
            means = {column.head.lower(): round(column.mean(measured), 4) for column in columns}
            metrics[source] = {"objects": float(len(comparison.objects)), **means}
    return metrics


def ranking(results: Results) -> list[str]:
    """Return all models by NoC@90, the fewest clicks first; those that did not run on all sources come last.

    It is the average over microscopy that counts, or over all sources where none is microscopy.
    """
    names = {name for comparison in results.comparisons.values() for name in comparison.models}
    sources = results.microscopy or results.sources
    averages = {name: _average(results, sources, name, _noc(0.90)) for name in names}
    return sorted(names, key=lambda name: (np.nan_to_num(averages[name], nan=np.inf), name))


def main_table(results: Results, order: Sequence[str], target: float) -> str:
    """Sources below each other, models side by side, the average between microscopy and photographs."""
    needed = {
        source: {name: clicks_to_reach(m.ious, target) for name, m in results.scratch(source).models.items()}
        for source in results.sources
    }
    solved = {source for source in needed if _any_reached(results.scratch(source), target)}
    lines = [
        [source, _objects_text(results.scratch(source)), *_ranked(order, [by], source in solved)]
        for source, by in needed.items()
    ]
    microscopy = [needed[source] for source in results.microscopy]
    if len(microscopy) > 1:
        cells = _ranked(order, microscopy, not solved.isdisjoint(results.microscopy))
        lines.insert(len(microscopy), ["**average over microscopy**", "", *cells])
    return table(["source", "objects", *order], lines)


def _any_reached(comparison: Comparison, target: float) -> bool:
    return any(not unsolved(m.ious, target).all() for m in comparison.models.values())


def _ranked(order: Sequence[str], groups: Sequence[Mapping[str, Values]], solved: bool) -> list[str]:
    """The cells of a line: mean over the groups' means; where any object is solved, the best and its equals marked."""
    means = {name: np.mean([g[name].mean() for g in groups]) for name in order if all(name in g for g in groups)}
    if not means:
        return [""] * len(order)
    best = min(means, key=lambda name: means[name])
    leading = {name for name in means if means[name] == means[best]}
    cells = dict.fromkeys(order, "")
    for name, mean in means.items():
        span = _span(mean_interval(*(g[name] for g in groups)), "{:.2f}")
        low, _ = mean_interval(*(g[name] - g[best] for g in groups))
        figure = f"**{mean:.2f}**" if solved and name in leading else f"{mean:.2f}"
        mark = f" {TIED}" if solved and name not in leading and low <= 0 else ""
        cells[name] = f"{figure} ({span}){mark}"
    return list(cells.values())


def average_table(results: Results, order: Sequence[str], columns: Sequence[Column]) -> str:
    """Models below each other, each column's mean over the microscopy sources; without models that ran on but some."""
    there = _reached(columns, min(results.scratch(source).clicks for source in results.microscopy))
    lines = []
    for name in order:
        means = [_average(results, results.microscopy, name, column) for column in there]
        if not np.isnan(means).all():
            lines.append([name, *(column.written(mean) for column, mean in zip(there, means, strict=True))])
    return table(["model", *(column.head for column in there)], lines)


def _average(results: Results, sources: Sequence[str], name: str, column: Column) -> float:
    """Mean over the sources; not a number where the model did not run on all of them."""
    models = [results.scratch(source).models for source in sources]
    if not all(name in measured for measured in models):
        return float("nan")
    return float(np.mean([column.mean(measured[name]) for measured in models]))


def speed_table(results: Results, order: Sequence[str], peaks: Mapping[str, float]) -> str:
    """Over all sources; where the reference ran, shares of its time (over the sources on which both did) and memory."""
    models = {source: results.scratch(source).models for source in results.sources}
    lines = []
    for name in order:
        ran = [source for source in models if name in models[source]]
        both = [source for source in ran if REFERENCE in models[source]]
        seconds = _pooled(models[source][name] for source in ran)
        share = ""
        if both:
            ours, theirs = (_pooled(models[source][one] for source in both) for one in (name, REFERENCE))
            share = f"{np.median(ours) / np.median(theirs):.2f}"
        peak = f"{peaks[name]:.0f}" if name in peaks else ""
        memory = f"{peaks[name] / peaks[REFERENCE]:.2f}" if {name, REFERENCE} <= peaks.keys() else ""
        times = [_milliseconds(seconds, percentile) for percentile in (50, 95)]
        lines.append([name, str(seconds.size), *times, share, peak, memory])
    of = f"of `{REFERENCE}`'s"
    head = ["model", "clicks", "ms per click", "ms p95", f"median {of}", "peak MB", f"peak {of}"]
    kept = [place for place, title in enumerate(head) if REFERENCE in order or not title.endswith(of)]
    return table([head[place] for place in kept], [[line[place] for place in kept] for line in lines])


def robots_part(title: str, results: Results, sources: Sequence[str], order: Sequence[str]) -> list[str]:
    """Models below each other, robots side by side; nothing where one robot alone clicked on all the sources."""
    robots = [r for r in results.robots if all(Setting(s, r) in results.comparisons for s in sources)]
    if len(robots) < 2:
        return []
    column = _noc(0.90)
    alike = [_alike({robot: results.comparisons[Setting(source, robot)] for robot in robots}) for source in sources]
    names = [name for name in order if all((robots[0], name) in measured for measured in alike)]
    lines = []
    for name in names:
        means = [np.mean([column.mean(measured[robot, name]) for measured in alike]) for robot in robots]
        lines.append([name, *(column.written(float(mean)) for mean in means)])
    if not lines:
        return []
    objects = sum(len(measured[robots[0], names[0]].objects) for measured in alike)
    return [title, ROBOTS_NOTE.format(count=objects), table(["model", *robots], lines)]


def _alike(comparisons: Mapping[str, Comparison]) -> dict[tuple[str, str], Measured]:
    """By robot and model: the same models on the same objects with each robot; empty where they share none."""
    names = set.intersection(*(set(comparison.models) for comparison in comparisons.values()))
    both = shared(comparison.models[name] for comparison in comparisons.values() for name in names) if names else []
    pairs = ((robot, name) for robot in comparisons for name in names if both)
    return {(robot, name): comparisons[robot].models[name].of(both) for robot, name in pairs}


def starts_part(title: str, results: Results, sources: Sequence[str], order: Sequence[str]) -> list[str]:
    """A line per kind of bad mask and model, averaged over those of the sources that have this kind."""
    lines = []
    found = {
        start: [c for s in sources if (c := results.comparisons.get(Setting(s, results.robot, start))) is not None]
        for start in results.starts
    }
    deepest = min((c.clicks for comparisons in found.values() for c in comparisons), default=LIMIT)
    there = _reached(CORRECTION, deepest)
    for start, comparisons in found.items():
        objects = str(sum(len(c.objects) for c in comparisons))
        for name in order:
            if comparisons and all(name in c.models for c in comparisons):
                means = [np.mean([column.mean(c.models[name]) for c in comparisons]) for column in there]
                cells = [column.written(float(mean)) for column, mean in zip(there, means, strict=True)]
                lines.append([start, name, objects, *cells])
    head = ["start", "model", "objects", *(column.head for column in there)]
    return [title, STARTS_NOTE.format(clicks=min(LIMIT, deepest)), table(head, lines, words=2)] if lines else []


def _source_part(results: Results, source: str, order: Sequence[str]) -> list[str]:
    comparison = results.scratch(source)
    parts = [f"## {source}", f"{_objects_text(comparison)} objects, at most {comparison.clicks} clicks on each."]
    parts += [_models_table(comparison, order, CLICKS, WHOLE)]
    parts += [SET_NOTE, _set_table(comparison, order)]
    for note, columns in ((CURVE_NOTE, CURVE), (SHARES_NOTE, SHARES), (EDGES_NOTE, EDGES)):
        parts += [note, _models_table(comparison, order, columns)]
    return [*parts, *robots_part("", results, [source], order), *starts_part("", results, [source], order)]


def _models_table(
    comparison: Comparison,
    order: Sequence[str],
    columns: Sequence[Column],
    whole: Mapping[str, Callable[[Measured], str]] | None = None,
) -> str:
    there, also = _reached(columns, comparison.clicks), whole or {}
    models = [(name, comparison.models[name]) for name in order if name in comparison.models]
    lines = [
        [name, *(column.text(m) for column in there), *(written(m) for written in also.values())] for name, m in models
    ]
    return table(["model", *(column.head for column in there), *also], lines)


def _set_table(comparison: Comparison, order: Sequence[str]) -> str:
    lines = []
    for name in order:
        if name in comparison.models:
            counts = [clicks_of_set(comparison.models[name].ious, target) for target in TARGETS]
            never = f"> {min(LIMIT, comparison.clicks)}"
            lines.append([name, *(never if count is None else str(count) for count in counts)])
    return table(["model", *(f"{_percent(target)} %" for target in TARGETS)], lines)


# -- cells -------------------------------------------------------------------------------------------------------------


def _reached(columns: Iterable[Column], clicks: int) -> list[Column]:
    """Those of the columns that a run of so many clicks fills."""
    return [column for column in columns if column.needs <= clicks]


def _pooled(measured: Iterable[Measured]) -> Values:
    """Seconds of all the clicks that were made."""
    seconds: Values = np.concatenate([one.seconds.ravel() for one in measured] or [np.empty(0)])
    made: Values = seconds[~np.isnan(seconds)]
    return made


def _milliseconds(seconds: Values, percentile: float) -> str:
    made = seconds[~np.isnan(seconds)]
    return f"{1000 * np.percentile(made, percentile):.0f}" if made.size else ""


def _objects_text(comparison: Comparison) -> str:
    """How many objects all saw; where some saw more, of how many."""
    count = len(comparison.objects)
    return str(count) if count == comparison.seen else f"{count} of {comparison.seen}"


def _span(interval: tuple[float, float], form: str) -> str:
    return "-".join(form.format(end) for end in interval)


def table(head: Sequence[str], lines: Iterable[Sequence[str]], words: int = 1) -> str:
    """A Markdown table whose first columns hold words and whose others hold numbers."""
    rows = [head, [*["---"] * words, *["---:"] * (len(head) - words)], *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
