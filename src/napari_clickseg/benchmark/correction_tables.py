"""Gains: the tables of what clicks did to the objects that models found by themselves. Reads nothing but rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from napari_clickseg.benchmark.conversion import ALONE, FOUND, ORDERS, WORST, Corrector, Row
from napari_clickseg.benchmark.tables import table
from napari_clickseg.core.metrics import DEBRIS, GOOD_IOU, KINDS, Values, carried_on, clicks_to_reach, mean_interval

if TYPE_CHECKING:
    from napari_clickseg.benchmark.results import Measured, Results

WITH, WITHOUT = ":brs=on", ":brs=off"
TARGET = 0.85


def backpropagation_table(results: Results) -> str:
    """A line per model that ran with and without: clicks to `TARGET`, their difference, mean time and its ratio."""
    head = ["model", "objects", f"NoC@{100 * TARGET:.0f} without", "with", "saved (95 %)"]
    lines = [_line(results, name) for name in models_with_both(results)]
    return table([*head, "ms per click without", "with", "ratio"], lines)


def models_with_both(results: Results) -> list[str]:
    """Return the models that clicked both ways on every source, by name."""
    there = set.intersection(*(set(results.scratch(source).models) for source in results.sources))
    names = (name.removesuffix(WITH) for name in there if name.endswith(WITH))
    return sorted(name for name in names if name + WITHOUT in there)


def _line(results: Results, name: str) -> list[str]:
    pairs = [[results.scratch(s).models[name + way] for way in (WITHOUT, WITH)] for s in results.sources]
    needed = [[clicks_to_reach(measured.ious, TARGET) for measured in pair] for pair in pairs]
    without, with_ = (float(np.mean([pair[k].mean() for pair in needed])) for k in (0, 1))
    low, high = mean_interval(*(plain - refined for plain, refined in needed))
    plain, refined = (_milliseconds(pair[k] for pair in pairs) for k in (0, 1))
    return [
        name,
        str(sum(len(pair[0].objects) for pair in pairs)),
        *(f"{without:.2f}", f"{with_:.2f}", f"{without - with_:+.2f} ({low:+.2f} to {high:+.2f})"),
        *(f"{plain:.0f}", f"{refined:.0f}", f"{refined / plain:.1f}"),
    ]


def _milliseconds(measured: Iterable[Measured]) -> float:
    """Mean over all clicks that were made."""
    seconds: Values = np.concatenate([one.seconds.ravel() for one in measured])
    return float(1000 * np.nanmean(seconds))


PAPER = ("Jang and Kim, Table 4", "", "", (88.2, 88.9, 89.1, 89.4, 89.5, 89.6), (3.6, 1.8, 0.8, 1.3, 0.3))
"""U-Net on two sequences of PhC-U373: mean IoU after 0 to 5 clicks, and what each brought to the cells clicked on."""
WRONG = tuple(kind for kind in KINDS if kind != DEBRIS)
FIRST_GAIN, SOLVED_SHARE = 3.6, 80.0
"""What is aimed at: points that the first click brings to the object clicked on, percent of the failures solved."""


@dataclass(frozen=True, slots=True, eq=False)
class Gains:
    """What clicks in an order brought.

    Attributes
    ----------
    means : ndarray of float64
        Mean IoU of all objects of all images after 0, 1 .. clicks per image.
    gains : ndarray of float64
        Mean gain of the objects clicked on, with the first click of an image, the second ..
    """

    means: Values
    gains: Values

    @property
    def deepest_fall(self) -> float:
        """By how much one more click per image lowered the mean at most; 0 where it never fell."""
        return float(max(0.0, -np.diff(self.means).min(initial=0.0)))


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """What became of the failures of a kind.

    Attributes
    ----------
    found, tried : int
        How many there were in all, and how many were corrected.
    clicks : ndarray of float64
        Of each corrected one, to an IoU of `GOOD_IOU` (of debris: until it was gone); infinite where it was never
        reached.
    seconds : ndarray of float64
        Of each click.
    """

    found: int
    tried: int
    clicks: Values
    seconds: Values

    @property
    def share(self) -> float:
        """Percent that were solved."""
        return 100 * float(np.isfinite(self.clicks).mean()) if self.clicks.size else float("nan")


def who(rows: Iterable[Row]) -> list[Corrector]:
    """Return whose clicks the rows hold, in their order."""
    return list(dict.fromkeys(Corrector(row["labels"], row["model"]) for row in rows))


def alike(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of the images that all saw: models are compared on the same images.

    Raises
    ------
    ValueError
        Where there is no such image.
    """
    by = who(rows)
    images = [{_image(row) for row in rows if _by(row) == one} for one in by]
    both = set.intersection(*images) if images else set()
    if not both:
        names = ", ".join(one.model for one in by) or "no model"
        raise ValueError(f"There is no image that all saw ({names}): run them over the same sample (--images, --seed).")
    return [row for row in rows if _image(row) in both]


