"""Run: a robot clicks on sampled objects, models answer, every click becomes a row of a CSV.

The CSV is the state: a run that was stopped goes on with the objects that are not in it.
"""

from __future__ import annotations

import csv
import io
import multiprocessing
import os
import signal
import sys
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from napari_clickseg.benchmark.datasets import Item, Plane, Target, read_plane
from napari_clickseg.benchmark.metrics import iou
from napari_clickseg.clicks import Frame
from napari_clickseg.files import written_whole
from napari_clickseg.models.registry import load_model
from napari_clickseg.questions import Predictor
from napari_clickseg.robot import next_click
from napari_clickseg.scale import estimate_diameter
from napari_clickseg.session import Session

COLUMNS = (
    *("source", "image", "frame", "object", "area", "robot", "model"),
    *("click", "y", "x", "positive", "iou", "seconds"),
)
KEY = ("source", "image", "frame", "object", "robot", "model")
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Job:
    """One object for one model: what a worker process is given."""

    target: Target
    model: str
    robot: str = "centre"
    max_clicks: int = 20
    device: str = "auto"

    @property
    def key(self) -> tuple[str, ...]:
        """Its value under `KEY` in the CSV."""
        item = self.target.item
        return (item.source, item.name, _frame_text(self.target.frame), str(self.target.label), self.robot, self.model)


def run_jobs(jobs: Sequence[Job], path: Path, processes: int = 1) -> None:
    """Run the jobs that the CSV at `path` does not hold yet, and append their rows, object by object.

    Stopping it (Ctrl+C) loses only the objects under work.

    Raises
    ------
    ValueError
        Where the CSV is not one of ours.
    """
    done = _tidy(path, {job.key: job.max_clicks for job in jobs})
    waiting = [job for job in jobs if job.key not in done]
    with open(path, "a", newline="", encoding="utf-8") as handle:
        if handle.tell() == 0:
            handle.write(_text([COLUMNS]))
        with tqdm(total=len(jobs), initial=len(jobs) - len(waiting), unit="object", smoothing=0.05) as bar:
            for rows in _answers(waiting, processes):
                handle.write(_text([row[column] for column in COLUMNS] for row in rows))
                handle.flush()
                bar.set_description(f"{rows[0]['model']} on {rows[0]['source']}", refresh=False)
                bar.update()


def click_through(job: Job) -> list[Row]:
    """Let the robot segment one object; return a row per click. Ends when nothing is wrong any more."""
    target = job.target
    plane, diameter = _prepared(target.item, target.frame)
    truth = plane.labels == target.label
    session = Session(plane.image, _model(job.model, job.device))
    rng = np.random.default_rng(zlib.crc32("|".join(job.key).encode()))
    rows: list[Row] = []
    while len(rows) < job.max_clicks:
        click = next_click(truth, session.mask(), session.clicks, rng, job.robot, plane.ignore)
        if click is None:
            break
        request = session.set_clicks((*session.clicks, click))
        assert request is not None  # a robot never repeats a click that was obeyed
        start = time.perf_counter()
        answer = session.predictor.predict(plane.image, replace(request, diameter=diameter, estimated=True))
        seconds = time.perf_counter() - start
        session.apply(request, answer)
        said = [*job.key[:4], target.area, *job.key[4:], len(rows) + 1, *click.position, int(click.positive)]
        values = [*said, f"{iou(session.mask(), truth, plane.ignore):.5f}", f"{seconds:.5f}"]
        rows.append(dict(zip(COLUMNS, map(str, values), strict=True)))
    return rows


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a benchmark's CSV.

    Raises
    ------
    ValueError
        Where its columns are not ours.
    """
    with open(path, newline="", encoding="utf-8") as handle:
        table = csv.DictReader(handle)
        if tuple(table.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path} is no result of this benchmark; name another folder (--out).")
        return [row for row in table if all(isinstance(row[column], str) for column in COLUMNS)]


def key_of(row: Row) -> tuple[str, ...]:
    """Return which object, robot and model a row belongs to."""
    return tuple(row[column] for column in KEY)


def _tidy(path: Path, wanted: dict[tuple[str, ...], int]) -> set[tuple[str, ...]]:
    """Drop rows of wanted objects that are not complete from the CSV; return the objects that it holds complete."""
    if not path.exists():
        return set()
    rows = read_rows(path)
    counts: dict[tuple[str, ...], int] = {}
    solved = set()
    for row in rows:
        counts[key_of(row)] = counts.get(key_of(row), 0) + 1
        if float(row["iou"]) == 1.0:
            solved.add(key_of(row))
    done = {key for key, count in counts.items() if key in solved or count >= wanted.get(key, 1)}
    with written_whole(path) as unfinished:
        kept = ([row[column] for column in COLUMNS] for row in rows if key_of(row) in done)
        unfinished.write_text(_text([COLUMNS, *kept]), encoding="utf-8", newline="")
    return done


def _text(rows: Iterable[Iterable[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def _frame_text(frame: Frame) -> str:
    return ";".join(map(str, frame))


# -- work, here or in other processes ----------------------------------------------------------------------------------


def _answers(jobs: Sequence[Job], processes: int) -> Iterator[list[Row]]:
    if processes <= 1 or len(jobs) <= 1:
        yield from map(click_through, jobs)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(processes, len(jobs)), context, initializer=_start_process)
    try:
        for future in as_completed([pool.submit(click_through, job) for job in jobs]):
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_process() -> None:
    """One thread per process; Ctrl+C is the parent's to handle; no process outlives its parent."""
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@lru_cache(maxsize=4)
def _prepared(item: Item, frame: Frame) -> tuple[Plane, float]:
    """A plane and the diameter that a session would estimate on it: the same for all of its objects."""
    plane = read_plane(item, frame)
    return plane, estimate_diameter(plane.image, (), 2)


@lru_cache(maxsize=1)
def _model(name: str, device: str) -> Predictor:
    predictor = load_model(name, device)
    torch: Any = sys.modules.get("torch")
    if torch is not None and multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)
    return predictor
