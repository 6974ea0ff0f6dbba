"""Large and long things: organoids and embryos with dark rims, worms and larvae, in brightfield or fluorescence."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_clickseg.training.synthetic.optics import blur, camera_noise, dirt, expose, uneven_light
from napari_clickseg.training.synthetic.scene import Plane, Scene, chance, log_uniform, tidy
from napari_clickseg.training.synthetic.shapes import Canvas, lobed, spread_out, warped_canvas
from napari_clickseg.training.synthetic.textures import rough_noise, smooth_noise, specks


def draw_organoids(rng: np.random.Generator, side: int) -> Scene:
    """Draw organoids: spheroids and cysts with a lumen, some of them out of focus."""
    radius = log_uniform(rng, 8, 100)
    canvas = warped_canvas(rng, side, radius * rng.uniform(0.8, 2), rng.uniform(0.01, 0.12))
    count = max(1, min(int(rng.uniform(0.1, 0.7) * side * side / (np.pi * radius**2)), 100))
    radii = radius * np.exp(rng.normal(0, rng.uniform(0.1, 0.45), count))
    placed = spread_out(rng, side, radii, clustering=rng.uniform(0, 0.5), gap=rng.uniform(0.85, 1.2))
    budding = rng.uniform(0, 0.3) if chance(rng, 0.5) else 0.05
    over = chance(rng, 0.5)
    for number, (y, x, size) in enumerate(placed, start=1):
        canvas.star(number, y, x, lobed(rng, size, rng.uniform(1, 1.5), budding * rng.uniform(0.3, 1)), over=over)
    return _finished(rng, canvas, len(placed), radius)


def draw_worms(rng: np.random.Generator, side: int) -> Scene:
    """Draw worms: long, tapered, bent, across one another."""
    radius = log_uniform(rng, 2, 12)
    canvas = warped_canvas(rng, side, 10 * radius, rng.uniform(0, 0.06))
    count = int(rng.integers(2, 5 + int(side / (8 * radius))))
    for number in range(1, count + 1):
        line, radii = worm(rng, side, radius * float(np.exp(rng.normal(0, 0.15))))
        canvas.tube(number, line, radii, over=True)
    return _finished(rng, canvas, count, radius)


def worm(rng: np.random.Generator, side: int, radius: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Points (n, 2) along a worm, and its half width at each of them: blunt head, pointed tail."""
    length = radius * log_uniform(rng, 14, 50)
    points = int(np.clip(length / (1.4 * radius), 8, 30))
    along = np.linspace(0, 1, points)
    waves = rng.uniform(0.5, 2)
    turns = rng.uniform(0, 2 * np.pi) + rng.uniform(0.2, 1.3) * np.sin(2 * np.pi * waves * along + rng.uniform(0, 6))
    turns += rng.normal() * 1.5 * along
    steps = length / points * np.stack((np.sin(turns), np.cos(turns)), axis=1)
    line = steps.cumsum(axis=0)
    line += rng.uniform(0.1, 0.9, 2) * side - line[points // 2]
    radii = radius * np.minimum(1, 0.55 + 3 * along) * np.minimum(1, 0.12 + 2.2 * (1 - along))
    return line, radii


def _finished(rng: np.random.Generator, canvas: Canvas, count: int, radius: float) -> Scene:
    image = _brightfield(rng, canvas, count, radius) if chance(rng, 0.75) else _fluorescence(rng, canvas, count, radius)
    image = image * uneven_light(rng, image.shape, rng.uniform(0, 0.4))
    image = camera_noise(rng, image, log_uniform(rng, 0.004, 0.06))
    labels = np.where(canvas.distance < rng.uniform(-0.5, 1), canvas.owner, 0)
    return Scene(expose(rng, image, invert=0.12), tidy(labels, 40))


def _brightfield(rng: np.random.Generator, canvas: Canvas, count: int, radius: float) -> Plane:
    """A dark or bright rim, a body darker than the ground or as bright (cysts), cells and guts as texture."""
    shape = canvas.y.shape
    width = np.float32(radius * rng.uniform(0.04, 0.22) + 0.8)
    levels = np.exp(rng.normal(0, 0.3, count + 1)).astype(np.float32)[canvas.owner]
    depth = np.maximum(-canvas.distance, 0)
    cover = canvas.coverage()
    body = np.float32(rng.uniform(-0.1, 0.6)) * (1 - (1 - canvas.rise) ** 2) * levels
    rim = np.float32(rng.uniform(0.1, 0.7)) * np.exp(-((depth / width) ** 2)) * levels
    texture = rough_noise(rng, shape, max(1.5, radius * rng.uniform(0.05, 0.4)), 3, 0.8)
    absorbed = cover * (body + rim + np.float32(rng.uniform(0.02, 0.15)) * texture)
    if chance(rng, 0.5):
        debris = specks(
            rng, shape, int(rng.integers(5, 120)), (0.02 * radius + 0.5, 0.12 * radius + 0.6), (canvas.rise > 0.3) * 1.0
        )
        absorbed += np.float32(rng.uniform(-0.2, 0.4)) * debris
    halo = np.exp(-(((canvas.distance - width) / width) ** 2)) * (1 - cover)
    image = 0.65 - np.float32(rng.uniform(0.3, 0.9)) * absorbed + np.float32(rng.uniform(-0.05, 0.25)) * halo
    image = image + np.float32(log_uniform(rng, 0.004, 0.05)) * rough_noise(rng, shape, log_uniform(rng, 3, 50))
    image = image + np.float32(rng.uniform(0, 0.2)) * dirt(rng, shape, 15)
    off = (rng.random(count + 1) < rng.uniform(0, 0.3))[canvas.owner]
    near = blur(np.where(off, 1, 0).astype(np.float32), 2.0)
    soft = blur(image.astype(np.float32), 0.5 + 0.06 * radius)
    sharp = blur(image.astype(np.float32), rng.uniform(0.3, 0.8 + 0.01 * radius))
    focused: Plane = sharp + near * (soft - sharp)
    return focused


def _fluorescence(rng: np.random.Generator, canvas: Canvas, count: int, radius: float) -> Plane:
    """Stained cells in a hollow or solid body."""
    shape = canvas.y.shape
    levels = np.exp(rng.normal(0, 0.4, count + 1)).astype(np.float32)[canvas.owner]
    shell = np.exp(-np.maximum(-canvas.distance, 0) / np.float32(radius * rng.uniform(0.1, 1)))
    cells = np.maximum(1 + rng.uniform(0.1, 0.8) * smooth_noise(rng, shape, max(1.5, 0.15 * radius)), 0.05)
    light = canvas.coverage() * levels * (np.float32(rng.uniform(0.1, 0.5)) + shell) * cells
    image = blur(light.astype(np.float32), rng.uniform(0.5, 0.8 + 0.03 * radius))
    glowing: Plane = image + np.float32(rng.uniform(0, 0.4)) * blur(image, 0.4 * radius) + np.float32(0.05)
    return glowing
