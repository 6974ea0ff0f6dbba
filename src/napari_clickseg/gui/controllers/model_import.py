"""Model import: the way of a foreign model from its file to the list of models; nothing is written before the end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_clickseg.gui.view import messages
from napari_clickseg.gui.view.protocol import Choice, Importing, Question, Status
from napari_clickseg.models.trust import ClassNeeded, Untrusted

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.jobs import Outcome, Stop
    from napari_clickseg.core.requests import Segmenter
    from napari_clickseg.gui.background import Background, Ticket
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.preview import TrialLayer
    from napari_clickseg.gui.viewport import Viewport
    from napari_clickseg.gui.workspace import Workspace
    from napari_clickseg.models.io_spec import Conventions

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


class Importer(Protocol):
    """Who opens and keeps foreign models; `ForeignModels` in the panel. Called on a background thread."""

    def examine(self, choice: Choice, trust: bool) -> Candidate:
        """Open a file; Untrusted or ClassNeeded where the user has to say something first."""

    def keep(self, candidate: Candidate, conventions: Conventions, name: str) -> Path:
        """Write it as a model of the user's."""


class ForeignModels:
    """The importer of the panel: `models.foreign`, imported on the thread that first needs it."""

    def examine(self, choice: Choice, trust: bool) -> Candidate:
        """Open a file."""
        from napari_clickseg.models import import_model

        return import_model.examine(choice.path, choice.class_path or None, choice.options, trust)

    def keep(self, candidate: Any, conventions: Conventions, name: str) -> Path:
        """Write it as a model of the user's."""
        from napari_clickseg.models import import_model

        return import_model.keep(candidate, conventions, name)


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """The objects that a model found on a frame: int32 labels of the frame's shape, how many, and the seconds."""

    frame: Frame
    labels: npt.NDArray[np.int32]
    count: int
    seconds: float


