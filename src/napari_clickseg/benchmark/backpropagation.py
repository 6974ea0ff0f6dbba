"""Backpropagation: what it saves each system in clicks, and what it costs in time, against the same system without."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from napari_clickseg.benchmark.curves import Measured, Results
from napari_clickseg.benchmark.report import table
from napari_clickseg.core.metrics import Values, clicks_to_reach, mean_interval

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
