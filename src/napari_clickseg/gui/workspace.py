"""Desk: which image is worked on with which labels, and what becomes of that when somebody changes the layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from napari.layers import Image, Labels, Points
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_clickseg.core.requests import Predictor
from napari_clickseg.gui.click_layers import ClickLayers
from napari_clickseg.gui.layer_pair import Work, fits
from napari_clickseg.gui.placement import TRANSFORMS, Channel, Placement, offered_channels
from napari_clickseg.gui.plugin_layers import MARK, POLARITIES, plain, role_of
from napari_clickseg.gui.view import messages as status
from napari_clickseg.gui.view.messages import telling
from napari_clickseg.gui.view.protocol import Panel, Picks
from napari_clickseg.session.drawing import Protect
from napari_clickseg.session.session import Session

NEW_LAYER = None
"""Picked in place of a Labels layer: make one."""


def images_in(viewer: Any) -> list[Any]:
    """Return the images to segment; the preview is none."""
    return [layer for layer in _layers(viewer) if isinstance(layer, Image) and role_of(layer) is None]


def labels_in(viewer: Any, placement: Placement) -> list[Any]:
    """Return the Labels layers that have the shape an image needs; the answer of a model being added is none."""
    labels = [layer for layer in _layers(viewer) if isinstance(layer, Labels) and role_of(layer) != "trial"]
    return [layer for layer in labels if fits(placement, layer)]


def points_in(viewer: Any, placement: Placement) -> list[Any]:
    """Return the Points layers that have as many axes as the labels of an image."""
    return [layer for layer in _layers(viewer) if isinstance(layer, Points) and layer.ndim == placement.ndim]


def first_labels(viewer: Any, image: Any, channel: Channel | None, active: Any = None) -> Any:
    """Return the Labels layer to begin with: the active one, else one made for this image earlier, else a new one.

    Raises
    ------
    ValueError, TypeError
        Where the image cannot be worked on.
    """
    mine = {"role": "labels", "image": str(image.unique_id)}
    labels = labels_in(viewer, Placement.of(image, channel))
    return next((layer for layer in labels if layer is active or layer.metadata.get(MARK) == mine), NEW_LAYER)


def _layers(viewer: Any) -> list[Any]:
    return [plain(layer) for layer in viewer.layers]


class Desk:
    """Mutable owner of the works of one viewer, at most one of them current. Everything is kept that was worked on.

    Parameters
    ----------
    viewer : napari.Viewer
    layers : ClickLayers
        Show the current work's clicks.
    panel : Panel
        Shows what can be picked, and what happened to layers.
    predictor : Predictor
        Who answers in new sessions; see `use_predictor`.
    """

    begun = Signal(object)
    """A work is new: nothing was done in its session yet."""
    dropped = Signal(object)
    """A work is forgotten."""
    switched = Signal(object)
    """Another work is the current one; None where there is none any more."""
    moved = Signal(object)
    """The current work's image lies elsewhere or has other pixels, or our layers were mended."""
    drawn = Signal(object)
    """The session of the current work changed."""
    failed = Signal(object)
    """A session's question could not be answered; carries the error."""

    def __init__(self, viewer: Any, layers: ClickLayers, panel: Panel, predictor: Predictor) -> None:
        self._viewer = viewer
        self._layers = layers
        self._panel = panel
        self._predictor = predictor
        self._protect: Protect = "background"
        self._works: list[Work] = []
        self._current: Work | None = None
        self._open = False

    @property
    def current(self) -> Work | None:
        """The image and labels that are worked on; None where there is no image."""
        return self._current

    def __iter__(self) -> Iterator[Work]:
        return iter(tuple(self._works))

    def __contains__(self, work: Work) -> bool:
        return work in self._works

    # -- opening and closing ---------------------------------------------------------------------------------------

    def open(self) -> None:
        """Take up the active image, else the topmost one; an active Labels layer that fits it becomes the output."""
        self._open = True
        for event, handler in self._viewer_events():
            event.connect(handler)
        active = plain(self._viewer.layers.selection.active)
        images = images_in(self._viewer)
        self.leave()
        if images:
            image = active if active in images else images[-1]
            with telling(self._panel):
                self._begin(image, offered_channels(image)[0], active)

    def close(self) -> None:
        """Forget all works. What is drawn is in their labels and stays there, even where an answer is still awaited."""
        self._open = False
        for event, handler in self._viewer_events():
            event.disconnect(handler)
        works, self._works, self._current = self._works, [], None
        for work in works:
            self._unwatch(work)
            self.dropped.emit(work)

    # -- choosing --------------------------------------------------------------------------------------------------

    def choose_image(self, layer: Any) -> None:
        """Work on another image, where it was left if it was worked on before; None leaves the current one."""
        last = next((work for work in reversed(self._works) if work.image_layer is layer), None)
        if layer is None:
            self.leave()
        elif last is not None:
            self._use(last)
        else:
            self._begin(layer, offered_channels(layer)[0], self._free_labels())

    def choose_channel(self, channel: Channel | None) -> None:
        """Look at another channel; the objects go on unless another axis becomes the channels'."""
        work = self._current
        if work is None:
            return
        if _axis(work.channel) == _axis(channel):
            work.channel = channel
            work.follow_image()
            self._use(work)
        else:
            self._begin(work.image_layer, channel)

    def choose_labels(self, layer: Any) -> None:
        """Draw into another Labels layer; None makes a new one."""
        if self._current is not None:
            self._start(self._current.image_layer, layer, self._current.channel)

    def restore(self, beside: Work, session: Session) -> Work:
        """Go on with a restored session: in place of a work that draws into the same labels, else beside it."""
        same = session.labels is beside.session.labels
        if same:
            self._drop(beside)
        layer = beside.labels_layer if same else None
        work = Work(beside.image_layer, layer, self._predictor, beside.channel, self._protect, session)
        session.predictor, session.protect = self._predictor, self._protect
        self._take(work)
        self._use(work)
        return work

    def use_predictor(self, predictor: Predictor) -> None:
        """Let another model answer, in the sessions that are there and in new ones.

        Raises
        ------
        ValueError
            Where an object is being drawn on which the new model cannot go on.
        """
        self._predictor = predictor
        for work in self._works:
            work.session.predictor = predictor

    def protect(self, choice: Protect) -> None:
        """Change which pixels may be written over, in all sessions."""
        self._protect = choice
        for work in self._works:
            work.session.protect = choice

    def leave(self) -> None:
        """Leave the current work as it is; nothing of it is lost."""
        self._clear()
        self._announce()

    # -- keeping the layers in order -------------------------------------------------------------------------------

    def bring_back_labels(self) -> None:
        """Put the labels into the viewer if they are not there, above their image and the labels that may lie on it."""
        work, layers = self._current, self._viewer.layers
        if work is not None and work.labels_layer not in layers:
            active = layers.selection.active
            below = max(map(layers.index, (work.image_layer, *labels_in(self._viewer, work.placement))))
            self._viewer.add_layer(work.labels_layer)
            layers.move(len(layers) - 1, below + 1)
            layers.selection.active = active
            self._layers.use_labels(work.labels_layer)

    def mend_later(self) -> None:
        """Make our layers what the session says, once napari is done with what it does to them now."""
        QTimer.singleShot(0, self._mend)

    def show_picks(self) -> None:
        """Offer the layers that can be picked now, and show which take part."""
        work = self._current
        self._panel.show_picks(
            Picks(
                images=images_in(self._viewer),
                image=None if work is None else work.image_layer,
                channels=[None] if work is None else offered_channels(work.image_layer),
                channel=None if work is None else work.channel,
                labels=[] if work is None else labels_in(self._viewer, work.placement),
                label=None if work is None else work.labels_layer,
                points=[] if work is None else points_in(self._viewer, work.placement),
                positive=self._layers.points("positive"),
                negative=self._layers.points("negative"),
            )
        )

    def _mend(self) -> None:
        if self._open and self._current is not None:
            self._layers.place(self._current.placement)
            self._layers.show_clicks(self._current.session.clicks)
            self._layers.activate()
            self.show_picks()
            self.moved.emit(self._current)

    def _free_labels(self) -> Any:
        """Return the active layer if it is labels that we neither made nor draw into yet."""
        active = plain(self._viewer.layers.selection.active)
        free = isinstance(active, Labels) and role_of(active) is None
        return active if free and all(work.labels_layer is not active for work in self._works) else None

    # -- from one work to another ----------------------------------------------------------------------------------

    def _begin(self, image: Any, channel: Channel | None, active: Any = None) -> None:
        self._start(image, first_labels(self._viewer, image, channel, active), channel)

    def _start(self, image: Any, labels: Any, channel: Channel | None) -> None:
        """Work on an image with these labels (None: new ones), where it was left if that pair was worked on before."""
        known = (w for w in self._works if w.image_layer is image and w.labels_layer is labels)
        work = next((w for w in known if _axis(w.channel) == _axis(channel)), None)
        if work is None:
            work = Work(image, labels, self._predictor, channel, self._protect)
            self._take(work)
        self._use(work)

    def _take(self, work: Work) -> None:
        self._works.append(work)
        self._watch(work)
        self.begun.emit(work)

    def _use(self, work: Work) -> None:
        self._clear()
        self._current = work
        self.bring_back_labels()
        self._layers.place(work.placement)
        self._layers.lift_above(work.image_layer)
        self._layers.use_labels(work.labels_layer)
        self._layers.show_clicks(work.session.clicks)
        self._layers.activate()
        self._announce()

    def _clear(self) -> None:
        self._current = None
        self._layers.hide_preview()
        self._layers.show_clicks(())
        self._layers.use_labels(None)

    def _announce(self) -> None:
        self.show_picks()
        self.switched.emit(self._current)

    def _drop(self, work: Work) -> None:
        """Forget a work; what is drawn stays in its labels."""
        self._unwatch(work)
        self._works.remove(work)
        self.dropped.emit(work)
        if work is self._current:
            self.leave()

    # -- what others do to layers ----------------------------------------------------------------------------------

    def _viewer_events(self) -> list[tuple[Any, Callable[..., None]]]:
        layers = self._viewer.layers.events
        return [(layers.inserted, self._on_viewer_inserted), (layers.removed, self._on_viewer_removed)]

    def _layer_events(self, work: Work) -> list[tuple[Any, Callable[..., None]]]:
        image, labels = work.image_layer.events, work.labels_layer.events
        return [
            *((getattr(image, name), self._on_image_moved) for name in (*TRANSFORMS, "axis_labels", "data")),
            (image.name, self._on_layer_renamed),
            (labels.name, self._on_layer_renamed),
            (labels.data, self._on_labels_replaced),
            (labels.paint, self._on_labels_painted),
        ]

    def _watch(self, work: Work) -> None:
        work.session.changed.connect(self._on_session_changed)
        work.session.failed.connect(self._on_session_failed)
        for event, handler in self._layer_events(work):
            event.connect(handler)

    def _unwatch(self, work: Work) -> None:
        work.session.changed.disconnect(self._on_session_changed)
        work.session.failed.disconnect(self._on_session_failed)
        for event, handler in self._layer_events(work):
            event.disconnect(handler)

    def _on_session_changed(self) -> None:
        if self._current is not None:
            self._layers.show_clicks(self._current.session.clicks)
            self.drawn.emit(self._current)

    def _on_session_failed(self, error: BaseException) -> None:
        self.failed.emit(error)

    def _on_image_moved(self, event: Any) -> None:
        for work in [work for work in self._works if work.image_layer is event.source]:
            current = work is self._current
            if not work.follow_image():
                self._drop(work)
                if current:
                    with telling(self._panel):
                        self.choose_image(work.image_layer)
            elif current:
                self._layers.place(work.placement)
                self.moved.emit(work)

    def _on_layer_renamed(self, event: Any) -> None:
        self.show_picks()

    def _on_labels_replaced(self, event: Any) -> None:
        for work in [work for work in self._works if work.labels_layer is event.source]:
            try:
                work.follow_labels()
            except (ValueError, TypeError) as problem:
                self._drop(work)
                self._panel.show_status(status.error(problem))
                continue
            if work is self._current and not work.counted:
                self._announce()
            elif work is self._current:
                self.drawn.emit(work)

    def _on_labels_painted(self, event: Any) -> None:
        for work in self._works:
            if work.labels_layer is event.source:
                work.painted_by_hand(event.value)

    def _on_viewer_inserted(self, event: Any) -> None:
        """Take up the first image that comes, once napari is done with it: it makes a new layer the active one."""
        layer = plain(event.value)
        if self._current is None and isinstance(layer, Image) and role_of(layer) is None:
            QTimer.singleShot(0, partial(self._take_first_image, layer))
        self.show_picks()

    def _take_first_image(self, layer: Any) -> None:
        if self._open and self._current is None and layer in self._viewer.layers:
            with telling(self._panel):
                self.choose_image(layer)

    def _on_viewer_removed(self, event: Any) -> None:
        layer = plain(event.value)
        was = self._layers.forget(layer)
        gone = [work for work in self._works if work.image_layer is layer]
        for work in gone:
            self._drop(work)
        if gone:
            self._panel.show_status(status.image_removed(layer.name))
        elif was == "labels":
            self._panel.show_status(status.LABELS_REMOVED)
        elif was in POLARITIES and self._current is not None:
            self._panel.show_status(status.CLICKS_REMOVED)
        if was == "preview" or was in POLARITIES:
            self.mend_later()
        self.show_picks()


def _axis(channel: Channel | None) -> int | None:
    return None if channel is None else channel.axis
