"""JudgedPredictor: a ClickPredictor whose network predicts the quality of its answers and sees objects without clicks.

The quality chooses among windows of several scales at a first click, and orders the candidates; what the network sees
without clicks gives seeds, and many first clicks are answered in one batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.object_size import estimate_diameter
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Others, Request, Seed
from napari_clickseg.inference.click_predictor import ClickPredictor
from napari_clickseg.inference.device import FeatureCache, copy_on_cpu, on_device_or_cpu
from napari_clickseg.inference.guidance import PointSet
from napari_clickseg.inference.scale_choice import (
    AT_ONCE,
    FURTHER,
    KNOWN,
    beyond,
    first_windows,
    score,
    with_candidates,
)
from napari_clickseg.inference.shared_windows import CELLS, CROP, LARGE_CROP, STRIDE, Lattice, cropped
from napari_clickseg.inference.window import Points, choose_window, cut_others, put_back, to_window, touches_rim
from napari_clickseg.networks.lite_clicknet import LiteClickNet

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.images import Image

TOGETHER = 16
"""Clicks of one batch."""
SHARED_BYTES = 2**26
"""Features of shared windows that are kept: about eight."""
SEED_DEPTH = 0.4
"""From this depth (over the largest in its object) on, a peak of the depth map is a seed."""
DESCRIBED = 4
"""An object's appearance is what so many of the coarser maps show under its mask."""
SEED_DISTANCE = 0.35
"""Seeds are at least this share of a diameter apart."""