def _image(row: Row) -> tuple[str, str]:
    return row["source"], row["image"]


def gains_of(rows: Iterable[Row], by: Corrector, order: str) -> Gains:
    """Return what clicks in an order brought; an image that needed fewer clicks keeps its last mean.

    Raises
    ------
    ValueError
        Where there is no row of that order.
    """
    mine = sorted((row for row in rows if row["protocol"] == order and _by(row) == by), key=_image)
    images = [list(group) for _, group in groupby(mine, _image)]
    if not images:
        raise ValueError(
            f"No row is about {by.model} on the labels of {by.labels} in the order {order!r}: run it, or leave it out."
        )
    clicks = max(len(image) for image in images)
    curves = np.array([carried_on([float(row["mean"]) for row in image], clicks) for image in images])
    weights = np.array([int(image[0]["objects"]) for image in images])
    gains = [
        float(np.mean([float(image[k]["iou"]) - float(image[k]["before"]) for image in images if len(image) > k]))
        for k in range(1, clicks)
    ]
    return Gains(np.average(curves, axis=0, weights=weights), np.array(gains, float))


def solved_of(rows: Iterable[Row], by: Corrector, kinds: Sequence[str] = KINDS) -> Solved:
    """Return what became of the failures of some kinds."""
    mine = [row for row in rows if _by(row) == by and row["kind"] in kinds]
    found = sum(row["protocol"] == FOUND for row in mine)
    clicked = [row for row in mine if row["protocol"] == ALONE]
    clicked.sort(key=lambda row: (*_image(row), row["object"], int(row["click"])))
    tried = [list(group) for _, group in groupby(clicked, lambda row: (*_image(row), row["object"]))]
    clicks = [next((float(row["click"]) for row in one if _good(row)), np.inf) for one in tried]
    return Solved(found, len(tried), np.array(clicks), np.array([float(row["seconds"]) for row in clicked]))


def found_metrics(rows: Iterable[Row], model: str) -> dict[str, dict[str, float]]:
    """Return what a converted model's card says of each source: what it finds by itself, before any click."""
    metrics: dict[str, dict[str, float]] = {}
    mine = [row for row in rows if _by(row) == Corrector(model, model)]
    for source in dict.fromkeys(row["source"] for row in mine):
        here = [row for row in mine if row["source"] == source]
        begun = [row for row in here if row["protocol"] == WORST and row["click"] == "0"]
        objects = [int(row["objects"]) for row in begun]
        wrong = sum(row["protocol"] == FOUND and row["kind"] != DEBRIS for row in here)
        metrics[source] = {
            "images": float(len(begun)),
            "objects": float(sum(objects)),
            "iou": round(float(np.average([float(row["mean"]) for row in begun], weights=objects)), 4),
            f"iou above {GOOD_IOU}": round(1 - wrong / sum(objects), 4),
        }
    return metrics


