"""Conductor: joins layers, sessions, model and worker for one viewer. It has the methods that keys and buttons name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, cast

from napari.layers import Image, Labels, Points
from qtpy.QtCore import QObject, Qt, QTimer, Signal, Slot

from napari_clickseg.gui import status
from napari_clickseg.gui.geometry import TRANSFORMS, Channel, Placement, offered_channels
from napari_clickseg.gui.late import LatePredictor, present_devices
from napari_clickseg.gui.layers import MARK, POLARITIES, ClickLayers, plain, role_of
from napari_clickseg.gui.mouse import Polarity
from napari_clickseg.gui.preview import changed_region, picture
from napari_clickseg.gui.shown import Panel, Picks, Standing
from napari_clickseg.gui.status import Status
from napari_clickseg.gui.work import Work, fits
from napari_clickseg.masks import Prediction
from napari_clickseg.models.registry import ModelEntry
from napari_clickseg.questions import Predictor, Request, Stop
from napari_clickseg.session import Protect, Session
from napari_clickseg.worker import LatestWorker, Outcome

FLASH_MS = 450
"""How long the pixels gained and lost by an answer stand out."""
NEW_LAYER = None
"""Picked in place of a Labels layer: make one."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the background work at opening found out."""

    devices: tuple[str, ...]
    work: Work | None


class Courier(QObject):
    """Carries outcomes from a worker's thread to the thread it was made on."""

    arrived = Signal(object)

    def __init__(self, receive: Callable[[Outcome], None]) -> None:
        super().__init__()
        self._receive = receive
        self.arrived.connect(self._on_arrived, Qt.ConnectionType.QueuedConnection)

    @Slot(object)
    def _on_arrived(self, outcome: Outcome) -> None:
        self._receive(outcome)


