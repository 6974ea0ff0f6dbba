"""Mattes: planes of objects with a true alpha, composited on backgrounds that have nothing to do with them.

Forte et al. 2020, section 5, composite accurate cut-outs of photographs. Ours are drawn at several times the
resolution, so that coverage at the outline is exact, some blurred as out of focus, some with fine processes; their
pixels and those of the background are taken from different real images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import block_reduce

from napari_clickseg.training.synthetic.textures import smooth_noise

Plane = npt.NDArray[np.floating]
Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
SIDE = 320
FINER = 3
"""How many times finer than the plane shapes are drawn."""
FADING = 8
"""No alpha reaches farther beyond its object than so many pixels."""
DIAMETERS = (24.0, 130.0)
MOST_OBJECTS = 12
PART = 20
"""Planes that another process composes in one go."""

Composed = tuple[npt.NDArray[np.float32], Labels, npt.NDArray[np.float32]]
"""Image (SIDE, SIDE, 3) in 0..1, labels and alpha (SIDE, SIDE)."""


def compose_mattes(
    textures: Sequence[Plane], seed: int, executor: Executor | None = None, count: int = 160
) -> Iterator[Composed]:
    """Compose planes one by one, or in parts in the executor's processes."""
    rng = np.random.default_rng([seed, 1])
    chosen = [textures[k] for k in rng.choice(len(textures), min(len(textures), 64), replace=False)] if textures else []
    seeds = [int(value) for value in rng.integers(0, 2**31, count)]
    parts = [(seeds[k : k + PART], chosen) for k in range(0, count, PART)]
    for part in map(_compose_some, parts) if executor is None else executor.map(_compose_some, parts):
        yield from part


def _compose_some(part: tuple[Sequence[int], Sequence[Plane]]) -> list[Composed]:
    seeds, textures = part
    return [compose_matte(np.random.default_rng(seed), textures) for seed in seeds]


def compose_matte(rng: np.random.Generator, textures: Sequence[Plane]) -> Composed:
    """Compose one plane; its objects lie farther apart than twice `FADING`, so that each alpha has one owner.

    The label of an object is where its alpha is above a half.
    """
    alpha, labels = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), np.int32)
    front = _surface(rng, textures)
    for number in range(1, int(rng.integers(2, MOST_OBJECTS)) + 1):
        one = _placed(rng, _cut_out(rng))
        near = ndimage.binary_dilation(one > 0, iterations=2 * FADING)
        if not (alpha[near] > 0).any() and (one > 0.5).any():
            alpha = np.maximum(alpha, one)
            labels[one > 0.5] = number
    image = _surface(rng, textures) * (1 - alpha[..., None]) + front * alpha[..., None]
    image += rng.uniform(0, 0.05) * rng.normal(size=(SIDE, SIDE, 1))
    return np.clip(image, 0, 1).astype(np.float32), labels, alpha


def _cut_out(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """The alpha of one object on the smallest plane that holds it."""
    diameter = float(np.exp(rng.uniform(*np.log(DIAMETERS))))
    shape = SHAPES[rng.integers(len(SHAPES))](rng, FINER * diameter)
    if rng.random() < 0.3:
        shape = _with_processes(rng, shape)
    alpha = block_reduce(np.pad(shape, FINER * (FADING + 2)).astype(np.float32), (FINER, FINER), np.mean)
    sigma = rng.choice((0.0, 0.5, 1.0, 2.0))
    blurred: npt.NDArray[np.float32] = ndimage.gaussian_filter(alpha, sigma, truncate=FADING / 2 / max(sigma, 0.5))
    return np.where(blurred > 1 / 255, blurred, 0).astype(np.float32)


def _ellipse(rng: np.random.Generator, diameter: float) -> Mask:
    """A filled ellipse in any direction, axes up to 1 : 2.2."""
    ratio = rng.uniform(1, 2.2) ** 0.5
    y, x = _turned_grid(rng, diameter)
    return np.asarray((y * ratio) ** 2 + (x / ratio) ** 2 < (diameter / 2) ** 2)


def _blob(rng: np.random.Generator, diameter: float) -> Mask:
    """A shape whose radius is a random Fourier series of the angle."""
    y, x = _turned_grid(rng, diameter)
    angle, radius = np.arctan2(y, x), np.hypot(y, x)
    roughness, limit = rng.uniform(0.05, 0.35), np.ones_like(angle)
    for k in range(2, 7):
        limit += roughness / k**0.7 * rng.normal() * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
    return np.asarray(radius < diameter / 2 * np.clip(limit, 0.3, 1.9))


def _amoeba(rng: np.random.Generator, diameter: float) -> Mask:
    """A shape with arms: smooth noise over a cone, thresholded, the largest piece."""
    y, x = _turned_grid(rng, diameter)
    height = 1 - np.hypot(y, x) / diameter + 0.6 * smooth_noise(rng, (len(y), len(y)), diameter / 3)
    pieces, _ = ndimage.label(height > np.quantile(height, 0.78))
    return np.asarray(pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]))


