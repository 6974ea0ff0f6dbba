"""Lines: JSON values appended to a file by a thread of its own, each line with a checksum.

Whatever ends the process, the lines up to the last whole one can be read again.
"""

from __future__ import annotations

import json
import queue
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from napari_clickseg.packing import Json

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
