"""Workspace: which image is segmented with which labels, and what becomes of that when somebody changes the layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Layer, Points
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_clickseg.core.images import MOST_SEEN
from napari_clickseg.core.label_conventions import as_usual
from napari_clickseg.core.object_classes import NO_CLASSES
from napari_clickseg.gui import samples
from napari_clickseg.gui.alignment import with_ones
from napari_clickseg.gui.layer_choice import (
    NEW_LAYER,
    all_layers,
    first_labels,
    images_in,
    labels_in,
    looks_like_labels,
    named,
)
from napari_clickseg.gui.layer_events import LayerEvents
from napari_clickseg.gui.layer_pair import LayerPair, why_not_writable
from napari_clickseg.gui.placement import Placement, offered_channels, options_of, units_of_view
from napari_clickseg.gui.plugin_layers import features_of, plain, role_of
from napari_clickseg.gui.suspension import NOTHING, Suspended
from napari_clickseg.gui.view import layer_messages, messages
from napari_clickseg.gui.view.protocol import Channel, Option, Picks

if TYPE_CHECKING:
    from napari_clickseg.core.requests import Predictor
    from napari_clickseg.gui.click_layers import ClickLayers
    from napari_clickseg.gui.panel_state import Reports
    from napari_clickseg.session.drawing import Protect
    from napari_clickseg.session.session import Session


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
        self._events = LayerEvents(viewer, layers, reports, self)

    @property
    def current(self) -> LayerPair | None:
        """The image and labels that are segmented; None where there is no image."""
        return self._current

    @property
    def opened(self) -> bool:
        """Whether the panel is open."""
        return self._open

    @property
    def protection(self) -> Protect:
        """What may be written over."""
        return self._protect

    def __iter__(self) -> Iterator[LayerPair]:
        return iter(tuple(self._pairs))

    def __contains__(self, pair: LayerPair) -> bool:
        return pair in self._pairs

    # -- opening and closing ---------------------------------------------------------------------------------------

    def open(self, suspended: Suspended = NOTHING) -> None:
        """Take up the active image, else what was worked on last, else the topmost image, with the Labels that fit."""
        self._open = True
        self._events.open()
        active = plain(self._viewer.layers.selection.active)
        images = images_in(self._viewer)
        self.leave()
        for pair in suspended.pairs:
            self._go_on(pair)
        real = [layer for layer in images if not looks_like_labels(layer)] or images
        going_on = suspended.of_image(active if active in real else None, self._pairs)
        if going_on is not None:
            self._protect = going_on.session.protect
            self._use(going_on)
        elif real:
            image = active if active in real else real[-1]
            with self._reports.errors():
                self._begin(image, offered_channels(image)[0], active)
                self.offer_conversion(image)

    def close(self) -> None:
        """Forget all pairs. What is drawn is in their labels and stays there, even where an answer is still awaited."""
        self._open = False
        self._events.close()
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
            self.start(self._current.image_layer, layer, self._current.channel)
            self.offer_usual_labels()

    def offer_usual_labels(self) -> bool:
        """Offer labels in which 0 is background, where another number seems to be; return whether that is so."""
        pair = self._current
        if pair is None or pair.convention is None:
            return False
        self._reports.hold(layer_messages.other_convention(pair.labels_name, pair.convention))
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

    def add_labels(self, data: Any, name: str, classes: Mapping[int, str] = NO_CLASSES) -> None:
        """Show labels, and classes, that were read from files over the current image, and draw into them.

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
        layer = Labels(shaped, name=name, opacity=0.45, features=features_of(classes), **placement.options)
        self._viewer.add_layer(layer)
        self.choose_labels(layer)

    def open_sample(self, name: str) -> None:
        """Open one of the images that come with the plugin."""
        for data, options, kind in getattr(samples, name)():
            self._viewer.add_layer(Layer.create(data, options, kind))

    def convert_image(self) -> None:
        """Make a Labels layer of the picture that looks like labels, and draw into it."""
        layer, self._convertible = self._convertible, None
        if layer is not None and layer in self._viewer.layers:
            data = layer.data[0] if layer.multiscale else layer.data
            made = Labels(np.array(data), name=f"{layer.name} (labels)", opacity=0.45, **options_of(layer))
            self._viewer.layers.remove(layer)
            self._viewer.add_layer(made)
            self._events.take_labels(made)

    def restore(self, beside: LayerPair, session: Session) -> LayerPair:
        """Go on with a restored session: in place of a pair in whose labels nothing was drawn but that, else beside it.

        A layer of its own takes napari a fifth of a second, and would leave an empty one behind.
        """
        same = session.labels is beside.session.labels
        layer = beside.labels_layer if same or beside.untouched else None
        if layer is not None:
            self.drop(beside)
            if not same:
                layer.data = beside.placement.labels_view(session.labels)
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
        self.announce()

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
        self.start(image, NEW_LAYER if problem else labels, channel)
        if problem:
            self._reports.hold(messages.error(f"Objects go to a new layer. {problem}"))
        elif self.offer_usual_labels():
            return
        elif labels is not NEW_LAYER and role_of(labels) is None and labels is not active:
            self._reports.hold(layer_messages.labels_taken(labels.name))
        elif placement.image.channels > MOST_SEEN and placement.image.channel is None:
            self._reports.hold(layer_messages.channels_seen(placement.image.channels))

    def start(self, image: Any, labels: Any, channel: Channel | None) -> None:
        """Segment an image with these labels (None: new ones), where it was left if that pair was there before."""
        known = (pair for pair in self._pairs if pair.image_layer is image and pair.labels_layer is labels)
        pair = next((one for one in known if _axis(one.channel) == _axis(channel)), None)
        if pair is None:
            pair = LayerPair(image, labels, self._predictor, channel, self._protect, view_units=self._view_units)
            self._take(pair)
        self._use(pair)

    def _go_on(self, pair: LayerPair) -> None:
        """Take up a suspended pair; where its layers are others by now, its history ends."""
        try:
            pair.attach(self._predictor, self._view_units)
        except (ValueError, TypeError) as problem:
            self.dropped.emit(pair)
            return self._reports.hold(layer_messages.not_gone_on_with(pair.labels_name, problem))
        self._take(pair)
        self._reports.hold(layer_messages.gone_on_with(pair.labels_name))

    def _take(self, pair: LayerPair) -> None:
        self._pairs.append(pair)
        self._watch(pair)
        self.begun.emit(pair)

    def _watch(self, pair: LayerPair) -> None:
        pair.session.changed.connect(self._on_session_changed)
        pair.session.failed.connect(self._on_session_failed)
        self._events.watch(pair)

    def _unwatch(self, pair: LayerPair) -> None:
        pair.session.changed.disconnect(self._on_session_changed)
        pair.session.failed.disconnect(self._on_session_failed)
        self._events.unwatch(pair)

    def _on_session_changed(self) -> None:
        if self._current is not None:
            self._layers.show_clicks(self._current.session.clicks)
            self.drawn.emit(self._current)

    def _on_session_failed(self, error: BaseException) -> None:
        self.failed.emit(error)

    def _use(self, pair: LayerPair) -> None:
        self._clear()
        self._current = pair
        self.bring_back_labels()
        self._layers.place(pair.placement)
        self._layers.lift_above(pair.image_layer, pair.labels_layer)
        self._layers.use(pair.image_layer, pair.labels_layer)
        self._layers.show_clicks(pair.session.clicks)
        self._layers.activate()
        self.announce()

    def _clear(self) -> None:
        self._current = None
        self._layers.hide_preview()
        self._layers.show_clicks(())
        self._layers.use(None, None)

    def announce(self) -> None:
        """Let everybody look at the current pair anew."""
        self.changed.emit()
        self.switched.emit(self._current)

    def drop(self, pair: LayerPair) -> None:
        """Forget a pair; what is drawn stays in its labels."""
        self._unwatch(pair)
        self._pairs.remove(pair)
        self.dropped.emit(pair)
        if pair is self._current:
            self.leave()

    def offer_conversion(self, image: Any) -> None:
        """Offer to make labels of a picture that looks like labels of the image."""
        shape = Placement.of(image).labels_shape
        for layer in images_in(self._viewer):
            if layer is not image and tuple(layer.data.shape) == shape and looks_like_labels(layer):
                self._convertible = layer
                self._reports.hold(layer_messages.looks_like_labels(layer.name))


def _axis(channel: Channel | None) -> int | None:
    return None if channel is None else channel.axis
