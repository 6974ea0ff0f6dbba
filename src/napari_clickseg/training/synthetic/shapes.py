"""Shapes on a plane of warped coordinates: stars, capsules, tubes, tilings, each with its exact border.

A warp bends all that is drawn on a plane, so that simple formulas give shapes as grown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_clickseg.training.synthetic.textures import smooth_noise

if TYPE_CHECKING:
    from napari_clickseg.training.synthetic.scene import Mask, Plane

FAR = np.float32(1e6)
ANGLES = 512
NEAREST_SITES = 12
"""How many seeds of a tiling compete for the pixels of a block."""
TURN = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False, dtype=np.float32)
"""Directions at which the outline of a star is given."""
AFTER, BEFORE = np.roll(np.arange(ANGLES), -1), np.roll(np.arange(ANGLES), 1)
COSINES, SINES = (wave(np.arange(2, 7)[:, None] * TURN) for wave in (np.cos, np.sin))
"""Waves of two to six periods around an outline."""

Outline = npt.NDArray[np.floating]


@dataclass(slots=True, eq=False)
class Canvas:
    """Mutable: a plane on which shapes are laid, one number each.

    Attributes
    ----------
    y, x : ndarray of float32
        Coordinates of each pixel, bent by the warp.
    bend : float
        By how much, at most, the warp stretches or shrinks, as a part of 1.
    distance : ndarray of float32
        About how many pixels outside (> 0) or inside (< 0) the nearest shape a pixel lies; FAR where none is near.
    rise : ndarray of float32
        0 at the border of the shape that owns the pixel, 1 at its middle.
    owner : ndarray of uint16
        Number of the shape that is nearest, or that was laid on top.
    """

    y: Plane
    x: Plane
    bend: float
    distance: Plane = field(init=False)
    rise: Plane = field(init=False)
    owner: npt.NDArray[np.uint16] = field(init=False)

    def __post_init__(self) -> None:
        self.distance = np.full(self.y.shape, FAR, np.float32)
        self.rise = np.zeros(self.y.shape, np.float32)
        self.owner = np.zeros(self.y.shape, np.uint16)

    @property
    def inside(self) -> Mask:
        """Pixels that belong to a shape."""
        inside: Mask = self.distance < 0
        return inside

    @property
    def labels(self) -> npt.NDArray[np.uint16]:
        """Numbers of the shapes, 0 outside them."""
        return np.where(self.inside, self.owner, np.uint16(0))

    def coverage(self) -> Plane:
        """1 inside, 0 outside, and between them over the pixels of the border."""
        cover: Plane = np.clip(np.float32(0.5) - self.distance, 0, 1)
        return cover

    def around(self, y: float, x: float, reach: float) -> tuple[slice, slice] | None:
        """Return the box of the pixels whose coordinates are within `reach` of (y, x); None where all lie outside."""
        height, width = self.y.shape
        row, column = y, x
        for _ in range(3):
            at = min(max(int(row), 0), height - 1), min(max(int(column), 0), width - 1)
            row, column = y - float(self.y[at]) + at[0], x - float(self.x[at]) + at[1]
        reach = reach * (1 + self.bend) + 2
        top, bottom = max(int(row - reach), 0), min(int(row + reach) + 2, height)
        left, right = max(int(column - reach), 0), min(int(column + reach) + 2, width)
        return None if top >= bottom or left >= right else (slice(top, bottom), slice(left, right))

    def lay(self, number: int, box: tuple[slice, slice], distance: Plane, rise: Plane, over: bool = False) -> None:
        """Lay a shape: on top of others (`over`), or up to where another is nearer."""
        near = distance < self.distance[box]
        mine = (near | (distance < 0)) if over else near
        np.copyto(self.distance[box], distance, where=mine)
        np.copyto(self.rise[box], rise, where=mine)
        np.copyto(self.owner[box], np.uint16(number), where=mine)

    def star(
        self, number: int, y: float, x: float, outline: Outline, over: bool = False, margin: float | None = None
    ) -> tuple[slice, slice] | None:
        """Lay a star whose radius at each of the directions TURN is `outline`; distances reach `margin` beyond it."""
        largest = float(outline.max())
        box = self.around(y, x, largest + (2 + 0.2 * largest if margin is None else margin))
        if box is None:
            return None
        distance, rise = star_distance(self.y[box] - np.float32(y), self.x[box] - np.float32(x), outline)
        self.lay(number, box, distance, rise, over)
        return box

    def capsule(
        self, number: int, ends: npt.NDArray[np.floating], radius: float, over: bool = False, taper: float = 1.0
    ) -> None:
        """Lay a capsule from `ends[0]` to `ends[1]` (y, x); its radius at the second end is `taper` times as large."""
        (ay, ax), (by, bx) = ends
        length = float(np.hypot(by - ay, bx - ax))
        box = self.around((ay + by) / 2, (ax + bx) / 2, length / 2 + radius + 3)
        if box is None:
            return
        dy, dx = self.y[box] - np.float32(ay), self.x[box] - np.float32(ax)
        vy, vx = np.float32(by - ay), np.float32(bx - ax)
        along = np.clip((dy * vy + dx * vx) / np.float32(max(length * length, 1e-6)), 0, 1)
        away = np.sqrt((dy - along * vy) ** 2 + (dx - along * vx) ** 2)
        radii = np.float32(radius) * (1 + np.float32(taper - 1) * along)
        self.lay(number, box, away - radii, np.clip(1 - away / radii, 0, 1), over)

    def tube(
        self,
        number: int,
        line: npt.NDArray[np.floating],
        radii: npt.NDArray[np.floating],
        over: bool = False,
    ) -> None:
        """Lay a tube along points (n, 2) with the radius given at each of them; it does not cross over itself."""
        alone = Canvas(self.y, self.x, self.bend) if over else self
        for k in range(len(line) - 1):
            radius = max(float(radii[k]), 0.3)
            alone.capsule(number, line[k : k + 2], radius, taper=max(float(radii[k + 1]), 0.3) / radius)
        if over:
            touched = alone.owner > 0
            rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
            if len(rows):
                box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
                self.lay(number, box, alone.distance[box], alone.rise[box], over=True)


def flat_canvas(side: int) -> Canvas:
    """A canvas without a warp."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    return Canvas(y, x, 0.0)


