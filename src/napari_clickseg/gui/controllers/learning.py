"""Learning: the model learns from the kept objects in the background, and answers where a check finds that it pays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from psygnal import Signal

from napari_clickseg.core.requests import Adaptable
from napari_clickseg.gui.view import learning_messages, messages
from napari_clickseg.gui.view.protocol import LearningState
from napari_clickseg.models.card import amend_card
from napari_clickseg.models.registry import DEFAULT, LEARNED, SUFFIX, find_model
from napari_clickseg.storage.paths import learned_folder, user_folder

if TYPE_CHECKING:
    from pathlib import Path

    from napari_clickseg.core.exemplars import Exemplar
    from napari_clickseg.core.jobs import Outcome, Stop
    from napari_clickseg.gui.background import Background, Ticket
    from napari_clickseg.gui.controllers.models import Models
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.panel_state import Reports
    from napari_clickseg.gui.workspace import Workspace

FEWEST = 5
"""So many kept objects are wanted, as in `training.adapt`, which brings in torch."""
LOOK_MS = 300
"""So often the bar follows what is done."""
NO_IMAGE = "Open an image first."
LOADING = "The model is still loading."
READY = "Let the model learn from the objects kept or confirmed; it is used only if it then needs fewer clicks."


class Taught(Protocol):
    """What came of learning, as `training.adapt.Lesson`."""

    @property
    def better(self) -> bool:
        """Whether the learned weights are to be used."""

    @property
    def name(self) -> str:
        """The learned model's name."""

    @property
    def sentence(self) -> str:
        """What the check found."""

    def save(self, path: Path) -> Path:
        """Write the learned weights."""


Teach = Callable[[Sequence["Exemplar"], str, "Stop"], Taught]


def teach_default(objects: Sequence[Exemplar], device: str, stop: Stop) -> Taught:
    """Let the shipped weights learn from objects on a device."""
    from napari_clickseg.training.adapt import adapt  # brings in torch: not when the panel opens

    return adapt(objects, device, stop)


