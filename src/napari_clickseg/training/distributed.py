"""Several processes that train one model, on one machine or many, as torchrun starts them.

Each process works on batches of its own, and the gradients are averaged before every update. The wrapper
DistributedDataParallel is not used: it expects one call of the network per update, but here the image and the clicks
enter by two calls, and the clicks several times.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed, nn

from napari_clickseg.inference.device import choose_device

BUCKET = 4_000_000
"""Numbers that travel together."""
PATIENCE = timedelta(hours=1)
"""How long a process waits for the others, who may be reading or validating."""
BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}


@dataclass(frozen=True, slots=True)
class Team:
    """The processes of a run, seen from one of them.

    Attributes
    ----------
    device : torch.device
        Where this process computes.
    rank, size : int
        Which one it is, and how many there are. Alone, nothing is exchanged.
    """

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process validates, reports and writes for all."""
        return self.rank == 0

    def agree(self, value: float) -> float:
        """Return the first process's value, for decisions that all must take alike."""
        if self.size == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64)
        distributed.broadcast(shared, src=0)
        return float(shared)

    def share(self, value: Any) -> Any:
        """Return the first process's value, of any kind."""
        shared = [value]
        if self.size > 1:
            distributed.broadcast_object_list(shared, src=0)
        return shared[0]

    def gather(self, value: Any) -> list[Any]:
        """Return every process's value, in the order of the ranks."""
        values = [value]
        if self.size > 1:
            values = [None] * self.size
            distributed.all_gather_object(values, value)
        return values

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over the processes, which is that of their batches joined.

        A process whose batch gave a parameter no gradient counts as zero; one that has none anywhere keeps none.
        """
        if self.size > 1:
            for bucket in _buckets(parameters):
                self._average(bucket)

    def _average(self, bucket: list[nn.Parameter]) -> None:
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        present = torch.tensor([float(p.grad is not None) for p in bucket], device=parts[0].device)
        flat = torch.cat([*(part.flatten() for part in parts), present])
        distributed.all_reduce(flat)
        *means, present = torch.split(flat / self.size, [*(p.numel() for p in bucket), len(bucket)])
        for parameter, mean, there in zip(bucket, means, present.tolist(), strict=True):
            parameter.grad = mean.view_as(parameter).clone() if there else None


def _buckets(parameters: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Lists of parameters that hold about BUCKET numbers each."""
    bucket: list[nn.Parameter] = []
    for parameter in parameters:
        bucket.append(parameter)
        if sum(p.numel() for p in bucket) >= BUCKET:
            yield bucket
            bucket = []
    if bucket:
        yield bucket


def leads(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process leads, before they have joined."""
    return int(environment.get("RANK", "0")) == 0


@contextmanager
def joined(device: str, environment: Mapping[str, str] = os.environ) -> Iterator[Team]:
    """Join the processes that torchrun started, by its environment variables; without torchrun, be alone.

    Raises
    ------
    ValueError
        Where the device is not there, or is none that several processes can share out.
    """
    size = int(environment.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team(choose_device(device))
        return
    own = device_of(device, int(environment["LOCAL_RANK"]), int(environment["LOCAL_WORLD_SIZE"]))
    if own.type == "cuda":
        torch.cuda.set_device(own)
    distributed.init_process_group(BACKENDS[own.type], timeout=PATIENCE)
    try:
        yield Team(own, distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()


def device_of(name: str, rank: int, count: int) -> torch.device:
    """Return the device of the process `rank` of the `count` on this machine: a GPU each, or the CPU.

    Raises
    ------
    ValueError
        For a device that only one process can have, and where there are fewer GPUs than processes.
    """
    device = choose_device(name)
    if device.type not in BACKENDS or device.index is not None:
        raise ValueError(f"{count} processes cannot share out the device {str(device)!r}; choose cuda or cpu.")
    if device.type == "cpu":
        return device
    if count > torch.cuda.device_count():
        raise ValueError(f"{count} processes want a GPU each, but this machine has {torch.cuda.device_count()}.")
    return torch.device("cuda", rank)
