"""Differential interference contrast: the shaded relief of a thickness map of spread or rounded cells."""

from __future__ import annotations

import numpy as np

from napari_clickseg.training.synthetic.optics import blur, camera_noise, dirt, expose, relief, uneven_light
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

RADII = (6.0, 60.0)


def draw_dic(rng: np.random.Generator, side: int) -> Scene:
    """Draw cells in differential interference contrast."""
    radius = log_uniform(rng, *RADII)
    canvas, middles, radii = _cells(rng, side, radius)
    thick = _thickness(rng, canvas, middles, radii, radius)
    slope = relief(thick, rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 0.8 + 0.02 * radius))
    strong = np.percentile(np.abs(slope), 99) + np.float32(1e-6)
    contrast = log_uniform(rng, 0.1, 0.4)
    image = np.float32(0.5) + np.float32(contrast) * slope / strong
    if chance(rng, 0.4):
        image = image - np.float32(rng.uniform(0, 0.2)) * thick / (thick.max() + np.float32(1e-6))
    image = image + np.float32(contrast * rng.uniform(0.02, 0.15)) * rough_noise(
        rng, image.shape, log_uniform(rng, 2, 25)
    )
    if chance(rng, 0.5):
        image = image + np.float32(rng.uniform(0, 0.5)) * relief(dirt(rng, image.shape, 10), 1.0, 1.0)
    image = image * uneven_light(rng, image.shape, rng.uniform(0, 0.35))
    image = camera_noise(rng, image, contrast * log_uniform(rng, 0.03, 0.25))
    labels = np.where(canvas.distance < rng.uniform(-0.3, 0.8), canvas.owner, 0)
    return Scene(expose(rng, image), tidy(labels, 40))


def _cells(rng: np.random.Generator, side: int, radius: float) -> tuple[Canvas, Plane, Plane]:
    canvas = warped_canvas(rng, side, radius * rng.uniform(1, 2.5), rng.uniform(0.01, 0.12))
    count = max(2, int(rng.uniform(0.08, 0.7) * side * side / (np.pi * radius**2)))
    radii = radius * np.exp(rng.normal(0, rng.uniform(0.05, 0.3), min(count, 130)))
    placed = spread_out(rng, side, radii, clustering=rng.uniform(0, 0.8), gap=rng.uniform(0.75, 1.05))
    kind = rng.choice(("round", "spread", "spindle"), p=(0.4, 0.4, 0.2))
    over = chance(rng, 0.5)
    for number, (y, x, size) in enumerate(placed, start=1):
        canvas.star(number, y, x, _outline(rng, kind, size), over=over)
    return canvas, placed[:, :2], placed[:, 2]


def _outline(rng: np.random.Generator, kind: str, radius: float) -> Outline:
    if kind == "round":
        return lobed(rng, radius, rng.uniform(1, 1.4), rng.uniform(0.01, 0.08))
    if kind == "spindle":
        return polygonal(rng, 0.8 * radius, int(rng.integers(3, 6)), rng.uniform(2, 5), rng.uniform(0, 0.4))
    ruffled = lobed(rng, radius, rng.uniform(1, 1.6), rng.uniform(0.05, 0.25))
    if chance(rng, 0.5):
        bumps = int(rng.integers(5, 14))
        turn = np.linspace(0, 2 * np.pi, len(ruffled), endpoint=False)
        ruffled = ruffled * (1 + rng.uniform(0, 0.08) * np.sin(bumps * turn + rng.uniform(0, 6))).astype(np.float32)
    return ruffled


def _thickness(rng: np.random.Generator, canvas: Canvas, middles: Plane, radii: Plane, radius: float) -> Plane:
    """A step or ramp at the border, a dome, ruffles, the nucleus, granules and vacuoles."""
    depth = np.maximum(-canvas.distance, 0)
    edge = np.clip(depth / np.float32(rng.uniform(0.8, 1.5 + 0.12 * radius)), 0, 1)
    factors = np.exp(rng.normal(0, 0.2, len(middles) + 1)).astype(np.float32)
    dome = canvas.rise ** np.float32(rng.uniform(0.6, 2))
    thick = (np.float32(rng.uniform(0.1, 0.8)) * edge + np.float32(rng.uniform(0, 1.5)) * dome) * factors[canvas.owner]
    if chance(rng, 0.5):
        ridge = np.exp(-(((depth - np.float32(0.05 * radius + 1)) / np.float32(0.04 * radius + 0.8)) ** 2))
        thick += np.float32(rng.uniform(0, 0.35)) * ridge * canvas.inside
    texture = rough_noise(rng, thick.shape, max(2.0, radius * rng.uniform(0.08, 0.35)), 3, 0.7)
    thick += np.float32(rng.uniform(0.01, 0.1)) * texture * edge
    inside = (canvas.rise > 0.2).astype(np.float32)
    if chance(rng, 0.7):
        count = min(int(len(middles) * rng.uniform(1, 20)), 600)
        size = (0.02 * radius + 0.6, 0.1 * radius + 0.8)
        thick += np.float32(rng.uniform(-0.35, 0.45)) * specks(rng, thick.shape, count, size, inside)
    if radius > 9 and chance(rng, 0.7):
        nuclei = again(canvas)
        for number, ((y, x), size) in enumerate(zip(middles, radii, strict=True), start=1):
            nuclei.star(number, y, x, ellipse(rng, size * rng.uniform(0.3, 0.5), rng.uniform(1, 1.5)))
        cover = nuclei.coverage() * (nuclei.owner == canvas.owner) * canvas.inside
        thick += np.float32(rng.uniform(-0.25, 0.4)) * blur(cover, rng.uniform(0.5, 0.5 + 0.06 * radius))
    return thick + np.float32(rng.uniform(0, 0.03)) * smooth_noise(rng, thick.shape, 3 * radius)
