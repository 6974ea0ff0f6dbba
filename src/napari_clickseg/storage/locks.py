"""Lock: a file that one process holds, until it lets go or ends, however it ends.

Where the file system knows no locks, as on some network drives, the file names its holder instead (host, process, and
when it was last heard of), and a holder of whom nothing was heard for ten minutes is taken for gone.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

LOCKLESS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOTTY}
"""What file systems without locks answer."""
SILENT = 600.0
"""Seconds after which a holder that only the file names is taken for gone."""
BEAT = 15.0
"""Seconds between two signs of life of a holder that only the file names."""


class Lock:
    """Mutable owner of a lock file.

    Raises
    ------
    OSError
        Where it cannot be made, or somebody holds it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beaten = 0.0
        if _named_alive(path):
            raise OSError(errno.EAGAIN, f"{path} is locked by another process")
        self._native = _acquired(path)
        if self._native is None:
            self.beat()

    def beat(self) -> None:
        """Show a sign of life, if it is time for one and the file system does not do that by itself.

        Raises
        ------
        OSError
            Where it cannot be written.
        """
        if self._native is None and abs(time.time() - self._beaten) >= BEAT:
            self._beaten = time.time()
            holder = {"host": socket.gethostname(), "process": os.getpid(), "time": self._beaten}
            self._path.write_text(json.dumps(holder), encoding="utf-8")

    def release(self) -> None:
        """Let go; the file stays.

        Raises
        ------
        OSError
            Where the file names us as its holder and that cannot be taken back.
        """
        if self._native is not None:
            self._native.release()
        elif self._path.exists():
            self._path.write_text("", encoding="utf-8")


def held(path: Path) -> bool:
    """Return whether a process holds the lock at this path."""
    if not path.exists():
        return False
    if _named_alive(path):
        return True
    try:
        lock = _acquired(path)
    except OSError:
        return True
    if lock is not None:
        lock.release()
    return False


def _acquired(path: Path) -> FileLock | None:
    """A lock that the file system keeps; None where it keeps none."""
    lock = FileLock(str(path), timeout=0, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise OSError(errno.EAGAIN, f"{path} is locked by another process") from None
    except NotImplementedError:
        return None
    except OSError as error:
        if error.errno in LOCKLESS:
            return None
        raise
    return lock


def _named_alive(path: Path) -> bool:
    """Whether the file names a holder that seems to be alive."""
    holder = _holder(path)
    if holder is None or abs(time.time() - holder["time"]) > SILENT:
        return False
    return holder["host"] != socket.gethostname() or _runs(holder["process"])


def _holder(path: Path) -> Mapping[str, Any] | None:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return {"host": str(holder["host"]), "process": int(holder["process"]), "time": float(holder["time"])}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _runs(process: int) -> bool:
    """Whether a process of this number runs on this machine; on Windows that cannot be asked without ending it."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
