"""PanelState: one pure function says all that the panel shows. `Reports` holds passing sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_clickseg.core.clicks import on_frame
from napari_clickseg.core.object_classes import colour_of
from napari_clickseg.gui.view import messages
from napari_clickseg.gui.view.protocol import (
    ClassesState,
    FilesState,
    FramesState,
    ModelState,
    ObjectState,
    PanelState,
    Status,
)

if TYPE_CHECKING:
    from napari_clickseg.gui.controller import Controller
    from napari_clickseg.gui.controllers.objects import Objects
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.workspace import Workspace
    from napari_clickseg.session.session import Session


class Reports:
    """Mutable: the sentence of the status line, where it is not simply where things stand.

    Parameters
    ----------
    changed : callable
        Called whenever the panel shows something else.

    Attributes
    ----------
    passing : Status or None
        Shown until something else happens.
    held : Status or None
        Shown in place of where things stand until something is done in the session.
    note : str
        A sentence that where things stand ends with.
    seconds : float or None
        How long the newest answer to the object took.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._held_at: object = None
        self.passing: Status | None = None
        self.held: Status | None = None
        self.note = ""
        self.seconds: float | None = None

    def report(self, news: Status) -> None:
        """Show a sentence until something else happens."""
        self.passing = news
        self._changed()

    def hold(self, news: Status) -> None:
        """Show a sentence in place of where things stand, until something is done."""
        self.held, self._held_at, self.passing = news, None, None
        self._changed()

    def resume(self, note: str = "") -> None:
        """Show where things stand."""
        self.passing, self.note = None, note
        self._changed()

    def follow(self, session: Session) -> None:
        """Let go of what is held once something was done in the session since it was shown."""
        if self.held is None or session.pending is not None:
            return
        self._held_at = self._held_at or session.state
        if self._held_at is not session.state:
            self.held = None

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Report what is wrong with a request; anything else that goes wrong in it is a bug and passes."""
        try:
            yield
        except (ValueError, TypeError) as problem:
            self.report(messages.error(problem))


def panel_state(panel: Controller) -> PanelState:
    """Return all that the panel shows now."""
    pair = panel.workspace.current
    picks = panel.workspace.picks()
    return PanelState(
        status=_status(panel, pair),
        picks=picks,
        object=_object(panel.workspace, panel.objects, pair, panel.frames.count),
        model=_model(panel),
        suggesting=panel.suggestions.state,
        learning=panel.learning.state,
        measuring=panel.measuring.enabled,
        classes=classes_state(panel, pair),
        frames=_frames(panel, pair),
        files=FilesState(
            panel.saving.unsaved, panel.saving.busy, panel.recovery.offer, pair is not None, panel.recovery.picture
        ),
        extent=panel.corrections.extent,
        new_id_of=None if panel.corrections.asked is None else panel.corrections.asked[1],
        importing=panel.model_import.shown,
        hints=messages.FIRST_STEPS if panel.tour.wanted and pair is not None else (),
        tour=panel.tour.wanted,
        hint=0 if pair is None else min(len(pair.session.clicks), 2),
        samples=pair is None and not picks.images,
    )


def _status(panel: Controller, pair: LayerPair | None) -> Status:
    reports, way = panel.reports, panel.workspace.in_the_way()
    if pair is None:
        return reports.passing or messages.NO_IMAGE
    if reports.passing is not None and reports.passing.kind == "error":
        return reports.passing
    if panel.propagation.question is not None:
        return panel.propagation.question
    if reports.held is not None and reports.held.offers and pair.session.pending is None:
        return reports.held
    if way:
        return messages.clicks_off(way)
    if reports.passing is not None:
        return reports.passing
    if not panel.models.loaded and not pair.session.clicks and not panel.models.failed:
        return messages.LOADING
    if reports.held is not None and pair.session.pending is None:
        return reports.held
    return standing(pair.session, reports.note, reports.seconds, panel.objects.queued)


def standing(session: Session, note: str = "", seconds: float | None = None, queued: int = 0) -> Status:
    """Return where the object being drawn stands and what the next key would do."""
    if session.pending is not None:
        return messages.thinking(session.label, len(session.clicks), queued)
    if _excludes_nothing(session):
        return messages.OBJECT_FIRST
    area = session.area()
    if area and session.clicks:
        return messages.drawn(session.label, area, seconds, note)
    if area:
        return messages.taken_up(session.label, area, note)
    if session.clicks:
        return messages.nothing_found(session.label, note)
    return messages.click_on(session.label, note)


def _excludes_nothing(session: Session) -> bool:
    """Whether the newest click is on a frame where all clicks exclude and no object was taken up."""
    if not session.clicks:
        return False
    frame = session.clicks[-1].frame(session.ndim)
    here = on_frame(session.clicks, frame, session.ndim)
    return frame not in session.state.taken_up and not any(click.positive for click in here)


def _object(workspace: Workspace, objects: Objects, pair: LayerPair | None, count: int | None) -> ObjectState:
    if pair is None:
        return ObjectState()
    session = pair.session
    return ObjectState(
        label=session.label,
        count=count,
        empty=session.state.empty,
        can_undo=session.can_undo or objects.queued > 0,
        can_redo=session.can_redo,
        flipped=objects.flipped,
        armed=objects.armed,
        threshold=session.threshold,
        diameter=pair.known_diameter(),
        diameter_known=session.diameter is not None,
        candidates=objects.thumbnails,
        candidate=session.candidate_shown,
    )


def _model(panel: Controller) -> ModelState:
    models = panel.models
    return ModelState(
        options=models.options,
        name=models.name,
        description=models.description,
        state=models.state,
        devices=models.devices,
        device=models.device,
        protect=panel.workspace.protection,
        question=models.question,
    )


def classes_state(panel: Controller, pair: LayerPair | None) -> ClassesState:
    """Return what the panel shows of classes."""
    if pair is None or not pair.session.class_names:
        return ClassesState(there=pair is not None)
    names, given, classes = pair.session.class_names, list(pair.session.classes.values()), panel.classes
    rows = tuple((name, colour_of(name, names), given.count(name)) for name in names)
    return ClassesState(rows, classes.class_to_give(pair), len(classes.proposed(pair)), classes.busy, True)


def _frames(panel: Controller, pair: LayerPair | None) -> FramesState:
    if pair is None or not panel.frames.has_frames(pair):
        return FramesState(axes=panel.frames.axes_of(pair))
    strip, findings, chosen = panel.review.shown(pair)
    return FramesState(strip, panel.propagation.progress, findings, chosen, panel.frames.axes_of(pair))
