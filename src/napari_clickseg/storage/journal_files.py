"""Journal files: in which folders journals lie, which of them are about an image, and how they are put away.

What one holds is done again by `recovery`.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.storage.image_identity import Identity, Samples
from napari_clickseg.storage.locks import held
from napari_clickseg.storage.log_lines import LOCK_SUFFIX, read_lines
from napari_clickseg.storage.paths import journals_folder, learned_folder
from napari_clickseg.storage.serialization import IDLE, Json, unpack_array

if TYPE_CHECKING:
    from napari_clickseg.core.images import Image

FORMATS, FORMAT = (1, 2), 2
SUFFIX, LABELS_SUFFIX = ".jsonl", ".npz"
SUPERSEDED_SUFFIX, RENEWED_SUFFIX = ".superseded", ".renewed"
TILES = b'{"before"'
"""How the JSON of lines begins that hold tiles."""
COPIED_BYTES = 1 << 30
"""Labels in memory are copied into the journal up to this size; of larger ones it holds the tiles written."""
KEPT_DAYS = 30
LEARNED_DAYS = 2 * KEPT_DAYS
"""Weights learned from kept objects outlast the journals that name them."""
DAY = 24 * 60 * 60
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


@dataclass(frozen=True, slots=True)
class Found:
    """A journal of an image whose last acts were never saved.

    Attributes
    ----------
    path : Path
        To be given to `recovery.recover` or `discard`.
    image : str
        The name of the image's file, or "".
    started, last : datetime
        Of the session and of its last act, in local time.
    acts, kept : int
        How much was done and never saved; how many objects and edits are kept in all.
    model : str
        The model chosen last.
    thumbnail : ndarray of uint8, or None
        (rows, columns): the image in small, as the session saw it.
    """

    path: Path
    image: str
    started: datetime
    last: datetime
    acts: int
    kept: int
    model: str
    thumbnail: npt.NDArray[np.uint8] | None = None

    @property
    def sentence(self) -> str:
        """The sentence for the user."""
        done = f"{self.acts} act{'' if self.acts == 1 else 's'}"
        name = f" on {self.image}" if self.image else ""
        return f"A session{name} of {self.started.day} {self.started:%B}, {self.started:%H:%M}, {done}, was not saved."


def journals_folders() -> tuple[Path, ...]:
    """Return the folder in which journals lie, and the one in which they are written where that cannot be."""
    first = journals_folder()
    key = hashlib.sha256(str(first).encode()).hexdigest()[:8]
    return first, Path(tempfile.gettempdir()) / f"napari-clickseg-{_user()}-{key}"


def journals_in(folders: Sequence[Path]) -> list[Path]:
    """Return the journals that lie in these folders; folders that cannot be read hold none."""
    return [path for folder in folders for path in _listed(folder)]


def find(image: Image, folder: Path | None = None, labels: Any = None) -> list[Found]:
    """Return the journals about an image that hold unsaved acts and that no process writes, the newest first.

    Reads a sample of the image where a journal may fit. Left out are journals that cannot be read, and those that ended
    before a session began of which the labels were saved.

    Parameters
    ----------
    folder : Path, optional
        Where journals lie; the user's folders where absent.
    labels : array, optional
        The labels that are worked on: sessions that drew into others on disk are left out.
    """
    samples = Samples(image)
    at = "" if labels is None else place_of(labels)
    found = []
    for path in journals_in(journals_folders() if folder is None else (folder,)):
        summary = None if superseded(path) else summary_of(path)
        if summary is None or not summary.unsaved or (labels is not None and summary.labels_at not in ("", at)):
            continue
        if samples.show(summary.image) and not in_use(path):
            found.append(_found(summary))
    return sorted(found, key=lambda found: found.last, reverse=True)


def discard(path: Path) -> None:
    """Delete a journal that is not wanted back.

    Raises
    ------
    ValueError
        Where a process still writes it.
    OSError
        Where it cannot be deleted.
    """
    if in_use(path):
        raise ValueError(f"{path} belongs to a session that is still open.")
    delete(path)


def supersede(image: Image, labels: Any, began: datetime, folder: Path | None = None) -> None:
    """Take note that labels were saved of a session that began then: older ones about them are not offered any more.

    They are kept as long as others, and can be given to `recovery.recover`.

    Raises
    ------
    OSError
        Where that cannot be written.
    """
    samples, at = Samples(image), place_of(labels)
    for path in journals_in(journals_folders() if folder is None else (folder,)):
        summary = summary_of(path)
        if summary is None or summary.last >= began or summary.labels_at not in ("", at):
            continue
        if samples.show(summary.image) and not in_use(path):
            path.with_suffix(SUPERSEDED_SUFFIX).touch()


def clean(folder: Path | None = None, now: float | None = None) -> None:
    """Delete journals that nobody writes and that nothing was added to for 30 days, learned weights after 60.

    Where all are that old, either nobody worked for a month or the clock jumped: they are kept for 30 days more.

    Raises
    ------
    OSError
        Where one cannot be deleted.
    """
    now = time.time() if now is None else now
    paths = [p for p in journals_in(journals_folders() if folder is None else (folder,)) if not in_use(p)]
    ages = {path: (now - path.stat().st_mtime) / DAY for path in paths}
    jumped = bool(ages) and min(ages.values()) > KEPT_DAYS
    for path in (path for path, age in ages.items() if age > KEPT_DAYS):
        renewed = path.with_suffix(RENEWED_SUFFIX)
        if jumped and not renewed.exists():
            renewed.touch()
            os.utime(path, (now, now))
        else:
            delete(path)
    learned = learned_folder() if folder is None else folder / learned_folder().name
    for weights in learned.glob("learned-*"):
        if (now - weights.stat().st_mtime) / DAY > LEARNED_DAYS:
            weights.unlink(missing_ok=True)


def summary_of(path: Path) -> Summary | None:
    """Return what a journal holds in short; None where it is none, of a newer version, or damaged at its beginning."""
    try:
        return _summary(path, read_lines(path, skipped=TILES))
    except MALFORMED:
        return None


def in_use(path: Path) -> bool:
    """Return whether a process still writes a journal."""
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
    """Return whether work on the same labels was saved after this journal ended."""
    return path.with_suffix(SUPERSEDED_SUFFIX).exists()


def place_of(labels: Any) -> str:
    """Return a name for the place where labels lie on disk, which reveals nothing of it; "" for labels in memory.

    Of labels laid over others, it is the place of the lowest ones.
    """
    while hasattr(labels, "below"):
        labels = labels.below
    store = getattr(labels, "store_path", None) or getattr(labels, "filename", None)
    return "" if store is None else hashlib.sha256(str(store).encode()).hexdigest()[:16]


def _found(summary: Summary) -> Found:
    try:
        picture = None if summary.thumbnail is None else unpack_array(summary.thumbnail)
    except MALFORMED:
        picture = None
    return Found(
        summary.path,
        summary.image.name,
        summary.started,
        summary.last,
        summary.unsaved,
        summary.kept,
        summary.model,
        picture,
    )


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