class Conductor:
    """Mutable owner of everything that one panel needs: the sessions, the model, the worker, our layers.

    Parameters
    ----------
    viewer : napari.Viewer
        May be napari's proxy for plugins.
    panel : Panel
        Who shows it all.
    models : sequence of ModelEntry
        What the model picker offers.
    load : callable
        `load(name, device)` returns a predictor; called on a worker's thread.
    model : str, optional
        The name of the model to begin with; the first in the table where absent or not there.
    device : str
        Where it computes to begin with.

    Raises
    ------
    ValueError
        Where there are no models.
    """

    def __init__(
        self,
        viewer: Any,
        panel: Panel,
        models: list[ModelEntry],
        load: Callable[[str, str], Predictor],
        model: str | None = None,
        device: str = "auto",
    ) -> None:
        if not models:
            raise ValueError("The table of models is empty; reinstall napari-clickseg.")
        self._viewer = plain(viewer)
        self._panel = panel
        self._load = load
        names = [entry.name for entry in models]
        self._model_name = model if model is not None and model in names else names[0]
        self._device = device
        self._protect: Protect = "background"
        self._opacity = 0.9
        self._flipped = False
        self._picking = False
        self._works: list[Work] = []
        self._work: Work | None = None
        self._shown: tuple[int, Prediction] | None = None
        self._viewed: object = None
        self._after_answer: Callable[[], None] | None = None
        self._asked: Request | None = None
        self._asked_at = 0.0
        self._seconds: float | None = None
        self._note = ""
        self._flashes = 0
        self._open = False

    @property
    def session(self) -> Session | None:
        """The session of the image that is worked on; None where there is none."""
        return None if self._work is None else self._work.session

    # -- opening and closing ---------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect to the viewer, take up its image and load the model in the background. Does nothing when open."""
        if self._open:
            return
        self._open = True
        self._model = self._late_predictor()
        self._courier = Courier(self._on_answer)
        self._chores_courier = Courier(self._on_prepared)
        self._worker = LatestWorker(self._courier.arrived.emit)
        self._chores = LatestWorker(self._chores_courier.arrived.emit, name="clickseg-chores")
        self.layers = ClickLayers(self._viewer, self.answer)
        self.layers.edited.connect(self._on_layers_edited)
        self.layers.clicked.connect(self._on_layers_clicked)
        self.layers.refused.connect(self._on_layers_refused)
        for event, handler in self._viewer_events():
            event.connect(handler)
        self._panel.show_model(self._model_name, "loading")
        self._begin()

    def close(self) -> None:
        """Keep what is drawn, give everything back that is not ours and end the threads. Does nothing when closed."""
        if not self._open:
            return
        self._open = False
        self._worker.close()
        self._chores.close()
        for event, handler in self._viewer_events():
            event.disconnect(handler)
        for work in self._works:
            self._unwatch(work)
            if work.session.area() and work.session.pending is None:
                work.session.commit()
        self._works, self._work = [], None
        self.layers.release()

    def _viewer_events(self) -> list[tuple[Any, Callable[..., None]]]:
        layers = self._viewer.layers.events
        return [
            (layers.inserted, self._on_viewer_inserted),
            (layers.removed, self._on_viewer_removed),
            (self._viewer.dims.events.current_step, self._on_viewer_stepped),
        ]

    # -- requests of panel and keys --------------------------------------------------------------------------------

    def answer(self, name: str, value: Any = None) -> None:
        """Do what a key, a button or a picker asks for: the method `name`, with the value if it takes one.

        What is wrong with a request is told in the status line.
        """
        asked = getattr(self, name)
        self._guarded(asked if value is None and name not in TAKES_NONE else partial(asked, value))

    def _guarded(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (ValueError, TypeError) as problem:
            self._panel.show_status(status.error(problem))

    def keep(self) -> None:
        """Keep the object; where its answer is still awaited, as soon as it is there."""
        self._when_answered(self._keep_now)

    def cancel(self) -> None:
        """Let the object disappear; stop waiting for whatever was asked."""
        self._picking = False
        self._after_answer = None
        if self._work is not None:
            self._work.session.cancel()
            self._ask(self._work, None)

    def undo(self) -> None:
        self._travel(forward=False)

    def redo(self) -> None:
        self._travel(forward=True)

    def flip(self) -> None:
        """Swap what the left and the right button mean."""
        self._flipped = not self._flipped
        self._show_standing()
        words = ("excludes", "includes") if self._flipped else ("includes", "excludes")
        self._panel.show_status(
            Status("ready", f"The left button now {words[0]}, the right one {words[1]}. T swaps them back.")
        )

    def start_new(self) -> None:
        """Keep what is drawn and start a new object."""
        self._when_answered(self._start_new_now)

    def take_up(self) -> None:
        """Take up the object under the cursor."""
        if self._work is not None:
            position = self._work.placement.position(self._viewer.cursor.position)
            self._when_answered(partial(self._take_up_now, position))

    def pick_object(self) -> None:
        """Take up the object that is clicked next: what the button does, as the cursor is on the button then."""
        self._picking = self._work is not None
        if self._picking:
            self.layers.activate()
            self._panel.show_status(Status("ready", "Click on the object to take up. Esc leaves it."))

    def choose_image(self, layer: Any) -> None:
        """Work on another image, where it was left if it was worked on before."""
        if layer is None:
            self._leave()
            return
        last = next((work for work in reversed(self._works) if work.image_layer is layer), None)
        if last is not None:
            self._use(last)
        else:
            channel = offered_channels(layer)[0]
            self._start(layer, self._own_labels(layer, channel), channel)

    def choose_channel(self, channel: Channel | None) -> None:
        """Look at another channel; the objects go on unless another axis becomes the channels'."""
        work = self._work
        if work is None:
            return
        if _axis(work.channel) == _axis(channel):
            work.channel = channel
            work.follow_image()
            self._use(work)
        else:
            self._start(work.image_layer, self._own_labels(work.image_layer, channel), channel)

    def choose_labels(self, layer: Any) -> None:
        """Draw into another Labels layer; None makes a new one."""
        if self._work is not None:
            self._start(self._work.image_layer, layer, self._work.channel)

    def choose_positive(self, layer: Any) -> None:
        self._choose_points("positive", layer)

    def choose_negative(self, layer: Any) -> None:
        self._choose_points("negative", layer)

    def choose_model(self, name: str) -> None:
        """Let another model answer, the clicks already made as well."""
        self._model_name = name
        self._change_model()

    def choose_device(self, device: str) -> None:
        """Let the model compute elsewhere."""
        self._device = device
        self._change_model()

    def choose_protect(self, protect: Protect) -> None:
        """Change which pixels may be written over, for the object being drawn as well."""
        self._protect = protect
        for work in self._works:
            work.session.protect = protect
        if self._work is not None:
            self.set_threshold(self._work.session.threshold)

    def set_threshold(self, threshold: float) -> None:
        """Draw the object where its probability exceeds this."""
        if self._work is not None:
            self._work.session.threshold = threshold
            self._tell()

    def set_opacity(self, opacity: float) -> None:
        """Change how strongly the preview shows."""
        self._opacity = opacity
        self._show_preview()

    def set_diameter(self, diameter: float) -> None:
        """Expect objects of this diameter; the clicks already made are answered anew."""
        self._change_diameter(diameter)

    def forget_diameter(self) -> None:
        """Expect objects as large as those kept so far, or as estimated from the image."""
        self._change_diameter(None)

    # -- acts ------------------------------------------------------------------------------------------------------

    def _when_answered(self, act: Callable[[], None]) -> None:
        """Act now, or after the awaited answer."""
        if self._work is None:
            return
        if self._work.session.pending is None:
            act()
        else:
            self._after_answer = act
            self._tell()

    def _keep_now(self) -> None:
        assert self._work is not None
        label = self._work.session.commit()
        self._note = f"Object {label} is kept."
        self._finish_object()

    def _start_new_now(self) -> None:
        assert self._work is not None
        self._work.session.start_new()
        self._finish_object()

    def _finish_object(self) -> None:
        assert self._work is not None
        self._flipped = False
        self._seconds = None
        self._work.refresh_thumbnail()
        self._show_diameter()
        self._show_standing()
        self._tell()

    def _take_up_now(self, position: tuple[float, ...]) -> None:
        assert self._work is not None
        session = self._work.session
        label = self._work.label_at(position)
        if not label:
            raise ValueError("There is no object under the cursor; point at one and press W again.")
        if label == session.label and not session.state.empty:
            raise ValueError(f"Object {label} is the one being drawn already; click to correct it.")
        session.resume(label, position)
        self._seconds = None
        self._tell()

    def _travel(self, forward: bool) -> None:
        if self._work is None:
            return
        self._after_answer = None
        session = self._work.session
        self._ask(self._work, session.redo() if forward else session.undo())

    def _choose_points(self, polarity: Polarity, layer: Any) -> None:
        if self._work is None:
            return
        session = self._work.session
        self.layers.choose(polarity, layer)
        self._show_picks()
        self._ask(self._work, session.set_clicks(self.layers.read_clicks(session.clicks)))

    def _change_model(self) -> None:
        self._model = self._late_predictor()
        self._panel.show_model(self._model_name, "loading")
        self._panel.show_status(status.LOADING)
        for work in self._works:
            work.session.predictor = self._model
        if self._work is not None:
            self._ask(self._work, self._work.session.ask_again())
        self._prepare()

    def _change_diameter(self, diameter: float | None) -> None:
        if self._work is None:
            return
        self._work.session.diameter = diameter
        self._show_diameter()
        self._ask(self._work, self._work.session.ask_again())

    # -- which image, which labels ---------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Take up the active image, else the topmost one; an active Labels layer that fits it becomes the output."""
        active = plain(self._viewer.layers.selection.active)
        images = self._images()
        image = active if active in images else (images[-1] if images else None)
        self._leave()
        if image is not None:
            channel = offered_channels(image)[0]
            self._guarded(lambda: self._start(image, self._own_labels(image, channel, active), channel))
        self._prepare()

    def _start(self, image: Any, labels: Any, channel: Channel | None) -> None:
        """Work on an image with these labels (None: new ones), where it was left if that pair was worked on before."""
        known = (w for w in self._works if w.image_layer is image and w.labels_layer is labels)
        work = next((w for w in known if _axis(w.channel) == _axis(channel)), None)
        if work is None:
            work = Work(image, labels, self._model, channel, self._protect)
            self._works.append(work)
            self._watch(work)
        self._use(work)

    def _use(self, work: Work) -> None:
        """Go on with a pair of image and labels."""
        self._leave()
        self._work = work
        self._bring_back_labels(work)
        self.layers.place(work.placement)
        self.layers.use_labels(work.labels_layer)
        self.layers.show_clicks(work.session.clicks)
        self.layers.activate()
        self._show_all()
        self._ask(work, work.session.pending)
        self._prepare()

    def _leave(self) -> None:
        """Leave the current pair as it is; nothing of it is lost."""
        self._work = None
        self._shown = self._viewed = None
        self._after_answer = None
        self._picking = False
        self.layers.hide_preview()
        self.layers.show_clicks(())
        self.layers.use_labels(None)
        self._show_all()

    def _own_labels(self, image: Any, channel: Channel | None, active: Any = None) -> Any:
        """The Labels layer to begin with: the active one, else one we made for this image earlier, else a new one."""
        placement = Placement.of(image, channel)
        labels = [
            layer for layer in map(plain, self._viewer.layers) if isinstance(layer, Labels) and fits(placement, layer)
        ]
        mine = {"role": "labels", "image": str(image.unique_id)}
        return next((layer for layer in labels if layer is active or layer.metadata.get(MARK) == mine), NEW_LAYER)

    def _bring_back_labels(self, work: Work) -> None:
        """Put the labels into the viewer if they are not there, right above their image."""
        layers = self._viewer.layers
        if work.labels_layer not in layers:
            active = layers.selection.active
            self._viewer.add_layer(work.labels_layer)
            layers.move(len(layers) - 1, layers.index(work.image_layer) + 1)
            layers.selection.active = active
            self.layers.use_labels(work.labels_layer)

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

    def _layer_events(self, work: Work) -> list[tuple[Any, Callable[..., None]]]:
        image, labels = work.image_layer.events, work.labels_layer.events
        moved: list[tuple[Any, Callable[..., None]]] = [
            (getattr(image, name), self._on_image_moved) for name in TRANSFORMS
        ]
        return [
            *moved,
            (image.data, self._on_image_moved),
            (image.name, self._on_layer_renamed),
            (labels.name, self._on_layer_renamed),
            (labels.data, self._on_labels_replaced),
            (labels.paint, self._on_labels_painted),
        ]

    def _drop(self, work: Work) -> None:
        """Forget a pair; what is drawn stays in its labels."""
        self._unwatch(work)
        self._works.remove(work)
        if work is self._work:
            self._leave()

    # -- asking and answering --------------------------------------------------------------------------------------

    def _ask(self, work: Work, request: Request | None) -> None:
        """Have a question answered on the worker's thread; None where there is nothing to ask."""
        if request is None:
            self._worker.cancel()
        elif request is not self._asked:
            self._asked_at = perf_counter()
            self._worker.submit((work, request), partial(work.session.run, request))
        self._asked = request
        self._tell()

    def _on_answer(self, outcome: Outcome) -> None:
        if not self._open:
            return
        work, request = cast(tuple[Work, Request], outcome.key)
        if work not in self._works:
            return
        if outcome.error is not None:
            self._after_answer = None
            work.session.fail(request, outcome.error)
            return
        if request is work.session.pending:
            self._seconds = perf_counter() - self._asked_at
            self._note = outcome.value.note
        self._adopt_model()
        following = work.session.apply(request, outcome.value)
        if following is not None:
            self._ask(work, following)
            return
        if work is self._work:
            self._tell()
            self._act_after_answer()

    def _act_after_answer(self) -> None:
        act, self._after_answer = self._after_answer, None
        if act is not None:
            self._guarded(act)

    def _prepare(self) -> None:
        """Load the model, look for devices, estimate the diameter and run the model once, all in the background."""
        work = self._work
        self._chores.submit(self._model, partial(_prepare, self._model, work))

    def _on_prepared(self, outcome: Outcome) -> None:
        if not self._open or outcome.key is not self._model:
            return
        if outcome.error is not None:
            self._panel.show_model(self._model_name, "error")
            self._panel.show_status(status.error(f"The model {self._model_name!r} cannot be used: {outcome.error}"))
            return
        prepared: Prepared = outcome.value
        self._panel.show_devices(prepared.devices)
        if prepared.work is not None:
            prepared.work.measured = True
        self._adopt_model()
        self._show_diameter()
        self._tell()

    def _adopt_model(self) -> None:
        """Once the model is loaded, show where it computes; sessions ask it directly from then on."""
        loaded = self._model.loaded
        if loaded is None:
            return
        self._panel.show_model(self._model_name, f"ready on {loaded.device}")
        for work in self._works:
            if work.session.predictor is self._model and work.session.pending is None:
                try:
                    work.session.predictor = loaded
                except ValueError as problem:
                    self._panel.show_status(status.error(problem))

    def _late_predictor(self) -> LatePredictor:
        return LatePredictor(self._model_name, partial(self._load, self._model_name, self._device))

    # -- what happened elsewhere -----------------------------------------------------------------------------------

    def _on_layers_clicked(self, world: tuple[float, ...], primary: bool) -> None:
        work = self._work
        if work is None:
            return
        position = work.placement.position(world)
        if self._picking:
            self._picking = False
            self._guarded(partial(self._when_answered, partial(self._take_up_now, position)))
            return
        if work.label_at(position) is None:
            self._panel.show_status(status.error("That click lies outside the image; click on the image."))
            return
        self._bring_back_labels(work)
        self.layers.add(position, primary != self._flipped)

    def _on_layers_refused(self) -> None:
        self._panel.show_status(status.error(status.FLAT_ONLY))

    def _on_layers_edited(self) -> None:
        work = self._work
        if work is None:
            return
        try:
            request = work.session.set_clicks(self.layers.read_clicks(work.session.clicks))
        except ValueError as problem:
            self._panel.show_status(status.error(problem))
            QTimer.singleShot(0, self._mend)
            return
        self._after_answer = None
        self._ask(work, request)

    def _on_session_changed(self) -> None:
        work = self._work
        if work is None:
            return
        self.layers.show_clicks(work.session.clicks)
        self._show_preview()
        self._show_standing()

    def _on_session_failed(self, error: BaseException) -> None:
        self._panel.show_status(
            status.error(f"The model could not answer: {error} Your clicks are still there; click again to ask anew")
        )

    def _on_image_moved(self, event: Any) -> None:
        for work in [work for work in self._works if work.image_layer is event.source]:
            current = work is self._work
            if not work.follow_image():
                self._drop(work)
                if current:
                    self._guarded(partial(self.choose_image, work.image_layer))
            elif current:
                self._viewed = None
                self.layers.place(work.placement)
                self._show_preview(flash=False)

    def _on_layer_renamed(self, event: Any) -> None:
        self._show_picks()

    def _on_labels_replaced(self, event: Any) -> None:
        for work in [work for work in self._works if work.labels_layer is event.source]:
            try:
                work.follow_labels()
            except (ValueError, TypeError) as problem:
                self._drop(work)
                self._panel.show_status(status.error(problem))

    def _on_labels_painted(self, event: Any) -> None:
        for work in self._works:
            if work.labels_layer is event.source:
                work.skip_ids(int(event.source.selected_label))
        self._show_standing()

    def _on_viewer_inserted(self, event: Any) -> None:
        """Take up the first image that comes, once napari is done with it: it makes a new layer the active one."""
        layer = plain(event.value)
        if self._work is None and isinstance(layer, Image) and role_of(layer) is None:
            QTimer.singleShot(0, partial(self._take_first_image, layer))
        self._show_picks()

    def _take_first_image(self, layer: Any) -> None:
        if self._open and self._work is None and layer in self._viewer.layers:
            self.answer("choose_image", layer)

    def _on_viewer_removed(self, event: Any) -> None:
        layer = plain(event.value)
        was = self.layers.forget(layer)
        gone = [work for work in self._works if work.image_layer is layer]
        for work in gone:
            self._drop(work)
        if gone:
            self._panel.show_status(
                Status("ready", f"The image {layer.name!r} was removed; its objects stay in their Labels layer.")
            )
        elif was == "labels":
            self._panel.show_status(
                Status(
                    "ready",
                    "The Labels layer was removed, but its objects are held here: the next click brings it back.",
                )
            )
        elif was == "preview":
            self._viewed = None
            QTimer.singleShot(0, self._mend)
        elif was in POLARITIES and self._work is not None:
            self._panel.show_status(
                Status(
                    "ready",
                    "A click layer was removed; here is a new one with the same clicks. Esc cancels the object.",
                )
            )
            QTimer.singleShot(0, self._mend)
        self._show_picks()

    def _on_viewer_stepped(self, event: Any) -> None:
        self._show_preview()

    def _on_flash_over(self, number: int) -> None:
        if self._open and number == self._flashes:
            self._show_preview(flash=False)

    def _mend(self) -> None:
        """Make our layers what the session says, after somebody removed one or put a click where none can be."""
        if self._open and self._work is not None:
            self.layers.place(self._work.placement)
            self.layers.show_clicks(self._work.session.clicks)
            self.layers.activate()
            self._show_picks()

    # -- showing ---------------------------------------------------------------------------------------------------

    def _show_all(self) -> None:
        self._show_picks()
        self._show_standing()
        self._show_diameter()
        self._show_preview(flash=False)
        self._tell()

    def _show_picks(self) -> None:
        work = self._work
        image = None if work is None else work.image_layer
        labels = [
            layer
            for layer in map(plain, self._viewer.layers)
            if isinstance(layer, Labels) and work is not None and fits(work.placement, layer)
        ]
        points = [
            layer for layer in map(plain, self._viewer.layers) if isinstance(layer, Points) and self._clickable(layer)
        ]
        self._panel.show_picks(
            Picks(
                images=self._images(),
                image=image,
                channels=[None] if image is None else offered_channels(image),
                channel=None if work is None else work.channel,
                labels=labels,
                label=None if work is None else work.labels_layer,
                points=points,
                positive=self.layers.points("positive"),
                negative=self.layers.points("negative"),
            )
        )

    def _images(self) -> list[Any]:
        return [
            layer for layer in map(plain, self._viewer.layers) if isinstance(layer, Image) and role_of(layer) is None
        ]

    def _clickable(self, layer: Any) -> bool:
        return self._work is not None and layer.ndim == self._work.placement.ndim

    def _show_standing(self) -> None:
        if self._work is None:
            self._panel.show_standing(Standing())
            return
        session = self._work.session
        state = session.state
        self._panel.show_standing(
            Standing(
                session.label,
                state.kept,
                state.empty,
                session.can_undo,
                session.can_redo,
                self._flipped,
                session.threshold,
            )
        )

    def _show_diameter(self) -> None:
        work = self._work
        if work is None or not (work.measured or work.session.diameter):
            self._panel.show_diameter(None, automatic=True)
        else:
            self._panel.show_diameter(work.session.expected_diameter(), automatic=work.session.diameter is None)

    def _show_preview(self, flash: bool = True) -> None:
        """Show the object on the frame in view; what its newest answer changed stands out for a moment."""
        work = self._work
        if work is None:
            return
        session = work.session
        frame = work.frame_at(self._viewer.dims.point)
        shown = session.state.masks.get(frame)
        if shown is None or session.ndim != 2:
            self.layers.hide_preview()
            self._shown = self._viewed = None
            return
        former = self._shown
        before = former[1] if flash and former is not None and former[0] == session.label else None
        if before is shown:
            before = None
        view = (shown, before, frame, session.threshold, self._opacity)
        if flash and before is None and view == self._viewed:
            return
        self._shown, self._viewed = (session.label, shown), view
        region = changed_region(shown, before, session.threshold)
        if region is None:
            self.layers.hide_preview()
            return
        painted = picture(shown, before, session.threshold, region)
        self.layers.show_preview(painted, (*frame, *region.start), self._opacity)
        if before is not None:
            self._flashes += 1
            QTimer.singleShot(FLASH_MS, partial(self._on_flash_over, self._flashes))

    def _tell(self) -> None:
        """Say where things stand."""
        if self._work is None:
            self._panel.show_status(status.NO_IMAGE)
        elif self._model.loaded is None and not self._work.session.clicks:
            self._panel.show_status(status.LOADING)
        else:
            self._panel.show_status(status.of_session(self._work.session, self._note, self._seconds))
        self._note = ""


TAKES_NONE = {"choose_image", "choose_channel", "choose_labels"}
"""Requests whose value may be None: no image, no channel, a new Labels layer."""


def _prepare(model: LatePredictor, work: Work | None, stop: Stop) -> Prepared:
    model.get()
    devices = present_devices()
    if work is not None:
        stop.check()
        work.session.expected_diameter()
        stop.check()
        model.predict(work.session.image, work.rehearsal(), stop)
    return Prepared(devices, work)


def _axis(channel: Channel | None) -> int | None:
    return None if channel is None else channel.axis