def warped_canvas(rng: np.random.Generator, side: int, scale: float, strength: float) -> Canvas:
    """A canvas bent by about `strength` times `scale` pixels over distances of `scale`."""
    amount = np.float32(strength * scale)
    line = np.arange(side, dtype=np.float32)
    y = line[:, None] + amount * smooth_noise(rng, (side, side), scale)
    x = line + amount * smooth_noise(rng, (side, side), scale)
    return Canvas(y, x, 2.5 * strength)


def again(canvas: Canvas) -> Canvas:
    """An empty canvas with the same warp."""
    return Canvas(canvas.y, canvas.x, canvas.bend)


def star_distance(dy: Plane, dx: Plane, outline: Outline) -> tuple[Plane, Plane]:
    """Distance to the border of a star around (0, 0), negative inside (to first order); and its rise."""
    away = np.sqrt(dy * dy + dx * dx)
    at = (np.arctan2(dy, dx) * np.float32(ANGLES / (2 * np.pi)) + np.float32(ANGLES + 0.5)).astype(np.int16)
    at &= ANGLES - 1
    slope = (outline[AFTER] - outline[BEFORE]) * np.float32(ANGLES / (4 * np.pi))
    level = (1 / np.sqrt(1 + (slope / np.maximum(outline, np.float32(1e-3))) ** 2)).astype(np.float32)
    distance = (away - outline.astype(np.float32)[at]) * level[at]
    rise = 1 - away * (1 / outline).astype(np.float32)[at]
    return distance, np.maximum(rise, 0, out=rise)


# -- outlines --------------------------------------------------------------------------------------------------------


