"""Meaning: from what a network answers and what was clicked to the one object that is meant.

Clicks that the mask contradicts are taken in the order given; each adds one piece to it or takes one away, and what
no click speaks of stays pixel by pixel. The piece is the one with the most points, for signs that a person would go by
too: people click in the middle of what is wrong, pieces end at edges or are cut off at a neck, objects are round rather
than ragged, and about as large as others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.engine.instances import split_at_necks
from napari_clickseg.engine.pieces import Contradiction, Mask, Pixel, Values, depth, distance_from, pieces, reaches_rim
from napari_clickseg.engine.signs import Looks
from napari_clickseg.regions import Region
from napari_clickseg.scale import equivalent_diameter

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
        No click says that there is an object at all.
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
