"""Recovery: journals that were left behind are found by their image, and what they hold is done again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.images import Image
from napari_clickseg.core.labels import drawable
from napari_clickseg.core.regions import Region
from napari_clickseg.session.session import Session
from napari_clickseg.storage.event_log import FORMAT, LABELS_SUFFIX, LOCK_SUFFIX, SUFFIX, delete, held, read_lines
from napari_clickseg.storage.paths import journals_folder
from napari_clickseg.storage.serialization import IDLE, Entry, Identity, Json, Settings, check_new, unpack_array

KEPT_DAYS = 30
DAY = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Found:
    """A journal of an image whose last acts were never saved.

    Attributes
    ----------
    path : Path
        To be given to `recover` or `discard`.
    image : str
        The name of the image's file, or "".
    started, last : datetime
        Of the first and the last act, in local time.
    acts, kept : int
        How much was done and never saved; how many objects and edits are kept in all.
    model : str
        The model chosen last.
    """

    path: Path
    image: str
    started: datetime
    last: datetime
    acts: int
    kept: int
    model: str

    @property
    def sentence(self) -> str:
        """What to tell the user."""
        done = f"{self.acts} act{'' if self.acts == 1 else 's'}"
        return f"A session of {self.started.day} {self.started:%B}, {self.started:%H:%M}, {done}, was not saved."


@dataclass(frozen=True, slots=True, eq=False)
class Recovered:
    """What a journal holds, up to its last whole line.

    Attributes
    ----------
    path : Path
        The journal.
    image : Identity
        What it is about.
    began : Settings
        As they were when the session began.
    highest : int
        The highest id that the session knew of when it began.
    entries : tuple of Entry
        Everything that was done, undone acts too.
    """

    path: Path
    image: Identity
    began: Settings
    highest: int
    entries: tuple[Entry, ...]
    _dtype: str
    _kept: str
    _before: tuple[tuple[Region, npt.NDArray[Any]], ...]

    @property
    def model(self) -> str:
        """The model that answered last."""
        return self.entries[-1].settings.model if self.entries else self.began.model

    def labels(self, given: Any = None) -> Any:
        """Return the labels that the session began with, to be drawn into.

        Parameters
        ----------
        given : array, optional
            The labels that were opened again: wanted where the journal holds no copy, as of zarr. What the session
            wrote into them is taken back, in place.

        Raises
        ------
        ValueError
            Where they are wanted and absent, or have another shape.
        """
        shape = tuple(n for n, axis in zip(self.image.shape, self.image.axes, strict=True) if axis != "C")
        labels = self._copy(shape) if given is None else drawable(given, shape)
        for region, before in self._before:
            labels[region.slices] = before
        return labels

    def session(self, image: Image, predictor: Any, labels: Any = None) -> Session:
        """Return a session as it was at the beginning; `labels` as in the method of this name."""
        return self.began.session(image, predictor, self.labels(labels), self.highest)

    def steps(self, session: Session) -> Iterator[int]:
        """Do everything again in a new session, act by act, without asking a model; yields how many are done.

        Raises
        ------
        ValueError
            Where an act does not fit the session: what was done before it stands then.
        """
        check_new(session)
        for number, entry in enumerate(self.entries, 1):
            try:
                session.perform(entry.act)
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(
                    f"Act {number} of {len(self.entries)} ({entry.act.name}) cannot be done again: {error}"
                ) from error
            yield number

    def replay(self, session: Session) -> None:
        """Do everything again at once, as `steps`."""
        for _ in self.steps(session):
            pass

    def _copy(self, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        if self._kept == "empty":
            return np.zeros(shape, self._dtype)
        copy = self.path.with_suffix(LABELS_SUFFIX)
        if self._kept != "copied" or not copy.is_file():
            raise ValueError("The journal holds no copy of the labels that the session began with; open them first.")
        with np.load(copy, allow_pickle=False) as archive:
            labels: npt.NDArray[Any] = archive["labels"]
        return labels


def find(image: Image, folder: Path | None = None) -> list[Found]:
    """Return the journals about an image that hold unsaved acts and that no process writes, the newest first.

    Reads a sample of the image where a journal may fit. Journals that cannot be read are left out.
    """
    there = (_found(path, image) for path in _journals(folder or journals_folder()))
    return sorted((found for found in there if found is not None), key=lambda found: found.last, reverse=True)


def recover(path: Path) -> Recovered:
    """Read a journal, damaged or not, up to its last whole line.

    Raises
    ------
    ValueError
        Where its beginning is not there.
    OSError
        Where it cannot be read.
    """
    lines = read_lines(path)
    head = _head(lines)
    if head is None:
        raise ValueError(f"{path} is no journal of this version, or its first line is damaged.")
    entries, before, kept = [], [], "unknown"
    for line in lines:
        if "act" in line:
            entries.append(Entry.from_json(line))
        elif "before" in line:
            start, stop = line["before"]
            before.append((Region(tuple(start), tuple(stop)), unpack_array(line["pixels"])))
        kept = line.get("labels", kept)
    image, began = Identity.from_json(head["image"]), Settings.from_json(head["settings"])
    return Recovered(path, image, began, head["highest"], tuple(entries), head["labels_dtype"], kept, tuple(before))


def discard(path: Path) -> None:
    """Delete a journal that is not wanted back.

    Raises
    ------
    ValueError
        Where a process still writes it.
    """
    if held(path.with_suffix(LOCK_SUFFIX)):
        raise ValueError(f"{path} belongs to a session that is still open.")
    delete(path)


def clean(folder: Path | None = None, now: float | None = None) -> None:
    """Delete journals that nobody writes and that nothing was added to for 30 days.

    Raises
    ------
    OSError
        Where one cannot be deleted.
    """
    oldest = (time.time() if now is None else now) - KEPT_DAYS * DAY
    for path in _journals(folder or journals_folder()):
        if path.stat().st_mtime < oldest and not held(path.with_suffix(LOCK_SUFFIX)):
            delete(path)


def _journals(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []


def _found(path: Path, image: Image) -> Found | None:
    if held(path.with_suffix(LOCK_SUFFIX)):
        return None
    try:
        lines = read_lines(path)
        head = _head(lines)
        known = None if head is None else Identity.from_json(head["image"])
        if head is None or known is None or not known.shows(image):
            return None
        unsaved = _unsaved(lines)
        last = datetime.fromtimestamp(path.stat().st_mtime)
    except (OSError, ValueError, KeyError):
        return None
    if not unsaved:
        return None
    newest = unsaved[-1]
    started = datetime.fromisoformat(head["started"]).astimezone()
    return Found(
        path, known.name, started, last.astimezone(), len(unsaved), newest["kept"], newest["settings"]["model"]
    )


def _head(lines: Iterator[Json]) -> Mapping[str, Any] | None:
    """The first line, if it is that of a journal of this version."""
    head = next(lines, None)
    return head if isinstance(head, dict) and head.get("journal") == FORMAT else None


def _unsaved(lines: Iterator[Json]) -> list[Mapping[str, Any]]:
    """The acts since the labels were saved last, without those that draw nothing."""
    acts: list[Mapping[str, Any]] = []
    for line in lines:
        if "saved" in line:
            acts = []
        elif line.get("act", IDLE[0]) not in IDLE:
            acts.append({name: line[name] for name in ("kept", "settings")})
    return acts
