"""Sheets of cells whose borders are stained, or dark: epithelium, endothelium, plant tissue.

The line belongs to no cell.
"""

from __future__ import annotations

import numpy as np

from napari_clickseg.training.synthetic.optics import blur, camera_noise, expose, uneven_light
from napari_clickseg.training.synthetic.scene import Plane, Scene, chance, log_uniform, tidy
from napari_clickseg.training.synthetic.shapes import (
    Canvas,
    Stretch,
    Tiling,
    again,
    lobed,
    scattered,
    tile,
    warped_canvas,
)
from napari_clickseg.training.synthetic.textures import rough_noise, smooth_noise, specks

SPACINGS = (9.0, 120.0)


def draw_membranes(rng: np.random.Generator, side: int) -> Scene:
    """Draw a tiling with bright or dark walls."""
    spacing = log_uniform(rng, *SPACINGS)
    canvas, tiling, seeds = _tiling(rng, side, spacing)
    width = float(np.clip(spacing * log_uniform(rng, 0.015, 0.1), 0.7, 5))
    wall = _walls(rng, tiling, width, spacing)
    inside = _insides(rng, canvas, tiling, seeds, spacing)
    image = np.float32(rng.uniform(0.4, 1)) * wall
    if chance(rng, 0.3):
        image = np.float32(0.6) - image * np.float32(rng.uniform(0.2, 0.7))
    image = image + inside
    image = blur(image.astype(np.float32), rng.uniform(0.3, 1 + 0.3 * width))
    if chance(rng, 0.5):
        image = image + np.float32(rng.uniform(0, 0.5)) * blur(image, rng.uniform(3, 12))
    image = image * uneven_light(rng, image.shape, rng.uniform(0, 0.6))
    image = camera_noise(rng, image, log_uniform(rng, 0.01, 0.15), shot=0.7)
    border = max(0.6, width * rng.uniform(0.5, 1.1))
    labels = np.where(tiling.wall > border, tiling.owner, 0)
    return Scene(expose(rng, image.astype(np.float32), invert=0.06), tidy(labels, 30))


def _tiling(rng: np.random.Generator, side: int, spacing: float) -> tuple[Canvas, Tiling, Plane]:
    canvas = warped_canvas(rng, side, spacing * rng.uniform(0.6, 2), rng.uniform(0.01, 0.16))
    stretch = Stretch(rng.uniform(1.2, 2.4), rng.uniform(0, np.pi)) if chance(rng, 0.4) else None
    seeds = scattered(rng, side, spacing, rng.uniform(0.1, 0.65), stretch)
    radii = spacing * rng.uniform(0, rng.uniform(0.1, 0.9), len(seeds)).astype(np.float32)
    return canvas, tile(canvas, seeds, radii, stretch=stretch), seeds


def _walls(rng: np.random.Generator, tiling: Tiling, width: float, spacing: float) -> Plane:
    """Lines whose strength varies along the wall, with gaps, grains and torn threads."""
    wall = np.exp(-((tiling.wall / np.float32(width)) ** np.float32(rng.uniform(1.2, 2.5))))
    pair = tiling.owner.astype(np.int64) * 7919 + tiling.other
    both = np.minimum(pair, tiling.other.astype(np.int64) * 7919 + tiling.owner)
    own = np.exp(rng.normal(0, rng.uniform(0, 0.5), 4096)).astype(np.float32)[both % 4096]
    along = np.clip(1 + np.float32(rng.uniform(0, 0.6)) * smooth_noise(rng, wall.shape, spacing * 0.5), 0.1, 2)
    grains = np.clip(1 + np.float32(rng.uniform(0, 0.7)) * smooth_noise(rng, wall.shape, 1.5 + width), 0.1, 2)
    lines: Plane = wall * own * along * grains
    return lines


def _insides(rng: np.random.Generator, canvas: Canvas, tiling: Tiling, seeds: Plane, spacing: float) -> Plane:
    """Plasm of unequal level, puncta, and at times a faint nucleus."""
    levels = rng.uniform(0, rng.uniform(0.02, 0.3), len(seeds) + 1).astype(np.float32)
    inside = levels[tiling.owner] * (1 + 0.2 * rough_noise(rng, tiling.wall.shape, max(3.0, spacing * 0.2)))
    if chance(rng, 0.5):
        size = (0.6, 0.8 + 0.02 * spacing)
        inside = inside + np.float32(rng.uniform(0, 0.5)) * specks(rng, inside.shape, int(rng.integers(10, 250)), size)
    if spacing > 18 and chance(rng, 0.35):
        nuclei = again(canvas)
        for number, (y, x) in enumerate(seeds, start=1):
            nuclei.star(number, y, x, lobed(rng, spacing * rng.uniform(0.18, 0.3), rng.uniform(1, 1.5), 0.05))
        cover = nuclei.coverage() * (nuclei.owner == tiling.owner)
        inside = inside + np.float32(rng.uniform(-0.15, 0.4)) * blur(cover, rng.uniform(0.8, 1 + 0.05 * spacing))
    return inside.astype(np.float32)
