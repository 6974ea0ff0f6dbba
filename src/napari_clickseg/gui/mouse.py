"""Mouse: what is a click, not a pan, a zoom, the drag of a point or a tool's stroke. Others decide what it means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from napari_clickseg.gui.plugin_layers import Polarity

LEFT, RIGHT = 1, 2
STILL = 5.0
"""A press that moves no more canvas pixels than this before it is released is a click, however long it takes."""
BRIEF, HASTY = 0.25, 20.0
"""So is one released within this many seconds after no more than this many pixels: fast hands slip."""
MODES = {"pan_zoom", "add"}
"""In other modes of a layer the left button belongs to napari: it selects, transforms, paints."""


def is_ours(layer: Any) -> bool:
    """Return whether a left click on the canvas is ours in the mode that a layer is in."""
    return str(layer.mode) in MODES


@dataclass(frozen=True, slots=True)
class Grip:
    """A point held by the mouse: on which click channel, and its index there."""

    polarity: Polarity
    index: int


class Hands(Protocol):
    """What the mouse needs of the owner of the points."""

    def grasp(self, event: Any) -> Grip | None:
        """Return the point under the cursor, None where there is none."""

    def click(self, event: Any, primary: bool) -> None:
        """A click was made; `primary` unless it was by the right button or with Shift."""

    def select(self, grip: Grip) -> None:
        """A point was pressed and released without moving it."""

    def drag(self, grip: Grip, event: Any) -> None:
        """A grasped point was moved to the cursor."""

    def trace(self, path: list[tuple[float, ...]], primary: bool, done: bool) -> None:
        """An armed tool was drawn with, as far as this path."""

    @property
    def drawing(self) -> bool:
        """Whether drags are those of an armed tool."""

    def view(self) -> Any:
        """Return where the camera stands."""

    def keep_view(self, view: Any) -> None:
        """Put the camera back there."""


class Mouse:
    """The drag callback for our layers: a click of the left button, of the right one, or a drag of a point."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    def follow(self, layer: Any, event: Any) -> Iterator[None]:
        """Follow one press to its release, in the manner of napari's drag callbacks.

        The camera is held from the first move on, not from the press: it follows no press that it did not see. As
        napari passes moves on a little late, the camera may have followed the first one; it is put back.
        """
        button, shift = event.button, "Shift" in event.modifiers
        if button not in (LEFT, RIGHT) or (button == LEFT and not is_ours(layer)):
            return
        if self._hands.drawing:
            yield from self._stroke(layer, event, button == LEFT and not shift)
            return
        grip = self._hands.grasp(event) if button == LEFT and not shift else None
        start, begun, moved = np.array(event.pos, float), perf_counter(), False
        free, view = layer.mouse_pan, self._hands.view()
        yield
        while event.type == "mouse_move":
            moved = moved or _is_drag(start, event.pos, begun)
            if moved and grip is not None:
                self._hands.drag(grip, event)
            held = grip is not None or not moved
            layer.mouse_pan = free and not held
            if held:
                event.handled = True
                self._hands.keep_view(view)
            yield
        layer.mouse_pan = free
        moved = moved or _is_drag(start, event.pos, begun)
        if grip is not None or not moved:
            self._hands.keep_view(view)
        if grip is not None and not moved:
            self._hands.select(grip)
        elif grip is None and not moved:
            self._hands.click(event, button == LEFT and not shift)

    def _stroke(self, layer: Any, event: Any, primary: bool) -> Iterator[None]:
        """Follow a drag of an armed tool; a press that does not move is a click, as always."""
        start, begun = np.array(event.pos, float), perf_counter()
        path, free, view = [_place(event)], layer.mouse_pan, self._hands.view()
        yield
        moved = False
        while event.type == "mouse_move":
            moved = moved or _is_drag(start, event.pos, begun)
            layer.mouse_pan, event.handled = False, True
            self._hands.keep_view(view)
            path.append(_place(event))
            if moved:
                self._hands.trace(path, primary, False)
            yield
        path.append(_place(event))
        layer.mouse_pan = free
        self._hands.keep_view(view)
        if moved:
            self._hands.trace(path, primary, True)
        else:
            self._hands.click(event, primary)


def _place(event: Any) -> tuple[float, ...]:
    return tuple(float(p) for p in event.position)


def _is_drag(start: Any, now: Any, begun: float) -> bool:
    distance = float(np.linalg.norm(np.asarray(now, float) - start))
    return distance > (HASTY if perf_counter() - begun < BRIEF else STILL)
