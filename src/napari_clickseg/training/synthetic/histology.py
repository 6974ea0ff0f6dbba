"""Stained tissue: nuclei in haematoxylin and eosin, or brown and blue nuclei in H-DAB, in crowded stroma."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_clickseg.training.synthetic.optics import blur, camera_noise, eight_bits, uneven_light
from napari_clickseg.training.synthetic.scene import Plane, Scene, chance, log_uniform, tidy
from napari_clickseg.training.synthetic.shapes import Canvas, again, lobed, spread_out, warped_canvas
from napari_clickseg.training.synthetic.textures import fibres, rough_noise, smooth_noise, specks

RADII = (3.5, 30.0)
HAEMATOXYLIN = (0.65, 0.70, 0.29)
EOSIN = (0.07, 0.99, 0.11)
DAB = (0.27, 0.57, 0.78)
"""Optical densities in red, green and blue: Ruifrok and Johnston, Anal. Quant. Cytol. Histol. 23 (2001) 291."""


def draw_histology(rng: np.random.Generator, side: int) -> Scene:
    """Draw a section with stained nuclei; each nucleus is an object."""
    radius = log_uniform(rng, *RADII)
    canvas, count = _nuclei(rng, side, radius)
    ground = _stroma(rng, canvas, radius)
    amount = _chromatin(rng, canvas, count, radius)
    stains = [_stain(rng, HAEMATOXYLIN), _stain(rng, EOSIN)]
    blue = amount
    densities = np.zeros((side, side, 3), np.float32)
    if chance(rng, 0.3):
        brown_ones = rng.random(count + 1) < rng.uniform(0.1, 0.9)
        share = np.where(brown_ones, rng.uniform(0.4, 1, count + 1), 0).astype(np.float32)[canvas.owner]
        brown = amount * share * np.float32(rng.uniform(0.8, 1.8))
        leak = np.float32(rng.uniform(0, 0.25)) * blur(brown, radius) + np.float32(rng.uniform(0, 0.15)) * ground
        densities += (brown + leak)[..., None] * _stain(rng, DAB)
        blue = amount * (1 - share)
        ground = ground * np.float32(rng.uniform(0.02, 0.3))
    densities += (blue + np.float32(rng.uniform(0, 0.2)) * ground)[..., None] * stains[0]
    densities += ground[..., None] * stains[1]
    densities *= np.float32(rng.uniform(0.6, 1.3))
    densities = blur(densities, rng.uniform(0.3, 0.4 + 0.05 * radius))
    light: Plane = np.float32(rng.uniform(0.85, 1)) * np.exp(-densities)
    light = light * uneven_light(rng, (side, side), rng.uniform(0, 0.12))[..., None]
    light = camera_noise(rng, light, log_uniform(rng, 0.003, 0.04))
    labels = np.where(canvas.distance < rng.uniform(-0.4, 0.8), canvas.owner, 0)
    return Scene(eight_bits(light), tidy(labels))


def _stain(rng: np.random.Generator, densities: tuple[float, float, float]) -> npt.NDArray[np.float32]:
    varied = np.maximum(np.array(densities) + rng.normal(0, 0.07, 3), 0.02)
    stain: npt.NDArray[np.float32] = (varied / np.linalg.norm(varied)).astype(np.float32)
    return stain


def _nuclei(rng: np.random.Generator, side: int, radius: float) -> tuple[Canvas, int]:
    """Round, oval and spindle nuclei, in crowds, rows and alone."""
    canvas = warped_canvas(rng, side, radius * rng.uniform(1.5, 4), rng.uniform(0.01, 0.12))
    count = max(3, int(rng.uniform(0.08, 0.9) * side * side / (np.pi * radius**2)))
    radii = radius * np.exp(rng.normal(0, rng.uniform(0.1, 0.35), min(count, 260)))
    placed = spread_out(rng, side, radii, clustering=rng.uniform(0, 0.85), gap=rng.uniform(0.8, 1.3))
    spindles = rng.uniform(0, 1) ** 2
    over = chance(rng, 0.5)
    for number, (y, x, size) in enumerate(placed, start=1):
        thin = chance(rng, spindles)
        stretch = rng.uniform(2, 4.5) if thin else rng.uniform(1, 1.7)
        canvas.star(number, y, x, lobed(rng, size * (0.8 if thin else 1), stretch, rng.uniform(0.02, 0.14)), over=over)
    return canvas, len(placed)


def _stroma(rng: np.random.Generator, canvas: Canvas, radius: float) -> Plane:
    """Eosin: plasm around the nuclei, fibres, red cells, and white where there is nothing."""
    shape = canvas.y.shape
    length = radius * rng.uniform(4, 15)
    ground = rng.uniform(0.15, 0.6) + rng.uniform(0.03, 0.2) * fibres(
        rng, canvas.y, canvas.x, radius * rng.uniform(0.2, 1), length
    )
    ground += rng.uniform(0.02, 0.15) * rough_noise(rng, shape, radius * rng.uniform(1, 5), 4, 0.7)
    if chance(rng, 0.6):
        empty = smooth_noise(rng, shape, radius * rng.uniform(2, 8)) + 0.5 * smooth_noise(rng, shape, radius)
        ground *= np.clip((empty + np.float32(rng.uniform(0.3, 2))) * 3, 0.03, 1)
    if chance(rng, 0.4):
        around = blur(canvas.coverage(), radius * rng.uniform(0.3, 0.8))
        ground += np.float32(rng.uniform(-0.3, 0.4)) * around
    if chance(rng, 0.15):
        reds = again(canvas)
        size = radius * rng.uniform(0.7, 1.2)
        for y, x in rng.uniform(0, shape[0], (int(rng.integers(2, 14)), 2)):
            reds.star(1, y, x, lobed(rng, size, 1.2, 0.05))
        ground = np.where(reds.inside, ground * 0.2 + np.float32(rng.uniform(0.5, 1)), ground)
    eosin: Plane = np.maximum(ground, 0.0).astype(np.float32)
    return eosin


def _chromatin(rng: np.random.Generator, canvas: Canvas, count: int, radius: float) -> Plane:
    """Haematoxylin in the nuclei: unequal, clumped, darker at the rim, with nucleoli."""
    shape = canvas.y.shape
    levels = np.exp(rng.normal(0, rng.uniform(0.1, 0.4), count + 1)).astype(np.float32) * rng.uniform(0.5, 1.3)
    clumps = rng.uniform(0.02, 0.35) * rough_noise(rng, shape, max(1.5, radius * rng.uniform(0.15, 0.6)), 2)
    amount = levels[canvas.owner] * np.maximum(1 + clumps, 0.25)
    if chance(rng, 0.6):
        rim = np.exp(-((canvas.distance / np.float32(0.1 * radius + 0.5)) ** 2))
        amount = amount * np.float32(rng.uniform(0.45, 1)) + np.float32(rng.uniform(0.1, 0.6)) * rim
    if radius > 6 and chance(rng, 0.5):
        deep = (canvas.rise > 0.3).astype(np.float32)
        amount = amount + specks(rng, shape, 4 * count, (0.08 * radius + 0.4, 0.2 * radius), deep)
    faded = rng.uniform(0, 0.3) * smooth_noise(rng, shape, 6 * radius)
    faded = np.clip(1 + faded, 0.4, 1.6)
    dense: Plane = (np.clip(amount, 0, 3) * canvas.coverage() * faded).astype(np.float32)
    return dense
