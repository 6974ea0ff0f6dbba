"""Two real processes of torchrun train as one: the same weights, the joint batch's gradient, exact resuming."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from skimage.io import imsave
from torch import nn

from napari_clickseg.training import distributed as parallel
from napari_clickseg.training.checkpoint import CHECKPOINT, LOG
from napari_clickseg.training.distributed import Team, device_of, joined

SCRIPT = Path(__file__).with_name("two_processes.py")
LOCALHOST = ["--nnodes=1", "--nproc_per_node=2", "--master_addr=127.0.0.1"]
Torchrun = Callable[..., Path]


@pytest.fixture
def torchrun(tmp_path: Path, unused_port: int) -> Torchrun:
    """Run the script with two processes; its first word is what to do, and it works in a folder of its own."""
    for part in ("images", "labels"):
        (tmp_path / "discs" / part).mkdir(parents=True)
    y, x = np.mgrid[:60, :60]
    for k in range(2):
        labels = (np.hypot(y - 30, x - 28 - k) < 12).astype(np.uint16)
        imsave(tmp_path / "discs" / "images" / f"{k}.png", (40 + 150 * labels).astype(np.uint8), check_contrast=False)
        imsave(tmp_path / "discs" / "labels" / f"{k}.png", labels, check_contrast=False)

    def run(task: str, out: str) -> Path:
        command = [sys.executable, "-m", "torch.distributed.run", *LOCALHOST, f"--master_port={unused_port}"]
        done = subprocess.run(
            [*command, str(SCRIPT), task, str(tmp_path), out], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return tmp_path / out

    return run


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def weights_of(out: Path, rank: int) -> dict[str, torch.Tensor]:
    return dict(torch.load(out / f"weights{rank}.pt", weights_only=True))


def test_two_processes_end_with_the_same_weights_and_resume_to_them_bit_by_bit(torchrun: Torchrun):
    whole = torchrun("whole", "whole")
    first, second = weights_of(whole, 0), weights_of(whole, 1)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (whole / LOG).read_text().count("\n") == 2

    parts = torchrun("stop", "parts")
    assert (parts / CHECKPOINT).is_file()
    assert not (parts / "discs.safetensors").exists()
    torchrun("whole", "parts")
    for rank in (0, 1):
        resumed = weights_of(parts, rank)
        assert all(torch.equal(first[name], resumed[name]) for name in first)
    kept, again = load_file(whole / "discs.safetensors"), load_file(parts / "discs.safetensors")
    assert all(torch.equal(kept[name], again[name]) for name in kept)


def test_averaged_gradient_is_that_of_the_joint_batch(torchrun: Torchrun):
    """Loss (w x - 1)^2 at w = 0 has the gradient -2 x; one process sees x = (1, 0), the other (0, 3)."""
    out = torchrun("gradients", "gradients")
    for rank in (0, 1):
        told = json.loads((out / f"gradients{rank}.json").read_text())
        assert told == {"both": [-1.0, -3.0], "second only": [2.5], "none": None, "agreed": 0.25}


def test_alone_nothing_is_exchanged_and_gradients_stay():
    with joined("cpu", {}) as team:
        assert (team.rank, team.size, team.leads) == (0, 1, True)
        parameter = nn.Parameter(torch.zeros(2))
        parameter.grad = torch.tensor([1.0, 2.0])
        team.average_gradients([parameter])
        assert parameter.grad.tolist() == [1.0, 2.0]
        assert (team.agree(0.5), team.share("a"), team.gather("a")) == (0.5, "a", ["a"])


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parallel, "choose_device", torch.device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [device_of("cuda", rank, 2) for rank in (0, 1)] == [torch.device("cuda:0"), torch.device("cuda:1")]
    assert device_of("cpu", 1, 4) == torch.device("cpu")
    with pytest.raises(ValueError, match="3 processes want a GPU each, but this machine has 2"):
        device_of("cuda", 0, 3)
    with pytest.raises(ValueError, match="2 processes cannot share out the device 'cuda:1'; choose cuda or cpu"):
        device_of("cuda:1", 0, 2)


def test_buckets_hold_every_parameter_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parallel, "BUCKET", 5)
    parameters = [nn.Parameter(torch.zeros(size)) for size in (3, 3, 9, 1)]
    assert [[p.numel() for p in bucket] for bucket in parallel._buckets(parameters)] == [[3, 3], [9], [1]]


def test_only_the_first_process_leads():
    assert [Team(torch.device("cpu"), rank, 2).leads for rank in (0, 1)] == [True, False]
    assert [parallel.leads(environment) for environment in ({}, {"RANK": "0"}, {"RANK": "1"})] == [True, True, False]
