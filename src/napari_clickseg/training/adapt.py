"""Adapt: the default model learns from a few objects of one's own images, and is checked on some that it did not see.

Every adaptation begins with the shipped weights. The stream that runs with each click is trained, and the normalisation
of the image's; batches are cut, clicked and graded as in the default's own training (`training.gpu.steps`). A copy
learns from a part of the objects, and a simulated user clicks on the others with it and without. Only where that takes
fewer clicks than before, the copy goes on with all objects.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import nn

from napari_clickseg.core.clicks import Click
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.metrics import iou
from napari_clickseg.core.requests import Adaptable, Others, Request
from napari_clickseg.core.simulated_user import next_click
from napari_clickseg.inference.device import free_memory, ran_out_of_memory
from napari_clickseg.inference.guidance import Encoding
from napari_clickseg.inference.judged_predictor import JudgedPredictor
from napari_clickseg.models.card import read_click_card
from napari_clickseg.models.load import new_network, read_weights, save_model
from napari_clickseg.models.registry import DEFAULT, SHIPPED_FOLDER, SUFFIX
from napari_clickseg.networks.lite_clicknet import LiteClickNet
from napari_clickseg.training.few_objects import SMALLEST, USUAL, Effort, Trainee

if TYPE_CHECKING:
    from napari_clickseg.core.exemplars import Exemplar
    from napari_clickseg.core.requests import Predictor
    from napari_clickseg.models.card import ModelCard

FEWEST = 5
"""So many objects are wanted."""
ENOUGH, MOST_CLICKS = 0.85, 10
"""The simulated user clicks until this IoU, and so often at most."""
GAIN = 0.1
"""The learned weights are used where they save this share of the clicks."""
HELD_SHARE, FEWEST_HELD, MOST_HELD = 1 / 3, 2, 6
"""How many of the objects the copy does not see that is checked."""
CHECK_SHARE = 0.6
"""How much of the time goes into the copy that is checked."""
NAME = "learned-"
NO_PARTS = (
    "{name} cannot learn from kept objects: it has no stream that runs with each click alone. Choose the default model."
)
TOO_FEW = "Learning needs {fewest} kept objects, of {smallest} pixels at least; there {are} {count}. Keep some more."
NO_MEMORY = "Learning needs more memory than there is; nothing was changed."


class Taught(Protocol):
    """What a session has for learning."""

    @property
    def predictor(self) -> Predictor:
        """Who answers."""

    def exemplars(self) -> tuple[Exemplar, ...]:
        """Return the objects kept and confirmed."""


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Weights to begin with: a network in evaluation mode, as it was trained, and its card."""

    network: LiteClickNet
    card: ModelCard

    @classmethod
    def shipped(cls) -> Start:
        """Return the default model as it was shipped, whatever was made of it since."""
        path = SHIPPED_FOLDER / f"{DEFAULT}{SUFFIX}"
        card = read_click_card(path)
        network = new_network(card.network, card.network_options, Encoding.from_mapping(card.encoding))
        read_weights(network, path)
        assert isinstance(network, LiteClickNet)
        return cls(network.eval(), card)

    def predictor(self, device: torch.device) -> JudgedPredictor:
        """Return a predictor with a copy of the network."""
        return JudgedPredictor.of(copy.deepcopy(self.network), self.card, device)


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What came of learning.

    Attributes
    ----------
    before, after : tuple of int
        Clicks per object that the copy had not seen, by the shipped weights and by the copy; empty where nothing was
        checked.
    learned : Start or None
        The weights after all objects; None where the check found no gain.
    device : torch.device
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    learned: Start | None
    device: torch.device

    @property
    def better(self) -> bool:
        """Whether the learned weights are to be used."""
        return self.learned is not None

    @property
    def name(self) -> str:
        """The name of the learned model; "" where there is none."""
        return "" if self.learned is None else self.learned.card.name

    @property
    def sentence(self) -> str:
        """What the check found, for people."""
        return check_sentence(self.before, self.after)

    @property
    def predictor(self) -> JudgedPredictor:
        """Who answers with the learned weights.

        Raises
        ------
        ValueError
            Where there are none.
        """
        return self._learned().predictor(self.device)

    def save(self, path: str | Path) -> Path:
        """Write the learned weights with their card, as a model for the picker and `load_model`; return the path.

        Raises
        ------
        ValueError
            Where there are none.
        OSError
            Where the disk refuses; no part of the file is left then.
        """
        learned, place = self._learned(), Path(path)
        save_model(place, learned.network, learned.card)
        return place

    def _learned(self) -> Start:
        if self.learned is None:
            raise ValueError(f"Nothing was learned that saves clicks: {self.sentence}")
        return self.learned


