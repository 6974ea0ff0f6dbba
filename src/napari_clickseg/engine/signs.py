"""Signs: what speaks for a piece being what a click means, and how many points each sign is worth.

The points were fitted to the clicks of a robot that corrects a U-Net, on images that no benchmark reports.
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
BELIEF = 4.0
"""The logit from which on the network is sure."""
MOST = 3.0
"""Signs without an upper end are cut here."""


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What pieces are judged by, computed once for all of them."""

    wrong: Contradiction
    room: Mask
    probability: Values
    belief: Values
    edges: Values
    rim: float
    contrast: float
    polarity: float
    brightness: float
    line: Mask
    area: int
    edged: float
    wavy: float

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
        line = rim_of(wrong.mask)
        area = int(wrong.mask.sum())
        edged, wavy = (float(edges[line].mean()), waviness(line, area)) if area else (0.0, 0.0)
        belief = np.tanh(wrong.maps[0] / BELIEF).astype(np.float32)
        return cls(
            wrong, room, probability, belief, edges, rim, contrast, polarity, brightness, line, area, edged, wavy
        )

    def points(self, piece: Mask) -> float:
        """Return how many points a piece has."""
        weights = WEIGHTS[self.situation]
        return sum(weights.get(name, 0.0) * value for name, value in self.signs(piece).items())

    @property
    def situation(self) -> str:
        """Whether a piece is taken away, added, or the first one; and whether it is not the first correction."""
        if self.wrong.positive and not self.wrong.mask.any():
            return "first"
        return ("added" if self.wrong.positive else "away") + (" again" if self.wrong.again else "")

    def signs(self, piece: Mask) -> dict[str, float]:
        """Return what speaks for a piece and against it; the names are those of `WEIGHTS`."""
        wrong = self.wrong
        box = (Region.of_mask(piece) or Region.whole(piece.shape)).grow(RING + 1).clip(piece.shape).slices
        part, room, edges = piece[box], self.room[box], self.edges[box]
        inner = depth(part)
        wider = ndimage.binary_dilation(part)
        free = wider & ~part & room
        ring = ndimage.binary_dilation(part, iterations=RING) & ~part & room
        after = wrong.after(piece)
        size, width = int(after.sum()), 4 * np.count_nonzero(part) ** (1 - 1 / part.ndim)
        click = tuple(p - s.start for p, s in zip(wrong.click, box, strict=True))
        other = ring if ring.any() else part
        step = self.probability[box][part].mean() - self.probability[box][other].mean()
        grey, sign = wrong.grey[box], 1.0 if wrong.positive else -1.0
        line = rim_of(after)
        octaves = math.log2(max(equivalent_diameter(size, part.ndim), 0.5) / wrong.diameter)
        return {
            "around": int((wider & self.line[box]).sum()) / max(int(self.line.sum()), 1),
            "large": min(max(octaves, 0.0), MOST),
            "small": min(max(-octaves, 0.0), MOST),
            "edged": float(self.edges[line].mean()) - self.edged if size else 0.0,
            "wavy": waviness(line, size) - self.wavy if size else 0.0,
            "agreed": sign * float(self.belief[box][part].mean()),
            "share": min(np.count_nonzero(part) / self.area, MOST) if self.area else 0.0,
            "hit": min(abs(math.log2(max(float(inner[click]), 0.5) / max(self.rim, 0.5))), MOST),
            "thin": float(inner.max()) / np.count_nonzero(part) ** (1 / part.ndim),
            "central": float(inner[click] / inner.max()),
            "cut": min(float((1 - edges[free]).sum() / width), MOST),
            "neck": min(np.count_nonzero(free) / width, MOST),
            "round": solidity(after) if size else 0.5,
            "round piece": solidity(part),
            "size": min(abs(octaves), MOST),
            "map": sign * float(step),
            "even": float(grey[part].std() / self.contrast),
            "contrast": float(abs(grey[part].mean() - grey[other].mean()) / self.contrast),
            "reach": min(abs(math.log2(max(float(inner.max()), 0.5) / max(self.rim, 0.5))), MOST),
            "polar": sign * self.polarity * float(grey[part].mean() - grey[other].mean()) / self.contrast,
            "alike": min(abs(float(grey[part].mean()) - self.brightness) / self.contrast, MOST),
        }


def rim_of(mask: Mask) -> Mask:
    """Return the pixels of a mask that touch its outside over a face; what lies beyond the array is outside."""
    rim: Mask = mask & ~ndimage.binary_erosion(mask)
    return rim


def waviness(line: Mask, area: int) -> float:
    """Return how long a rim is for the area that it encloses, whatever its size.

    >>> waviness(np.ones((2, 2), bool), 4)
    2.0
    """
    return float(np.count_nonzero(line) / area ** (1 - 1 / line.ndim))


def solidity(mask: Mask) -> float:
    """Return the share of its convex hull that a mask fills, between 0 and 1.

    >>> solidity(np.ones((3, 4), bool))
    1.0
    """
    rim = np.argwhere(rim_of(mask)).astype(np.float64)
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
        "around": 2.58,
        "large": -0.66,
        "small": 0.71,
        "edged": 2.74,
        "wavy": -0.12,
        "agreed": 2.05,
        "share": -0.06,
        "hit": 0.28,
        "thin": -2.68,
        "central": 1.02,
        "cut": -0.75,
        "neck": 0.02,
        "round": 1.86,
        "round piece": 0.01,
        "size": -0.56,
        "map": 5.08,
        "even": -2.22,
        "contrast": 0.47,
        "reach": -1.46,
        "polar": 1.03,
        "alike": -0.12,
    },
    "added again": {
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
        "around": 1.06,
        "large": 1.24,
        "small": -1.64,
        "edged": 3.65,
        "wavy": -1.29,
        "agreed": 2.91,
        "share": -2.98,
        "hit": -1.42,
        "thin": -0.95,
        "central": 3.62,
        "cut": -3.11,
        "neck": -0.44,
        "round": 2.92,
        "round piece": -1.98,
        "size": -1.55,
        "map": -2.27,
        "even": -0.41,
        "contrast": 0.65,
        "reach": -0.92,
        "polar": 0.3,
        "alike": 0.74,
    },
    "away again": {
        "around": -1.6,
        "large": 0.37,
        "small": -0.42,
        "edged": 2.1,
        "wavy": -0.69,
        "agreed": 1.03,
        "share": -2.58,
        "hit": 0.27,
        "thin": -0.48,
        "central": 3.06,
        "cut": -1.95,
        "neck": -1.43,
        "round": 2.71,
        "round piece": -1.61,
        "size": -0.41,
        "map": -0.19,
        "even": -0.75,
        "contrast": 0.39,
        "reach": -0.74,
        "polar": 0.16,
        "alike": 0.74,
    },
}
"""Points of each sign, by what a click asks for; a sign that is not named is worth nothing there."""
