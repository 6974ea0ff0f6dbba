"""Asking: which question a state of an object raises, and which mask goes with it as prior. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from napari_clickseg.clicks import Click, Frame, on_frame
from napari_clickseg.masks import Prediction
from napari_clickseg.questions import Request
from napari_clickseg.scale import equivalent_diameter
from napari_clickseg.states import ObjectState


def question(past: Sequence[ObjectState], ndim: int, diameter: float | None) -> Request | None:
    """Return the question that the newest state raises: about the frame on which something was said last.

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
    own_size = None if taken_up is None else equivalent_diameter(int(taken_up.mask().sum()), ndim)
    return Request(frame, clicks, _prior(past, frame, clicks, ndim), own_size or diameter)


def _prior(past: Sequence[ObjectState], frame: Frame, clicks: tuple[Click, ...], ndim: int) -> Prediction | None:
    """The newest answered mask of this object whose clicks are all still there, else the mask that was taken up."""
    now = past[0]
    for state in past:
        if state.label != now.label or state.kept != now.kept:
            break
        said = on_frame(state.clicks, frame, ndim)
        if not said:
            break
        if frame in state.masks and frame not in state.waiting and said == clicks[: len(said)]:
            return state.masks[frame]
    return now.taken_up.get(frame)
