"""Journal files: in which folders journals lie, what their first lines say, and how they are put away."""

from __future__ import annotations

import getpass
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from napari_clickseg.storage.image_identity import Identity
from napari_clickseg.storage.locks import held
from napari_clickseg.storage.log_lines import LOCK_SUFFIX, read_lines
from napari_clickseg.storage.paths import journals_folder
from napari_clickseg.storage.serialization import IDLE, Json

FORMATS, FORMAT = (1, 2), 2
SUFFIX, LABELS_SUFFIX = ".jsonl", ".npz"
SUPERSEDED_SUFFIX, RENEWED_SUFFIX = ".superseded", ".renewed"
TILES = b'{"before"'
"""How the JSON of lines begins that hold tiles."""
MALFORMED = (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What reading a file that is no journal, or a damaged one, may raise."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a journal holds, in short.

    Attributes
    ----------
    path : Path
    image : Identity
        Without a sample where the process ended before the image was read.
    labels_at : str
        Where the labels lie that were drawn into, as `place_of` names it.
    started, last : datetime
        Of the session, and of its last act; with a time zone.
    unsaved : int
        The acts since the labels were saved last, without those that draw nothing.
    kept : int
        The objects and edits that are kept.
    model : str
        The model that was chosen last.
    thumbnail : array as JSON, or None
        The image in small.
    """

    path: Path
    image: Identity
    labels_at: str
    started: datetime
    last: datetime
    unsaved: int
    kept: int
    model: str
    thumbnail: Json


def journals_folders() -> tuple[Path, ...]:
    """Return the folder in which journals lie, and the one in which they are written where that cannot be."""
    first = journals_folder()
    key = hashlib.sha256(str(first).encode()).hexdigest()[:8]
    return first, Path(tempfile.gettempdir()) / f"napari-clickseg-{_user()}-{key}"


def journals_in(folders: Sequence[Path]) -> list[Path]:
    """Return the journals that lie in these folders; folders that cannot be read hold none."""
    return [path for folder in folders for path in _listed(folder)]


def summary_of(path: Path) -> Summary | None:
    """Return what a journal holds in short; None where it is none, of a newer version, or damaged at its beginning."""
    try:
        return _summary(path, read_lines(path, skipped=TILES))
    except MALFORMED:
        return None


def in_use(path: Path) -> bool:
    """Tell whether a process still writes a journal."""
    return held(path.with_suffix(LOCK_SUFFIX))


def head_of(lines: Iterator[Json]) -> Mapping[str, Any] | None:
    """Return the first line, if it is that of a journal that this version reads."""
    head = next(lines, None)
    return head if isinstance(head, dict) and head.get("journal") in FORMATS else None


def delete(path: Path) -> None:
    """Delete a journal and what lies beside it, as far as it is there.

    Raises
    ------
    OSError
        Where something cannot be deleted.
    """
    for suffix in (LABELS_SUFFIX, SUFFIX, SUPERSEDED_SUFFIX, RENEWED_SUFFIX, LOCK_SUFFIX):
        path.with_suffix(suffix).unlink(missing_ok=True)


def superseded(path: Path) -> bool:
    """Tell whether work on the same labels was saved after this journal ended."""
    return path.with_suffix(SUPERSEDED_SUFFIX).exists()


def place_of(labels: Any) -> str:
    """Return a name for the place where labels lie on disk, which tells nothing of it; "" for labels in memory.

    Of labels laid over others, it is the place of the lowest ones.
    """
    while hasattr(labels, "below"):
        labels = labels.below
    store = getattr(labels, "store_path", None) or getattr(labels, "filename", None)
    return "" if store is None else hashlib.sha256(str(store).encode()).hexdigest()[:16]


def _summary(path: Path, lines: Iterator[Json]) -> Summary | None:
    head = head_of(lines)
    if head is None:
        return None
    image, picture = Identity.from_json(head["image"]), None
    unsaved, kept, model, last = 0, 0, str(head["settings"]["model"]), path.stat().st_mtime
    for line in lines:
        if "sample" in line:
            image, picture = replace(image, sample=str(line["sample"])), line.get("thumbnail")
        elif "saved" in line:
            unsaved = 0
        elif "act" in line:
            unsaved += line["act"] not in IDLE
            kept, last = int(line["kept"]), float(line.get("at", last))
            model = str(line["settings"]["model"])
    started = datetime.fromisoformat(head["started"]).astimezone()
    ended = datetime.fromtimestamp(last).astimezone()
    return Summary(path, image, str(head.get("labels_at", "")), started, ended, unsaved, kept, model, picture)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
    except OSError:
        return []


def _user() -> str:
    try:
        return str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()
    except (KeyError, OSError):
        return "user"
