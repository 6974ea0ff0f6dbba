"""Actions: the one table of keys and buttons. Layers bind it, buttons print it, its owners do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Run = Callable[[str], None]
Bindings = dict[str, Callable[[Any], None] | None]
Owner = Literal[
    "objects",
    "tools",
    "corrections",
    "propagation",
    "review",
    "suggestions",
    "learning",
    "classes",
    "measuring",
    "saving",
    "hover",
    "alpha",
]
"""Who does it: the attribute of the controller."""
OF_NAPARI: dict[str, frozenset[str]] = {"polygon": frozenset(("Enter", "Escape"))}
"""Keys that a tool of napari's needs itself, by the mode of the layer: they are given back while the tool is used."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a user may ask for.

    Attributes
    ----------
    name : str
        The method of its owner.
    key : str
        In napari's spelling.
    qt_key : str
        The same in Qt's spelling, for button captions.
    caption, tip : str
        Text of the button, and its tooltip.
    owner : str
        The attribute of the controller that has the method.
    armed : bool
        It concerns a place: the key takes the one under the pointer, the button waits for a click on the canvas. The
        method takes the position, or None to wait for it.
    on_labels : bool
        Also bound on the Labels layer; undo and redo are not, as napari has its own there for what was painted by hand.
    """

    name: str
    key: str
    qt_key: str
    caption: str
    tip: str
    owner: Owner
    armed: bool = False
    on_labels: bool = True


ACTIONS = (
    Action(
        "keep", "Enter", "Return", "Keep", "Keep the object as it is drawn; the next click starts a new one.", "objects"
    ),
    Action(
        "cancel",
        "Escape",
        "Esc",
        "Cancel",
        "Drop the object, or leave the tool; what was there before comes back.",
        "objects",
    ),
    Action(
        "undo",
        "Control-Z",
        "Ctrl+Z",
        "Undo",
        "Take back the last click, drag, keep or correction.",
        "objects",
        on_labels=False,
    ),
    Action(
        "redo", "Control-Shift-Z", "Ctrl+Shift+Z", "Redo", "Do again what was taken back.", "objects", on_labels=False
    ),
    Action("start_new", "N", "N", "New", "Keep what is drawn and start a new object.", "objects"),
    Action("flip", "T", "T", "Swap buttons", "Swap the mouse buttons: include and exclude.", "objects"),
    Action("next_candidate", ".", ".", "Next", "Show the next candidate: part, cell, cluster.", "objects"),
    Action("previous_candidate", ",", ",", "Previous", "Show the candidate before.", "objects"),
    Action(
        *("toggle_hover", "Shift-H", "Shift+H", "Look ahead"),
        "Show, where the pointer rests, the mask that a click would give; again: do not.",
        "hover",
    ),
    Action(
        *("show_alpha", "Shift-M", "Shift+M", "Alpha"),
        "Lay over the image, as a layer, how much of each pixel belongs to the object: a matte with forte99.",
        "alpha",
    ),
    # an object by one drag
    Action("box", "Shift-X", "Shift+X", "Box", "Drag a box around an object; clicks then correct it.", "tools"),
    Action("lasso", "Shift-O", "Shift+O", "Lasso", "Draw a line around an object; clicks then correct it.", "tools"),
    Action(
        *("stroke", "Shift-W", "Shift+W", "Stroke"),
        "Draw along an object: a chain of clicks; the right button excludes.",
        "tools",
    ),
    # objects that are there already
    Action(
        "take_up",
        "W",
        "W",
        "Correct",
        "Correct an existing object: clicks then add to it and remove from it.",
        "objects",
        armed=True,
    ),
    Action("join", "J", "J", "Join", "Make two objects one.", "corrections", armed=True),
    Action(
        "split", "I", "I", "Split", "Cut an object in two: a click on each of its parts.", "corrections", armed=True
    ),
    Action("delete", "D", "D", "Delete", "Remove an object.", "corrections", armed=True),
    Action("fill", "U", "U", "Fill holes", "Fill the holes of an object, on this frame.", "corrections", armed=True),
    Action("relabel", "R", "R", "Number", "Give an object another number (id).", "corrections", armed=True),
    Action(
        "swap",
        "Shift-R",
        "Shift+R",
        "Swap numbers",
        "Swap the numbers (ids) of two objects: a click on each.",
        "corrections",
        armed=True,
    ),
    Action(
        *("copy_previous", "Shift-C", "Shift+C", "Copy before"),
        "Copy an object from the frame before; all objects where there is none. Only background is written to.",
        *("corrections", True),
    ),
    # frames
    Action(
        "carry_forward",
        "Shift-Right",
        "Shift+Right",
        "Track forward",
        "Follow objects from this frame through those after it.",
        "propagation",
    ),
    Action(
        "carry_back",
        "Shift-Left",
        "Shift+Left",
        "Track back",
        "Follow objects from this frame through those before it.",
        "propagation",
    ),
    Action(
        "carry_between",
        "Shift-B",
        "Shift+B",
        "Fill gap",
        "Fill the frames between the two nearest confirmed ones on either side.",
        "propagation",
    ),
    Action("carry_on", "Q", "Q", "Go on", "Go on where tracking ended last.", "propagation"),
    # review
    Action("next_doubt", "G", "G", "Next", "Go to the next place that is likely to be wrong.", "review"),
    Action("previous_doubt", "H", "H", "Previous", "Go back to the place before.", "review"),
    Action(
        "confirm",
        "K",
        "K",
        "Confirm",
        "This frame is right: nothing is written over it. Again: take that back.",
        "review",
    ),
    # all objects, files
    Action(
        *("suggest", "Shift-F", "Shift+F", "Suggest"),
        "Find all objects of the frame in view that are not drawn yet, as suggestions.",
        "suggestions",
    ),
    Action(
        *("suggest_in_box", "Shift-E", "Shift+E", "In a box"),
        "Drag a box: all objects in it are found, as suggestions.",
        "suggestions",
    ),
    Action(
        *("suggest_all_frames", "Shift-G", "Shift+G", "All frames"),
        "Find all objects of every frame that is not confirmed, as suggestions.",
        "suggestions",
    ),
    Action(
        *("accept_suggestion", "Shift-Y", "Shift+Y", "Accept"),
        "Make a suggestion an object; a left click on it does the same.",
        *("suggestions", True),
    ),
    Action(
        *("dismiss_suggestion", "Shift-N", "Shift+N", "Dismiss"),
        "Show a suggestion no more; a right click on it does the same.",
        *("suggestions", True),
    ),
    Action(
        *("accept_all", "Shift-Enter", "Shift+Return", "Accept all"),
        "Make all suggestions that are shown objects, as one step of undo.",
        "suggestions",
    ),
    Action(
        *("learn", "Shift-I", "Shift+I", "Learn from these"),
        "Let the model learn from the objects kept, for a minute; used only where it saves clicks. Again: stop.",
        "learning",
    ),
    Action(
        *("classify", "Shift-K", "Shift+K", "Classify"),
        "Give an object the class that is chosen in the list; take it away where it has it.",
        *("classes", True),
    ),
    Action(
        *("next_class", "Shift-J", "Shift+J", "Next class"),
        "Choose the next class of the list.",
        "classes",
    ),
    Action(
        *("propose_classes", "Shift-Q", "Shift+Q", "Propose"),
        "Propose the class of the other objects of the frame in view, from those that have one; again: propose none.",
        "classes",
    ),
    Action(
        *("accept_classes", "Shift-U", "Shift+U", "Accept classes"),
        "Give all objects the class that is proposed for them, as one step of undo.",
        "classes",
    ),
    Action(
        *("measure", "Shift-T", "Shift+T", "Measure"),
        "Measure the objects of the frame in view, and save the table with the labels; again: do not.",
        "measuring",
    ),
    Action(
        "save_labels",
        "Shift-S",
        "Shift+S",
        "Save labels ..",
        "Write all objects to a file: TIFF, OME-Zarr, PNG or .npy.",
        "saving",
    ),
)
BY_NAME = {action.name: action for action in ACTIONS}


def key_table() -> str:
    """Return the table of keys for the documentation, in Markdown."""
    rows = [f"| {action.qt_key.replace('Return', 'Enter')} | {action.caption} | {action.tip} |" for action in ACTIONS]
    return "\n".join(("| key | button | does |", "|---|---|---|", *rows))


class KeyBinder:
    """Mutable owner of the keys of the table on any number of layers; each gets back what it had before.

    Parameters
    ----------
    run : callable
        Called with the name of an action when its key is pressed.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._before: dict[Any, Bindings] = {}

    def bind(self, layer: Any, labels: bool = False) -> None:
        """Bind the table on this one layer, once; `labels`: without the keys that napari needs on Labels layers."""
        if layer in self._before:
            return
        self._before[layer] = {}
        for action in ACTIONS:
            if action.on_labels or not labels:
                self._bind_key(layer, action)
        layer.events.mode.connect(self._on_layer_mode)

    def unbind(self, layer: Any) -> None:
        """Give the keys back to their former owner on this layer; nothing where none is bound."""
        if layer not in self._before:
            return
        layer.events.mode.disconnect(self._on_layer_mode)
        for key, former in self._before.pop(layer).items():
            layer.bind_key(key, former, overwrite=True)

    def unbind_all(self) -> None:
        """Give all keys of all layers back."""
        for layer in tuple(self._before):
            self.unbind(layer)

    def _bind_key(self, layer: Any, action: Action) -> None:
        self._before[layer][action.key] = layer.bind_key(action.key, None)
        layer.bind_key(action.key, self._runner(action.name))

    def _runner(self, name: str) -> Callable[[Any], None]:
        def pressed(_layer: Any) -> None:
            self._run(name)

        return pressed

    def _on_layer_mode(self, event: Any) -> None:
        """While a tool of napari's needs some of the keys, it has them."""
        layer = event.source
        theirs = OF_NAPARI.get(str(layer.mode), frozenset())
        before = self._before[layer]
        for action in ACTIONS:
            if action.key in before and action.key in theirs:
                layer.bind_key(action.key, before.pop(action.key), overwrite=True)
            elif action.key not in before and action.key not in theirs and action.on_labels:
                self._bind_key(layer, action)
