"""Carrying: what it costs to carry objects over many frames: seconds, and memory on a movie larger than any memory.

Seconds are those of the processor, over all threads of the process: what else a machine does meanwhile does not count.
"""

from __future__ import annotations

import csv
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_clickseg.core.images import Image
from napari_clickseg.core.regions import Region
from napari_clickseg.core.simulated_user import next_click
from napari_clickseg.models.load import load_model
from napari_clickseg.propagation.propagate import carry
from napari_clickseg.session.session import Session
from napari_clickseg.storage.tables import write_table

if TYPE_CHECKING:
    from napari_clickseg.benchmark.sequences import Movie
    from napari_clickseg.core.requests import Predictor

MEMORY_COLUMNS = ("model", "peak_mb")
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
    write_table(path, [dict(zip(MEMORY_COLUMNS, row, strict=True)) for row in rows])


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
            if tuple(table.fieldnames or ()) != MEMORY_COLUMNS:
                raise ValueError(
                    f"{path} is no table of memory: wanted are the columns {', '.join(MEMORY_COLUMNS)}; move it away."
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


CARRYING_COLUMNS = ("source", "image", "model", "part", "what", "frames", "objects", "seconds", "peak_mb")
"""`frames`: how many were carried to; `objects`: mean number per frame; `seconds`: of the processor; `peak_mb`: above
what was held before."""
SECONDS, MEMORY = "seconds", "memory"
ONE, ALL = "one object", "all objects"
LENGTH, FEW = 100, 10
"""Frames: of the long walk, and of one on which most objects are still there."""
TRIED = 3
"""So many objects are carried one by one; the median counts."""
VIRTUAL_SIDE, VIRTUAL_FRAMES = 2048, 12_000
WALKS = (20, 200)
"""Frames after which the peak of memory is read."""
Row = dict[str, str]


def there_and_back(movie: Movie, length: int = LENGTH) -> Movie:
    """Return a movie of a first frame and `length` more, that goes through the given one back and forth.

    Its first axis must be the frames' one.
    """
    last = len(movie.truth) - 1
    places = [last - abs(last - k % (2 * last)) for k in range(length + 1)]
    image = Image(movie.image.array[places], movie.image.axes, movie.image.spacing, movie.image.channel)
    return replace(movie, image=image, truth=movie.truth[places])


def measure_seconds(movie: Movie, predictor: Predictor, model: str) -> list[Row]:
    """Time one object, and all of them, over a few frames and over a movie that goes back and forth."""
    long = there_and_back(movie)
    lasting = [label for label in movie.objects((0,)) if all((plane == label).any() for plane in movie.truth)]
    _timed(long, predictor, lasting[:1], 3)  # the first question of all makes the model ready
    rows = []
    for most in (FEW, LENGTH):
        ones = sorted(
            (_timed(long, predictor, [label], most) for label in lasting[:TRIED]), key=lambda one: one[1] / one[0]
        )
        for what, timed in ((ONE, ones[len(ones) // 2]), (ALL, _timed(long, predictor, None, most))):
            frames, seconds, objects = timed
            rows.append(_row(movie, model, SECONDS, what, frames, objects, f"{seconds:.3f}"))
    return rows


def _timed(movie: Movie, predictor: Predictor, ids: Collection[int] | None, most: int) -> tuple[int, float, float]:
    """Return frames carried to, seconds of the processor, and the mean number of objects."""
    labels = np.zeros(movie.truth.shape, np.int32)
    labels[0] = movie.truth[0]
    first, *others = movie.frames
    begun = time.process_time()
    counts = []
    for one in islice(carry(movie.image, labels, predictor, first, others, ids), most):
        there = labels[one.frame][one.edit.region.slices]
        there[one.edit.written] = one.edit.values[one.edit.written]
        counts.append(len(one.edit.confidence))
    return len(counts), time.process_time() - begun, float(np.mean(counts))


# -- memory ------------------------------------------------------------------------------------------------------------


def measure_memory(movie: Movie, predictor: Predictor, model: str, walks: Sequence[int] = WALKS) -> list[Row]:
    """Carry all objects of a movie's first frame over a virtual one far larger; return a row per length of the walk."""
    context = multiprocessing.get_context("spawn")
    plane = np.asarray(movie.image.array[0])
    with ProcessPoolExecutor(1, context) as process:
        peaks, objects = process.submit(_walk, plane, movie.truth[0], model, predictor.device, tuple(walks)).result()
    what = f"{ALL}, {VIRTUAL_FRAMES * VIRTUAL_SIDE**2 * plane.dtype.itemsize / 1e9:.0f} GB"
    return [
        _row(movie, model, MEMORY, what, walk, objects, "", f"{peak:.1f}")
        for walk, peak in zip(walks, peaks, strict=True)
    ]


def _walk(plane: Any, truth: Any, model: str, device: str, walks: tuple[int, ...]) -> tuple[list[float], float]:
    """To be run in a fresh process: peaks in MB above what it held before, and objects per frame."""
    predictor = load_model(model, device)
    before, peaks, counts = peak_bytes(), [], []
    with tempfile.TemporaryDirectory() as folder:
        image = Image(virtual_movie(plane), "TYX", (1.0, 1.0, 1.0))
        labels = _empty_labels(Path(folder), image.shape)
        labels[0] = _tiled(truth, VIRTUAL_SIDE, once=True)
        for number, one in enumerate(carry(image, labels, predictor, (0,), [(k + 1,) for k in range(max(walks))]), 1):
            place = one.edit.region.at_frame(one.frame).slices
            there = np.asarray(labels[place]).reshape(one.edit.region.shape)
            labels[place] = np.where(one.edit.written, one.edit.values, there)[None]
            counts.append(len(one.edit.confidence))
            if number in walks:
                peaks.append((peak_bytes() - before) / MEGABYTE)
    return peaks, float(np.mean(counts))


def virtual_movie(plane: Any) -> Any:
    """Return a zarr array of 12,000 frames of which one is stored: every chunk that is asked for is that one."""
    import zarr

    memory_store: Any = zarr.storage.MemoryStore

    class OneChunk(memory_store):  # type: ignore[misc]  # zarr is optional, and untyped where it is absent
        """Mutable: what is written first is what is read everywhere."""

        async def get(self, key: str, *given: Any, **named: Any) -> Any:
            return await super().get("c/0/0/0" if key.startswith("c/") else key, *given, **named)

    shape = (VIRTUAL_FRAMES, VIRTUAL_SIDE, VIRTUAL_SIDE)
    movie = zarr.create_array(OneChunk(), shape=shape, chunks=(1, *shape[1:]), dtype=plane.dtype)
    movie[0] = _tiled(plane, VIRTUAL_SIDE)
    return movie


def _empty_labels(folder: Path, shape: tuple[int, ...]) -> Any:
    import zarr

    return zarr.create_array(folder / "labels.zarr", shape=shape, chunks=(1, *shape[1:]), dtype="int32")


def _tiled(plane: Any, side: int, once: bool = False) -> Any:
    """Fill a square plane with copies of a smaller one; of labels, with one in a corner."""
    if once:
        whole = np.zeros((side, side), np.int32)
        box = Region.whole(plane.shape).clip((side, side))
        whole[box.slices] = plane[box.slices]
        return whole
    repeats = [-(-side // n) for n in plane.shape]
    return np.tile(plane, repeats)[:side, :side]


def _row(
    movie: Movie, model: str, part: str, what: str, frames: int, objects: float, seconds: str, peak_mb: str = ""
) -> Row:
    values = (movie.source, movie.name, model, part, what, str(frames), f"{objects:.1f}", seconds, peak_mb)
    return dict(zip(CARRYING_COLUMNS, values, strict=True))


PARTS: dict[str, Callable[[Movie, Predictor, str], list[Row]]] = {SECONDS: measure_seconds, MEMORY: measure_memory}


def measure(movie: Movie, predictor: Predictor, model: str, part: str) -> list[Row]:
    """Return the rows of one part; its memory is that of a fresh process, which loads the model by its name."""
    return PARTS[part](movie, predictor, model)
