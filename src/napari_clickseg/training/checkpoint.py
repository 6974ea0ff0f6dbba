"""A training run: what was asked for, and everything that a checkpoint holds of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from napari_clickseg.inference.device import choose_precision
from napari_clickseg.inference.guidance import Encoding
from napari_clickseg.models.card import ModelCard, read_click_card
from napari_clickseg.models.load import new_network, read_encoder, read_weights
from napari_clickseg.networks.clicked_encoder import pretrained_parameters
from napari_clickseg.storage.atomic import written_whole
from napari_clickseg.storage.tables import write_table
from napari_clickseg.training.recipe import Recipe, Schedule
from napari_clickseg.training.simulated_training import Memory

if TYPE_CHECKING:
    from napari_clickseg.training.distributed import Team

LOG = "log.csv"
EVENTS = "tensorboard"
Row = dict[str, float]
"""One line: "step", "seconds", "loss", and what validation measured."""
Write = Callable[[Sequence[Row]], None]


def has_tensorboard() -> bool:
    """Return whether TensorBoard's files can be written here."""
    return find_spec("tensorboard") is not None


@contextmanager
def open_logs(folder: Path, step: int) -> Iterator[Write]:
    """Give a function that logs all rows so far, of which the last is new.

    Parameters
    ----------
    folder : Path
        For log.csv and the folder tensorboard/.
    step : int
        Where the run stands: what TensorBoard's files hold beyond it is of a run that was lost, and no longer shown.
    """
    if not has_tensorboard():
        yield lambda rows: write_table(folder / LOG, rows)
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder / EVENTS, purge_step=step + 1) as events:

        def write(rows: Sequence[Row]) -> None:
            write_table(folder / LOG, rows)
            newest = rows[-1]
            for name in newest.keys() - {"step"}:
                events.add_scalar(name, newest[name], int(newest["step"]))
            events.flush()

        yield write


def write_nothing(rows: Sequence[Row]) -> None:
    """Log nothing, where another process does."""


def card_of(recipe: Recipe, budget: str) -> ModelCard:
    """Return the card of a model that a recipe made within a budget, in words."""
    return ModelCard(
        name=recipe.name,
        title=recipe.title,
        description=recipe.description,
        network=recipe.network,
        network_options=recipe.network_options,
        side=recipe.side,
        encoding=recipe.encoding,
        refinements=recipe.refinements,
        object_share=recipe.shares[0],
        data=recipe.credits,
        recipe=recipe.to_json(),
        budget=budget,
    )


CHECKPOINT = "checkpoint.pt"
NORMS = (nn.BatchNorm2d, nn.GroupNorm)
FOR_THE_CARD = {"name", "title", "description", "credits", "refinements"}
"""Fields of a recipe that enter the model card alone."""

OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "radam": partial(torch.optim.RAdam, decoupled_weight_decay=True),  # as its authors' own implementation does
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """One training run.

    Attributes
    ----------
    data : Path
        Folder of sources, as in `training.data`.
    out : Path
        Folder for the log, the checkpoint and the weights.
    device : str
        "auto", "cpu", "cuda" .. Several processes have a GPU each.
    start : Path or None
        A weights file to begin from.
    encoder : Path or None
        A weights file of a default model, whose encoder a network with a pretrained encoder begins with.
    minutes : float or None
        Train for this long instead of for the recipe's steps; the rate follows the clock.
    jobs : int
        Processes that place clicks; 0 places them in this one.
    resume : bool
        Go on from the checkpoint in `out`, if there is one.
    validate_every, save_every : float
        Seconds.
    places : mapping of str to Path
        Folders of sources that lie elsewhere than in `data`.
    background : int or None
        The number that stands for background in labels and masks.
    """

    data: Path
    out: Path
    device: str = "auto"
    start: Path | None = None
    encoder: Path | None = None
    minutes: float | None = None
    jobs: int = 0
    seed: int = 0
    resume: bool = True
    validate_every: float = 240.0
    save_every: float = 120.0
    places: Mapping[str, Path] = field(default_factory=dict)
    background: int | None = None