def check_sentence(before: Sequence[int], after: Sequence[int]) -> str:
    """Return in words what a check found.

    >>> check_sentence((3, 2, 3), (2, 1, 2))
    'On 3 objects that it had not seen: 1.7 instead of 2.7 clicks.'
    >>> check_sentence((1, 1), (1, 1))
    'On 2 objects that it had not seen it saves no clicks (1.0, before 1.0): it is not used.'
    """
    if not before:
        return "It was not checked."
    then, now = float(np.mean(before)), float(np.mean(after))
    if pays(before, after):
        return f"On {len(before)} objects that it had not seen: {now:.1f} instead of {then:.1f} clicks."
    saves = "no" if now >= then else "too few"
    return (
        f"On {len(before)} objects that it had not seen it saves {saves} clicks ({now:.1f}, before {then:.1f}): "
        "it is not used."
    )


def pays(before: Sequence[int], after: Sequence[int]) -> bool:
    """Return whether clicks per object became fewer by `GAIN` at least: few objects differ by chance, too.

    >>> pays((3, 3), (2, 3)), pays((10, 10), (9, 10))
    (True, False)
    """
    return float(np.mean(after)) <= (1 - GAIN) * float(np.mean(before))


def why_not(predictor: Predictor) -> str:
    """Return why the model of a session cannot learn, in a sentence; "" where it can."""
    if isinstance(predictor, Adaptable) and predictor.adaptable:
        return ""
    return NO_PARTS.format(name=predictor.name)


def learn(
    sessions: Taught | Iterable[Taught],
    stop: Stop = NEVER,
    checked: bool = True,
    effort: Effort = USUAL,
) -> Lesson:
    """Let the default model learn from the objects kept in one session, or in several.

    Takes about a minute on two cores. Changes nothing: `session.predictor = lesson.predictor` has the learned weights
    answer.

    Parameters
    ----------
    stop : Stop
        Ends it; `stop.done` says how far it is.
    checked : bool
        Whether the weights count only where they save clicks on objects that they did not see.

    Raises
    ------
    ValueError
        Where fewer than `FEWEST` objects were kept or confirmed, or a session's model cannot learn.
    MemoryError
        Where there is too little of it.
    Stopped
        Where `stop` was requested.
    """
    each = tuple(sessions) if isinstance(sessions, Iterable) else (sessions,)
    for session in each:
        reason = why_not(session.predictor)
        if reason:
            raise ValueError(reason)
    objects = [one for session in each for one in session.exemplars()]
    first = each[0].predictor
    assert isinstance(first, JudgedPredictor)
    return adapt(objects, first.torch_device, stop, checked, effort)


def adapt(
    objects: Sequence[Exemplar],
    device: torch.device | str = "cpu",
    stop: Stop = NEVER,
    checked: bool = True,
    effort: Effort = USUAL,
    start: Start | None = None,
) -> Lesson:
    """As `learn`, from exemplars; on the CPU where the memory of a GPU does not do.

    Parameters
    ----------
    start : Start, optional
        The weights to begin with; the shipped ones where absent.
    """
    if len(objects) < FEWEST:
        are = "is" if len(objects) == 1 else "are"
        raise ValueError(TOO_FEW.format(fewest=FEWEST, smallest=SMALLEST, are=are, count=len(objects)))
    where = torch.device(device)
    try:
        return _adapted(objects, start or Start.shipped(), where, stop, checked, effort)
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or _short_of_memory(error)):
            raise
        free_memory(where)
    if where.type == "cpu":
        raise MemoryError(NO_MEMORY)
    return adapt(objects, "cpu", stop, checked, effort, start)


