"""JudgedPredictor: a ClickPredictor whose network predicts the quality of its answers and sees objects without clicks.

The quality chooses among windows of several scales at a first click, and orders the candidates; what the network sees
without clicks gives seeds, and many first clicks are answered in one batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.object_size import estimate_diameter
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Others, Request, Seed
from napari_clickseg.inference.click_predictor import ClickPredictor
from napari_clickseg.inference.guidance import PointSet
from napari_clickseg.inference.scale_choice import (
    AT_ONCE,
    FURTHER,
    KNOWN,
    beyond,
    first_windows,
    lattice_window,
    score,
    with_candidates,
)
from napari_clickseg.inference.window import Points, choose_window, put_back, to_window

TOGETHER = 8
"""Clicks, or windows, of one batch."""
SEED_SCALE = 2.0
"""Seeds are looked for in windows so many times larger than those that are clicked in: four times fewer."""
SEED_RIM = 8
"""Of such a window, what lies nearer to its rim than its side over this is taken from the next one."""
SEED_DEPTH = 0.4
"""From this depth (over the largest in its object) on, a peak of the depth map is a seed."""
DESCRIBED = 4
"""An object's appearance is what so many of the coarser maps show under its mask."""
SEED_DISTANCE = 0.35
"""Seeds are at least this share of a diameter apart."""


