"""Planes that borrow from real images: real objects on other backgrounds, plain shapes with real texture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_clickseg.training.synthetic.optics import blur, camera_noise, eight_bits
from napari_clickseg.training.synthetic.scene import Labels, Mask, Plane, Scene, chance, log_uniform, tidy
from napari_clickseg.training.synthetic.shapes import (
    Canvas,
    lobed,
    polygonal,
    scattered,
    spread_out,
    tile,
    warped_canvas,
)
from napari_clickseg.training.synthetic.textures import rough_noise

RADII = (4.0, 60.0)


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """A real object: its pixels (y, x, 3) in 0..1 and which of them are the object's."""

    pixels: Plane
    mask: Mask


def draw_collage(rng: np.random.Generator, side: int, textures: Sequence[Plane], cutouts: Sequence[Cutout]) -> Scene:
    """Paste up to three real objects again and again on an unrelated background.

    Parameters
    ----------
    textures : sequence of ndarray
        Real images (y, x, 3) in 0..1 of which the background may be one.
    """
    image = rng.uniform(0.1, 0.9) + rng.uniform(0.02, 0.15) * texture(rng, side, textures)
    image = np.broadcast_to(np.clip(image, 0, 1), (side, side, 3)).astype(np.float32)
    labels = np.zeros((side, side), np.uint16)
    chosen = [cutouts[k] for k in rng.integers(0, len(cutouts), int(rng.integers(1, 4)))]
    for number in range(1, int(rng.integers(6, 60))):
        cutout = chosen[rng.integers(len(chosen))]
        turns = int(rng.integers(4))
        mask, pixels = np.rot90(cutout.mask, turns), np.rot90(cutout.pixels, turns)
        _paste(image, labels, number, pixels, mask, rng.integers(0, side, 2), over=chance(rng, 0.3))
    return Scene(eight_bits(_finish(rng, image)), tidy(labels))


def draw_shapes(rng: np.random.Generator, side: int, textures: Sequence[Plane] = ()) -> Scene:
    """Draw plain shapes, alone or as a tiling, with any contrast, texture, rim and glow."""
    radius = log_uniform(rng, *RADII)
    canvas, count = _tiling(rng, side, radius) if chance(rng, 0.25) else _loose(rng, side, radius)
    cover = canvas.coverage()
    contrast = rng.choice((-1, 1)) * rng.uniform(0.12, 0.6)
    levels = (contrast * rng.uniform(0.5, 1.4, count + 1)).astype(np.float32)[canvas.owner]
    if chance(rng, 0.4):
        width = np.float32(rng.uniform(0.8, 1 + 0.2 * radius))
        levels = levels + np.float32(rng.uniform(-0.5, 0.5)) * np.exp(-((canvas.distance / width) ** 2))
    if chance(rng, 0.3):
        levels = levels + np.float32(rng.uniform(-0.4, 0.4)) * canvas.rise
    ground = min(0.12, 0.4 * abs(contrast)) * rng.uniform(0, 1)
    image = rng.uniform(0.05, 0.95) + ground * texture(rng, side, textures)
    inner = levels[..., None] + np.float32(rng.uniform(0, 0.3)) * texture(rng, side, textures)
    image = image + cover[..., None] * inner
    if chance(rng, 0.4):
        glow = blur(cover, radius * rng.uniform(0.2, 0.8)) * (1 - cover)
        image = image + np.float32(rng.uniform(-0.4, 0.4)) * glow[..., None]
    image = np.broadcast_to(image, (side, side, 3)).astype(np.float32)
    return Scene(eight_bits(_finish(rng, image)), tidy(canvas.labels))


