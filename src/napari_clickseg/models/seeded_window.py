"""What all methods without weights share: a request becomes a coarse window with seeds, and logits on it an answer.

Known before any method starts: clicked pixels are certain; what lies more than an object away is background; the prior
mask holds except near clicks that contradict it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.distances import distance_to
from napari_clickseg.core.masks import CERTAIN, Prediction
from napari_clickseg.core.object_size import estimate_diameter
from napari_clickseg.core.regions import Region

if TYPE_CHECKING:
    from napari_clickseg.core.images import Image
    from napari_clickseg.core.jobs import Stop
    from napari_clickseg.core.requests import Request

Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Seeds = npt.NDArray[np.int8]
Logits = npt.NDArray[Any]

OBJECT, BACKGROUND, UNKNOWN = 1, 2, 0
WINDOW = 3.0
"""Side of the window in object diameters."""
LARGEST_SIDE = 144
"""Windows with longer sides are read at every second, third .. pixel."""
NEAR = 0.12
"""Radius of the disk of seeds around a click, in object diameters."""
FAR = 1.2
"""From this distance to every positive click on, in object diameters, there is background (without a prior mask)."""
BAND = 0.08
"""Half the width of the band along a prior mask's rim that may change, in object diameters."""
CONTRADICTION = 2.0
"""Reach of a click that contradicts the prior mask, in distances to that mask's rim."""
LEAST_REACH = 0.3
"""Least reach of a click that contradicts the prior mask, in object diameters."""
SMOOTHING = 0.7
LIKENESS = 2.0
BINS = 32


@dataclass(frozen=True, slots=True, eq=False)
class SeededWindow:
    """A window as the methods see it: a coarse picture with seeds.

    Attributes
    ----------
    region : Region
        The window in the frame's pixels.
    step : int
        Pixels of the frame per pixel of the picture, along each axis.
    picture : ndarray of float32
        (y, x, channel), values between 0 and 1; the last channel is how object-like the colour is.
    seeds : ndarray of int8
        OBJECT, BACKGROUND or UNKNOWN per pixel of the picture: from clicks and prior mask.
    sure : ndarray of int8
        The same, but of the prior mask only the core that no click contradicts.
    prior : ndarray of bool or None
        The prior mask in the picture.
    diameter : float
        Expected object diameter in pixels of the picture.
    """

    region: Region
    step: int
    picture: Plane
    seeds: Seeds
    sure: Seeds
    prior: Mask | None
    diameter: float

    @property
    def decided(self) -> bool:
        """Whether the seeds leave nothing to ask: no object, no background, or nothing between them."""
        return not all((self.seeds == kind).any() for kind in (OBJECT, BACKGROUND, UNKNOWN))


def solve(image: Image, request: Request, stop: Stop, method: Callable[[SeededWindow, Stop], Logits]) -> Prediction:
    """Answer a request by a method that turns a window into logits; where the seeds decide alone, it is not asked."""
    window = seeded_window(image, request)
    stop.check()
    return answer(window, request, None if window.decided else method(window, stop))


