"""What microscope and camera do to a plane: blur, phase halo, shading relief, uneven light, dirt, noise, exposure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.training.synthetic.scene import Plane, chance, log_uniform
from napari_clickseg.training.synthetic.textures import dot, grain, interpolation, smooth_noise

BY_FILTER = 2.5
"""Up to this deviation in pixels a blur is a short filter; wider ones run on a plane of fewer pixels."""


def blur(plane: Plane, sigma: float) -> Plane:
    """Gaussian blur of a plane (y, x) or (y, x, channels); wide blurs are computed on fewer pixels."""
    if sigma < 0.2:
        return plane
    if plane.ndim == 3:
        return np.stack([blur(plane[..., k], sigma) for k in range(plane.shape[2])], axis=-1)
    if sigma <= BY_FILTER or min(plane.shape) < 32:
        filtered: Plane = ndimage.gaussian_filter(plane, sigma, truncate=3.0, mode="nearest")
        return filtered
    step = 2 if sigma < 6 else 4
    height, width = (n - n % step for n in plane.shape)
    small = plane[:height, :width].reshape(height // step, step, width // step, step).mean(axis=(1, 3))
    small = ndimage.gaussian_filter(small, sigma / step, truncate=3.0, mode="nearest")
    small = np.pad(small, 1, mode="edge")
    wide = interpolation(small.shape[0], plane.shape[0]) @ small @ interpolation(small.shape[1], plane.shape[1]).T
    smooth: Plane = wide.astype(np.float32, copy=False)
    return smooth


def phase_contrast(thickness: Plane, halo: float, shade_off: float) -> Plane:
    """Positive phase contrast of a thickness map: background 0, thick is dark, bright around it within `halo`.

    The ring that shifts the direct light also catches some of the diffracted, so that what is seen is thickness less
    its own blurred copy: a halo outside, and shading-off in the middle of large objects (`shade_off`, 0 to 1).
    """
    return np.float32(shade_off) * blur(thickness, halo) - thickness


def relief(thickness: Plane, angle: float, shear: float) -> Plane:
    """Differential interference contrast: the slope of the thickness along `angle`, over `shear` pixels."""
    smooth = blur(thickness, shear)
    slope_y, slope_x = np.zeros_like(smooth), np.zeros_like(smooth)
    slope_y[1:-1] = (smooth[2:] - smooth[:-2]) / 2
    slope_x[:, 1:-1] = (smooth[:, 2:] - smooth[:, :-2]) / 2
    return np.float32(np.sin(angle)) * slope_y + np.float32(np.cos(angle)) * slope_x


def uneven_light(rng: np.random.Generator, shape: tuple[int, int], strength: float) -> Plane:
    """A factor around 1 that varies slowly: drifts, a gradient, and at times the vignette of the lens."""
    light = 1 + np.float32(strength) * 0.4 * smooth_noise(rng, shape, min(shape) * rng.uniform(0.4, 1.2))
    y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, shape[1], dtype=np.float32)
    if chance(rng, 0.5):
        angle = rng.uniform(0, 2 * np.pi)
        light += np.float32(strength * 0.6) * (np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y)
    if chance(rng, 0.3):
        cy, cx = rng.uniform(-0.8, 0.8, 2).astype(np.float32)
        light -= np.float32(strength * 0.5) * ((y - cy) ** 2 + (x - cx) ** 2)
    factor: Plane = np.maximum(light, np.float32(0.05))
    return factor


def dirt(rng: np.random.Generator, shape: tuple[int, int], most: int = 12) -> Plane:
    """Debris and out-of-focus dust, around 0: sharp dots, soft dots, and rings, dark or bright."""
    plane = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(0, most + 1))):
        y, x = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        radius, height = log_uniform(rng, 0.8, 8), rng.normal() * 0.7
        dot(plane, y, x, radius, height)
        if chance(rng, 0.4):
            dot(plane, y, x, radius * rng.uniform(0.5, 0.8), -height * rng.uniform(0.6, 1.4))
    return plane


def camera_noise(rng: np.random.Generator, plane: Plane, strength: float, shot: float = 0.5) -> Plane:
    """Add noise of deviation about `strength`; the part `shot` of it grows with the root of the light.

    `plane` lies around 0..1. At times neighbouring pixels have noise in common.
    """
    noise = grain(rng, plane.shape[:2])
    if chance(rng, 0.3):
        noise = blur(noise, rng.uniform(0.4, 0.9))
        noise /= noise.std() + np.float32(1e-6)
    light = plane if plane.ndim == 2 else plane.mean(axis=-1)
    scale = np.float32(strength * (1 - shot)) + np.float32(strength * shot * 1.4) * np.sqrt(np.maximum(light, 0))
    noise = noise * scale
    return plane + (noise if plane.ndim == 2 else noise[..., None])


def expose(rng: np.random.Generator, plane: Plane, invert: float = 0.0) -> npt.NDArray[np.uint8]:
    """Turn a plane (y, x) into 8 bits: percentiles to black and white, at times a narrower range, a gamma, a negative.

    Parameters
    ----------
    invert : float
        How often the negative is taken.
    """
    low, high = np.percentile(plane[::3, ::3], (rng.choice((0.0, 0.1, 0.5)), rng.choice((99.5, 99.9, 100.0))))
    scaled = np.clip((plane - np.float32(low)) / np.float32(max(high - low, 1e-6)), 0, 1)
    if chance(rng, 0.3):
        scaled **= np.float32(log_uniform(rng, 0.6, 1.6))
    if chance(rng, invert):
        scaled = 1 - scaled
    dark, bright = (0.0, 1.0) if chance(rng, 0.5) else (rng.uniform(0, 0.25), rng.uniform(0.6, 1))
    return eight_bits(np.float32(dark) + np.float32(bright - dark) * scaled)


def eight_bits(plane: Plane) -> npt.NDArray[np.uint8]:
    """Round 0..1 to 0..255."""
    return (np.clip(plane, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
