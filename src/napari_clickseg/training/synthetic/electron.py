"""Electron microscopy: packed neurites with double membranes and mitochondria, and myelinated axons.

Objects are the profiles, or else the mitochondria in them; what is no object is there to distract.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_clickseg.training.synthetic.optics import blur, camera_noise, expose, uneven_light
from napari_clickseg.training.synthetic.scene import Mask, Plane, Scene, chance, log_uniform, tidy
from napari_clickseg.training.synthetic.shapes import (
    TURN,
    Canvas,
    Tiling,
    again,
    ellipse,
    lobed,
    spread_out,
    tile,
    warped_canvas,
)
from napari_clickseg.training.synthetic.textures import dot, grain, rough_noise, smooth_noise

DIAMETERS = (14.0, 110.0)


def draw_electron(rng: np.random.Generator, side: int) -> Scene:
    """Draw a section through nerve tissue."""
    if chance(rng, 0.22):
        return _axons(rng, side)
    diameter = log_uniform(rng, *DIAMETERS)
    canvas, tiling = _profiles(rng, side, diameter)
    width = float(np.clip(diameter * rng.uniform(0.015, 0.06), 0.7, 3.5))
    cleft = width * rng.uniform(0, 1.6)
    organelles, body = _mitochondria(rng, canvas, tiling, diameter, cleft + width)
    tone = rng.uniform(0.55, 0.8)
    image = _plasm(rng, tiling, diameter, tone)
    image = np.where(body, image - rng.uniform(0.1, 0.4) + _cristae(rng, organelles, diameter), image)
    image -= (
        np.float32(rng.uniform(0.15, 0.4))
        * np.exp(-((organelles.distance / np.float32(0.9 * width)) ** 2))
        * (organelles.owner > 0)
    )
    _vesicles(rng, image, tiling, width)
    image = _membranes(rng, image, tiling, width, cleft, tone)
    image, sheath = _myelin(rng, image, tiling, diameter)
    image = _section(rng, image)
    if chance(rng, 0.15) and body.sum() > 200:
        return Scene(expose(rng, image, invert=0.08), tidy(np.where(body, organelles.owner, 0)))
    border = max(cleft, width * rng.uniform(0.3, 1.1))
    labels = np.where((tiling.wall > border) & ~sheath, tiling.owner, 0)
    return Scene(expose(rng, image, invert=0.08), tidy(labels))


# -- neurites --------------------------------------------------------------------------------------------------------


def _profiles(rng: np.random.Generator, side: int, diameter: float) -> tuple[Canvas, Tiling]:
    """Profiles of very different sizes; several seeds make a long or branched one."""
    canvas = warped_canvas(rng, side, diameter * rng.uniform(0.6, 1.6), rng.uniform(0.1, 0.3))
    seeds: list[npt.NDArray[np.float64]] = []
    radii: list[float] = []
    numbers: list[int] = []
    number = 0
    spread = rng.uniform(0.2, 0.8)
    branching = rng.uniform(0, 0.5)
    wanted = min(int((side + 2 * diameter) ** 2 / diameter**2 * 1.1) + 2, 420)
    while len(seeds) < wanted:
        number += 1
        size = diameter * np.exp(rng.normal(0, spread)) * 0.5
        place, turn = rng.uniform(-diameter, side + diameter, 2), rng.uniform(0, 2 * np.pi)
        for _ in range(1 + (rng.geometric(0.4) if chance(rng, branching) else 0)):
            seeds.append(place)
            radii.append(size)
            numbers.append(number)
            turn += rng.normal() * 0.5
            place = place + 0.8 * size * np.array([np.sin(turn), np.cos(turn)])
    packed = np.array(seeds, np.float32)
    return canvas, tile(canvas, packed, np.array(radii, np.float32), np.array(numbers))


def _plasm(rng: np.random.Generator, tiling: Tiling, diameter: float, tone: float) -> Plane:
    """Cytoplasm: a level of each profile, fine granular texture, some microtubules."""
    shape = tiling.wall.shape
    levels = rng.normal(tone, rng.uniform(0.01, 0.1), int(tiling.owner.max()) + 1).astype(np.float32)
    coarse = np.exp(rng.normal(0, 0.5, len(levels))).astype(np.float32)
    fine = rough_noise(rng, shape, log_uniform(rng, 1.2, 6), 2, 0.9)
    image: Plane = levels[tiling.owner] + np.float32(rng.uniform(0.02, 0.09)) * fine * coarse[tiling.owner]
    image += np.float32(rng.uniform(0, 0.04)) * smooth_noise(rng, shape, diameter)
    return image


def _membranes(
    rng: np.random.Generator, image: Plane, tiling: Tiling, width: float, cleft: float, tone: float
) -> Plane:
    """Two dark lines along each wall with a pale cleft between them, in places smeared where cut at a slant."""
    dark = np.exp(-(((tiling.wall - np.float32(cleft)) / np.float32(width)) ** 2))
    strength = 1 + np.float32(rng.uniform(0, 0.35)) * smooth_noise(rng, image.shape, 12 * width)
    line = image - dark * np.float32(rng.uniform(0.25, 0.6)) * strength
    if cleft > width:
        pale = np.exp(-((tiling.wall / np.float32(0.6 * cleft)) ** 2))
        line = line + pale * np.float32(rng.uniform(0, 0.25))
    if chance(rng, 0.5):
        slant = np.clip(smooth_noise(rng, image.shape, 15 * width) - 1.1, 0, 1)
        smear = np.exp(-((tiling.wall / np.float32(4 * width)) ** 2)) * slant
        line = line - np.float32(rng.uniform(0.1, 0.5)) * smear
    stained: Plane = np.maximum(line, np.float32(0.1 * tone))
    return stained


def _vesicles(rng: np.random.Generator, image: Plane, tiling: Tiling, width: float) -> None:
    """Small rings, in crowds within some profiles; changes `image`."""
    crowded = rng.random(int(tiling.owner.max()) + 1) < rng.uniform(0, 0.3)
    side = image.shape[0]
    size = max(1.3, 1.1 * width)
    for y, x in rng.uniform(0, side, (int(rng.uniform(0, 0.012) * side * side), 2))[:700]:
        at = int(y), int(x)
        if crowded[tiling.owner[at]] and tiling.wall[at] > 2.5 * size:
            dot(image, y, x, size, -0.25)
            dot(image, y, x, 0.55 * size, 0.25)


def _mitochondria(
    rng: np.random.Generator, canvas: Canvas, tiling: Tiling, diameter: float, wall: float
) -> tuple[Canvas, Mask]:
    """Mitochondria where there is room in a profile; the second value marks their pixels."""
    organelles = again(canvas)
    home = np.zeros(1, np.int64)
    if chance(rng, 0.85):
        size = diameter * rng.uniform(0.12, 0.4)
        tries = int(rng.uniform(2, 14) + 120 * (organelles.y.shape[0] / 256) ** 2 * min(1.0, 12 / size))
        for y, x in rng.uniform(0, organelles.y.shape[0], (tries, 2)):
            at = int(y), int(x)
            room = float(tiling.wall[at]) - wall
            if room < 3 or room < 0.35 * size or organelles.distance[at] < 1.5 * size:
                continue
            radius = min(room * 0.95, size * float(np.exp(rng.normal(0, 0.3))))
            home = np.append(home, tiling.owner[at])
            outline = lobed(rng, radius, rng.uniform(1, 2.4), 0.06)
            organelles.star(len(home) - 1, canvas.y[at], canvas.x[at], outline, margin=2 * radius)
    body = organelles.inside & (home[organelles.owner] == tiling.owner) & (tiling.wall > wall)
    return organelles, body


def _cristae(rng: np.random.Generator, organelles: Canvas, diameter: float) -> Plane:
    """Stripes within the mitochondria, each with a direction of its own."""
    angles = rng.uniform(0, np.pi, int(organelles.owner.max()) + 1).astype(np.float32)[organelles.owner]
    period = np.float32(max(2.2, diameter * rng.uniform(0.03, 0.09)) / (2 * np.pi))
    bent = 0.8 * smooth_noise(rng, organelles.y.shape, max(3.0, diameter * 0.15))
    stripes = np.sin((organelles.y * np.sin(angles) + organelles.x * np.cos(angles)) / period + bent)
    return np.float32(rng.uniform(0, 0.12)) * stripes


def _myelin(rng: np.random.Generator, image: Plane, tiling: Tiling, diameter: float) -> tuple[Plane, Mask]:
    """Thick dark lamellae around a few profiles; the second value marks where they lie (they belong to no object)."""
    if not chance(rng, 0.2):
        return image, np.zeros(image.shape, bool)
    wrapped = (rng.random(int(tiling.owner.max()) + 1) < rng.uniform(0.05, 0.4))[tiling.owner]
    thickness = diameter * rng.uniform(0.08, 0.2)
    sheath = wrapped & (tiling.wall < thickness)
    lamellae = 0.12 + 0.06 * np.sin(tiling.wall * np.float32(rng.uniform(1.5, 2.6)))
    return np.where(sheath, lamellae.astype(np.float32), image), sheath


# -- axons -----------------------------------------------------------------------------------------------------------


def _axons(rng: np.random.Generator, side: int) -> Scene:
    """Cross-sections of myelinated axons in scanning or transmission electron microscopy; the object is the axon."""
    radius = log_uniform(rng, 5, 40)
    canvas = warped_canvas(rng, side, 2.5 * radius, rng.uniform(0.03, 0.13))
    count = min(int(rng.uniform(0.5, 1.4) * side * side / (np.pi * (1.5 * radius) ** 2)) + 2, 220)
    radii = 1.5 * radius * np.exp(rng.normal(0, rng.uniform(0.2, 0.6), count))
    placed = spread_out(rng, side, np.sort(radii)[::-1], gap=rng.uniform(0.9, 1.05))
    ratios = np.clip(rng.normal(rng.uniform(0.55, 0.78), 0.06, len(placed)), 0.4, 0.9)
    outer = again(canvas)
    for number, ((y, x, size), ratio) in enumerate(zip(placed, ratios, strict=True), start=1):
        outline = lobed(rng, size, rng.uniform(1, 1.8), rng.uniform(0.02, 0.12))
        outer.star(number, y, x, outline)
        shift = rng.normal(0, 0.05, 2) * size
        canvas.star(number, y + shift[0], x + shift[1], outline * np.float32(ratio) * (1 + 0.03 * np.sin(3 * TURN)))
    bright = rng.uniform(0.7, 1)
    ground, plasm = rng.uniform(0.2, 0.55), rng.uniform(0.05, 0.5)
    levels = rng.normal(plasm, 0.06, len(placed) + 1).astype(np.float32)
    texture = rough_noise(rng, (side, side), log_uniform(rng, 2, 10), 3, 0.8)
    image = np.float32(ground) + np.float32(rng.uniform(0.02, 0.1)) * texture
    rim = rng.uniform(0.75, 1) if chance(rng, 0.7) else 1.0
    sheath = np.float32(bright) * (np.float32(rim) + np.float32(1 - rim) * np.cos(outer.distance * np.float32(0.9)))
    image = image + outer.coverage() * (sheath - image)
    own = canvas.coverage() * (canvas.owner == outer.owner)
    inner = levels[canvas.owner] + np.float32(rng.uniform(0.01, 0.05)) * texture
    image = image + own * (inner - image)
    _cracks(rng, image, canvas, placed)
    image = _section(rng, image)
    inside = (canvas.distance < rng.uniform(-0.5, 0.8)) & (canvas.owner == outer.owner)
    return Scene(expose(rng, image, invert=0.3), tidy(np.where(inside, canvas.owner, 0)))


def _cracks(rng: np.random.Generator, image: Plane, canvas: Canvas, placed: npt.NDArray[np.float32]) -> None:
    """Organelles and shrunken plasm within some axons; changes `image`."""
    for number, (y, x, size) in enumerate(placed, start=1):
        if size < 12 or not chance(rng, 0.4):
            continue
        spot = again(canvas)
        box = spot.star(number, y, x, ellipse(rng, size * rng.uniform(0.08, 0.3), rng.uniform(1, 3)))
        if box is not None:
            cover = spot.coverage()[box] * (canvas.owner[box] == number) * canvas.inside[box]
            image[box] += np.float32(rng.normal() * 0.25) * cover


def _section(rng: np.random.Generator, image: Plane) -> Plane:
    """Blur, knife marks, uneven staining, shot noise."""
    image = blur(image, rng.uniform(0.3, 1.1))
    if chance(rng, 0.3):
        streaks = smooth_noise(rng, (image.shape[0], image.shape[1]), (rng.uniform(1, 3), 400.0))
        image = image + np.float32(rng.uniform(0, 0.03)) * (streaks if chance(rng, 0.5) else streaks.T)
    image = image * uneven_light(rng, image.shape, rng.uniform(0, 0.2))
    image = image + np.float32(rng.uniform(0, 0.03)) * blur(grain(rng, image.shape), 0.7)
    return camera_noise(rng, image.astype(np.float32), log_uniform(rng, 0.01, 0.12))
