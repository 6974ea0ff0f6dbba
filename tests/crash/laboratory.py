"""What the crash laboratory works with: labels on a disk that fails, processes killed at a random moment."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from doubles import Choosing
from napari_clickseg.core.images import Image
from napari_clickseg.core.regions import Region
from napari_clickseg.session.session import Session
from random_acts import ODDS, User

KINDS = {"plane": ((12, 14), 2), "movie": ((3, 10, 9), 2), "volumes": ((2, 4, 8, 8), 3)}
POSIX = sys.platform != "win32"


def an_image(kind: str) -> Image:
    shape, _ = KINDS[kind]
    return Image.of(np.random.default_rng(sum(shape)).random(shape).astype(np.float32))


def some_labels(kind: str) -> np.ndarray:
    labels = np.zeros(KINDS[kind][0], np.uint16)
    labels[..., :3, :3], labels[..., -3:, -3:] = 1, 2
    return labels


def a_predictor(kind: str) -> Choosing:
    return Choosing(KINDS[kind][1], radius=1.5)


class DiskError(OSError):
    """What a failing disk raises."""


class FailingLabels:
    """Labels on a disk that fails now and then: before, in the middle of, or after writing a block."""

    def __init__(self, array: np.ndarray, seed: int, odds: float) -> None:
        self.array, self.odds = array, odds
        self.rng = np.random.default_rng(seed)
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def max(self) -> Any:
        return self.array.max()

    def __getitem__(self, key: Any) -> np.ndarray:
        return self.array[key]

    def __setitem__(self, key: Any, values: Any) -> None:
        fails = self.rng.random() < self.odds
        if not fails or self.rng.random() < 0.3:
            self.array[key] = values
        elif self.rng.random() < 0.5:
            view, values = self.array[key], np.broadcast_to(values, self.array[key].shape)
            half = view.shape[-1] // 2
            view[..., :half] = values[..., :half]
        if fails:
            raise DiskError("No space left on device")


class Hand(User):
    """A user whose own brush never fails; counts acts that failed."""

    def paint(self) -> None:
        region = Region(*(tuple(int(p) + k for p in self.position()) for k in (0, 2))).clip(self.session.image.shape)
        array = getattr(self.session.labels, "array", self.session.labels)
        before = array[region.slices].copy()
        array[region.slices] = int(self.rng.integers(0, 9))
        self.session.painted_by_hand(region, before)
        self.session.reserve(int(array.max()))

    def choose(self) -> Callable[[], None]:
        odds = np.array(list(ODDS.values()), float)
        return getattr(self, list(ODDS)[self.rng.choice(len(ODDS), p=odds / odds.sum())])


def seen(session: Session) -> tuple[Any, ...]:
    """All that a user sees of a session."""
    return (
        np.asarray(session.labels[...]).tolist(), session.label, session.clicks, session.area(), session.threshold,
        session.protect, session.pending and (session.pending.frame, session.pending.clicks), session.confirmed,
        session.state.prompts.keys(),
        session.can_undo, session.can_redo, session.step, dict(session.classes), session.class_names,
    )  # fmt: skip


def killed(work: Callable[[], None], after: float) -> bool:
    """Do something in a process of its own and kill that after so many seconds; tell whether it was still working.

    The process is a fork of this one, so that it needs no time to start.
    """
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            work()
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def journal_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))