def _short_of_memory(error: RuntimeError) -> bool:
    """Whether torch could not get memory; that of the CPU it reports in words alone."""
    return ran_out_of_memory(error) or "not enough memory" in str(error) or "can't allocate memory" in str(error)


def _adapted(
    objects: Sequence[Exemplar], start: Start, device: torch.device, stop: Stop, checked: bool, effort: Effort
) -> Lesson:
    diameter = float(np.median([one.diameter for one in objects]))
    held, seen = split(objects) if checked else ((), tuple(objects))
    trainee = Trainee(start.network, start.card, device, effort)
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    if checked:
        plain = start.predictor(device)
        before = tuple(clicks_needed(plain, one, diameter, stop) for one in held)
        trainee.train(seen, effort.steps, effort.seconds * CHECK_SHARE, stop, (0.0, CHECK_SHARE))
        trained = replace(start, network=trainee.weights()).predictor(device)
        after = tuple(clicks_needed(trained, one, diameter, stop) for one in held)
        if not pays(before, after):
            return Lesson(before, after, None, device)
    steps = effort.steps // 2 if checked else effort.steps
    part = (CHECK_SHARE, 1.0) if checked else (0.0, 1.0)
    trainee.train(objects, steps, effort.seconds * (part[1] - part[0]), stop, part)
    network = trainee.weights()
    return Lesson(before, after, Start(network, _card(start.card, network, objects, before, after)), device)


def split(objects: Sequence[Exemplar]) -> tuple[tuple[Exemplar, ...], tuple[Exemplar, ...]]:
    """Return objects to check on, and those to learn from meanwhile; the same for the same number of objects."""
    count = min(max(round(len(objects) * HELD_SHARE), FEWEST_HELD), MOST_HELD)
    order = np.random.default_rng(0).permutation(len(objects))
    return tuple(objects[k] for k in order[:count]), tuple(objects[k] for k in order[count:])


# -- the check ---------------------------------------------------------------------------------------------------------


def clicks_needed(predictor: Predictor, one: Exemplar, diameter: float, stop: Stop = NEVER) -> int:
    """Return how many clicks of the simulated user take an object to `ENOUGH`; `MOST_CLICKS` where none do.

    Other objects are known, and nothing is drawn over them, as in a session.

    Parameters
    ----------
    diameter : float
        Of the objects kept, in pixels.
    """
    truth, others, rng = one.mask, one.others, np.random.default_rng(one.label)
    known = Others(one.region, others) if others.any() else None
    mask, prior = np.zeros_like(truth), None
    clicks: list[Click] = []
    for number in range(1, MOST_CLICKS + 1):
        stop.check()
        click = next_click(truth, mask, clicks, rng)
        if click is None:
            return number - 1
        clicks.append(click)
        placed = tuple(
            Click((*one.frame, *(p + a for p, a in zip(c.position, one.region.start, strict=True))), c.positive)
            for c in clicks
        )
        prior = predictor.predict(one.image, Request(one.frame, placed, prior, diameter, others=known), stop)
        mask = prior.mask_on(one.region) & ~others
        if iou(mask, truth) >= ENOUGH:
            return number
    return MOST_CLICKS


def _card(
    card: ModelCard, network: nn.Module, objects: Sequence[Exemplar], before: Sequence[int], after: Sequence[int]
) -> ModelCard:
    """The card of learned weights, which are named for their content."""
    digest = hashlib.sha256()
    for value in network.state_dict().values():
        digest.update(value.numpy().tobytes())
    count = len(objects)
    measured = {} if not before else {"clicks before": float(np.mean(before)), "clicks": float(np.mean(after))}
    own = replace(
        card,
        name=f"{NAME}{digest.hexdigest()[:10]}",
        title=f"{card.title}, learned from {count} objects",
        description=f"Learned from {count} objects of the user's own. {check_sentence(before, after)}",
        data={"kept objects": "the user's own images"},
        metrics={"kept objects that it had not seen": measured} if measured else {},
        budget=f"{count} kept objects",
    )
    return own.tuned_from(card)
