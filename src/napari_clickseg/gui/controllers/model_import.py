"""Adding: the way of a foreign model from its file to the list of models; nothing is written before the last step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from psygnal import Signal

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.jobs import Outcome, Stop
from napari_clickseg.core.requests import Segmenter
from napari_clickseg.gui.background import Background
from napari_clickseg.gui.layer_pair import Work
from napari_clickseg.gui.preview import Answered, TrialLayer
from napari_clickseg.gui.view import messages as status
from napari_clickseg.gui.view.protocol import Adding, Choice, Panel, Question, Status
from napari_clickseg.gui.workspace import Desk
from napari_clickseg.models.io_spec import Conventions
from napari_clickseg.models.trust import ClassNeeded, Untrusted

ODD = re.compile(r"[^A-Za-z0-9._-]+")
NAMELESS = "model"


class Candidate(Protocol):
    """A foreign network that runs, with what was guessed of it."""

    @property
    def format(self) -> str: ...
    @property
    def conventions(self) -> Conventions: ...
    @property
    def guesses(self) -> Mapping[str, str]: ...
    def predictor(self, conventions: Conventions, name: str = ..., device: str = ...) -> Segmenter: ...


class Workshop(Protocol):
    """Who opens and keeps foreign models; `ForeignModels` in the panel. Called on a worker's thread."""

    def examine(self, choice: Choice, trust: bool) -> Candidate:
        """Open a file; Untrusted or ClassNeeded where the user has to say something first."""

    def keep(self, candidate: Candidate, conventions: Conventions, name: str) -> Path:
        """Write it as a model of the user's."""


class ForeignModels:
    """The workshop of the panel: `models.import_model`, imported on the thread that first needs it."""

    def examine(self, choice: Choice, trust: bool) -> Candidate:
        """Open a file."""
        from napari_clickseg.models import import_model as foreign

        return foreign.examine(choice.path, choice.class_path or None, choice.options, trust)

    def keep(self, candidate: Any, conventions: Conventions, name: str) -> Path:
        """Write it as a model of the user's."""
        from napari_clickseg.models import import_model as foreign

        return foreign.keep(candidate, conventions, name)


def proposed_name(path: str) -> str:
    """Return a name for a model that comes from this file or folder.

    Examples
    --------
    >>> proposed_name("/data/my U-Net (v2).pt")
    'my-U-Net-v2'
    """
    return ODD.sub("-", Path(path).stem).strip("-._")[:64] or NAMELESS