@dataclass(frozen=True, slots=True, eq=False)
class JudgedPredictor(ClickPredictor):
    """Answers requests with a network that judges its answers. Its caches save time and change no answer."""

    shared: FeatureCache = field(default_factory=lambda: FeatureCache(SHARED_BYTES))

    def free_features(self) -> None:
        """Forget the features that are kept on the device, those of shared windows, too."""
        super(JudgedPredictor, self).free_features()
        self.shared.clear()

    @property
    def adaptable(self) -> bool:
        """Whether the network has a stream of its own for clicks, which can learn from a few objects."""
        return isinstance(self.network, LiteClickNet)

    def explore(self, image: Image, request: Request, stop: Stop = NEVER) -> tuple[Prediction, ...]:
        """Return answers to a request from windows of scales that `predict` leaves out, each with its quality.

        Here and below, a GPU whose memory does not do hands the work over to the CPU.
        """
        return on_device_or_cpu(self, lambda able: able._explored(image, request, stop))

    def _explored(self, image: Image, request: Request, stop: Stop) -> tuple[Prediction, ...]:
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
        return on_device_or_cpu(self, lambda able: able._answered_many(image, frame, positions, diameter, others, stop))

    def _answered_many(
        self,
        image: Image,
        frame: Frame,
        positions: Sequence[Sequence[float]],
        diameter: float,
        others: Others | None,
        stop: Stop,
    ) -> tuple[Prediction, ...]:
        lattice, request = Lattice.of(diameter), Request(frame, (), None, diameter, others=others)
        places = [tuple(map(float, position)) for position in positions]
        order = sorted(range(len(places)), key=lambda k: lattice.window(places[k]).start)
        answers: dict[int, Prediction] = {}
        for begin in range(0, len(order), TOGETHER):
            stop.check(begin / len(order))
            some = order[begin : begin + TOGETHER]
            answers.update(
                zip(some, self._first_answers(image, request, lattice, [places[k] for k in some]), strict=True)
            )
        return tuple(answers[k] for k in range(len(places)))

    def seeds(
        self, image: Image, frame: Frame, diameter: float, region: Region | None = None, stop: Stop = NEVER
    ) -> tuple[Seed, ...]:
        """Return the middles of the objects of a frame (or of a region of it), strongest first."""
        return on_device_or_cpu(self, lambda able: able._seeds(image, frame, diameter, region, stop))

    def _seeds(
        self, image: Image, frame: Frame, diameter: float, region: Region | None, stop: Stop
    ) -> tuple[Seed, ...]:
        whole = Region.whole(image.frame_shape(2))
        wanted = whole if region is None else region.clip(whole.stop)
        found, parts = [], self.parts(wanted, diameter)
        for number, part in enumerate(parts):
            stop.check(number / len(parts))
            window = Lattice.of(diameter).window(part.start)
            seen = window.clip(whole.stop)
            depth = self._depth(image, frame, window)[seen.within(window).slices]
            places, strengths = peaks(depth, SEED_DISTANCE * diameter, SEED_DEPTH)
            for place, strength in zip(places, strengths, strict=True):
                position = tuple(float(p + a) for p, a in zip(place, seen.start, strict=True))
                if part.contains(position):
                    found.append(Seed(position, float(strength)))
        return tuple(sorted(found, key=lambda seed: -seed.strength))

    def parts(self, region: Region, diameter: float) -> list[Region]:
        """Return parts of a region, none of which overlap, whose objects of a size are seen at once."""
        return Lattice.of(diameter).parts(region)

    def on_cpu(self, note: str) -> JudgedPredictor:
        """Return a copy on the CPU whose answers carry this note."""
        return JudgedPredictor.of(copy_on_cpu(self.network), self.card, torch.device("cpu"), note)

    def describe(
        self, image: Image, frame: Frame, masks: Sequence[Prediction], diameter: float, stop: Stop = NEVER
    ) -> npt.NDArray[np.float64]:
        """Return the mean features under each mask, at strides 2 to 16, as (masks, numbers)."""
        return on_device_or_cpu(self, lambda able: able._described(image, frame, masks, diameter, stop))

    def _described(
        self, image: Image, frame: Frame, masks: Sequence[Prediction], diameter: float, stop: Stop
    ) -> npt.NDArray[np.float64]:
        lattice, rows = Lattice.of(diameter), []
        for mask in masks:
            stop.check()
            window = lattice.window(_middle(mask))
            crop = lattice.crop(window, _middle(mask), LARGE_CROP)
            inside = torch.from_numpy(mask.mask_on(crop).astype(np.float32))[None, None]
            inside = functional.interpolate(inside, size=LARGE_CROP * STRIDE, mode="area").to(self.torch_device)
            with torch.inference_mode():
                seen = cropped(self._shared(image, frame, window)[-DESCRIBED:], window, crop, 0)
                rows.append(pooled(seen, inside))
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

    @staticmethod
    def _predictions(
        logits: Tensor, qualities: Tensor | None, windows: Sequence[Region], shape: Sequence[int]
    ) -> list[Prediction]:
        assert qualities is not None
        judged = zip(windows, torch.split(logits, 1), qualities.tolist(), strict=True)
        return [
            Prediction(*put_back(one, window, shape), window=window, quality=quality) for window, one, quality in judged
        ]

    # -- many objects in windows that they share -------------------------------------------------------------------

    def _shared(self, image: Image, frame: Frame, window: Region) -> Sequence[Tensor]:
        """Features of a shared window, some of which are kept beside those of windows that were clicked in."""
        key = (frame, window, "flip" in self.card.refinements, image.checksum(frame, window))
        with torch.inference_mode():
            return self.shared.get(image, key, lambda: self._encode(image, frame, window, CELLS * STRIDE))

    def _depth(self, image: Image, frame: Frame, window: Region) -> npt.NDArray[np.float32]:
        """The depth map of a shared window, 0 to 1, at the image's own resolution."""
        straight = tuple(maps[:1] for maps in self._shared(image, frame, window))
        with torch.inference_mode():
            seen: Tensor = torch.sigmoid(self.network.centres(straight).float())  # type: ignore[operator]
            full = functional.interpolate(seen, size=window.shape, mode="bilinear", align_corners=False)
        values: npt.NDArray[np.float32] = full[0, 0].cpu().numpy()
        return values

    def _first_answers(
        self, image: Image, request: Request, lattice: Lattice, places: Sequence[tuple[float, ...]]
    ) -> list[Prediction]:
        """Answers to first clicks, each for itself; what reaches the rim of its crop is seen in a larger one."""
        shape = image.frame_shape(2)
        answers = self._cropped_answers(image, request, lattice, places, CROP)
        cut = [k for k, answer in enumerate(answers) if _leaves(answer, shape)]
        if cut:
            larger = self._cropped_answers(image, request, lattice, [places[k] for k in cut], LARGE_CROP)
            for k, answer in zip(cut, larger, strict=True):
                answers[k] = answer
        return [
            replace(self._obedient(answer, ((place, True),), request.diameter or 0.0), note=self.note)
            for place, answer in zip(places, answers, strict=True)
        ]

    def _cropped_answers(
        self, image: Image, request: Request, lattice: Lattice, places: Sequence[tuple[float, ...]], cells: int
    ) -> list[Prediction]:
        """Answers to first clicks, each in a crop of its window, in one batch."""
        side, count = cells * STRIDE, len(places)
        windows = [lattice.window(place) for place in places]
        crops = [lattice.crop(window, place, cells) for window, place in zip(windows, places, strict=True)]
        with torch.inference_mode():
            looked = {window: self._shared(image, request.frame, window) for window in dict.fromkeys(windows)}
            seen = [looked[window] for window in windows]
            cuts = [
                cropped(maps, window, crop, view)
                for view in range(seen[0][0].shape[0])
                for maps, window, crop in zip(seen, windows, crops, strict=True)
            ]
            features = tuple(torch.cat(maps) for maps in zip(*cuts, strict=True))
            clicks = [to_window(((place, True),), crop, side) for place, crop in zip(places, crops, strict=True)]
            nothing = torch.zeros((count, 1, side, side), device=self.torch_device)
            others = self._others_in(request, crops, side)
            points = PointSet.of(clicks, self.torch_device)
            logits, qualities = self._answer(features, self.guidance(points, nothing, nothing[:, 0, 0, 0], (), others))
        return self._predictions(logits, qualities, crops, image.frame_shape(2))

    def _others_in(self, request: Request, crops: Sequence[Region], side: int) -> Tensor | None:
        """Where other objects lie in crops, where the network takes that and it is known."""
        if request.others is None or not self.guidance.encoding.others:
            return None
        return torch.cat([cut_others(request.others, crop, side) for crop in crops]).to(self.torch_device)


def _leaves(answer: Prediction, shape: Sequence[int]) -> bool:
    """Whether an answer reaches the rim of what it was seen in."""
    box = Region.of_mask(answer.mask())
    assert answer.window is not None
    return box is not None and touches_rim(answer.window, box.placed_in(answer.region), shape)


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
