"""Output checks: what a piece of work reads and writes, looked at before it begins.

An output must not be or hold an input nor lie inside a zarr, two outputs must not be one, and what can be known of a
place at the start (no folder, no right to write, a name too long) is refused then and not after hours of work. Links
are resolved.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from napari_clickseg.storage.atomic import hidden_prefix
from napari_clickseg.storage.paths import home

Role = Literal["reads", "model", "file", "labels", "result", "folder"]
"""What becomes of a path: it is read (and must be there, unless it may be the name of a model), written as a file, as
labels (a file or a zarr), as a result folder that is replaced as a whole, or it is a folder that files are added to."""

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:(//|/[^/])", re.I)
"""How the address of something elsewhere begins, also after `Path` took a slash off; a drive has one letter."""
ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")
INSIDE = "labels"
"""The group of an OME-Zarr image that holds its labels."""


@dataclass(frozen=True, slots=True)
class NamedPath:
    """A path, what the user calls it ("--output", "the image"), and what becomes of it."""

    path: Path
    name: str
    role: Role = "reads"


def check_paths(paths: Iterable[NamedPath]) -> None:
    """Raise where an input is not there, an output cannot be written, or one would take the place of another.

    Raises
    ------
    ValueError
        Where an output is or holds an input or another output, or lies inside a zarr.
    OSError
        Where an input is missing (FileNotFoundError), or the place of an output cannot be written to.
    """
    named = list(paths)
    inputs = [one for one in named if one.role == "reads" or (one.role == "model" and one.path.is_file())]
    outputs = [one for one in named if one.role in ("file", "labels", "result")]
    for given in inputs:
        check_input(given)
    for output in outputs:
        for given in inputs:
            _check_apart(output, given)
        _check_outside_zarr(output)
    for first, second in combinations(outputs, 2):
        _check_different(first, second)
    for output in outputs:
        check_place(output.path)
        if output.role == "file" and output.path.is_dir():
            raise IsADirectoryError(f"{output.path} ({output.name}) is a folder; name a file.")
    for folder in (one for one in named if one.role == "folder"):
        check_folder(folder.path)


def check_input(given: NamedPath) -> None:
    """Raise FileNotFoundError where there is nothing at a path."""
    if not os.path.lexists(given.path):
        kind = "file" if given.path.suffix else "file or folder"
        raise FileNotFoundError(f"There is no {kind} {given.path} ({given.name}).")
    if not given.path.exists():
        raise FileNotFoundError(
            f"{given.path} ({given.name}) is a link to {real(given.path)}, but there is nothing there."
        )


def check_place(path: Path) -> None:
    """Raise OSError where nothing can be written at a path; nothing is left behind.

    Folders are not made: the one that holds the path must be there, except `labels` in an OME-Zarr image.
    """
    target = real(path)
    _check_name(path, target)
    folder = target.parent
    if folder.name == INSIDE and not folder.exists() and holds_zarr(folder.parent):
        folder = folder.parent
    if not folder.is_dir():
        where = folder if path.is_symlink() else path.parent
        raise FileNotFoundError(f"There is no folder {where} to write {path.name} into.")
    if target.exists():
        _check_replaceable(path, target)
    _probe(path, folder)


def check_folder(path: Path) -> None:
    """Raise OSError where a folder can be neither written to nor made; nothing is left behind."""
    target = real(path)
    while not target.exists() and target != target.parent:
        _check_name(path, target)
        target = target.parent
    if not target.is_dir():
        there = path if target == real(path) else target
        raise NotADirectoryError(f"Nothing can be written to {path}: {there} is a file, and wanted is a folder.")
    _probe(path, target)


def check_many(inputs: Iterable[Path], outputs: Iterable[Path]) -> None:
    """Raise ValueError where one of many outputs is one of many inputs, links of either kind resolved."""
    places: dict[object, Path] = {}
    for path in inputs:
        places.setdefault(real(path), path)
        if (number := _file_number(path)) is not None:
            places.setdefault(number, path)
    for output in outputs:
        given = places.get(real(output)) or places.get(_file_number(output))
        if given is not None:
            raise ValueError(f"{output} is what is read ({given}), and would destroy it; name another folder.")


def _file_number(path: Path) -> tuple[int, int] | None:
    """What names a file whatever it is called; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def real(path: Path) -> Path:
    """Return a path with its links resolved, whether or not there is something there yet."""
    return Path(os.path.realpath(path))


def holds_zarr(folder: Path) -> bool:
    """Return whether a folder is a zarr array or group, by the files in it."""
    return any((folder / name).is_file() for name in ZARR_FILES)


def in_labels_group(path: Path) -> bool:
    """Return whether a path names labels inside an OME-Zarr image, as IMAGE.zarr/labels/cells does."""
    image = path.parent.parent
    return path.parent.name == INSIDE and (image.suffix.lower() == ".zarr" or holds_zarr(image))


def same(some: Path, other: Path) -> bool:
    """Return whether two paths are one file or folder, by links of either kind or by another spelling.

    >>> same(Path("a.tif"), Path("here/../a.tif"))
    True
    """
    if real(some) == real(other):
        return True
    try:
        return os.path.samefile(some, other)
    except OSError:
        return False


