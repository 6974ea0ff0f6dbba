"""Files: images into `Image`, labels and tables onto disk. A file that we write is there as a whole or not at all.

What a file says about its axes and its spacing is taken over; what it leaves open, the caller may name.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to, as a file or as a folder.

    It takes the place of `path` at the end, and vanishes where that fails.
    """
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield unfinished
        _put_in_place(unfinished, path)
    except OSError as error:
        number = () if error.errno is None else (error.errno,)  # numpy tells of a full disk without one
        raise OSError(*number, f"{path} cannot be written: {error.strerror or _one_line(error)}") from error
    finally:
        _remove(unfinished)


def _put_in_place(unfinished: Path, path: Path) -> None:
    if not unfinished.is_dir():
        os.replace(unfinished, path)
        return
    old = path.with_name(f".{path.stem}.{os.getpid()}.old{path.suffix}")
    if path.exists():
        os.replace(path, old)  # a folder cannot take the place of one that holds something
    try:
        os.replace(unfinished, path)
    except OSError:
        if old.exists():
            os.replace(old, path)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 200 else text[:200] + " .."
