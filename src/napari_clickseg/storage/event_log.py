"""Journal: every act of a session, appended to a file at once, so that a process that ends loses none of them.

Beside the acts it keeps what the labels were: a copy of those that live in memory only, and of all others, or while
that copy is made, the tiles that are written, as they stood before. `recovery` reads it again.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_clickseg.core.jobs import Stop, Stopped
from napari_clickseg.core.regions import Region
from napari_clickseg.session.replay import Act
from napari_clickseg.session.session import Session
from napari_clickseg.storage.atomic import written_whole
from napari_clickseg.storage.paths import journals_folder
from napari_clickseg.storage.serialization import IDLE, Entry, Identity, Json, Settings, check_new, pack_array

if sys.platform == "win32":
    import msvcrt

    def _hold(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _hold(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lock:
    """Mutable owner of a lock file.

    Raises
    ------
    OSError
        Where it cannot be made, or somebody holds it.
    """

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT)
        try:
            _hold(self._handle)
        except OSError:
            os.close(self._handle)
            raise

    def release(self) -> None:
        """Let go; the file stays."""
        os.close(self._handle)


def held(path: Path) -> bool:
    """Tell whether a process holds the lock at this path."""
    if not path.exists():
        return False
    try:
        Lock(path).release()
    except OSError:
        return True
    return False


CHECKSUM = 8
Made = Callable[[], Json]
"""Makes the value of a line; called on the writer's thread."""


def line_of(value: Json) -> bytes:
    r"""Return the line of a value: checksum, space, JSON, line end.

    >>> line_of([1])
    b'4c2f32b8 [1]\n'
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def read_lines(path: Path) -> Iterator[Json]:
    """Read values one by one, up to the first line that is not whole.

    Raises
    ------
    OSError
        Where the file cannot be read.
    """
    with open(path, "rb") as handle:
        for line in handle:
            if not whole(line):
                return
            yield json.loads(line[CHECKSUM + 1 :])


def whole(line: bytes) -> bool:
    """Tell whether a line is there to its end, as it was written."""
    return line.endswith(b"\n") and line[:CHECKSUM] == b"%08x" % zlib.crc32(line[CHECKSUM + 1 : -1])


class LineWriter:
    """Mutable owner of a file and of the thread that appends to it, in the order of the calls of `write`.

    Parameters
    ----------
    path : Path
        A new file; its folder is made where it is missing.
    failed : callable
        Told, once and on the writer's thread, why nothing more can be written.
    """

    def __init__(self, path: Path, failed: Callable[[Exception], None]) -> None:
        self.path = path
        self._failed = failed
        self._queue: queue.SimpleQueue[Made | threading.Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="clickseg-journal", daemon=True)
        self._thread.start()

    def write(self, made: Made) -> None:
        """Have a line written; never waits."""
        self._queue.put(made)

    def wait(self) -> None:
        """Wait until all that was given so far is in the file, or given up."""
        done = threading.Event()
        self._queue.put(done)
        done.wait()

    def close(self) -> None:
        """Write what was given so far, and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _loop(self) -> None:
        given = self._given()
        try:
            self._append(given)
        except Exception as error:  # the worker's boundary: work goes on without a journal
            self._failed(error)
            for item in given:
                _let_go(item)

    def _given(self) -> Iterator[Made | threading.Event]:
        while (item := self._queue.get()) is not None:
            yield item

    def _append(self, given: Iterator[Made | threading.Event]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "xb", buffering=0) as handle:
            for item in given:
                if callable(item):
                    handle.write(line_of(item()))
                _let_go(item)


def _let_go(item: Made | threading.Event) -> None:
    """Wake whoever waits for the lines before this one."""
    if isinstance(item, threading.Event):
        item.set()


FORMAT = 1
SUFFIX, LOCK_SUFFIX, LABELS_SUFFIX = ".jsonl", ".lock", ".npz"
COPIED_BYTES = 1 << 30
"""Labels in memory are copied into the journal up to this size; of larger ones it holds the tiles written."""
TILE = 256
"""Side of the tiles of a plane whose earlier pixels are kept."""


