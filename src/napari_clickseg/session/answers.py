"""Answers that are waited for, that fail, or that are asked for anew: functions that become methods of Session."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_clickseg.core.requests import Request
    from napari_clickseg.session.session import Session


def wait_for(session: Session, request: Request | None) -> None:
    """Run and apply a request, and those that follow from it; where one fails, wait for no answer any more."""
    try:
        while request is not None:
            request = session.apply(request, session.run(request))
    finally:
        session.stop_waiting()


def fail(session: Session, request: Request, error: BaseException) -> None:
    """Take note that a request could not be answered: clicks and what is drawn stay."""
    if request is not session._object.pending:
        return
    session._object.stop_waiting()
    session.failed.emit(error)
    session._report("stop_waiting")


def ask_again(session: Session) -> Request | None:
    """Ask anew about the frames that carry clicks, as after another model was chosen."""
    request = session._object.ask_again()
    if request is None:
        return None
    session._report("ask_again")
    return request


def stop_waiting(session: Session) -> None:
    """Wait for no answer any more: clicks and what is drawn stay."""
    if session._object.pending is not None:
        session._object.stop_waiting()
        session._report("stop_waiting")
