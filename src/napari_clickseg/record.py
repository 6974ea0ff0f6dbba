"""Record: what was done in a session, act by act, and what of it counts once the undone is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

from napari_clickseg.acts import Act
from napari_clickseg.drawing import Protect
from napari_clickseg.images import Image
from napari_clickseg.masks import Prediction
from napari_clickseg.packing import Json, pack, unpack
from napari_clickseg.questions import Predictor
from napari_clickseg.session import Session

TRAVELS = ("undo", "redo")
SETTINGS = (*Session.SETTINGS, "predictor")
IDLE = (*SETTINGS, "reserve")
"""Acts that draw nothing: a session of these alone is not worth coming back to."""
PAINT = "paint"
LASTING = (PAINT, "reserve")
"""Acts that undo does not take back."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a session's answers and drawings depend on beside the acts.

    Attributes
    ----------
    model : str
        The predictor's name.
    ndim : int
        The axes that it sees of this image.
    threshold, diameter, protect
        As in the session.
    """

    model: str
    ndim: int
    threshold: float
    diameter: float | None
    protect: Protect

    @classmethod
    def of(cls, session: Session) -> Settings:
        """Return what is set in a session now."""
        return cls(session.predictor.name, session.ndim, session.threshold, session.diameter, session.protect)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Settings:
        """Return the settings written by `to_json`.

        Raises
        ------
        ValueError
            Where one is missing or is no setting.
        """
        try:
            settings = cls(**value)
        except TypeError as error:
            raise ValueError(f"These are no settings of a session: {error}.") from error
        if settings.protect not in get_args(Protect):
            raise ValueError(f"protect={settings.protect!r} is none of {', '.join(get_args(Protect))}.")
        return settings

    def session(self, image: Image, predictor: Predictor, labels: Any, highest: int) -> Session:
        """Return a new session with these settings; `highest` is the highest id that it knows of."""
        session = Session(image, predictor, labels, diameter=self.diameter, protect=self.protect, highest=highest)
        session.threshold = self.threshold
        return session

    def to_json(self) -> Json:
        """Return the settings as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """An act and where it led.

    Attributes
    ----------
    act : Act
        What was done.
    step : int
        How many steps of history lay behind the session then (`Session.step`).
    kept : int
        How many objects and edits were kept then.
    label : int
        The id of the object being drawn then.
    settings : Settings
        As they were after the act.
    """

    act: Act
    step: int
    kept: int
    label: int
    settings: Settings

    @classmethod
    def of(cls, session: Session, act: Act) -> Entry:
        """Return the entry of an act that was done just now."""
        return cls(act, session.step, session.state.kept, session.label, Settings.of(session))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Entry:
        """Return the entry written by `to_json`."""
        arguments = {name: unpack(argument) for name, argument in value["with"].items()}
        settings = Settings.from_json(value["settings"])
        return cls(Act(value["act"], arguments), value["step"], value["kept"], value["label"], settings)

    def to_json(self) -> Json:
        """Return the entry as JSON, arrays packed."""
        arguments = {name: pack(argument) for name, argument in self.act.arguments.items()}
        where = {"step": self.step, "kept": self.kept, "label": self.label}
        return {"act": self.act.name, "with": arguments, **where, "settings": self.settings.to_json()}


START = Entry(Act("start"), 0, 0, 0, Settings("", 0, 0.5, None, "background"))


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
        self._entries: list[Entry] = []
        session.acted.connect(self._on_acted)

    def entries(self) -> tuple[Entry, ...]:
        """Return what counts, in the order it was done."""
        return folded(self._entries)

    def _on_acted(self, act: Act) -> None:
        self._entries.append(Entry.of(self.session, without_mask(act)))


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """What was done in a session from its beginning on, as a journal tells it; a Record that listens no more.

    Attributes
    ----------
    session : Session
    began : Settings
        As they were at the beginning.
    highest : int
        The highest id that the session knew of then.
    done : tuple of Entry
        Everything, undone acts too.
    """

    session: Session
    began: Settings
    highest: int
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
    changes = {"undo": (PAINT, "protect"), "redo": (PAINT, "protect", "threshold")}
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
    own = 0 if entry.act.name == "resume" else 1
    name = "commit" if entry.kept - before.kept > own else "cancel"
    return [Entry(Act(name), entry.step - 1, entry.kept - own, before.label, entry.settings)]


def without_mask(act: Act) -> Act:
    """Return the act without the mask that a model answered: a replay asks anew."""
    if act.name != "apply":
        return act
    return Act(act.name, {name: value for name, value in act.arguments.items() if not isinstance(value, Prediction)})


def check_new(session: Session) -> None:
    """Raise ValueError where something was done in a session already: what listens from here on would miss it."""
    if session.step or not session.state.empty:
        raise ValueError("Something was done in this session already; listen to it from its beginning.")