class Journal:
    """Mutable owner of the journal of one session. Nothing here makes the session wait; `close` does.

    Make one with `Journal.start`, and keep it: a journal that nobody holds ends.

    Attributes
    ----------
    path : Path
        The file.
    problem : str
        What `failed` told, maybe before anybody listened; empty as long as all is well.
    """

    failed = Signal(str)
    """The journal cannot be written, and why: told once, on the journal's own thread. The session goes on."""

    def __init__(self, session: Session, path: Path, image_path: str | Path | None = None) -> None:
        check_new(session)
        self.path = path
        self.problem = ""
        self._session = session
        self._tiles: set[tuple[int, ...]] = set()
        self._unsaved = 0
        self._copied = False
        self._stop = Stop()
        self._told = threading.Lock()
        self._lock: Lock | None = None
        began = {"settings": Settings.of(session).to_json(), "highest": session.label - 1}
        self._lines = LineWriter(path, self._tell)
        self._lines.write(partial(self._head, image_path, began))
        self._copier = threading.Thread(target=self._copy_labels, name="clickseg-labels", daemon=True)
        self._copier.start()
        session.acted.connect(self._on_acted)
        session.painting.connect(self._on_painting)

    @classmethod
    def start(cls, session: Session, image_path: str | Path | None = None, folder: Path | None = None) -> Journal:
        """Write down what is done in a session from now on.

        Parameters
        ----------
        image_path : path, optional
            The image's file; its name is shown when the session is offered back.
        folder : Path, optional
            Where journals lie; the user's folder where absent.

        Raises
        ------
        ValueError
            Where something was done in the session already.
        """
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        return cls(session, (folder or journals_folder()) / f"{name}{SUFFIX}", image_path)

    @property
    def unsaved(self) -> int:
        """How many acts that draw something were done since the labels were saved last."""
        return self._unsaved

    def saved(self) -> None:
        """Take note that the labels were saved: what was done so far need not be offered back."""
        self._unsaved = 0
        self._lines.write(lambda: {"saved": True})

    def wait(self) -> None:
        """Wait until everything that was done so far is in the file."""
        self._copier.join()
        self._lines.wait()

    def close(self) -> None:
        """End the journal, when all is written; one that holds nothing unsaved is deleted."""
        self._session.acted.disconnect(self._on_acted)
        self._session.painting.disconnect(self._on_painting)
        if not self._unsaved:
            self._stop.request()
        self._copier.join()
        self._lines.close()
        if self._lock is not None:
            self._lock.release()
        if not self._unsaved:
            delete(self.path)

    # -- what is written -------------------------------------------------------------------------------------------

    def _head(self, image_path: str | Path | None, began: Mapping[str, Any]) -> Json:
        """On the writer's thread, as it reads the image."""
        self._lock = Lock(self.path.with_suffix(LOCK_SUFFIX))
        image = Identity.of(self._session.image, image_path)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        dtype = str(np.dtype(self._session.labels.dtype))
        return {"journal": FORMAT, "started": started, "image": image.to_json(), "labels_dtype": dtype, **began}

    def _on_acted(self, act: Act) -> None:
        self._unsaved += act.name not in IDLE
        self._lines.write(Entry.of(self._session, act).to_json)

    def _on_painting(self, region: Region) -> None:
        """Keep the tiles that are about to be written for the first time, unless a copy of the labels is there."""
        for tile in () if self._copied else _tiles_of(region):
            if tile not in self._tiles:
                self._tiles.add(tile)
                there = _tile_region(tile, self._session.labels.shape)
                before = np.array(self._session.labels[there.slices])
                self._lines.write(partial(_before_line, there, before))

    def _copy_labels(self) -> None:
        labels = self._session.labels
        kept = "elsewhere"
        try:
            if type(labels) is np.ndarray and labels.nbytes <= COPIED_BYTES:
                kept = "copied" if labels.any() else "empty"
            if kept == "copied":
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with written_whole(self.path.with_suffix(LABELS_SUFFIX)) as unfinished:
                    _save_npz(unfinished, labels, self._stop)
        except Stopped:
            return
        except Exception as error:  # the worker's boundary: work goes on without a journal
            return self._tell(error)
        self._copied = kept != "elsewhere"
        self._lines.write(lambda: {"labels": kept})

    def _tell(self, error: Exception) -> None:
        if self._told.acquire(blocking=False):
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            self.problem = (
                f"From here on a crash would lose your work: the journal cannot be written ({reason}). Save the labels."
            )
            self.failed.emit(self.problem)


def delete(path: Path) -> None:
    """Delete a journal and what lies beside it, as far as it is there."""
    for suffix in (LABELS_SUFFIX, SUFFIX, LOCK_SUFFIX):
        path.with_suffix(suffix).unlink(missing_ok=True)


def _tiles_of(region: Region) -> Iterator[tuple[int, ...]]:
    """The tiles that a region of the labels touches: (.., row, column of tiles)."""
    *front, rows, columns = (range(a, b) for a, b in zip(region.start, region.stop, strict=True))
    sides = [range(side.start // TILE, -(-side.stop // TILE)) if len(side) else side for side in (rows, columns)]
    yield from product(*front, *sides)


def _tile_region(tile: tuple[int, ...], shape: tuple[int, ...]) -> Region:
    *front, row, column = tile
    return Region((row * TILE, column * TILE), ((row + 1) * TILE, (column + 1) * TILE)).clip(shape[-2:]).at_frame(front)


def _before_line(region: Region, before: npt.NDArray[Any]) -> Json:
    return {"before": [list(region.start), list(region.stop)], "pixels": pack_array(before)}


def _save_npz(path: Path, labels: npt.NDArray[Any], stop: Stop) -> None:
    """Write labels as numpy would, plane by plane, so that it can be stopped."""
    header = {"descr": np.lib.format.dtype_to_descr(labels.dtype), "fortran_order": False, "shape": labels.shape}
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("labels.npy", "w", force_zip64=True) as member,
    ):
        np.lib.format.write_array_header_1_0(member, header)
        for plane in np.ndindex(*labels.shape[:-2]):
            stop.check()
            member.write(np.ascontiguousarray(labels[plane]).tobytes())
