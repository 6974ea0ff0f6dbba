"""Atomic: a file or a folder that we write is there as a whole or not at all, also behind a link."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

_NUMBERS = count()
"""Tell apart what one process writes at the same time."""


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a path to write to, as a file or as a folder, beside where `path` lies, links resolved.

    It takes the place of what `path` names at the end, so that a link stays a link, and vanishes where that fails.
    """
    target = Path(os.path.realpath(path))
    unfinished = target.with_name(_hidden("part", path.suffix))
    try:
        yield unfinished
        _put_in_place(unfinished, target)
    except OSError as error:
        number = () if error.errno is None else (error.errno,)  # numpy tells of a full disk without one
        raise OSError(*number, f"{path} cannot be written: {error.strerror or _one_line(error)}") from error
    finally:
        _remove(unfinished)


def _hidden(kind: str, suffix: str) -> str:
    """A hidden file's name, short whatever the name of the file beside it: file systems limit names."""
    return f".clickseg-{os.getpid()}-{next(_NUMBERS)}.{kind}{suffix if len(suffix) < 20 else ''}"


def _put_in_place(unfinished: Path, target: Path) -> None:
    if not unfinished.is_dir():
        os.replace(unfinished, target)
        return
    old = target.with_name(_hidden("old", ""))
    if target.exists():
        os.replace(target, old)  # a folder cannot take the place of one that holds something
    try:
        os.replace(unfinished, target)
    except OSError:
        if old.exists():
            os.replace(old, target)
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
