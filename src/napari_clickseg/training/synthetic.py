"""Drawn planes: shapes with real and made textures, membranes, rods, cut-outs of real objects on other backgrounds.

They widen what a network has seen beyond the annotated sources. Each plane comes with an exact label image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.regions import Region

Plane = npt.NDArray[np.floating]
Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

SIDE = 320
DIAMETERS = (14.0, 110.0)


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """A real object: its pixels (y, x, 3) in 0..1 and which of them are the object's."""

    pixels: Plane
    mask: Mask


def synthetic_plane(
    rng: np.random.Generator, textures: Sequence[Plane], cutouts: Sequence[Cutout]
) -> tuple[Plane, Labels]:
    """Draw one plane.

    Parameters
    ----------
    textures : sequence of ndarray
        Real images (y, x, 3) in 0..1 from which texture is taken.
    cutouts : sequence of Cutout
        Real objects.

    Returns
    -------
    ndarray of float32, ndarray of int32
        Image (SIDE, SIDE, 3) in 0..1, and labels (SIDE, SIDE).
    """
    if cutouts and rng.random() < 0.35:
        return _composite(rng, textures, cutouts)
    diameter = float(np.exp(rng.uniform(*np.log(DIAMETERS))))
    shape = SHAPES[rng.choice(list(SHAPES))]
    labels = _tessellation(rng, diameter) if rng.random() < 0.25 else _scatter(rng, shape, diameter)
    return _appearance(rng, labels, textures, diameter), labels


# -- layouts -------------------------------------------------------------------------------------------------------


def ellipse(rng: np.random.Generator, diameter: float) -> Mask:
    """A filled ellipse in any direction, axes up to 1 : 2.2."""
    ratio = rng.uniform(1, 2.2) ** 0.5
    y, x = _turned_grid(rng, diameter)
    inside: Mask = (y * ratio) ** 2 + (x / ratio) ** 2 < (diameter / 2) ** 2
    return inside


def blob(rng: np.random.Generator, diameter: float) -> Mask:
    """A star-convex shape whose radius is a random Fourier series of the angle."""
    y, x = _turned_grid(rng, diameter)
    angle, radius = np.arctan2(y, x), np.hypot(y, x)
    roughness = rng.uniform(0.05, 0.35)
    limit = np.ones_like(angle)
    for k in range(2, 7):
        limit += roughness / k**0.7 * rng.normal() * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
    return radius < diameter / 2 * np.clip(limit, 0.3, 1.9)


def rod(rng: np.random.Generator, diameter: float) -> Mask:
    """A bent capsule, as many bacteria are; its area is that of a disk of `diameter`."""
    length_to_width = rng.uniform(1.5, 8)
    width = diameter * np.sqrt(np.pi / 4 / length_to_width)
    length = width * length_to_width
    y, x = _turned_grid(rng, length / 1.8)
    y = y + rng.uniform(-0.35, 0.35) * (x**2 - (length / 4) ** 2) / length
    inside: Mask = np.hypot(y, np.maximum(np.abs(x) - (length - width) / 2, 0)) < width / 2
    return inside


def amoeba(rng: np.random.Generator, diameter: float) -> Mask:
    """A shape with arms: smooth noise over a cone, thresholded, largest piece."""
    y, x = _turned_grid(rng, diameter)
    height = 1 - np.hypot(y, x) / diameter + 0.6 * _smooth_noise(rng, y.shape, diameter / 3)
    pieces, count = ndimage.label(height > np.quantile(height, 0.78))
    if count == 0:
        return ellipse(rng, diameter)
    largest: Mask = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    return largest


SHAPES: dict[str, Callable[[np.random.Generator, float], Mask]] = {
    "ellipse": ellipse,
    "blob": blob,
    "rod": rod,
    "amoeba": amoeba,
}


def _turned_grid(rng: np.random.Generator, diameter: float) -> tuple[Plane, Plane]:
    half = int(np.ceil(diameter)) + 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    return y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)


