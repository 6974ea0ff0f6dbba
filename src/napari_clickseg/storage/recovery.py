"""Recovery: what a journal that was left behind holds is done again. `journal_files` finds it by its image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.labels import drawable, highest_id
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Nobody
from napari_clickseg.session.replay import UNDOABLE, Act
from napari_clickseg.session.session import Session
from napari_clickseg.storage.image_identity import Identity
from napari_clickseg.storage.journal_files import COPIED_BYTES, LABELS_SUFFIX, MALFORMED, head_of, place_of
from napari_clickseg.storage.label_tiles import Overlay, goes_on, put_back
from napari_clickseg.storage.log_lines import read_lines
from napari_clickseg.storage.serialization import (
    PAINT,
    TRAVELS,
    Entry,
    Settings,
    check_new,
    classes_from_json,
    unpack_array,
)

if TYPE_CHECKING:
    from napari_clickseg.core.images import Image
    from napari_clickseg.core.object_classes import Classes

CHANGED = "The labels were changed since that session ended; they stay as they are, and it goes on in a copy of them."
NAMED = 3
"""So many acts that could not be done again are named one by one."""


@dataclass(slots=True, eq=False)
class Recovered:
    """Mutable: what a journal holds, up to its last whole line, and what of it could not be done again.

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
    classes : mapping of int to str
        The classes that objects had then; none in journals of 0.1.0.
    entries : tuple of Entry
        Everything that was done, undone acts too, and what was found painted by somebody else.
    problems : list of str
        What could not be read or done again, in sentences.
    """

    path: Path
    image: Identity
    began: Settings
    highest: int
    classes: Classes
    entries: tuple[Entry, ...]
    problems: list[str]
    _dtype: str
    _kept: str
    _labels_at: str
    _copied: frozenset[tuple[int, ...]]
    _before: tuple[tuple[Region, npt.NDArray[Any]], ...]

    @property
    def model(self) -> str:
        """The model that answered last."""
        return self.entries[-1].settings.model if self.entries else self.began.model

    @property
    def complete(self) -> bool:
        """Whether everything could be done again, be it in a copy of the labels."""
        return set(self.problems) <= {CHANGED}

    @property
    def needs_labels(self) -> bool:
        """Whether the session drew into labels on disk (or larger ones than are copied), which have to be opened."""
        return self._kept == "elsewhere"

    def labels(self, given: Any = None) -> Any:
        """Return the labels that the session began with, to be drawn into.

        Parameters
        ----------
        given : array, optional
            The labels that were opened again: wanted where the journal holds no copy, as of zarr. What the session
            wrote into them is taken back, in place; `Overlay` keeps that off the disk.

        Raises
        ------
        ValueError
            Where they are wanted and absent, have another shape, or are others than those of the session.
        """
        shape = tuple(n for n, axis in zip(self.image.shape, self.image.axes, strict=True) if axis != "C")
        if not self.needs_labels:
            labels = self._copy(shape, given)
        elif given is None:
            raise ValueError("The journal holds no copy of the labels that the session began with; open them first.")
        elif self._labels_at and place_of(given) and place_of(given) != self._labels_at:
            raise ValueError("The session drew into other labels on disk; choose those in the panel first.")
        else:
            labels = drawable(given, shape)
        for region, before in self._before:
            labels[region.slices] = before
        return labels

    def session(self, image: Image, predictor: Any, labels: Any = None) -> Session:
        """Return a session as it was at the beginning, to be done again by `replay`.

        Parameters
        ----------
        labels : array, optional
            As in the method of this name. Where somebody wrote into them since, so that drawing the session again would
            wipe that out, they stay as they are and the session goes on in a copy; `problems` says so.

        Raises
        ------
        ValueError
            Where the labels are wanted and do not fit, or a copy of them would take too much memory.
        """
        if self.needs_labels and labels is not None and not isinstance(labels, Overlay):
            laid = self._laid_over(image, labels)
            if not goes_on(laid):
                labels = _copy_of(labels)
                self.problems.append(CHANGED)
        return self._anew(image, predictor, self.labels(labels))

    def restored(
        self, image: Image, predictor: Any, labels: Any, listen: Callable[[Session], None] = lambda session: None
    ) -> Session:
        """Return a session in which everything was done again; labels on disk are not written into meanwhile.

        Parameters
        ----------
        labels : array, optional
            As in `session`.
        listen : callable
            Gets the session before anything is done in it, as to keep a journal of it.

        Raises
        ------
        ValueError
            As `session`.
        """
        laid = None
        if self.needs_labels and labels is not None:
            laid = self._laid_over(image, labels)
            if not goes_on(laid):
                labels, laid = _copy_of(labels), None
                self.problems.append(CHANGED)
        session = self.session(image, predictor, labels if laid is None else Overlay(labels))
        listen(session)
        self.replay(session)
        if laid is not None:
            different = put_back(laid)
            session.labels = labels
            if different:
                session.reserve(highest_id(labels))
        return session

    def _anew(self, image: Image, predictor: Any, labels: Any) -> Session:
        session = Session(image, predictor, labels, highest=self.highest, classes=self.classes)
        self.began.apply_to(session)
        return session

    def _laid_over(self, image: Image, labels: Any) -> Overlay:
        """The labels as the session left them, laid over those that it began with, over those that are there now."""
        problems = list(self.problems)
        laid = Overlay(self.labels(Overlay(labels)))
        self.replay(self._anew(image, Nobody(self.began.ndim, self.began.model), laid))
        self.problems[:] = problems
        return laid

    def steps(self, session: Session) -> Iterator[int]:
        """Do everything again in a new session, act by act, without asking a model; yields how many are done.

        An act that does not fit is left out and named in `problems`; what comes after it is done as far as that goes.
        """
        check_new(session)
        travelled, failed = {0: session.step}, 0
        for number, entry in enumerate(self.entries, 1):
            try:
                self._do(session, entry, travelled, bool(failed))
            except UNDOABLE as error:
                failed += 1
                if failed <= NAMED:
                    self.problems.append(f"Act {number} ({entry.act.name}) cannot be done again: {error}")
            travelled[entry.step] = session.step
            yield number
        if failed > NAMED:
            self.problems.append(f"{failed - NAMED} more acts cannot be done again.")

    def replay(self, session: Session) -> None:
        """Do everything again at once, as `steps`."""
        for _ in self.steps(session):
            pass

    def _do(self, session: Session, entry: Entry, travelled: Mapping[int, int], gaps: bool) -> None:
        """Do an act again; once others were left out, undo and redo go to where they led then, and ids are checked."""
        if gaps and entry.act.name in TRAVELS:
            _travel(session, travelled.get(entry.step, session.step))
            return
        if gaps and entry.act.name == "set_clicks" and session.label != entry.label:
            session.put_away()
            session.start_new(entry.label)
        session.perform(entry.act)

    def _copy(self, shape: tuple[int, ...], given: Any) -> npt.NDArray[Any]:
        """The labels in memory that the session began with, but for the tiles that the journal holds."""
        copy = self.path.with_suffix(LABELS_SUFFIX)
        if self._kept == "copied" and copy.is_file():  # of version 1
            with np.load(copy, allow_pickle=False) as archive:
                labels: npt.NDArray[Any] = archive["labels"]
            return labels
        labels = np.zeros(shape, self._dtype)
        if self._kept in ("empty", "copied"):
            return labels
        if given is not None and tuple(given.shape) == shape:
            for front in np.ndindex(*shape[:-2]):
                if front not in self._copied:
                    labels[front] = given[front]
        elif not self._copied and not self._before:
            raise ValueError("The journal holds no copy of the labels that the session began with; open them first.")
        self.problems.append("The labels that were there before were copied only in part.")
        return labels


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
    head = head_of(lines)
    if head is None:
        raise ValueError(f"{path} is no journal of this version, or its first line is damaged.")
    try:
        image, began = Identity.from_json(head["image"]), Settings.from_json(head["settings"])
        dtype, highest = str(np.dtype(head["labels_dtype"])), int(head["highest"])
        classes = classes_from_json(head.get("classes", {}))
    except MALFORMED as error:
        raise ValueError(f"{path} is no journal that can be read: {error}.") from error
    kept, copied = "unknown", set[tuple[int, ...]]()
    entries: list[Entry] = []
    before: list[tuple[Region, npt.NDArray[Any]]] = []
    problems: list[str] = []
    for number, line in enumerate(lines, 2):
        try:
            if "act" in line:
                entries.append(Entry.from_json(line))
            elif "before" in line:
                before.append(_block(line["before"], line))
            elif "found" in line:
                region, values = _block(line["found"], line)
                entries.append(_painted(entries[-1] if entries else None, began, region, values))
            elif "copied" in line:
                copied.add(tuple(line["copied"]))
            elif "sample" in line:
                image = replace(image, sample=str(line["sample"]))
            dtype, kept = line.get("labels_dtype", dtype), line.get("labels", kept)
        except MALFORMED as error:
            problems.append(f"Line {number} cannot be read: {error}")
    return Recovered(
        path,
        image,
        began,
        highest,
        classes,
        tuple(entries),
        problems,
        dtype,
        kept,
        str(head.get("labels_at", "")),
        frozenset(copied),
        tuple(before),
    )


def _block(ends: Sequence[Sequence[int]], line: Mapping[str, Any]) -> tuple[Region, npt.NDArray[Any]]:
    start, stop = ends
    return Region(tuple(start), tuple(stop)), unpack_array(line["pixels"])


def _painted(last: Entry | None, began: Settings, region: Region, values: npt.NDArray[Any]) -> Entry:
    """What somebody else wrote, as an act: it takes no step of history."""
    act = Act(PAINT, {"region": region, "values": values})
    return Entry(act, 0, 0, 0, began) if last is None else replace(last, act=act)


def _copy_of(labels: Any) -> npt.NDArray[Any]:
    if int(np.prod(labels.shape)) * np.dtype(labels.dtype).itemsize > COPIED_BYTES:
        raise ValueError(
            "The labels were changed since that session ended, and are too large for the session to go on in a copy; "
            "both stay as they are."
        )
    return np.array(labels[...])


def _travel(session: Session, step: int) -> None:
    """Undo or redo as far as that leads towards a step."""
    while session.step > step and session.can_undo:
        session.undo()
    while session.step < step and session.can_redo:
        session.redo()
