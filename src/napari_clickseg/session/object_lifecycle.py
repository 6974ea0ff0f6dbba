"""Where the object being drawn ends, the next one begins, and undo leads: functions that become methods of Session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_clickseg.core.requests import Request
    from napari_clickseg.session.session import Session
    from napari_clickseg.session.state import ObjectState


def commit(session: Session) -> int:
    """Keep the object as it is drawn and start a new one; return the id of the object kept.

    Raises
    ------
    ValueError
        Where nothing is drawn, or an answer is still awaited.
    """
    if session._object.pending is not None:
        raise ValueError("The answer to the last click is still awaited; keep the object when it is there.")
    if not session._object.worth_keeping:
        raise ValueError("There is nothing to keep yet; click on an object first.")
    with session._all_or_nothing():
        label = session._object.keep()
    session._report("commit")
    return label


def cancel(session: Session) -> None:
    """Let the object being drawn disappear; what was there comes back. Undo brings it back."""
    if not session.state.empty:
        with session._all_or_nothing():
            session._object.drop()
        session._report("cancel")


def start_new(session: Session, label: int | None = None) -> int:
    """Keep what is drawn, if anything, and start a new object; return its id.

    Raises
    ------
    ValueError
        Where `label` is not a positive id, or an answer is still awaited.
    """
    if label is not None and label < 1:
        raise ValueError(f"Object ids start at 1 (0 is the background), but this one is {label}.")
    if session._object.pending is not None:
        raise ValueError("The answer to the last click is still awaited; start a new object when it is there.")
    with session._all_or_nothing():
        session._object.put_away()
        if label is not None:
            session._object.rename(label)
    session._report("start_new", label=label)
    return session.label


def put_away(session: Session) -> None:
    """Keep what is drawn, drop clicks that drew nothing, and wait for no answer any more."""
    with session._all_or_nothing():
        session._object.put_away()
    session._report("put_away")


def reserve(session: Session, label: int) -> None:
    """Take note that somebody else uses this id, as in painting by hand: new objects get higher ones.

    An object being drawn keeps its id, unless pixels of that id stand elsewhere, which are another object then.
    Objects that were undone or cancelled get other ids, under which redo and undo bring them back.
    """
    with session._all_or_nothing():
        news = session._object.reserve(int(label))
    if news:
        session._report("reserve", label=int(label))


def undo(session: Session) -> Request | None:
    """Go one step back; return a question only where the older state was never answered."""
    return _travel(session, "undo", session._object.history.undo) if session.can_undo else None


def redo(session: Session) -> Request | None:
    """Go one step forward; return a question only where that state was never answered."""
    return _travel(session, "redo", session._object.history.redo) if session.can_redo else None


def _travel(session: Session, name: str, move: Callable[[], ObjectState]) -> Request | None:
    with session._all_or_nothing():
        request = session._object.travel(move)
    session._report(name)
    return request