SHAPES: tuple[Callable[[np.random.Generator, float], Mask], ...] = (_ellipse, _blob, _amoeba)


def _turned_grid(rng: np.random.Generator, diameter: float) -> tuple[Plane, Plane]:
    half = int(np.ceil(diameter)) + 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    return y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)


def _with_processes(rng: np.random.Generator, shape: Mask) -> Mask:
    """The shape with thin lines that leave it, half a pixel to two pixels of the plane wide."""
    grown = np.pad(shape, FINER * 10)
    y, x = np.nonzero(grown)
    middle = np.array([y.mean(), x.mean()])
    for _ in range(int(rng.integers(3, 9))):
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 0.6) * max(shape.shape)
        along = np.linspace(0, length, 4 * int(length) + 2)
        bent = angle + rng.normal(0, 0.6) * along / length
        line = np.rint(middle + np.stack([along * np.sin(bent), along * np.cos(bent)], axis=1)).astype(int)
        drawn = np.zeros_like(grown)
        line = line[((line >= 0) & (line < grown.shape)).all(axis=1)]
        drawn[line[:, 0], line[:, 1]] = True
        grown = grown | ndimage.binary_dilation(drawn, iterations=int(rng.integers(1, FINER + 1)))
    return grown


def _placed(rng: np.random.Generator, alpha: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The alpha somewhere on an empty plane, cut off where it leaves the plane."""
    plane = np.zeros((SIDE, SIDE), np.float32)
    start = rng.integers(-np.array(alpha.shape) // 4, SIDE - np.array(alpha.shape) // 2)
    rows, columns = (slice(max(a, 0), min(a + n, SIDE)) for a, n in zip(start, alpha.shape, strict=True))
    plane[rows, columns] = alpha[
        rows.start - start[0] : rows.stop - start[0], columns.start - start[1] : columns.stop - start[1]
    ]
    return plane


def _surface(rng: np.random.Generator, textures: Sequence[Plane]) -> Plane:
    """A plane (SIDE, SIDE, 3) in 0..1: a level, a colour, a texture and a slow shading."""
    level = rng.uniform(0.1, 0.9) + rng.uniform(-0.1, 0.1, 3) * (rng.random() < 0.5)
    surface: Plane = level + rng.uniform(0.02, 0.2) * _texture(rng, textures)
    return surface + rng.uniform(0, 0.1) * smooth_noise(rng, (SIDE, SIDE), SIDE / 3)[..., None]


def _texture(rng: np.random.Generator, textures: Sequence[Plane]) -> Plane:
    """A plane (SIDE, SIDE, 3) of texture around 0, of deviation 1: a real image, mirrored to size, or smooth noise."""
    if not textures or rng.random() < 0.4:
        noise = smooth_noise(rng, (SIDE, SIDE), float(np.exp(rng.uniform(0, 3.5))))[..., None]
        return np.broadcast_to(noise, (SIDE, SIDE, 3))
    real = textures[int(rng.integers(len(textures)))]
    real = np.pad(real, [*((0, max(0, SIDE - n)) for n in real.shape[:2]), (0, 0)], mode="symmetric")
    top, left = (int(rng.integers(0, n - SIDE + 1)) for n in real.shape[:2])
    cut = np.rot90(real[top : top + SIDE, left : left + SIDE], int(rng.integers(4)))
    return np.asarray((cut - cut.mean()) / max(float(cut.std()), 1e-3))
