"""Drawn scenes while training goes on: processes draw planes into a queue, which is emptied between steps."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.training.gpu.pack import Entry, PackedPlane, count_planes, object_rows, read_pack

DRAWN = "synthetic"
"""The source that drawn planes are of."""
WAITING = 256
"""Planes that may wait for the trainer."""
BORROWED = 60
"""Real planes that lend textures and objects."""
CUTOUTS_EACH, LARGEST_CUTOUT = 5, 150
"""Objects that each of them lends, and their longest side."""


@dataclass(frozen=True, slots=True, eq=False)
class Loan:
    """What drawn planes borrow of real ones: textures (y, x, 3) in 0..1 and cut-outs of objects."""

    textures: Sequence[npt.NDArray[np.float32]] = ()
    cutouts: Sequence[Any] = ()


def borrow(planes: Sequence[PackedPlane], rng: np.random.Generator) -> Loan:
    """Return the textures of planes, and some of their objects."""
    from napari_clickseg.training.synthetic import Cutout

    textures = [plane.pixels.astype(np.float32) / np.float32(255) for plane in planes]
    cutouts = []
    for plane, texture in zip(planes, textures, strict=True):
        boxes = [(k, box) for k, box in enumerate(ndimage.find_objects(plane.labels), 1) if box is not None]
        for nth in rng.choice(len(boxes), min(CUTOUTS_EACH, len(boxes)), replace=False) if boxes else ():
            number, box = boxes[nth]
            mask = plane.labels[box] == number
            if mask.sum() >= 30 and max(mask.shape) < LARGEST_CUTOUT:
                cutouts.append(Cutout(texture[box].copy(), mask))
    return Loan(textures, cutouts)


def drawn_plane(seed: int, side: int, loan: Loan) -> PackedPlane:
    """Draw one plane, a square of `side`, with the rows of its objects."""
    from napari_clickseg.training.synthetic import draw_plane

    rng = np.random.default_rng(seed)
    scene = draw_plane(rng, loan.textures, loan.cutouts, side)
    pixels = scene.image if scene.image.ndim == 3 else np.repeat(scene.image[..., None], 3, axis=2)
    labels, rows = object_rows(scene.labels.astype(np.int32), rng)
    return PackedPlane(Entry(DRAWN, "train", True, "jpg", (side, side)), pixels, labels, rows)


@contextmanager
def drawing(processes: int, side: int, pack: Path, seed: int) -> Iterator[Queue[Any]]:
    """Let processes draw planes until the block ends; the queue holds `PackedPlane`s, and errors as sentences."""
    context = get_context("spawn")
    planes: Queue[Any] = context.Queue(WAITING)
    workers = [
        context.Process(target=_draw, args=(planes, seed + number, processes, side, pack), daemon=True)
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    try:
        yield planes
    finally:
        for worker in workers:
            worker.kill()
        planes.cancel_join_thread()


def ready(planes: Queue[Any], most: int) -> Iterator[PackedPlane]:
    """Yield up to `most` planes that wait.

    Raises
    ------
    RuntimeError
        Where a scene could not be drawn.
    """
    for _ in range(most):
        try:
            plane = planes.get_nowait()
        except queue.Empty:
            return
        if isinstance(plane, str):
            raise RuntimeError(f"A scene could not be drawn: {plane}")
        yield plane


def _draw(planes: Queue[Any], seed: int, step: int, side: int, pack: Path) -> None:
    """Draw for ever, in a process of its own."""
    rng = np.random.default_rng(seed)
    count = count_planes(pack, "train")
    nth = rng.choice(count, min(count, BORROWED), replace=False)
    loan = borrow(list(read_pack(pack, "train", nth.tolist())), rng)
    while True:
        try:
            planes.put(drawn_plane(seed, side, loan))
        except Exception as error:  # a worker's boundary: the trainer is to hear of it
            planes.put(f"{type(error).__name__}: {error} (seed {seed})")
            return
        seed += step
