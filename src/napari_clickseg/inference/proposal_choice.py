"""Meaning: from what a network answers and what was clicked to the one object that is meant.

Clicks that the mask contradicts are taken in the order given; each adds one piece to it or takes one away, and what
no click speaks of stays pixel by pixel. The piece is the one with the most points, for signs that a person would go by
too: people click in the middle of what is wrong, pieces end at edges or are cut off at a neck, objects are round rather
than ragged, and about as large as others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError
from scipy.special import expit

from napari_clickseg.core.distances import depth
from napari_clickseg.core.object_size import equivalent_diameter
from napari_clickseg.core.regions import Region
from napari_clickseg.inference.instances import split_at_necks
from napari_clickseg.inference.object_proposals import (
    Contradiction,
    Mask,
    Pixel,
    Values,
    distance_from,
    pieces,
    reaches_rim,
)

if TYPE_CHECKING:
    from napari_clickseg.core.requests import Request

TYPICAL = 3
"""From so many whole objects in a window on, their median is the expected size."""


def typical_diameter(parts: npt.NDArray[np.int32]) -> float | None:
    """Return the median diameter of the objects that lie wholly inside; None where there are fewer than `TYPICAL`."""
    sizes = np.bincount(parts.ravel())
    for axis in range(parts.ndim):
        for end in (0, -1):
            sizes[np.unique(np.take(parts, end, axis))] = 0
    sizes[0] = 0
    whole = sizes[sizes > 0]
    return equivalent_diameter(float(np.median(whole)), parts.ndim) if whole.size >= TYPICAL else None


def expected_diameter(request: Request, guess: float, typical: float | None, mask: Mask) -> float:
    """Return how large the object is likely to be, in pixels.

    As others around it, where the network sees some and no size was set. For an object that is there already, half-way
    (in octaves) from that to its own size, which counts as at most an octave more: the object may be several, merged.
    """
    usual = typical if typical is not None and (request.estimated or request.prior is not None) else guess
    if not mask.any():
        return usual
    own = equivalent_diameter(int(mask.sum()), mask.ndim)
    return math.sqrt(usual * min(own, 2 * usual))


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


Clicks = Sequence[tuple[Pixel, bool]]
"""(pixel, positive) of each click."""

PICTURE = 2**15
"""Pieces are looked for in pictures of at most so many pixels; around larger objects every second, third .. counts."""
AROUND, WITHIN = 1.6, 3.0
"""How far a picture reaches from its click, in diameters: at least, and at most to take in the mask."""
ABOUT = 0.6
"""Octaves by which the network's own object may differ from the expected diameter to be taken without doubt."""
SINGLE = 1.1
"""An object of a larger diameter, for the expected one, may be several that are merged."""
TOO_SMALL, MOSTLY = 0.5, 0.5
"""What clicks cut off is no object where its diameter is less than this, for the expected one, or where the network
sees an object on no more than this share of it."""
MIDDLE = 0.85
"""The middle of an object is where it is this deep, for its greatest depth."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What is known around the clicks, all arrays of one shape.

    Attributes
    ----------
    maps : tuple of ndarray of float32
        Logits of the network: its plain answer, then refined ones.
    grey : ndarray of float32
        Brightness, the noise smoothed.
    objects : ndarray of int32
        What the network finds by itself; 0 is background.
    diameter : float
        Expected, in pixels.
    """

    maps: tuple[Values, ...]
    grey: Values
    objects: npt.NDArray[np.int32]
    diameter: float


def meant(scene: Scene, clicks: Clicks, mask: Mask) -> Mask:
    """Return the object that clicks mean, given what it is so far (nothing, for a new one)."""
    for place, (pixel, positive) in enumerate(clicks):
        if mask[pixel] != positive:
            mask = _settled(scene, clicks[: place + 1], mask)
    return mask


def cut_off(scene: Scene, clicks: Clicks, before: Mask, after: Mask) -> npt.NDArray[np.uint8] | None:
    """Return the pieces that negative clicks took away and that are objects of their own, numbered from 1.

    A piece is one where the network sees an object on most of it and where neither the piece nor what is left is small
    for the objects expected.

    Parameters
    ----------
    before, after : ndarray of bool
        The object as it was before any click, and with all of them.
    """
    smallest = TOO_SMALL * scene.diameter
    if equivalent_diameter(int(after.sum()), after.ndim) < smallest:
        return None
    parts, _ = ndimage.label(before & ~after)
    found = np.zeros(after.shape, np.uint8)
    for number in {parts[pixel] for pixel, positive in clicks if not positive} - {0}:
        whole: Mask = parts == number
        several = equivalent_diameter(int(whole.sum()), whole.ndim) > SINGLE * scene.diameter
        for part in _each(split_at_necks(whole) if several else whole.astype(np.int32)):
            if (
                equivalent_diameter(int(part.sum()), part.ndim) >= smallest
                and (scene.maps[0][part] > 0).mean() > MOSTLY
            ):
                found[part] = min(int(found.max()) + 1, np.iinfo(np.uint8).max)
    return found if found.any() else None


