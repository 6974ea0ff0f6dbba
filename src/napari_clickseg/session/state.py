"""States: ObjectState, one entry of history, and what follows from two of them. Pure; the session decides when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from napari_clickseg.core.clicks import Click, Frame, on_frame
from napari_clickseg.core.edits import Edit
from napari_clickseg.core.object_classes import NO_CLASSES, Classes, Follow, changed, renumbered, unchanged
from napari_clickseg.core.object_size import equivalent_diameter
from napari_clickseg.core.requests import Request

if TYPE_CHECKING:
    from napari_clickseg.core.masks import PackedPatch, Prediction

NOTHING: Mapping[Frame, Prediction] = MappingProxyType({})
SURE: Mapping[Frame, Mapping[int, float]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Notes:
    """What is known of frames and objects beside their pixels.

    Attributes
    ----------
    confirmed : frozenset of Frame
        Frames that the user called right.
    confidence : mapping of Frame to mapping of int to float
        How sure the carrying of each object was, 0 to 1; objects that were corrected since are no longer named.
    classes : mapping of int to str
        The class of each object that was given one.
    class_names : tuple of str
        The classes that there are, in the user's order.
    """

    confirmed: frozenset[Frame] = frozenset()
    confidence: Mapping[Frame, Mapping[int, float]] = field(default_factory=lambda: SURE)
    classes: Classes = field(default_factory=lambda: NO_CLASSES)
    class_names: tuple[str, ...] = ()

    def confirm(self, frame: Frame, yes: bool) -> Notes:
        """Return the notes with a frame confirmed, or no longer."""
        return replace(self, confirmed=self.confirmed | {frame} if yes else self.confirmed - {frame})

    def corrected(self, label: int, frames: Iterable[Frame]) -> Notes:
        """Return the notes after a user drew an object on these frames: it was carried there, but now it is theirs."""
        return self._with_confidence({f: {label: None} for f in frames if label in self.confidence.get(f, {})})

    def edited(self, edits: Mapping[Frame, Edit], follow: Follow = unchanged) -> Notes:
        """Return the notes after edits: what they write has their confidence, or none; `follow` moves the classes."""
        written = sorted({label for edit in edits.values() for label in edit.ids()})
        sure = self._with_confidence({f: {**dict.fromkeys(e.ids()), **e.confidence} for f, e in edits.items()})
        return replace(sure, classes=follow(self.classes, written))

    def classified(self, changes: Mapping[int, str | None]) -> Notes:
        """Return the notes after objects got a class, or lost it (None); new names go to the end of the list."""
        new = dict.fromkeys(name for name in changes.values() if name is not None and name not in self.class_names)
        return replace(self, classes=changed(self.classes, changes), class_names=(*self.class_names, *new))

    def for_frames(self, before: tuple[int, ...], after: tuple[int, ...]) -> Notes:
        """Return the notes for a model that sees other axes: volumes of which all planes are confirmed, and so on.

        Parameters
        ----------
        before, after : tuple of int
            How many frames there are along each axis that the models do not see.
        """
        parts = list(np.ndindex(*max(before, after, key=len)))
        open_to_doubt = {part[: len(after)] for part in parts if part[: len(before)] not in self.confirmed}
        confirmed = frozenset(part[: len(after)] for part in parts) - open_to_doubt
        return replace(self, confirmed=confirmed, confidence=SURE)

    def renumbered(self, ids: Mapping[int, int]) -> Notes:
        """Return the notes with other ids in the place of some."""
        known = {f: {ids.get(k, k): value for k, value in sure.items()} for f, sure in self.confidence.items()}
        return replace(self, confidence=known, classes=renumbered(self.classes, ids))

    def _with_confidence(self, news: Mapping[Frame, Mapping[int, float | None]]) -> Notes:
        merged = {frame: {**self.confidence.get(frame, {}), **values} for frame, values in news.items()}
        known = {frame: {k: v for k, v in values.items() if v is not None} for frame, values in merged.items()}
        return replace(self, confidence={f: v for f, v in {**self.confidence, **known}.items() if v})


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """An edit as it was written.

    Attributes
    ----------
    number : int
        Distinguishes the edits of a session.
    patches : tuple of (Frame, PackedPatch)
        In the order written; the last one is taken back first.
    highest : int
        The highest id written.
    """

    number: int
    patches: tuple[tuple[Frame, PackedPatch], ...]
    highest: int


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """A box or a lasso: where an object starts from instead of from nothing.

    Attributes
    ----------
    kind : str
        "box" or "lasso".
    points : tuple of tuple of float
        Its corners in array order.
    mask : Prediction
        The starting mask on its frame.
    """

    kind: str
    points: tuple[tuple[float, ...], ...]
    mask: Prediction


NO_PROMPTS: Mapping[Frame, Prompt] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class ObjectState:
    """One entry of history: an object, its clicks, and how it is drawn.

    Attributes
    ----------
    label : int
        The object's id.
    clicks : tuple of Click
        In the order given, on any frames.
    masks : mapping of Frame to Prediction
        What is shown on each frame; replaced, never written into.
    taken_up : mapping of Frame to Prediction
        The object's masks as they stood in the labels when it was resumed; empty for a new object.
    prompts : mapping of Frame to Prompt
        The newest box or lasso on each frame.
    waiting : tuple of Frame
        Frames whose clicks changed and whose answer is not there yet.
    moved : int or None
        Index of the click whose drag made this state; a further drag of it amends the state.
    kept : int
        How many objects and edits of this history lie below this one.
    objects : int
        How many objects those drew: one where an object was kept, as many as have new ids where an edit was written.
    notes : Notes
        What is known of frames.
    written : Written or None
        The edit that made this state, an object without clicks; None where something else made it.
    """

    label: int
    clicks: tuple[Click, ...] = ()
    masks: Mapping[Frame, Prediction] = field(default_factory=lambda: NOTHING)
    taken_up: Mapping[Frame, Prediction] = field(default_factory=lambda: NOTHING)
    prompts: Mapping[Frame, Prompt] = field(default_factory=lambda: NO_PROMPTS)
    waiting: tuple[Frame, ...] = ()
    moved: int | None = None
    kept: int = 0
    objects: int = 0
    notes: Notes = field(default_factory=Notes)
    written: Written | None = None

    @property
    def ids(self) -> frozenset[int]:
        """The ids of the object, and of what the edit wrote that made this state."""
        return frozenset({self.label} | ({self.written.highest} if self.written else set()))

    @property
    def names(self) -> frozenset[int]:
        """`ids`, and those that have a class."""
        return self.ids | self.notes.classes.keys()

    def renumbered(self, ids: Mapping[int, int]) -> ObjectState:
        """Return the same with other ids in the place of some."""
        written = self.written
        if written is not None:
            patches = tuple((frame, patch.renumbered(ids)) for frame, patch in written.patches)
            written = replace(written, patches=patches, highest=ids.get(written.highest, written.highest))
        return replace(self, label=ids.get(self.label, self.label), notes=self.notes.renumbered(ids), written=written)

    @property
    def empty(self) -> bool:
        """No click, nothing drawn, nothing resumed."""
        return not (self.clicks or self.masks or self.taken_up)


def frames_of(clicks: Iterable[Click], ndim: int) -> list[Frame]:
    """Return the frames that carry clicks, in the order of their first click."""
    return list(dict.fromkeys(click.frame(ndim) for click in clicks))


def with_clicks(state: ObjectState, clicks: tuple[Click, ...], ndim: int) -> ObjectState:
    """Return the state with other clicks.

    Frames that lost their last click show what they showed without any. Negative clicks ask nothing where there is no
    object yet, neither clicked nor taken up.
    """
    masks = dict(state.masks)
    waiting = list(state.waiting)
    for frame in frames_of(state.clicks + clicks, ndim):
        here = on_frame(clicks, frame, ndim)
        if here == on_frame(state.clicks, frame, ndim):
            continue
        waiting = [f for f in waiting if f != frame]
        if asks(state, here, frame):
            waiting.append(frame)
        elif frame in state.taken_up:
            masks[frame] = state.taken_up[frame]
        else:
            masks.pop(frame, None)
    moved = _moved_click(state.clicks, clicks)
    return replace(state, clicks=clicks, masks=masks, waiting=tuple(waiting), moved=moved, written=None)


def with_prompt(state: ObjectState, prompt: Prompt, frame: Frame, clicks: tuple[Click, ...], ndim: int) -> ObjectState:
    """Return the state that starts from a prompt on a frame, with these clicks; it waits for an answer there."""
    after = with_clicks(state, clicks, ndim)
    waiting = (*(f for f in after.waiting if f != frame), frame)
    return replace(after, prompts={**state.prompts, frame: prompt}, waiting=waiting, moved=None)


def asks(state: ObjectState, here: tuple[Click, ...], frame: Frame) -> bool:
    """Return whether clicks on a frame ask for an answer: they name an object, or correct one taken up there."""
    return any(click.positive for click in here) or (bool(here) and frame in state.taken_up)


def cut_off(state: ObjectState) -> dict[Frame, Edit]:
    """Return the edits that make objects of what was cut off one that was taken up, where something was."""
    pieces = {f: (m.region, m.cut_off) for f, m in state.masks.items() if f in state.taken_up and m.cut_off is not None}
    return {f: Edit(region, found > 0, found, fresh=True) for f, (region, found) in pieces.items() if found.any()}


def differing_frames(before: ObjectState, after: ObjectState, ndim: int) -> list[Frame]:
    """Return the frames on which two states are drawn differently: a resumed object also by where it was clicked."""
    frames = dict.fromkeys([*before.taken_up, *before.masks, *after.taken_up, *after.masks])
    if (before.label, before.taken_up) != (after.label, after.taken_up):
        return list(frames)

    def differs(frame: Frame) -> bool:
        if before.masks.get(frame) is not after.masks.get(frame):
            return True
        return frame in after.taken_up and on_frame(before.clicks, frame, ndim) != on_frame(after.clicks, frame, ndim)

    return [frame for frame in frames if differs(frame)]


def _moved_click(before: tuple[Click, ...], after: tuple[Click, ...]) -> int | None:
    """The index of the one click that changed its place, None where anything else happened."""
    if len(before) != len(after):
        return None
    different = [k for k, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    if len(different) == 1 and before[different[0]].positive == after[different[0]].positive:
        return different[0]
    return None


def question(past: Sequence[ObjectState], ndim: int, diameter: float | None) -> Request | None:
    """Return the question that the newest state raises: about the frame whose clicks changed last.

    Parameters
    ----------
    past : sequence of ObjectState
        The states up to the current one, newest first.
    diameter : float or None
        The expected diameter in pixels, where it is known; an object taken up is asked about at its own size.
    """
    state = past[0]
    if not state.waiting:
        return None
    frame = state.waiting[-1]
    clicks = on_frame(state.clicks, frame, ndim)
    taken_up = state.taken_up.get(frame)
    prompt = state.prompts.get(frame)
    start = taken_up if prompt is None else prompt.mask
    own_size = None if start is None else equivalent_diameter(int(start.mask().sum()), ndim)
    prior, corrects = _prior(past, frame, clicks, ndim), prompt is None and taken_up is not None
    return Request(frame, clicks, prior, own_size or diameter, initial=start, corrects=corrects)


def _prior(past: Sequence[ObjectState], frame: Frame, clicks: tuple[Click, ...], ndim: int) -> Prediction | None:
    """The newest answered mask of this object whose clicks are all still there, else the mask that it starts from."""
    now = past[0]
    prompt = now.prompts.get(frame)
    for state in past:
        if state.label != now.label or state.kept != now.kept or state.prompts.get(frame) is not prompt:
            break
        here = on_frame(state.clicks, frame, ndim)
        if not here:
            break
        if frame in state.masks and frame not in state.waiting and here == clicks[: len(here)]:
            return state.masks[frame]
    return now.taken_up.get(frame) if prompt is None else prompt.mask
