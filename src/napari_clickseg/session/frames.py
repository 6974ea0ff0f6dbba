"""What is known of one frame, and confirming it: functions that become methods of Session."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.session.session import Session


def alpha(session: Session, frame: Frame = ()) -> npt.NDArray[np.float32]:
    """Return how much of each pixel belongs to the object being drawn on a frame, 0 to 1, shape of the frame.

    A matte where the model makes one ("forte99"), the probability of other models. The threshold has no part in it.

    Raises
    ------
    ValueError
        Where there is no such frame.
    """
    session._check_frame(frame)
    shown, whole = session.state.masks.get(frame), session._object.whole
    return np.zeros(whole.shape, np.float32) if shown is None else shown.alpha_on(whole)


def confirm(session: Session, frame: Frame, yes: bool = True) -> None:
    """Call a frame right, or no longer: nothing is carried into it. One step of undo.

    Raises
    ------
    ValueError
        Where there is no such frame.
    """
    session._check_frame(frame)
    if (frame in session.confirmed) != yes:
        session._object.push_notes(session.state.notes.confirm(frame, yes))
        session._report("confirm", frame=frame, yes=yes)


def confidence(session: Session, frame: Frame) -> Mapping[int, float]:
    """Return how sure the carrying of each object into a frame was, 0 to 1; empty where nothing was carried."""
    return session.state.notes.confidence.get(frame, MappingProxyType({}))
