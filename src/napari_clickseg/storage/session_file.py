"""Session files: one JSON file with what was done to an image, short enough to read, exact enough to do again.

It holds clicks, verbs and edits, not the masks that models answered: a replay asks them anew, and checksums show
whether the same labels come out.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_clickseg import __version__
from napari_clickseg.core.masks import Prediction
from napari_clickseg.session.replay import UNDOABLE, Act
from napari_clickseg.session.session import Session
from napari_clickseg.storage.atomic import checksum, written_whole
from napari_clickseg.storage.content import read_json, why
from napari_clickseg.storage.image_identity import Identity
from napari_clickseg.storage.serialization import (
    PAINT,
    START,
    TRAVELS,
    Entry,
    Json,
    Settings,
    check_new,
    check_unpacked_size,
    classes_from_json,
    classes_to_json,
)

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Click
    from napari_clickseg.core.object_classes import Classes
    from napari_clickseg.core.requests import Predictor

LASTING = (PAINT, "reserve")
"""Acts that undo does not take back."""


class Record:
    """Mutable owner of what was done in one session, from its beginning on.

    Answers are noted, but not their masks.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_clickseg import load_model
    >>> session = Session(np.eye(8), load_model("geodesic"))
    >>> record = Record(session)
    >>> session.click((2, 2))
    >>> [entry.act.name for entry in record.entries()]
    ['set_clicks', 'apply']
    """

    def __init__(self, session: Session) -> None:
        check_new(session)
        self.session = session
        self.began = Settings.of(session)
        self.highest = session.label - 1
        self.classes = dict(session.classes)
        self._entries: list[Entry] = []
        session.acted.connect(self._on_acted)

    def entries(self) -> tuple[Entry, ...]:
        """Return what counts, in the order it was done."""
        return folded(self._entries)

    def _on_acted(self, act: Act) -> None:
        self._entries.append(Entry.of(self.session, without_mask(act)))


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """What was done in a session from its beginning on, as a journal holds it; a Record that listens no more.

    Attributes
    ----------
    session : Session
    began : Settings
        As they were at the beginning.
    highest : int
        The highest id that the session knew of then.
    classes : mapping of int to str
        The classes that objects had then.
    done : tuple of Entry
        Everything, undone acts too.
    """

    session: Session
    began: Settings
    highest: int
    classes: Classes
    done: tuple[Entry, ...]

    def entries(self) -> tuple[Entry, ...]:
        """Return what counts, in the order it was done."""
        return folded([replace(entry, act=without_mask(entry.act)) for entry in self.done])


def folded(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return what counts of all that was done, without what was undone.

    What was undone counts again after redo, as long as nothing else was done in between. Of a dragged click, places
    are left out that no answer came for; so is the choice of a model, as each entry names the one of its time. Where
    undo or redo drew anew what looks otherwise by now, everything counts, as then what shows depends on the order.
    """
    if _redrawn([entry.act.name for entry in entries]):
        return tuple(entry for entry in entries if entry.act.name != "predictor")
    kept: list[Entry] = []
    before = START
    for entry in entries:
        kept = _with(kept, before, entry)
        before = entry
    lasting = [entry for entry in kept if entry.step <= before.step or entry.act.name in LASTING]
    return tuple(sorted(lasting, key=lambda entry: entry.step))


def _redrawn(names: Sequence[str]) -> bool:
    """Whether undo or redo came after something that changes how they draw."""
    changes = {"undo": (PAINT, "reserve", "protect"), "redo": (PAINT, "reserve", "protect", "threshold")}
    first = {name: k for k, name in reversed(tuple(enumerate(names)))}
    return any(first.get(change, k) < k for k, name in enumerate(names) for change in changes.get(name, ()))


def _with(kept: list[Entry], before: Entry, entry: Entry) -> list[Entry]:
    """What counts after one entry more; `before` is the one that came before it, whatever it was."""
    name, step = entry.act.name, entry.step
    if name in TRAVELS or name == "predictor":
        return kept
    if step > before.step:
        kept = [e for e in kept if e.step <= before.step or e.act.name in LASTING]
        return [*kept, *_put_away(before, entry), entry]
    if name == "set_clicks":
        kept = [e for e in kept if e.step <= step or e.act.name in LASTING]
        if kept and (kept[-1].act.name, kept[-1].step) == (name, step):
            kept.pop()
    return [*kept, entry]