def _scatter(rng: np.random.Generator, shape: Callable[[np.random.Generator, float], Mask], diameter: float) -> Labels:
    """Shapes thrown on the plane; later ones lie over or under earlier ones, or keep a gap."""
    labels = np.zeros((SIDE, SIDE), np.int32)
    density = rng.uniform(0.1, 0.9)
    count = max(2, int(density * SIDE**2 / (diameter**2)))
    overlap = rng.random() < 0.5
    for number in range(1, min(count, 220) + 1):
        mask = shape(rng, diameter * rng.uniform(0.75, 1.3))
        _stamp(labels, mask, rng.integers(0, SIDE, 2), number, over=overlap and rng.random() < 0.5)
    return labels


def _stamp(labels: Labels, mask: Mask, centre: npt.NDArray[np.int64], number: int, over: bool) -> Region | None:
    box = Region.around(tuple(centre), mask.shape)
    inside = box.clip(labels.shape)
    if inside.size == 0:
        return None
    there = labels[inside.slices]
    own = mask[inside.within(box).slices]
    if not own.any() or (not over and (there[own] != 0).mean() > 0.3):
        return None
    there[own & ((there == 0) | over)] = number
    return inside


def _tessellation(rng: np.random.Generator, diameter: float) -> Labels:
    """Cells that fill the plane, with membranes between them, as in tissue and electron micrographs."""
    step = max(diameter, 20.0)
    seeds = rng.uniform(-step, SIDE + step, (int(((SIDE + 2 * step) / step) ** 2) + 2, 2))
    warp = 0.3 * step * np.stack([_smooth_noise(rng, (SIDE, SIDE), step / 2) for _ in range(2)])
    y, x = np.mgrid[:SIDE, :SIDE] + warp * rng.uniform(0, 1)
    stretch = rng.uniform(0.5, 2)
    distances = np.stack([np.hypot((y - sy) * stretch, x - sx) for sy, sx in seeds])
    labels: Labels = distances.argmin(axis=0).astype(np.int32) + 1
    gap = int(rng.integers(1, 5))
    edge = ndimage.maximum_filter(labels, gap + 1) != ndimage.minimum_filter(labels, gap + 1)
    labels[edge] = 0
    return labels


# -- appearance ----------------------------------------------------------------------------------------------------


def _appearance(rng: np.random.Generator, labels: Labels, textures: Sequence[Plane], diameter: float) -> Plane:
    """Paint labels: background, a level and texture per object, rims, halos, blur and noise."""
    image = np.full((SIDE, SIDE, 3), rng.uniform(0.05, 0.95)) + rng.uniform(0.0, 0.12) * _texture(rng, textures)
    contrast = rng.choice((-1, 1)) * rng.uniform(0.1, 0.6)
    levels = np.concatenate(([0.0], contrast * rng.uniform(0.5, 1.4, labels.max())))
    image = image + levels[labels][..., None]
    inside: Mask = labels > 0
    image += np.where(inside, rng.uniform(0.0, 0.3), 0)[..., None] * _texture(rng, textures)
    distance = ndimage.distance_transform_edt(
        inside & (ndimage.maximum_filter(labels, 3) == ndimage.minimum_filter(labels, 3))
    )
    if rng.random() < 0.4:
        width = rng.uniform(1, max(2.0, diameter / 10))
        image += (rng.uniform(-0.5, 0.5) * np.exp(-((distance / width) ** 2)) * inside)[..., None]
    if rng.random() < 0.4:
        width = rng.uniform(1, max(2.0, diameter / 8))
        image += (rng.uniform(-0.4, 0.4) * np.exp(-ndimage.distance_transform_edt(~inside) / width) * ~inside)[
            ..., None
        ]
    if rng.random() < 0.3:
        image += (rng.uniform(-0.4, 0.4) * np.minimum(distance / (diameter / 2), 1))[..., None]
    return _finish(rng, image)


