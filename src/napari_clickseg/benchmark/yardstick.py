"""Yardstick: forward passes of one well-known network, so that times of different machines can be compared."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

NETWORK = "hrnet18s"
GUIDANCE = 3
"""Click channels: inside, outside, the mask before."""
SIDE = 400
"""Pixels: the size to which the methods that use this network bring every image."""
PASSES = 5


@dataclass(frozen=True, slots=True)
class YardstickRow:
    """What one network took for one forward pass.

    Attributes
    ----------
    network : str
    side : int
        Of the square input, in pixels.
    device, precision : str
        Where it computed, and in which numbers.
    forward : float
        Milliseconds; the median of several passes after one to warm up.
    """

    network: str
    side: int
    device: str
    precision: str
    forward: float


def measure_yardstick(side: int = SIDE, device: str = "auto") -> YardstickRow:
    """Time forward passes of the network on a square input; what the weights are makes no difference to that."""
    import torch

    from napari_clickseg.inference.device import choose_device, choose_precision
    from napari_clickseg.networks.catalogue import build_network

    where, order = choose_device(device), torch.channels_last
    precision = choose_precision(where)
    network: Any = build_network(NETWORK, {"guidance": GUIDANCE})
    network.eval().to(where, precision).to(memory_format=order)
    inputs = [
        torch.rand(1, channels, side, side).to(where, precision, memory_format=order) for channels in (3, GUIDANCE)
    ]
    times = []
    with torch.no_grad():
        for _ in range(1 + PASSES):
            begun = time.perf_counter()
            network(*inputs).float().cpu()  # an answer is there once it is on the CPU
            times.append((time.perf_counter() - begun) * 1000)
    return YardstickRow(NETWORK, side, where.type, str(precision).removeprefix("torch."), float(np.median(times[1:])))
