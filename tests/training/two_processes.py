"""What each process of test_parallel.py does: python two_processes.py TASK FOLDER OUT, under torchrun or alone."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
from torch import nn

from napari_clickseg.core.jobs import Stop, Stopped
from napari_clickseg.training import trainer
from napari_clickseg.training import trainer as validation
from napari_clickseg.training.distributed import joined
from napari_clickseg.training.recipe import Clicks, Recipe, Schedule

RANK = int(os.environ.get("RANK", "0"))
OPTIONS = {
    "widths": [8, 8, 16, 16, 16],
    "depths": [1, 1, 1, 1],
    "features": [8, 8, 16, 16, 16],
    "click_widths": [8, 8, 16, 16, 16],
}
RECIPE = Recipe(
    "discs",
    "Discs",
    "For tests.",
    network_options=OPTIONS,
    side=32,
    sources={"discs": 1.0},
    clicks=Clicks(rounds=2),
    schedule=Schedule(steps=4, batch=2, rate=3e-3, warm_up=1, average=0.9),
)


class KeptRun(trainer.Run):
    """A run whose weights can be looked at when it has ended."""

    def save(self, path: Path) -> None:
        super().save(path)
        torch.save(dict(self.network.named_parameters()), path.with_name(f"weights{RANK}.pt"))


def train(folder: Path, out: Path, stops_after: int | None = None) -> None:
    validation.WINDOWS = validation.BATCH = 2
    trainer.Run = KeptRun
    stop = Stop()

    def report(progress: trainer.Progress) -> None:
        assert RANK == 0
        if progress.step == stops_after:
            stop.request()

    try:
        trainer.train(RECIPE, trainer.Plan(folder, out, device="cpu", jobs=0), report, stop)
    except Stopped:
        assert stops_after is not None


def tell_gradients(out: Path) -> None:
    """Write the averaged gradients of parameters that both processes, one, and none has a gradient for."""
    both, second_only, none = (nn.Parameter(torch.zeros(size)) for size in (2, 1, 1))
    seen = torch.tensor([[1.0, 0.0], [0.0, 3.0]])[RANK]
    torch.autograd.backward((both @ seen - 1) ** 2)
    if RANK == 1:
        torch.autograd.backward(5 * second_only.sum())
    with joined("cpu") as team:
        team.average_gradients([both, second_only, none])
        agreed = team.agree([0.25, 0.75][RANK])
    gradients = {"both": both.grad.tolist(), "second only": second_only.grad.tolist(), "none": none.grad}
    out.mkdir(parents=True, exist_ok=True)
    (out / f"gradients{RANK}.json").write_text(json.dumps({**gradients, "agreed": agreed}))


if __name__ == "__main__":
    task, folder, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    if task == "gradients":
        tell_gradients(folder / name)
    else:
        train(folder, folder / name, stops_after=2 if task == "stop" else None)