@dataclass(frozen=True, slots=True, eq=False)
class JudgedPredictor(ClickPredictor):
    """Answers requests with a network that judges its answers. Its cache saves time and changes no answer."""

    def explore(self, image: Image, request: Request, stop: Stop = NEVER) -> tuple[Prediction, ...]:
        """Return answers to a request from windows of scales that `predict` leaves out, each with its quality."""
        points = request.points(2)
        diameter = request.diameter or estimate_diameter(image, request.frame, 2)
        seen = self._windows_with(points, diameter, self._octaves(request))
        further = self._windows_with(points, diameter, sorted({*FURTHER, *AT_ONCE}, key=abs))
        windows = [window for window in further if window not in seen]
        answers = self._look_many(image, request, windows, points, stop)
        return tuple(replace(self._obedient(answer, points, diameter), note=self.note) for answer in answers)

    def answer_many(
        self,
        image: Image,
        frame: Frame,
        positions: Sequence[Sequence[float]],
        diameter: float,
        others: Others | None = None,
        stop: Stop = NEVER,
    ) -> tuple[Prediction, ...]:
        """Return the answer to each position as the first click on an object of its own, at one scale."""
        groups: dict[Region, list[int]] = {}
        for number, position in enumerate(positions):
            window = lattice_window(position, diameter / self.rule.object_share, self.rule)
            groups.setdefault(window, []).append(number)
        answers: dict[int, Prediction] = {}
        request = Request(frame, (), None, diameter, others=others)
        for window, numbers in groups.items():
            for begin in range(0, len(numbers), TOGETHER):
                stop.check(len(answers) / len(positions))
                some = numbers[begin : begin + TOGETHER]
                clicks: list[Points] = [((tuple(map(float, positions[k])), True),) for k in some]
                for k, click, answer in zip(some, clicks, self._answers(image, request, window, clicks), strict=True):
                    answers[k] = replace(self._obedient(answer, click, diameter), note=self.note)
        return tuple(answers[k] for k in range(len(positions)))

    def seeds(
        self, image: Image, frame: Frame, diameter: float, region: Region | None = None, stop: Stop = NEVER
    ) -> tuple[Seed, ...]:
        """Return the middles of the objects of a frame (or of a region of it), strongest first."""
        whole = Region.whole(image.frame_shape(2))
        wanted = whole if region is None else region.clip(whole.stop)
        depth = self._depth(image, frame, diameter, wanted, stop)
        places, strengths = peaks(depth, SEED_DISTANCE * diameter, SEED_DEPTH)
        found = [
            Seed(tuple(float(p + a) for p, a in zip(place, wanted.start, strict=True)), float(strength))
            for place, strength in zip(places, strengths, strict=True)
        ]
        return tuple(sorted(found, key=lambda seed: -seed.strength))

    def _on_cpu(self, note: str) -> JudgedPredictor:
        return JudgedPredictor.of(self._copy_on_cpu(), self.card, torch.device("cpu"), note)

    def describe(
        self, image: Image, frame: Frame, masks: Sequence[Prediction], diameter: float, stop: Stop = NEVER
    ) -> npt.NDArray[np.float64]:
        """Return the mean features under each mask, at strides 2 to 16, as (masks, numbers)."""
        rows = []
        for mask in masks:
            stop.check()
            window = lattice_window(_middle(mask), diameter / self.rule.object_share, self.rule)
            side = (self.card.side, self.card.side)
            inside = torch.from_numpy(mask.mask_on(window).astype(np.float32))[None, None]
            inside = functional.interpolate(inside, size=side, mode="area").to(self.torch_device)
            with torch.inference_mode():
                rows.append(pooled(self._features(image, frame, window)[-DESCRIBED:], inside))
        return np.stack(rows) if rows else np.zeros((0, 0))

    # -- first clicks ----------------------------------------------------------------------------------------------

    def _most_credible(
        self, image: Image, request: Request, points: Points, diameter: float, stop: Stop
    ) -> tuple[Prediction, Prediction | None]:
        """Look at the window in use; at a first click at several scales, and again where nothing fits its window."""
        shape = image.frame_shape(2)
        if request.prior is not None:
            window = choose_window(points, request.prior, diameter, shape, self.rule)
            return self._look(image, request, window, points, request.prior, stop), request.prior
        kept = None if request.estimated or request.diameter is None else diameter
        windows = self._windows_with(points, diameter, self._octaves(request))
        windows = windows or [choose_window(points, None, diameter, shape, self.rule)]
        answers = self._look_many(image, request, windows, points, stop)
        best = max(answers, key=lambda answer: score(answer, kept))
        if best.mask().any():
            further = beyond(best, windows, _first(points), self.rule)
            if further is None or not all(further.contains(point) for point, _ in points):
                further = choose_window(points, best, diameter, shape, self.rule)
            if further not in windows:
                answers.append(self._look(image, request, further, points, None, stop))
        return with_candidates(answers, [score(answer, kept) for answer in answers]), None

    def _fitted(
        self,
        image: Image,
        request: Request,
        points: Points,
        diameter: float,
        found: tuple[Prediction, Prediction | None],
        stop: Stop,
    ) -> tuple[Prediction, Prediction | None]:
        """As for other networks where a mask was there before; first answers were fitted when they were chosen."""
        if request.prior is None:
            return found
        # Two arguments, since a dataclass with slots is another class than the one that this method was written in.
        return super(JudgedPredictor, self)._fitted(image, request, points, diameter, found, stop)

    def _obedient(self, answer: Prediction, points: Points, diameter: float) -> Prediction:
        """Every candidate obeys the clicks, too."""
        plain = super(JudgedPredictor, self)._obedient(replace(answer, candidates=()), points, diameter)
        if not answer.candidates:
            return plain
        others = (super(JudgedPredictor, self)._obedient(one, points, diameter) for one in answer.candidates[1:])
        return replace(plain, candidates=(plain, *others))

    @staticmethod
    def _octaves(request: Request) -> tuple[float, ...]:
        return AT_ONCE if request.estimated or request.diameter is None else KNOWN

    def _windows_with(self, points: Points, diameter: float, octaves: Iterable[float]) -> list[Region]:
        """Windows around the first positive click that hold every click."""
        margin = self.rule.margin
        return [
            window
            for window in first_windows(_first(points), diameter, octaves, self.rule)
            if all(window.contains(point, margin * window.shape[0]) for point, _ in points)
        ]

    def _look_many(
        self, image: Image, request: Request, windows: Sequence[Region], points: Points, stop: Stop
    ) -> list[Prediction]:
        """Answers from several windows in one batch, without a prior."""
        if not windows:
            return []
        with torch.inference_mode():
            seen = [self._see(image, request, window, points, None, stop) for window in windows]
            stop.check()
            features = tuple(torch.cat(maps) for maps in zip(*(features for features, _ in seen), strict=True))
            logits, qualities = self._answer(features, torch.cat([maps for _, maps in seen]))
        return self._predictions(logits, qualities, windows, image.frame_shape(2))

    def _features(self, image: Image, frame: Frame, window: Region) -> Sequence[Tensor]:
        return self.cache.get(image, (frame, window), lambda: self._encode(image, frame, window))

    def _answers(self, image: Image, request: Request, window: Region, clicks: Sequence[Points]) -> list[Prediction]:
        """Answers to several clicks in one window, each for itself."""
        side, count = self.card.side, len(clicks)
        with torch.inference_mode():
            features = self._features(image, request.frame, window)
            views = features[0].shape[0]
            repeated = tuple(_repeated(feature, count, views) for feature in features)
            nothing = torch.zeros((count, 1, side, side), device=self.torch_device)
            others = self._others(request, window)
            points = PointSet.of([to_window(click, window, side) for click in clicks], self.torch_device)
            maps = self.guidance(
                points, nothing, nothing[:, 0, 0, 0], (), None if others is None else others.expand(count, -1, -1, -1)
            )
            logits, qualities = self._answer(repeated, maps)
        return self._predictions(logits, qualities, [window] * count, image.frame_shape(2))

    @staticmethod
    def _predictions(
        logits: Tensor, qualities: Tensor | None, windows: Sequence[Region], shape: Sequence[int]
    ) -> list[Prediction]:
        assert qualities is not None
        judged = zip(windows, torch.split(logits, 1), qualities.tolist(), strict=True)
        return [
            Prediction(*put_back(one, window, shape), window=window, quality=quality) for window, one, quality in judged
        ]

    # -- without clicks --------------------------------------------------------------------------------------------

    def _depth(
        self, image: Image, frame: Frame, diameter: float, region: Region, stop: Stop
    ) -> npt.NDArray[np.float32]:
        """The depth map on a region: windows on a lattice of its own, without their rims, where little is seen."""
        side = lattice_window((0, 0), SEED_SCALE * diameter / self.rule.object_share, self.rule).shape[0]
        rim = side // SEED_RIM
        step = side - 2 * rim
        starts = [range(a // step * step - rim, b - rim, step) for a, b in zip(region.start, region.stop, strict=True)]
        windows = [Region((y, x), (y + side, x + side)) for y in starts[0] for x in starts[1]]
        depth = np.zeros(region.shape, np.float32)
        for begin in range(0, len(windows), TOGETHER):
            stop.check(begin / len(windows))
            some = windows[begin : begin + TOGETHER]
            with torch.inference_mode():
                maps = self._seen_depths(image, frame, some)
            for window, values in zip(some, maps, strict=True):
                middle = window.grow(-rim).intersection(region)
                depth[middle.within(region).slices] = values[middle.within(window).slices]
        return depth

    def _seen_depths(self, image: Image, frame: Frame, windows: Sequence[Region]) -> npt.NDArray[np.float32]:
        """Depth maps (windows, y, x) of windows of one size, 0 to 1, at the image's own resolution."""
        views = [self._encode(image, frame, window) for window in windows]
        features = tuple(torch.cat([view[k] for view in views]) for k in range(len(views[0])))
        seen: Tensor = torch.sigmoid(self.network.centres(features).float())  # type: ignore[operator]
        straight = seen[:: seen.shape[0] // len(windows)]
        full = functional.interpolate(straight, size=windows[0].shape, mode="bilinear", align_corners=False)
        values: npt.NDArray[np.float32] = full[:, 0].cpu().numpy()
        return values


def peaks(
    depth: npt.NDArray[np.float32], distance: float, lowest: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Return the places (n, 2) and heights (n,) of local maxima above `lowest`, at least about `distance` apart.

    >>> depth = np.zeros((9, 9), np.float32); depth[2, 3] = depth[7, 7] = 0.9; depth[2, 4] = 0.8
    >>> peaks(depth, 2, 0.5)[0].tolist()
    [[2.0, 3.0], [7.0, 7.0]]
    """
    reach = max(round(distance), 1)
    smooth = ndimage.gaussian_filter(depth, reach / 8) if reach >= 4 else depth
    top = (smooth == ndimage.maximum_filter(smooth, 2 * reach + 1)) & (depth > lowest)
    marks, count = ndimage.label(top, np.ones((3, 3), int))
    numbers = np.arange(1, count + 1)
    places = np.array(ndimage.center_of_mass(top, marks, numbers), float).reshape(-1, 2)
    return places, np.asarray(ndimage.maximum(depth, marks, numbers), np.float32).reshape(-1)


def _first(points: Points) -> tuple[float, ...]:
    """The first positive click, the first one where none is."""
    return next((point for point, positive in points if positive), points[0][0])


def pooled(features: Sequence[Tensor], mask: Tensor) -> npt.NDArray[np.float64]:
    """Return the means of a window's maps under a mask (1, 1, side, side), one after the other.

    >>> pooled([torch.arange(4.0).reshape(1, 1, 2, 2)], torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]]))
    array([0.])
    """
    means = []
    for maps in features:
        weight = functional.adaptive_avg_pool2d(mask, (maps.shape[-2], maps.shape[-1]))
        means.append(((maps[:1].float() * weight).sum((2, 3)) / weight.sum().clamp_min(1e-6)).flatten())
    return torch.cat(means).cpu().numpy().astype(np.float64)


def _middle(mask: Prediction) -> tuple[float, ...]:
    box = Region.of_mask(mask.mask())
    return (mask.region if box is None else box.placed_in(mask.region)).centre


def _repeated(feature: Tensor, count: int, views: int) -> Tensor:
    """A window's map once per click; of a window and its mirror image, all of the one and then all of the other."""
    return torch.cat([feature[k : k + 1].expand(count, -1, -1, -1) for k in range(views)])
