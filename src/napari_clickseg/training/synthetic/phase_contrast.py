"""Mammalian cells in phase contrast: spread, spindle-shaped, amoeboid, rounded, or confluent with faint borders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_clickseg.training.synthetic import optics
from napari_clickseg.training.synthetic.optics import blur, camera_noise, dirt, expose, uneven_light
from napari_clickseg.training.synthetic.scene import Plane, Scene, chance, log_uniform, tidy
from napari_clickseg.training.synthetic.shapes import (
    Canvas,
    Outline,
    again,
    arms,
    ellipse,
    lobed,
    polygonal,
    scattered,
    spread_out,
    tile,
    warped_canvas,
)
from napari_clickseg.training.synthetic.textures import rough_noise, smooth_noise, specks

RADII = (6.0, 58.0)
KINDS = {"spread": 0.3, "spindle": 0.22, "amoeboid": 0.2, "round": 0.1, "confluent": 0.18}


@dataclass(frozen=True, slots=True, eq=False)
class Culture:
    """Cells on a canvas, and where the middle of each is: (n, 2) as (y, x), with their radii (n,)."""

    kind: str
    canvas: Canvas
    middles: Plane
    radii: Plane


def draw_phase_contrast(rng: np.random.Generator, side: int) -> Scene:
    """Draw a culture of mammalian cells."""
    radius = log_uniform(rng, *RADII)
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    culture = _confluent(rng, side, radius) if kind == "confluent" else _sparse(rng, side, radius, kind)
    canvas = culture.canvas
    thick = _thickness(rng, culture, radius)
    sharp = blur(thick, rng.uniform(0.4, 0.5 + 0.03 * radius))
    halo = rng.uniform(1.5, 2.5 + 0.25 * radius)
    image = optics.phase_contrast(sharp, halo, rng.uniform(0.5, 1.1))
    image += np.float32(rng.uniform(0, 0.5)) * optics.phase_contrast(sharp, rng.uniform(0.5, 1.2) * radius, 1.0)
    confluent = culture.kind == "confluent"
    if confluent or chance(rng, 0.6):
        width = np.float32(rng.uniform(0.8, 1 + (0.04 if confluent else 0.1) * radius))
        at = 0 if confluent else width
        rim = np.exp(-(((canvas.distance - at) / width) ** 2)) * _each(rng, culture, 0.5)
        strength = rng.uniform(0.3, 0.8) if confluent else rng.uniform(0, 0.5)
        image += np.float32(strength) * blur(rim, 0.7)
    contrast = log_uniform(rng, 0.12, 0.6)
    image = 0.5 + np.float32(contrast) * image
    image = image + np.float32(log_uniform(rng, 0.002, 0.12 * contrast)) * rough_noise(
        rng, image.shape, log_uniform(rng, 2, 30)
    )
    if chance(rng, 0.5):
        image = image + np.float32(rng.uniform(0, 0.2)) * blur(dirt(rng, image.shape, 25), rng.uniform(0, 1))
    image = image * uneven_light(rng, image.shape, rng.uniform(0, 0.2))
    image = camera_noise(rng, image, log_uniform(rng, 0.003, 0.15 * contrast))
    beyond = rng.uniform(-0.5, 0.8)
    labels = np.where(canvas.distance < beyond, canvas.owner, 0)
    return Scene(expose(rng, image, invert=0.05), tidy(labels, 40))


# -- cells -----------------------------------------------------------------------------------------------------------


def _sparse(rng: np.random.Generator, side: int, radius: float, kind: str) -> Culture:
    canvas = warped_canvas(rng, side, radius * rng.uniform(1, 2.5), rng.uniform(0.02, 0.14))
    count = max(2, int(rng.uniform(0.08, 0.8) * side * side / (np.pi * radius**2)))
    radii = radius * np.exp(rng.normal(0, rng.uniform(0.1, 0.3), min(count, 130)))
    placed = spread_out(rng, side, radii, clustering=rng.uniform(0, 0.8), gap=rng.uniform(0.75, 1.1))
    over = chance(rng, 0.5)
    for number, (y, x, size) in enumerate(placed, start=1):
        own = "round" if chance(rng, 0.07) else kind
        canvas.star(number, y, x, _outline(rng, own, size * (0.6 if own != kind else 1)), over=over)
    return Culture(kind, canvas, placed[:, :2], placed[:, 2])


def _outline(rng: np.random.Generator, kind: str, radius: float) -> Outline:
    if kind == "spindle":
        outline = polygonal(rng, 0.75 * radius, int(rng.integers(3, 6)), rng.uniform(2, 6), rng.uniform(0, 0.4))
        return arms(rng, outline, int(rng.integers(0, 2)), 1.5, log_uniform(rng, 60, 300))
    if kind == "spread":
        outline = polygonal(rng, 0.9 * radius, int(rng.integers(3, 8)), rng.uniform(1, 2.6), rng.uniform(0, 0.45))
        return arms(rng, outline, int(rng.integers(0, 3)), 0.9, log_uniform(rng, 30, 300))
    if kind == "amoeboid":
        return lobed(rng, radius, rng.uniform(1, 2), rng.uniform(0.1, 0.4))
    return lobed(rng, 0.8 * radius, rng.uniform(1, 1.25), 0.04)


def _confluent(rng: np.random.Generator, side: int, radius: float) -> Culture:
    """A sheet of cells without room between them, at times with a wound or holes."""
    canvas = warped_canvas(rng, side, radius * 1.5, rng.uniform(0.1, 0.3))
    seeds = scattered(rng, side, 1.8 * radius, rng.uniform(0.2, 0.6))[:500]
    radii = radius * rng.uniform(0.1, 1.0, len(seeds)).astype(np.float32)
    tiling = tile(canvas, seeds, radii)
    canvas.owner = tiling.owner
    canvas.distance = -tiling.wall - np.float32(0.01)
    canvas.rise = np.clip(tiling.wall / np.float32(0.9 * radius), 0, 1)
    if chance(rng, 0.5):
        room = smooth_noise(rng, (side, side), radius * rng.uniform(2, 6)) + np.float32(rng.uniform(0.3, 1.5))
        slope = np.float32(radius * rng.uniform(1, 2))
        canvas.distance = np.maximum(canvas.distance, -room * slope)
        canvas.rise *= np.clip(room * 2, 0, 1)
    return Culture("confluent", canvas, seeds, np.full(len(seeds), radius, np.float32))


# -- looks -----------------------------------------------------------------------------------------------------------


def _each(rng: np.random.Generator, culture: Culture, deviation: float) -> Plane:
    factors = np.exp(rng.normal(0, deviation, len(culture.middles) + 1)).astype(np.float32)
    return factors[culture.canvas.owner]


def _thickness(rng: np.random.Generator, culture: Culture, radius: float) -> Plane:
    """A lamella that rises at its edge, a dome over it, the nucleus with nucleoli, granules around it."""
    canvas = culture.canvas
    depth = np.maximum(-canvas.distance, 0)
    edge = np.clip(depth / np.float32(rng.uniform(0.8, 1 + 0.15 * radius)), 0, 1)
    flat = rng.uniform(0.15, 0.6) if culture.kind in ("spread", "confluent") else rng.uniform(0.3, 0.9)
    dome = canvas.rise ** np.float32(rng.uniform(0.6, 2.2))
    thick = np.float32(flat) * edge + np.float32(rng.uniform(0.3, 1)) * dome
    thick *= _each(rng, culture, rng.uniform(0.1, 0.35))
    inside = canvas.inside
    rough = rough_noise(rng, thick.shape, max(2.0, radius * rng.uniform(0.1, 0.4)), 3, 0.8)
    thick += np.float32(rng.uniform(0.02, 0.15)) * rough * edge
    if chance(rng, 0.4):
        ruffle = np.exp(-(((depth - 1.5) / np.float32(1 + 0.03 * radius)) ** 2)) * smooth_noise(
            rng, thick.shape, radius
        )
        thick += np.float32(rng.uniform(0, 0.3)) * ruffle * inside
    if radius > 9 and chance(rng, 0.85):
        thick += _nuclei(rng, culture, radius)
    if chance(rng, 0.8):
        where = (canvas.rise > rng.uniform(0.15, 0.45)).astype(np.float32)
        count = int(len(culture.middles) * rng.uniform(2, 25))
        size = (0.02 * radius + 0.5, 0.05 * radius + 0.7)
        strength = rng.uniform(-0.3, 0.4) if culture.kind == "confluent" else rng.uniform(-0.6, 1)
        thick += np.float32(strength) * specks(rng, thick.shape, min(count, 700), size, where)
    return thick


def _nuclei(rng: np.random.Generator, culture: Culture, radius: float) -> Plane:
    """Nuclei, mostly paler than the plasm around them, with a dark rim and dark nucleoli."""
    canvas = again(culture.canvas)
    for number, ((y, x), size) in enumerate(zip(culture.middles, culture.radii, strict=True), start=1):
        small = size * rng.uniform(0.26, 0.42)
        away = rng.normal(0, 0.12, 2) * size
        canvas.star(number, y + away[0], x + away[1], ellipse(rng, small, rng.uniform(1, 1.7)))
    own = (canvas.owner == culture.canvas.owner) & culture.canvas.inside
    cover = canvas.coverage() * own
    plane = np.float32(rng.uniform(-0.45, 0.15)) * blur(cover, rng.uniform(0.6, 0.05 * radius + 0.6))
    rim = np.exp(-((canvas.distance / np.float32(0.6 + 0.02 * radius)) ** 2)) * own
    plane += np.float32(rng.uniform(0, 0.3)) * rim
    deep = ((canvas.rise > 0.35) & own).astype(np.float32)
    dots = specks(rng, plane.shape, 14 * len(culture.middles), (0.03 * radius + 0.6, 0.08 * radius + 0.6), deep)
    return plane + np.float32(rng.uniform(0.1, 0.6)) * dots