def _finish(rng: np.random.Generator, image: Plane) -> Plane:
    if rng.random() < 0.5:
        image = image * rng.uniform(0.6, 1.4, 3) + rng.uniform(-0.1, 0.1, 3)
    else:
        image = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    sigma = rng.uniform(0, 1.5)
    image = ndimage.gaussian_filter(image, (sigma, sigma, 0))
    image = image + rng.uniform(0, 0.08) * rng.normal(size=image.shape[:2])[..., None]
    low, high = np.percentile(image, (0.2, 99.8))
    finished: Plane = np.clip((image - low) / max(float(high - low), 1e-6), 0, 1).astype(np.float32)
    return finished


def _texture(rng: np.random.Generator, textures: Sequence[Plane]) -> Plane:
    """A plane (SIDE, SIDE, 3) of texture around 0: a real image, mirrored to size, or smooth noise."""
    if textures and rng.random() < 0.6:
        real = textures[int(rng.integers(len(textures)))]
        pads = [(0, max(0, SIDE - n)) for n in real.shape[:2]] + [(0, 0)]
        real = np.pad(real, pads, mode="symmetric")
        top, left = (int(rng.integers(0, n - SIDE + 1)) for n in real.shape[:2])
        cut = np.rot90(real[top : top + SIDE, left : left + SIDE], int(rng.integers(4)))
        texture: Plane = (cut - cut.mean()) / max(float(cut.std()), 1e-3)
        return texture
    return _smooth_noise(rng, (SIDE, SIDE), float(np.exp(rng.uniform(0, 3.5))))[..., None]


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> Plane:
    """Noise of unit deviation that varies over `scale` pixels."""
    step = max(scale / 2, 1.0)
    coarse = rng.normal(size=tuple(int(n / step) + 4 for n in shape))
    fine = ndimage.zoom(coarse, step, order=1) if step > 1 else coarse
    cut: Plane = fine[tuple(slice(0, n) for n in shape)].astype(np.float32)
    cut /= max(float(cut.std()), 1e-6)
    return cut


# -- composites ----------------------------------------------------------------------------------------------------


def _composite(rng: np.random.Generator, textures: Sequence[Plane], cutouts: Sequence[Cutout]) -> tuple[Plane, Labels]:
    """Real objects, feathered, on an unrelated background."""
    image = np.clip(rng.uniform(0.1, 0.9) + rng.uniform(0.02, 0.15) * _texture(rng, textures), 0, 1)
    image = np.broadcast_to(image, (SIDE, SIDE, 3)).copy()
    labels = np.zeros((SIDE, SIDE), np.int32)
    chosen = [cutouts[k] for k in rng.integers(0, len(cutouts), int(rng.integers(1, 4)))]
    for number in range(1, int(rng.integers(6, 60))):
        cutout = chosen[rng.integers(len(chosen))]
        turns = int(rng.integers(4))
        mask = np.rot90(cutout.mask, turns)
        pixels = np.rot90(cutout.pixels, turns)
        before = labels.copy()
        inside = _stamp(labels, mask, rng.integers(0, SIDE, 2), number, over=bool(rng.random() < 0.3))
        if inside is not None:
            _blend(image, pixels, mask, (labels == number) & (before != number), inside)
    return _finish(rng, image), labels


def _blend(image: Plane, pixels: Plane, mask: Mask, new: Mask, inside: Region) -> None:
    """Put a cut-out's pixels where its label was stamped, with an edge one pixel soft."""
    where = np.argwhere(new)
    if where.size == 0:
        return
    alpha = ndimage.gaussian_filter(new[inside.slices].astype(np.float32), 0.7)[..., None]
    tile = _aligned(pixels, mask, new[inside.slices], inside)
    image[inside.slices] = image[inside.slices] * (1 - alpha) + tile * alpha


def _aligned(pixels: Plane, mask: Mask, new: Mask, inside: Region) -> Plane:
    """The cut-out's pixels on the stamped part of the plane, which may be cut off at its rim."""
    offset = [
        0 if start > 0 else full - part for start, full, part in zip(inside.start, mask.shape, new.shape, strict=True)
    ]
    return pixels[offset[0] : offset[0] + new.shape[0], offset[1] : offset[1] + new.shape[1]]
