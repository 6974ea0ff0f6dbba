"""Outlines: kept objects carry a line of two screen pixels at any zoom, in colours that stand out.

Labels are sampled at the pixels of the screen, so that a line is as thin on a cell that fills the window as on one that
is a dot. The picture is painted anew a moment after the view or the labels changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.object_classes import colour_of
from napari_clickseg.gui.plugin_layers import COLORMAP, COLOURS, Role, assign, make_outlines

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.jobs import Outcome, Stop
    from napari_clickseg.core.suggestions import Suggestion
    from napari_clickseg.gui.background import Background, Ticket
    from napari_clickseg.gui.controllers.classes import Classes
    from napari_clickseg.gui.controllers.suggestions import Suggestions
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.viewport import Viewport
    from napari_clickseg.gui.workspace import Workspace

PATIENCE_MS = 80
"""The picture follows so long after the last change: while the view moves it moves with it."""
LARGEST = 1600
"""Sides of the picture, in screen pixels; larger windows get coarser lines."""
SHADOW = np.array((10, 10, 20, 200), np.uint8)
"""Of the line around the line, which shows on bright images."""
SUGGESTED = np.array(((0, 0, 0, 0), (255, 255, 255, 255)), np.uint8)
"""Of suggestions, nothing first: of no object's colour."""
UNCLASSED = (150, 150, 150)
"""Of objects without a class, where others have one."""
LUMA = np.array((0.2126, 0.7152, 0.0722))
"""How light red, green and blue look."""
LEAST_LIGHT = 0.5
"""Lines in the colours of a layer that is not ours are made at least this light."""
DASH = 4
"""Screen pixels of a broken line's pieces."""


class Outlines:
    """Mutable owner of the layer with the outlines. It follows labels, view and sliders while it is open.

    Parameters
    ----------
    layers : napari.components.LayerList
    workspace, viewport, background
        Which labels, what is in view, when to paint.
    classes : Classes, optional
        Which classes are proposed: lines then have the colours of classes.
    """

    NAME: ClassVar[Role] = "outlines"

    def __init__(
        self,
        layers: Any,
        workspace: Workspace,
        viewport: Viewport,
        background: Background,
        classes: Classes | None = None,
    ) -> None:
        self._layers = layers
        self._workspace = workspace
        self._viewport = viewport
        self._background = background
        self._classes = classes
        self._layer: Any = None
        self._ticket: Ticket | None = None
        self._open = self._soon = False
        for signal in (workspace.switched, workspace.drawn, workspace.moved, viewport.moved, viewport.stepped):
            signal.connect(self._on_changed)
        if classes is not None:
            classes.changed.connect(self._on_changed)

    def open(self) -> None:
        """Show outlines from now on."""
        self._open, self._soon = True, False
        self._on_changed()

    def close(self) -> None:
        """Show none any more; the layer is left as it is, as a window that is gone draws nothing."""
        self._open = False

    def release(self) -> None:
        """Take the layer out of the viewer."""
        if self._layer is not None and self._layer in self._layers:
            self._layers.remove(self._layer)
        self._layer = None

    def paint(self) -> None:
        """Have the outlines of what is in view now painted, on a background thread."""
        self._soon = False
        pair = self._workspace.current
        if not self._open:
            return
        if pair is None or not self._viewport.flat or not self._viewport.knows(pair) or pair.session.ndim != 2:
            self._hide()
            return
        start, stop = self._viewport.seen(pair)
        step = max(self._viewport.screen_pixel(pair), max(stop - start) / LARGEST)
        if not pair.labels_layer.visible or pair.labels_layer not in self._layers or (stop - start < 1).any():
            self._hide()
            return
        if self._ticket is not None:
            self._ticket.cancel()
        shape = np.maximum(np.round((stop - start) / step).astype(int), 1)
        frame = pair.frame_in_view()
        self._ticket = self._background.files.submit(
            self._picture(pair, frame, start, step, shape),
            partial(self._on_painted, pair, frame, start, step),
            first=True,
        )

    def _picture(self, pair: LayerPair, frame: Frame, start: Any, step: float, shape: Any) -> Callable[[Stop], Any]:
        """The job that draws the outlines at the pixels of the screen."""
        labels, drawn = pair.session.labels, self._drawn(pair)
        classes = self._classes
        proposed = {} if classes is None or classes.proposals is None else classes.proposed(pair)
        colormap = pair.labels_layer.colormap
        look = ClassColours(pair.session.classes, proposed, pair.session.class_names, colormap)
        return lambda stop: look.outlined(sampled(labels, frame, start, step, shape), drawn)

    def _on_painted(self, pair: LayerPair, frame: Frame, start: Any, step: float, outcome: Outcome) -> None:
        if not self._open or pair is not self._workspace.current or outcome.error is not None:
            return
        if pair.labels_layer not in self._layers:  # removed while the picture was drawn
            return
        if outcome.value[..., 3].any():
            self._show(pair, outcome.value, frame, start, step)
        else:
            self._hide()

    def _drawn(self, pair: LayerPair) -> int:
        """The object being drawn, which the preview outlines; 0 where none is."""
        return 0 if pair.session.state.empty else pair.session.label

    def _show(self, pair: LayerPair, picture: Any, frame: Frame, start: Any, step: float) -> None:
        placement = pair.placement
        shown = picture.reshape(*(1,) * (placement.ndim - 2), *picture.shape)
        matrix = placement.shifted((*frame, *(start - 0.5 + step / 2)))
        matrix[:, -3:-1] = matrix[:, -3:-1] * step
        if self._layer is not None and self._layer in self._layers and self._layer.ndim == placement.ndim:
            self._layer.data = shown
            assign(self._layer, affine=matrix, visible=True)
            return
        self.release()
        self._layer = make_outlines(placement, shown, matrix, self.NAME)
        active = self._layers.selection.active
        self._layers.insert(self._layers.index(pair.labels_layer) + 1, self._layer)
        self._layers.selection.active = active

    def _hide(self) -> None:
        """Show nothing, nor what is being painted now."""
        if self._ticket is not None:
            self._ticket.cancel()
        if self._layer is not None:
            assign(self._layer, visible=False)

    def _on_changed(self, *args: Any) -> None:
        if self._open and not self._soon:
            self._soon = True
            self._background.later(PATIENCE_MS, self.paint)


