"""Random textures of a plane: smooth noise, fibres, specks."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_clickseg.training.synthetic.scene import Plane


@cache
def interpolation(coarse: int, fine: int) -> Plane:
    """Matrix (fine, coarse) that stretches `coarse` samples over `fine` pixels with quadratic B-splines."""
    at = np.linspace(0.5, coarse - 1.5, fine, dtype=np.float32)[:, None]
    away = np.abs(at - np.arange(coarse, dtype=np.float32))
    weights: Plane = np.where(away < 0.5, 0.75 - away**2, 0.5 * np.maximum(1.5 - away, 0) ** 2)
    weights.setflags(write=False)
    return weights


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], scale: float | tuple[float, float]) -> Plane:
    """Noise (y, x) of mean 0 and deviation 1 that varies over `scale` pixels (along y and x, where there are two)."""
    along_y, along_x = (scale, scale) if isinstance(scale, (int, float)) else scale
    counts = [max(4, round(n / max(s, 1.0)) + 3) for n, s in zip(shape, (along_y, along_x), strict=True)]
    coarse = rng.standard_normal(counts, dtype=np.float32)
    noise = interpolation(counts[0], shape[0]) @ coarse @ interpolation(counts[1], shape[1]).T
    sample = noise[::3, ::3]
    noise -= sample.mean()
    noise *= 1 / (sample.std() + np.float32(1e-6))
    return noise


def rough_noise(
    rng: np.random.Generator, shape: tuple[int, int], scale: float, octaves: int = 3, gain: float = 0.6
) -> Plane:
    """Noise of deviation about 1 with details down to `scale` / 2 ** (octaves - 1) pixels."""
    noise = smooth_noise(rng, shape, scale)
    strength = 1.0
    for octave in range(1, octaves):
        strength *= gain
        noise += np.float32(strength) * smooth_noise(rng, shape, max(scale / 2**octave, 1.0))
    rough: Plane = noise / noise[::3, ::3].std()
    return rough


def grain(rng: np.random.Generator, shape: tuple[int, int]) -> Plane:
    """Independent normal noise of every pixel."""
    return rng.standard_normal(shape, dtype=np.float32)


def fibres(rng: np.random.Generator, y: Plane, x: Plane, width: float, length: float) -> Plane:
    """Wavy bundles across (warped) coordinates: noise stretched along a random direction, deviation 1."""
    angle = rng.uniform(0, np.pi)
    along = (np.cos(angle) * x + np.sin(angle) * y) / np.float32(length)
    across = (np.cos(angle) * y - np.sin(angle) * x) / np.float32(width)
    table = rng.standard_normal((64, 64), dtype=np.float32)
    rows, columns = np.floor(across), np.floor(along)
    v, u = across - rows, along - columns
    v, u = v * v * (3 - 2 * v), u * u * (3 - 2 * u)
    i, j = rows.astype(np.int32) & 63, columns.astype(np.int32) & 63
    below, beside = (i + 1) & 63, (j + 1) & 63
    upper = table[i, j] * (1 - u) + table[i, beside] * u
    lower = table[below, j] * (1 - u) + table[below, beside] * u
    bundle = upper * (1 - v) + lower * v
    bundle = (bundle - bundle.mean()) / (bundle.std() + np.float32(1e-6))
    wavy: Plane = bundle.astype(np.float32)
    return wavy


def specks(
    rng: np.random.Generator, shape: tuple[int, int], count: int, radii: tuple[float, float], where: Plane | None = None
) -> Plane:
    """Soft dots of height up to 1 and of radius within `radii` on 0; they lie only `where` that is above 0."""
    plane = np.zeros(shape, np.float32)
    positions = rng.uniform(0, 1, (count, 2)) * np.array(shape)
    if where is not None:
        rows, columns = positions.astype(int).T
        positions = positions[where[rows, columns] > 0]
    sizes = np.exp(rng.uniform(np.log(radii[0]), np.log(radii[1]), len(positions)))
    heights = rng.uniform(0.4, 1, len(positions))
    for (y, x), radius, height in zip(positions.tolist(), sizes.tolist(), heights.tolist(), strict=True):
        dot(plane, y, x, radius, height)
    return plane


def dot(plane: Plane, y: float, x: float, radius: float, height: float) -> None:
    """Raise `plane` by a dot with a flat top and a soft rim."""
    reach = int(radius * 1.6) + 2
    top, left = max(int(y) - reach, 0), max(int(x) - reach, 0)
    part = plane[top : int(y) + reach + 1, left : int(x) + reach + 1]
    if part.size:
        dy = (np.arange(part.shape[0], dtype=np.float32) + np.float32(top - y)) ** 2
        dx = (np.arange(part.shape[1], dtype=np.float32) + np.float32(left - x)) ** 2
        part += np.float32(height) * np.exp(-(((dy[:, None] + dx) / np.float32(radius * radius)) ** 2))
