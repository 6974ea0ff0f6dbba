"""Controller: makes the parts of one panel, calls what keys and buttons ask for, and has the panel painted anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_clickseg.gui.actions import BY_NAME
from napari_clickseg.gui.alpha_layer import AlphaLayer
from napari_clickseg.gui.background import Background
from napari_clickseg.gui.channel_contrast import ChannelContrast
from napari_clickseg.gui.click_layers import ClickLayers
from napari_clickseg.gui.controllers.classes import Classes
from napari_clickseg.gui.controllers.corrections import Corrections
from napari_clickseg.gui.controllers.frames import Frames
from napari_clickseg.gui.controllers.hover import Hover
from napari_clickseg.gui.controllers.learning import Learning
from napari_clickseg.gui.controllers.measuring import Measuring
from napari_clickseg.gui.controllers.model_import import Importer, ModelImport
from napari_clickseg.gui.controllers.models import Models
from napari_clickseg.gui.controllers.objects import Objects
from napari_clickseg.gui.controllers.propagation import Propagation
from napari_clickseg.gui.controllers.recovery import Recovery
from napari_clickseg.gui.controllers.review import Reviewing
from napari_clickseg.gui.controllers.saving import Saving
from napari_clickseg.gui.controllers.suggestions import Suggestions
from napari_clickseg.gui.controllers.tools import Tools
from napari_clickseg.gui.controllers.tour import Tour
from napari_clickseg.gui.outlines import Outlines, SuggestionOutlines
from napari_clickseg.gui.panel_state import Reports, panel_state
from napari_clickseg.gui.plugin_layers import plain
from napari_clickseg.gui.preview import Preview, TrialLayer
from napari_clickseg.gui.suspension import Suspended, suspension_of
from napari_clickseg.gui.view import messages
from napari_clickseg.gui.viewport import Viewport
from napari_clickseg.gui.workspace import Workspace
from napari_clickseg.storage.paths import first_steps_marker

if TYPE_CHECKING:
    from napari_clickseg.core.requests import Predictor
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.view.protocol import View
    from napari_clickseg.models.registry import ModelEntry
    from napari_clickseg.session.session import Session

FOR_LAYERS = ("pandas", "skimage.util")
"""What napari imports when the first Labels and Points layers are made; half a second that the window need not wait."""


class Controller:
    """Mutable owner of everything that one panel needs. It can be opened again after it was closed.

    Parameters
    ----------
    viewer : napari.Viewer
        May be napari's proxy for plugins.
    view : View
        Shows it all.
    list_all : callable
        Returns the models that can be picked, as they are when it is called.
    load : callable
        `load(name, device)` returns a predictor; called on a background thread.
    importer : Importer
        Opens and keeps foreign models.
    model : str, optional
        The name of the model to begin with; the first in the table where absent or not there.
    device : str
        Where it computes to begin with.
    hover : bool
        Whether masks are shown ahead of clicks.
    cellpose_mouse : bool
        Whether Ctrl+click deletes an object and Alt+click joins two, as in Cellpose.

    Raises
    ------
    ValueError
        Where there are no models.
    """

    def __init__(
        self,
        viewer: Any,
        view: View,
        list_all: Callable[[], list[ModelEntry]],
        load: Callable[[str, str], Predictor],
        importer: Importer,
        model: str | None = None,
        device: str = "auto",
        hover: bool = True,
        cellpose_mouse: bool = False,
    ) -> None:
        viewer = plain(viewer)
        self._view = view
        self._suspension = suspension_of(viewer)
        self._open = self._opening = self._soon = self._moved = False
        self.background = Background()
        self.reports = Reports(self.invalidate)
        self.viewport = Viewport(viewer)
        self.layers = ClickLayers(viewer, self.run, cellpose_mouse)
        self.tour = Tour(first_steps_marker())
        self.models = Models(list_all, load, model, device)
        self.workspace = Workspace(viewer, self.layers, self.reports, self.models.model)
        self.models.join(self.workspace, self.background, self.reports)
        self.preview = Preview(self.layers, self.viewport)
        self.frames = Frames(self.workspace, self.viewport, self.background)
        self.objects = Objects(self.workspace, self.layers, self.viewport, self.models, self.reports)
        self.hover = Hover(
            self.workspace,
            self.objects,
            self.models,
            self.viewport,
            self.background,
            self.preview,
            self.reports,
            hover,
        )
        self.tools = Tools(self.workspace, self.objects, self.layers, self.preview, self.reports)
        self.corrections = Corrections(
            self.workspace, self.objects, self.frames, self.background, self.preview, self.reports
        )
        self.propagation = Propagation(
            self.workspace, self.objects, self.frames, self.viewport, self.background, self.reports
        )
        self.review = Reviewing(
            self.workspace,
            self.frames,
            self.corrections,
            self.propagation,
            self.viewport,
            self.background,
            self.preview,
            self.reports,
        )
        self.suggestions = Suggestions(
            self.workspace,
            self.objects,
            self.models,
            self.layers,
            self.viewport,
            self.background,
            self.preview,
            self.reports,
        )
        self.learning = Learning(self.workspace, self.models, self.background, self.reports)
        self.classes = Classes(self.workspace, self.objects, self.background, self.reports)
        self.measuring = Measuring(self.workspace, self.frames, self.background, self.reports)
        self.recovery = Recovery(viewer.layers, self.workspace, self.background, self.reports)
        self.saving = Saving(
            self.workspace, self.recovery, self.background, self.reports, list_all, view.ask_path, self._measures
        )
        self.contrast = ChannelContrast(viewer, self.workspace, self.viewport)
        self.alpha = AlphaLayer(viewer, self.workspace)
        self.outlines = Outlines(viewer.layers, self.workspace, self.viewport, self.background, self.classes)
        self.suggested = SuggestionOutlines(
            viewer.layers, self.workspace, self.viewport, self.background, self.suggestions
        )
        self.model_import = ModelImport(self.workspace, self.viewport, TrialLayer(viewer), self.background, importer)
        self.objects.interrupts = (self.suggestions.call_off, self.propagation.stop)
        self._connect_requests()
        self._connect_facts()

    @property
    def session(self) -> Session | None:
        """The session of the current image; None where there is none."""
        return None if self.workspace.current is None else self.workspace.current.session

    # -- opening and closing ---------------------------------------------------------------------------------------

    def open_soon(self) -> None:
        """Show the panel first, and open it when it is painted and what napari imports for our layers is there."""
        if not self._open and not self._opening:
            self._opening = True
            self.reports.report(messages.OPENING)
            self._view.show_state(panel_state(self))
            self.background.imported(FOR_LAYERS, self._open_if_wanted)

    def _open_if_wanted(self) -> None:
        if self._opening:
            self.open()

    def open(self) -> None:
        """Connect to the viewer, take up its image and load the model in the background. Does nothing when open."""
        if self._open:
            return
        self._open, self._opening = True, False
        self.background.open()
        self.viewport.open()
        self.recovery.open()
        self.frames.open()
        self.review.open()
        self.outlines.open()
        self.suggested.open()
        self.measuring.open()
        self.hover.open()
        suspended = self._suspension.take()
        for pair, journal in suspended.journals:
            self.recovery.adopt(pair, journal)
        self.models.open(suspended.model)
        self.workspace.open(suspended)
        self.invalidate()

    def close(self) -> None:
        """Leave what is drawn, give everything back that is not ours and end the threads. Does nothing when closed."""
        self._opening = False
        if self._open:
            self.model_import.leave()
            self.propagation.close()
            self.suggestions.close()
            self._suspend()
            self.abandon()
            self.preview.hide()
            self.outlines.release()
            self.suggested.release()
            self.layers.release()

    def _suspend(self) -> None:
        """Leave sessions in which something was done to the next panel of this viewer; what is drawn is kept."""
        last = self.workspace.current
        pairs = sorted((pair for pair in self.workspace if pair.session.step), key=lambda pair: pair is last)
        for pair in pairs:
            if not pair.session.state.empty:
                pair.session.put_away()
        journals = tuple((pair, self.recovery.release(pair)) for pair in pairs)
        self._suspension.put(Suspended(journals, self.models.model if pairs else None))

    def abandon(self) -> None:
        """Close as the viewer's window is gone: its layers are left as they are, nobody can draw them any more."""
        self._opening = False
        if not self._open:
            return
        self._open = False
        self.propagation.close()
        self.suggestions.close()
        self.learning.close()
        self.classes.close()
        self.review.close()
        self.frames.close()
        self.outlines.close()
        self.suggested.close()
        self.measuring.close()
        self.hover.close()
        self.models.close()
        self.viewport.close()
        self.workspace.close()
        self.recovery.close()
        self.background.close()

    # -- actions ---------------------------------------------------------------------------------------------------

    def run(self, name: str) -> None:
        """Do what a key asks for; where that concerns a place, at the pointer."""
        action, pair = BY_NAME[name], self.workspace.current
        with self.reports.errors():
            if not action.armed:
                self._method(name)()
            elif pair is not None:
                position = pair.position(self.viewport.pointer())
                if pair.label_at(position) is None:
                    raise ValueError(messages.POINT_FIRST)
                self._method(name)(position)
        self.invalidate()

    def press(self, name: str) -> None:
        """Do what a button asks for; where that concerns a place, at what is clicked next."""
        with self.reports.errors():
            self._method(name)(*((None,) if BY_NAME[name].armed else ()))
        self.invalidate()

    def _method(self, name: str) -> Callable[..., object]:
        method: Callable[..., object] = getattr(getattr(self, BY_NAME[name].owner), name)
        return method

    # -- painting --------------------------------------------------------------------------------------------------

    def invalidate(self) -> None:
        """Have the panel painted once the events at hand are done with."""
        if not self._soon:
            self._soon = True
            self.background.later(0, self.paint)

    def paint(self) -> None:
        """Show what is the case now, on the canvas where that moved and in the panel."""
        self._soon = False
        if not self._open:
            return
        pair = self.workspace.current
        if pair is not None:
            self.reports.follow(pair.session)
            pair.show_classes()
            if self._moved and self.viewport.knows(pair):
                self.preview.show(pair)
        elif self._moved:
            self.preview.hide()
        self._moved = False
        self._view.show_state(panel_state(self))

    def _redraw(self, *args: Any) -> None:
        """Have the canvas painted, too."""
        self._moved = True
        self.invalidate()

    # -- wires -----------------------------------------------------------------------------------------------------

    def _connect_requests(self) -> None:
        """Each request of the view goes to the method that answers it."""
        requests, objects, frames = self._view.requests, self.objects, self.frames
        wires: tuple[tuple[Any, Callable[..., object]], ...] = (
            (requests.image_chosen, self.workspace.choose_image),
            (requests.channel_chosen, self.workspace.choose_channel),
            (requests.labels_chosen, self.workspace.choose_labels),
            (requests.points_taken, objects.take_points),
            (requests.threshold_set, objects.set_threshold),
            (requests.diameter_set, objects.set_diameter),
            (requests.protect_chosen, objects.choose_protect),
            (requests.candidate_chosen, objects.choose_candidate),
            (requests.least_set, self.suggestions.set_least),
            (requests.learned_forgotten, self.learning.forget_learned),
            (requests.learned_kept, self.learning.keep_learned),
            (requests.class_chosen, self.classes.choose_class),
            (requests.class_added, self.classes.add_class),
            (requests.class_renamed, self.classes.rename_class),
            (requests.class_removed, self.classes.remove_class),
            (requests.opacity_set, self.set_opacity),
            (requests.model_chosen, self.models.choose_model),
            (requests.device_chosen, self.models.choose_device),
            (requests.models_opened, self.models.list_models),
            (requests.model_trusted, self.models.trust_model),
            (requests.extent_chosen, self.corrections.choose_extent),
            (requests.id_given, self.corrections.give_id),
            (requests.id_left, self.corrections.leave_id),
            (requests.frame_chosen, frames.go_to),
            (requests.along_chosen, frames.choose_along),
            (requests.axis_named, frames.name_axis),
            (requests.spacing_set, frames.set_spacing),
            (requests.everything_chosen, self.propagation.choose_everything),
            (requests.reach_set, self.propagation.set_reach),
            (requests.propagation_stopped, self.propagation.stop),
            (requests.finding_chosen, self.review.go_to_finding),
            (requests.repair_asked, self.review.repair),
            (requests.path_given, self.saving.answer),
            (requests.sample_chosen, self.workspace.open_sample),
            (requests.hint_dismissed, self.tour.leave),
            (requests.import_begun, self.model_import.begin),
            (requests.import_left, self.model_import.leave),
            (requests.import_back, self.model_import.back),
            (requests.import_refused, self.model_import.refuse),
            (requests.file_chosen, self.model_import.examine),
            (requests.file_trusted, self.model_import.open_trusted),
            (requests.conventions_edited, self.model_import.try_conventions),
            (requests.import_kept, self.model_import.keep),
        )
        requests.action.connect(self.press)
        requests.offered.connect(self.accept)
        for signal, method in wires:
            signal.connect(self._guarded(method))

    def accept(self, offer: str) -> None:
        """Do what a button below the status offers."""
        offers: dict[str, Callable[[], object]] = {
            "activate": self.workspace.activate,
            "convert": self.workspace.convert_image,
            "usual labels": self.workspace.make_usual_labels,
            "keep convention": self.workspace.keep_convention,
            "other labels": self.objects.switch_labels,
            "open saved": self.saving.open_saved,
            "open labels": self.saving.open_labels,
            "export log": self.saving.export_log,
            "add missing": lambda: self.propagation.answer("missing"),
            "replace": lambda: self.propagation.answer("replace"),
            "first steps": self.tour.begin,
            "leave": lambda: self.propagation.answer(None),
            "restore": self.recovery.restore,
            "discard": self.recovery.discard,
            "forget learned": self.learning.forget_learned,
        }
        self._guarded(offers[offer])()

    def _guarded(self, method: Callable[..., object]) -> Callable[..., None]:
        """Report what is wrong with a request, and have the panel painted."""

        def answer(*values: Any) -> None:
            with self.reports.errors():
                method(*values)
            self.invalidate()

        return answer

    def _connect_facts(self) -> None:
        """What happens in one part and concerns others."""
        for signal in (
            self.workspace.changed,
            self.models.ready,
            self.models.changed,
            self.frames.counted,
            self.propagation.changed,
            self.review.changed,
            self.suggestions.changed,
            self.learning.changed,
            self.classes.changed,
            self.measuring.changed,
            self.recovery.changed,
            self.model_import.changed,
            self.tour.changed,
        ):
            signal.connect(self.invalidate)
        for signal in (self.workspace.drawn, self.workspace.switched, self.frames.stepped):
            signal.connect(self._redraw)
        self.workspace.moved.connect(self._on_workspace_moved)
        self.model_import.added.connect(self.models.add)
        self.recovery.restored.connect(self.learning.resume)
        self.layers.verb_clicked.connect(self._on_layers_verb_clicked)
        self.objects.settled.connect(self._on_objects_settled)

    def _on_workspace_moved(self, pair: LayerPair) -> None:
        self.preview.renew(pair)
        self.invalidate()

    def _on_layers_verb_clicked(self, name: str, world: tuple[float, ...]) -> None:
        """A click with a key of Cellpose's does what the action's key does at that place."""
        pair = self.workspace.current
        with self.reports.errors():
            if pair is not None:
                self._method(name)(pair.position(world))
        self.invalidate()

    def _on_objects_settled(self) -> None:
        """Who has kept an object needs the first steps no more."""
        if self.tour.wanted:
            self.tour.leave()

    def _measures(self) -> bool:
        """Whether a table of measurements is saved with labels."""
        return self.measuring.enabled

    def set_opacity(self, opacity: float) -> None:
        """Change how strongly the object being drawn shows."""
        self.preview.opacity = opacity
        self._redraw()
