"""Act: one thing that was done to a session, as a value, and the table of how each is done again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from napari_clickseg.core.requests import Nobody

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.masks import Prediction
    from napari_clickseg.session.session import Session

NONE: Mapping[str, Any] = MappingProxyType({})

METHODS = (
    "set_clicks", "ask_again", "stop_waiting", "commit", "cancel", "resume", "start_new", "put_away", "reserve",
    "undo", "redo", "edit", "extend", "merge", "split", "delete", "fill", "relabel", "swap", "copy_from",
    "confirm", "paint", "set_prompt", "choose", "classify", "name_classes", "rename_class",
)  # fmt: skip
"""Acts that are named as the method of Session that does them. The names are written in files: they never change."""
SETTINGS = ("threshold", "diameter", "protect")
"""Acts that set the attribute of this name."""
UNDOABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""What an act may raise that is done again and does not fit what was done before it, or that was never one."""


@dataclass(frozen=True, slots=True, eq=False)
class Act:
    """What was done, by the name of the session's method or setting, and with what.

    Attributes
    ----------
    name : str
        "set_clicks", "apply", "commit", "edit", "threshold" .. : METHODS, SETTINGS, "apply" and "predictor".
    arguments : mapping of str to anything
        Plain numbers and strings, and the package's values: clicks, frames, regions, arrays, predictions, edits.

    Examples
    --------
    >>> Act("resume", {"label": 3, "position": None}).name
    'resume'
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: NONE)


def perform(session: Session, act: Act) -> None:
    """Do an act again. No model is asked: answers are acts, too.

    Raises
    ------
    ValueError
        Where the act is unknown, or does not fit what was done before it.
    """
    if act.name in METHODS:
        getattr(session, act.name)(**act.arguments)
    elif act.name in SETTINGS:
        setattr(session, act.name, act.arguments["value"])
    elif act.name in OTHERS:
        OTHERS[act.name](session, **act.arguments)
    else:
        raise ValueError(f"There is no act {act.name!r}; it may come from a newer version of this package.")


def _apply(session: Session, frame: Frame, prediction: Prediction) -> None:
    pending = session.pending
    if pending is None or pending.frame != frame:
        raise ValueError(f"No answer is awaited on frame {frame}; some acts before this one are missing.")
    session.apply(pending, prediction)


def _replace_predictor(session: Session, name: str, ndim: int) -> None:
    if ndim != session.predictor.ndim:
        session.predictor = Nobody(ndim, name)


OTHERS: Mapping[str, Callable[..., None]] = {"apply": _apply, "predictor": _replace_predictor}