def gains_table(rows: Sequence[Row]) -> str:
    """Mean IoU of all objects, and the gain of those clicked on, click by click: the shape of the paper's table."""
    rows, lines = alike(rows), []
    for by in who(rows):
        for order in ORDERS:
            gains = gains_of(rows, by, order)
            lines += _two_lines(by.model, by.labels, order, 100 * gains.means, 100 * gains.gains)
    lines += _two_lines(*PAPER[:3], *map(np.array, PAPER[3:]))
    width = max(len(line) for line in lines)
    lines = [[*line, *[""] * (width - len(line))] for line in lines]
    return table(["model", "labels of", "order", "points", *map(str, range(width - 4))], lines, words=4)


def failures_table(rows: Sequence[Row]) -> str:
    """Failures by kind: how many, which share few clicks corrected, how many they took, and how long each."""
    rows, lines = alike(rows), []
    for by in who(rows):
        for name, kinds in {**{kind: (kind,) for kind in KINDS}, "all": KINDS}.items():
            solved = solved_of(rows, by, kinds)
            lines.append([by.model, by.labels, name, str(solved.found), str(solved.tried), *_counts(solved)])
    head = ["model", "labels of", "failure", "found", "corrected", "solved", "clicks of the solved", "ms per click"]
    return table(head, lines, words=3)


def aims_table(rows: Sequence[Row]) -> str:
    """What was to be reached, and what each model that corrects its own labels reached."""
    rows = alike(rows)
    own = [by for by in who(rows) if by.labels == by.model]
    lines = [[aim, wanted, *(tell(rows, by) for by in own)] for aim, wanted, tell in AIMS]
    return table(["", "aim", *(by.model for by in own)], lines)


def _first_gain(rows: Sequence[Row], by: Corrector) -> str:
    gains = gains_of(rows, by, WORST).gains
    return f"{100 * gains[0]:+.1f}" if gains.size else ""


def _falls(rows: Sequence[Row], by: Corrector) -> str:
    return ", ".join(f"{100 * gains_of(rows, by, order).deepest_fall:.2f}" for order in ORDERS)


def _solved(rows: Sequence[Row], by: Corrector) -> str:
    return f"{solved_of(rows, by, WRONG).share:.0f} %"


def _harm(rows: Sequence[Row], by: Corrector) -> str:
    return str(sum(int(row["harmed"]) for row in rows if row["seconds"] and _by(row) == by))


AIMS: tuple[tuple[str, str, Callable[[Sequence[Row], Corrector], str]], ...] = (
    ("gain of the worst object with the first click, points", f"{FIRST_GAIN:+}", _first_gain),
    (f"largest fall of the mean over all objects, points ({', '.join(ORDERS)})", "0", _falls),
    (f"{', '.join(WRONG)}: solved within 5 clicks", f"{SOLVED_SHARE:.0f} %", _solved),
    ("pixels of other objects that changed", "0", _harm),
)
"""What is aimed at, how much of it, and how that is read from the rows."""


def _two_lines(model: str, labels: str, order: str, means: Values, gains: Values) -> list[list[str]]:
    """Numbers in percent, the gains under the clicks that brought them."""
    return [
        [model, labels, order, "mean IoU, all objects", *(f"{mean:.1f}" for mean in means)],
        [model, labels, order, "gain, clicked objects", "", *(f"{gain:+.1f}" for gain in gains)],
    ]


def _counts(solved: Solved) -> list[str]:
    """Share that was solved, mean clicks of those, median milliseconds of a click; empty where nothing was tried."""
    if not solved.tried:
        return ["", "", ""]
    reached = solved.clicks[np.isfinite(solved.clicks)]
    mean = f"{reached.mean():.1f}" if reached.size else ""
    return [f"{solved.share:.0f} %", mean, f"{1000 * np.median(solved.seconds):.0f}"]


def _by(row: Row) -> Corrector:
    return Corrector(row["labels"], row["model"])


def _good(row: Row) -> bool:
    return float(row["iou"]) >= (1.0 if row["kind"] == DEBRIS else GOOD_IOU)
