"""Weighing: which pixels belong to an object, by its brightness on a frame that is right and by its shape moved along.

A guess that costs a thousandth of a second where a model takes ten times that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.masks import CERTAIN, Prediction

if TYPE_CHECKING:
    from napari_clickseg.core.object_masks import Mask, Outline
    from napari_clickseg.core.regions import Region

Grey = npt.NDArray[np.float32]
"""Brightness, one value per pixel."""

BINS = 16
CLIPPED = 3.0
"""No grey value says more than this (log odds) for or against an object."""
BRIGHTNESS, SHAPE = 0.5, 20.0
"""Weights of the log odds of a grey value, and of the signed distance to the moved outline in diameters."""
TELLING = 0.75
"""Brightness distinguishes objects from background where so large a share of the pixels of either is on its side."""
LARGEST_CONTRAST = 2.0
TINY = 1e-6
ROOM = 0.4
"""So far from the moved outline, in diameters, an object may reach."""


@dataclass(frozen=True, slots=True, eq=False)
class Brightness:
    """How much each grey value speaks for an object: log odds between its pixels and the background beside it.

    Attributes
    ----------
    edges : ndarray of float32
        Between `BINS` bins of grey values.
    odds : ndarray of float
        One value per bin.
    telling : bool
        Most pixels of either kind are on their side: brightness alone distinguishes the object from its background.
    """

    edges: Grey
    odds: npt.NDArray[np.float64]
    telling: bool = False

    @classmethod
    def of(cls, grey: Grey, inside: Mask, outside: Mask) -> Brightness:
        """Learn from a frame that is right; without pixels of either kind no value says anything."""
        edges = np.quantile(grey, np.linspace(0, 1, BINS + 1)[1:-1]).astype(np.float32)
        if not inside.any() or not outside.any():
            return cls(edges, np.zeros(BINS))
        bins = np.searchsorted(edges, grey)
        counts = [np.bincount(bins[where], minlength=BINS) + 1.0 for where in (inside, outside)]
        odds = np.log(counts[0] / counts[0].sum()) - np.log(counts[1] / counts[1].sum())
        odds = np.clip(ndimage.gaussian_filter1d(odds, 1.0, mode="nearest"), -CLIPPED, CLIPPED)
        right = (odds[bins[inside]] > 0).mean(), (odds[bins[outside]] < 0).mean()
        return cls(edges, odds, bool(min(right) > TELLING))

    def __call__(self, grey: Grey) -> Grey:
        """Return the log odds of each pixel."""
        values: Grey = self.odds[np.searchsorted(self.edges, grey)].astype(np.float32)
        return values


def room_of(outline: Outline, shape: tuple[int, ...]) -> Region:
    """Return the region that an object at this outline may reach into, inside the frame."""
    return outline.region.grow(round(ROOM * outline.diameter) + 3).clip(shape)


def steepness(grey: Grey) -> Grey:
    """Return how steep the image is at each pixel (Sobel)."""
    slopes = [ndimage.sobel(grey, axis) for axis in range(grey.ndim)]
    steep: Grey = np.sqrt(sum(slope**2 for slope in slopes))
    return steep


def contrast_of(mask: Mask, steep: Grey) -> float:
    """Return how much steeper the image is along an outline than around it: a logarithm, 0 where it is as steep.

    Parameters
    ----------
    mask : ndarray of bool
    steep : ndarray of float32
        The steepness on the object's room; `mask` has its shape.

    Examples
    --------
    >>> steep = np.array([[1, 1, 2, 4, 4, 2, 1, 1]], np.float32)
    >>> round(contrast_of(steep > 2, steep), 2)
    0.98
    """
    rim = mask ^ ndimage.binary_erosion(mask)
    if not rim.any():
        return -LARGEST_CONTRAST
    ratio = (float(steep[rim].mean()) + TINY) / (float(np.median(steep)) + TINY)
    return float(np.clip(np.log(ratio), -LARGEST_CONTRAST, LARGEST_CONTRAST))


def weighed(outline: Outline, region: Region, evidence: Grey) -> Prediction:
    """Return an object's logits on a region.

    Parameters
    ----------
    outline : Outline
        Where the object is expected.
    evidence : ndarray of float32
        Log odds of the region's grey values.
    """
    shape = outline.distances_on(region) / max(outline.diameter, 1.0)
    logits = BRIGHTNESS * evidence + SHAPE * shape
    return Prediction(region, np.clip(logits, -CERTAIN, CERTAIN).astype(np.float32))
