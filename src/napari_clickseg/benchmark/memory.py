"""Memory: how much a model needs at its peak, measured in a process of its own.

Counted is what the process holds at its peak beyond what it held before: the libraries that the model brings in, its
weights, and what some clicks on a plane take. Memory of a GPU is not counted.
"""

from __future__ import annotations

import csv
import multiprocessing
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from napari_clickseg.core.simulated_user import next_click
from napari_clickseg.models.load import load_model
from napari_clickseg.session.session import Session
from napari_clickseg.storage.tables import write_table

COLUMNS = ("model", "peak_mb")
MEGABYTE = 1 << 20
SIDE, CLICKS = 512, 3
PROCESS_STATUS = Path("/proc/self/status")


def record_peaks(
    models: Iterable[str], path: Path, device: str = "auto", begun: Callable[[str], None] | None = None
) -> None:
    """Measure the models that the CSV at `path` does not hold yet, and add them to it.

    Parameters
    ----------
    begun : callable, optional
        Called with a model's name before it is measured, which takes seconds.

    Raises
    ------
    ValueError
        Where the CSV is not one of ours.
    """
    peaks = read_peaks([path]) if path.exists() else {}
    for model in models:
        if model not in peaks:
            if begun is not None:
                begun(model)
            peaks[model] = measure_peak(model, device)
    rows = ((model, f"{peak:.1f}") for model, peak in peaks.items())
    write_table(path, [dict(zip(COLUMNS, row, strict=True)) for row in rows])


def read_peaks(paths: Iterable[Path]) -> dict[str, float]:
    """Return each model's peak memory in MB from CSVs that `record_peaks` wrote.

    The largest counts where a model is in several.

    Raises
    ------
    ValueError
        Where the columns are others.
    """
    peaks: dict[str, float] = {}
    for path in paths:
        with open(path, newline="", encoding="utf-8") as handle:
            table = csv.DictReader(handle)
            if tuple(table.fieldnames or ()) != COLUMNS:
                raise ValueError(
                    f"{path} is no table of memory: wanted are the columns {', '.join(COLUMNS)}; move it away."
                )
            for row in table:
                peaks[row["model"]] = max(peaks.get(row["model"], 0.0), float(row["peak_mb"]))
    return peaks


def measure_peak(model: str, device: str = "auto") -> float:
    """Return a model's peak memory in MB."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as process:
        return process.submit(_click_and_weigh, model, device).result()


def _click_and_weigh(model: str, device: str) -> float:
    """Load a model and let a robot click; to be run in a fresh process."""
    before = peak_bytes()
    rows, columns = np.ogrid[:SIDE, :SIDE]
    truth = np.hypot(rows - SIDE / 2, columns - SIDE / 2) < SIDE / 8
    noise = np.random.default_rng(0).normal(0, 0.2, truth.shape)
    session = Session((truth + noise).astype(np.float32), load_model(model, device), diameter=SIDE / 4)
    for _ in range(CLICKS):
        click = next_click(truth, session.mask(), session.clicks)
        if click is not None:
            session.click(click.position, click.positive)
    return (peak_bytes() - before) / MEGABYTE


def peak_bytes() -> int:
    """Return the most memory that this process has held so far."""
    if PROCESS_STATUS.exists():
        # ru_maxrss would begin with what the parent held when it started this process.
        lines = PROCESS_STATUS.read_text("ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest << 10
