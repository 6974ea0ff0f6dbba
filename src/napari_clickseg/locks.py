"""Lock: a file that one process holds, until it lets go or ends, however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

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
