"""Atomic: a file or a folder that we write is there as a whole or not at all, also behind a link.

What a process leaves behind that is killed is put right by the next one: see `put_right`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from napari_clickseg.storage.paths import user_data

PATIENCE = 2.0
"""Seconds in which a file that somebody else holds, as a virus scanner, is tried to be replaced."""
PAUSE = 0.05
NOTES_VARIABLE = "CLICKSEG_REPLACING"
HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]
OURS = re.compile(r"\.clickseg-(?P<host>[0-9a-f]{6})-(?P<process>\d+)-.+")
"""Hidden names of what is being written, was replaced, or is there for a moment."""
OLDER = re.compile(r"\.(?P<stem>.+)\.(?P<process>\d+)\.old\.zarr")
"""Replaced labels as version 0.1 named them."""
_SKIPPED: dict[Path, int] = {}
"""Folders with very many files are not looked through each time: so many more times they are passed over."""
_NUMBERS = count()
"""Distinguish what one process writes at the same time."""


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
    clear(target.parent)
    unfinished = target.with_name(_hidden("part", path.suffix))
    try:
        yield unfinished
        _put_in_place(unfinished, target)
    except OSError as error:
        number = () if error.errno is None else (error.errno,)  # numpy reports a full disk without one
        raise OSError(*number, f"{path} cannot be written: {error.strerror or _one_line(error)}") from error
    finally:
        with suppress(OSError):  # it is hidden, and cleared away when something is written there again
            _remove(unfinished)


def put_right() -> None:
    """Bring back folders that a process was about to replace when it was killed; called where anything begins."""
    with suppress(OSError):
        for note in _notes().glob("*.json"):
            host, process = note.stem.split("-")[:2]
            if host == HOST and not _runs(process):
                _finish(note)


def clear(folder: Path) -> None:
    """Delete what processes left unfinished in a folder that were killed, and put right what they left half-way."""
    if _SKIPPED.get(folder, 0):
        _SKIPPED[folder] -= 1
        return
    put_right()
    with suppress(OSError):
        paths = list(folder.iterdir())
        _SKIPPED[folder] = len(paths) // 100
        for path in paths:
            ours, older = OURS.match(path.name), OLDER.fullmatch(path.name)
            if ours and ours["host"] == HOST and not _runs(ours["process"]):
                _remove(path)
            elif older and not _runs(older["process"]):
                target = path.with_name(f"{older['stem']}.zarr")
                if not target.exists():
                    os.replace(path, target)


def hidden_prefix() -> str:
    """Return how the names of files and folders begin that are cleared away once this process is gone."""
    return f".clickseg-{HOST}-{os.getpid()}-"


def _hidden(kind: str, suffix: str) -> str:
    """A hidden file's name, short whatever the name of the file beside it: file systems limit names."""
    return f"{hidden_prefix()}{next(_NUMBERS)}.{kind}{suffix if len(suffix) < 20 else ''}"


def _put_in_place(unfinished: Path, target: Path) -> None:
    replace = _replace_folder if unfinished.is_dir() else os.replace
    try:
        _patiently(lambda: replace(unfinished, target))
    except PermissionError as error:
        kept = _kept(unfinished, target)
        raise PermissionError(
            error.errno, f"{error.strerror}: somebody else holds it. What was to be written is kept in {kept.name}"
        ) from error


def _replace_folder(unfinished: Path, target: Path) -> None:
    """Put a folder in the place of another one, by two renames: what lies between them is noted, to be put right."""
    old = target.with_name(_hidden("old", ""))
    with _noted(unfinished, target, old):
        if target.exists():
            os.replace(target, old)  # a folder cannot take the place of one that holds something
        try:
            os.replace(unfinished, target)
        except OSError:
            if old.exists():
                os.replace(old, target)
            raise
    with suppress(OSError):
        _remove(old)


@contextmanager
def _noted(unfinished: Path, target: Path, old: Path) -> Iterator[None]:
    note = _notes() / f"{HOST}-{os.getpid()}-{next(_NUMBERS)}.json"
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps([str(unfinished), str(target), str(old)]), encoding="utf-8")
    try:
        yield
    finally:
        with suppress(OSError):
            note.unlink(missing_ok=True)


def _notes() -> Path:
    return user_data("replacing", NOTES_VARIABLE)


def _finish(note: Path) -> None:
    """Do the renames that a killed process did not do: the new folder was whole, but the old one may be gone."""
    with suppress(ValueError, TypeError):
        unfinished, target, old = (Path(name) for name in json.loads(note.read_text(encoding="utf-8")))
        if not target.exists():
            for left in (unfinished, old):
                if left.exists() and not target.exists():
                    os.replace(left, target)
        for left in (unfinished, old):
            if OURS.match(left.name):
                _remove(left)
    note.unlink(missing_ok=True)


def _patiently(action: Callable[[], None]) -> None:
    """Try for a while what somebody else may prevent for a moment."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return action()
        except PermissionError:
            if time.monotonic() >= end:
                raise
            time.sleep(PAUSE)


def _kept(unfinished: Path, target: Path) -> Path:
    """Give what was computed a name of its own beside the target."""
    names = (target.with_name(f"{target.stem} ({k}){target.suffix}") for k in count(2))
    kept = next(name for name in names if not name.exists())
    os.replace(unfinished, kept)
    return kept


def _runs(process: str) -> bool:
    """Whether a process of this number runs on this machine; on Windows that cannot be asked without ending it."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 200 else text[:200] + " .."
