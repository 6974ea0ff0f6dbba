"""Rows as a benchmark writes them, from curves that a test writes down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from napari_clickseg.benchmark.click_runs import KEY

Row = dict[str, str]


def rows_of(
    source: str,
    model: str,
    curves: Mapping[str, Sequence[float]],
    robot: str = "centre",
    start: str = "scratch",
    seconds: float = 1.0,
) -> list[Row]:
    """Rows of the objects of image `a`; from a bad mask the first value of a curve is that mask's.

    Boundary F is the IoU less 0.1; every click corrects half of its error.
    """
    rows = []
    for number, curve in curves.items():
        for click, value in enumerate(curve, start=1 if start == "scratch" else 0):
            row = {"source": source, "image": "a", "frame": "", "object": number, "area": "100", "robot": robot}
            row |= {"start": start, "model": model, "click": str(click), "iou": f"{value:.5f}"}
            row |= {"boundary_f": f"{max(value - 0.1, 0):.5f}", "seconds": f"{seconds if click else 0:.5f}"}
            place = ("0", "0", "1", "0.50000") if click else ("", "", "", "")
            rows.append(row | dict(zip(("y", "x", "positive", "corrected"), place, strict=True)))
    return rows


def key_of(row: Row) -> tuple[str, ...]:
    """Which object, robot, start and model a row belongs to."""
    return tuple(row[column] for column in KEY)