@dataclass(slots=True)
class Run:
    """Mutable owner of everything that a checkpoint holds. Processes have the same weights, but other random states."""

    team: Team
    made: Mapping[str, Any]
    network: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    rng: np.random.Generator
    generator: torch.Generator
    memory: Memory = field(default_factory=Memory)
    step: int = 0
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)
    start: ModelCard | None = None
    half: bool = True

    @classmethod
    def begin(cls, recipe: Recipe, plan: Plan, team: Team) -> Run:
        """Return a run at its first step, with new weights or those of `plan.start`."""
        torch.manual_seed(plan.seed)
        network = new_network(recipe.network, recipe.network_options, Encoding.from_mapping(recipe.encoding))
        if plan.start is not None:
            read_weights(network, plan.start)
        elif plan.encoder is not None:
            read_encoder(network, plan.encoder)
        network.load_state_dict(team.share(network.state_dict()))
        network.to(team.device).train()
        schedule = recipe.schedule
        optimiser = OPTIMISERS[schedule.optimiser](parameter_groups(network, schedule), lr=schedule.rate)
        average = copy.deepcopy(network).eval().requires_grad_(False)
        rng = np.random.default_rng([plan.seed, team.rank])
        generator = torch.Generator(team.device).manual_seed(plan.seed + team.rank)
        card = None if plan.start is None else read_click_card(plan.start)
        half = choose_precision(team.device) is torch.bfloat16
        return cls(team, _made(recipe), network, average, optimiser, rng, generator, start=card, half=half)

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all; every process calls this, and the first one writes."""
        own = {
            "rng": self.rng.bit_generator.state,
            "generator": self.generator.get_state(),
            "memory": self.memory.to_state(),
        }
        state = {
            "made": self.made,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "ranks": self.team.gather(own),
            "step": self.step,
            "seconds": self.seconds,
            "rows": self.rows,
        }
        if self.team.leads:
            with written_whole(path) as unfinished:
                torch.save(state, unfinished)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint, which the first process reads.

        Raises
        ------
        ValueError
            Where it belongs to another recipe, or to another number of processes.
        """
        state = torch.load(path, map_location="cpu", weights_only=True) if self.team.leads else None
        state = self.team.share(state)
        self._check(path, state)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        for group in self.optimiser.param_groups:
            group.setdefault("share", 1.0)  # a run of version 0.1.0 has one rate for all
        own = state["ranks"][self.team.rank]
        self.rng.bit_generator.state = own["rng"]
        self.generator.set_state(own["generator"])
        self.memory = Memory.of_state(own["memory"])
        self.step, self.seconds, self.rows = state["step"], state["seconds"], state["rows"]

    def _check(self, path: Path, state: Mapping[str, Any]) -> None:
        count = len(state["ranks"])
        if count != self.team.size:
            raise ValueError(
                f"{path} belongs to a run of {count} processes, and there are {self.team.size}: "
                f"go on with {count}, or start anew."
            )
        then = _completed(state["made"])
        others = [name for name, value in self.made.items() if then.get(name) != value]
        if others:
            raise ValueError(
                f"{path} belongs to another recipe, of another {', '.join(others)}; "
                "choose another output folder, or start anew."
            )


def parameter_groups(network: nn.Module, schedule: Schedule) -> list[dict[str, Any]]:
    """Return a network's parameters by rate and weight decay; `share` of a group is its rate over the schedule's."""
    pretrained = pretrained_parameters(network)
    norms = {p for module in network.modules() if isinstance(module, NORMS) for p in module.parameters()}
    decay = schedule.weight_decay if schedule.norm_decay is None else schedule.norm_decay
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        share = schedule.encoder_rate if parameter in pretrained else 1.0
        groups.setdefault((share, decay if parameter in norms else schedule.weight_decay), []).append(parameter)
    return [
        {"params": members, "share": share, "lr": share * schedule.rate, "weight_decay": decay}
        for (share, decay), members in groups.items()
    ]


def _completed(made: Mapping[str, Any]) -> dict[str, Any]:
    """What an older version recorded of a run, with the usual values of keys that it did not know."""
    usual = _made(Recipe("", "", ""))
    return {**usual, **made, "schedule": {**usual["schedule"], **made["schedule"]}}


def _made(recipe: Recipe) -> dict[str, Any]:
    """Return what a run is made of, as plain values: a run may go on for longer than it was begun for, no more."""
    values: dict[str, Any] = json.loads(json.dumps(recipe.to_json()))
    del values["schedule"]["steps"]
    return {name: value for name, value in values.items() if name not in FOR_THE_CARD}