def _each(labels: npt.NDArray[np.int32]) -> Iterator[Mask]:
    return (labels == number for number in range(1, int(labels.max()) + 1))


def _settled(scene: Scene, clicks: Clicks, mask: Mask) -> Mask:
    """The mask after the last of the clicks, which it contradicts."""
    pixel, positive = clicks[-1]
    box = _around(pixel, mask, scene.diameter)
    step = math.ceil((box.size / PICTURE) ** (1 / box.ndim))
    thin = tuple(slice(a + (p - a) % step, b, step) for a, p, b in zip(box.start, pixel, box.stop, strict=True))
    inside = {
        tuple((p - s.start) // step for p, s in zip(place, thin, strict=True))
        for place, sign in clicks
        if sign != positive and box.contains(place)
    }
    wrong = Contradiction(
        tuple((p - s.start) // step for p, s in zip(pixel, thin, strict=True)),
        positive,
        mask[thin],
        tuple(values[thin] for values in scene.maps),
        scene.grey[thin],
        scene.objects[thin],
        scene.diameter / step,
    )
    opposite = [place for place in inside if _lies_in(place, wrong.mask.shape)]
    certain = certain_piece(wrong, opposite, alone=not any(sign for _, sign in clicks))
    piece = best_piece(wrong, opposite) if certain is None else certain
    return _put_back(wrong, piece, mask, thin)


def _around(pixel: Pixel, mask: Mask, diameter: float) -> Region:
    """The box of a picture: around the click, and of the mask as far as it is near."""
    least, most = math.ceil(AROUND * diameter) + 4, math.ceil(WITHIN * diameter) + 8
    point = Region(pixel, tuple(p + 1 for p in pixel))
    drawn = Region.of_mask(mask)
    box = point.grow(least) if drawn is None else point.grow(least).union(drawn.grow(2).intersection(point.grow(most)))
    return box.clip(mask.shape)


def _lies_in(place: Pixel, shape: Sequence[int]) -> bool:
    return all(0 <= p < n for p, n in zip(place, shape, strict=True))


def _put_back(wrong: Contradiction, piece: Mask, mask: Mask, thin: tuple[slice, ...]) -> Mask:
    """The mask with a piece of its picture; where that is thinned out, the piece's rim runs between its pixels."""
    changed = mask.copy()
    step = thin[0].step
    if step == 1:
        changed[thin] = wrong.after(piece)
        return changed
    places = tuple(
        np.arange(s.start, min(s.start + step * n, m)) for s, n, m in zip(thin, piece.shape, mask.shape, strict=True)
    )
    grid = np.meshgrid(*[(p - s.start) / step for p, s in zip(places, thin, strict=True)], indexing="ij", sparse=False)
    near = ndimage.map_coordinates(ndimage.binary_dilation(piece).astype(np.float32), grid, order=1, mode="nearest") > 0
    after = ndimage.map_coordinates(wrong.after(piece).astype(np.float32), grid, order=1, mode="nearest") > 0.5
    there = changed[np.ix_(*places)]
    added = near & (after if wrong.positive else ~after)
    changed[np.ix_(*places)] = there | added if wrong.positive else there & ~added
    return changed


def certain_piece(wrong: Contradiction, opposite: Sequence[Pixel], alone: bool) -> Mask | None:
    """Return the piece that leaves no doubt, None where there is doubt.

    A hole is filled; a single object hit in its middle vanishes; a new object is the one that the network sees under
    the click, if that has about the expected size.

    Parameters
    ----------
    alone : bool
        No click lies on an object at all.
    """
    parts, _ = ndimage.label(wrong.room)
    piece: Mask = parts == parts[wrong.click]
    if wrong.positive and not wrong.mask.any():
        own = _own_object(wrong)
        return None if own is None or any(own[place] for place in opposite) else own
    if any(piece[place] for place in opposite):
        return None
    if wrong.positive:
        enclosed = not reaches_rim(piece) and np.count_nonzero(piece) < np.count_nonzero(wrong.mask)
        return piece if enclosed else None
    inner = depth(piece)
    if not alone or inner[wrong.click] < MIDDLE * inner.max():
        return None
    single = equivalent_diameter(int(piece.sum()), piece.ndim) <= SINGLE * wrong.diameter
    return piece if single and split_at_necks(piece).max() == 1 else None


def _own_object(wrong: Contradiction) -> Mask | None:
    """The object that the network sees under the click; None where there is none of about the expected size."""
    own: Mask = wrong.objects == wrong.objects[wrong.click]
    if not wrong.objects[wrong.click]:
        return None
    octaves = math.log2(equivalent_diameter(int(own.sum()), own.ndim) / wrong.diameter)
    return own if abs(octaves) <= ABOUT else None


def best_piece(wrong: Contradiction, opposite: Iterable[Pixel] = ()) -> Mask:
    """Return the piece with the most points among those that hold no click of the other kind."""
    proposed = {
        piece.tobytes(): piece for piece in pieces(wrong) if piece[wrong.click] and not any(piece[p] for p in opposite)
    }
    alone = distance_from(wrong.click, wrong.mask.shape) == 0
    looks = Looks.of(wrong)
    return max(proposed.values(), key=looks.points, default=alone)
