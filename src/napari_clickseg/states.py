"""States: ObjectState, one entry of history, and what follows from two of them. Pure; the session decides when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from napari_clickseg.clicks import Click, Frame, on_frame
from napari_clickseg.masks import Prediction

NOTHING: Mapping[Frame, Prediction] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class ObjectState:
    """One entry of history: an object, what was said of it, and how it is drawn.

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
    waiting : tuple of Frame
        Frames whose clicks changed and whose answer is not there yet.
    moved : int or None
        Index of the click whose drag made this state; a further drag of it amends the state.
    kept : int
        How many objects of this history lie below this one.
    """

    label: int
    clicks: tuple[Click, ...] = ()
    masks: Mapping[Frame, Prediction] = field(default_factory=lambda: NOTHING)
    taken_up: Mapping[Frame, Prediction] = field(default_factory=lambda: NOTHING)
    waiting: tuple[Frame, ...] = ()
    moved: int | None = None
    kept: int = 0

    @property
    def empty(self) -> bool:
        """Nothing said, nothing drawn, nothing taken up."""
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
        said = on_frame(clicks, frame, ndim)
        if said == on_frame(state.clicks, frame, ndim):
            continue
        waiting = [f for f in waiting if f != frame]
        if asks(state, said, frame):
            waiting.append(frame)
        elif frame in state.taken_up:
            masks[frame] = state.taken_up[frame]
        else:
            masks.pop(frame, None)
    moved = _moved_click(state.clicks, clicks)
    return replace(state, clicks=clicks, masks=masks, waiting=tuple(waiting), moved=moved)


def asks(state: ObjectState, said: tuple[Click, ...], frame: Frame) -> bool:
    """Tell whether clicks on a frame ask for an answer: they name an object, or correct one that was taken up there."""
    return any(click.positive for click in said) or (bool(said) and frame in state.taken_up)


def differing_frames(before: ObjectState, after: ObjectState) -> list[Frame]:
    """Return the frames on which two states are drawn differently."""
    frames = dict.fromkeys([*before.taken_up, *before.masks, *after.taken_up, *after.masks])
    if (before.label, before.taken_up) != (after.label, after.taken_up):
        return list(frames)
    return [frame for frame in frames if before.masks.get(frame) is not after.masks.get(frame)]


def _moved_click(before: tuple[Click, ...], after: tuple[Click, ...]) -> int | None:
    """The index of the one click that changed its place, None where anything else happened."""
    if len(before) != len(after):
        return None
    different = [k for k, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    if len(different) == 1 and before[different[0]].positive == after[different[0]].positive:
        return different[0]
    return None
