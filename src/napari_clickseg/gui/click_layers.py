"""ClickLayers: the layers that a panel owns in a viewer. Points become clicks, clicks become points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_clickseg.core.clicks import Click
from napari_clickseg.gui.actions import KeyBinder, Run
from napari_clickseg.gui.mouse import Grip, Mouse, is_ours
from napari_clickseg.gui.placement import Placement, world_matrix
from napari_clickseg.gui.plugin_layers import (
    POLARITIES,
    Polarity,
    assign,
    make_points,
    make_preview,
    plain,
    role_of,
)
from napari_clickseg.gui.viewport import View, camera_of

DONE = {"added", "removed", "changed"}
"""Points report each edit twice, before and after; these are the words for after."""
REACH = 9.0
"""A point is grasped within this many screen pixels."""
CELLPOSE_MOUSE = {"Control": "delete", "Alt": "join"}
"""The actions that a left click with one of these keys stands for, where Cellpose's habits are wanted."""
POINTERS = {"place": "pointing", "drag": "cross"}
"""The pointer over our layers, in napari's words, while a tool is armed that waits for a click, or for a drag."""
Wants = Literal["", "place", "drag"]
"""What an armed tool waits for."""
SAME = 1e-3
"""Positions closer than this are the same click, in pixels."""


class ClickLayers:
    """Mutable owner of the two Points layers and the preview; binds keys and mouse on them, the labels and the image.

    Parameters
    ----------
    viewer : napari.Viewer
        Not a proxy.
    run : callable
        Called with the name of an action when its key is pressed.
    cellpose_mouse : bool
        Whether clicks with the keys of `CELLPOSE_MOUSE` stand for actions.
    """

    edited = Signal()
    """Somebody added, moved or removed points."""
    clicked = Signal(tuple, bool)
    """A click was made: position in the world, and whether it was the primary button."""
    verb_clicked = Signal(str, tuple)
    """A click was made that stands for an action: its name, and the position in the world."""
    traced = Signal(list, bool, bool)
    """An armed tool is drawn with: positions in the world so far, whether by the primary button, whether it is done."""
    selected = Signal()
    """A click was made on a point."""
    refused = Signal()
    """A click was made where the view shows no plane of the image."""

    def __init__(self, viewer: Any, run: Run, cellpose_mouse: bool = False) -> None:
        self._viewer = viewer
        self._keys = KeyBinder(run)
        self._mouse = Mouse(self)
        self._points: dict[Polarity, Any] = {}
        self._labels: Any = None
        self._image: Any = None
        self._preview: Any = None
        self._placement: Placement | None = None
        self._shown: tuple[Click, ...] | None = None
        self._writing = False
        self._cellpose_mouse = cellpose_mouse
        self._cursors: dict[Any, str] = {}
        self.drawing = False
        """An armed tool takes drags: they neither pan nor move points."""

    # -- which layers ----------------------------------------------------------------------------------------------

    @property
    def labels(self) -> Any:
        """The Labels layer whose keys are ours; None before there is one."""
        return self._labels

    def points(self, polarity: Polarity) -> Any:
        """Return the Points layer of a polarity; None before there is one."""
        return self._points.get(polarity)

    def owns_points(self, layer: Any) -> bool:
        """Return whether a layer is one of the two click channels."""
        return any(layer is mine for mine in self._points.values())

    def takes_clicks(self, layer: Any) -> bool:
        """Return whether clicks count while this layer is the active one, in the mode that it is in."""
        return (
            layer is not None and (self.owns_points(layer) or layer in (self._labels, self._image)) and is_ours(layer)
        )

    def place(self, placement: Placement) -> None:
        """Make sure that both click channels and the preview are in the viewer and fit this image."""
        self._placement = placement
        self._shown = None
        for polarity in POLARITIES:
            layer = self._points.get(polarity) or self._marked(polarity)
            fits = layer is not None and layer in self._viewer.layers and layer.ndim == placement.ndim
            if layer is not None and not fits:
                self._discard(polarity, layer)
            if not fits:
                layer = make_points(polarity, placement, float(camera_of(self._viewer).zoom))
                self._viewer.add_layer(layer)
            elif role_of(layer) == polarity:
                assign(layer, **placement.options)
            self._take(polarity, layer)
        self._place_preview(placement)

    def lift_above(self, *others: Any) -> None:
        """Move those of our layers to the top that one of these would hide."""
        layers = self._viewer.layers
        highest = max((layers.index(other) for other in others if other in layers), default=-1)
        for layer in (self._preview, *self._points.values()):
            if layer in layers and layers.index(layer) < highest:
                layers.move(layers.index(layer), len(layers))

    def use(self, image: Any, labels: Any) -> None:
        """Bind keys and mouse on this image and these Labels, and no longer on the former ones; None for neither."""
        for former, layer in ((self._labels, labels), (self._image, image)):
            if former is not None and former is not layer:
                self._leave(former)
        self._labels, self._image = labels, image
        for layer in (labels, image):
            if layer is not None:
                self._keys.bind(layer, labels=layer is labels)
                if self._mouse.follow not in layer.mouse_drag_callbacks:
                    layer.mouse_drag_callbacks.append(self._mouse.follow)

    def activate(self, polarity: Polarity = "positive") -> None:
        """Make a click channel the active layer, in a mode that leaves the left button to us, so that clicks count."""
        layer = self._points.get(polarity)
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.selection.active = layer
            if not is_ours(layer):
                layer.mode = "add"

    def forget(self, layer: Any) -> Polarity | Literal["labels", "preview"] | None:
        """Let go of a layer that was removed from the viewer; return what it was to us."""
        if layer is self._preview:
            self._preview = None
            return "preview"
        if layer is self._labels:
            self._leave(layer)
            self._labels = None
            return "labels"
        if layer is self._image:
            self._leave(layer)
            self._image = None
        for polarity, mine in tuple(self._points.items()):
            if mine is layer:
                self._let_go(polarity)
                return polarity
        return None

    def release(self) -> None:
        """Give mouse and keys back and take the preview out; the click channels stay in the viewer, empty."""
        for polarity in tuple(self._points):
            with self._own_writing():
                self._set_points(polarity, [])
            self._let_go(polarity)
        self.use(None, None)
        self._keys.unbind_all()
        if self._preview is not None and self._preview in self._viewer.layers:
            self._viewer.layers.remove(self._preview)
        self._preview = self._placement = None

    def show_tool(self, wants: Wants) -> None:
        """Give the pointer over our layers the look of an armed tool; "" gives each layer its own back."""
        self.drawing = wants == "drag"
        for layer, own in self._cursors.items():
            layer.cursor = own
        ours = (*self._points.values(), self._labels, self._image) if wants else ()
        self._cursors = {layer: layer.cursor for layer in ours if layer is not None}
        for layer in self._cursors:
            layer.cursor = POINTERS[wants]

    # -- clicks ----------------------------------------------------------------------------------------------------

    def read_clicks(self, known: Sequence[Click]) -> tuple[Click, ...]:
        """Return the clicks as the layers have them, in the order in which they came."""
        self._shown = None
        return merged(known, self._positions("positive"), self._positions("negative"))

    def show_clicks(self, clicks: Iterable[Click]) -> None:
        """Make the layers show these clicks; layers that do so already are not touched."""
        wanted = tuple(clicks)
        if wanted == self._shown:
            return
        for polarity in POLARITIES:
            if polarity not in self._points:
                continue
            positions = [click.position for click in wanted if click.positive == (polarity == "positive")]
            if not same_places(positions, self._positions(polarity)):
                with self._own_writing():
                    self._set_points(polarity, positions)
        self._shown = wanted

    def add(self, position: Sequence[float], positive: bool) -> None:
        """Add a point, as if the user had done so; not selected, as napari's highlight would hide its colour."""
        layer = self._points["positive" if positive else "negative"]
        layer.add(self._to_layer(layer, position))
        layer.selected_data = set()

    def positions_of(self, layer: Any) -> list[tuple[float, ...]]:
        """Return where the points of any Points layer lie in the image; the layer is only read.

        Raises
        ------
        ValueError
            Where it has another number of axes than the image.
        """
        if self._placement is None or layer.ndim != self._placement.ndim:
            wanted = "an image first" if self._placement is None else f"one with {self._placement.ndim} axes"
            raise ValueError(f"The Points layer {layer.name!r} has {layer.ndim} axes; pick {wanted}.")
        matrix = world_matrix(layer)
        own = np.asarray(layer.data, float) @ matrix[:-1, :-1].T + matrix[:-1, -1]
        worlds = own * self._placement.ratios(getattr(layer, "units", None))
        return [self._placement.position(world) for world in worlds]

    # -- the preview -----------------------------------------------------------------------------------------------

    def show_preview(
        self, picture: npt.NDArray[np.uint8], origin: Sequence[float], opacity: float, step: float = 1.0
    ) -> None:
        """Show a small RGBA picture whose first pixel lies at `origin` in the image; its pixels are `step` of those."""
        if self._placement is None or self._preview is None:
            return
        start = (*origin[:-2], *(p - 0.5 + step / 2 for p in origin[-2:]))
        affine = self._placement.shifted(start)
        affine[:, -3:-1] *= step
        self._preview.data = picture.reshape(*(1,) * (self._placement.ndim - 2), *picture.shape)
        assign(self._preview, affine=affine, opacity=opacity, visible=True)

    def hide_preview(self) -> None:
        """Show no preview. It turns transparent: to switch a layer off, napari draws up its whole scene anew."""
        if self._preview is not None:
            assign(self._preview, opacity=0.0)

    # -- the mouse (Hands) -----------------------------------------------------------------------------------------

    def grasp(self, event: Any) -> Grip | None:
        """Return the point under the cursor on the frame in view, None where there is none."""
        if not self._sees_plane(event) or self._placement is None or self.drawing or self._verb(event):
            return None
        here = np.array(event.position[-2:])
        frame = np.round(self._placement.position(event.position)[:-2])
        found = None
        nearest = REACH / float(camera_of(self._viewer).zoom)
        for polarity in POLARITIES:
            for index, position in enumerate(self._positions(polarity)):
                away = float(np.linalg.norm(np.array(self._placement.world(position)[-2:]) - here))
                if away <= nearest and np.array_equal(np.round(position[:-2]), frame):
                    found, nearest = Grip(polarity, index), away
        return found

    def click(self, event: Any, primary: bool) -> None:
        """Report that a click was made, or that it could not count."""
        world = tuple(float(p) for p in event.position)
        if self._sees_plane(event) and primary and self._verb(event):
            self.verb_clicked.emit(self._verb(event), world)
        elif self._sees_plane(event):
            self.clicked.emit(world, primary)
        else:
            self.refused.emit()

    def select(self, grip: Grip) -> None:
        """Select a point and its layer, so that Delete removes it."""
        layer = self._points[grip.polarity]
        self._viewer.layers.selection.active = layer
        layer.selected_data = {grip.index}
        self.selected.emit()

    def drag(self, grip: Grip, event: Any) -> None:
        """Move a point to the cursor."""
        layer = self._points[grip.polarity]
        if self._placement is None or grip.index >= len(layer.data):
            return
        data = np.array(layer.data)
        data[grip.index] = self._to_layer(layer, self._placement.position(event.position))
        layer.data = data

    def trace(self, path: list[tuple[float, ...]], primary: bool, done: bool) -> None:
        """Report what an armed tool was drawn with."""
        self.traced.emit(path, primary, done)

    def view(self) -> View:
        """Return where the camera stands: centre and zoom."""
        camera = camera_of(self._viewer)
        return tuple(camera.center), float(camera.zoom)

    def keep_view(self, view: View) -> None:
        """Put the camera back there; it is not touched where it did not move."""
        camera = camera_of(self._viewer)
        if self.view() != view:
            camera.center, camera.zoom = view

    def _verb(self, event: Any) -> str:
        """The action that the keys held down stand for; "" where they stand for none."""
        held = [action for key, action in CELLPOSE_MOUSE.items() if key in event.modifiers]
        return held[0] if held and self._cellpose_mouse else ""

    def _sees_plane(self, event: Any) -> bool:
        """Whether the view shows the last two axes, in their order."""
        shown = list(event.dims_displayed)
        count = len(event.position)
        return shown == [count - 2, count - 1]

    # -- inside ----------------------------------------------------------------------------------------------------

    def _positions(self, polarity: Polarity) -> list[tuple[float, ...]]:
        layer = self._points.get(polarity)
        return [] if layer is None or self._placement is None or not len(layer.data) else self.positions_of(layer)

    def _to_layer(self, layer: Any, position: Sequence[float]) -> npt.NDArray[np.float64]:
        assert self._placement is not None
        world = np.array(self._placement.world(position)) / self._placement.ratios(getattr(layer, "units", None))
        return np.asarray(layer.world_to_data(world), float)

    def _set_points(self, polarity: Polarity, positions: Sequence[Sequence[float]]) -> None:
        """Replace the points; the selection stays where none came or went."""
        layer = self._points[polarity]
        self._shown = None
        selected = set(layer.selected_data) if len(positions) == len(layer.data) else set()
        layer.selected_data = set()
        rows = [self._to_layer(layer, position) for position in positions]
        layer.data = np.array(rows) if rows else np.empty((0, layer.ndim))
        layer.selected_data = selected

    @contextmanager
    def _own_writing(self) -> Iterator[None]:
        self._writing = True
        try:
            yield
        finally:
            self._writing = False

    def _marked(self, role: str) -> Any:
        return next((plain(layer) for layer in self._viewer.layers if role_of(layer) == role), None)

    def _place_preview(self, placement: Placement) -> None:
        if self._preview is not None and self._preview.ndim != placement.ndim:
            unfit, self._preview = self._preview, None
            self._viewer.layers.remove(unfit)
        if self._preview is None:
            self._preview = make_preview(placement)
            layers = self._viewer.layers
            layers.append(self._preview)
            clicks = [k for k, layer in enumerate(layers) if self.owns_points(layer) or role_of(layer) in POLARITIES]
            if clicks:
                layers.move(len(layers) - 1, clicks[0])

    def _take(self, polarity: Polarity, layer: Any) -> None:
        """Bind mouse, keys and events of a Points layer, once."""
        if self._points.get(polarity) is layer:
            return
        self._points[polarity] = layer
        layer.mode = "pan_zoom"
        layer.mouse_drag_callbacks.append(self._mouse.follow)
        layer.events.data.connect(self._on_points_data)
        layer.events.mode.connect(self._on_points_mode)
        self._keys.bind(layer)
        layer.mode = "add"

    def _let_go(self, polarity: Polarity) -> None:
        layer = self._points.pop(polarity)
        layer.events.data.disconnect(self._on_points_data)
        layer.events.mode.disconnect(self._on_points_mode)
        layer.mode = "pan_zoom"
        self._leave(layer)

    def _leave(self, layer: Any) -> None:
        """Give mouse and keys of a layer back."""
        if self._mouse.follow in layer.mouse_drag_callbacks:
            layer.mouse_drag_callbacks.remove(self._mouse.follow)
        self._keys.unbind(layer)

    def _discard(self, polarity: Polarity, layer: Any) -> None:
        """Let a click channel go that does not fit the image; take it out of the viewer if we made it."""
        if self._points.get(polarity) is layer:
            self._let_go(polarity)
        if role_of(layer) == polarity and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _on_points_data(self, event: Any) -> None:
        if not self._writing and str(event.action) in DONE:
            self.edited.emit()

    def _on_points_mode(self, event: Any) -> None:
        """In "add" mode napari appends its own way of adding points, which knows but one layer; ours replaces it."""
        callbacks = event.source.mouse_drag_callbacks
        if event.source.mode == "add" and callbacks and callbacks[-1] != self._mouse.follow:
            callbacks.pop()