class AddingModel:
    """Mutable: how far the user has come. The newest question wins; what comes of older ones is dropped.

    Parameters
    ----------
    viewer : napari.Viewer
        Not a proxy. Its sliders tell the frame on which the model's answer is shown.
    panel : Panel
        Shows the assistant.
    desk : Desk
        Knows the image that is worked on.
    workshop : Workshop
    """

    added = Signal(str)
    """A model was written; carries its name."""

    def __init__(self, viewer: Any, panel: Panel, desk: Desk, workshop: Workshop) -> None:
        self._viewer = viewer
        self._panel = panel
        self._desk = desk
        self._workshop = workshop
        self._background = Background("clickseg-adding")
        self._trial = TrialLayer(viewer)
        self._shown: Adding | None = None
        self._choice = Choice("")
        self._trusts = False
        self._candidate: Candidate | None = None
        self._asked: tuple[object, ...] = ()
        desk.switched.connect(self._on_desk_switched)
        desk.moved.connect(self._on_desk_switched)

    def open(self) -> None:
        """Start the thread."""
        self._background.open()

    def close(self) -> None:
        """End the thread; what is shown stays."""
        self._background.close()

    # -- requests --------------------------------------------------------------------------------------------------

    def add_model(self) -> None:
        """Begin with the first step."""
        self._forget()
        self._show(Adding(file=self._choice.path))

    def leave_adding(self) -> None:
        """Leave everything as it was before the first step."""
        if self._shown is not None:
            self._forget()
            self._shown = None
            self._panel.show_adding(None)

    def back(self) -> None:
        """Go back to the first step; what was chosen there stays."""
        self.add_model()

    def refuse(self, sentence: str) -> None:
        """Say what is wrong with what was typed; what does not fit it is called off."""
        self._background.cancel()
        self._asked = ()
        self._change(news=status.error(sentence), busy=False, can_keep=False)

    def examine(self, choice: Choice) -> None:
        """Open what was chosen and find out what it expects."""
        self._choice, self._trusts = choice, False
        self._examine(status.EXAMINING)

    def open_trusted(self) -> None:
        """Open it, though code in it runs: the user said that this is trusted."""
        self._trusts = True
        self._examine(status.EXAMINING)

    def try_conventions(self, conventions: Conventions) -> None:
        """Show what the model answers under other conventions."""
        self._change(conventions=conventions)
        self._try()

    def keep_model(self, name: str) -> None:
        """Write the model under this name, as its answer was shown."""
        shown = self._shown
        if shown is None or shown.conventions is None or not shown.can_keep or self._candidate is None:
            return
        self._change(news=status.KEEPING, busy=True, can_keep=False, keeping=True)
        job = partial(_kept, self._workshop, self._candidate, shown.conventions, name)
        self._background.submit(job, partial(self._on_kept, name))

    # -- the three questions ---------------------------------------------------------------------------------------

    def _examine(self, news: Status) -> None:
        self._change(file=self._choice.path, news=news, busy=True)
        self._background.submit(partial(_examined, self._workshop, self._choice, self._trusts), self._on_examined)

    def _on_examined(self, outcome: Outcome) -> None:
        self._change(busy=False)
        problem = outcome.error
        if isinstance(problem, Untrusted):
            question = Question(Path(self._choice.path).name, problem.sha256)
            self._change(step="trust", question=question, news=status.MAY_IT_RUN)
        elif isinstance(problem, ClassNeeded):
            news = status.error(problem) if self._choice.class_path else status.CLASS_NEEDED
            self._change(step="file", asks_class=True, news=news)
        elif problem is not None:
            self._change(step="file", question=None, news=status.error(problem))
        else:
            self._begin_check(outcome.value)

    def _begin_check(self, candidate: Candidate) -> None:
        self._candidate = candidate
        self._change(
            step="check",
            question=None,
            conventions=candidate.conventions,
            reasons=candidate.guesses,
            summary=f"{Path(self._choice.path).name}: {candidate.format}",
            name=proposed_name(self._choice.path),
        )
        self._viewer.dims.events.current_step.connect(self._on_viewer_stepped)
        self._try()

    def _try(self) -> None:
        """Ask the model about the frame in view, as soon as it is not asked about that already."""
        shown, work = self._shown, self._desk.current
        if shown is None or shown.conventions is None or shown.keeping or self._candidate is None:
            return
        if work is None:
            self._background.cancel()
            self._asked = ()
            self._trial.hide()
            self._change(news=status.OPEN_TO_CHECK, busy=False, can_keep=False)
            return
        frame = _frame(self._viewer, work, shown.conventions.ndim)
        asked = (work, frame, shown.conventions, work.session.image)
        if asked == self._asked:
            return
        self._asked = asked
        self._change(news=status.TRYING, busy=True, can_keep=False)
        job = partial(_tried, self._candidate, shown.conventions, work, frame)
        self._background.submit(job, partial(self._on_tried, work))

    def _on_tried(self, work: Work, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._trial.hide()
            self._change(news=status.no_answer(outcome.error), busy=False)
            return
        self._trial.show(work, outcome.value)
        news = status.tried(outcome.value.count, outcome.value.seconds)
        self._change(news=news, busy=False, can_keep=True)

    def _on_kept(self, name: str, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._change(news=status.error(outcome.error), busy=False, can_keep=True, keeping=False)
            return
        self._choice = Choice("")
        self.leave_adding()
        self.added.emit(outcome.value.stem)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _show(self, adding: Adding) -> None:
        self._shown = adding
        self._panel.show_adding(adding)

    def _change(self, **changes: Any) -> None:
        if self._shown is not None:
            self._show(replace(self._shown, **changes))

    def _forget(self) -> None:
        """Call off what runs, and take back what was shown in the viewer."""
        self._background.cancel()
        if self._candidate is not None:
            self._viewer.dims.events.current_step.disconnect(self._on_viewer_stepped)
        self._candidate, self._asked = None, ()
        self._trial.hide()

    def _on_desk_switched(self, work: Work | None) -> None:
        self._try()

    def _on_viewer_stepped(self, event: Any = None) -> None:
        self._try()


def _frame(viewer: Any, work: Work, ndim: int) -> Frame:
    """The frame in view of a model that sees `ndim` axes; the model that is chosen may see others."""
    position = work.placement.position(viewer.dims.point)
    image = work.session.image
    counts = image.frames_shape(min(ndim, image.ndim))
    return tuple(min(max(round(p), 0), n - 1) for p, n in zip(position, counts, strict=False))


# -- jobs: on the worker's thread --------------------------------------------------------------------------------------


def _examined(workshop: Workshop, choice: Choice, trust: bool, stop: Stop) -> Candidate:
    stop.check()
    return workshop.examine(choice, trust)


def _tried(candidate: Candidate, conventions: Conventions, work: Work, frame: Frame, stop: Stop) -> Answered:
    image = work.session.image
    if image.ndim < conventions.ndim:
        raise ValueError(f"the image has the axes {image.axes}, but the network sees {conventions.ndim} spatial ones.")
    predictor = candidate.predictor(conventions, device="auto")
    stop.check()
    begun = perf_counter()
    labels = predictor.segment(image, frame, stop)
    return Answered(frame, labels, int(labels.max(initial=0)), perf_counter() - begun)


def _kept(workshop: Workshop, candidate: Candidate, conventions: Conventions, name: str, stop: Stop) -> Path:
    stop.check()
    return workshop.keep(candidate, conventions, name)
