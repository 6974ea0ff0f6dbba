"""Log lines: JSON values appended to a file by a thread of its own, each line with a checksum.

Whatever ends the process, the lines up to the last whole one can be read again. Where the file cannot be written (a
full disk, a folder that is gone), the lines wait, and are written as soon as that is possible: behind the last whole
line, or, with all lines before them, in another folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

from napari_clickseg.storage.locks import Lock
from napari_clickseg.storage.serialization import Json

CHECKSUM = 8
LOCK_SUFFIX = ".lock"
PATROL = 1.0
"""Seconds between two looks at the file while nothing is to be written."""
WAITING_BYTES = 1 << 28
"""Lines that wait take up to so much memory; beyond that they are given up."""
LONGEST = 1 << 28
"""Longer lines are none of ours, and are not read into memory."""
COPIED_AT_ONCE = 1 << 20
Made = Callable[[], Json]
"""Makes the value of a line; called on the writer's thread."""


class Written(NamedTuple):
    """A file, the handle to it, its lock, and where its last whole line ends."""

    path: Path
    handle: int
    lock: Lock
    end: int


def line_of(value: Json) -> bytes:
    r"""Return the line of a value: checksum, space, JSON, line end.

    >>> line_of([1])
    b'4c2f32b8 [1]\n'
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def read_lines(path: Path, skipped: bytes | None = None) -> Iterator[Json]:
    """Read values one by one, up to the first line that is not whole.

    Parameters
    ----------
    skipped : bytes, optional
        Lines whose JSON begins so are not read, which saves time.

    Raises
    ------
    OSError
        Where the file cannot be read.
    """
    with open(path, "rb") as handle:
        while whole(line := handle.readline(LONGEST)):
            if skipped is None or not line.startswith(skipped, CHECKSUM + 1):
                try:
                    value = json.loads(line[CHECKSUM + 1 :])
                except (ValueError, RecursionError):  # nothing that was written here
                    return
                yield value


def whole(line: bytes) -> bool:
    """Return whether a line is there to its end, as it was written."""
    return line.endswith(b"\n") and line[:CHECKSUM] == b"%08x" % zlib.crc32(line[CHECKSUM + 1 : -1])


class Flush(NamedTuple):
    """A request to have everything on the disk, and what became of it: an error, or nothing."""

    done: threading.Event
    result: list[Exception]
    sync: bool


class LogWriter:
    """Mutable owner of a file and of the thread that appends to it, in the order of the calls of `write`.

    Parameters
    ----------
    path : Path
        A new file; its folder is made where it is missing.
    failed : callable
        Called on the writer's thread with the reason, once for each time in which nothing can be written.
    resumed : callable
        Called on the writer's thread when everything that waited is written.
    elsewhere : sequence of Path
        Folders to go on in where the file's own one cannot be written, in the order in which they are tried.

    Attributes
    ----------
    path : Path
        The file, which may lie in another folder by now.
    """

    def __init__(
        self,
        path: Path,
        failed: Callable[[Exception], None],
        resumed: Callable[[], None] = lambda: None,
        elsewhere: Sequence[Path] = (),
    ) -> None:
        self.path = path
        self._wanted = path
        self._failed, self._resumed = failed, resumed
        self._folders = (path.parent, *elsewhere)
        self._queue: queue.SimpleQueue[Made | Flush | None] = queue.SimpleQueue()
        self._waiting: deque[Made | bytes] = deque()
        self._error: Exception | None = None
        self._lost: Exception | None = None
        self._file: Written | None = None
        self._unsynced = False
        self._thread = threading.Thread(target=self._loop, name="clickseg-journal", daemon=True)
        self._thread.start()

    def write(self, made: Made) -> None:
        """Have a line written; never waits."""
        self._queue.put(made)

    def wait(self) -> None:
        """Wait until all that was given so far is in the file, or could not be written."""
        self._flushed(sync=False)

    def sync(self) -> None:
        """Wait until all that was given so far is on the disk.

        Raises
        ------
        OSError
            Where some of it is not.
        """
        for error in self._flushed(sync=True):
            raise OSError(getattr(error, "errno", None), f"{self.path} cannot be written: {reason(error)}") from error

    def close(self) -> None:
        """Write what was given so far, let go of the file, and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _flushed(self, sync: bool) -> list[Exception]:
        flush = Flush(threading.Event(), [], sync)
        self._queue.put(flush)
        while not flush.done.wait(PATROL):
            if not self._thread.is_alive():
                return [OSError("the writer has ended")]
        return flush.result

    # -- on the writer's thread ------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while True:
            try:
                item = self._queue.get(timeout=PATROL)
            except queue.Empty:
                self._attempt(self._patrol)
                continue
            if item is None:
                break
            if isinstance(item, Flush):
                self._attempt(self._synced if item.sync else self._write_waiting)
                item.result.extend(error for error in (self._error or self._lost,) if error is not None)
                item.done.set()
            else:
                self._waiting.append(item)
                self._attempt(self._write_waiting)
        self._attempt(self._patrol)
        self._leave()

    def _attempt(self, work: Callable[[], None]) -> None:
        """Do what may fail; report when that begins and when it is over."""
        before = self._error
        try:
            work()
            self._error = None
        except OSError as error:
            self._error = error
            self._forget_too_many()
        if before is None and self._error is not None:
            self._failed(self._error)
        elif before is not None and self._error is None and self._lost is None:
            self._resumed()

    def _patrol(self) -> None:
        """Notice that the file is gone though nothing is to be written, and write what waits."""
        self._write_waiting()
        if self._unsynced and self._file is not None:
            os.fsync(self._file.handle)
            self._unsynced = False

    def _synced(self) -> None:
        self._unsynced = self._file is not None
        self._patrol()

    def _write_waiting(self) -> None:
        if self._file is None:
            self._open_first()
        assert self._file is not None
        if not _is_there(self._file):
            self._go_on_elsewhere()
        with contextlib.suppress(OSError):  # what cannot be written is reported of the lines, too
            self._file.lock.beat()
        while self._waiting:
            line = self._next_line()
            if line is not None:
                self._append(line)
            self._waiting.popleft()

    def _next_line(self) -> bytes | None:
        """The line that is to be written next; None where its value cannot be made, which is reported."""
        item = self._waiting[0]
        if callable(item):
            try:
                item = line_of(item())
            except OSError:
                raise
            except Exception as error:  # the worker's boundary: one line is missing, work and journal go on
                self._lost = error
                self._failed(error)
                return None
            self._waiting[0] = item
        return item

    def _append(self, line: bytes) -> None:
        """Write a whole line behind the last one; where that fails, nothing of it stays in the file."""
        assert self._file is not None
        path, handle, lock, end = self._file
        try:
            _write_all(handle, line, end)
        except OSError:
            try:
                os.ftruncate(handle, end)
            except OSError:
                self._go_on_elsewhere()
                _write_all(self._file.handle, line, end)
                path, handle, lock = self._file[:3]
            else:
                raise
        self._file = Written(path, handle, lock, end + len(line))
        self._unsynced = True

    def _open_first(self) -> None:
        first: OSError | None = None
        for folder in self._folders:
            try:
                self._file = _created(folder / self._wanted.name)
                self.path = self._file.path
            except OSError as error:
                first = first or error
                continue
            if first is not None:
                self._failed(first)
                self._resumed()
            return
        assert first is not None
        raise first

    def _go_on_elsewhere(self) -> None:
        """Copy all lines into a new file, in the same folder if that can be, and go on there."""
        assert self._file is not None
        old, first = self._file, None
        for folder in self._folders:
            try:
                new = _created(_free(folder / self._wanted.name))
            except OSError as error:
                first = first or error
                continue
            try:
                _copied(old, new)
            except OSError as error:
                first = first or error
                _left(new, and_delete=True)
                continue
            self._file, self.path = new._replace(end=old.end), new.path
            _left(old, and_delete=old.path != new.path)
            if self._error is None:
                self._failed(OSError("its file was taken away, or damaged"))
                self._resumed()
            return
        assert first is not None
        raise first

    def _forget_too_many(self) -> None:
        """Give up what waits where it takes too much memory: nothing after a gap could be done again."""
        if sum(len(item) for item in self._waiting if isinstance(item, bytes)) > WAITING_BYTES:
            self._lost = self._error
            self._waiting.clear()

    def _leave(self) -> None:
        if self._file is not None:
            _left(self._file)


