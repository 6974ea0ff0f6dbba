"""Windows of training: cut from annotated planes at random places, scales and angles, a batch at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from napari_clickseg.training.data import Matte, Pick, Plane, Pool, Target


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """A batch of windows.

    Attributes
    ----------
    images : Tensor
        (batch, 3, side, side) in 0..1, not yet normalised.
    labels : Tensor
        (batch, 1, side, side), ids as floats.
    truths : Tensor of bool
        (batch, 1, side, side).
    targets : Tensor
        (batch, 1, side, side), what the answer should be: the truth as 0 and 1, or a true alpha where there is one.
    centred : ndarray of bool
        Whether the first click lies in the middle of the window.
    """

    images: Tensor
    labels: Tensor
    truths: Tensor
    targets: Tensor
    centred: npt.NDArray[np.bool_]


def join_windows(parts: Sequence[Windows]) -> Windows:
    """Return one batch of several batches' windows."""
    images, labels, truths, targets = (
        torch.cat([getattr(p, name) for p in parts]) for name in ("images", "labels", "truths", "targets")
    )
    return Windows(images, labels, truths, targets, np.concatenate([part.centred for part in parts]))


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """Where one window lies: its middle and its half axes (columns of `turn`), in plane pixels, (y, x)."""

    plane: Plane
    target: Target
    centre: npt.NDArray[np.float32]
    turn: npt.NDArray[np.float32]
    size: float
    on_click: bool


def cut_windows(
    pool: Pool,
    count: int,
    side: int,
    shares: tuple[float, float, float],
    rng: np.random.Generator,
    picks: Sequence[Pick] | None = None,
) -> Windows:
    """Cut windows around random objects: turned, flipped, stretched, bent, at random scales (see `Recipe.shares`).

    Of `picks`, one window each is cut instead of `count` around any.
    """
    chosen = [pool.pick(rng) for _ in range(count)] if picks is None else picks
    places = [_place(*pool.at(pick), shares, rng) for pick in chosen]
    images, labels, truths, targets = [], [], [], []
    for place, grid in zip(places, _grids(places, side, rng)[:, None], strict=True):
        plane = place.plane
        seen = functional.grid_sample(plane.labels, grid, mode="nearest", padding_mode="border", align_corners=False)
        level = round(math.log2(max(place.size / side, 1)))
        pixels = plane.levels[min(level, len(plane.levels) - 1)].float()
        images.append(functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False))
        labels.append(seen)
        truths.append(seen == place.target.label)
        targets.append(truths[-1].float() if plane.matte is None else _alpha(plane.matte, grid, place.target.label))
    centred = np.array([place.on_click for place in places])
    return Windows(torch.cat(images), torch.cat(labels), torch.cat(truths), torch.cat(targets), centred)


def _alpha(matte: Matte, grid: Tensor, label: int) -> Tensor:
    """The true alpha of an object in a window."""
    alpha = functional.grid_sample(matte.alpha, grid, mode="bilinear", padding_mode="border", align_corners=False)
    owners = functional.grid_sample(matte.owners, grid, mode="nearest", padding_mode="border", align_corners=False)
    return alpha * (owners == label)


def _place(plane: Plane, target: Target, shares: tuple[float, float, float], rng: np.random.Generator) -> _Place:
    typical, octaves, uniform = shares
    share = rng.uniform(0.1, 0.85) if rng.random() < uniform else typical * 2 ** rng.normal(0, octaves)
    size = target.diameter / float(np.clip(share, 0.08, 1.2))
    on_click = bool(rng.random() < 0.6)
    if on_click:
        centre = target.points[rng.integers(len(target.points))]
    else:
        centre = np.array(target.centre) + rng.uniform(-0.15, 0.15, 2) * size
    angle = rng.uniform(-math.pi, math.pi) if rng.random() < 0.5 else rng.integers(4) * math.pi / 2
    stretch = math.exp(rng.normal(0, 0.1))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turn = turn @ np.diag([stretch * rng.choice((-1, 1)), 1 / stretch]) * size / 2
    return _Place(plane, target, centre.astype(np.float32), turn.astype(np.float32), size, on_click)


def _grids(places: Sequence[_Place], side: int, rng: np.random.Generator) -> Tensor:
    """Where each window pixel lies in its plane, in grid_sample's coordinates, (batch, side, side, 2)."""
    device = places[0].plane.labels.device
    line = torch.linspace(-1 + 1 / side, 1 - 1 / side, side, device=device)
    y, x = torch.meshgrid(line, line, indexing="ij")
    bends = _bends(len(places), side, rng, device)
    turns = torch.from_numpy(np.stack([place.turn for place in places])).to(device)
    centres = torch.from_numpy(np.stack([place.centre for place in places])).to(device)
    shapes = torch.tensor([place.plane.labels.shape[-2:] for place in places], dtype=torch.float32).to(device)
    pixels = torch.einsum("bij,byxj->byxi", turns, torch.stack((y, x), dim=-1) + bends) + centres[:, None, None]
    return ((pixels + 0.5) / shapes[:, None, None] * 2 - 1).flip(-1)


def _bends(count: int, side: int, rng: np.random.Generator, device: torch.device) -> Tensor:
    """Smooth displacements (count, side, side, 2), nothing for two thirds; the middle stays where it is."""
    strength = np.where(rng.random(count) < 0.35, rng.uniform(0.02, 0.07, count), 0)
    coarse = (strength[:, None, None, None] * rng.normal(size=(count, 2, 5, 5))).astype(np.float32)
    fine = functional.interpolate(
        torch.from_numpy(coarse).to(device), size=(side, side), mode="bicubic", align_corners=True
    ).permute(0, 2, 3, 1)
    return fine - fine[:, side // 2, side // 2][:, None, None]