def seeded_window(image: Image, request: Request) -> SeededWindow:
    """Return the window that a request asks about, with the seeds of its clicks and prior mask."""
    shape = image.frame_shape(2)
    points = request.points(2)
    diameter = request.diameter or estimate_diameter(image, request.frame, 2)
    region = _window([point for point, _ in points], request.prior, diameter, shape)
    step = -(-max(region.shape) // LARGEST_SIDE)
    small = _shrink(image.intensities(request.frame, region), step)
    scale = max(diameter / step, 3.0)
    places = [((np.subtract(point, region.start) - (step - 1) / 2) / step, positive) for point, positive in points]
    prior = None if request.prior is None else _shrink(request.prior.logits_on(region)[np.newaxis], step)[0] > 0
    clicked = _clicked(places, small.shape[1:])
    around = _disks(clicked, NEAR * scale)
    if prior is None:
        sure = seeds = _over(around, _first_seeds(clicked, scale))
    else:
        seeds = _over(around, _later_seeds(clicked, prior, scale))
        far = _first_seeds(np.where(prior, OBJECT, clicked), scale)
        core = np.where(_core(prior) & (seeds == OBJECT), OBJECT, UNKNOWN)
        sure = _over(around, np.where(prior, core, far))
    return SeededWindow(region, step, _picture(small, seeds), seeds, sure, prior, scale)


def answer(
    window: SeededWindow, request: Request, logits: Logits | None = None, anchors: Mask | None = None
) -> Prediction:
    """Return a method's logits as a prediction.

    Seeds hold, parts of the object without an anchor (a seed, where no others are given) go, holes without a seed
    close, and clicked pixels get their label. Without logits the seeds alone decide.
    """
    sure = np.where(window.seeds == OBJECT, CERTAIN, -CERTAIN)
    coarse = sure if logits is None else np.where(window.seeds == UNKNOWN, np.clip(logits, -CERTAIN, CERTAIN), sure)
    mask = coarse > 0
    lost = mask & ~_touching(mask, window.seeds == OBJECT if anchors is None else anchors)
    holes = ndimage.binary_fill_holes(mask) & ~mask
    closed = holes & ~_touching(holes, window.seeds == BACKGROUND)
    coarse = np.where(lost, -1.0, np.where(closed, 1.0, coarse))
    fine = _enlarge(coarse, window.step, window.region.shape)
    for point, positive in request.points(2):
        pixel = tuple(round(p) - a for p, a in zip(point, window.region.start, strict=True))
        fine[pixel] = CERTAIN if positive else -CERTAIN
    return Prediction(window.region, fine)


def _window(
    points: list[tuple[float, ...]], prior: Prediction | None, diameter: float, shape: tuple[int, ...]
) -> Region:
    """The window around the clicks, grown to hold the prior mask with a margin, inside the frame."""
    missed = [0.0 if prior is None else _distance_to(prior, point) for point in points]
    sides = [max(round(WINDOW * diameter), round(4 * far), 9) for far in missed]
    windows = [Region.around(point, (side, side)) for point, side in zip(points, sides, strict=True)]
    box = None if prior is None else Region.of_mask(prior.mask())
    if prior is not None and box is not None:
        start = tuple(a + b for a, b in zip(prior.region.start, box.start, strict=True))
        whole = Region(start, tuple(a + n for a, n in zip(start, box.shape, strict=True)))
        windows.append(whole.grow(max(round(diameter / 4), 2)))
    region = windows[0]
    for other in windows[1:]:
        region = region.union(other)
    return region.clip(shape)


def _distance_to(prior: Prediction, point: tuple[float, ...]) -> float:
    """Distance from a point to the nearest pixel of the prior mask; 0 where that is empty."""
    pixels = np.argwhere(prior.mask())
    if not pixels.size:
        return 0.0
    return float(np.sqrt(np.square(pixels + np.subtract(prior.region.start, point)).sum(axis=1).min()))


def _shrink(block: npt.NDArray[np.float32], step: int) -> npt.NDArray[np.float32]:
    """Average squares of `step` pixels; the last ones may reach beyond the block, where its rim goes on."""
    if step == 1:
        return block
    extra = [(0, 0), *((0, -n % step) for n in block.shape[1:])]
    padded = np.pad(block, extra, mode="edge")
    channels, rows, columns = padded.shape
    squares = padded.reshape(channels, rows // step, step, columns // step, step)
    small: Plane = squares.mean(axis=(2, 4), dtype=np.float32)
    return small


def _enlarge(coarse: npt.NDArray[Any], step: int, shape: tuple[int, ...]) -> Plane:
    if step == 1:
        return coarse.astype(np.float32)
    large = ndimage.zoom(coarse.astype(np.float32), step, order=1, mode="nearest", grid_mode=True)
    return np.ascontiguousarray(large[: shape[0], : shape[1]])


def _clicked(places: list[tuple[npt.NDArray[Any], bool]], shape: tuple[int, ...]) -> Seeds:
    clicked = np.zeros(shape, np.int8)
    for place, positive in places:
        row, column = (int(np.clip(round(p), 0, n - 1)) for p, n in zip(place, shape, strict=True))
        clicked[row, column] = OBJECT if positive else BACKGROUND
    return clicked


def _disks(clicked: Seeds, radius: float) -> Seeds:
    """Seeds around clicks: disks of this radius, each pixel the nearer click's, none half-way to the other kind."""
    to_object, to_background = distance_to(clicked == OBJECT), distance_to(clicked == BACKGROUND)
    inner = (to_object <= radius) & (2 * to_object < to_background)
    outer = (to_background <= radius) & (2 * to_background < to_object)
    return np.where(inner, OBJECT, np.where(outer, BACKGROUND, clicked)).astype(np.int8)


def _core(prior: Mask) -> Mask:
    """The pixels of a mask deeper inside than half its depth."""
    inside = distance_to(~prior)
    core: Mask = inside > inside.max() / 2
    return core


def _over(upper: Seeds, lower: Seeds) -> Seeds:
    """The upper seeds, and where they are unknown the lower ones."""
    return np.where(upper != UNKNOWN, upper, lower).astype(np.int8)


def _first_seeds(clicked: Seeds, diameter: float) -> Seeds:
    """Background more than an object away from every positive click; in smaller windows, what is farthest."""
    away = distance_to(clicked == OBJECT)
    return np.where(away >= min(FAR * diameter, 0.9 * away.max()), BACKGROUND, UNKNOWN).astype(np.int8)


def _later_seeds(clicked: Seeds, prior: Mask, diameter: float) -> Seeds:
    """The prior mask and its outside, but for a band along its rim and the surroundings of clicks that contradict it.

    Around such a click the other side of the rim is open to twice the click's depth there: a click in the middle of an
    error reaches the error's far end.
    """
    inside, outside = distance_to(~prior), distance_to(prior)
    seeds = np.where(prior, OBJECT, BACKGROUND).astype(np.int8)
    seeds[np.where(prior, inside, outside) <= max(BAND * diameter, 1)] = UNKNOWN
    for kind, wrong, depth in ((OBJECT, ~prior, outside), (BACKGROUND, prior, inside)):
        for row, column in np.argwhere((clicked == kind) & wrong):
            reach = max(CONTRADICTION * depth[row, column], LEAST_REACH * diameter)
            rows, columns = np.ogrid[: clicked.shape[0], : clicked.shape[1]]
            near = np.hypot(rows - row, columns - column) <= reach
            seeds[near & wrong] = UNKNOWN
    return seeds


def _picture(block: npt.NDArray[np.float32], seeds: Seeds) -> Plane:
    """Smoothed channels between 0 and 1, and how much more likely each colour is among object than background seeds."""
    low, high = np.percentile(block, (1, 99), axis=(1, 2), keepdims=True)
    even = np.clip((block - low) / np.maximum(high - low, 1e-6), 0, 1)
    smooth = ndimage.gaussian_filter(even, (0, SMOOTHING, SMOOTHING))
    return np.stack([*smooth, LIKENESS * _likeness(smooth, seeds)], axis=-1).astype(np.float32)


def _likeness(channels: Plane, seeds: Seeds) -> Plane:
    """Probability of the object by colour alone, from histograms of the seeds, channel by channel."""
    log_ratio = np.zeros(channels.shape[1:])
    for channel in channels:
        bins = np.minimum((channel * BINS).astype(int), BINS - 1)
        counts = [np.bincount(bins[seeds == kind], minlength=BINS).astype(float) for kind in (OBJECT, BACKGROUND)]
        shares = [
            ndimage.gaussian_filter1d(c / max(c.sum(), 1), BINS / 16, mode="constant") + 0.2 / BINS for c in counts
        ]
        log_ratio += np.log(shares[0] / shares[1])[bins]
    likeness: Plane = (1 / (1 + np.exp(-np.clip(log_ratio, -20, 20)))).astype(np.float32)
    return likeness


def _touching(mask: Mask, seeds: npt.NDArray[Any]) -> Mask:
    """The components of a mask that hold a seed."""
    parts, count = ndimage.label(mask)
    held = np.zeros(count + 1, bool)
    held[parts[seeds & mask]] = True
    held[0] = False
    touching: Mask = held[parts]
    return touching
