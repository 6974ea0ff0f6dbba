"""Archives from strangers: looked at before anything is unpacked, so that none fills the disk or leaves its folder."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

LARGEST = 4 * 2**30
"""Bytes of a foreign model; what is larger is no network that answers clicks."""
MOST_MEMBERS = 100_000
MAGIC = b"PK\x03\x04"
"""How archives begin."""
CUT = "{} is damaged or cut off: its archive has no end. Copy or save it once more."


def check_size(path: Path) -> None:
    """Refuse files that are empty or absurdly large.

    Raises
    ------
    ValueError
        With one sentence.
    """
    size = path.stat().st_size
    if size == 0:
        raise ValueError(f"{path.name} is empty.")
    if size > LARGEST:
        raise ValueError(f"{path.name} has {size / 2**30:.1f} GiB; a model may have {LARGEST / 2**30:.0f}.")


def check_not_cut(path: Path) -> None:
    """Refuse a file that is no archive, but begins as one.

    Raises
    ------
    ValueError
        With one sentence.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            raise ValueError(CUT.format(path.name))


def members(path: Path) -> Sequence[str]:
    """Return the names of an archive's members, after a look at their places and their sizes.

    Raises
    ------
    ValueError
        With one sentence, where the archive is damaged, unpacks to more than `LARGEST`, or a member lies elsewhere.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ValueError(f"{path.name} is a damaged archive ({error}).") from None
    if infos and min(info.header_offset for info in infos) > 0:  # the end is that of an archive inside this one
        check_not_cut(path)
    unpacked = sum(info.file_size for info in infos)
    if unpacked > LARGEST or len(infos) > MOST_MEMBERS:
        raise ValueError(
            f"{path.name} unpacks to {len(infos)} files of {unpacked / 2**30:.1f} GiB in all; that is no model."
        )
    for info in infos:
        if _leaves(info.filename):
            raise ValueError(f"{path.name} has a member {info.filename!r} outside its folder; it is not opened.")
    return [info.filename for info in infos]


def unpack(path: Path, folder: Path) -> None:
    """Unpack an archive into a folder.

    Raises
    ------
    ValueError
        As `members`, and where a member is damaged or gives more than it declares.
    """
    members(path)
    try:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, zlib.error) as error:
        raise ValueError(f"{path.name} is a damaged archive ({error}).") from None


def inside(folder: Path, name: str) -> Path:
    """Return the path of a file that a package names.

    Raises
    ------
    ValueError
        Where the name leads out of the folder, or to nothing.
    """
    path = (folder / name).resolve()
    if _leaves(name) or not path.is_relative_to(folder.resolve()):
        raise ValueError(f"The package names a file {name!r} outside its folder; it is not opened.")
    if not path.is_file():
        raise ValueError(f"The package names a file {name!r} that is not in it; download the whole package.")
    return path


def _leaves(name: str) -> bool:
    """Return whether a name leads out of the folder, on any platform."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    return posix.is_absolute() or bool(windows.drive or windows.root) or ".." in windows.parts
