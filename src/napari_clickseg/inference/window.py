"""The window: which square of the frame a network looks at, and how the square is cut, normalised and put back.

Choosing is pure: the same clicks, prior and diameter give the same window, so a window's image features can be kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from napari_clickseg.core.masks import CERTAIN, Prediction
from napari_clickseg.core.object_size import equivalent_diameter
from napari_clickseg.core.regions import Region

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.images import Image
    from napari_clickseg.core.requests import Others

Points = Sequence[tuple[tuple[float, ...], bool]]
"""(position within the frame, positive) of each click."""

REDUCED, CLOSE, CLOSE_SHARE = 1.05, 0.5, 0.4
"""From this reduction on there are closer looks, of this side in network windows, at least this share of the window."""
ZOOM, KEPT_OVERLAP = 1.4, 0.5
"""Of RITM's zoom-in: the window's side over the box's, and the overlap above which a window is kept."""
UNUSUAL_COST, LEAVING_COST = 0.05, 0.3
"""What an octave of unusual share, and leaving the window, take from an answer's credibility (chosen on val)."""
DEVIATIONS = 5.0
"""Normalised intensities are cut at this many standard deviations."""


@dataclass(frozen=True, slots=True)
class WindowRule:
    """How large a window is, in terms of the object.

    Attributes
    ----------
    object_share : float
        Diameter of an object over the side of a window made for it.
    extent_share : float
        Largest extent of an object over the side of a window made for it.
    smallest_share, largest_share : float
        A window is left as it is while the object's diameter over its side stays between these.
    margin : float
        Clicks this near to the rim (share of the side) make the window grow.
    smallest_side : int
        In pixels of the image.
    """

    object_share: float = 0.36
    extent_share: float = 0.72
    smallest_share: float = 0.13
    largest_share: float = 0.75
    margin: float = 0.03
    smallest_side: int = 24


def choose_window(
    points: Points, prior: Prediction | None, diameter: float, frame_shape: Sequence[int], rule: WindowRule
) -> Region:
    """Return the square window for a question, in frame pixels; it may reach beyond the frame.

    The prior's own window is used again while it fits; otherwise a new one is made around the prior's object and the
    clicks, or, without a prior, around the first positive click.
    """
    mask = None if prior is None else prior.mask()
    shown = None if mask is None else Region.of_mask(mask)
    if prior is None or mask is None or shown is None:
        first = next((point for point, positive in points if positive), points[0][0] if points else None)
        if first is None:
            raise ValueError("A question needs a click or a mask to start from.")
        return _square_around(_with_points(Region.around(first, (1, 1)), points), diameter / rule.object_share, rule)
    box = shown.placed_in(prior.region)
    size = equivalent_diameter(int(mask.sum()), 2)
    if prior.window is not None and _fits(prior.window, box, size, points, frame_shape, rule):
        return prior.window
    side = max(size / rule.object_share, max(box.shape) / rule.extent_share)
    return _square_around(_with_points(box, points), side, rule)


def zoom_window(points: Points, prior: Prediction, rule: WindowRule) -> Region | None:
    """Return the square window around the mask found so far and the clicks, `ZOOM` times as large; None without a mask.

    RITM's zoom-in, taken over from f-BRS: the prior's own window is kept while it overlaps the new one by half.
    """
    shown = Region.of_mask(prior.mask())
    if shown is None:
        return None
    box = _with_points(shown.placed_in(prior.region), points)
    side = max(rule.smallest_side, math.ceil(ZOOM * max(box.shape)))
    window = Region.around(box.centre, (side, side))
    if prior.window is None:
        return window
    shared = prior.window.intersection(window).size
    either = prior.window.size + window.size - shared
    inside = all(prior.window.contains(point) for point, _ in points)
    return prior.window if inside and shared > KEPT_OVERLAP * either else window


def _fits(
    window: Region, box: Region, size: float, points: Points, frame_shape: Sequence[int], rule: WindowRule
) -> bool:
    side = window.shape[0]
    inside = all(window.contains(point, rule.margin * side) for point, _ in points)
    touches = touches_rim(window, box, frame_shape)
    return inside and not touches and rule.smallest_share * side <= size <= rule.largest_share * side


def touches_rim(window: Region, box: Region, frame_shape: Sequence[int]) -> bool:
    """Whether an object reaches the rim of its window where the frame goes on."""
    return any(
        (a <= w and w > 0) or (b >= v and v < n)
        for a, b, w, v, n in zip(box.start, box.stop, window.start, window.stop, frame_shape, strict=True)
    )


def _with_points(box: Region, points: Points) -> Region:
    for point, _ in points:
        box = box.union(Region.around(point, (1, 1)))
    return box


def _square_around(box: Region, side: float, rule: WindowRule) -> Region:
    whole = max(rule.smallest_side, math.ceil(max(side, max(box.shape) / (1 - 4 * rule.margin))))
    return Region.around(box.centre, (whole, whole))


