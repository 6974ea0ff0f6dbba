"""Starts: from which mask a robot begins: none, one damaged on purpose, or that of an automatic method.

There are two. One is what laboratories run when they have no model: a threshold of the smoothed image, then a watershed
of the distance transform that parts touching objects. The other is the sample U-Net.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import threshold_local, threshold_otsu
from skimage.segmentation import watershed

from napari_clickseg.core.metrics import iou
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Predictor, Segmenter
from napari_clickseg.core.simulated_errors import KINDS

if TYPE_CHECKING:
    from napari_clickseg.benchmark.datasets import Plane

Mask = npt.NDArray[np.bool_]
Grey = npt.NDArray[np.float32]

SCRATCH, DAMAGED, AUTOMATIC, NETWORK = "scratch", "damaged", "automatic", "network"
FINDER = "unet-sample"
"""The network that finds objects by itself."""
BAD_IOU = 0.9
"""A mask is bad enough to start a correction from where its IoU is at most this."""
DRAWS = 8
"""So many times a kind of damage is drawn until it makes a bad mask; then the next kind has its turn."""
NEIGHBOURHOOD = 4
"""Labels within so many pixels are neighbours, as in `core.simulated_errors.merged`."""
SMOOTHING, BLOCK, APART, SMALLEST = 0.05, 3.0, 0.5, 0.1
"""In object diameters: Gaussian; block of the local threshold; least distance of two objects' middles. In object areas:
what is left out as a speck."""
UNEVEN = 0.5
"""The threshold is local where the background varies by more than this share of the image's spread."""


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What a robot corrects: `kind` says where the mask (the plane's shape) comes from."""

    kind: str
    mask: Mask


def from_scratch(plane: Plane, label: int, diameter: float, seed: int) -> Start:
    """Begin with nothing."""
    return Start(SCRATCH, np.zeros(plane.labels.shape, bool))


def from_damage(plane: Plane, label: int, diameter: float, seed: int) -> Start:
    """Begin with one simulated error, of a kind drawn among those that spoil this object; the start bears its name.

    Raises
    ------
    ValueError
        Where no kind of damage makes a bad mask of the object.
    """
    rng = np.random.default_rng(seed)
    around = _surroundings(plane.labels, label)
    labels = plane.labels[around.slices].astype(np.int32)
    truth = labels == label
    kinds = [kind for kind in KINDS if kind != "merged" or _has_neighbour(labels, truth)]
    for kind in rng.permutation(kinds):
        for _ in range(DRAWS):
            damaged = KINDS[kind](truth, labels, rng)
            if damaged.any() and iou(damaged, truth) <= BAD_IOU:
                mask = np.zeros(plane.labels.shape, bool)
                mask[around.slices] = damaged
                return Start(str(kind), mask)
    raise ValueError(f"Object {label} of {int(truth.sum())} pixels cannot be damaged; it is too small to start from.")


def from_automatic(plane: Plane, label: int, diameter: float, seed: int) -> Start:
    """Begin with the automatic object that overlaps this one most; with nothing where none does."""
    return _most_of(automatic_labels(plane, diameter), plane.labels == label, AUTOMATIC)


def from_network(plane: Plane, label: int, diameter: float, seed: int) -> Start:
    """Begin with the object of the sample U-Net that overlaps this one most; with nothing where none does."""
    return _most_of(network_labels(plane), plane.labels == label, NETWORK)


def _most_of(found: npt.NDArray[np.int32], truth: Mask, kind: str) -> Start:
    hits = np.bincount(found[truth])
    hits[0] = 0
    best = int(hits.argmax())
    return Start(kind, found == best if hits[best] else np.zeros(truth.shape, bool))


STARTS: dict[str, Callable[[Plane, int, float, int], Start]] = {
    SCRATCH: from_scratch,
    DAMAGED: from_damage,
    AUTOMATIC: from_automatic,
    NETWORK: from_network,
}
"""(plane, label, expected diameter, seed) -> what the robot begins with."""


def start_of(plane: Plane, label: int, diameter: float, name: str, target: str) -> Start:
    """Return the start of this name for a target; all that is random in it follows from the target's text alone."""
    return STARTS[name](plane, label, diameter, zlib.crc32(f"{name}|{target}".encode()))


def protocol_of(start: str) -> str:
    """Return the name in `STARTS` that a row's start comes from.

    >>> protocol_of("merged"), protocol_of("scratch")
    ('damaged', 'scratch')
    """
    return DAMAGED if start in KINDS else start


@lru_cache(maxsize=4)
def automatic_labels(plane: Plane, diameter: float) -> npt.NDArray[np.int32]:
    """Return a plane's objects as a threshold and a watershed find them, for objects of about this diameter."""
    grey = ndimage.gaussian_filter(_grey(plane), max(SMOOTHING * diameter, 1.0))
    mask = ndimage.binary_fill_holes(_foreground(grey, diameter))
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), max(SMOOTHING * diameter, 1.0))
    parts, _ = ndimage.label(mask)
    peaks = peak_local_max(depth, min_distance=max(round(APART * diameter), 1), labels=parts, exclude_border=False)
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    found = watershed(-depth, markers, mask=mask)
    sizes = np.bincount(found.ravel())
    specks = sizes < SMALLEST * np.pi / 4 * diameter**2
    labels: npt.NDArray[np.int32] = np.where(specks[found], 0, found).astype(np.int32)
    return labels