class Learning:
    """Mutable: whether the model learns now, what came of it, and which model answered before.

    Parameters
    ----------
    workspace, models, background, reports
        Where the pairs are, who answers, on which thread, where sentences go.
    teach : callable
        Learns from objects; called on the background thread.
    """

    changed = Signal()
    """`state` is another one."""

    def __init__(
        self,
        workspace: Workspace,
        models: Models,
        background: Background,
        reports: Reports,
        teach: Teach = teach_default,
    ) -> None:
        self._workspace = workspace
        self._models = models
        self._background = background
        self._reports = reports
        self._teach = teach
        self._ticket: Ticket | None = None
        self._before = DEFAULT
        self._sentence = ""
        models.changed.connect(self._on_models_changed)

    @property
    def busy(self) -> bool:
        """Whether the model is learning."""
        return self._ticket is not None and self._ticket.busy

    @property
    def used(self) -> bool:
        """Whether learned weights answer."""
        return bool(LEARNED.fullmatch(self._models.name))

    @property
    def state(self) -> LearningState:
        """Whether the model can learn now, is learning, and what came of it."""
        tip = self._why_not()
        done = 0.0 if self._ticket is None or not self.busy else self._ticket.done
        return LearningState(not tip, self.busy, tip or READY, done, self._sentence, self.used)

    def close(self) -> None:
        """Call off what runs; the weights that answer are kept."""
        if self._ticket is not None:
            self._ticket.cancel()

    # -- requests --------------------------------------------------------------------------------------------------

    def learn(self) -> None:
        """Learn from what was kept, in the background; where that goes on, stop it.

        Raises
        ------
        ValueError
            Where too few objects were kept, the model cannot learn or is still loading.
        """
        if self.busy:
            self.stop()
            return
        tip, pair = self._why_not(), self._workspace.current
        if tip or pair is None:
            raise ValueError(tip)
        objects = self._objects(pair)
        if len(objects) < FEWEST:
            raise ValueError(learning_messages.too_few(len(objects), FEWEST))
        job = partial(_learned, self._teach, objects, self._models.device_in_use)
        self._sentence = ""
        self._ticket = self._background.long.submit(job, partial(self._on_outcome, pair, len(objects)))
        self._reports.report(learning_messages.LEARNING)
        self._follow()

    def stop(self) -> None:
        """Stop learning; nothing is changed."""
        if self._ticket is not None and self.busy:
            self._ticket.cancel()
            self._reports.report(learning_messages.LEARNING_STOPPED)
            self.changed.emit()

    def forget_learned(self) -> None:
        """Let the model answer again that answered before."""
        if self.used:
            self._sentence = ""
            self._models.choose_model(self._before)
            self._reports.hold(learning_messages.forgotten(self._before))

    def keep_learned(self) -> None:
        """Keep the learned weights as a model of one's own."""
        pair = self._workspace.current
        if self.used and pair is not None:
            job = partial(_kept, self._models.name, f"{pair.image_name} learned")
            self._background.files.submit(job, self._on_kept)

    def resume(self, name: str) -> None:
        """Let the weights answer again that a restored session used; say so where they are gone."""
        if not LEARNED.fullmatch(name) or name == self._models.name:
            return
        try:
            entry = find_model(name)
        except ValueError:
            self._reports.hold(learning_messages.LEARNED_GONE)
            return
        self._use(name, entry.description)  # the status line goes on to say that the session is restored

    # -- inside ----------------------------------------------------------------------------------------------------

    def _why_not(self) -> str:
        model = self._models.loaded
        if self._workspace.current is None:
            return NO_IMAGE
        if model is None:
            return LOADING
        if isinstance(model, Adaptable) and model.adaptable:
            return ""
        return learning_messages.cannot_learn(model.name)

    def _objects(self, pair: LayerPair) -> list[Exemplar]:
        """What was kept in the current image, and in others of its kind that are open."""
        array = pair.session.image.array
        pairs = [pair] + [
            one
            for one in self._workspace
            if one is not pair
            and one.session.image.array.dtype == array.dtype
            and one.session.image.channels == pair.session.image.channels
        ]
        return [exemplar for one in pairs for exemplar in one.session.exemplars()]

    def _use(self, name: str, sentence: str) -> None:
        if not self.used:
            self._before = self._models.name
        self._models.use_learned(name)
        self._sentence = sentence

    def _follow(self) -> None:
        """Show how far it is, until it is done."""
        self.changed.emit()
        if self.busy:
            self._background.later(LOOK_MS, self._follow)

    def _on_outcome(self, pair: LayerPair, count: int, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._reports.hold(learning_messages.not_learned(outcome.error))
        elif pair not in self._workspace:
            self._reports.hold(learning_messages.LEARNED_FOR_NOTHING)
        elif not outcome.value.better:
            self._sentence = outcome.value.sentence
            self._reports.hold(learning_messages.nothing_learned(outcome.value.sentence))
        else:
            with self._reports.errors():
                sentence = f"Learned from {count} objects. {outcome.value.sentence}"
                self._use(outcome.value.name, sentence)
                self._reports.hold(learning_messages.learned(sentence))
        self.changed.emit()

    def _on_kept(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._reports.report(messages.not_saved(outcome.error))
        else:
            self._models.list_models()
            self._reports.report(learning_messages.learned_kept(outcome.value))
        self.changed.emit()

    def _on_models_changed(self) -> None:
        """Another model was chosen: what is being learned is not wanted any more."""
        self.stop()
        if not self.used:
            self._sentence = ""


def _learned(teach: Teach, objects: Sequence[Exemplar], device: str, stop: Stop) -> Taught:
    """Learn, and write the weights beside the journals, where a restored session finds them."""
    lesson = teach(objects, device, stop)
    if lesson.better:
        learned_folder().mkdir(parents=True, exist_ok=True)
        lesson.save(learned_folder() / f"{lesson.name}{SUFFIX}")
    return lesson


def _kept(name: str, title: str, stop: Stop) -> str:
    """Copy learned weights to the user's models, under a name that is free; return that."""
    entry = find_model(name)
    assert entry.path is not None
    user_folder().mkdir(parents=True, exist_ok=True)
    plain = "".join(c if c.isalnum() or c in " -_." else "-" for c in title)
    names = (plain if number == 1 else f"{plain} {number}" for number in range(1, 1000))
    own = next(one for one in names if not (user_folder() / f"{one}{SUFFIX}").exists())
    amend_card(entry.path, to=user_folder() / f"{own}{SUFFIX}", name=own, title=own)
    return own
