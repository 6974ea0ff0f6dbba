"""Report: Markdown tables from the rows of a benchmark run. Reads nothing but the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from napari_clickseg.benchmark.metrics import COUNTS, Curves, Summary, carried_on, clicks_to_reach, summarise
from napari_clickseg.benchmark.run import Row
from napari_clickseg.models.registry import WEIGHTLESS

NATURAL = "natural_"
"""Sources with this prefix are photographs; the average over microscopy leaves them out."""
SHOWN_TARGETS = (0.85, 0.90)

LEGEND = """The robot `{robot}` clicks at most {clicks} times per object. NoC@k: mean number of clicks to an IoU of k %,
{clicks} where it was never reached, with the 95 % interval of the mean (bootstrap over objects). Unsolved: objects that
never reached 90 %. Fall: the largest loss of mean IoU by one more click. Ratio: NoC@90 over that of the best model
without weights on the same objects."""

ObjectKey = tuple[str, str, str]
Results = dict[str, dict[str, "Result"]]
"""By source, then by model."""


class Result:
    """One model's objects on one source: curves and seconds, in the order of `objects`."""

    def __init__(self, curves: Mapping[ObjectKey, Sequence[float]], seconds: Sequence[float], clicks: int) -> None:
        self.objects = sorted(curves)
        self.ious: Curves = np.array([carried_on(curves[key], clicks) for key in self.objects])
        self.summary: Summary = summarise(self.ious, np.asarray(seconds, float))

    def noc(self, objects: Iterable[ObjectKey], target: float) -> float:
        """Mean number of clicks over some of the objects."""
        places = {key: k for k, key in enumerate(self.objects)}
        needed = clicks_to_reach(self.ious, target)
        return float(np.mean([needed[places[key]] for key in objects]))


def collect(rows: Iterable[Row], robot: str, clicks: int) -> Results:
    """Return one robot's results by source and model."""
    curves: dict[tuple[str, str], dict[ObjectKey, list[float]]] = {}
    seconds: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row["robot"] != robot or int(row["click"]) > clicks:
            continue
        place = (row["source"], row["model"])
        key = (row["image"], row["frame"], row["object"])
        curves.setdefault(place, {}).setdefault(key, []).append(float(row["iou"]))
        seconds.setdefault(place, []).append(float(row["seconds"]))
    results: Results = {}
    for (source, model), objects in sorted(curves.items()):
        results.setdefault(source, {})[model] = Result(objects, seconds[source, model], clicks)
    return results


def report(results: Results, robot: str, clicks: int) -> str:
    """Return the whole report as Markdown."""
    parts = ["# Benchmark", LEGEND.format(robot=robot, clicks=clicks)]
    for title, sources in _groups(results).items():
        parts += [f"## {title}", _average_table(results, sources)]
    for source, models in results.items():
        parts += [f"## {source}", _source_table(models)]
    return "\n\n".join(parts) + "\n"


def card_metrics(results: Results, model: str) -> dict[str, dict[str, float]]:
    """Return what a model's card says of each source on which the model ran."""
    metrics = {}
    for source, models in results.items():
        if model in models:
            summary = models[model].summary
            ious = {f"iou@{count}": round(value, 4) for count, value in summary.iou_after.items()}
            nocs = {f"noc@{target:.0%}".rstrip("%"): round(value, 3) for target, value in summary.noc.items()}
            metrics[source] = {"objects": float(summary.objects), **ious, **nocs}
    return metrics


def _groups(results: Results) -> dict[str, list[str]]:
    """Sources to average over, by title; none where there is but one source."""
    microscopy = [source for source in results if not source.startswith(NATURAL)]
    groups = {"Average over the microscopy sources": microscopy, "Average over all sources": list(results)}
    if len(microscopy) == len(results):
        del groups["Average over all sources"]
    return {title: sources for title, sources in groups.items() if len(sources) > 1}


def _source_table(models: Mapping[str, Result]) -> str:
    head = ["model", "objects", *(f"IoU@{count}" for count in COUNTS)]
    head += [
        *(f"NoC@{target:.0%}".rstrip("%") for target in SHOWN_TARGETS),
        "unsolved",
        "fall",
        "ms",
        "ms p95",
        "ratio",
    ]
    lines = []
    for name, result in models.items():
        s = result.summary
        cells = [
            name,
            str(s.objects),
            *(f"{s.iou_after[count]:.3f}" if count in s.iou_after else "" for count in COUNTS),
        ]
        cells += [_with_interval(s.noc[target], s.interval[target]) for target in SHOWN_TARGETS]
        cells += [str(s.unsolved[0.90]), f"{s.largest_fall:.3f}"]
        cells += [f"{1000 * s.median_seconds:.0f}", f"{1000 * s.p95_seconds:.0f}", _ratio_text(_ratio(models, name))]
        lines.append(cells)
    return _table(head, lines)


def _average_table(results: Results, sources: Sequence[str]) -> str:
    """Each source counts the same; only models that ran on all of them are averaged."""
    names = [name for name in results[sources[0]] if all(name in results[source] for source in sources)]
    head = ["model", "sources", *(f"IoU@{count}" for count in COUNTS)]
    head += [*(f"NoC@{target:.0%}".rstrip("%") for target in SHOWN_TARGETS), "worst ratio"]
    lines = []
    for name in names:
        summaries = [results[source][name].summary for source in sources]
        counts = [count for count in COUNTS if all(count in s.iou_after for s in summaries)]
        ratios = [_ratio(results[source], name) for source in sources]
        known = [ratio for ratio in ratios if ratio is not None]
        cells = [name, str(len(sources))]
        cells += [f"{np.mean([s.iou_after[c] for s in summaries]):.3f}" if c in counts else "" for c in COUNTS]
        cells += [f"{np.mean([s.noc[target] for s in summaries]):.2f}" for target in SHOWN_TARGETS]
        lines.append([*cells, _ratio_text(max(known) if known else None)])
    return _table(head, lines)


def _ratio(models: Mapping[str, Result], name: str, target: float = 0.90) -> float | None:
    """NoC over that of the best model without weights, on the objects that both saw; None where there is none."""
    ratios = []
    for other in models.keys() & WEIGHTLESS.keys():
        both = sorted(set(models[name].objects) & set(models[other].objects))
        if both:
            ratios.append(models[name].noc(both, target) / models[other].noc(both, target))
    return max(ratios) if ratios else None


def _ratio_text(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _with_interval(mean: float, interval: tuple[float, float]) -> str:
    return f"{mean:.2f} ({interval[0]:.2f}-{interval[1]:.2f})"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---", *["---:"] * (len(head) - 1)], *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