# -- points of two layers become clicks in the order in which they came ------------------------------------------------


def merged(
    known: Sequence[Click], positive: Sequence[tuple[float, ...]], negative: Sequence[tuple[float, ...]]
) -> tuple[Click, ...]:
    """Bring clicks up to date with the points of two layers; those that are still there keep their place in the order.

    >>> merged([Click((1, 1)), Click((5, 5), False)], [(1.0, 1.0), (2.0, 2.0)], [])
    (Click(position=(1, 1), positive=True), Click(position=(2.0, 2.0), positive=True))
    """
    slots: list[Click | None] = list(known)
    new: list[Click] = []
    for sign, positions in ((True, positive), (False, negative)):
        places = [k for k, click in enumerate(known) if click.positive is sign]
        paired = _pair([known[k].position for k in places], positions)
        for place, partner in zip(places, paired, strict=True):
            if partner is None:
                slots[place] = None
            elif not same_places([known[place].position], [positions[partner]]):
                slots[place] = Click(positions[partner], sign)
        used = {partner for partner in paired if partner is not None}
        new += [Click(position, sign) for k, position in enumerate(positions) if k not in used]
    return (*(click for click in slots if click is not None), *new)


def _pair(before: Sequence[tuple[float, ...]], now: Sequence[tuple[float, ...]]) -> list[int | None]:
    """For each position before, its index among those now. They keep their order; if none is gone, some moved."""
    if len(now) >= len(before):
        return list(range(len(before)))
    paired: list[int | None] = []
    at = 0
    for k, position in enumerate(before):
        surplus = (len(before) - k) - (len(now) - at)
        here = at < len(now) and (surplus == 0 or same_places([position], [now[at]]))
        paired.append(at if here else None)
        at += here
    return paired


def same_places(some: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> bool:
    """Return whether two lists of positions are the same but for rounding."""
    return len(some) == len(others) and (not some or bool(np.allclose(some, others, rtol=0, atol=SAME)))
