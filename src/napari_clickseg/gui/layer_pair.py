"""LayerPair: one image with one Labels layer, and the session between them. A panel keeps one for every pair seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from qtpy.QtCore import QTimer

from napari_clickseg.core.clicks import Click, Frame
from napari_clickseg.core.label_conventions import convention_of
from napari_clickseg.core.labels import SEARCH_WHOLE, highest_id, quickly_searched
from napari_clickseg.core.object_classes import NO_CLASSES
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Predictor, Request
from napari_clickseg.gui.alignment import fits, put_in_place, why_not_aligned
from napari_clickseg.gui.brush_strokes import before_strokes, painted_regions
from napari_clickseg.gui.placement import Placement, Units
from napari_clickseg.gui.plugin_layers import assign, classes_in, make_labels, show_classes
from napari_clickseg.session.session import Session

if TYPE_CHECKING:
    from napari_clickseg.core.images import Image
    from napari_clickseg.gui.view.protocol import Channel
    from napari_clickseg.session.drawing import Protect

COUNTED_AT_ONCE = 1 << 24
"""Labels of more pixels are searched for their highest id in the background."""
LARGEST_PLAIN = 3072
"""Planes with a longer side are shown as a pyramid: refreshing a plain layer takes time in proportion to its pixels."""
COARSEST = 1024
SHOWN_AT_ONCE = 1 << 20
"""Where more pixels were written, showing them waits for the next turn of the event loop, as writing took its time."""


def _no_units() -> None:
    """No panel that knows units."""


def _anywhere(region: Region) -> bool:
    """No panel that knows what is in view."""
    return True


class LayerPair:
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
    view_units : callable
        Returns the units in which the viewer gives places, as `units_of_view`.

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
        view_units: Callable[[], Units | None] = _no_units,
    ) -> None:
        self.image_layer = image_layer
        self.channel = channel
        self._view_units = view_units
        self.placement = Placement.of(image_layer, channel, view_units)
        self._read_shape = tuple(self.placement.image.array.shape)
        self._view: Any = None
        self._measured, self._classes = False, NO_CLASSES
        self._shown_soon = False
        self.measured: set[Frame] = set()
        """Frames of which the expected diameter is known, so that asking for it takes no time."""
        given = None if labels_layer is None else _writable(self.placement, labels_layer)
        self.made = labels_layer is None and session is None
        """Whether the labels began empty and were written to by the session alone."""
        self.counted = session is not None or given is None or _quickly_counted(given)
        """Whether the ids in the labels are known, so that a new object gets one of its own."""
        self.convention = convention_of(given) if given is not None and self.counted and session is None else None
        """What a number in the labels that were there seems to stand for, other than one object."""
        highest, classes = None if self.counted else 0, None if given is None else classes_in(labels_layer.features)
        self.session = session or Session(
            self.placement.image, predictor, given, protect=protect, highest=highest, classes=classes
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
        self.in_view: Callable[[Region], bool] = _anywhere
        """Tells whether something of a region of the labels can be seen now."""
        self.frame_in_view: Callable[[], Frame] = tuple
        """Returns the frame in view."""
        self.session.painted.connect(self.refresh)

    # -- what is where ---------------------------------------------------------------------------------------------

    @property
    def image_name(self) -> str:
        """What the image is called."""
        return str(self.image_layer.name)

    @property
    def labels_name(self) -> str:
        """What the labels are called."""
        return str(self.labels_layer.name)

    @property
    def ground(self) -> int:
        """The id that seems to be no object but what lies around them; 0 where there is none."""
        return 0 if self.convention is None or self.convention.kind == "mask" else self.convention.value

    @property
    def untouched(self) -> bool:
        """Whether the labels are new and nobody drew in them; False where looking takes long."""
        labels = self.session.labels
        small = self.made and len(self.levels) == 1 and math.prod(labels.shape) <= COUNTED_AT_ONCE
        return small and not self.session.step and self.session.state.empty and not labels.any()

    def position(self, world: Sequence[float]) -> tuple[float, ...]:
        """Return the position in the image, in array order, of a point in the world."""
        return self.placement.position(world)

    def label_at(self, position: tuple[float, ...]) -> int | None:
        """Return the id in the labels at a position, 0 for background, None outside the image."""
        pixel = tuple(round(p) for p in position)
        inside = Region.whole(self.session.labels.shape).contains(pixel)
        return int(np.asarray(self.session.labels[pixel])) if inside else None

    def lies_inside(self, position: tuple[float, ...], margin: float) -> bool:
        """Tell whether an object reaches further than `margin` pixels around a position on its frame."""
        frame, point = position[:-2], position[-2:]
        reach = max(math.ceil(margin), 1)
        plane = self.session.labels.shape[-2:]
        region = Region.around(tuple(round(p) for p in point), (2 * reach + 1,) * 2).clip(plane)
        block = np.asarray(self.session.labels[region.at_frame(tuple(round(p) for p in frame)).slices])
        block = block.reshape(region.shape)
        grid = np.indices(region.shape) + np.reshape(region.start, (2, 1, 1))
        away = np.maximum(np.abs(grid - np.reshape(point, (2, 1, 1))) - 0.5, 0)  # from the square of each pixel
        near = np.hypot(*away) <= margin
        return bool((block[near] == self.label_at(position)).all())

    def frame_at(self, world: Any, ndim: int | None = None) -> Frame:
        """Return the frame of the image that a point of the world lies on; `ndim` as the session's where absent."""
        seen = min(ndim or self.session.ndim, self.session.image.ndim)
        frame = Click(self.placement.position(world)).frame(seen)
        counts = self.session.image.frames_shape(seen)
        return tuple(int(np.clip(k, 0, n - 1)) for k, n in zip(frame, counts, strict=True))

    def most_of(self, frame: Frame, mask: Any, without: int = 0) -> int:
        """Return the id of the object that covers most of a mask of a frame, `without` this one."""
        ids, counts = np.unique(np.asarray(self.session.labels[frame])[mask], return_counts=True)
        return int(ids[np.argmax(np.where((ids == 0) | (ids == without), 0, counts))])

    def count_objects(self, frame: Frame) -> int:
        """Return how many objects a frame has, without a new one that is still being drawn. Any thread may call it."""
        ids = np.unique(np.asarray(self.session.labels[frame]))
        drawn = 0 if self.session.state.taken_up else self.session.state.label
        return int(np.count_nonzero((ids != 0) & (ids != drawn)))

    def resume(self, label: int, position: tuple[float, ...]) -> bool:
        """Take an object up on the frame of a position; return whether all of it there was looked for.

        On disk, and in movies, of a large frame only what is around the position is.
        """
        session = self.session
        whole = Region.whole(session.image.frame_shape(session.ndim))
        large = whole.size > SEARCH_WHOLE
        if large and whole.ndim == session.image.ndim and quickly_searched(session.labels, whole):
            session.resume(label)
            return True
        session.resume(label, position)
        return not large

    def rehearsal(self) -> Request:
        """Return a question whose answer nobody needs: a click in the middle of the frame in view."""
        frame, ndim = self.frame_in_view(), self.session.ndim
        middle = tuple(float(n // 2) for n in self.session.image.frame_shape(ndim))
        return Request(frame, (Click((*map(float, frame), *middle)),))

    # -- what is drawn ---------------------------------------------------------------------------------------------

    def refresh(self, region: Region) -> None:
        """Show what was drawn in a region of the labels, unless that is out of view: drawing anew takes its time."""
        copy_down(self.levels, region)
        if not self.in_view(region):
            return
        if region.size <= SHOWN_AT_ONCE:
            self._show_drawn()
        elif not self._shown_soon:
            self._shown_soon = True
            QTimer.singleShot(0, self._show_drawn)

    def _show_drawn(self) -> None:
        self._shown_soon = False
        self.labels_layer.refresh(extent=False, thumbnail=False)

    def refresh_thumbnail(self) -> None:
        """Bring the little picture in napari's layer list up to date; done less often, as it takes its time."""
        self.labels_layer.refresh(extent=False, data_displayed=False, highlight=False)

    def select_label(self, label: int) -> None:
        """Make an object the one that napari's own tools paint."""
        self.labels_layer.selected_label = label

    def show_features(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Fill napari's features table of the labels: a row per object, the background first; nothing empties it."""
        self._measured, self._classes = bool(columns), NO_CLASSES
        self.labels_layer.features = dict(columns)

    def show_classes(self) -> None:
        """Fill the column `class` of that table, unless objects are measured; other columns stay."""
        if self.session.classes is not self._classes and not self._measured:
            self._classes = self.session.classes
            show_classes(self.labels_layer, self._classes)

    # -- what others change ----------------------------------------------------------------------------------------

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
        self._count()

    def _count(self) -> None:
        """Find out which ids are taken; of large labels later, in the background."""
        self.counted = _quickly_counted(self.session.labels)
        if self.counted:
            self.session.reserve(highest_id(self.session.labels))

    def detach(self) -> None:
        """Let go of the panel, which is being closed; layers and session stay."""
        self._view_units = _no_units
        self.in_view, self.frame_in_view = _anywhere, tuple

    def attach(self, predictor: Predictor, view_units: Callable[[], Units | None]) -> None:
        """Go on in another panel: image, labels and ids are read anew, as nobody listened meanwhile.

        Raises
        ------
        ValueError, TypeError
            Where the session cannot go on with what the layers are now.
        """
        self._view_units = view_units
        if not self.follow_image():
            raise ValueError(f"The image {self.image_name!r} has another shape now.")
        self.follow_labels()
        self._count()
        self.session.predictor = predictor

    def painted_by_hand(self, strokes: Any) -> None:
        """Take note of what somebody painted with napari's brush: it is theirs, and its id is taken.

        What is there now is read when napari is done: it may report a stroke before it writes it.
        """
        QTimer.singleShot(0, partial(self._record_painted, list(strokes)))

    def _record_painted(self, strokes: Sequence[Any]) -> None:
        regions = list(painted_regions(strokes, self.placement.thin))
        box = reduce(Region.union, regions)
        before = before_strokes(self.session.labels, box, strokes, self.placement.thin)
        for region in regions:
            self.session.painted_by_hand(region, before[region.within(box).slices])
        self.session.reserve(int(self.labels_layer.selected_label))

    def known_diameter(self) -> float | None:
        """Return how large objects are expected to be on the frame in view; None where that takes time to find out."""
        session, frame = self.session, self.frame_in_view()
        return session.known_diameter or (session.expected_diameter(frame) if frame in self.measured else None)

    def prepared(self, highest: int | None) -> None:
        """Take note of what was read in the background: the highest id in large labels."""
        if highest is not None:
            self.counted = True
            self.session.reserve(highest)

    def follow_image(self) -> bool:
        """Read the image layer's pixels, axes and transforms anew; return False where the labels no longer fit them."""
        placement = Placement.of(self.image_layer, self.channel, self._view_units)
        if placement.image.shape != self.placement.image.shape or placement.thin != self.placement.thin:
            return False
        if not _same_image(placement.image, self.session.image):
            self.session.image = placement.image
        self.placement = placement
        self.put_labels_back()
        return True

    @property
    def grew(self) -> bool:
        """Whether the image layer's array has another shape than when it was read, as of zarr that is written on."""
        return tuple(self.placement.image.array.shape) != self._read_shape

    def drawn_in(self, view: Sequence[Any]) -> bool:
        """Take note that napari drew the image layer; tell whether it draws the same view once more.

        Then somebody may have changed its pixels: what was computed of pixels on disk is computed anew.
        """
        part = (self.image_layer.data_level, np.array(self.image_layer.corner_pixels).tolist())
        now = (*view, part if self.image_layer.multiscale else ())
        again, self._view = bool(now == self._view), now
        if again:
            self.measured.clear()
        if again and not self.session.image.in_memory:
            self.session.image = replace(self.session.image)
        return again

    def grown_labels(self) -> npt.NDArray[Any] | None:
        """Return the labels for an image that grew, with all objects where they are; None where that cannot be."""
        old, shape = self.labels_layer.data, Placement.of(self.image_layer, self.channel, self._view_units).labels_shape
        if not isinstance(old, np.ndarray) or old.ndim != len(shape) or any(np.subtract(shape, old.shape) < 0):
            return None
        grown = np.zeros(shape, old.dtype)
        grown[tuple(map(slice, old.shape))] = old
        return grown

    def put_labels_back(self) -> None:
        """Put the Labels layer onto the image, wherever either was moved: it is drawn into pixel by pixel."""
        assign(self.labels_layer, **self.placement.options)


def why_not_writable(placement: Placement, layer: Labels) -> str:
    """Return why a Labels layer that fits an image cannot be drawn into, as a sentence; "" where it can."""
    array = layer.data[0] if layer.multiscale else layer.data
    name = f"The Labels layer {layer.name!r}"
    if hasattr(array, "dask"):
        return f"{name} is a dask array, which cannot be written to; convert it to numpy or zarr, or pick another."
    if not layer.multiscale and not layer.editable:
        return f"{name} is read-only (its 'editable' is off); duplicate the layer, or pick another one."
    if isinstance(array, np.ndarray) and not array.flags.writeable:
        return f"{name} lies in read-only memory; duplicate the layer, or pick another one."
    return why_not_aligned(placement, layer)


def _finest(placement: Placement, layer: Labels) -> Any:
    return placement.labels_array(layer.data[0] if layer.multiscale else layer.data)


def _writable(placement: Placement, layer: Labels) -> Any:
    if not fits(placement, layer):
        array = layer.data[0] if layer.multiscale else layer.data
        raise ValueError(
            f"The Labels layer {layer.name!r} has the shape {tuple(array.shape)}, but this image needs "
            f"{placement.labels_shape}; pick another one or a new one."
        )
    problem = why_not_writable(placement, layer)
    if problem:
        raise ValueError(problem)
    put_in_place(placement, layer)
    return _finest(placement, layer)


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


# -- coarser copies of large labels, so that napari draws only what fits the screen ------------------------------------


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
