"""Workspace: which image is segmented with which labels, and what becomes of that when somebody changes the layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer, Points
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_clickseg.core.images import MOST_SEEN
from napari_clickseg.core.label_conventions import as_usual
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Predictor
from napari_clickseg.gui import samples
from napari_clickseg.gui.alignment import fits, is_aligned, with_ones
from napari_clickseg.gui.click_layers import ClickLayers
from napari_clickseg.gui.layer_choice import (
    NEW_LAYER,
    all_layers,
    first_labels,
    images_in,
    labels_in,
    looks_like_labels,
    named,
)
from napari_clickseg.gui.layer_pair import LayerPair, why_not_writable
from napari_clickseg.gui.panel_state import Reports
from napari_clickseg.gui.placement import TRANSFORMS, Placement, offered_channels, units_of_view
from napari_clickseg.gui.plugin_layers import POLARITIES, plain, role_of
from napari_clickseg.gui.view import messages
from napari_clickseg.gui.view.protocol import Channel, Option, Picks
from napari_clickseg.session.drawing import Protect
from napari_clickseg.session.session import Session

MOVED = (*TRANSFORMS, "units")
"""What places a layer in the world; older versions of napari know no units."""


class Workspace:
    """Mutable owner of the pairs of one viewer, at most one of them current. Everything is kept that was worked on.

    Parameters
    ----------
    viewer : napari.Viewer
    layers : ClickLayers
        Show the current pair's clicks.
    reports : Reports
        Takes what happened to layers.
    predictor : Predictor
        Who answers in new sessions; see `use_predictor`.
    """

    begun = Signal(object)
    """A pair is new: nothing was done in its session yet."""
    dropped = Signal(object)
    """A pair is forgotten."""
    switched = Signal(object)
    """Another pair is the current one; None where there is none any more."""
    moved = Signal(object)
    """The current pair's image lies elsewhere or has other pixels, or our layers were mended."""
    drawn = Signal(object)
    """The session of the current pair changed."""
    failed = Signal(object)
    """A session's question could not be answered; carries the error."""
    changed = Signal()
    """Other layers can be picked, or another one is active."""

    def __init__(self, viewer: Any, layers: ClickLayers, reports: Reports, predictor: Predictor) -> None:
        self._viewer = viewer
        self._layers = layers
        self._reports = reports
        self._predictor = predictor
        self._view_units = partial(units_of_view, viewer)
        self._protect: Protect = "background"
        self._pairs: list[LayerPair] = []
        self._current: LayerPair | None = None
        self._convertible: Any = None
        self._open = False

    @property
    def current(self) -> LayerPair | None:
        """The image and labels that are segmented; None where there is no image."""
        return self._current

    @property
    def protection(self) -> Protect:
        """What may be written over."""
        return self._protect

    def __iter__(self) -> Iterator[LayerPair]:
        return iter(tuple(self._pairs))

    def __contains__(self, pair: LayerPair) -> bool:
        return pair in self._pairs

    # -- opening and closing ---------------------------------------------------------------------------------------

    def open(self) -> None:
        """Take up the active image, else the topmost one, with the Labels that fit it."""
        self._open = True
        for event, handler in self._viewer_events():
            event.connect(handler)
        active = plain(self._viewer.layers.selection.active)
        images = images_in(self._viewer)
        self.leave()
        real = [layer for layer in images if not looks_like_labels(layer)] or images
        if real:
            image = active if active in real else real[-1]
            with self._reports.errors():
                self._begin(image, offered_channels(image)[0], active)
                self._offer_conversion(image)

    def close(self) -> None:
        """Forget all pairs. What is drawn is in their labels and stays there, even where an answer is still awaited."""
        self._open = False
        for event, handler in self._viewer_events():
            event.disconnect(handler)
        pairs, self._pairs, self._current = self._pairs, [], None
        for pair in pairs:
            self._unwatch(pair)
            self.dropped.emit(pair)

    # -- choosing --------------------------------------------------------------------------------------------------

    def choose_image(self, layer: Any) -> None:
        """Segment another image, where it was left if it was before; None leaves the current one."""
        last = next((pair for pair in reversed(self._pairs) if pair.image_layer is layer), None)
        if layer is None:
            self.leave()
        elif last is not None:
            self._use(last)
        else:
            self._begin(layer, offered_channels(layer)[0], plain(self._viewer.layers.selection.active))

    def choose_channel(self, channel: Channel | None) -> None:
        """Look at another channel; the objects go on unless another axis becomes the channels'."""
        pair = self._current
        if pair is None:
            return
        if _axis(pair.channel) == _axis(channel):
            pair.channel = channel
            pair.follow_image()
            self._use(pair)
        else:
            self._begin(pair.image_layer, channel)

    def choose_labels(self, layer: Any) -> None:
        """Draw into another Labels layer; None makes a new one."""
        if self._current is not None:
            self._start(self._current.image_layer, layer, self._current.channel)
            self.offer_usual_labels()

    def offer_usual_labels(self) -> bool:
        """Offer labels in which 0 is background, where another number seems to be; return whether that is so."""
        pair = self._current
        if pair is None or pair.convention is None:
            return False
        self._reports.hold(messages.other_convention(pair.labels_name, pair.convention))
        return True

    def make_usual_labels(self) -> None:
        """Draw into a copy of the labels in which 0 is background; the labels themselves stay as they are."""
        pair = self._current
        if pair is not None and pair.convention is not None:
            usual = as_usual(np.asarray(pair.session.labels), pair.convention)
            pair.labels_layer.visible = False
            self.add_labels(usual, f"{pair.labels_name} (0 is background)")

    def keep_convention(self) -> None:
        """Take all numbers of the labels but 0 for objects."""
        if self._current is not None:
            self._current.convention = None
            self._reports.resume()
            self._reports.held = None

    def add_labels(self, data: Any, name: str) -> None:
        """Show labels that were read from a file over the current image, and draw into them.

        Raises
        ------
        ValueError
            Where they do not fit the image.
        """
        pair = self._current
        if pair is None:
            raise ValueError("Open the image first, then the labels that belong to it.")
        placement = pair.placement
        shaped = np.asarray(data) if type(data) is not np.ndarray else data
        shaped = with_ones(shaped, placement.labels_shape)
        if tuple(shaped.shape) != placement.labels_shape:
            raise ValueError(
                f"{name} has the shape {tuple(shaped.shape)}, but the labels of {pair.image_name!r} need "
                f"{placement.labels_shape}; open the image that they belong to."
            )
        layer = Labels(shaped, name=name, opacity=0.45, **placement.options)
        self._viewer.add_layer(layer)
        self.choose_labels(layer)

    def open_sample(self, name: str) -> None:
        """Open one of the images that come with the plugin."""
        for data, options, kind in getattr(samples, name)():
            self._viewer.add_layer(Layer.create(data, options, kind))

    def convert_image(self) -> None:
        """Make a Labels layer of the picture that looks like labels, and draw into it."""
        layer, self._convertible = self._convertible, None
        if layer is None or layer not in self._viewer.layers:
            return
        data = layer.data[0] if layer.multiscale else layer.data
        made = Labels(np.array(data), name=f"{layer.name} (labels)", opacity=0.45, **_placed_as(layer))
        self._viewer.layers.remove(layer)
        self._viewer.add_layer(made)
        self.choose_labels(made)

    def restore(self, beside: LayerPair, session: Session) -> LayerPair:
        """Go on with a restored session: in place of a pair that draws into the same labels, else beside it."""
        same = session.labels is beside.session.labels
        if same:
            self._drop(beside)
        layer = beside.labels_layer if same else None
        options = (beside.channel, self._protect, session, self._view_units)
        pair = LayerPair(beside.image_layer, layer, self._predictor, *options)
        session.predictor, session.protect = self._predictor, self._protect
        self._take(pair)
        self._use(pair)
        return pair

    def use_predictor(self, predictor: Predictor) -> None:
        """Let another model answer, in the sessions that are there and in new ones.

        Raises
        ------
        ValueError
            Where an object is being drawn on which the new model cannot go on.
        """
        self._predictor = predictor
        for pair in self._pairs:
            pair.session.predictor = predictor

    def protect(self, choice: Protect) -> None:
        """Change which pixels may be written over, in all sessions."""
        self._protect = choice
        for pair in self._pairs:
            pair.session.protect = choice

    def leave(self) -> None:
        """Leave the current pair as it is; nothing of it is lost."""
        self._clear()
        self._announce()

    # -- what can be picked, and which layer is active -------------------------------------------------------------

    def picks(self) -> Picks:
        """Return the layers that can be picked now, and which take part."""
        pair = self._current
        if pair is None:
            return Picks(images=named(images_in(self._viewer)))
        channels = offered_channels(pair.image_layer)
        return Picks(
            images=named(images_in(self._viewer)),
            image=pair.image_layer,
            channels=tuple(Option("none: frames" if c is None else c.text, c) for c in channels),
            channel=pair.channel,
            labels=(*named(labels_in(self._viewer, pair.placement)), Option("new layer", NEW_LAYER)),
            label=pair.labels_layer,
            points=named(self._foreign_points(pair.placement)),
        )

    def in_the_way(self) -> str:
        """Return why clicks do not count now: the layer that is active; "" where they do."""
        active = plain(self._viewer.layers.selection.active)
        if self._current is None or self._layers.takes_clicks(active):
            return ""
        if active is None:
            return "no layer is active"
        ours = self._layers.owns_points(active) or active in (self._current.labels_layer, self._current.image_layer)
        return f"{active.name!r} is in napari's {active.mode!r} mode" if ours else f"{active.name!r} is active"

    def labels_under(self, world: tuple[float, ...]) -> Any:
        """Return another Labels layer that fits the image and has an object at a place; None where there is none."""
        pair = self._current
        if pair is None:
            return None
        for layer in reversed(labels_in(self._viewer, pair.placement)):
            if layer is not pair.labels_layer and layer.visible:
                value = layer.get_value(pair.placement.for_layer(layer, world), world=True)
                value = value[1] if isinstance(value, tuple) else value
                if value:
                    return layer
        return None

    def saved_beside(self, names: Any) -> Any:
        """Return the first of these file names that lies beside the current image; None where none does."""
        path = None if self._current is None else getattr(self._current.image_layer.source, "path", None)
        if not path:
            return None
        return next((found for found in names(path) if found.exists()), None)

    # -- keeping the layers in order -------------------------------------------------------------------------------

    def bring_back_labels(self) -> None:
        """Put the labels into the viewer if they are not there, above their image and the labels that may lie on it."""
        pair, layers = self._current, self._viewer.layers
        if pair is not None and pair.labels_layer not in layers:
            active = layers.selection.active
            below = max(map(layers.index, (pair.image_layer, *labels_in(self._viewer, pair.placement))))
            self._viewer.add_layer(pair.labels_layer)
            layers.move(len(layers) - 1, below + 1)
            layers.selection.active = active
            self._layers.use(pair.image_layer, pair.labels_layer)

    def mend_later(self) -> None:
        """Make our layers what the session says, once napari is done with what it does to them now."""
        QTimer.singleShot(0, self._mend)

    def activate(self) -> None:
        """Make a click channel the active layer, so that clicks count."""
        self._layers.activate()

    def _mend(self) -> None:
        if self._open and self._current is not None:
            self._layers.place(self._current.placement)
            self._layers.show_clicks(self._current.session.clicks)
            self._layers.activate()
            self.changed.emit()
            self.moved.emit(self._current)

    def _foreign_points(self, placement: Placement) -> list[Any]:
        """Points layers of the user's own whose points can be taken as clicks."""
        points = [layer for layer in all_layers(self._viewer) if isinstance(layer, Points)]
        return [layer for layer in points if layer.ndim == placement.ndim and role_of(layer) is None]

    # -- from one pair to another ----------------------------------------------------------------------------------

    def _begin(self, image: Any, channel: Channel | None, active: Any = None) -> None:
        placement = Placement.of(image, channel)
        taken = [pair.labels_layer for pair in self._pairs if pair.image_layer is not image]
        labels = first_labels(self._viewer, placement, image, active, taken)
        problem = "" if labels is NEW_LAYER else why_not_writable(placement, labels)
        self._start(image, NEW_LAYER if problem else labels, channel)
        if problem:
            self._reports.hold(messages.error(f"Objects go to a new layer. {problem}"))
        elif self.offer_usual_labels():
            return
        elif labels is not NEW_LAYER and role_of(labels) is None and labels is not active:
            self._reports.hold(messages.labels_taken(labels.name))
        elif placement.image.channels > MOST_SEEN and placement.image.channel is None:
            self._reports.hold(messages.channels_seen(placement.image.channels))

    def _start(self, image: Any, labels: Any, channel: Channel | None) -> None:
        """Segment an image with these labels (None: new ones), where it was left if that pair was there before."""
        known = (pair for pair in self._pairs if pair.image_layer is image and pair.labels_layer is labels)
        pair = next((one for one in known if _axis(one.channel) == _axis(channel)), None)
        if pair is None:
            pair = LayerPair(image, labels, self._predictor, channel, self._protect, view_units=self._view_units)
            self._take(pair)
        self._use(pair)

    def _take(self, pair: LayerPair) -> None:
        self._pairs.append(pair)
        self._watch(pair)
        self.begun.emit(pair)

    def _use(self, pair: LayerPair) -> None:
        self._clear()
        self._current = pair
        self.bring_back_labels()
        self._layers.place(pair.placement)
        self._layers.lift_above(pair.image_layer, pair.labels_layer)
        self._layers.use(pair.image_layer, pair.labels_layer)
        self._layers.show_clicks(pair.session.clicks)
        self._layers.activate()
        self._announce()

    def _clear(self) -> None:
        self._current = None
        self._layers.hide_preview()
        self._layers.show_clicks(())
        self._layers.use(None, None)

    def _announce(self) -> None:
        self.changed.emit()
        self.switched.emit(self._current)

    def _drop(self, pair: LayerPair) -> None:
        """Forget a pair; what is drawn stays in its labels."""
        self._unwatch(pair)
        self._pairs.remove(pair)
        self.dropped.emit(pair)
        if pair is self._current:
            self.leave()

    def _offer_conversion(self, image: Any) -> None:
        """Offer to make labels of a picture that looks like labels of the image."""
        shape = Placement.of(image).labels_shape
        for layer in images_in(self._viewer):
            if layer is not image and tuple(layer.data.shape) == shape and looks_like_labels(layer):
                self._convertible = layer
                self._reports.hold(messages.looks_like_labels(layer.name))

    # -- what others do to layers ----------------------------------------------------------------------------------

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

    def _watch(self, pair: LayerPair) -> None:
        pair.drawn_in(self._view)
        pair.session.changed.connect(self._on_session_changed)
        pair.session.failed.connect(self._on_session_failed)
        for event, handler in self._layer_events(pair):
            event.connect(handler)

    def _unwatch(self, pair: LayerPair) -> None:
        pair.session.changed.disconnect(self._on_session_changed)
        pair.session.failed.disconnect(self._on_session_failed)
        for event, handler in self._layer_events(pair):
            event.disconnect(handler)

    def _on_session_changed(self) -> None:
        if self._current is not None:
            self._layers.show_clicks(self._current.session.clicks)
            self.drawn.emit(self._current)

    def _on_session_failed(self, error: BaseException) -> None:
        self.failed.emit(error)

    def _on_image_moved(self, event: Any) -> None:
        self._follow_image(event.source)

    def _follow_image(self, layer: Any) -> None:
        for pair in [pair for pair in self._pairs if pair.image_layer is layer]:
            current = pair is self._current
            if not pair.follow_image():
                self._drop(pair)
                if current:
                    with self._reports.errors():
                        self._go_on_with(pair)
            elif current:
                self._layers.place(pair.placement)
                self.moved.emit(pair)

    def _go_on_with(self, pair: LayerPair) -> None:
        """Go on with the objects where they are on an image that grew; begin anew where it has another shape else."""
        labels = pair.grown_labels()
        if labels is None:
            self.choose_image(pair.image_layer)
            self._reports.hold(messages.image_reshaped(pair.image_name, pair.labels_name))
            return
        pair.labels_layer.data = labels
        self._start(pair.image_layer, pair.labels_layer, pair.channel)
        if self._current is not None and labels.any():  # an act, so that a journal with these objects is offered back
            self._current.session.painted_by_hand(Region((0,) * labels.ndim, (1,) * labels.ndim))
        self._reports.hold(messages.image_grown(pair.image_name))

    def _on_image_drawn(self, event: Any) -> None:
        """Notice an image that was changed in place or grew, once napari was told to draw it again."""
        for pair in [pair for pair in self._pairs if pair.image_layer is event.source]:
            if pair.grew:
                QTimer.singleShot(0, partial(self._follow_image, pair.image_layer))
            elif pair.drawn_in(self._view) and pair is self._current:
                self.moved.emit(pair)

    def _on_labels_moved(self, event: Any) -> None:
        """Put labels back that somebody moved away from their image, once napari is done with it."""
        for pair in self._pairs:
            if pair.labels_layer is event.source and not is_aligned(pair.placement, pair.labels_layer):
                QTimer.singleShot(0, partial(self._put_back, pair))

    def _put_back(self, pair: LayerPair) -> None:
        if pair in self._pairs and not is_aligned(pair.placement, pair.labels_layer):
            pair.put_labels_back()
            self._reports.report(messages.labels_put_back(pair.labels_name))

    def _on_labels_replaced(self, event: Any) -> None:
        for pair in [pair for pair in self._pairs if pair.labels_layer is event.source]:
            try:
                pair.follow_labels()
            except (ValueError, TypeError) as problem:
                self._drop(pair)
                self._reports.report(messages.error(problem))
                continue
            if pair is self._current and not pair.counted:
                self._announce()
            elif pair is self._current:
                self.drawn.emit(pair)

    def _on_labels_painted(self, event: Any) -> None:
        for pair in self._pairs:
            if pair.labels_layer is event.source:
                pair.painted_by_hand(event.value)

    def _on_viewer_inserted(self, event: Any) -> None:
        """Take up the first image that comes, once napari is done with it: it makes a new layer the active one."""
        layer = plain(event.value)
        if isinstance(layer, Image | Labels) and role_of(layer) is None:
            QTimer.singleShot(0, partial(self._on_layer_settled, layer))
        self.changed.emit()

    def _on_layer_settled(self, layer: Any) -> None:
        if not self._open or layer not in self._viewer.layers:
            return
        with self._reports.errors():
            if self._current is None and isinstance(layer, Image):
                self.choose_image(layer)
            elif self._current is not None and isinstance(layer, Image):
                self._offer_conversion(self._current.image_layer)
            elif self._current is not None and self._untouched(self._current) and fits(self._current.placement, layer):
                self._take_labels(self._current, layer)

    def _untouched(self, pair: LayerPair) -> bool:
        """Whether the labels are ours, and nothing was done in them yet."""
        return pair.made and not pair.session.step and not pair.session.clicks

    def _take_labels(self, pair: LayerPair, layer: Any) -> None:
        """Labels that come while nothing was drawn yet are those to draw into; the empty layer of ours goes."""
        if why_not_writable(pair.placement, layer) or any(one.labels_layer is layer for one in self._pairs):
            return
        self._start(pair.image_layer, layer, pair.channel)
        self._drop(pair)
        if pair.labels_layer in self._viewer.layers:
            self._viewer.layers.remove(pair.labels_layer)
        if not self.offer_usual_labels():
            self._reports.hold(messages.labels_taken(layer.name))

    def _on_viewer_activated(self, event: Any = None) -> None:
        self.changed.emit()

    def _on_viewer_removed(self, event: Any) -> None:
        layer = plain(event.value)
        was = self._layers.forget(layer)
        gone = [pair for pair in self._pairs if pair.image_layer is layer]
        for pair in gone:
            self._drop(pair)
        if gone:
            self._reports.report(messages.image_removed(layer.name))
        elif was == "labels":
            self._reports.report(messages.LABELS_REMOVED)
        elif was in POLARITIES and self._current is not None:
            self._reports.report(messages.CLICKS_REMOVED)
        if was == "preview" or was in POLARITIES:
            self.mend_later()
        self.changed.emit()


def _placed_as(layer: Any) -> dict[str, Any]:
    names = (*TRANSFORMS, "units", "axis_labels")
    return {name: getattr(layer, name) for name in names if hasattr(layer, name)}


def _events(group: Any, names: Iterable[str]) -> list[Any]:
    """The events of a layer that this version of napari has."""
    return [getattr(group, name) for name in names if hasattr(group, name)]


def _axis(channel: Channel | None) -> int | None:
    return None if channel is None else channel.axis