def texture(rng: np.random.Generator, side: int, textures: Sequence[Plane]) -> Plane:
    """A texture (y, x, 1 or 3) of mean 0 and deviation 1: part of a real image, mirrored to size, or noise."""
    if not textures or chance(rng, 0.4):
        return rough_noise(rng, (side, side), log_uniform(rng, 1, 40))[..., None]
    real = textures[int(rng.integers(len(textures)))]
    pads = [(0, max(0, side - n)) for n in real.shape[:2]] + [(0, 0)]
    real = np.pad(real, pads, mode="symmetric")
    top, left = (int(rng.integers(0, n - side + 1)) for n in real.shape[:2])
    cut = np.rot90(real[top : top + side, left : left + side], int(rng.integers(4)))
    even: Plane = ((cut - cut.mean()) / max(float(cut.std()), 1e-3)).astype(np.float32)
    return even


def _loose(rng: np.random.Generator, side: int, radius: float) -> tuple[Canvas, int]:
    canvas = warped_canvas(rng, side, radius * rng.uniform(1, 3), rng.uniform(0, 0.25))
    count = max(2, min(int(rng.uniform(0.05, 0.9) * side * side / (np.pi * radius**2)), 220))
    radii = radius * np.exp(rng.normal(0, 0.25, count))
    placed = spread_out(rng, side, radii, rng.uniform(0, 0.8), rng.uniform(0.7, 1.2))
    corners, over = chance(rng, 0.4), chance(rng, 0.5)
    for number, (y, x, size) in enumerate(placed, start=1):
        if corners:
            outline = polygonal(rng, size, int(rng.integers(3, 9)), rng.uniform(1, 4), rng.uniform(0, 0.5))
        else:
            outline = lobed(rng, size, rng.uniform(1, 3), rng.uniform(0, 0.35))
        canvas.star(number, y, x, outline, over=over)
    return canvas, len(placed)


def _tiling(rng: np.random.Generator, side: int, radius: float) -> tuple[Canvas, int]:
    canvas = warped_canvas(rng, side, radius * 2, rng.uniform(0, 0.2))
    seeds = scattered(rng, side, max(2 * radius, 14), rng.uniform(0.1, 0.6))
    tiling = tile(canvas, seeds, radius * rng.uniform(0, 0.8, len(seeds)).astype(np.float32))
    canvas.owner = tiling.owner
    canvas.distance = np.float32(rng.uniform(0.6, 3)) - tiling.wall
    canvas.rise = np.clip(tiling.wall / np.float32(radius), 0, 1)
    return canvas, len(seeds)


def _paste(
    image: Plane,
    labels: Labels,
    number: int,
    pixels: Plane,
    mask: Mask,
    centre: npt.NDArray[np.int64],
    over: bool,
) -> None:
    """Put a cut-out in with an edge one pixel soft; without `over` only where at least 70 % of it has room."""
    start = [int(c) - n // 2 for c, n in zip(centre, mask.shape, strict=True)]
    box = tuple(
        slice(max(s, 0), max(min(s + n, m), 0)) for s, n, m in zip(start, mask.shape, labels.shape, strict=True)
    )
    cut = tuple(slice(b.start - s, b.stop - s) for b, s in zip(box, start, strict=True))
    own = mask[cut]
    there = labels[box]
    if not own.any() or (not over and (there[own] != 0).mean() > 0.3):
        return
    fresh = own & ((there == 0) | over)
    there[fresh] = number
    alpha = blur(fresh.astype(np.float32), 0.7)[..., None]
    image[box] += alpha * (pixels[cut] - image[box])


def _finish(rng: np.random.Generator, image: Plane) -> Plane:
    """Colours or greys, blur, noise, full range."""
    if chance(rng, 0.5):
        image = image * rng.uniform(0.6, 1.4, 3).astype(np.float32) + rng.uniform(-0.1, 0.1, 3).astype(np.float32)
    else:
        image = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    image = camera_noise(rng, blur(image, rng.uniform(0, 1.5)), rng.uniform(0, 0.08))
    low, high = np.percentile(image[::3, ::3], (0.2, 99.8))
    finished: Plane = np.clip((image - low) / max(float(high - low), 1e-6), 0, 1)
    return finished
