"""Work: one image with one Labels layer, and the session between them. A panel keeps one for every pair it has seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial, reduce
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QTimer

from napari_clickseg.core.clicks import Click, Frame
from napari_clickseg.core.images import Image
from napari_clickseg.core.labels import highest_id
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Predictor, Request
from napari_clickseg.gui.placement import Channel, Placement
from napari_clickseg.gui.plugin_layers import assign, make_labels, role_of
from napari_clickseg.session.drawing import Protect
from napari_clickseg.session.session import Session

LARGEST_PLAIN = 3072
"""Planes with a longer side are shown as a pyramid: refreshing a plain layer takes time in proportion to its pixels."""
COARSEST = 1024


def levels_for(labels: Any) -> list[Any]:
    """Return the labels and, where the plane is large, empty coarser levels: half the rows and columns each time.

    >>> [level.shape for level in levels_for(np.zeros((4000, 6000), np.uint8))]
    [(4000, 6000), (2000, 3000), (1000, 1500), (500, 750)]
    """
    levels = [labels]
    if max(labels.shape[-2:]) <= LARGEST_PLAIN:
        return levels
    while max(levels[-1].shape[-2:]) > COARSEST:
        *frames, height, width = levels[-1].shape
        levels.append(np.zeros((*frames, -(-height // 2), -(-width // 2)), labels.dtype))
    return levels


def copy_down(levels: Sequence[Any], region: Region) -> None:
    """Bring the coarser levels up to date after the first one was written to in `region`.

    Every level keeps each n-th pixel of the first; n is read off their shapes.
    """
    finest = levels[0]
    for level in levels[1:]:
        steps = [max(round(a / b), 1) for a, b in zip(finest.shape, level.shape, strict=True)]
        into = [
            slice(a // n, min(-(-b // n), size))
            for a, b, n, size in zip(region.start, region.stop, steps, level.shape, strict=True)
        ]
        source = tuple(slice(i.start * n, i.stop * n, n) for i, n in zip(into, steps, strict=True))
        level[tuple(into)] = finest[source]


def painted_regions(strokes: Iterable[Any], thin: int | None) -> Iterator[Region]:
    """Yield where a Labels layer was painted, one region per plane, without the thin axis that stands for channels.

    Parameters
    ----------
    strokes : iterable
        The value of napari's `paint` event: (indices, old values, new value) each, the indices one array or slice per
        axis of the layer's data; strokes over masks (napari 0.9) tell a box instead.
    thin : int or None
        As in `Placement`.

    Examples
    --------
    >>> list(painted_regions([((np.array([2, 2]), np.array([5, 7]), np.array([1, 4])), None, 3)], None))
    [Region(start=(2, 5, 1), stop=(3, 8, 5))]
    """
    boxes: dict[tuple[int, ...], list[Region]] = {}
    for stroke in strokes:
        sides = [_side(index) for k, index in enumerate(_indices(stroke)) if k != thin]
        for front in np.ndindex(*(b - a for a, b in sides[:-2])):
            plane = tuple(int(a + k) for (a, _), k in zip(sides, front, strict=False))
            start, stop = zip(*sides[-2:], strict=True)
            boxes.setdefault(plane, []).append(Region(start, stop).at_frame(plane))
    yield from (reduce(Region.union, regions) for regions in boxes.values())


def _indices(stroke: Any) -> Any:
    return getattr(stroke, "slice_key", None) or stroke[0]


def _side(index: Any) -> tuple[int, int]:
    if isinstance(index, slice):
        return int(index.start), int(index.stop)
    values = np.asarray(index)
    return int(values.min()), int(values.max()) + 1


COUNTED_AT_ONCE = 1 << 24
"""Labels of more pixels are searched for their highest id in the background."""


class Work:
    """Mutable owner of a session and of the Labels layer that it draws into.

    Parameters
    ----------
    image_layer : napari.layers.Image
    labels_layer : napari.layers.Labels, optional
        Drawn into in place; a new one is made where absent.
    channel : Channel, optional
        What to look at in an image with channels.
    session : Session, optional
        One to go on with, that draws into the layer's data; a new one is made where absent.

    Raises
    ------
    ValueError, TypeError
        Where image or labels cannot be worked on; the sentence is meant for the user.
    """

    def __init__(
        self,
        image_layer: Any,
        labels_layer: Any,
        predictor: Predictor,
        channel: Channel | None,
        protect: Protect,
        session: Session | None = None,
    ) -> None:
        self.image_layer = image_layer
        self.channel = channel
        self.placement = Placement.of(image_layer, channel)
        self.measured = False
        """Whether the expected diameter is known, so that asking for it takes no time."""
        given = None if labels_layer is None else _writable(self.placement, labels_layer)
        self.made = labels_layer is None and session is None
        """Whether the labels began empty and were written to by the session alone."""
        self.counted = session is not None or given is None or _quickly_counted(given)
        """Whether the ids in the labels are known, so that a new object gets one of its own."""
        highest = None if self.counted else 0
        self.session = session or Session(
            self.placement.image, predictor, labels=given, protect=protect, highest=highest
        )
        if labels_layer is None:
            self.levels = levels_for(self.session.labels)
            if session is not None:
                copy_down(self.levels, Region.whole(self.session.labels.shape))
            labels_layer = make_labels(
                self.placement, self.levels, f"{image_layer.name} objects", str(image_layer.unique_id)
            )
        else:
            self.levels = _levels_of(self.placement, labels_layer)
        self.labels_layer = labels_layer
        self.in_view: Callable[[Region], bool] = lambda region: True
        """Tells whether something of a region of the labels can be seen now."""
        self.session.painted.connect(self.refresh)

    def refresh(self, region: Region) -> None:
        """Show what was drawn in a region of the labels, unless that is out of view: drawing anew takes its time."""
        copy_down(self.levels, region)
        if self.in_view(region):
            self.labels_layer.refresh(extent=False, thumbnail=False)

    def refresh_thumbnail(self) -> None:
        """Bring the little picture in napari's layer list up to date; done less often, as it takes its time."""
        self.labels_layer.refresh(extent=False, data_displayed=False, highlight=False)

    def follow_labels(self) -> None:
        """Draw into the layer's data as they are now, after somebody replaced them.

        Raises
        ------
        ValueError, TypeError
            Where they no longer fit the image or cannot be written to.
        """
        array = _writable(self.placement, self.labels_layer)
        if _same_memory(array, self.session.labels):
            return
        self.session.labels = array
        self.made = False
        self.levels = _levels_of(self.placement, self.labels_layer)
        self.counted = _quickly_counted(array)
        if self.counted:
            self.session.reserve(highest_id(array))

    def painted_by_hand(self, strokes: Any) -> None:
        """Take note of what somebody painted with napari's brush: it is theirs, and its id is taken.

        What is there now is read when napari is done: it may tell of a stroke before it writes it.
        """
        self.session.reserve(int(self.labels_layer.selected_label))
        regions = list(painted_regions(strokes, self.placement.thin))
        QTimer.singleShot(0, partial(self._tell_painted, regions))

    def _tell_painted(self, regions: Sequence[Region]) -> None:
        for region in regions:
            self.session.painted_by_hand(region)

    def prepared(self, highest: int | None) -> None:
        """Take note of what was read in the background: the expected diameter, and in large labels the highest id."""
        self.measured = True
        if highest is not None:
            self.counted = True
            self.session.reserve(highest)

    def follow_image(self) -> bool:
        """Read the image layer's pixels, axes and transforms anew; return False where the labels no longer fit them."""
        placement = Placement.of(self.image_layer, self.channel)
        if placement.image.shape != self.placement.image.shape or placement.thin != self.placement.thin:
            return False
        if not _same_image(placement.image, self.session.image):
            self.session.image = placement.image
        self.placement = placement
        if role_of(self.labels_layer) == "labels":
            assign(self.labels_layer, **placement.options)
        return True

    def label_at(self, position: tuple[float, ...]) -> int | None:
        """Return the id in the labels at a position, 0 for background, None outside the image."""
        pixel = tuple(round(p) for p in position)
        if not Region.whole(self.session.labels.shape).contains(pixel):
            return None
        return int(np.asarray(self.session.labels[pixel]))

    def object_hit(self) -> int | None:
        """Return the id of another object that the first click hit, while there is no further click.

        None where it hit none, and where it may draw over it.
        """
        session = self.session
        alone = len(session.clicks) == 1 and session.clicks[0].positive and not session.state.taken_up
        if not alone or session.protect == "anything":
            return None
        label = self.label_at(session.clicks[0].position)
        return label if label and label != session.label else None

    def frame_at(self, world: Any) -> Frame:
        """Return the frame of the image that a point of the world lies on."""
        position = self.placement.position(world)
        frame = Click(position).frame(self.session.ndim)
        return tuple(
            int(np.clip(k, 0, n - 1))
            for k, n in zip(frame, self.session.image.frames_shape(self.session.ndim), strict=True)
        )

    def rehearsal(self) -> Request:
        """Return a question whose answer nobody needs: a click in the middle of the image, to warm the model up."""
        middle = tuple(float(n // 2) for n in self.session.image.shape)
        click = Click(middle)
        return Request(click.frame(self.session.ndim), (click,))


def fits(placement: Placement, layer: Labels) -> bool:
    """Tell whether a Labels layer has the shape that the labels of an image need."""
    array = layer.data[0] if layer.multiscale else layer.data
    return tuple(array.shape) == placement.labels_shape


def _finest(placement: Placement, layer: Labels) -> Any:
    return placement.labels_array(layer.data[0] if layer.multiscale else layer.data)


def _writable(placement: Placement, layer: Labels) -> Any:
    if not fits(placement, layer):
        array = layer.data[0] if layer.multiscale else layer.data
        raise ValueError(
            f"The Labels layer {layer.name!r} has the shape {tuple(array.shape)}, but this image needs "
            f"{placement.labels_shape}; pick another one or a new one."
        )
    array = _finest(placement, layer)
    if hasattr(array, "dask"):
        raise ValueError(
            f"The Labels layer {layer.name!r} is a dask array, which cannot be written to; "
            "pick another one, or convert it to numpy or zarr."
        )
    return array


def _quickly_counted(labels: Any) -> bool:
    pixels: int = math.prod(labels.shape)
    return pixels <= COUNTED_AT_ONCE


def _levels_of(placement: Placement, layer: Labels) -> list[Any]:
    return [placement.labels_array(level) for level in layer.data] if layer.multiscale else [_finest(placement, layer)]


def _same_image(some: Image, other: Image) -> bool:
    """Whether two images are the same pixels, looked at in the same way."""
    ways = [(image.axes, image.spacing, image.channel) for image in (some, other)]
    return some.array is other.array and ways[0] == ways[1]


def _same_memory(some: Any, other: Any) -> bool:
    """Whether two arrays are the same pixels, though one may be a view of the other."""
    if some is other:
        return True
    both = isinstance(some, np.ndarray) and isinstance(other, np.ndarray)
    return both and some.shape == other.shape and some.dtype == other.dtype and bool(np.shares_memory(some, other))