def reason(error: Exception) -> str:
    """Return why something failed, in a few words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _created(path: Path) -> Written:
    """A new file that nobody else writes; nothing of it stays where that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = Lock(path.with_suffix(LOCK_SUFFIX))
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except OSError:
        lock.release()
        raise
    return Written(path, handle, lock, 0)


def _is_there(file: Written) -> bool:
    """Whether the file still bears its name: on many systems an open one may be deleted."""
    try:
        return os.path.samestat(os.stat(file.path), os.fstat(file.handle))
    except OSError:
        return False


def _write_all(handle: int, content: bytes, at: int) -> None:
    """Write all of it: the system may write a part, as of a disk that is nearly full, and say so only by a number."""
    os.lseek(handle, at, os.SEEK_SET)
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def _copied(old: Written, new: Written) -> None:
    done = 0
    while done < old.end:
        os.lseek(old.handle, done, os.SEEK_SET)
        part = os.read(old.handle, min(COPIED_AT_ONCE, old.end - done))
        if not part:
            raise OSError("its earlier lines cannot be read any more")
        _write_all(new.handle, part, done)
        done += len(part)


def _left(file: Written, and_delete: bool = False) -> None:
    os.close(file.handle)
    with contextlib.suppress(OSError):  # what only names us is taken for gone when nothing is heard of us
        file.lock.release()
        for path in (file.path, file.path.with_suffix(LOCK_SUFFIX)) if and_delete else ():
            path.unlink(missing_ok=True)


def _free(path: Path) -> Path:
    """A path like this one at which neither a file nor a lock lies."""
    names = chain([path], (path.with_name(f"{path.stem}-{k}{path.suffix}") for k in count(2)))
    return next(p for p in names if not p.exists() and not p.with_suffix(LOCK_SUFFIX).exists())