@lru_cache(maxsize=4)
def network_labels(plane: Plane) -> npt.NDArray[np.int32]:
    """Return a plane's objects as the sample U-Net finds them.

    Raises
    ------
    TypeError
        Where the model of that name only answers clicks.
    """
    finder = _finder()
    if not isinstance(finder, Segmenter):
        raise TypeError(f"{FINDER} answers clicks, but does not find objects by itself.")
    return finder.segment(plane.image, ())


@lru_cache(maxsize=1)
def _finder() -> Predictor:
    from napari_clickseg.models.load import load_model

    return load_model(FINDER)


def _grey(plane: Plane) -> Grey:
    """The mean of the channels."""
    block: npt.NDArray[Any] = plane.image.intensities((), Region.whole(plane.labels.shape))
    grey: Grey = block.mean(axis=0, dtype=np.float32)
    return grey


def _foreground(grey: Grey, diameter: float) -> Mask:
    """The side of the threshold that has the smaller share of the image's rim.

    The threshold is Otsu's, or local where the background is uneven: where its own level varies much.
    """
    if grey.min() == grey.max():
        return np.zeros(grey.shape, bool)
    level = ndimage.median_filter(grey[::8, ::8], size=max(round(BLOCK * diameter / 8), 1), mode="nearest")
    if np.ptp(level) > UNEVEN * np.subtract(*np.percentile(grey, (99, 1))):
        block = 2 * round(BLOCK * diameter / 2) + 1
        bright: Mask = grey > threshold_local(grey, block)
    else:
        bright = grey > threshold_otsu(grey)
    rim = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
    return ~bright if rim.mean() > 0.5 else bright


def _has_neighbour(labels: npt.NDArray[np.int32], truth: Mask) -> bool:
    near = ndimage.binary_dilation(truth, iterations=NEIGHBOURHOOD)
    return bool((labels[near & ~truth] > 0).any())


def _surroundings(labels: npt.NDArray[Any], label: int) -> Region:
    """The box of an object and of all its neighbours, with a margin as wide as the object."""
    box = Region.of_mask(labels == label)
    if box is None:
        raise ValueError(f"There is no object {label} in these labels.")
    near = box.grow(NEIGHBOURHOOD).clip(labels.shape)
    numbers = np.unique(labels[near.slices])
    joined = Region.of_mask(np.isin(labels, numbers[numbers > 0])) or box
    return joined.union(box.grow(max(box.shape))).grow(NEIGHBOURHOOD).clip(labels.shape)
