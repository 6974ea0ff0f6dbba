"""Actions: one table of what a key or a button does. Panels print it, layers bind it, the conductor answers it."""

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
        The request that the conductor passes to whoever has a method of that name.
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
    # objects that are there already
    Action("join", "J", "J", "Join", "Make the object under the cursor one with the object being drawn."),
    Action("split", "I", "I", "Split", "Cut an object in two: a click on each of its parts."),
    Action("delete", "D", "D", "Delete", "Remove the object under the cursor."),
    Action("fill", "U", "U", "Fill holes", "Fill the holes of the object under the cursor, on this frame."),
    Action("relabel", "R", "R", "New id", "Give the object under the cursor another id."),
    Action(
        *("copy_previous", "Shift-C", "Shift+C", "Copy before"),
        "Copy the object under the cursor from the frame before; all objects where there is none. Only background is "
        "written to.",
    ),
    # frames
    Action(
        "carry_forward", "Shift-Right", "Shift+Right", "Forward", "Carry objects from this frame to those after it."
    ),
    Action("carry_back", "Shift-Left", "Shift+Left", "Back", "Carry objects from this frame to those before it."),
    Action(
        *("carry_between", "Shift-B", "Shift+B", "Between"),
        "Fill the frames between the two nearest confirmed ones on either side of this frame.",
    ),
    Action("carry_on", "Q", "Q", "Carry on", "Go on where the last carrying ended."),
    # review
    Action("next_doubt", "G", "G", "Next", "Go to the next place that is likely to be wrong."),
    Action("previous_doubt", "H", "H", "Previous", "Go back to the place before."),
    Action("confirm", "K", "K", "Confirm", "This frame is right: nothing is carried over it. Again: take that back."),
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
