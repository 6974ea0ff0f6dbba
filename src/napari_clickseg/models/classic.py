"""Predictors without weights: random walker, geodesic, superpixels, GrabCut; for first seconds and comparison.

All look at one window around the clicks at the object's scale, coarse enough to stay quick, with seeds of clicks and
prior mask (`seeded_window`). To GrabCut, which has a state for that, the prior mask is only probable but for its core.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from skimage.graph import MCP_Geometric
from skimage.segmentation import random_walker, slic

from napari_clickseg.core.distances import distance_to
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.requests import Request, check_content
from napari_clickseg.models.seeded_window import (
    BACKGROUND,
    OBJECT,
    UNKNOWN,
    Logits,
    Mask,
    Plane,
    SeededWindow,
    answer,
    seeded_window,
    solve,
)

if TYPE_CHECKING:
    from napari_clickseg.core.images import Image
    from napari_clickseg.core.masks import Prediction

STEEPEST = 4.0
MOST_PARTS = 600
LEAST_WEIGHT = 0.02


@dataclass(frozen=True, slots=True)
class RandomWalker:
    """Where would a random walker that avoids edges arrive first: at the object's clicks or at the background's?

    Grady 2006, "Random walks for image segmentation".
    """

    beta: float = 500.0
    name: str = "random-walker"
    ndim: int = 2
    device: str = "cpu"

    check_request = check_content

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        """Answer a request; see `core.requests.Predictor`."""
        return solve(image, request, stop, self._logits)

    def _logits(self, window: SeededWindow, stop: Stop) -> Logits:
        seeds = window.seeds.astype(np.int32)
        shares = random_walker(
            window.picture, seeds, self.beta, mode="bf", channel_axis=-1, return_full_prob=True, spacing=(1.0, 1.0)
        )
        stop.check()
        probability = np.clip(shares[0], 1e-3, 1 - 1e-3)
        logits: Logits = np.log(probability / (1 - probability))
        return logits


@dataclass(frozen=True, slots=True)
class Geodesic:
    """Which kind of click is nearer along paths on which every change of brightness is a detour?

    Bai and Sapiro 2007, "A geodesic framework for fast interactive image and video segmentation and matting".
    """

    edge_cost: float = 60.0
    name: str = "geodesic"
    ndim: int = 2
    device: str = "cpu"

    check_request = check_content

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        """Answer a request; see `core.requests.Predictor`."""
        return solve(image, request, stop, self._logits)

    def _logits(self, window: SeededWindow, stop: Stop) -> Logits:
        cost = 1 + self.edge_cost * _steepness(window.picture)
        to_object = _distance(cost, window.seeds == OBJECT)
        stop.check()
        to_background = _distance(cost, window.seeds == BACKGROUND)
        return _nearer(to_object, to_background)


@dataclass(frozen=True, slots=True)
class Superpixels:
    """Grows the clicked superpixels to those that resemble them, neighbour by neighbour.

    SLIC (Achanta et al. 2012), then shortest paths over neighbours; an edge weighs the difference of mean values.
    """

    per_diameter: float = 8.0
    compactness: float = 0.15
    name: str = "superpixels"
    ndim: int = 2
    device: str = "cpu"

    check_request = check_content

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        """Answer a request; see `core.requests.Predictor`."""
        return solve(image, request, stop, self._logits)

    def _logits(self, window: SeededWindow, stop: Stop) -> Logits:
        wanted = int(np.clip(window.seeds.size * (self.per_diameter / window.diameter) ** 2, 2, MOST_PARTS))
        parts = slic(window.picture, wanted, self.compactness, max_num_iter=5, start_label=0, convert2lab=False)
        stop.check()
        graph = _neighbours(parts, window.picture)
        near = [_reach(graph, np.unique(parts[window.seeds == kind])) for kind in (OBJECT, BACKGROUND)]
        logits: Logits = _nearer(*near)[parts]
        return logits


@dataclass(frozen=True, slots=True)
class GrabCut:
    """Colour models of object and background and the cheapest cut between them, in turns; computed by OpenCV.

    Rother et al. 2004, "GrabCut: interactive foreground extraction using iterated graph cuts". Clicks are sure, a prior
    mask (without one, an object's size around each click) is probable. Its core is sure too: without any sure pixel the
    cheapest cut is none, and a background click alone would delete the object.

    Raises
    ------
    ValueError
        Where OpenCV is not installed.
    """

    rounds: int = 5
    name: str = "grabcut"
    ndim: int = 2
    device: str = "cpu"

    check_request = check_content

    def __post_init__(self) -> None:
        _opencv()

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        """Answer a request; see `core.requests.Predictor`."""
        window = seeded_window(image, request)
        stop.check()
        if window.decided:
            return answer(window, request)
        logits = self._logits(window)
        stop.check()
        return answer(replace(window, seeds=window.sure), request, logits, window.seeds == OBJECT)

    def _logits(self, window: SeededWindow) -> Logits:
        cv2 = _opencv()
        kinds = np.array([cv2.GC_PR_BGD, cv2.GC_FGD, cv2.GC_BGD], np.uint8)
        probable = (window.sure == UNKNOWN) & _probable(window)
        marks = np.where(probable, cv2.GC_PR_FGD, kinds[window.sure]).astype(np.uint8)
        colours = np.rint(255 * window.picture[..., :-1]).astype(np.uint8)
        last = colours.shape[-1] - 1
        colours = np.ascontiguousarray(colours[..., [0, min(1, last), min(2, last)]])
        cv2.setRNGSeed(0)
        cv2.grabCut(colours, marks, None, None, None, self.rounds, cv2.GC_INIT_WITH_MASK)
        return np.where((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD), STEEPEST, -STEEPEST)


def _probable(window: SeededWindow) -> Mask:
    """Where the object probably is: in the prior mask, else no more than half a diameter from a positive click."""
    if window.prior is not None:
        return window.prior
    return distance_to(window.seeds == OBJECT) <= window.diameter / 2


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise ValueError('GrabCut needs OpenCV: pip install "napari-clickseg[bench]".') from error
    return cv2


# -- distances ---------------------------------------------------------------------------------------------------------


def _steepness(picture: Plane) -> npt.NDArray[np.float64]:
    """Length of the gradient over all channels."""
    slopes = [ndimage.correlate1d(picture, (-0.5, 0, 0.5), axis=axis, mode="nearest") for axis in (0, 1)]
    squares = sum(np.square(slope).sum(axis=-1) for slope in slopes)
    steepness: npt.NDArray[np.float64] = np.sqrt(squares)
    return steepness


def _distance(cost: npt.NDArray[np.float64], seeds: Mask) -> npt.NDArray[np.float64]:
    """The cheapest way from the seeds to each pixel."""
    distances: npt.NDArray[np.float64] = MCP_Geometric(cost).find_costs(np.argwhere(seeds))[0]
    return distances


def _nearer(to_object: npt.NDArray[Any], to_background: npt.NDArray[Any]) -> Plane:
    """Logits from two distances: 0 half-way, positive nearer to the object."""
    total = np.maximum(to_object + to_background, 1e-6)
    nearer: Plane = (STEEPEST * (to_background - to_object) / total).astype(np.float32)
    return nearer


def _neighbours(parts: npt.NDArray[Any], picture: Plane) -> sparse.csr_matrix:
    """The graph of touching superpixels; an edge weighs the difference of their mean values and a little more."""
    count = int(parts.max()) + 1
    sizes = np.maximum(np.bincount(parts.ravel(), minlength=count), 1)
    means = np.stack(
        [np.bincount(parts.ravel(), picture[..., k].ravel(), count) / sizes for k in range(picture.shape[-1])], axis=-1
    )
    pairs = np.concatenate(
        [
            np.stack([parts[1:].ravel(), parts[:-1].ravel()], axis=-1),
            np.stack([parts[:, 1:].ravel(), parts[:, :-1].ravel()], axis=-1),
        ]
    )
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=-1), axis=0)
    weights = LEAST_WEIGHT + np.linalg.norm(means[pairs[:, 0]] - means[pairs[:, 1]], axis=-1)
    return sparse.csr_matrix((weights, (pairs[:, 0], pairs[:, 1])), shape=(count, count))


def _reach(graph: sparse.csr_matrix, sources: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Shortest path of each superpixel to the nearest of the sources."""
    lengths: npt.NDArray[np.float64] = csgraph.dijkstra(graph, directed=False, indices=sources, min_only=True)
    return lengths