def close_window(window: Region | None, points: Points, side: int) -> Region | None:
    """Return a smaller window around the last click, None where `window` shows the frame as large as the network can.

    Parameters
    ----------
    side : int
        Of the network's window: a window of that many pixels is seen without loss.
    """
    if window is None or not points or window.shape[0] < REDUCED * side:
        return None
    whole = math.ceil(max(CLOSE * side, CLOSE_SHARE * window.shape[0]))
    return Region.around(points[-1][0], (whole, whole))


def blended(answer: Prediction, look: Prediction, middle: Sequence[float], side: int) -> npt.NDArray[np.float32]:
    """Return an answer's logits with those of a closer look in its middle, fading out towards the look's rim."""
    shared = look.region.intersection(answer.region)
    logits = answer.logits.copy()
    if shared.size == 0:
        return logits
    offsets = [
        np.abs(np.arange(a, b) - m) / (side / 2) for a, b, m in zip(shared.start, shared.stop, middle, strict=True)
    ]
    distance = np.maximum(offsets[0][:, None], offsets[1][None, :])
    weight = np.clip((0.9 - distance) / 0.3, 0, 1).astype(np.float32)
    place = shared.within(answer.region).slices
    logits[place] += weight * (look.logits[shared.within(look.region).slices] - logits[place])
    return logits


def credibility(answer: Prediction, frame_shape: Sequence[int], rule: WindowRule) -> float:
    """Return how much an answer speaks for the scale of its window.

    At most 1: the stability of its mask (IoU of the masks at logits 1 and -1), less where the object's share of the
    window is unusual, and much less where the object leaves the window.
    """
    certain, possible = int((answer.logits > 1).sum()), int((answer.logits > -1).sum())
    mask = answer.mask()
    box = Region.of_mask(mask)
    if answer.window is None or box is None:
        return -1.0
    share = equivalent_diameter(int(mask.sum()), 2) / answer.window.shape[0]
    unusual = abs(math.log2(share / rule.object_share))
    leaves = touches_rim(answer.window, box.placed_in(answer.region), frame_shape)
    return certain / possible - UNUSUAL_COST * unusual - LEAVING_COST * leaves


def cut_window(image: Image, frame: Frame, window: Region, side: int) -> Tensor:
    """Return the image in a window as (1, 3, side, side), grey repeated; beyond the frame its edge goes on."""
    inside = window.clip(image.frame_shape(2))
    block = torch.from_numpy(three_channels(image.intensities(frame, inside)))[None]
    pads = (
        inside.start[1] - window.start[1],
        window.stop[1] - inside.stop[1],
        inside.start[0] - window.start[0],
        window.stop[0] - inside.stop[0],
    )
    return _resize(functional.pad(block, pads, mode="replicate"), side)


def cut_logits(prediction: Prediction, window: Region, side: int) -> Tensor:
    """Return a prediction's logits in a window as (1, 1, side, side)."""
    return _resize(torch.from_numpy(prediction.logits_on(window))[None, None], side)


def cut_others(others: Others, window: Region, side: int) -> Tensor:
    """Return the mask of other objects in a window as (1, 1, side, side), 0 to 1."""
    return _resize(torch.from_numpy(others.on(window).astype(np.float32))[None, None], side)


def put_back(logits: Tensor, window: Region, frame_shape: Sequence[int]) -> tuple[Region, npt.NDArray[np.float32]]:
    """Return logits (1, 1, side, side) of a window on the frame's own pixels, cut to the frame."""
    full = functional.interpolate(logits.float(), size=window.shape, mode="bilinear", align_corners=False)[0, 0]
    inside = window.clip(frame_shape)
    values: npt.NDArray[np.float32] = full.cpu().numpy()[inside.within(window).slices]
    return inside, np.ascontiguousarray(np.clip(values, -2 * CERTAIN, 2 * CERTAIN))


def to_window(points: Points, window: Region, side: int) -> list[tuple[tuple[float, ...], bool]]:
    """Return the clicks in window pixels of a window resampled to `side`."""
    scale = side / window.shape[0]
    return [
        (tuple((p - a + 0.5) * scale - 0.5 for p, a in zip(point, window.start, strict=True)), positive)
        for point, positive in points
    ]


def normalise(image: Tensor) -> Tensor:
    """Return windows (batch, channel, y, x) with mean 0 and deviation 1 over all channels, cut at DEVIATIONS."""
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    deviation = image.std(dim=(1, 2, 3), keepdim=True).clamp_min(1e-6)
    return ((image - mean) / deviation).clamp(-DEVIATIONS, DEVIATIONS)


def _resize(block: Tensor, side: int) -> Tensor:
    if block.shape[-2:] == (side, side):
        return block
    return functional.interpolate(block, size=(side, side), mode="bilinear", align_corners=False, antialias=True)


def three_channels(block: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return a block of one to three channels (channel first) with three: grey repeated, two and their mean."""
    if block.shape[0] == 3:
        return block
    if block.shape[0] == 2:
        return np.concatenate((block, block.mean(axis=0, keepdims=True)))
    return np.repeat(block, 3, axis=0)
