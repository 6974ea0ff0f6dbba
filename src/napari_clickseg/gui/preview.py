"""Preview: the object being drawn, laid over the image; what its newest answer changed stands out for a moment.

Also the mark at a place that a tool or the review means, and the answer of a model that is being added.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from qtpy.QtCore import QTimer
from scipy import ndimage

from napari_clickseg.core.clicks import Click, Frame
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.gui.plugin_layers import MARK, assign

if TYPE_CHECKING:
    from napari_clickseg.gui.click_layers import ClickLayers
    from napari_clickseg.gui.controllers.model_import import Tried
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.viewport import Viewport
    from napari_clickseg.session.session import Session

FLASH_MS = 450
"""How long the pixels gained and lost by an answer stand out."""
RING_SHARE = 0.75
"""The radius of the ring around a finding, in diameters of an object."""
USUAL_DIAMETER = 40.0
"""As long as the diameter of objects is not known."""
MARK_SIZE = 9.0
"""The radius of the ring at the first place of a tool, in screen pixels."""
TRIAL_NAME = "answer of the new model"


class Preview:
    """Mutable: remembers what it shows, so that what did not change is not drawn again.

    Parameters
    ----------
    layers : ClickLayers
        Has the layer to draw into.
    viewport : Viewport
        Knows how large a screen pixel is.
    """

    def __init__(self, layers: ClickLayers, viewport: Viewport) -> None:
        self._layers = layers
        self._viewport = viewport
        self._opacity = 0.9
        self._shown: tuple[Session, int, Prediction, Prediction] | None = None
        self._viewed: object = None
        self._marked: object = None
        self._flashes = 0
        self._ahead = False

    @property
    def opacity(self) -> float:
        """How strongly it shows, from the next drawing on."""
        return self._opacity

    @opacity.setter
    def opacity(self, opacity: float) -> None:
        self._opacity = opacity

    def show(self, pair: LayerPair, flash: bool = True) -> None:
        """Show the object on the frame in view; where it is the newest answer to the same object, with what changed."""
        session = pair.session
        frame = pair.frame_in_view()
        shown = session.state.masks.get(frame)
        if shown is None or session.ndim != 2:
            if self._marked != (session, frame, session.state):
                self.hide()
            return
        before = self._before(session, shown) if flash else None
        view = (session, shown, before, frame, session.threshold, session.protect, self._opacity)
        if flash and before is None and view == self._viewed:
            return
        drawn = as_drawn(session, frame, shown)
        self._shown, self._viewed = (session, session.label, shown, drawn), view
        region = changed_region(drawn, before, session.threshold)
        if region is None:
            self._layers.hide_preview()
            return
        painted = picture(drawn, before, session.threshold, region)
        self._layers.show_preview(painted, (*frame, *region.start), self._opacity)
        if before is not None:
            self._flashes += 1
            QTimer.singleShot(FLASH_MS, partial(self._on_flash_over, pair, self._flashes))

    def renew(self, pair: LayerPair) -> None:
        """Draw again, as after the image moved or the layer was made anew."""
        self._viewed = None
        self.show(pair, flash=False)

    def hide(self) -> None:
        """Show nothing; a flash that is still on comes to nothing."""
        self._flashes += 1
        self._shown = self._viewed = self._marked = None
        self._layers.hide_preview()

    def mark(self, pair: LayerPair, position: tuple[float, ...], large: bool = False) -> None:
        """Lay a ring around a place until another frame is shown or something is drawn; `large`: around an object."""
        ndim = pair.session.ndim
        if ndim != 2:
            return
        diameter = pair.known_diameter() or USUAL_DIAMETER
        painted = ring(RING_SHARE * diameter if large else max(MARK_SIZE * self._viewport.screen_pixel(pair), 2.0))
        middle = len(painted) // 2
        frame, point = Click(position).frame(ndim), Click(position).point(ndim)
        self._viewed, self._marked = None, (pair.session, frame, pair.session.state)
        self._layers.show_preview(painted, (*frame, *(round(p) - middle for p in point)), 1.0)

    def show_ahead(self, pair: LayerPair, frame: Frame, shown: Prediction) -> None:
        """Show a thin dashed outline of what a click would give."""
        drawn = as_drawn(pair.session, frame, shown, onto=0)
        region = changed_region(drawn, None, pair.session.threshold)
        if region is None or self._marked is not None:
            return
        step = min(self._viewport.screen_pixel(pair), 1.0)
        painted = dashed(drawn.mask_on(region, pair.session.threshold), step)
        self._viewed, self._ahead = None, True
        self._layers.show_preview(painted, (*frame, *region.start), 1.0, step)

    def hide_ahead(self) -> None:
        """Show no dashed outline any more."""
        if self._ahead:
            self._ahead = False
            self._layers.hide_preview()

    def trace(self, pair: LayerPair, tool: str, places: Sequence[tuple[float, ...]]) -> None:
        """Show the box, or the line, that a tool draws, as far as it is drawn."""
        ndim = pair.session.ndim
        if ndim != 2:
            return
        frame = Click(places[0]).frame(ndim)
        points = np.array([Click(place).point(ndim) for place in places])
        if tool == "box":
            (y0, x0), (y1, x1) = points[0], points[-1]
            points = np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0), (y0, x0)])
        painted, corner = line(points, self._viewport.screen_pixel(pair), pair.session.image.frame_shape(2))
        self._viewed, self._marked = None, (pair.session, frame, pair.session.state)
        self._layers.show_preview(painted, (*frame, *corner), 1.0)

    def unmark(self) -> None:
        """Show no ring any more."""
        self._marked = None
        self._layers.hide_preview()

    def _before(self, session: Session, shown: Prediction) -> Prediction | None:
        """What was drawn of the same object until now; None where that is the same."""
        if self._shown is None:
            return None
        whose, label, former, drawn = self._shown
        same_object = whose is session and label == session.label
        return drawn if same_object and former is not shown else None

    def _on_flash_over(self, pair: LayerPair, number: int) -> None:
        if number == self._flashes:
            self.show(pair, flash=False)


def as_drawn(session: Session, frame: Frame, shown: Prediction, onto: int | None = None) -> Prediction:
    """Return what of a mask stands in the labels, or would (`onto` the background): pixels of other objects do not."""
    region = shown.region.clip(session.image.frame_shape(session.ndim))
    there = np.asarray(session.labels[region.at_frame(frame).slices]).reshape(region.shape)
    return Prediction.from_mask(
        shown.mask_on(region, session.threshold) & (there == (session.label if onto is None else onto)), region
    )


class TrialLayer:
    """Mutable owner of one Labels layer in the place of the objects, which are hidden meanwhile: colours would mix.

    Parameters
    ----------
    viewer : napari.Viewer
        Not a proxy.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layer: Any = None
        self._covered: Any = None
        self._was_visible = True

    def show(self, pair: LayerPair, answered: Tried) -> None:
        """Lay an answer over the image of a pair; the layer that is active stays so."""
        placement = pair.placement
        data = placement.labels_view(answered.labels.reshape((1,) * len(answered.frame) + answered.labels.shape))
        matrix = placement.shifted((*answered.frame, *(0,) * answered.labels.ndim))
        if self._layer not in self._viewer.layers or self._covered is not pair.labels_layer:
            self.hide()
            self._add(pair, data)
        self._layer.data = data
        self._layer.editable = False
        assign(self._layer, affine=matrix)

    def hide(self) -> None:
        """Take the layer out of the viewer; the objects show again if they did before."""
        if self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        if self._covered is not None and self._was_visible:
            self._covered.visible = True
        self._layer = self._covered = None

    def _add(self, pair: LayerPair, data: npt.NDArray[np.int32]) -> None:
        layers, options = self._viewer.layers, pair.placement.options
        named = {name: options[name] for name in ("units", "axis_labels") if name in options}
        active = layers.selection.active
        self._layer = Labels(
            data,
            affine=pair.placement.matrix,
            name=TRIAL_NAME,
            opacity=0.5,
            metadata={MARK: {"role": "trial"}},
            **named,
        )
        layers.append(self._layer)
        below = pair.labels_layer if pair.labels_layer in layers else pair.image_layer
        layers.move(len(layers) - 1, layers.index(below) + 1)
        layers.selection.active = active
        self._covered, self._was_visible = pair.labels_layer, pair.labels_layer.visible
        self._covered.visible = False