def ellipse(rng: np.random.Generator, radius: float, stretch: float = 1.0, angle: float | None = None) -> Outline:
    """Outline of an ellipse with the area of a disk of `radius`; its axes are as `stretch` to 1."""
    twice = 2 * (rng.uniform(0, np.pi) if angle is None else angle)
    long, short = stretch**0.5, stretch**-0.5
    mean, swing = (long**2 + short**2) / 2, (short**2 - long**2) / 2
    outline: Outline = np.float32(radius) / np.sqrt(
        np.float32(mean) + np.float32(swing * np.cos(twice)) * COSINES[0] + np.float32(swing * np.sin(twice)) * SINES[0]
    )
    return outline


def wobble(rng: np.random.Generator, roughness: float) -> Outline:
    """A factor around 1 for outlines: a random Fourier series of the angle."""
    orders = np.arange(2, 2 + len(COSINES))
    size = rng.normal(size=len(orders)) * roughness / orders**0.8
    phase = rng.uniform(0, 2 * np.pi, len(orders))
    series = (size * np.cos(phase)).astype(np.float32) @ COSINES + (size * np.sin(phase)).astype(np.float32) @ SINES
    factor: Outline = np.clip(1 + series, 0.35, 1.9)
    return factor


def lobed(rng: np.random.Generator, radius: float, stretch: float, roughness: float) -> Outline:
    """An ellipse with a wobble."""
    outline: Outline = ellipse(rng, radius, stretch) * wobble(rng, roughness)
    return outline


def polygonal(rng: np.random.Generator, radius: float, corners: int, stretch: float, hollow: float) -> Outline:
    """A polygon with drawn-out corners and sides that are straight or bent inwards (`hollow`), as cells that spread.

    Its area is about that of a disk of `radius`; `stretch` 1 is as wide as long, 5 is a spindle.
    """
    angles = 2 * np.pi * (np.arange(corners) + rng.uniform(-0.35, 0.35, corners)) / corners
    reach = np.exp(rng.normal(0, 0.25, corners))
    vertices = reach * np.exp(1j * angles)
    part = np.linspace(0, 1, 32, endpoint=False)
    chords = vertices[:, None] * (1 - part) + np.roll(vertices, -1)[:, None] * part
    curve = (chords * (1 - hollow * rng.uniform(0.3, 1, (corners, 1)) * np.sin(np.pi * part))).ravel()
    orders = np.fft.fftfreq(len(curve)) * len(curve)
    curve = np.fft.ifft(np.fft.fft(curve) * np.exp(-0.5 * (orders / (2.2 * corners)) ** 2))
    curve = curve.real * stretch**0.5 + 1j * curve.imag / stretch**0.5
    curve *= np.exp(1j * rng.uniform(0, 2 * np.pi))
    order = np.argsort(np.angle(curve))
    outline = np.interp(TURN, np.angle(curve)[order], np.abs(curve)[order], period=2 * np.pi) * wobble(rng, 0.03)
    scaled: Outline = (outline * radius / np.sqrt((outline**2).mean())).astype(np.float32)
    return scaled


def arms(rng: np.random.Generator, outline: Outline, count: int, length: float, sharpness: float) -> Outline:
    """Add `count` thin processes in random directions, up to about `length` times the mean radius long."""
    longer = outline.copy()
    mean = float(outline.mean())
    for turn in rng.uniform(0, 2 * np.pi, count):
        sharp = sharpness * float(np.exp(rng.normal() * 0.4))
        arm = mean * length * rng.uniform(0.3, 1)
        longer += np.float32(arm) * np.exp(np.float32(sharp) * (np.cos(TURN - np.float32(turn)) - 1))
    return longer