def _put_away(before: Entry, entry: Entry) -> list[Entry]:
    """What an act of two steps did first: it kept or dropped the object being drawn, a step that is undone apart."""
    if entry.step - before.step < 2:
        return []
    own = 0 if entry.act.name in ("resume", "classify") else 1
    name = "commit" if entry.kept - before.kept > own else "cancel"
    return [Entry(Act(name), entry.step - 1, entry.kept - own, before.label, entry.settings)]


def without_mask(act: Act) -> Act:
    """Return the act without the mask that a model answered: a replay asks anew."""
    if act.name != "apply":
        return act
    return Act(act.name, {name: value for name, value in act.arguments.items() if not isinstance(value, Prediction)})


KIND, FORMAT = "napari-clickseg session", 1
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Summary:
    """Labels in short.

    Attributes
    ----------
    sha256 : str
        Of the shape and the ids, whatever the dtype.
    areas : mapping of int to int
        The pixels of each object, by id.
    """

    sha256: str
    areas: Mapping[int, int]

    @classmethod
    def of(cls, labels: Any) -> Summary:
        """Return the summary of labels; reads them plane by plane."""
        digest = hashlib.sha256(repr(tuple(labels.shape)).encode())
        areas: Counter[int] = Counter()
        for index in np.ndindex(*labels.shape[:-2]):
            plane = np.asarray(labels[index])
            digest.update(np.ascontiguousarray(plane, "<i8").tobytes())
            ids, counts = np.unique(plane[plane != 0], return_counts=True)
            areas.update(dict(zip(ids.tolist(), counts.tolist(), strict=True)))
        return cls(digest.hexdigest(), dict(sorted(areas.items())))


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """What a session file holds.

    Attributes
    ----------
    image : Identity
        What it is about.
    highest : int
        The highest id in the labels that it began with; 0 for none.
    classes : mapping of int to str
        The classes that objects had at the beginning; none in files of 0.1.0.
    models : mapping of str to str
        The SHA-256 of the weights of each model that answered, by name; "" for models without weights.
    began, ended : Settings
        At the beginning and at the end.
    entries : tuple of Entry
        What was done and counts, in order; answers without masks.
    labels : Summary
        What came out.
    """

    image: Identity
    highest: int
    classes: Classes
    models: Mapping[str, str]
    began: Settings
    ended: Settings
    entries: tuple[Entry, ...]
    labels: Summary

    def clicks(self) -> dict[int, list[Click]]:
        """Return the last clicks of each object, by id, as for a table of clicks."""
        last = {entry.label: list(entry.act.arguments["clicks"]) for entry in self.entries if _clicks(entry)}
        return {label: clicks for label, clicks in sorted(last.items()) if clicks}


def save_session(
    path: str | Path,
    record: Record | Past,
    image_path: str | Path | None = None,
    weights: Mapping[str, Path] | None = None,
) -> None:
    """Write what was done in a session so far.

    Parameters
    ----------
    record : Record or Past
        Of the session, from its beginning.
    image_path : path, optional
        The image's file, of which the name is kept.
    weights : mapping of str to Path, optional
        The weights files of models, by name.

    Raises
    ------
    OSError
        Where the disk refuses, or a weights file cannot be read; no part of the file is left then.
    """
    session, entries, files = record.session, record.entries(), weights or {}
    ended = Settings.of(session)
    answered = {record.began.model, ended.model, *(entry.settings.model for entry in entries)}
    labels = Summary.of(session.labels)
    head = {
        "kind": KIND,
        "format": FORMAT,
        "package": __version__,
        "image": Identity.of(session.image, image_path).to_json(),
        "highest": record.highest,
        "classes": classes_to_json(record.classes),
        "models": {name: checksum(files[name]) if name in files else "" for name in sorted(answered)},
        "labels": {"sha256": labels.sha256, "areas": {str(label): area for label, area in labels.areas.items()}},
        "began": record.began.to_json(),
        "ended": ended.to_json(),
    }
    with written_whole(Path(path)) as unfinished:
        unfinished.write_text(_text(head, _short(entries, record.began)), encoding="utf-8")