@dataclass(frozen=True, slots=True, eq=False)
class ClassColours:
    """How outlines show classes: whole lines for those given, broken ones for those proposed, grey ones for none."""

    given: Mapping[int, str]
    proposed: Mapping[int, str]
    names: Sequence[str]
    colormap: Any = None
    """The labels layer's own, where no object has a class."""

    def outlined(self, ids: npt.NDArray[Any], without: int = 0) -> npt.NDArray[np.uint8]:
        """Return the outlines of objects, in the colours of ids where there are no classes; see `outlined`."""
        ours = self.colormap is None or self.colormap.name == COLORMAP
        picture = outlined(ids, without) if ours else outlined(*coloured(ids, without, self.colormap))
        if not self.given and not self.proposed:
            return picture
        rows, columns = np.nonzero((picture[..., 3] == 255) & (ids != 0))
        there, places = np.unique(ids[rows, columns], return_inverse=True)
        shown = {**self.proposed, **self.given}
        colours = [colour_of(shown[k], self.names) if k in shown else UNCLASSED for k in there.tolist()]
        broken = np.array([k in self.proposed and k not in self.given for k in there.tolist()], bool)
        picture[rows, columns, :3] = np.array(colours, np.uint8).reshape(-1, 3)[places]
        gaps = broken[places] & ((rows // DASH + columns // DASH) % 2 == 1)
        picture[rows[gaps], columns[gaps]] = SHADOW
        return picture


class SuggestionOutlines(Outlines):
    """Mutable owner of the layer with the outlines of suggestions: broken lines, a whole one under the pointer."""

    NAME: ClassVar[Role] = "suggestions"

    def __init__(
        self,
        layers: Any,
        workspace: Workspace,
        viewport: Viewport,
        background: Background,
        suggestions: Suggestions,
    ) -> None:
        super().__init__(layers, workspace, viewport, background)
        self._suggestions = suggestions
        suggestions.outlined.connect(self._on_changed)

    def paint(self) -> None:
        """As for kept objects, where something is suggested on the frame in view."""
        pair = self._workspace.current
        if pair is not None and self._viewport.knows(pair) and not self._suggestions.shown(pair, pair.frame_in_view()):
            self._soon = False
            self._hide()
        else:
            super().paint()

    def _picture(self, pair: LayerPair, frame: Frame, start: Any, step: float, shape: Any) -> Callable[[Stop], Any]:
        shown, pointed_at = self._suggestions.shown(pair, frame), self._suggestions.pointed_at
        return lambda stop: suggested(shown, pointed_at, start, step, shape)


def suggested(
    shown: Sequence[Suggestion], pointed_at: Suggestion | None, start: Any, step: float, shape: Any
) -> npt.NDArray[np.uint8]:
    """Return an RGBA picture of suggestions at the pixels of the screen; see `sampled` for the last three."""
    ids = np.zeros(tuple(int(n) for n in shape), np.int32)
    for number, one in enumerate(shown, start=1):
        spans = []
        for a, b, corner, n in zip(one.region.start, one.region.stop, start, ids.shape, strict=True):
            first, last = (math.ceil((edge - corner) / step - 0.5) for edge in (a, b))
            spans.append(range(max(first, 0), min(max(last, 0), n)))
        if all(spans):
            rows, columns = (
                np.clip((corner + (np.array(span) + 0.5) * step).astype(int) - a, 0, b - a - 1)
                for span, corner, a, b in zip(spans, start, one.region.start, one.region.stop, strict=True)
            )
            part = ids[spans[0].start : spans[0].stop, spans[1].start : spans[1].stop]
            part[one.mask[np.ix_(rows, columns)]] = number
    picture = outlined(ids, colours=SUGGESTED)
    gaps = np.add.outer(*(np.arange(n) for n in ids.shape)) // DASH % 2 == 1
    whole = [number for number, one in enumerate(shown, start=1) if one is pointed_at]
    near = ndimage.maximum_filter(np.isin(ids, whole), 3) if whole else np.zeros(ids.shape, bool)
    picture[gaps & ~near] = 0
    return picture


def sampled(labels: Any, frame: Frame, start: Any, step: float, shape: Any) -> npt.NDArray[Any]:
    """Return the labels of a frame at the pixels of the screen.

    Parameters
    ----------
    start : array of float
        Where the first screen pixel begins, in pixels of the image whose centres lie at whole numbers plus a half.
    step : float
        Of one screen pixel, in pixels of the image.
    shape : array of int
        (rows, columns) of the screen.
    """
    size = labels.shape[-2:]
    rows, columns = (
        np.clip((a + (np.arange(n) + 0.5) * step).astype(int), 0, side - 1)
        for a, n, side in zip(start, shape, size, strict=True)
    )
    where = (*frame, slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    block = np.asarray(labels[where])
    found: npt.NDArray[Any] = block.take(rows - rows[0], axis=0).take(columns - columns[0], axis=1)
    return found


def coloured(
    ids: npt.NDArray[Any], without: int, colormap: Any
) -> tuple[npt.NDArray[np.intp], int, npt.NDArray[np.uint8]]:
    """Return what `outlined` takes to give objects the colours of a layer's colormap, lightened where they are dark.

    >>> from napari.utils.colormaps import DirectLabelColormap
    >>> dark = DirectLabelColormap(color_dict={None: "black", 7: (0, 0, 0.5, 1)})
    >>> numbers, _, colours = coloured(np.array([[0, 7]]), 0, dark)
    >>> numbers.tolist(), colours[1].tolist()
    ([[0, 1]], [123, 123, 189, 255])
    """
    present, numbers = np.unique(np.append(np.where(ids == without, 0, ids), 0), return_inverse=True)
    order = np.argsort(present != 0, kind="stable")  # nothing first, also below negative ids
    numbers = np.argsort(order)[numbers.reshape(-1)][:-1].reshape(ids.shape)
    colours = np.asarray(colormap.map(present[order]), float).reshape(-1, 4)
    light = colours[:, :3] @ LUMA
    white = np.clip((LEAST_LIGHT - light) / (1 - np.minimum(light, LEAST_LIGHT)), 0, 1)[:, None]
    colours[:, :3] += (1 - colours[:, :3]) * white
    return numbers, 0, np.round(colours * 255).astype(np.uint8)


def outlined(
    ids: npt.NDArray[Any], without: int = 0, colours: npt.NDArray[np.uint8] = COLOURS
) -> npt.NDArray[np.uint8]:
    """Return an RGBA picture of the outer lines of objects: one pixel in the object's colour, one of shadow outside.

    >>> outlined(np.array([[0, 0, 0, 0], [0, 3, 3, 0]]))[1, :, 3].tolist()
    [200, 255, 255, 200]
    """
    ids = np.where(ids == without, 0, ids) if without else ids
    rim = np.zeros(ids.shape, bool)
    across, down = ids[1:] != ids[:-1], ids[:, 1:] != ids[:, :-1]
    rim[1:] |= across
    rim[:-1] |= across
    rim[:, 1:] |= down
    rim[:, :-1] |= down
    rows, columns = np.nonzero(rim)
    there = ids[rows, columns]
    picture = np.zeros((*ids.shape, 4), np.uint8)
    picture[rows, columns] = np.where((there == 0)[:, None], SHADOW, colours[(there - 1) % (len(colours) - 1) + 1])
    return picture
