"""Rods that grow, divide and push one another, as bacteria on agarose do: packed micro-colonies.

The usual overdamped model of rigid capsules (Volfson, Cookson, Hasty, Tsimring, PNAS 105 (2008) 15346), its
contacts taken between disks along the rods.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Array = npt.NDArray[np.float64]

GROWTH = 0.11
"""Part of its length by which a rod grows in a step."""
PUSHES = 1
"""How often overlaps are resolved after each step of growth."""
LAST_PUSHES = 10


@dataclass(frozen=True, slots=True, eq=False)
class Rods:
    """Capsules of one radius.

    Attributes
    ----------
    centres : ndarray
        (n, 2) as (y, x), pixels.
    angles : ndarray
        (n,) direction of the long axis from x towards y, radians.
    lengths : ndarray
        (n,) between the centres of the two caps, pixels.
    radius : float
        Half the width.
    """

    centres: Array
    angles: Array
    lengths: Array
    radius: float

    def __len__(self) -> int:
        return len(self.lengths)

    def axes(self) -> Array:
        """Unit vectors (n, 2) along the rods."""
        return np.stack((np.sin(self.angles), np.cos(self.angles)), axis=1)


def grow_colony(
    rng: np.random.Generator,
    seeds: Array,
    count: int,
    radius: float,
    longest: float,
    disorder: float,
    side: int,
) -> Rods:
    """Let rods at `seeds` grow and divide until there are `count`; what is pushed far off the plane is dropped.

    Each colony widens about its seed as fast as its rods grow, so that only neighbours have to part by pushing.

    Parameters
    ----------
    longest : float
        Mean length in pixels, caps included, at which a rod divides; at least four radii.
    disorder : float
        Deviation, in radians, of the daughters' directions from their mother's.
    """
    number = len(seeds)
    limits = longest * rng.normal(1, 0.12, number).clip(0.75, 1.3)
    angles = rng.uniform(0, np.pi, number)
    lengths = limits * rng.uniform(0.5, 0.95, number) - 2 * radius
    rods = Rods(np.array(seeds, np.float64), angles, np.maximum(lengths, 0), radius)
    pace = rng.normal(1, 0.15, number).clip(0.6, 1.4)
    home = np.array(seeds, np.float64)
    for _ in range(200):
        if not 0 < len(rods) < count:
            break
        full = (rods.lengths + 2 * radius) * (1 + GROWTH * pace)
        compact = np.sqrt(full.sum() * 2.2 * radius / (np.pi * number))
        away = rods.centres - home
        far = np.hypot(away[:, 0], away[:, 1]) / compact
        widened = np.clip(1.25 - 0.25 * far**2, 0.95, 1)[:, None] * (1 + GROWTH) ** 0.5
        rods = Rods(home + away * np.where(far[:, None] > 1, 0.97, widened), rods.angles, full - 2 * radius, radius)
        rods, limits, pace, home = _divide(rng, rods, limits, pace, home, longest, disorder)
        for _ in range(PUSHES):
            rods = _push(rods)
        near = np.all((rods.centres > -longest) & (rods.centres < side + longest), axis=1)
        if not near.all():
            rods = Rods(rods.centres[near], rods.angles[near], rods.lengths[near], radius)
            limits, pace, home = limits[near], pace[near], home[near]
    for _ in range(LAST_PUSHES):
        rods = _push(rods)
    return rods


def _divide(
    rng: np.random.Generator, rods: Rods, limits: Array, pace: Array, home: Array, longest: float, disorder: float
) -> tuple[Rods, Array, Array, Array]:
    """Replace each rod that is long enough by two of half its length."""
    ripe = rods.lengths + 2 * rods.radius >= limits
    if not ripe.any():
        return rods, limits, pace, home
    half = np.maximum((rods.lengths[ripe] - 2 * rods.radius) / 2, 0)
    shift = rods.axes()[ripe] * ((rods.lengths[ripe] + 2 * rods.radius) / 4)[:, None]
    count = int(ripe.sum())
    stay = ~ripe
    turned = [rods.angles[ripe] + rng.normal(0, disorder, count) for _ in range(2)]
    divided = Rods(
        np.concatenate((rods.centres[stay], rods.centres[ripe] - shift, rods.centres[ripe] + shift)),
        np.concatenate((rods.angles[stay], *turned)),
        np.concatenate((rods.lengths[stay], half, half)),
        rods.radius,
    )
    fresh = longest * rng.normal(1, 0.12, 2 * count).clip(0.75, 1.3)
    paces = rng.normal(1, 0.15, 2 * count).clip(0.6, 1.4)
    homes = np.concatenate((home[stay], home[ripe], home[ripe]))
    return divided, np.concatenate((limits[stay], fresh)), np.concatenate((pace[stay], paces)), homes


def _push(rods: Rods) -> Rods:
    """Move and turn the rods apart by part of their overlaps."""
    beads = int(np.ceil(rods.lengths.max() / (1.3 * rods.radius))) + 1
    along = np.linspace(-0.5, 0.5, beads)
    axes = rods.axes()
    offsets = axes[:, None] * (along * rods.lengths[:, None])[..., None]
    points = (rods.centres[:, None] + offsets).reshape(-1, 2)
    pairs = cKDTree(points).query_pairs(2 * rods.radius, output_type="ndarray")
    pairs = pairs[pairs[:, 0] // beads != pairs[:, 1] // beads]
    if not len(pairs):
        return rods
    apart = points[pairs[:, 1]] - points[pairs[:, 0]]
    distance = np.maximum(np.hypot(apart[:, 0], apart[:, 1]), 1e-6)
    force = apart * ((2 * rods.radius - distance) / distance)[:, None]
    beads_hit = np.concatenate((pairs[:, 0], pairs[:, 1]))
    forces = np.concatenate((-force, force))
    arms = offsets.reshape(-1, 2)[beads_hit]
    hit = beads_hit // beads
    total = np.stack([np.bincount(hit, forces[:, k], len(rods)) for k in (0, 1)], axis=1)
    torque = np.bincount(hit, arms[:, 1] * forces[:, 0] - arms[:, 0] * forces[:, 1], len(rods))
    share = 0.9 / np.maximum(beads / 2, 1)
    moved = np.clip(total * share, -0.6 * rods.radius, 0.6 * rods.radius)
    turned = np.clip(share * torque / (rods.lengths**2 / 8 + rods.radius**2), -0.25, 0.25)
    return Rods(rods.centres + moved, rods.angles + turned, rods.lengths, rods.radius)