# -- pictures: arrays in, arrays out ----------------------------------------------------------------------------------


Picture = npt.NDArray[np.uint8]
MARGIN = 2
CONTOUR = (64, 224, 255, 255)
FILL = (64, 224, 255, 46)
GAINED = (255, 241, 118, 230)
LOST = (255, 92, 138, 230)
RING = (255, 177, 61, 255)
AHEAD = (255, 255, 255, 255)
DASH = 4
"""Pixels of a dash and of the gap after it."""
RING_WIDTH = 1.2
"""Half of it, in pixels."""


def changed_region(shown: Prediction, before: Prediction | None, threshold: float) -> Region | None:
    """Return the smallest region that holds both masks and a margin; None where both are empty."""
    boxes = [_box(prediction, threshold) for prediction in (shown, before) if prediction is not None]
    regions = [box for box in boxes if box is not None]
    if not regions:
        return None
    joined = regions[0]
    for region in regions[1:]:
        joined = joined.union(region)
    return joined.grow(MARGIN)


def picture(shown: Prediction, before: Prediction | None, threshold: float, region: Region) -> Picture:
    """Paint a contour of two pixels with a light fill, and what `shown` gained and lost since `before`.

    Returns
    -------
    ndarray of uint8
        Shape (height, width, 4), one pixel per image pixel of `region`.
    """
    mask = shown.mask_on(region, threshold)
    painted = np.zeros((*region.shape, 4), np.uint8)
    painted[mask] = FILL
    if before is not None:
        old = before.mask_on(region, threshold)
        painted[mask & ~old] = GAINED
        painted[old & ~mask] = LOST
    painted[ndimage.binary_dilation(mask) & ~ndimage.binary_erosion(mask)] = CONTOUR
    return painted


