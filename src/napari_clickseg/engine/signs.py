"""Signs: what speaks for a piece being what a click means, and how many points each sign is worth.

The points were fitted to the clicks of a robot that corrects a U-Net on validation images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError
from scipy.special import expit

from napari_clickseg.engine.pieces import Contradiction, Mask, Values, depth
from napari_clickseg.regions import Region
from napari_clickseg.scale import equivalent_diameter

RING = 3
"""Width, in pixels, of the surroundings that a piece is compared with."""
MOST = 3.0
"""Signs without an upper end are cut here."""


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What pieces are judged by, computed once for all of them."""

    wrong: Contradiction
    room: Mask
    probability: Values
    edges: Values
    rim: float
    contrast: float
    polarity: float
    brightness: float

    @classmethod
    def of(cls, wrong: Contradiction) -> Looks:
        room = wrong.room
        slope = ndimage.gaussian_gradient_magnitude(wrong.grey, 1.0)
        edges = np.clip(slope / max(float(np.percentile(slope, 95)), 1e-6), 0, 1).astype(np.float32)
        probability = expit(wrong.maps[0]).astype(np.float32)
        rim = min(float(depth(room)[wrong.click]), wrong.diameter / 2)
        contrast = max(float(wrong.grey.std()), 1e-6)
        known = wrong.mask.astype(np.float32) if wrong.mask.any() else probability
        spread = max(float(probability.std()), 1e-6)
        likely = (probability - probability.mean()) * (wrong.grey - wrong.grey.mean())
        polarity = float(likely.mean()) / spread / contrast
        brightness = float((known * wrong.grey).sum() / max(float(known.sum()), 1e-6))
        return cls(wrong, room, probability, edges, rim, contrast, polarity, brightness)

    def points(self, piece: Mask) -> float:
        """Return how many points a piece has."""
        weights = WEIGHTS[self.situation]
        return sum(weights[name] * value for name, value in self.signs(piece).items())

    @property
    def situation(self) -> str:
        """Whether a piece is taken away, added, or the first one."""
        if not self.wrong.positive:
            return "away"
        return "added" if self.wrong.mask.any() else "first"

    def signs(self, piece: Mask) -> dict[str, float]:
        """Return what speaks for a piece and against it; the names are those of `WEIGHTS`."""
        wrong = self.wrong
        box = (Region.of_mask(piece) or Region.whole(piece.shape)).grow(RING + 1).clip(piece.shape).slices
        part, room, edges = piece[box], self.room[box], self.edges[box]
        inner = depth(part)
        free = ndimage.binary_dilation(part) & ~part & room
        ring = ndimage.binary_dilation(part, iterations=RING) & ~part & room
        after = wrong.after(piece)
        size, width = int(after.sum()), 4 * np.count_nonzero(part) ** (1 - 1 / part.ndim)
        click = tuple(p - s.start for p, s in zip(wrong.click, box, strict=True))
        other = ring if ring.any() else part
        step = self.probability[box][part].mean() - self.probability[box][other].mean()
        grey, sign = wrong.grey[box], 1.0 if wrong.positive else -1.0
        return {
            "central": float(inner[click] / inner.max()),
            "cut": min(float((1 - edges[free]).sum() / width), MOST),
            "neck": min(np.count_nonzero(free) / width, MOST),
            "round": solidity(after) if size else 0.5,
            "round piece": solidity(part),
            "size": min(abs(math.log2(max(equivalent_diameter(size, part.ndim), 0.5) / wrong.diameter)), MOST),
            "map": sign * float(step),
            "even": float(grey[part].std() / self.contrast),
            "contrast": float(abs(grey[part].mean() - grey[other].mean()) / self.contrast),
            "reach": min(abs(math.log2(max(float(inner.max()), 0.5) / max(self.rim, 0.5))), MOST),
            "polar": sign * self.polarity * float(grey[part].mean() - grey[other].mean()) / self.contrast,
            "alike": min(abs(float(grey[part].mean()) - self.brightness) / self.contrast, MOST),
        }


def solidity(mask: Mask) -> float:
    """Return the share of its convex hull that a mask fills, between 0 and 1.

    >>> solidity(np.ones((3, 4), bool))
    1.0
    """
    rim = np.argwhere(mask & ~ndimage.binary_erosion(mask)).astype(np.float64)
    corners = np.concatenate((np.eye(mask.ndim), -np.eye(mask.ndim))) / 2
    try:
        hull = ConvexHull((rim[:, None] + corners).reshape(-1, mask.ndim))
    except QhullError:
        return 1.0
    return min(float(np.count_nonzero(mask) / hull.volume), 1.0)


WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "first": {
        "central": 0.15,
        "cut": -0.08,
        "neck": -0.28,
        "round": 0.16,
        "round piece": 0.16,
        "size": -0.18,
        "map": 0.2,
        "even": -0.13,
        "contrast": 0.07,
        "reach": -0.07,
        "polar": 0.07,
        "alike": 0.05,
    },
    "added": {
        "central": 0.13,
        "cut": -0.01,
        "neck": -0.13,
        "round": 0.13,
        "round piece": -0.1,
        "size": -0.01,
        "map": 0.04,
        "even": -0.05,
        "contrast": 0.08,
        "reach": -0.12,
        "polar": 0.07,
        "alike": -0.05,
    },
    "away": {
        "central": 0.11,
        "cut": -0.07,
        "neck": -0.16,
        "round": 0.11,
        "round piece": -0.03,
        "size": -0.09,
        "map": -0.03,
        "even": -0.13,
        "contrast": 0.06,
        "reach": -0.12,
        "polar": 0.01,
        "alike": 0.11,
    },
}
"""Points of each sign, by what a click asks for."""
