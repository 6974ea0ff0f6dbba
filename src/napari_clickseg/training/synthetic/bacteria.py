"""Bacteria: micro-colonies, scattered cells, chains, filaments and mother machines, mostly in phase contrast.

The cell is the object, never the colony.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_clickseg.training.synthetic.colonies import Rods, grow_colony
from napari_clickseg.training.synthetic.optics import (
    blur,
    camera_noise,
    dirt,
    expose,
    phase_contrast,
    uneven_light,
)
from napari_clickseg.training.synthetic.scene import Plane, Scene, chance, log_uniform, tidy
from napari_clickseg.training.synthetic.shapes import Canvas, flat_canvas
from napari_clickseg.training.synthetic.textures import rough_noise, smooth_noise, specks

Array = npt.NDArray[np.float64]

RADII = (2.0, 11.0)
"""Half the width of the cells, pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Cells on a canvas, and the bright channels (y, x) that hold them, where there are any."""

    canvas: Canvas
    radius: float
    cells: int
    channels: Plane | None = None


def draw_bacteria(rng: np.random.Generator, side: int) -> Scene:
    """Draw bacteria in phase contrast, brightfield or fluorescence."""
    layouts = (packed, scattered, chains, filaments, trenches)
    layout = layouts[rng.choice(len(layouts), p=(0.66, 0.1, 0.1, 0.08, 0.06))](rng, side)
    looks = (in_phase, in_brightfield, in_fluorescence)
    image = looks[rng.choice(len(looks), p=(0.72, 0.14, 0.14))](rng, layout)
    beyond = rng.uniform(-0.06, 0.1) * layout.radius + rng.uniform(-0.2, 0.4)
    labels = np.where(layout.canvas.distance < beyond, layout.canvas.owner, 0)
    return Scene(image, tidy(labels, max(8, int(layout.radius**2))))


# -- layouts ---------------------------------------------------------------------------------------------------------


def packed(rng: np.random.Generator, side: int) -> Layout:
    """Micro-colonies, from two cells up to a plane full of them."""
    radius = log_uniform(rng, *RADII)
    longest = radius * (rng.uniform(4.2, 5.5) if chance(rng, 0.25) else rng.uniform(5, 12))
    area = radius * longest * 1.3
    most = min(1.1 * side * side / area, 420)
    count = int(max(most, 8) * (rng.uniform(0.2, 1) if chance(rng, 0.6) else log_uniform(rng, 0.03, 1))) + 2
    colonies = int(rng.integers(1, 5)) if chance(rng, 0.5) else 1
    middles = rng.uniform(0.15, 0.85, (colonies, 2)) * side
    if colonies == 1 and count > most / 3:
        middles = np.full((1, 2), side / 2) + rng.normal(size=(1, 2)) * side * 0.12
    rods = grow_colony(rng, middles, count, radius, longest, log_uniform(rng, 0.03, 0.35), side)
    return _as_cells(rng, rods, side)


def scattered(rng: np.random.Generator, side: int) -> Layout:
    """Single cells and pairs, some of which lie across others."""
    radius = log_uniform(rng, *RADII)
    longest = radius * log_uniform(rng, 3, 12)
    count = max(2, int(log_uniform(rng, 0.03, 0.5) * side * side / (radius * longest)))
    count = min(count, 250)
    lengths = np.maximum(longest * rng.uniform(0.45, 1, count) - 2 * radius, 0)
    rods = Rods(rng.uniform(0, side, (count, 2)), rng.uniform(0, np.pi, count), lengths, radius)
    return _as_cells(rng, rods, side)


def chains(rng: np.random.Generator, side: int) -> Layout:
    """Cells end to end along wavy lines: cocci or rods."""
    radius = log_uniform(rng, 2.5, RADII[1])
    step = radius * (rng.uniform(1.7, 2.1) if chance(rng, 0.5) else rng.uniform(3, 8))
    centres, angles = [], []
    for _ in range(int(rng.integers(1, 3 + int(side / (6 * radius))))):
        place, angle, curl = rng.uniform(0, side, 2), rng.uniform(0, 2 * np.pi), rng.normal() * 0.06
        for _ in range(int(rng.integers(3, 26))):
            centres.append(place)
            angles.append(angle)
            place = place + step * np.array([np.sin(angle), np.cos(angle)])
            angle += curl + rng.normal() * 0.13
    lengths = np.full(len(angles), max(step - 1.95 * radius, 0.0)) * rng.uniform(0.85, 1.02, len(angles))
    return _as_cells(rng, Rods(np.array(centres), np.array(angles), lengths, radius), side)


def filaments(rng: np.random.Generator, side: int) -> Layout:
    """Long thin cells that did not divide, spirals, and short ones between them."""
    radius = log_uniform(rng, 1.6, 7)
    canvas = flat_canvas(side)
    count = int(rng.integers(2, 3 + int(side / (8 * radius))))
    spiral = chance(rng, 0.25)
    for number in range(1, count + 1):
        points = int(log_uniform(rng, 3, 45))
        turns = rng.normal(0, rng.uniform(0.03, 0.25), points).cumsum() + rng.uniform(0, 2 * np.pi)
        if spiral:
            turns += rng.uniform(0.5, 1.1) * np.sin(np.arange(points) * rng.uniform(0.6, 1.3))
        steps = radius * 1.6 * np.stack((np.sin(turns), np.cos(turns)), axis=1)
        line = rng.uniform(-0.1, 1.1, 2) * side + steps.cumsum(axis=0)
        canvas.tube(number, line, np.full(points, radius), over=chance(rng, 0.5))
    return Layout(canvas, radius, count)


def trenches(rng: np.random.Generator, side: int) -> Layout:
    """A mother machine: rods one above the other in narrow channels."""
    radius = log_uniform(rng, 3, 9)
    pitch = radius * rng.uniform(2.8, 7)
    top, bottom = rng.uniform(-0.2, 0.25) * side, rng.uniform(0.75, 1.2) * side
    centres, lengths = [], []
    middles = np.arange(rng.uniform(0, pitch), side + radius, pitch)
    for x in middles:
        y = top
        while y < bottom and not chance(rng, 0.06):
            full = radius * rng.uniform(3.2, 9)
            centres.append((y + full / 2, x + rng.normal() * 0.06 * radius))
            lengths.append(full * 0.98 - 2 * radius)
            y += full
    if not centres:
        centres, lengths = [(side / 2, float(middles[0]))], [4 * radius]
    angles = np.pi / 2 + rng.normal(0, 0.03, len(lengths))
    layout = _as_cells(rng, Rods(np.array(centres), angles, np.maximum(lengths, 0.0), radius), side, 0.02)
    away = np.abs(layout.canvas.x - middles[:, None, None]).min(axis=0)
    open_ = (
        np.clip(radius * rng.uniform(1.05, 1.25) - away, 0, 1) * (layout.canvas.y < bottom) * (layout.canvas.y > top)
    )
    return Layout(layout.canvas, radius, layout.cells, open_.astype(np.float32))


def _as_cells(rng: np.random.Generator, rods: Rods, side: int, bend: float | None = None) -> Layout:
    """Lay rods with bends and, where they are about to divide, a waist."""
    canvas = flat_canvas(side)
    if bend is None:
        bend = rng.uniform(0, 0.1) if chance(rng, 0.75) else rng.uniform(0.1, 0.3)
    same_way = chance(rng, 0.5)
    fatness = rng.uniform(0.95, 1.13)
    waist_from = np.quantile(rods.lengths, 0.7) if len(rods) else 0.0
    waist = rng.uniform(0, 0.45)
    for number, ((y, x), angle, length) in enumerate(
        zip(rods.centres, rods.angles, rods.lengths, strict=True), start=1
    ):
        bent = bend * (abs(rng.normal()) if same_way else rng.normal())
        pinch = waist if length > waist_from and chance(rng, 0.5) else 0.0
        _lay_rod(canvas, number, y, x, angle, length, rods.radius * fatness * (1 + 0.05 * rng.normal()), bent, pinch)
    return Layout(canvas, rods.radius, len(rods))


def _lay_rod(
    canvas: Canvas,
    number: int,
    y: float,
    x: float,
    angle: float,
    length: float,
    radius: float,
    bend: float,
    pinch: float,
) -> None:
    box = canvas.around(y, x, length / 2 + radius + 3)
    if box is None:
        return
    dy, dx = canvas.y[box] - np.float32(y), canvas.x[box] - np.float32(x)
    sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    along, across = dy * sine + dx * cosine, dy * cosine - dx * sine
    half = length / 2
    if bend and half > 1:
        across += np.float32(bend / (2 * half)) * (along**2 - np.float32(half * half / 3))
    away = np.sqrt(across**2 + np.maximum(np.abs(along) - np.float32(half), 0) ** 2)
    width: Plane | np.float32 = np.float32(radius)
    if pinch:
        width = width * (1 - np.float32(pinch) * np.exp(-((along / np.float32(0.8 * radius)) ** 2)))
    canvas.lay(number, box, away - width, np.clip(1 - away / width, 0, 1))


# -- looks -----------------------------------------------------------------------------------------------------------


def in_phase(rng: np.random.Generator, layout: Layout) -> npt.NDArray[np.uint8]:
    """Dark cells with bright halos; the gaps between packed cells are bright lines or barely to be seen."""
    thick: Plane = _thickness(rng, layout) * _levels(rng, layout, rng.uniform(0.03, 0.25))
    thick = blur(thick + _contents(rng, layout), layout.radius * rng.uniform(0.08, 0.4))
    image = phase_contrast(thick, layout.radius * rng.uniform(0.9, 3), rng.uniform(0.25, 1.05))
    if chance(rng, 0.6):
        image += np.float32(rng.uniform(0, 0.4)) * blur(thick, layout.radius * rng.uniform(3, 8))
    if layout.channels is not None:
        edge = layout.channels - blur(layout.channels, layout.radius * rng.uniform(0.5, 2))
        image += np.float32(rng.uniform(-0.3, 0.9)) * edge + np.float32(rng.uniform(-0.2, 0.4)) * layout.channels
    image += _agarose(rng, image.shape)
    image = 0.5 + image * np.float32(0.35)
    image = image * uneven_light(rng, image.shape, rng.uniform(0, 0.2))
    image = camera_noise(rng, image, log_uniform(rng, 0.004, 0.07))
    return expose(rng, image, invert=0.06)


def in_brightfield(rng: np.random.Generator, layout: Layout) -> npt.NDArray[np.uint8]:
    """Refraction at the border, of either sign with the focus, and a little absorption."""
    thick = _thickness(rng, layout) * _levels(rng, layout, 0.15) + 0.6 * _contents(rng, layout)
    thick = blur(thick, layout.radius * rng.uniform(0.1, 0.3))
    sharp = thick - blur(thick, layout.radius * rng.uniform(0.4, 1.0))
    image = np.float32(rng.choice((-1, 1)) * rng.uniform(0.5, 1)) * sharp - np.float32(rng.uniform(0, 0.35)) * thick
    rim = np.exp(-((layout.canvas.distance / np.float32(0.25 * layout.radius + 0.5)) ** 2))
    image += np.float32(rng.normal() * 0.4) * blur(rim, 0.6)
    if layout.channels is not None:
        image += np.float32(rng.normal() * 0.4) * (layout.channels - blur(layout.channels, layout.radius))
    image = 0.5 + np.float32(0.4) * (image + _agarose(rng, image.shape))
    image = image * uneven_light(rng, image.shape, rng.uniform(0, 0.25))
    image = camera_noise(rng, image, log_uniform(rng, 0.005, 0.06))
    return expose(rng, image, invert=0.1)


def in_fluorescence(rng: np.random.Generator, layout: Layout) -> npt.NDArray[np.uint8]:
    """Stained cytoplasm or membranes, unequally bright, with haze over the colony."""
    levels = _levels(rng, layout, rng.uniform(0.1, 0.6))
    light = _thickness(rng, layout) * levels
    if chance(rng, 0.35):
        rim = np.exp(-((layout.canvas.distance / np.float32(0.3 * layout.radius)) ** 2))
        light = np.float32(rng.uniform(0, 0.4)) * light + rim * levels
    light = light * (1 + 0.2 * rough_noise(rng, light.shape, layout.radius)) + 0.5 * np.abs(_contents(rng, layout))
    image = blur(light, layout.radius * rng.uniform(0.15, 0.6))
    image += np.float32(rng.uniform(0, 0.35)) * blur(light, layout.radius * rng.uniform(2, 5))
    image += np.float32(rng.uniform(0, 0.15)) * uneven_light(rng, image.shape, 0.6)
    image = camera_noise(rng, image, log_uniform(rng, 0.01, 0.15), shot=0.7)
    return expose(rng, image, invert=0.12)


def _thickness(rng: np.random.Generator, layout: Layout) -> Plane:
    """Height of the cells, 1 at the middle; a part of the rim may be too thin to be seen."""
    unseen = np.float32(rng.uniform(0, 0.15))
    rise = np.clip((layout.canvas.rise - unseen) / (1 - unseen), 0, 1)
    roundness = np.float32(rng.uniform(0.35, 0.7))
    height: Plane = (1 - (1 - rise) ** 2) ** roundness * layout.canvas.inside
    return height


def _levels(rng: np.random.Generator, layout: Layout, deviation: float) -> Plane:
    """A factor of each cell; a few are ghosts."""
    levels = np.exp(rng.normal(0, deviation, layout.cells + 1))
    if chance(rng, 0.2):
        ghosts = rng.random(layout.cells + 1) < 0.06
        levels[ghosts] *= rng.uniform(0.25, 0.6)
    return levels.astype(np.float32)[layout.canvas.owner]


def _contents(rng: np.random.Generator, layout: Layout) -> Plane:
    """Granules, storage bodies and paler nucleoids in the cells; often nothing."""
    shape = layout.canvas.y.shape
    contents = np.zeros(shape, np.float32)
    if chance(rng, 0.4):
        contents += np.float32(rng.uniform(0.03, 0.2)) * smooth_noise(rng, shape, layout.radius * rng.uniform(0.8, 2))
    if chance(rng, 0.3):
        count = int(layout.cells * rng.uniform(0.3, 2))
        small = (0.15 * layout.radius + 0.4, 0.4 * layout.radius + 0.5)
        contents += np.float32(rng.choice((-1.2, 0.6))) * specks(rng, shape, count, small)
    return contents * (layout.canvas.rise > 0.2)


def _agarose(rng: np.random.Generator, shape: tuple[int, ...]) -> Plane:
    """What lies between the cells: mottled gel, debris, drops."""
    plane = (shape[0], shape[1])
    gel = np.float32(log_uniform(rng, 0.005, 0.08)) * rough_noise(rng, plane, log_uniform(rng, 2, 20), 2)
    return gel + np.float32(rng.uniform(0, 0.4)) * dirt(rng, plane, 8) if chance(rng, 0.5) else gel
