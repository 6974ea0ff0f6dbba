"""Layer events: what others do to the layers of a workspace, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import QTimer

from napari_clickseg.core.regions import Region
from napari_clickseg.gui.alignment import fits, is_aligned
from napari_clickseg.gui.layer_pair import LayerPair, why_not_writable
from napari_clickseg.gui.placement import TRANSFORMS
from napari_clickseg.gui.plugin_layers import POLARITIES, plain, role_of
from napari_clickseg.gui.view import layer_messages, messages

if TYPE_CHECKING:
    from napari_clickseg.gui.click_layers import ClickLayers
    from napari_clickseg.gui.panel_state import Reports
    from napari_clickseg.gui.workspace import Workspace

MOVED = (*TRANSFORMS, "units")
"""What places a layer in the world; older versions of napari know no units."""


class LayerEvents:
    """Listens to a viewer and to the layers of its workspace, while the panel is open.

    Parameters
    ----------
    viewer : napari.Viewer
    layers : ClickLayers
        Show the clicks of the current pair.
    reports : Reports
        Takes what happened to layers.
    workspace : Workspace
        Owns the pairs; begins, drops and shows them on request.
    """

    def __init__(self, viewer: Any, layers: ClickLayers, reports: Reports, workspace: Workspace) -> None:
        self._viewer = viewer
        self._layers = layers
        self._reports = reports
        self._workspace = workspace

    def open(self) -> None:
        """Listen to the viewer."""
        for event, handler in self._viewer_events():
            event.connect(handler)

    def close(self) -> None:
        """Listen to the viewer no more."""
        for event, handler in self._viewer_events():
            event.disconnect(handler)

    def _viewer_events(self) -> list[tuple[Any, Callable[..., None]]]:
        layers = self._viewer.layers
        return [
            (layers.events.inserted, self._on_viewer_inserted),
            (layers.events.removed, self._on_viewer_removed),
            (layers.selection.events.active, self._on_viewer_activated),
        ]

    def _layer_events(self, pair: LayerPair) -> list[tuple[Any, Callable[..., None]]]:
        image, labels = pair.image_layer.events, pair.labels_layer.events
        return [
            *((event, self._on_image_moved) for event in _events(image, (*MOVED, "axis_labels", "data"))),
            (image.set_data, self._on_image_drawn),
            *((event, self._on_labels_moved) for event in _events(labels, MOVED)),
            (image.name, self._on_viewer_activated),
            (image.mode, self._on_viewer_activated),
            (labels.name, self._on_viewer_activated),
            (labels.mode, self._on_viewer_activated),
            (labels.data, self._on_labels_replaced),
            (labels.paint, self._on_labels_painted),
        ]

    @property
    def _view(self) -> tuple[Any, ...]:
        """Where the sliders stand and which axes are shown."""
        dims = self._viewer.dims
        return tuple(dims.current_step[k] for k in dims.not_displayed), tuple(dims.displayed)

    def watch(self, pair: LayerPair) -> None:
        """Listen to the layers of a pair."""
        pair.drawn_in(self._view)
        for event, handler in self._layer_events(pair):
            event.connect(handler)

    def unwatch(self, pair: LayerPair) -> None:
        """Listen to them no more."""
        for event, handler in self._layer_events(pair):
            event.disconnect(handler)

    def _on_image_moved(self, event: Any) -> None:
        self._follow_image(event.source)

    def _follow_image(self, layer: Any) -> None:
        for pair in [pair for pair in self._workspace if pair.image_layer is layer]:
            current = pair is self._workspace.current
            if not pair.follow_image():
                self._workspace.drop(pair)
                if current:
                    with self._reports.errors():
                        self._go_on_with(pair)
            elif current:
                self._layers.place(pair.placement)
                self._workspace.moved.emit(pair)

    def _go_on_with(self, pair: LayerPair) -> None:
        """Go on with the objects where they are on an image that grew; begin anew where it has another shape else."""
        labels = pair.grown_labels()
        if labels is None:
            self._workspace.choose_image(pair.image_layer)
            self._reports.hold(layer_messages.image_reshaped(pair.image_name, pair.labels_name))
            return
        pair.labels_layer.data = labels
        self._workspace.start(pair.image_layer, pair.labels_layer, pair.channel)
        current = self._workspace.current
        if current is not None and labels.any():  # an act, so that a journal with these objects is offered back
            current.session.painted_by_hand(Region((0,) * labels.ndim, (1,) * labels.ndim))
        self._reports.hold(layer_messages.image_grown(pair.image_name))

    def _on_image_drawn(self, event: Any) -> None:
        """Notice an image that was changed in place or grew, once napari was told to draw it again."""
        for pair in [pair for pair in self._workspace if pair.image_layer is event.source]:
            if pair.grew:
                QTimer.singleShot(0, partial(self._follow_image, pair.image_layer))
            elif pair.drawn_in(self._view) and pair is self._workspace.current:
                self._workspace.moved.emit(pair)

    def _on_labels_moved(self, event: Any) -> None:
        """Put labels back that somebody moved away from their image, once napari is done with it."""
        for pair in self._workspace:
            if pair.labels_layer is event.source and not is_aligned(pair.placement, pair.labels_layer):
                QTimer.singleShot(0, partial(self._put_back, pair))

    def _put_back(self, pair: LayerPair) -> None:
        if pair in self._workspace and not is_aligned(pair.placement, pair.labels_layer):
            pair.put_labels_back()
            self._reports.report(layer_messages.labels_put_back(pair.labels_name))

    def _on_labels_replaced(self, event: Any) -> None:
        for pair in [pair for pair in self._workspace if pair.labels_layer is event.source]:
            try:
                pair.follow_labels()
            except (ValueError, TypeError) as problem:
                self._workspace.drop(pair)
                self._reports.report(messages.error(problem))
                continue
            if pair is self._workspace.current and not pair.counted:
                self._workspace.announce()
            elif pair is self._workspace.current:
                self._workspace.drawn.emit(pair)

    def _on_labels_painted(self, event: Any) -> None:
        for pair in self._workspace:
            if pair.labels_layer is event.source:
                pair.painted_by_hand(event.value)

    def _on_viewer_inserted(self, event: Any) -> None:
        """Take up the first image that comes, once napari is done with it: it makes a new layer the active one."""
        layer = plain(event.value)
        if isinstance(layer, Image | Labels) and role_of(layer) is None:
            QTimer.singleShot(0, partial(self._on_layer_settled, layer))
        self._workspace.changed.emit()

    def _on_layer_settled(self, layer: Any) -> None:
        if not self._workspace.opened or layer not in self._viewer.layers:
            return
        pair = self._workspace.current
        with self._reports.errors():
            if pair is None and isinstance(layer, Image):
                self._workspace.choose_image(layer)
            elif pair is not None and isinstance(layer, Image):
                self._workspace.offer_conversion(pair.image_layer)
            elif pair is not None and self._untouched(pair) and fits(pair.placement, layer):
                self._take_labels(pair, layer)

    def take_labels(self, layer: Any) -> None:
        """Draw into labels that were made of a picture; an empty layer of ours goes."""
        pair = self._workspace.current
        if pair is not None and self._untouched(pair):
            self._take_labels(pair, layer)
        else:
            self._workspace.choose_labels(layer)

    def _untouched(self, pair: LayerPair) -> bool:
        """Whether the labels are ours, and nothing was done in them yet."""
        return pair.made and not pair.session.step and not pair.session.clicks

    def _take_labels(self, pair: LayerPair, layer: Any) -> None:
        """Labels that come while nothing was drawn yet are those to draw into; the empty layer of ours goes."""
        if why_not_writable(pair.placement, layer) or any(one.labels_layer is layer for one in self._workspace):
            return
        self._workspace.start(pair.image_layer, layer, pair.channel)
        self._workspace.drop(pair)
        if pair.labels_layer in self._viewer.layers:
            self._viewer.layers.remove(pair.labels_layer)
        if not self._workspace.offer_usual_labels():
            self._reports.hold(layer_messages.labels_taken(layer.name))

    def _on_viewer_activated(self, event: Any = None) -> None:
        self._workspace.changed.emit()

    def _on_viewer_removed(self, event: Any) -> None:
        layer = plain(event.value)
        was = self._layers.forget(layer)
        gone = [pair for pair in self._workspace if pair.image_layer is layer]
        for pair in gone:
            self._workspace.drop(pair)
        if gone:
            self._reports.report(layer_messages.image_removed(layer.name))
        elif was == "labels":
            self._reports.report(messages.LABELS_REMOVED)
        elif was in POLARITIES and self._workspace.current is not None:
            self._reports.report(messages.CLICKS_REMOVED)
        if was == "preview" or was in POLARITIES:
            self._workspace.mend_later()
        self._workspace.changed.emit()


def _events(group: Any, names: Iterable[str]) -> list[Any]:
    """The events of a layer that this version of napari has."""
    return [getattr(group, name) for name in names if hasattr(group, name)]
