"""Blood smears: red cells as rings, white cells with lobed nuclei; the cells are the objects, or the nuclei alone."""

from __future__ import annotations

import numpy as np

from napari_clickseg.training.synthetic.optics import blur, camera_noise, eight_bits, uneven_light
from napari_clickseg.training.synthetic.scene import Plane, Scene, chance, log_uniform, tidy
from napari_clickseg.training.synthetic.shapes import Canvas, again, lobed, spread_out, warped_canvas
from napari_clickseg.training.synthetic.textures import rough_noise, specks

RADII = (7.0, 42.0)


def draw_blood(rng: np.random.Generator, side: int) -> Scene:
    """Draw a smear, stained or not; labels hold all cells, or of white cells the nuclei."""
    radius = log_uniform(rng, *RADII)
    canvas, placed, white = _cells(rng, side, radius)
    nuclei = _nuclei(rng, canvas, placed, white)
    if white.any() and chance(rng, 0.35):
        labels = np.where(nuclei.inside & (nuclei.owner == canvas.owner), nuclei.owner, 0)
    else:
        labels = np.where(canvas.distance < rng.uniform(-0.4, 0.8), canvas.owner, 0)
    image = _stained(rng, canvas, nuclei, np.append(False, white), radius)
    image = blur(image, rng.uniform(0.3, 0.5 + 0.04 * radius))
    if chance(rng, 0.25):
        image = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    image = image * uneven_light(rng, (side, side), rng.uniform(0, 0.2))[..., None]
    return Scene(eight_bits(camera_noise(rng, image, log_uniform(rng, 0.003, 0.05))), tidy(labels))


def _cells(rng: np.random.Generator, side: int, radius: float) -> tuple[Canvas, Plane, Plane]:
    """Red cells about `radius` in size and white ones larger; the third value marks the white."""
    canvas = warped_canvas(rng, side, 3 * radius, rng.uniform(0, 0.06))
    count = max(2, min(int(rng.uniform(0.1, 0.9) * side * side / (np.pi * radius**2)), 180))
    white = rng.random(count) < rng.choice((0.03, 0.15, 0.6, 1.0), p=(0.3, 0.35, 0.2, 0.15))
    radii = radius * np.exp(rng.normal(0, rng.uniform(0.03, 0.15), count)) * np.where(white, rng.uniform(1, 1.8), 1)
    order = np.argsort(~white, kind="stable")
    placed = spread_out(rng, side, radii[order], clustering=rng.uniform(0, 0.7), gap=rng.uniform(0.75, 1.05))
    white = placed[:, 2] > np.max(radii[~white], initial=0) if not white.all() else np.ones(len(placed), bool)
    over = chance(rng, 0.5)
    for number, (y, x, size) in enumerate(placed, start=1):
        sickle = chance(rng, 0.04)
        canvas.star(
            number, y, x, lobed(rng, size, 3 if sickle else rng.uniform(1, 1.25), rng.uniform(0, 0.05)), over=over
        )
    return canvas, placed, white


def _nuclei(rng: np.random.Generator, canvas: Canvas, placed: Plane, white: Plane) -> Canvas:
    """A round, kidney-shaped or lobed nucleus in each white cell, under the number of the cell."""
    nuclei = again(canvas)
    for number in np.flatnonzero(white) + 1:
        y, x, size = placed[number - 1]
        lobes = int(rng.choice((1, 1, 2, 3, 4)))
        turn, step = rng.uniform(0, 2 * np.pi), rng.choice((-1, 1)) * rng.uniform(1, 1.6)
        for _ in range(lobes):
            away = 0.0 if lobes == 1 else 0.38 * size
            small = size * (rng.uniform(0.55, 0.85) if lobes == 1 else rng.uniform(0.3, 0.42))
            outline = lobed(rng, small, rng.uniform(1, 1.4), rng.uniform(0.02, 0.2 if lobes == 1 else 0.1))
            nuclei.star(int(number), y + away * np.sin(turn), x + away * np.cos(turn), outline)
            turn += step
    return nuclei


def _stained(rng: np.random.Generator, canvas: Canvas, nuclei: Canvas, white: Plane, radius: float) -> Plane:
    """Colours: pale ground, pink or grey red cells paler in the middle, purple nuclei, bluish plasm with granules."""
    shape = canvas.y.shape
    ground = rng.uniform(0.75, 0.98, 3) * (1, rng.uniform(0.9, 1), rng.uniform(0.85, 1))
    image = np.broadcast_to(ground, (*shape, 3)).astype(np.float32)
    red = np.array((rng.uniform(0.05, 0.3), rng.uniform(0.25, 0.6), rng.uniform(0.15, 0.5)), np.float32)
    plasm = np.array((rng.uniform(0.1, 0.35), rng.uniform(0.15, 0.4), rng.uniform(0.0, 0.2)), np.float32)
    stain = np.array((rng.uniform(0.5, 0.9), rng.uniform(0.7, 1.3), rng.uniform(0.2, 0.6)), np.float32)
    pallor = np.float32(rng.uniform(0, 0.9))
    ring = 1 - pallor * np.clip((canvas.rise - np.float32(rng.uniform(0.2, 0.5))) * 3, 0, 1) ** 1.5
    levels = np.exp(rng.normal(0, 0.15, len(white))).astype(np.float32)
    cover = canvas.coverage() * levels[canvas.owner]
    is_white = white[canvas.owner].astype(np.float32)
    texture = rough_noise(rng, shape, max(1.5, 0.15 * radius))
    grains = specks(rng, shape, int(min(30 * white.sum(), 600)), (0.05 * radius + 0.3, 0.09 * radius + 0.5))
    density = (cover * (1 - is_white) * ring)[..., None] * red
    cytoplasm = cover * is_white * (1 + 0.15 * texture + np.float32(rng.uniform(0, 1)) * grains)
    density = density + cytoplasm[..., None] * plasm
    edge = np.exp(-((canvas.distance / np.float32(0.05 * radius + 0.6)) ** 2))
    density = density + (np.float32(rng.uniform(-0.1, 0.3)) * edge)[..., None] * red
    kernel = nuclei.coverage() * (nuclei.owner == canvas.owner) * canvas.coverage()
    density = density + (kernel * (1 + 0.2 * texture) * np.float32(rng.uniform(0.7, 1.4)))[..., None] * stain
    platelets = specks(rng, shape, int(rng.integers(0, 8)), (0.1 * radius + 0.5, 0.25 * radius))
    density = density + (platelets * np.float32(0.6))[..., None] * stain
    coloured: Plane = image * np.exp(-np.maximum(density, -0.2)).astype(np.float32)
    return coloured
