"""Conductor: joins layers, sessions, model and worker for one viewer, and takes the requests of keys and buttons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_clickseg.core.requests import Predictor
from napari_clickseg.gui.click_layers import ClickLayers
from napari_clickseg.gui.controllers.corrections import Correcting
from napari_clickseg.gui.controllers.frames import Timeline
from napari_clickseg.gui.controllers.model_import import AddingModel, Workshop
from napari_clickseg.gui.controllers.models import Answer, Answering, ModelChoice, Prepared
from napari_clickseg.gui.controllers.objects import ObjectActs
from napari_clickseg.gui.controllers.propagation import CarryActs, Carrying
from napari_clickseg.gui.controllers.recovery import Journaling
from napari_clickseg.gui.controllers.review import Reviewing
from napari_clickseg.gui.controllers.saving import Saving
from napari_clickseg.gui.controllers.suggestions import WholeFrames
from napari_clickseg.gui.layer_pair import Work
from napari_clickseg.gui.panel_state import Showing
from napari_clickseg.gui.plugin_layers import plain
from napari_clickseg.gui.preview import LivePreview
from napari_clickseg.gui.view import messages as status
from napari_clickseg.gui.view.messages import telling
from napari_clickseg.gui.view.protocol import Panel
from napari_clickseg.gui.workspace import Desk
from napari_clickseg.models.registry import ModelEntry
from napari_clickseg.session.drawing import Protect
from napari_clickseg.session.session import Session

OF_TIMELINE = ("go_to", "choose_along", "name_axis", "set_spacing")
OF_CARRYING = (
    *("carry_forward", "carry_back", "carry_between", "carry_on", "stop_carrying"),
    *("choose_whose", "choose_reach"),
)
OF_REVIEWING = ("next_doubt", "previous_doubt", "go_to_finding", "confirm")
OF_CORRECTING = (
    *("join", "split", "delete", "fill", "relabel", "copy_previous"),
    *("pick_join", "pick_split", "pick_delete", "pick_fill", "pick_relabel", "pick_copy_previous"),
    *("choose_extent", "give_id", "leave_id"),
)
OF_JOURNALS = ("restore", "discard")
OF_SAVING = ("save_labels", "save_session", "write_labels", "write_session")


class Sequences:
    """Mutable owner of the parts.

    Parameters
    ----------
    viewer : napari.Viewer
    panel, desk, layers, acts, showing
        See there.
    list_all : callable
        Returns the models that there are.

    Attributes
    ----------
    owners : dict
        Who answers which request.
    """

    def __init__(
        self,
        viewer: Any,
        panel: Panel,
        desk: Desk,
        layers: ClickLayers,
        acts: ObjectActs,
        showing: Showing,
        list_all: Callable[[], list[ModelEntry]],
    ) -> None:
        shown = panel.sequence
        self._timeline = Timeline(viewer, shown, desk)
        self._carrying = Carrying()
        self._journaling = Journaling(viewer, shown, desk, showing)
        self._saving = Saving(shown, desk, self._journaling, showing, list_all)
        self._reviewing = Reviewing(shown, desk, layers, showing, self._timeline, self._carrying)
        self._correcting = Correcting(panel, desk, acts, showing, self._timeline)
        carry_acts = CarryActs(viewer, shown, desk, acts, showing, self._timeline, self._carrying)
        self._of_frames = (self._carrying, self._reviewing, self._correcting, self._timeline)
        self.owners: dict[str, object] = {
            **dict.fromkeys(OF_TIMELINE, self._timeline),
            **dict.fromkeys(OF_CARRYING, carry_acts),
            **dict.fromkeys(OF_REVIEWING, self._reviewing),
            **dict.fromkeys(OF_CORRECTING, self._correcting),
            **dict.fromkeys(OF_JOURNALS, self._journaling),
            **dict.fromkeys(OF_SAVING, self._saving),
        }

    def open(self) -> None:
        """Start the threads and follow the sliders."""
        for part in (self._journaling, self._saving, *self._of_frames):
            part.open()

    def close(self) -> None:
        """End what runs; what was written stays."""
        for part in (*reversed(self._of_frames), self._saving, self._journaling):
            part.close()

    def call_off(self) -> bool:
        """End a carrying where it stands; return False where nothing is carried."""
        return self._carrying.stop()


OF_DESK = ("choose_image", "choose_channel", "choose_labels")
"""Requests that the desk answers. Their value may be None: no image, no channel, a new Labels layer."""
OF_ACTS = (
    *("keep", "undo", "redo", "flip", "start_new", "take_up", "pick_object"),
    *("choose_positive", "choose_negative"),
)
"""Requests that concern the object being drawn."""
OF_CONDUCTOR = (
    *("cancel", "choose_protect"),
    *("set_threshold", "set_opacity", "set_diameter", "forget_diameter"),
)
"""Requests that concern how objects are drawn."""
OF_CHOICE = ("choose_model", "choose_device", "trust_model", "list_models")
"""Requests that concern which model answers."""
OF_ADDING = (
    *("add_model", "leave_adding", "back", "refuse", "examine"),
    *("open_trusted", "try_conventions", "keep_model"),
)
"""Requests of the assistant that adds a model."""


class Conductor:
    """Mutable owner of everything that one panel needs. It can be opened again after it was closed.

    Parameters
    ----------
    viewer : napari.Viewer
        May be napari's proxy for plugins.
    panel : Panel
        Who shows it all.
    list_all : callable
        Returns the models that can be picked, as they are when it is called.
    load : callable
        `load(name, device)` returns a predictor; called on a worker's thread.
    workshop : Workshop
        Who opens and keeps foreign models.
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
        list_all: Callable[[], list[ModelEntry]],
        load: Callable[[str, str], Predictor],
        workshop: Workshop,
        model: str | None = None,
        device: str = "auto",
    ) -> None:
        models = list_all()
        if not models:
            raise ValueError("The table of models is empty; reinstall napari-clickseg.")
        names = [entry.name for entry in models]
        chosen = model if model is not None and model in names else names[0]
        self._viewer = plain(viewer)
        self._panel = panel
        panel.show_models(models)
        self._open = False
        self.layers = ClickLayers(self._viewer, self.answer)
        self._answering = Answering(load, chosen, device, self._on_answer, self._on_prepared)
        self._desk = Desk(self._viewer, self.layers, panel, self._answering.model)
        self._showing = Showing(panel, self._desk, self._answering)
        self._live = LivePreview(self._viewer, self.layers)
        self._acts = ObjectActs(
            self._viewer, panel, self._desk, self.layers, self._live, self._answering, self._showing
        )
        self._choice = ModelChoice(panel, self._desk, self._acts, self._answering, self._showing, list_all)
        self._whole = WholeFrames(self._viewer, panel, self._desk, self._acts, self._answering, self._showing)
        self._sequences = Sequences(self._viewer, panel, self._desk, self.layers, self._acts, self._showing, list_all)
        self._adding = AddingModel(self._viewer, panel, self._desk, workshop)
        self._owners: dict[str, object] = {
            **dict.fromkeys(OF_DESK, self._desk),
            **dict.fromkeys(OF_ACTS, self._acts),
            **dict.fromkeys(OF_CONDUCTOR, self),
            **dict.fromkeys(OF_CHOICE, self._choice),
            **dict.fromkeys(OF_ADDING, self._adding),
            "segment_frame": self._whole,
            **self._sequences.owners,
        }
        self._desk.switched.connect(self._on_desk_switched)
        self._desk.failed.connect(self._on_desk_failed)
        self._choice.changed.connect(self._whole.change_model)
        self._choice.ready.connect(self._whole.renew)
        self._adding.added.connect(self._choice.added)

    @property
    def session(self) -> Session | None:
        """The session of the image that is worked on; None where there is none."""
        return None if self._desk.current is None else self._desk.current.session

    def answer(self, name: str, value: Any = None) -> None:
        """Do what a key, a button or a picker asks for: the request `name`, with the value if it takes one.

        What is wrong with a request is told in the status line.
        """
        asked = getattr(self._owners[name], name)
        with telling(self._panel):
            if value is None and name not in OF_DESK:
                asked()
            else:
                asked(value)

    # -- opening and closing ---------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect to the viewer, take up its image and load the model in the background. Does nothing when open."""
        if self._open:
            return
        self._open = True
        self._answering.open()
        self._whole.open()
        self._adding.open()
        self._sequences.open()
        self._desk.use_predictor(self._answering.model)
        self._viewer.dims.events.current_step.connect(self._on_viewer_stepped)
        self._showing.model("loading")
        self._desk.open()

    def close(self) -> None:
        """Leave what is drawn, give everything back that is not ours and end the threads. Does nothing when closed."""
        if self._open:
            self._adding.leave_adding()
            self.abandon()
            self._live.hide()
            self.layers.release()

    def abandon(self) -> None:
        """Close as the viewer's window is gone: its layers are left as they are, nobody can draw them any more."""
        if not self._open:
            return
        self._open = False
        self._sequences.close()
        self._adding.close()
        self._whole.close()
        self._answering.close()
        self._viewer.dims.events.current_step.disconnect(self._on_viewer_stepped)
        self._desk.close()

    # -- requests --------------------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Call off what is done for whole frames; where nothing is, let the object being drawn disappear."""
        if not (self._whole.call_off() or self._sequences.call_off()):
            self._acts.cancel()

    def choose_protect(self, protect: Protect) -> None:
        """Change which pixels may be written over, for the object being drawn as well."""
        self._desk.protect(protect)
        if self.session is not None:
            self.set_threshold(self.session.threshold)

    def set_threshold(self, threshold: float) -> None:
        """Draw the object where its probability exceeds this."""
        if self.session is not None:
            self.session.threshold = threshold
            self._showing.tell()

    def set_opacity(self, opacity: float) -> None:
        """Change how strongly the preview shows."""
        self._live.opacity = opacity
        self._on_viewer_stepped()

    def set_diameter(self, diameter: float) -> None:
        """Expect objects of this diameter; the clicks already made are answered anew."""
        self._change_diameter(diameter)

    def forget_diameter(self) -> None:
        """Expect objects as large as those kept so far, or as estimated from the image."""
        self._change_diameter(None)

    def _change_diameter(self, diameter: float | None) -> None:
        if self.session is not None:
            self.session.diameter = diameter
            self._showing.diameter()
            self._acts.ask_again()

    # -- what happened elsewhere -----------------------------------------------------------------------------------

    def _on_answer(self, answer: Answer) -> None:
        work, request, result = answer.work, answer.request, answer.result
        if work not in self._desk:
            return
        if isinstance(result, BaseException):
            self._acts.forget_plans()
            work.session.fail(request, result)
            return
        if request is work.session.pending:
            self._showing.seconds, self._showing.note = answer.seconds, result.note
        self._choice.adopt()
        following = work.session.apply(request, result)
        if following is not None:
            self._acts.ask(work, following)
        else:
            self._acts.answered(work)

    def _on_prepared(self, found: Prepared | BaseException) -> None:
        self._choice.prepared(found)

    def _on_desk_switched(self, work: Work | None) -> None:
        self._answering.warm_up(work)

    def _on_desk_failed(self, error: BaseException) -> None:
        self._showing.status(status.not_answered(error))

    def _on_viewer_stepped(self, event: Any = None) -> None:
        """Follow the sliders; a viewer that is being emptied may have fewer of them than the image has axes."""
        work = self._desk.current
        if work is not None and self._viewer.dims.ndim >= work.placement.ndim:
            self._live.show(work)
