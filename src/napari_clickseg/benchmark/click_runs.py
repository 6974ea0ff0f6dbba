"""Run: a robot clicks on sampled objects, models answer, every click becomes a row of a CSV.

The CSV is the state: a run that was stopped goes on with the objects that are not in it. Objects are worked on here, in
other processes, or on a cluster.
"""

from __future__ import annotations

import csv
import io
import multiprocessing
import sys
import time
import zlib
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from napari_clickseg.benchmark.datasets import Plane, Target, prepared
from napari_clickseg.benchmark.starting_masks import SCRATCH, Start, protocol_of, start_of
from napari_clickseg.core.jobs import Lost, connected, results
from napari_clickseg.core.metrics import boundary_f, corrected_share, five_digits, iou
from napari_clickseg.core.regions import Region
from napari_clickseg.core.simulated_user import next_click
from napari_clickseg.models.load import load_model
from napari_clickseg.session.session import Session
from napari_clickseg.storage.atomic import written_whole
from napari_clickseg.storage.tables import open_table

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Click
    from napari_clickseg.core.requests import Predictor

COLUMNS = (
    *("source", "image", "frame", "object", "area", "robot", "start", "model"),
    *("click", "y", "x", "positive", "iou", "boundary_f", "corrected", "seconds"),
)
"""`start` is "scratch" or the kind of mask that was corrected; such a curve begins with a row of that mask, click 0."""
KEY = ("source", "image", "frame", "object", "robot", "start", "model")
Row = dict[str, str]
Answers = Generator[list[Row] | Lost, None, None]
NAMED = 5
"""So many objects that are missing are named."""
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Job:
    """One object for one model: what a worker is given. `start` is a name in `starts.STARTS`."""

    target: Target
    model: str
    robot: str = "centre"
    max_clicks: int = 20
    device: str = "auto"
    start: str = SCRATCH

    @property
    def key(self) -> tuple[str, ...]:
        """Its values under `KEY` in the CSV; for a damaged start, whose rows name the kind of damage, "damaged"."""
        return (*self.target.key, self.robot, self.start, self.model)

    @property
    def seed(self) -> int:
        """What the robot's random choices follow from: object, robot and start. It is the same for every model."""
        start = () if self.start == SCRATCH else (self.start,)
        return zlib.crc32("|".join((*self.target.key, self.robot, *start)).encode())


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A job's object on its plane, and what its clicks begin with."""

    job: Job
    plane: Plane
    truth: Mask
    start: Start

    def row(
        self, number: int, mask: Mask, before: Mask | None = None, click: Click | None = None, seconds: float = 0.0
    ) -> Row:
        """Return the row of a click and the mask after it; without a click, that of the mask that clicks start from."""
        job, ignore = self.job, self.plane.ignore
        place: tuple[object, ...] = ("", "", "") if click is None else (*click.position, int(click.positive))
        corrected = float("nan")
        if click is not None and before is not None:
            corrected = corrected_share(before, mask, self.truth, click.position)
        described = (*job.target.key, job.target.area, job.robot, self.start.kind, job.model, number, *place)
        shares = (_iou_on_box(mask, self.truth, ignore), boundary_f(mask, self.truth, ignore), corrected)
        measured = ("" if np.isnan(share) else five_digits(share) for share in shares)
        values = (*described, *measured, f"{seconds:.5f}")
        return dict(zip(COLUMNS, map(str, values), strict=True))


def run_jobs(
    jobs: Sequence[Job],
    path: Path,
    processes: int = 1,
    scheduler: str | None = None,
    resumed: Callable[[int], None] | None = None,
) -> None:
    """Run the jobs that the CSV at `path` does not hold yet, and append their rows, object by object.

    Stopping it (Ctrl+C) loses only the objects under work.

    Parameters
    ----------
    processes : int
        How many work at a time on this machine.
    scheduler : str, optional
        Address of a dask scheduler whose workers do the work instead; they must see data and weights at the same paths.
    resumed : callable, optional
        Called before the work with the number of jobs that the CSV holds, where it holds some of them.

    Raises
    ------
    ValueError
        Where the CSV is not one of ours, or a scheduler is named and dask.distributed is not installed.
    OSError
        Where no scheduler answers at the address, or workers ended and rows are missing for it.
    """
    with connected(scheduler) as cluster:
        done = _tidy(path, {job.key: job.max_clicks for job in jobs})
        waiting = [job for job in jobs if job.key not in done]
        if resumed is not None and len(waiting) < len(jobs):
            resumed(len(jobs) - len(waiting))
        _write_answers(path, len(jobs), len(waiting), results(click_through, waiting, processes, cluster))