def load_session(path: str | Path) -> Saved:
    """Read a session file.

    Raises
    ------
    ValueError
        Where it is none, or of another version.
    OSError
        Where it cannot be read.
    """
    try:
        value = read_json(Path(path))
        if value.get("kind") != KIND or value.get("format") != FORMAT:
            raise ValueError(f"wanted is a JSON file of the kind {KIND!r}, format {FORMAT}")
        check_unpacked_size(value["entries"])
        return _saved(value)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path} is no session file that can be read: {why(error)}.") from error


@dataclass(slots=True)
class Replay:
    """Mutable: a saved session that is done again, with the models asked anew.

    Attributes
    ----------
    saved : Saved
        What to do.
    session : Session
        A new one, about the same image and with the labels that the saved one began with.
    load : callable
        Gives the model of a name.
    problems : list of str
        What could not be done again, in sentences.
    """

    saved: Saved
    session: Session
    load: Callable[[str], Predictor]
    problems: list[str] = field(default_factory=list)
    _model: str = field(init=False)

    def __post_init__(self) -> None:
        self._model = self.saved.began.model

    def steps(self) -> Iterator[int]:
        """Do everything again, entry by entry; yields how many are done."""
        for number, entry in enumerate(self.saved.entries, 1):
            label = self.session.label
            try:
                self._set(entry.settings, entry.act.name not in TRAVELS)
                self._do(entry)
            except UNDOABLE as error:
                self.problems.append(f"Act {number} ({entry.act.name}, object {label}): {error}")
                if entry.act.name == "commit":
                    self.session.cancel()
            yield number
        self._set(self.saved.ended)

    def _set(self, settings: Settings, all_of_them: bool = True) -> None:
        """Choose the model and set the rest; undo and redo bring their own settings along."""
        session = self.session
        if self._model != settings.model:
            session.predictor = self.load(settings.model)
            self._model = settings.model
        for name in Session.SETTINGS if all_of_them else ():
            if getattr(session, name) != getattr(settings, name):
                setattr(session, name, getattr(settings, name))

    def _do(self, entry: Entry) -> None:
        session = self.session
        if entry.act.name == "apply":
            request = session.pending
            if request is not None:
                session.apply(request, session.run(request))
            return
        if _clicks(entry) and session.state.empty and session.label != entry.label:
            session.start_new(entry.label)
        if entry.act.name in ("commit", "start_new"):
            session.stop_waiting()  # nobody can have waited then; an answer that another model owes is given up
        session.perform(entry.act)


def _clicks(entry: Entry) -> bool:
    return entry.act.name in ("set_clicks", "set_prompt")


def _short(entries: tuple[Entry, ...], last: Settings) -> Iterator[Json]:
    """Entries as JSON; settings only where they changed."""
    for entry in entries:
        value = entry.to_json()
        if entry.settings == last:
            del value["settings"]
        last = entry.settings
        yield value


def _text(head: Json, entries: Iterator[Json]) -> str:
    """The file's text: one entry a line."""
    lines = ",\n    ".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    opened = json.dumps(head, indent=2, ensure_ascii=False).removesuffix("\n}")
    return f'{opened},\n  "entries": [\n    {lines}\n  ]\n}}\n'


def _saved(value: Mapping[str, Any]) -> Saved:
    labels = value["labels"]
    areas = {int(label): int(area) for label, area in labels["areas"].items()}
    began = Settings.from_json(value["began"])
    entries: list[Entry] = []
    for line in value["entries"]:
        last = entries[-1].settings if entries else began
        entries.append(Entry.from_json({"settings": last.to_json(), **line}))
    return Saved(
        Identity.from_json(value["image"]),
        int(value["highest"]),
        classes_from_json(value.get("classes", {})),
        dict(value["models"]),
        began,
        Settings.from_json(value["ended"]),
        tuple(entries),
        Summary(str(labels["sha256"]), areas),
    )
