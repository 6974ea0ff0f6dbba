"""Nuclei in fluorescence: out of focus, uneven, touching, dividing, over the glow of the plasm; also round spots."""

from __future__ import annotations

import numpy as np

from napari_clickseg.training.synthetic.optics import blur, camera_noise, expose, uneven_light
from napari_clickseg.training.synthetic.scene import Plane, Scene, chance, log_uniform, tidy
from napari_clickseg.training.synthetic.shapes import (
    Canvas,
    Outline,
    again,
    ellipse,
    lobed,
    polygonal,
    spread_out,
    warped_canvas,
)
from napari_clickseg.training.synthetic.textures import rough_noise, smooth_noise, specks

RADII = (3.0, 48.0)


def draw_fluorescence(rng: np.random.Generator, side: int) -> Scene:
    """Draw fluorescent nuclei; what is far out of focus is no object."""
    radius = log_uniform(rng, *RADII)
    canvas, count = _nuclei(rng, side, radius)
    levels = np.exp(rng.normal(0, rng.uniform(0.05, 0.7), count + 1)).clip(0.2, 5).astype(np.float32)
    body = np.float32(rng.uniform(0.3, 1)) + np.float32(rng.uniform(0, 0.9)) * canvas.rise ** np.float32(0.6)
    texture = rough_noise(rng, body.shape, max(1.5, radius * rng.uniform(0.1, 0.7)), 3, 0.7)
    light = body * np.maximum(1 + np.float32(rng.uniform(0, 0.35)) * texture, 0.15) * levels[canvas.owner]
    if radius > 5 and chance(rng, 0.5):
        deep = (canvas.rise > 0.3).astype(np.float32)
        dots = specks(rng, light.shape, 5 * count, (0.07 * radius + 0.4, 0.25 * radius), deep)
        light *= np.clip(1 + np.float32(rng.choice((-0.8, 1.2))) * dots, 0.2, 4)
    light *= canvas.coverage()
    image = _focus(rng, canvas, light, count, radius)
    image += _glow(rng, canvas, radius, side)
    if chance(rng, 0.5):
        image += np.float32(rng.uniform(0, 0.4)) * blur(light, radius * rng.uniform(0.6, 3))
    image = image / (np.percentile(image, 99.5) + np.float32(1e-6))
    image = image + np.float32(rng.uniform(0, 0.25)) * uneven_light(rng, image.shape, 0.5)
    image = image * uneven_light(rng, image.shape, rng.uniform(0, 0.5))
    image = camera_noise(rng, image.astype(np.float32), log_uniform(rng, 0.004, 0.15), shot=0.7)
    labels = np.where(canvas.distance < rng.uniform(-0.5, 1) * (1 + 0.02 * radius), canvas.owner, 0)
    return Scene(expose(rng, image, invert=0.1), tidy(labels))


def _nuclei(rng: np.random.Generator, side: int, radius: float) -> tuple[Canvas, int]:
    canvas = warped_canvas(rng, side, radius * rng.uniform(1.5, 4), rng.uniform(0.0, 0.1))
    count = max(2, int(rng.uniform(0.05, 0.85) * side * side / (np.pi * radius**2)))
    radii = radius * np.exp(rng.normal(0, rng.uniform(0.05, 0.35), min(count, 240)))
    placed = spread_out(rng, side, radii, clustering=rng.uniform(0, 0.9), gap=rng.uniform(0.75, 1.1))
    stretch, roughness = rng.uniform(1, 2.2), rng.uniform(0, 0.15)
    dividing = rng.uniform(0, 0.15)
    number = 0
    over = chance(rng, 0.5)
    for y, x, size in placed:
        number += 1
        if chance(rng, dividing):
            number = _mitosis(rng, canvas, number, y, x, size)
        else:
            outline = lobed(rng, size, 1 + (stretch - 1) * rng.uniform(0.2, 1), roughness)
            canvas.star(number, y, x, outline, over=over)
    return canvas, number


def _mitosis(rng: np.random.Generator, canvas: Canvas, number: int, y: float, x: float, size: float) -> int:
    """A metaphase plate, or two anaphase plates side by side, each an object; returns the last number given."""
    turn = float(rng.uniform(0, np.pi))
    if chance(rng, 0.4):
        canvas.star(number, y, x, _plate(rng, 0.6 * size, turn))
        return number
    away = size * rng.uniform(0.4, 0.9) * np.array([np.cos(turn), -np.sin(turn)])
    canvas.star(number, y + away[0], x + away[1], _plate(rng, 0.5 * size, turn))
    canvas.star(number + 1, y - away[0], x - away[1], _plate(rng, 0.5 * size, turn))
    return number + 1


def _plate(rng: np.random.Generator, size: float, turn: float) -> Outline:
    return ellipse(rng, size, rng.uniform(2, 3.5), turn)


def _focus(rng: np.random.Generator, canvas: Canvas, light: Plane, count: int, radius: float) -> Plane:
    """Nuclei in focus, and some that lie a little above or below it."""
    sharp = blur(light, rng.uniform(0.3, 0.5 + 0.06 * radius))
    if not chance(rng, 0.4):
        return sharp
    off = (rng.random(count + 1) < rng.uniform(0.1, 0.6)).astype(np.float32)[canvas.owner]
    soft = blur(light * off, radius * rng.uniform(0.1, 0.25))
    return blur(light * (1 - off), rng.uniform(0.3, 0.5 + 0.06 * radius)) + soft


def _glow(rng: np.random.Generator, canvas: Canvas, radius: float, side: int) -> Plane:
    """Plasm around nuclei, and far nuclei that are only a glow."""
    glow = np.zeros((side, side), np.float32)
    if chance(rng, 0.35):
        near = blur(canvas.coverage(), radius * rng.uniform(0.5, 1.2))
        glow += np.float32(rng.uniform(0, 0.3)) * near * np.maximum(1 + 0.4 * rough_noise(rng, glow.shape, radius), 0)
    if chance(rng, 0.2):
        plasm = again(canvas)
        for y, x in rng.uniform(0, side, (int(rng.integers(1, 8)), 2)):
            plasm.star(1, y, x, polygonal(rng, 2 * radius, 5, rng.uniform(1, 2), 0.2))
        glow += np.float32(rng.uniform(0, 0.35)) * blur(plasm.coverage(), 0.5 + 0.1 * radius)
    if chance(rng, 0.35):
        far = again(canvas)
        for y, x in rng.uniform(0, side, (int(rng.integers(1, 12)), 2)):
            far.star(1, y, x, ellipse(rng, radius * rng.uniform(0.7, 1.2), 1.3))
        glow += np.float32(rng.uniform(0.05, 0.45)) * blur(far.coverage(), radius * rng.uniform(0.5, 1.2))
    if chance(rng, 0.3):
        glow += np.float32(rng.uniform(0, 0.12)) * np.abs(smooth_noise(rng, glow.shape, 4 * radius))
    return glow