# -- tilings ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Tiling:
    """Cells that fill a plane.

    Attributes
    ----------
    owner : ndarray of uint16
        Number of the cell of each pixel, from 1.
    wall : ndarray of float32
        Distance to the nearest wall between two cells.
    other : ndarray of uint16
        Number of the cell behind that wall.
    """

    owner: npt.NDArray[np.uint16]
    wall: Plane
    other: npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A direction (radians, from x towards y) in which cells are `factor` times as long as across."""

    factor: float
    angle: float

    def shortened(self, y: Plane, x: Plane) -> tuple[Plane, Plane]:
        """Coordinates (y, x) with the length along the direction divided by the factor."""
        sine, cosine = np.float32(np.sin(self.angle)), np.float32(np.cos(self.angle))
        less = (x * cosine + y * sine) * np.float32(1 - 1 / self.factor)
        return y - less * sine, x - less * cosine


def tile(
    canvas: Canvas,
    seeds: npt.NDArray[np.float32],
    radii: npt.NDArray[np.float32],
    numbers: npt.NDArray[np.integer] | None = None,
    stretch: Stretch | None = None,
) -> Tiling:
    """Divide the plane among `seeds` (n, 2) as a power diagram: the larger the radius, the larger the cell.

    Seeds of the same number (by default each has its own) share a cell, which may so be long, bent or hollow-sided.
    With a `stretch`, cells are that much longer in its direction. Each block of pixels knows its nearest seeds only.
    Aurenhammer, "Power diagrams: properties, algorithms and applications", SIAM J. Comput. 16 (1987).
    """
    y, x = canvas.y, canvas.x
    sites = seeds.astype(np.float32)
    if stretch is not None:
        y, x = stretch.shortened(y, x)
        sites = np.stack(stretch.shortened(sites[:, 0], sites[:, 1]), axis=1)
    cells = (np.arange(1, len(seeds) + 1) if numbers is None else numbers).astype(np.uint16)
    spacing = float(np.sqrt(y.size / max(len(seeds), 1)))
    block = 8 if spacing < 24 else 16
    by, bx = _blocks(y, block), _blocks(x, block)
    squares = radii.astype(np.float32) ** 2
    near = _nearest_sites(sites, radii, by.mean(axis=1), bx.mean(axis=1))
    first, second = np.full(by.shape, FAR, np.float32), np.full(by.shape, FAR, np.float32)
    nearest, behind = np.zeros(by.shape, np.intp), np.zeros(by.shape, np.intp)
    for k in near.T:
        site = k[:, None]
        power = (by - sites[site, 0]) ** 2 + (bx - sites[site, 1]) ** 2 - squares[site]
        wins = power < first
        foreign = cells[site] != cells[nearest]
        pushed, follows = wins & foreign, ~wins & foreign & (power < second)
        np.copyto(second, first, where=pushed)
        np.copyto(behind, nearest, where=pushed)
        np.copyto(second, power, where=follows)
        np.copyto(behind, site, where=follows)
        np.copyto(first, power, where=wins)
        np.copyto(nearest, site, where=wins)
    apart = np.sqrt((sites[nearest, 0] - sites[behind, 0]) ** 2 + (sites[nearest, 1] - sites[behind, 1]) ** 2)
    wall = np.minimum((second - first) / (2 * apart + np.float32(1e-3)), np.float32(max(y.shape)))
    planes = (_plane(blocks, y.shape, block) for blocks in (cells[nearest], wall, cells[behind]))
    return Tiling(*planes)


def _nearest_sites(
    sites: npt.NDArray[np.float32], radii: npt.NDArray[np.float32], y: Plane, x: Plane
) -> npt.NDArray[np.integer]:
    """Indices (points, k) of the sites of least power at each point: nearest where a height stands for the radius."""
    height = np.sqrt(np.maximum(radii.max() ** 2 - radii**2, 0))
    tree = cKDTree(np.column_stack((sites, height)))
    count = min(NEAREST_SITES, len(sites))
    found = tree.query(np.column_stack((y, x, np.zeros_like(y))), k=np.arange(1, count + 1))[1]
    indices: npt.NDArray[np.integer] = found
    return indices


def _blocks(plane: Plane, block: int) -> Plane:
    """Cut a plane into square blocks: (blocks, pixels), the rim repeated."""
    height, width = (-(-n // block) * block for n in plane.shape)
    full = np.pad(plane, ((0, height - plane.shape[0]), (0, width - plane.shape[1])), mode="edge")
    tiles = full.reshape(height // block, block, width // block, block).swapaxes(1, 2)
    cut: Plane = tiles.reshape(-1, block * block)
    return cut


def _plane(blocks: npt.NDArray[Any], shape: tuple[int, ...], block: int) -> npt.NDArray[Any]:
    """Undo `_blocks`."""
    rows, columns = (-(-n // block) for n in shape)
    full = blocks.reshape(rows, columns, block, block).swapaxes(1, 2).reshape(rows * block, columns * block)
    return np.ascontiguousarray(full[: shape[0], : shape[1]])


def scattered(
    rng: np.random.Generator, side: int, spacing: float, jitter: float, stretch: Stretch | None = None
) -> npt.NDArray[np.float32]:
    """Points (n, 2) about `spacing` apart on a hexagonal lattice that `jitter` (0 to 1) dissolves.

    They go on beyond the rim. With a `stretch`, points are that much farther apart in its direction.
    """
    beyond = spacing if stretch is None else 0.25 * side + spacing
    rows = np.arange(-beyond, side + beyond, spacing * 0.866)
    columns = np.arange(-beyond, side + beyond, spacing)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    x = x + (np.arange(len(rows)) % 2)[:, None] * spacing / 2
    points = np.stack((y.ravel(), x.ravel()), axis=1) + rng.uniform(-0.5, 0.5, 2) * spacing
    points += rng.uniform(-1, 1, points.shape) * spacing * jitter
    if stretch is not None:
        away = points - side / 2
        direction = np.array([np.sin(stretch.angle), np.cos(stretch.angle)])
        points += (away @ direction)[:, None] * direction * (stretch.factor - 1)
        room = 2 * spacing * stretch.factor
        points = points[np.all((points > -room) & (points < side + room), axis=1)]
    return points.astype(np.float32)


def spread_out(
    rng: np.random.Generator, side: int, radii: npt.NDArray[np.floating], clustering: float = 0.0, gap: float = 1.0
) -> npt.NDArray[np.float32]:
    """Centres (y, x, radius) of disks that overlap little: of each try the place is kept where the disk fits.

    Parameters
    ----------
    clustering : float
        How often a disk is put beside one that lies there already.
    gap : float
        1 for disks that just touch, less for overlap, more for room between them.
    """
    total, tries = len(radii), 6
    sizes = np.asarray(radii, np.float32)[:, None]
    free_y, free_x = (rng.random((total, tries), np.float32) * (side + 0.6 * sizes) - 0.3 * sizes for _ in range(2))
    turn = rng.random((total, tries), np.float32) * np.float32(2 * np.pi)
    which, clustered = rng.random((total, tries)), rng.random((total, tries)) < clustering
    up, right = np.sin(turn), np.cos(turn)
    placed = np.empty((3, total), np.float32)
    count = 0
    for k, radius in enumerate(sizes[:, 0]):
        y, x = free_y[k], free_x[k]
        old_y, old_x, old_radius = placed[:, :count]
        if count and clustering > 0:
            beside = (which[k] * count).astype(np.intp)
            away = (old_radius[beside] + radius) * np.float32(1.02 * gap)
            y = np.where(clustered[k], old_y[beside] + away * up[k], y)
            x = np.where(clustered[k], old_x[beside] + away * right[k], x)
        apart = (y[:, None] - old_y) ** 2 + (x[:, None] - old_x) ** 2
        room = (apart >= ((old_radius + radius) * np.float32(gap)) ** 2).all(axis=1)
        room &= (y > -radius) & (y < side + radius) & (x > -radius) & (x < side + radius)
        chosen = int(room.argmax())
        if room[chosen]:
            placed[:, count] = y[chosen], x[chosen], radius
            count += 1
    return np.ascontiguousarray(placed[:, :count].T)
