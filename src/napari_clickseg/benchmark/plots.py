"""Plots: IoU against clicks, a panel per source and a line per model. matplotlib is imported when they are drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_clickseg.benchmark.tables import ranking
from napari_clickseg.core.metrics import LIMIT, curve_band
from napari_clickseg.models.registry import WEIGHTLESS
from napari_clickseg.storage.atomic import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_clickseg.benchmark.results import Comparison, Results

FILES = ("iou.png", "iou.svg")
ACROSS = (5, 4, 3)
"""Panels side by side: of these, the number that leaves the fewest places empty."""
PANEL = (2.6, 2.3)
"""Inches, wide and high, of a panel with its share of the space between panels."""
LEFT, RIGHT, FOOT = 0.6, 0.15, 0.5
"""Inches beside and below the panels."""
NARROWEST = 5.2
"""Inches of panels side by side, which the title needs."""
TITLE, LEGEND_LINE, LEGEND_ENTRY = 0.9, 0.2, 1.5
"""Inches: head of the page without the legend, one line of the legend, one entry's width."""
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Distinguishable with any kind of colour vision (Okabe and Ito)."""
DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = ("-", (0, (5, 1.6)), (0, (1.2, 1.4)))
GREY = "#8A8A8A"
"""Of models without weights, which only dashes distinguish: they are the ground to compare with."""
INK, FAINT = "#333333", "#E4E4E4"
TICKS = (1, 2, 5, 10, 20)
SETTINGS = {
    "font.size": 8.5,
    "svg.hashsalt": "clickseg",
    "svg.fonttype": "none",
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}

Style = dict[str, Any]


def draw_curves(results: Results, folder: Path) -> list[Path]:
    """Write mean IoU against clicks, with 95 % bands, as PNG and SVG into a folder that is there; return their paths.

    Raises
    ------
    ValueError
        Where matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise ValueError('Plots need matplotlib: pip install "napari-clickseg[bench]".')
    import matplotlib

    paths = [folder / name for name in FILES]
    with matplotlib.rc_context(SETTINGS):
        figure = curves_figure(results)
        for path in paths:
            metadata = {"Date": None} if path.suffix == ".svg" else {}
            with written_whole(path) as unfinished:
                figure.savefig(unfinished, dpi=180, metadata=metadata)
    return paths


def curves_figure(results: Results) -> Figure:
    """Return one panel per source, microscopy first, in the order and with the clicks of the report."""
    from matplotlib.figure import Figure

    sources, order = results.sources, ranking(results)
    styles = styles_of([name for name in order if any(name in results.scratch(s).models for s in sources)])
    across = columns_of(len(sources))
    down = math.ceil(len(sources) / across)
    width = max(across * PANEL[0], NARROWEST) + LEFT + RIGHT
    columns, lines = _legend_shape(len(styles), width)
    head = TITLE + lines * LEGEND_LINE
    height = down * PANEL[1] + head + FOOT
    figure = Figure(figsize=(width, height), facecolor="white")
    panels = figure.subplots(down, across, sharey=True, squeeze=False).ravel()
    figure.subplots_adjust(
        left=LEFT / width, right=1 - RIGHT / width, bottom=FOOT / height, top=1 - head / height, wspace=0.1, hspace=0.32
    )
    for place, source in enumerate(sources):
        _draw_panel(panels[place], source, results.scratch(source), styles)
        panels[place].set_ylabel("mean IoU" if place % across == 0 else "")
        panels[place].set_xlabel("clicks" if place + across >= len(sources) else "")
    for panel in panels[len(sources) :]:
        panel.remove()
    panels[0].set_ylim(_floor(results), 1)
    _write_head(figure, styles, columns, results.robot)
    return figure


def columns_of(panels: int) -> int:
    """Return how many panels stand side by side.

    >>> [columns_of(panels) for panels in (1, 8, 13)]
    [1, 4, 5]
    """
    return panels if panels < min(ACROSS) else min(ACROSS, key=lambda across: -panels % across)


def styles_of(names: Sequence[str]) -> dict[str, Style]:
    """Return how each model's line looks; the first model, the best one, is drawn strongest and on top.

    >>> [style["color"] for style in styles_of(["default", "geodesic"]).values()]
    ['#D55E00', '#8A8A8A']
    """
    trained = product(DASHES, COLOURS)
    plain = ((dashes, GREY) for dashes in (*DASHES, *((0, (k, 1.5, 1.2, 1.5)) for k in range(3, 3 + len(names)))))
    looks = {name: next(plain if name in WEIGHTLESS else trained) for name in names}
    return {
        name: {
            "color": colour,
            "linestyle": dashes,
            "linewidth": 2.2 if place == 0 else 1.3,
            "zorder": 3 + len(names) - place,
        }
        for place, (name, (dashes, colour)) in enumerate(looks.items())
    }


def _draw_panel(panel: Axes, source: str, comparison: Comparison, styles: dict[str, Style]) -> None:
    for name, style in styles.items():
        if name in comparison.models:
            ious = comparison.models[name].ious[:, :LIMIT]
            clicks = np.arange(1, ious.shape[1] + 1)
            panel.plot(clicks, ious.mean(axis=0), label=name, solid_capstyle="round", **style)
            panel.fill_between(clicks, *curve_band(ious), color=style["color"], alpha=0.13, linewidth=0)
    panel.set_title(source, loc="left", fontsize=9, fontweight="bold", pad=5)
    panel.set_title(f"n = {len(comparison.objects)}", loc="right", fontsize=7.5, color=GREY, pad=5)
    last = min(LIMIT, comparison.clicks)
    panel.set_xscale("log")  # most of it happens within the first clicks
    panel.set_xlim(1, max(last, 2))
    panel.set_xticks(ticks := [tick for tick in TICKS if tick <= last], [str(tick) for tick in ticks])
    panel.set_xticks([], minor=True)
    panel.grid(axis="y", color=FAINT, linewidth=0.7)
    panel.set_axisbelow(True)
    panel.tick_params(length=0, labelsize=8)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.spines["bottom"].set_color(GREY)


def _floor(results: Results) -> float:
    """The tenth below all bands; 0.9 where all are above."""
    comparisons = [results.scratch(source) for source in results.sources]
    lowest = min(float(curve_band(m.ious)[0].min()) for c in comparisons for m in c.models.values())
    return math.floor(10 * min(lowest, 0.9)) / 10


def _legend_shape(entries: int, width: float) -> tuple[int, int]:
    """Columns and lines, filled as evenly as may be."""
    lines = math.ceil(entries / max(1, int((width - LEFT) // LEGEND_ENTRY)))
    return math.ceil(entries / lines), lines


def _write_head(figure: Figure, styles: dict[str, Style], columns: int, robot: str) -> None:
    """The title, and one legend for all panels."""
    from matplotlib.lines import Line2D

    width, height = figure.get_size_inches()
    left = LEFT / width
    figure.text(left, 1 - 0.15 / height, "Mean IoU after each click", fontsize=12, fontweight="bold", va="top")
    subtitle = f"95 % intervals shaded; n objects; robot: {robot}; clicks on a logarithmic scale"
    figure.text(left, 1 - 0.37 / height, subtitle, fontsize=8.5, color=GREY, va="top")
    figure.legend(
        [Line2D([], [], **style) for style in styles.values()],
        list(styles),
        loc="upper left",
        bbox_to_anchor=(left, 1 - 0.6 / height),
        borderaxespad=0,
        borderpad=0,
        ncols=columns,
        frameon=False,
        handlelength=2.6,
        columnspacing=1.6,
        fontsize=8.5,
    )