def holds(folder: Path, path: Path) -> bool:
    """Return whether a path lies inside a folder, at any depth."""
    return any(same(folder, parent) for parent in real(path).parents)


# -- inside ------------------------------------------------------------------------------------------------------------


def _check_apart(output: NamedPath, given: NamedPath) -> None:
    """Raise ValueError where an output would be written over an input, or would replace a folder that holds one."""
    if same(output.path, given.path):
        raise ValueError(_sentence(output, given, "is what is read"))
    if holds(output.path, given.path):
        raise ValueError(_sentence(output, given, "holds what is read"))


def _check_outside_zarr(output: NamedPath) -> None:
    """Raise ValueError where an output would become a part of a zarr, other than as labels of an image."""
    inside = next((folder for folder in real(output.path).parents if holds_zarr(folder)), None)
    if inside is not None and not (output.role == "labels" and in_labels_group(output.path)):
        raise ValueError(
            f"{output.name} {output.path} lies inside the zarr {inside.name}; name a place beside it, "
            "or, for labels, IMAGE.zarr/labels/NAME."
        )


def _check_different(first: NamedPath, second: NamedPath) -> None:
    if same(first.path, second.path):
        raise ValueError(f"{first.name} and {second.name} would both be written to {first.path}; name two files.")
    for outer, inner in ((first, second), (second, first)):
        if holds(outer.path, inner.path):
            raise ValueError(
                f"{inner.name} {inner.path} lies inside {outer.name} {outer.path}, which is replaced as a whole; "
                "name a place beside it."
            )


def _sentence(output: NamedPath, given: NamedPath, what: str) -> str:
    return f"{output.name} {output.path} {what} ({given.name} {given.path}), and would destroy it; name another file."


def _check_name(path: Path, target: Path) -> None:
    """Raise OSError where the file system takes no such name."""
    try:
        os.lstat(target)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        short = path.name if len(path.name) <= 40 else f"{path.name[:30]}..{path.suffix[:8]}"
        raise OSError(f"{short} cannot be written: {error.strerror or error}; choose another name.") from error


def _check_replaceable(path: Path, target: Path) -> None:
    mode = target.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(f"{path} is there already and is no ordinary file, so it is not replaced; choose another name.")
    if not os.access(target, os.W_OK):
        raise PermissionError(f"{path} is there already and is protected against writing; choose another name.")


def _probe(path: Path, folder: Path) -> None:
    """Write an empty file into a folder and remove it: rights, read-only disks and the like show in no other way."""
    try:
        handle, name = tempfile.mkstemp(prefix=hidden_prefix(), dir=folder)
    except OSError as error:
        raise OSError(
            f"{path} cannot be written: {folder} refuses new files ({error.strerror or error}); choose another folder."
        ) from error
    os.close(handle)
    os.unlink(name)


# -- where to, if nothing is named -------------------------------------------------------------------------------------


def folder_of(source: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder on this computer in which an image lies, outside of any zarr; None where there is none.

    >>> folder_of("https://example.org/cells.zarr"), folder_of("")
    (None, None)
    """
    text = os.fspath(source) if source else ""
    if text.startswith("file://"):
        text = url2pathname(urlsplit(text).path)
    if not text or ADDRESS.match(text):
        return None
    path = Path(text).absolute()
    inside = [folder for folder in (path, *path.parents) if folder.suffix.lower() == ".zarr" or holds_zarr(folder)]
    return (inside[-1] if inside else path).parent


def name_of(source: str | os.PathLike[str] | None, otherwise: str) -> str:
    """Return what files about an image are called: as its own file, or its zarr; else a name fit for files.

    >>> name_of("https://example.org/cells.ome.zarr", "layer"), name_of(None, "a/b: c?")
    ('cells', 'a-b- c-')
    """
    parts = re.split(r"[\\/]", os.fspath(source).rstrip("\\/")) if source else []
    containers = [part for part in parts if part.lower().endswith(".zarr")]
    name = (containers or parts or [""])[0 if containers else -1]
    stem = re.sub(r"\.ome$", "", name.rpartition(".")[0] or name, flags=re.I)
    fit = re.sub(r"[^\w .,()\[\]#+=@-]", "-", stem or otherwise).strip(" .")
    return fit[:100] or "image"


def usable_folder(candidates: Iterable[Path | None]) -> Path:
    """Return the first folder that takes new files; at last the user's own, and that of temporary files."""
    for folder in (*candidates, home(), Path(tempfile.gettempdir())):
        if folder is not None and folder.is_dir():
            try:
                _probe(folder, folder)
            except OSError:
                continue
            return folder
    return Path.cwd()


def named_paths(role: Role, name: str, value: object) -> Sequence[NamedPath]:
    """Return the paths of an option's value, which may be one, several, or none."""
    several = value if isinstance(value, list | tuple) else [value]
    return [NamedPath(Path(str(one)), name, role) for one in several if one is not None]
