"""Frames: along which axis frames are counted, going to them, what their axes are, and how many objects one has."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_clickseg.core.images import CHANNEL
from napari_clickseg.gui.view.protocol import Axis

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.jobs import Outcome, Stop
    from napari_clickseg.gui.background import Background, Ticket
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.viewport import Viewport
    from napari_clickseg.gui.workspace import Workspace

PIXEL_UNITS = {"pixel", "px", ""}
PATIENCE_MS = 150
"""Objects are counted so long after the last change."""


class Frames:
    """Mutable: the axis chosen for images with several axes of frames, and the newest count.

    Parameters
    ----------
    workspace, viewport, background
        Where the pairs are, what is in view, where objects are counted.
    """

    stepped = Signal()
    """Another frame is in view, or the frames are counted along another axis."""
    counted = Signal()
    """The objects of the frame in view were counted."""

    def __init__(self, workspace: Workspace, viewport: Viewport, background: Background) -> None:
        self._workspace = workspace
        self._viewport = viewport
        self._background = background
        self._along = ""
        self._open = self._soon = False
        self._counting: Ticket | None = None
        self.count: int | None = None
        """How many objects the frame in view has, when it was counted last."""
        workspace.begun.connect(self._on_workspace_begun)
        workspace.switched.connect(self._on_workspace_changed)
        workspace.moved.connect(self._on_workspace_changed)
        workspace.drawn.connect(lambda pair: self._count_soon())
        viewport.stepped.connect(self._on_viewport_stepped)

    def open(self) -> None:
        """Count from now on."""
        self._open, self._soon = True, False

    def close(self) -> None:
        """Count no more."""
        self._open = False

    # -- where one is ----------------------------------------------------------------------------------------------

    def axes(self, pair: LayerPair) -> str:
        """Return the letters of the axes that frames lie along."""
        session = pair.session
        return session.image.label_axes[: len(session.image.frames_shape(session.ndim))]

    def has_frames(self, pair: LayerPair) -> bool:
        """Return whether an image has more than one frame."""
        return math.prod(pair.session.image.frames_shape(pair.session.ndim)) > 1

    def axis(self, pair: LayerPair) -> int:
        """Return the number of the axis along which frames are counted."""
        return max(self.axes(pair).find(self._along), 0) if self._along else 0

    def named(self, pair: LayerPair) -> bool:
        """Return whether the image layer itself says what the axis is along which frames are counted."""
        axis = self.axis(pair)
        labels = getattr(pair.image_layer, "axis_labels", ())
        own = str(labels[_layer_axes(pair)[axis]]) if labels else ""
        return own[:1].upper() == self.axes(pair)[axis]

    def is_time(self, pair: LayerPair) -> bool:
        """Return whether frames are those of a movie, not planes of a stack."""
        return bool(self.axes(pair)) and (self.axes(pair)[self.axis(pair)] != "Z" or not self.named(pair))

    def place(self, pair: LayerPair) -> tuple[Frame, int, int]:
        """Return the frame in view, the axis along which frames are counted, and how many there are.

        Raises
        ------
        ValueError
            Where the image has but one frame.
        """
        if not self.has_frames(pair):
            raise ValueError("This image has but one frame; there is nowhere to track objects to.")
        axis = self.axis(pair)
        return pair.frame_in_view(), axis, pair.session.image.frames_shape(pair.session.ndim)[axis]

    def axes_of(self, pair: LayerPair | None) -> tuple[Axis, ...]:
        """Return what the axes of an image are and how large a pixel is along each."""
        if pair is None:
            return ()
        image, layer = pair.session.image, pair.image_layer
        units = [f"{unit:~}" for unit in layer.units] if hasattr(layer, "units") else [""] * layer.ndim
        return tuple(
            Axis(name, size, "" if units[k] in PIXEL_UNITS else units[k], leading=name not in "YX")
            for name, size, k in zip(image.label_axes, image.spacing, _layer_axes(pair), strict=True)
        )

    # -- requests --------------------------------------------------------------------------------------------------

    def go_to(self, index: int) -> None:
        """Show another frame along the axis."""
        pair = self._workspace.current
        if pair is not None:
            frame, axis, count = self.place(pair)
            self.show_frame(pair, (*frame[:axis], min(max(index, 0), count - 1), *frame[axis + 1 :]))

    def show_frame(self, pair: LayerPair, frame: Frame) -> None:
        """Move the sliders to a frame."""
        self._viewport.show_frame(pair, frame)

    def choose_along(self, letter: str) -> None:
        """Count frames along another axis."""
        self._along = letter
        self.stepped.emit()

    def name_axis(self, index: int, letter: str) -> None:
        """Say what a leading axis is; where another one has that letter, they swap."""
        pair = self._workspace.current
        if pair is None:
            return
        names = list(pair.session.image.label_axes)
        if letter in names:
            names[names.index(letter)] = names[index]
        names[index] = letter
        layer, labels = pair.image_layer, list(pair.image_layer.axis_labels)
        for axis, name in zip(_layer_axes(pair), names, strict=True):
            labels[axis] = name.lower()
        layer.axis_labels = labels

    def set_spacing(self, index: int, size: float) -> None:
        """Say how large a pixel is along an axis; the image and its labels are shown so."""
        pair = self._workspace.current
        if pair is None:
            return
        axis = _layer_axes(pair)[index]
        before, after = np.asarray(pair.image_layer.scale), np.array(pair.image_layer.scale)
        after[axis] = math.copysign(size, before[axis])
        labels = pair.labels_layer
        alike = labels.ndim == len(before) and np.allclose(labels.scale, before)
        pair.image_layer.scale = after
        if alike and not np.allclose(labels.scale, after):
            labels.scale = after

    # -- counting --------------------------------------------------------------------------------------------------

    def _count_soon(self) -> None:
        if self._open and not self._soon:
            self._soon = True
            self._background.later(PATIENCE_MS, self._count)

    def _count(self) -> None:
        self._soon = False
        pair = self._workspace.current
        if not self._open or pair is None or not self._viewport.knows(pair):
            return
        if self._counting is not None:
            self._counting.cancel()
        frame = pair.frame_in_view()
        self._counting = self._background.files.submit(
            partial(_measured, pair, frame), partial(self._on_measured, pair, frame)
        )

    def _on_measured(self, pair: LayerPair, frame: Frame, outcome: Outcome) -> None:
        if pair is self._workspace.current and outcome.error is None:
            pair.measured.add(frame)
            self.count = outcome.value
            self.counted.emit()

    # -- what happened elsewhere -----------------------------------------------------------------------------------

    def _on_workspace_begun(self, pair: LayerPair) -> None:
        pair.in_view = partial(self._viewport.shows, pair)
        pair.frame_in_view = partial(self._viewport.frame, pair)

    def _on_workspace_changed(self, pair: LayerPair | None) -> None:
        self.count = None
        self.stepped.emit()
        self._count_soon()

    def _on_viewport_stepped(self) -> None:
        pair = self._workspace.current
        if pair is not None and self._viewport.knows(pair):
            self.stepped.emit()
            self._count_soon()


def _measured(pair: LayerPair, frame: Frame, stop: Stop) -> int:
    """Count the objects of a frame, and find out how large they are."""
    pair.session.expected_diameter(frame)
    return pair.count_objects(frame)


def _layer_axes(pair: Any) -> list[int]:
    """For each axis of the labels, the axis of the image layer."""
    return [k for k, letter in enumerate(pair.session.image.axes) if letter != CHANNEL]