def dashed(mask: npt.NDArray[np.bool_], step: float) -> Picture:
    """Paint a dashed outline of one pixel, on pixels that are `step` (at most 1) of those of the mask.

    >>> int((dashed(np.pad(np.ones((4, 4), bool), 1), 1.0)[..., 3] > 0).sum())
    4
    """
    rows, columns = (np.minimum(((np.arange(round(n / step)) + 0.5) * step).astype(int), n - 1) for n in mask.shape)
    fine = mask[rows[:, None], columns[None, :]]
    rim = fine & ~ndimage.binary_erosion(fine)
    down, across = np.indices(fine.shape)
    painted = np.zeros((*fine.shape, 4), np.uint8)
    painted[rim & ((down + across) // DASH % 2 == 0)] = AHEAD
    return painted


def line(points: npt.NDArray[Any], screen_pixel: float, shape: tuple[int, ...]) -> tuple[Picture, tuple[int, int]]:
    """Return a picture (y, x, 4) of a line through points (n, 2), about two screen pixels wide, and its corner.

    Parameters
    ----------
    screen_pixel : float
        Size of a pixel of the screen in pixels of the image.
    shape : tuple of int
        Of the frame, to which the picture is cut.
    """
    wide = max(round(screen_pixel), 0)
    low = np.clip(np.floor(points.min(axis=0)).astype(int) - wide, 0, np.array(shape) - 1)
    high = np.clip(np.ceil(points.max(axis=0)).astype(int) + wide + 1, low + 1, shape)
    drawn = np.zeros(high - low, bool)
    for start, stop in pairwise(points):
        count = int(np.abs(stop - start).max()) + 1
        pixels = np.round(np.linspace(start, stop, count + 1)).astype(int) - low
        inside = ((pixels >= 0) & (pixels < drawn.shape)).all(axis=1)
        drawn[tuple(pixels[inside].T)] = True
    if wide:
        drawn = ndimage.binary_dilation(drawn, iterations=wide)
    painted = np.zeros((*drawn.shape, 4), np.uint8)
    painted[drawn] = RING
    return painted, (int(low[0]), int(low[1]))


def ring(radius: float) -> Picture:
    """Paint a ring that marks a place, in the middle of the picture.

    >>> ring(3.0).shape
    (11, 11, 4)
    """
    reach = int(np.ceil(radius)) + 2
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    painted = np.zeros((*rows.shape, 4), np.uint8)
    painted[abs(np.hypot(rows, columns) - radius) <= RING_WIDTH] = RING
    return painted


def _box(prediction: Prediction, threshold: float) -> Region | None:
    box = Region.of_mask(prediction.mask(threshold))
    if box is None:
        return None
    start = prediction.region.start
    return Region(
        tuple(a + s for a, s in zip(box.start, start, strict=True)),
        tuple(b + s for b, s in zip(box.stop, start, strict=True)),
    )
