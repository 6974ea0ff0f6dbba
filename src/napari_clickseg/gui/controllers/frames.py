"""Timeline: which frame is in view and along which axis frames are counted; goes to frames, changes axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from psygnal import Signal

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.images import CHANNEL
from napari_clickseg.core.regions import Region
from napari_clickseg.gui.layer_pair import Work
from napari_clickseg.gui.plugin_layers import assign, camera_of
from napari_clickseg.gui.view.protocol import Axis, SequencePanel
from napari_clickseg.gui.workspace import Desk

RIM = 0.1
"""A place this near to the rim of the view, as a share of it, is brought to the middle."""
PIXEL_UNITS = {"pixel", "px", ""}


class Timeline:
    """Mutable: the axis chosen for images with several axes of frames.

    Parameters
    ----------
    viewer : napari.Viewer
        Has the sliders and the camera.
    panel, desk
        See there.
    """

    stepped = Signal()
    """Another frame is in view, or the frames are counted along another axis."""

    def __init__(self, viewer: Any, panel: SequencePanel, desk: Desk) -> None:
        self._viewer = viewer
        self._panel = panel
        self._desk = desk
        self._along = ""
        desk.begun.connect(self._on_desk_begun)
        desk.switched.connect(self._on_desk_changed)
        desk.moved.connect(self._on_desk_changed)

    def open(self) -> None:
        """Follow the sliders."""
        self._viewer.dims.events.current_step.connect(self._on_viewer_stepped)

    def close(self) -> None:
        """Follow them no more."""
        self._viewer.dims.events.current_step.disconnect(self._on_viewer_stepped)

    # -- where one is ----------------------------------------------------------------------------------------------

    def axes(self, work: Work) -> str:
        """Return the letters of the axes that frames lie along."""
        session = work.session
        return session.image.label_axes[: len(session.image.frames_shape(session.ndim))]

    def has_frames(self, work: Work) -> bool:
        """Tell whether an image has more than one frame."""
        return math.prod(work.session.image.frames_shape(work.session.ndim)) > 1

    def axis(self, work: Work) -> int:
        """Return the number of the axis along which frames are counted."""
        return max(self.axes(work).find(self._along), 0) if self._along else 0

    def named(self, work: Work) -> bool:
        """Tell whether the image layer itself says what the axis is along which frames are counted."""
        axis = self.axis(work)
        labels = getattr(work.image_layer, "axis_labels", ())
        own = str(labels[_layer_axes(work)[axis]]) if labels else ""
        return own[:1].upper() == self.axes(work)[axis]

    def frame(self, work: Work) -> Frame:
        """Return the frame in view."""
        return work.frame_at(self._viewer.dims.point)

    def place(self, work: Work) -> tuple[Frame, int, int]:
        """Return the frame in view, the axis along which frames are counted, and how many there are.

        Raises
        ------
        ValueError
            Where the image has but one frame.
        """
        if not self.has_frames(work):
            raise ValueError("This image has but one frame; there is nowhere to carry objects to.")
        axis = self.axis(work)
        return self.frame(work), axis, work.session.image.frames_shape(work.session.ndim)[axis]

    # -- requests --------------------------------------------------------------------------------------------------

    def go_to(self, index: int) -> None:
        """Show another frame along the axis."""
        work = self._desk.current
        if work is not None:
            frame, axis, count = self.place(work)
            self.show_frame(work, (*frame[:axis], min(max(index, 0), count - 1), *frame[axis + 1 :]))

    def choose_along(self, letter: str) -> None:
        """Count frames along another axis."""
        self._along = letter
        self.stepped.emit()

    def name_axis(self, change: tuple[int, str]) -> None:
        """Say what a leading axis is; where another one has that letter, they swap."""
        work = self._desk.current
        if work is None:
            return
        index, letter = change
        names = list(work.session.image.label_axes)
        if letter in names:
            names[names.index(letter)] = names[index]
        names[index] = letter
        layer, labels = work.image_layer, list(work.image_layer.axis_labels)
        for axis, name in zip(_layer_axes(work), names, strict=True):
            labels[axis] = name.lower()
        layer.axis_labels = labels

    def set_spacing(self, change: tuple[int, float]) -> None:
        """Say how large a pixel is along an axis; the image and its labels are shown so."""
        work = self._desk.current
        if work is None:
            return
        index, size = change
        axis = _layer_axes(work)[index]
        before, after = np.asarray(work.image_layer.scale), np.array(work.image_layer.scale)
        after[axis] = math.copysign(size, before[axis])
        labels = work.labels_layer
        alike = labels.ndim == len(before) and np.allclose(labels.scale, before)
        work.image_layer.scale = after
        if alike:
            assign(labels, scale=after)

    # -- going there -----------------------------------------------------------------------------------------------

    def show_frame(self, work: Work, frame: Frame) -> None:
        """Move the sliders to a frame."""
        placement, dims = work.placement, self._viewer.dims
        world = placement.world((*frame, *(0.0,) * (work.session.image.ndim - len(frame))))
        offset = dims.ndim - placement.ndim
        axes = [k + (placement.thin is not None and k >= placement.thin) for k in range(len(frame))]
        dims.set_point([offset + k for k in axes], [world[k] for k in axes])

    def centre_on(self, work: Work, position: Sequence[float]) -> None:
        """Move the camera to a position, where that is out of sight or near the rim of the view; the zoom stays."""
        seen = np.asarray(work.labels_layer.corner_pixels)[:, -2:]
        end = np.asarray(work.session.labels.shape[-2:]) - 1
        rim = RIM * (seen[1] - seen[0])
        low, high = np.where(seen[0] > 0, seen[0] + rim, 0), np.where(seen[1] < end, seen[1] - rim, end)
        if not work.labels_layer.multiscale and ((low <= position[-2:]) & (position[-2:] <= high)).all():
            return
        camera_of(self._viewer).center = tuple(work.placement.world(position)[-2:])

    def shows(self, work: Work, region: Region) -> bool:
        """Tell whether something of a region of the labels is in view: on its frame, or where several are shown."""
        dims = self._viewer.dims
        flat = dims.ndisplay == 2 and list(dims.displayed) == [dims.ndim - 2, dims.ndim - 1]
        thin = not any(dims.margin_left) and not any(dims.margin_right)
        if not (flat and thin) or dims.ndim < work.placement.ndim:
            return True
        return region.start[: len(self.axes(work))] == self.frame(work)

    # -- what happened elsewhere -----------------------------------------------------------------------------------

    def _on_desk_begun(self, work: Work) -> None:
        work.in_view = partial(self.shows, work)

    def _on_desk_changed(self, work: Work | None) -> None:
        self._panel.show_axes(() if work is None else _axes_of(work))
        self.stepped.emit()

    def _on_viewer_stepped(self, event: Any = None) -> None:
        work = self._desk.current
        if work is not None and self._viewer.dims.ndim >= work.placement.ndim:
            self.stepped.emit()


def _layer_axes(work: Work) -> list[int]:
    """For each axis of the labels, the axis of the image layer."""
    axes = work.session.image.axes
    return [k for k, letter in enumerate(axes) if letter != CHANNEL]


def _axes_of(work: Work) -> tuple[Axis, ...]:
    image, layer = work.session.image, work.image_layer
    units = [f"{unit:~}" for unit in layer.units] if hasattr(layer, "units") else [""] * layer.ndim
    return tuple(
        Axis(name, size, "" if units[k] in PIXEL_UNITS else units[k], leading=name not in "YX")
        for name, size, k in zip(image.label_axes, image.spacing, _layer_axes(work), strict=True)
    )
