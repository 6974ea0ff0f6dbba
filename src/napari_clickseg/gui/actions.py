"""Actions: one table of what a key or a button does. Panels print it, layers bind it; `ObjectActs` has the methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Run = Callable[[str], None]
Bindings = dict[str, Callable[[Any], None] | None]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a user may ask for.

    Attributes
    ----------
    name : str
        The method of `ObjectActs` that does it.
    key : str
        In napari's spelling.
    qt_key : str
        The same in Qt's spelling, for button captions.
    text, tip : str
        Caption and tooltip.
    on_labels : bool
        Also bound on the Labels layer; undo and redo are not, as napari has its own there for what was painted by hand.
    """

    name: str
    key: str
    qt_key: str
    text: str
    tip: str
    on_labels: bool = True


ACTIONS = (
    Action("keep", "Enter", "Return", "Keep", "Keep the object as it is drawn; the next click starts a new one."),
    Action("cancel", "Escape", "Esc", "Cancel", "Let the object disappear; what was there before comes back."),
    Action("undo", "Control-Z", "Ctrl+Z", "Undo", "Take back the last click, drag, keep or cancel.", on_labels=False),
    Action("redo", "Control-Shift-Z", "Ctrl+Shift+Z", "Redo", "Do again what was taken back.", on_labels=False),
    Action("flip", "T", "T", "Flip", "Swap what the left and the right mouse button mean: include or exclude."),
    Action("take_up", "W", "W", "Take up", "Take up the object under the cursor again; clicks then correct it."),
    Action("start_new", "N", "N", "New", "Keep what is drawn and start a new object."),
)
BY_NAME = {action.name: action for action in ACTIONS}


def bind(layer: Any, run: Run, labels: bool = False) -> Bindings:
    """Bind the keys of the table on this one layer; return what they did there before, for `unbind`."""
    before: Bindings = {}
    for action in ACTIONS:
        if labels and not action.on_labels:
            continue
        before[action.key] = layer.bind_key(action.key, None)
        layer.bind_key(action.key, _runner(run, action.name))
    return before


def unbind(layer: Any, before: Bindings) -> None:
    """Give the keys back to whoever had them on this layer."""
    for key, former in before.items():
        layer.bind_key(key, former, overwrite=True)


def _runner(run: Run, name: str) -> Callable[[Any], None]:
    def pressed(_layer: Any) -> None:
        run(name)

    return pressed
