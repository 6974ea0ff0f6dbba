"""Viewport: what the canvas shows and where the pointer is; moves sliders and camera."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_clickseg.gui.view.messages import FLAT_ONLY, POINT_FIRST

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.regions import Region
    from napari_clickseg.gui.layer_pair import LayerPair

RIM = 0.1
"""A place this near to the rim of the view, as a share of it, is brought to the middle."""
View = tuple[tuple[float, ...], float]


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where the mouse was last: a place in the world, seen from where the camera stood."""

    world: tuple[float, ...]
    view: View


class Viewport:
    """Mutable: knows where the pointer was last.

    Parameters
    ----------
    viewer : napari.Viewer
        Not a proxy.
    """

    stepped = Signal()
    """The sliders were moved, or another number of dimensions is shown."""
    pointed = Signal()
    """The mouse moved over the canvas without a button."""
    moved = Signal()
    """The camera moved or zoomed."""
    left = Signal()
    """The pointer is no longer over the canvas."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._pointer: Pointer | None = None

    def open(self) -> None:
        """Follow sliders, camera and pointer."""
        for event, handler in self._events():
            event.connect(handler)
        self._viewer.mouse_move_callbacks.append(self._on_mouse_moved)

    def close(self) -> None:
        """Follow them no more."""
        for event, handler in self._events():
            event.disconnect(handler)
        if self._on_mouse_moved in self._viewer.mouse_move_callbacks:
            self._viewer.mouse_move_callbacks.remove(self._on_mouse_moved)

    # -- what is in view -------------------------------------------------------------------------------------------

    @property
    def flat(self) -> bool:
        """Whether the view shows the last two axes, in their order."""
        dims = self._viewer.dims
        return bool(dims.ndisplay == 2 and list(dims.displayed) == [dims.ndim - 2, dims.ndim - 1])

    def knows(self, pair: LayerPair) -> bool:
        """Whether there are sliders for all axes of a pair; a viewer that is being emptied may have fewer."""
        return bool(self._viewer.dims.ndim >= pair.placement.ndim)

    def frame(self, pair: LayerPair, ndim: int | None = None) -> Frame:
        """Return the frame in view; `ndim`: of a model that sees so many axes, if it is another than the chosen one."""
        return pair.frame_at(self._viewer.dims.point, ndim)

    def shows(self, pair: LayerPair, region: Region) -> bool:
        """Return whether something of a region of the labels is in view: on its frame, or where several are shown."""
        dims = self._viewer.dims
        thin = not any(dims.margin_left) and not any(dims.margin_right)
        if not (self.flat and thin and self.knows(pair)):
            return True
        frame = self.frame(pair)
        return region.start[: len(frame)] == frame

    def seen(self, pair: LayerPair) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return where the part of the plane that is in view begins and ends, in pixels of the image from its rim."""
        layer = pair.labels_layer
        corners = np.asarray(layer.corner_pixels, float)[:, -2:]
        if layer.multiscale:
            corners = corners * np.asarray(layer.downsample_factors[layer.data_level])[-2:]
        size = np.asarray(pair.session.labels.shape[-2:], float)
        return np.clip(corners[0], 0, size), np.clip(corners[1] + 1, 0, size)

    @property
    def zoom(self) -> float:
        """Screen pixels per unit of the world."""
        return float(camera_of(self._viewer).zoom)

    def screen_pixel(self, pair: LayerPair) -> float:
        """Return the size of a screen pixel, in pixels of the image."""
        return 1 / max(self.zoom * pair.placement.pixel_size, 1e-9)

    def pointer(self) -> tuple[float, ...]:
        """Return the place under the pointer as the view is now, in the world.

        Napari knows where the pointer was when it moved last; since then the camera or the sliders may have moved.

        Raises
        ------
        ValueError
            Where the view shows no plane of the image, or the pointer is not over the canvas.
        """
        if not self.flat:
            raise ValueError(FLAT_ONLY)
        if self._pointer is None:
            raise ValueError(POINT_FIRST)
        centre, zoom = self._pointer.view
        away = (np.array(self._pointer.world[-2:]) - np.array(centre[-2:])) * zoom
        place = list(self._viewer.dims.point)
        place[-2:] = np.array(self.view()[0][-2:]) + away / self.zoom
        return tuple(float(p) for p in place)

    def view(self) -> View:
        """Return where the camera stands: centre and zoom."""
        camera = camera_of(self._viewer)
        return tuple(camera.center), float(camera.zoom)

    # -- going elsewhere -------------------------------------------------------------------------------------------

    def show_frame(self, pair: LayerPair, frame: Frame) -> None:
        """Move the sliders to a frame."""
        placement, dims = pair.placement, self._viewer.dims
        world = placement.world((*frame, *(0.0,) * (pair.session.image.ndim - len(frame))))
        offset = dims.ndim - placement.ndim
        axes = [k + (placement.thin is not None and k >= placement.thin) for k in range(len(frame))]
        dims.set_point([offset + k for k in axes], [world[k] for k in axes])

    def centre_on(self, pair: LayerPair, position: Sequence[float]) -> None:
        """Move the camera to a position, where that is out of sight or near the rim of the view; the zoom stays."""
        seen = np.asarray(pair.labels_layer.corner_pixels)[:, -2:]
        end = np.asarray(pair.session.labels.shape[-2:]) - 1
        rim = RIM * (seen[1] - seen[0])
        low, high = np.where(seen[0] > 0, seen[0] + rim, 0), np.where(seen[1] < end, seen[1] - rim, end)
        if not pair.labels_layer.multiscale and ((low <= position[-2:]) & (position[-2:] <= high)).all():
            return
        camera_of(self._viewer).center = tuple(pair.placement.world(position)[-2:])

    # -- what happened elsewhere -----------------------------------------------------------------------------------

    def _events(self) -> list[tuple[Any, Callable[..., None]]]:
        dims, camera = self._viewer.dims.events, camera_of(self._viewer).events
        return [
            (dims.current_step, self._on_stepped),
            (dims.ndisplay, self._on_stepped),
            *([(dims.units, self._on_stepped)] if hasattr(dims, "units") else []),
            (self._viewer.events.mouse_over_canvas, self._on_crossed),
            (camera.zoom, self._on_camera_moved),
            (camera.center, self._on_camera_moved),
        ]

    def _on_stepped(self, event: Any = None) -> None:
        self.stepped.emit()

    def _on_camera_moved(self, event: Any = None) -> None:
        self.moved.emit()

    def _on_crossed(self, event: Any = None) -> None:
        """Forget the place at the rim of the canvas where the pointer left it: nobody points at that."""
        if not self._viewer.mouse_over_canvas:
            self._pointer = None
            self.left.emit()

    def _on_mouse_moved(self, viewer: Any, event: Any) -> None:
        self._pointer = Pointer(tuple(float(p) for p in event.position), self.view())
        if not event.is_dragging:
            self.pointed.emit()


def camera_of(viewer: Any) -> Any:
    """Return a viewer's camera, which belongs to its scene from napari 0.9 on."""
    return getattr(viewer, "scene", viewer).camera