class ModelImport:
    """Mutable: how far the user has come. The newest question wins; what comes of older ones is dropped.

    Parameters
    ----------
    workspace, viewport, trial, background
        Knows the image, which frame is in view, shows the answer over the image, on which thread models are opened.
    importer : Importer
    """

    added = Signal(str)
    """A model was written; carries its name."""
    changed = Signal()
    """`shown` is another one."""

    def __init__(
        self,
        workspace: Workspace,
        viewport: Viewport,
        trial: TrialLayer,
        background: Background,
        importer: Importer,
    ) -> None:
        self._workspace = workspace
        self._viewport = viewport
        self._trial = trial
        self._background = background
        self._importer = importer
        self._choice = Choice("")
        self._trusts = False
        self._candidate: Candidate | None = None
        self._asked: tuple[object, ...] = ()
        self._ticket: Ticket | None = None
        self.shown: Importing | None = None
        """What the assistant shows; None while it is not there."""
        workspace.switched.connect(self._on_workspace_switched)
        workspace.moved.connect(self._on_workspace_switched)
        viewport.stepped.connect(self._try)

    # -- requests --------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin with the first step."""
        self._forget()
        self._show(Importing(messages.CHOOSE_FILE, file=self._choice.path))

    def leave(self) -> None:
        """Leave everything as it was before the first step."""
        if self.shown is not None:
            self._forget()
            self.shown = None
            self.changed.emit()

    def back(self) -> None:
        """Go back to the first step; what was chosen there stays."""
        self.begin()

    def refuse(self, sentence: str) -> None:
        """Report what is wrong with what was typed; what does not fit it is called off."""
        self._cancel()
        self._asked = ()
        self._change(news=messages.error(sentence), busy=False, can_keep=False)

    def examine(self, choice: Choice) -> None:
        """Open what was chosen and find out what it expects."""
        self._choice, self._trusts = choice, False
        self._examine(messages.EXAMINING)

    def open_trusted(self) -> None:
        """Open it, though code in it runs: the user trusts it."""
        self._trusts = True
        self._examine(messages.EXAMINING)

    def try_conventions(self, conventions: Conventions) -> None:
        """Show what the model answers under other conventions."""
        self._change(conventions=conventions)
        self._try()

    def keep(self, name: str) -> None:
        """Write the model under this name, as its answer was shown."""
        shown = self.shown
        if shown is None or shown.conventions is None or not shown.can_keep or self._candidate is None:
            return
        self._change(news=messages.KEEPING, busy=True, can_keep=False, keeping=True)
        job = partial(_kept, self._importer, self._candidate, shown.conventions, name)
        self._submit(job, partial(self._on_kept, name))

    # -- the three questions ---------------------------------------------------------------------------------------

    def _examine(self, news: Status) -> None:
        self._change(file=self._choice.path, news=news, busy=True)
        self._submit(partial(_examined, self._importer, self._choice, self._trusts), self._on_examined)

    def _on_examined(self, outcome: Outcome) -> None:
        self._change(busy=False)
        problem = outcome.error
        if isinstance(problem, Untrusted):
            question = Question(Path(self._choice.path).name, problem.sha256)
            self._change(step="trust", question=question, news=messages.MAY_IT_RUN)
        elif isinstance(problem, ClassNeeded):
            news = messages.error(problem) if self._choice.class_path else messages.CLASS_NEEDED
            self._change(step="file", asks_class=True, news=news)
        elif problem is not None:
            self._change(step="file", question=None, news=messages.error(problem))
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
        self._try()

    def _try(self) -> None:
        """Ask the model about the frame in view, as soon as it is not asked about that already."""
        shown, pair = self.shown, self._workspace.current
        if shown is None or shown.conventions is None or shown.keeping or self._candidate is None:
            return
        if pair is None:
            self._cancel()
            self._asked = ()
            self._trial.hide()
            self._change(news=messages.OPEN_TO_CHECK, busy=False, can_keep=False)
            return
        frame = self._viewport.frame(pair, shown.conventions.ndim)
        asked = (pair, frame, shown.conventions, pair.session.image)
        if asked == self._asked:
            return
        self._asked = asked
        self._change(news=messages.TRYING, busy=True, can_keep=False)
        job = partial(_tried, self._candidate, shown.conventions, pair, frame)
        self._submit(job, partial(self._on_tried, pair))

    def _on_tried(self, pair: LayerPair, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._trial.hide()
            self._change(news=messages.no_answer(outcome.error), busy=False)
            return
        self._trial.show(pair, outcome.value)
        news = messages.tried(outcome.value.count, outcome.value.seconds)
        self._change(news=news, busy=False, can_keep=True)

    def _on_kept(self, name: str, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._change(news=messages.error(outcome.error), busy=False, can_keep=True, keeping=False)
            return
        self._choice = Choice("")
        self.leave()
        self.added.emit(outcome.value.stem)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _show(self, adding: Importing) -> None:
        self.shown = adding
        self.changed.emit()

    def _change(self, **changes: Any) -> None:
        if self.shown is not None:
            self._show(replace(self.shown, **changes))

    def _submit(self, job: Any, receive: Any) -> None:
        self._cancel()
        self._ticket = self._background.long.submit(job, receive)

    def _cancel(self) -> None:
        if self._ticket is not None:
            self._ticket.cancel()

    def _forget(self) -> None:
        """Call off what runs, and take back what was shown in the viewer."""
        self._cancel()
        self._candidate, self._asked = None, ()
        self._trial.hide()

    def _on_workspace_switched(self, pair: LayerPair | None) -> None:
        self._try()


def proposed_name(path: str) -> str:
    """Return a name for a model that comes from this file or folder.

    Examples
    --------
    >>> proposed_name("/data/my U-Net (v2).pt")
    'my-U-Net-v2'
    """
    return ODD.sub("-", Path(path).stem).strip("-._")[:64] or NAMELESS


# -- jobs: on the background thread ------------------------------------------------------------------------------------


def _examined(importer: Importer, choice: Choice, trust: bool, stop: Stop) -> Candidate:
    stop.check()
    return importer.examine(choice, trust)


def _tried(candidate: Candidate, conventions: Conventions, pair: LayerPair, frame: Frame, stop: Stop) -> Tried:
    image = pair.session.image
    if image.ndim < conventions.ndim:
        raise ValueError(f"the image has the axes {image.axes}, but the network sees {conventions.ndim} spatial ones.")
    predictor = candidate.predictor(conventions, device="auto")
    stop.check()
    begun = perf_counter()
    labels = predictor.segment(image, frame, stop)
    return Tried(frame, labels, int(labels.max(initial=0)), perf_counter() - begun)


def _kept(importer: Importer, candidate: Candidate, conventions: Conventions, name: str, stop: Stop) -> Path:
    stop.check()
    return importer.keep(candidate, conventions, name)
