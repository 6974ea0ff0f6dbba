"""Train the two ordinary U-Nets behind the page on conversion: no clicks, three classes, two open sources.

    python train_unet.py --network our --minutes 14 --data DATA --out OUT    # OUT/our.pt
    python train_unet.py --network monai --minutes 9 --data DATA --out OUT   # OUT/monai.pt, needs MONAI

The classes are background, object, and contact: pixels near two objects. What is written is a plain state dict, as any
lab's script leaves behind; a checkpoint beside it lets the same command go on where it was stopped.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_clickseg.benchmark.datasets import Plane, read_items, read_plane
from napari_clickseg.core.images import CHANNEL, Image
from napari_clickseg.inference.window import three_channels
from napari_clickseg.networks.unet import UNet

SHARES = {"dsb2018": 0.8, "usiigaci_phase": 0.2}
"""Which sources are trained on, and how often each is drawn from. Both may train weights that are given away."""
SIDE, BATCH = 128, 8
PERCENTILES = (1.0, 99.8)
CONTACT = 3
"""Pixels that see two objects in a square of this side are contact."""
CLASS_WEIGHTS = (1.0, 1.0, 3.0)
LEARNING_RATE = 2e-3
TURNED_UP = 60
"""Steps over which the learning rate rises."""
SAVE_SECONDS = 60.0

Drawn = tuple[Tensor, Tensor]
"""A plane, normalised (1, 3, y, x), and its ids (1, 1, y, x), both float32."""


def networks(name: str) -> nn.Module:
    """Return an untrained network of three channels and three classes."""
    if name == "our":
        return UNet()
    from monai.networks.nets import BasicUNet

    return BasicUNet(spatial_dims=2, in_channels=3, out_channels=3, features=(16, 16, 32, 64, 128, 16))


def read_training(data: Path) -> dict[str, list[Drawn]]:
    """Return the planes of each source's `train` split."""
    return {
        source: [_normalised(read_plane(item, ())) for item in read_items(source, data / source, "train")]
        for source in SHARES
    }


def batch_of(planes: dict[str, list[Drawn]], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return turned, flipped and scaled windows (batch, 3, side, side) and their classes (batch, side, side)."""
    images, labels = zip(*(_window(_draw(planes, rng), rng) for _ in range(BATCH)), strict=True)
    return _varied(torch.cat(images), rng), classes_of(torch.cat(labels))


def classes_of(labels: Tensor) -> Tensor:
    """Return 0 background, 1 object, 2 contact, for ids (batch, 1, y, x)."""
    highest = functional.max_pool2d(labels, CONTACT, 1, CONTACT // 2)
    present = torch.where(labels > 0, -labels, torch.full_like(labels, -torch.inf))
    lowest = -functional.max_pool2d(present, CONTACT, 1, CONTACT // 2)
    contact = (highest > 0) & (lowest < highest)
    return ((labels > 0).long() + contact.long() * (2 - (labels > 0).long()))[:, 0]


def train(network: nn.Module, planes: dict[str, list[Drawn]], minutes: float, saved: Path, seed: int) -> None:
    """Train by the clock: the learning rate falls to nothing at its end. Goes on from a checkpoint, if there is one."""
    checkpoint = saved.with_suffix(".checkpoint")
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=1e-4)
    step, spent = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = state["step"], state["spent"]
    rng = np.random.default_rng([seed, step])
    weights = torch.tensor(CLASS_WEIGHTS)
    started, last, losses = time.monotonic() - spent, time.monotonic(), []
    network.train()
    while (spent := time.monotonic() - started) < 60 * minutes:
        rate = LEARNING_RATE * min(1, (step + 1) / TURNED_UP) * (1 + math.cos(math.pi * spent / (60 * minutes))) / 2
        for group in optimiser.param_groups:
            group["lr"] = rate
        images, wanted = batch_of(planes, rng)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(images.contiguous(memory_format=torch.channels_last)).float()
        loss = functional.cross_entropy(logits, wanted, weights) + _overlap_loss(logits, wanted)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        step += 1
        if time.monotonic() - last > SAVE_SECONDS:
            print(f"{spent / 60:.1f} min, step {step}, loss {np.mean(losses):.4f}", flush=True)
            torch.save(network.state_dict(), saved)
            state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "step": step, "spent": spent}
            torch.save(state, checkpoint)
            last, losses = time.monotonic(), []
    torch.save(halved(network), saved)
    print(f"done after {step} steps", flush=True)


def halved(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights in half precision: what is given away, and what all that is measured was measured with."""
    return {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()}


def _normalised(plane: Plane) -> Drawn:
    pixels = three_channels(_channels_first(plane.image))
    low, high = np.percentile(pixels, PERCENTILES, axis=(1, 2), keepdims=True)
    pixels = (pixels - low) / np.maximum(high - low, 1e-6)
    return torch.from_numpy(pixels.astype(np.float32))[None], torch.from_numpy(plane.labels.astype(np.float32))[
        None, None
    ]


def _channels_first(image: Image) -> np.ndarray:
    pixels = np.asarray(image.array, np.float32)
    return np.moveaxis(pixels, image.axes.index(CHANNEL), 0)[:3] if CHANNEL in image.axes else pixels[None]


def _draw(planes: dict[str, list[Drawn]], rng: np.random.Generator) -> Drawn:
    of_source = planes[rng.choice(list(SHARES), p=list(SHARES.values()))]
    return of_source[rng.integers(len(of_source))]


def _window(drawn: Drawn, rng: np.random.Generator) -> Drawn:
    image, labels = drawn
    sides = np.array(labels.shape[-2:])
    angle, size = rng.uniform(-math.pi, math.pi), SIDE * 2 ** rng.uniform(-0.4, 0.4)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turn = turn * [rng.choice((-1, 1)), 1] * size
    middle = rng.uniform(np.minimum(size / 2, sides / 2), np.maximum(sides - size / 2, sides / 2))
    affine = np.column_stack((turn[::-1, ::-1] / sides[::-1, None], (2 * middle / sides - 1)[::-1]))
    grid = functional.affine_grid(torch.from_numpy(affine[None].astype(np.float32)), [1, 1, SIDE, SIDE], False)
    how = {"padding_mode": "reflection", "align_corners": False}
    return (
        functional.grid_sample(image, grid, mode="bilinear", **how),
        functional.grid_sample(labels, grid, mode="nearest", **how),
    )


def _varied(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Contrast, brightness and noise, one of each per window."""
    shape = (BATCH, 1, 1, 1)
    gain, shift = rng.uniform(0.9, 1.1, shape), rng.uniform(-0.03, 0.03, shape)
    grain = rng.uniform(0, 0.04, shape) * rng.normal(size=(BATCH, 1, SIDE, SIDE)) * (rng.random(shape) < 0.5)
    return images * torch.from_numpy(gain).float() + torch.from_numpy(shift + grain).float()


def _overlap_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """One minus the soft Dice of objects, contact included."""
    found = 1 - functional.softmax(logits, dim=1)[:, 0]
    truth = (wanted > 0).float()
    return 1 - (2 * (found * truth).sum() + 1) / (found.sum() + truth.sum() + 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=("our", "monai"), required=True)
    parser.add_argument("--minutes", type=float, default=14)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    network = networks(options.network).to(memory_format=torch.channels_last)
    print(f"{sum(p.numel() for p in network.parameters()):,} parameters", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    train(network, read_training(options.data), options.minutes, options.out / f"{options.network}.pt", options.seed)


if __name__ == "__main__":
    main()
