"""Budding and fission yeast with halos and vacuoles, single or in clusters, in phase contrast, brightfield or DIC."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_clickseg.training.synthetic.optics import (
    blur,
    camera_noise,
    dirt,
    expose,
    phase_contrast,
    relief,
    uneven_light,
)
from napari_clickseg.training.synthetic.scene import Plane, Scene, chance, log_uniform, tidy
from napari_clickseg.training.synthetic.shapes import Canvas, ellipse, spread_out, warped_canvas, wobble
from napari_clickseg.training.synthetic.textures import rough_noise, specks

RADII = (5.0, 42.0)


def draw_yeast(rng: np.random.Generator, side: int) -> Scene:
    """Draw yeast cells; a bud is a cell of its own."""
    radius = log_uniform(rng, *RADII)
    canvas, cells = _cells(rng, side, radius)
    thick = _thickness(rng, canvas, cells, radius)
    looks = (_in_phase, _in_brightfield, _in_dic)
    image = looks[rng.choice(len(looks), p=(0.5, 0.38, 0.12))](rng, canvas, thick, radius)
    image = np.float32(0.5) + np.float32(0.4) * image
    image = image + np.float32(rng.uniform(0, 0.04)) * rough_noise(rng, image.shape, log_uniform(rng, 2, 20))
    image = image + np.float32(rng.uniform(0, 0.15)) * dirt(rng, image.shape, 6)
    image = image * uneven_light(rng, image.shape, rng.uniform(0, 0.25))
    image = camera_noise(rng, image, log_uniform(rng, 0.004, 0.06))
    beyond = rng.uniform(-0.05, 0.08) * radius
    labels = np.where(canvas.distance < beyond, canvas.owner, 0)
    return Scene(expose(rng, image, invert=0.08), tidy(labels))


def _cells(rng: np.random.Generator, side: int, radius: float) -> tuple[Canvas, int]:
    canvas = warped_canvas(rng, side, 3 * radius, rng.uniform(0, 0.05))
    count = max(2, int(rng.uniform(0.05, 0.75) * side * side / (np.pi * radius**2)))
    radii = radius * np.exp(rng.normal(0, rng.uniform(0.05, 0.25), min(count, 160)))
    placed = spread_out(rng, side, radii, clustering=rng.uniform(0.3, 0.97), gap=rng.uniform(0.93, 1.02))
    fission = chance(rng, 0.15)
    stretch = rng.uniform(0, 0.5)
    budding = 0.0 if fission else rng.uniform(0, 0.5)
    number = 0
    for y, x, size in placed:
        number += 1
        if fission:
            middle = np.array((y, x))
            half = size * rng.uniform(0.4, 1.2) * _direction(rng)
            canvas.capsule(number, np.stack((middle - half, middle + half)), 0.6 * size)
            continue
        outline = ellipse(rng, size, 1 + stretch * rng.uniform(0, 1.3)) * wobble(rng, 0.02)
        canvas.star(number, y, x, outline)
        if chance(rng, budding):
            number += 1
            small = size * rng.uniform(0.3, 0.75)
            turn = rng.uniform(0, 2 * np.pi)
            away = outline[int(turn / (2 * np.pi) * len(outline))] + small * 0.8
            canvas.star(number, y + away * np.sin(turn), x + away * np.cos(turn), ellipse(rng, small, 1.1))
    return canvas, number


def _direction(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    turn = rng.uniform(0, np.pi)
    return np.array((np.sin(turn), np.cos(turn)))


def _thickness(rng: np.random.Generator, canvas: Canvas, cells: int, radius: float) -> Plane:
    """Domes with vacuoles (thin places) and granules (thick ones)."""
    dome = (1 - (1 - canvas.rise) ** 2) ** rng.uniform(0.25, 0.6) * canvas.coverage()
    levels = np.exp(rng.normal(0, rng.uniform(0.02, 0.25), cells + 1)).astype(np.float32)
    thick = dome * levels[canvas.owner]
    deep = (canvas.rise > 0.3).astype(np.float32)
    if chance(rng, 0.7):
        vacuoles = specks(rng, thick.shape, 3 * cells, (0.2 * radius, 0.5 * radius), deep)
        thick -= np.float32(rng.uniform(0.1, 0.5)) * np.minimum(vacuoles, 1) * (canvas.rise > 0.12)
    if chance(rng, 0.7):
        grains = specks(rng, thick.shape, 6 * cells, (0.05 * radius + 0.4, 0.12 * radius + 0.6), deep)
        thick += np.float32(rng.uniform(-0.3, 0.5)) * grains
    return thick + np.float32(rng.uniform(0, 0.08)) * rough_noise(rng, thick.shape, radius / 2) * canvas.inside


def _ring(canvas: Canvas, at: float, width: float) -> Plane:
    """A bright line at `at` pixels outside the border."""
    ring: Plane = np.exp(-(((canvas.distance - np.float32(at)) / np.float32(width)) ** 2))
    return ring


def _in_phase(rng: np.random.Generator, canvas: Canvas, thick: Plane, radius: float) -> Plane:
    thick = blur(thick, rng.uniform(0.5, 0.6 + 0.08 * radius))
    image = phase_contrast(thick, radius * rng.uniform(0.3, 1.2), rng.uniform(0.4, 1.05))
    return image + np.float32(rng.uniform(0, 0.6)) * _ring(canvas, 0.12 * radius, 0.1 * radius + 0.7)


def _in_brightfield(rng: np.random.Generator, canvas: Canvas, thick: Plane, radius: float) -> Plane:
    """Dark and bright rings at the border in the order that the focus gives; the inside nearly as the outside."""
    sign = np.float32(rng.choice((-1, 1)))
    width = 0.06 * radius + rng.uniform(0.5, 1.2)
    image = sign * rng.uniform(0.4, 1) * _ring(canvas, 0, width) - sign * rng.uniform(0, 0.9) * (
        _ring(canvas, -2 * width, 1.2 * width) + rng.uniform(0, 0.7) * _ring(canvas, 2 * width, 1.5 * width)
    )
    thick = blur(thick, rng.uniform(0.5, 1.2))
    image = image + rng.uniform(-0.6, 0.6) * (thick - blur(thick, 0.4 * radius)) + rng.uniform(-0.25, 0.25) * thick
    return blur(image.astype(np.float32), rng.uniform(0.4, 0.5 + 0.05 * radius))


def _in_dic(rng: np.random.Generator, canvas: Canvas, thick: Plane, radius: float) -> Plane:
    slope = relief(thick, rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 0.7 + 0.06 * radius))
    shaded: Plane = slope / (np.abs(slope).max() + np.float32(1e-6)) * np.float32(1.2)
    return shaded