def _write_answers(path: Path, total: int, waiting: int, answers: Answers) -> None:
    """Append rows as they come, with a bar that begins at what was there before; at the end name what is missing."""
    lost: list[Lost] = []
    with (
        open(path, "a", newline="", encoding="utf-8") as handle,
        tqdm(total=total, initial=total - waiting, unit="object", smoothing=0.05) as bar,
        closing(answers),
    ):
        if handle.tell() == 0:
            handle.write(_text([COLUMNS]))
        for rows in answers:
            if isinstance(rows, Lost):
                lost.append(rows)
                continue
            handle.write(_text([row[column] for column in COLUMNS] for row in rows))
            handle.flush()
            bar.set_description(f"{rows[0]['model']} on {rows[0]['source']}", refresh=False)
            bar.update()
    if lost:
        names = ", ".join(f"{one.job.model} on {'/'.join(one.job.target.key)}" for one in lost[:NAMED])
        more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
        raise OSError(
            f"{len(lost)} of {total} objects are missing in {path}: {names}{more}. {lost[0].why} The same command goes "
            "on with them."
        )


def click_through(job: Job) -> list[Row]:
    """Let the robot segment or correct one object; return a row per click. Ends when nothing is wrong any more.

    A robot may have to repeat a click that its model did not obey. The session decides what that asks of the model;
    where it asks nothing the mask stays as it is.
    """
    plane, diameter = prepared(job.target.item, job.target.frame)
    start = start_of(plane, job.target.label, diameter, job.start, "|".join(job.target.key))
    case = Case(job, plane, plane.labels == job.target.label, start)
    session = _begun(case)
    rng = np.random.default_rng(job.seed)
    mask, begun_empty = session.mask(), not start.mask.any()
    rows = [] if job.start == SCRATCH else [case.row(0, mask)]
    for number in range(1, job.max_clicks + 1):
        click = next_click(case.truth, mask, session.clicks, rng, job.robot, plane.ignore, begun_empty)
        if click is None:
            break
        before, seconds = mask, timed_click(session, click, diameter)
        mask = session.mask()
        rows.append(case.row(number, mask, before, click, seconds))
    return rows


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a benchmark's CSV, which may be packed (.csv.gz).

    Raises
    ------
    ValueError
        Where its columns are not ours.
    """
    with open_table(path) as table:
        _check_columns(path, tuple(table.fieldnames or ()))
        return [row for row in table if _whole(row)]


def _whole(row: Row) -> bool:
    """Whether a row was written to its end, and not cut off when the run was stopped."""
    return all(isinstance(row[column], str) for column in COLUMNS) and bool(row["click"] and row["iou"])


def _check_columns(path: Path, found: tuple[str, ...]) -> None:
    if found == COLUMNS:
        return
    missing = ", ".join(name for name in COLUMNS if name not in found)
    fault = (
        f"it has no column {missing}" if missing else f"its columns are not just {', '.join(COLUMNS)}, in this order"
    )
    raise ValueError(f"{path} is no result of this benchmark: wanted is a clicks.csv that it wrote, and {fault}.")


def _begun(case: Case) -> Session:
    """A session in which the mask to correct, if any, was taken up."""
    predictor = _model(case.job.model, case.job.device)
    if not case.start.mask.any():
        return Session(case.plane.image, predictor)
    session = Session(case.plane.image, predictor, case.start.mask.astype(np.int32))
    session.resume(1)
    return session


def timed_click(session: Session, click: Click, diameter: float) -> float:
    """Click, wait for the answer and draw it; return the model's seconds."""
    request = session.set_clicks((*session.clicks, click))
    if request is None:
        return 0.0
    asked = replace(request, diameter=diameter, estimated=True) if request.diameter is None else request
    start = time.perf_counter()
    answer = session.predictor.predict(session.image, asked)
    seconds = time.perf_counter() - start
    session.apply(request, answer)
    return seconds


def _iou_on_box(mask: Mask, truth: Mask, ignore: Mask | None) -> float:
    """The IoU, looked at only where there is something of either."""
    box = (Region.of_mask(mask | truth) or Region.whole(mask.shape)).slices
    return iou(mask[box], truth[box], None if ignore is None else ignore[box])


def _asked(row: Row) -> tuple[str, ...]:
    """The key of the job that a row answers."""
    return tuple(protocol_of(row[column]) if column == "start" else row[column] for column in KEY)


def _tidy(path: Path, wanted: dict[tuple[str, ...], int]) -> set[tuple[str, ...]]:
    """Drop rows of wanted objects that are not complete from the CSV; return the objects that it holds complete."""
    if not path.exists():
        return set()
    try:
        rows = read_rows(path)
    except ValueError as error:
        raise ValueError(f"{error} Name another folder to write to (--out).") from error
    clicks: dict[tuple[str, ...], int] = {}
    solved = set()
    for row in rows:
        clicks[_asked(row)] = max(clicks.get(_asked(row), 0), int(row["click"]))
        if float(row["iou"]) == 1.0:
            solved.add(_asked(row))
    done = {key for key, count in clicks.items() if key in solved or count >= wanted.get(key, 1)}
    with written_whole(path) as unfinished:
        kept = ([row[column] for column in COLUMNS] for row in rows if _asked(row) in done)
        unfinished.write_text(_text([COLUMNS, *kept]), encoding="utf-8", newline="")
    return done


def _text(rows: Iterable[Iterable[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


# -- what a worker keeps from job to job -------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _model(name: str, device: str) -> Predictor:
    predictor = load_model(name, device)
    torch: Any = sys.modules.get("torch")
    if torch is not None and multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)
    return predictor
