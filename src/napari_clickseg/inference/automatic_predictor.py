"""ClickablePredictor: any differentiable segmentation network answers clicks, without being trained for it.

    window -> feed -> network (kept) -> insist, where it contradicts clicks -> the object that is meant

Jang and Kim, "Interactive image segmentation via backpropagating refinement scheme" (2019), section 3.3, the
training-free conversion. What is its own here: `insist` changes other variables, and `meaning` finds the object.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from skimage.morphology import reconstruction
from torch import Tensor, nn

from napari_clickseg.core.clicks import Click, Frame
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.masks import CERTAIN, Prediction
from napari_clickseg.core.object_size import estimate_diameter
from napari_clickseg.core.regions import Region, values_on
from napari_clickseg.core.requests import Predictor, Request, check_content
from napari_clickseg.inference.automatic_window import CLOSE, USUAL, box_of, choose_sight, from_grid, on_frame, to_grid
from napari_clickseg.inference.brs import Budget
from napari_clickseg.inference.click_enforcement import obey
from napari_clickseg.inference.device import FeatureCache, copy_on_cpu, on_device_or_cpu
from napari_clickseg.inference.input_refinement import insist
from napari_clickseg.inference.instances import dropped, find_objects, grown
from napari_clickseg.inference.io_transforms import (
    feed,
    grid_shape,
    pick,
    seen_grey,
    statistics,
    to_extent,
    to_frame,
    to_logit,
    to_probability,
)
from napari_clickseg.inference.object_proposals import Mask, Pixel, Values, distance_from
from napari_clickseg.inference.proposal_choice import (
    Clicks,
    Scene,
    cut_off,
    expected_diameter,
    meant,
    typical_diameter,
)
from napari_clickseg.inference.tiling import Sides, cover
from napari_clickseg.models.io_spec import Conventions

Reading = Callable[[Tensor], Tensor]
"""Output of a network (1, channels, ...) -> (1, 1, ...)."""

LOOKS = 12
"""Most answers of the network that one click's refinement may take."""
SURE = 0.5
"""The least logit, on its side, of what was decided to belong to the object or not."""
FACES = {axes: ndimage.generate_binary_structure(axes, 1) for axes in (1, 2, 3)}
SEEN, NEAR = 0.25, 0.1
"""A network sees nothing of an object of which less than this share is likely, nor of a new one where nothing so near
to its first click (in diameters) is."""
CUT_OFF = "What the click cut off becomes an object of its own when this one is kept."
SOFT = 0.15
"""Distance from the object, in diameters, up to which a lower threshold may make it grow."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The network's answer to a window, on the frame's pixels.

    Attributes
    ----------
    region : Region
        The window on the frame.
    logits, grey : ndarray of float32
        Of its shape: the network's plain answer, and the brightness.
    objects : ndarray of int32
        The objects that the network finds by itself.
    """

    region: Region
    logits: Values
    grey: Values
    objects: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class ClickablePredictor:
    """Answers requests, and finds all objects, with a network made elsewhere. Its cache changes no answer.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode, in float32, on its device: (1, channels, ...) -> (1, channels, ...).
    conventions : Conventions
        What the network is given, and what its output means.
    name : str
        The name in the table of models.
    budget : Budget
        What backpropagating refinement may spend on a click.
    refines : bool
        Contradicted clicks are refined by backpropagation, before the object that they mean is found.
    other : callable or None
        Returns a model that takes clicks. It answers where the network sees nothing, in two dimensions; it is shown the
        brightness that the network is given.
    """

    network: nn.Module
    conventions: Conventions
    name: str
    torch_device: torch.device
    note: str = ""
    cache: FeatureCache = field(default_factory=FeatureCache)
    budget: Budget = field(default_factory=Budget)
    refines: bool = True
    other: Callable[[], Predictor] | None = None

    @classmethod
    def of(
        cls, network: nn.Module, conventions: Conventions, name: str, device: torch.device, note: str = ""
    ) -> ClickablePredictor:
        """Return the predictor of a network, which is put on the device; its weights never change."""
        ready: nn.Module = network.eval().requires_grad_(False).to(device=device)
        return cls(ready, conventions, name, device, note, budget=replace(Budget.of_device(device), looks=LOOKS))

    def with_refinements(self, switches: Mapping[str, bool]) -> ClickablePredictor:
        """Return the predictor with backpropagating refinement ("brs") switched on or off.

        Raises
        ------
        ValueError
            For any other refinement: a network that takes no clicks has none.
        """
        others = sorted(set(switches) - {"brs"})
        if others:
            raise ValueError(f"A converted network has one refinement to switch, brs, not {', '.join(others)}.")
        return replace(self, refines=switches.get("brs", self.refines))

    @property
    def ndim(self) -> int:
        return self.conventions.ndim

    @property
    def device(self) -> str:
        return self.torch_device.type

    def free_features(self) -> None:
        """Forget the features that are kept on the device."""
        self.cache.clear()

    @property
    def sides(self) -> Sides:
        rule = self.conventions
        return Sides(rule.tile, rule.halo, rule.divisible, rule.smallest_side)

    # -- answers ---------------------------------------------------------------------------------------------------

    check_request = check_content

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        """Answer a request with the one object that the clicks mean; on the CPU where a GPU's memory does not do.

        Raises
        ------
        ValueError
            Here and below, where the image has fewer axes than the network sees.
        """
        self._check_axes(image)
        return on_device_or_cpu(self, lambda able: able._predict(image, request, stop))

    def probability(self, image: Image, frame: Frame, stop: Stop = NEVER) -> npt.NDArray[np.float32]:
        """Return the probability of "object", shape of the frame; tile by tile the original network's answer."""
        self._check_axes(image)
        read = partial(to_probability, conventions=self.conventions)
        return on_device_or_cpu(self, lambda able: able._on_tiles(image, frame, stop, [read])[0])

    def segment(self, image: Image, frame: Frame, stop: Stop = NEVER) -> npt.NDArray[np.int32]:
        """Return all objects of a frame, numbered from 1."""
        self._check_axes(image)
        return on_device_or_cpu(self, lambda able: able._objects(image, frame, stop))

    def on_cpu(self, note: str) -> ClickablePredictor:
        """Return a copy on the CPU whose answers carry this note."""
        copied = ClickablePredictor.of(
            copy_on_cpu(self.network), self.conventions, self.name, torch.device("cpu"), note
        )
        return replace(copied, refines=self.refines, other=self.other)

    def _check_axes(self, image: Image) -> None:
        if image.ndim < self.ndim:
            raise ValueError(
                f"The image has the axes {image.label_axes}, but the network sees {self.ndim} spatial ones; "
                f"take an image with {self.ndim} of them, or a model that sees {image.ndim}."
            )

    def _objects(self, image: Image, frame: Frame, stop: Stop) -> npt.NDArray[np.int32]:
        rules = self.conventions.of_each_class()
        maps = iter(self._on_tiles(image, frame, stop, [read for rule in rules for read in _readings(rule)]))
        of_class = [[next(maps) for _ in _readings(rule)] for rule in rules]
        if len(rules) > 1:
            _leave_to_the_likeliest(of_class)
        objects, *others = (
            _parted(found, extent, rule) for rule, (found, *extent) in zip(rules, of_class, strict=True)
        )
        for more in others:
            objects[more > 0] = more[more > 0] + objects.max()
        return dropped(objects, self.conventions.smallest)

    def _on_tiles(self, image: Image, frame: Frame, stop: Stop, readings: Sequence[Reading]) -> list[Values]:
        shape = image.frame_shape(self.ndim)
        grid = np.empty((len(readings), *grid_shape(shape, self.conventions.scale)), np.float32)
        tiles = cover(grid.shape[1:], self.sides)
        for k, tile in enumerate(tiles):
            stop.check(k / len(tiles))
            output = self._answer(self._given(image, frame, tile.window))
            for read, values in zip(readings, grid, strict=True):
                seen = read(output)[0, 0].cpu().numpy()
                values[tile.kept.slices] = seen[tile.kept.within(tile.window).slices]
        return [to_frame(torch.from_numpy(values)[None, None], shape)[0, 0].numpy() for values in grid]

    def _predict(self, image: Image, request: Request, stop: Stop) -> Prediction:
        shape = image.frame_shape(self.ndim)
        points = request.points(self.ndim)
        guess = request.diameter or estimate_diameter(image, request.frame, self.ndim)
        views = self._views(image, request.frame, box_of(points, request.prior, guess, shape), stop)
        region = views[0].region
        mask = np.zeros(region.shape, bool) if request.prior is None else request.prior.mask_on(region)
        clicks = [(_pixel(p, region), positive) for p, positive in points if region.contains(p)]
        meant_class = _class_meant(views, clicks, mask)
        view, rule = views[meant_class], self.conventions.of_each_class()[meant_class]
        diameter = expected_diameter(request, guess, typical_diameter(view.objects), mask)
        if self.other is not None and self.ndim == 2 and _sees_nothing(view, clicks, mask, diameter):
            return self._others_answer(self.other(), request, view, diameter, stop)
        able = replace(self, conventions=rule)
        maps = (view.logits, *able._insisted(image, request.frame, view, clicks, mask, diameter, stop))
        stop.check()
        scene = Scene(maps, view.grey, view.objects, diameter)
        found = meant(scene, clicks, mask)
        logits = _as_logits(found, view.logits, diameter)
        pieces = None
        if request.corrects and request.initial is not None:
            pieces = cut_off(scene, clicks, request.initial.mask_on(region), found)
        if request.prior is not None and request.prior.region.union(region) != region:
            region = request.prior.region.union(region).clip(shape)
            around = request.prior.logits_on(region)
            around[view.region.within(region).slices] = logits
            logits = around
            pieces = pieces if pieces is None else values_on(pieces, view.region, region)
        note = CUT_OFF if pieces is not None and not self.note else self.note
        return Prediction(region, obey(logits, region, points, diameter), note, cut_off=pieces)

    def _others_answer(self, other: Predictor, request: Request, view: View, diameter: float, stop: Stop) -> Prediction:
        """The answer of a model that takes clicks to what the network is given of its window."""
        start, lead = view.region.start, len(request.frame)
        clicks = tuple(
            Click(tuple(np.subtract(click.position[lead:], start).tolist()), click.positive)
            for click in request.clicks
            if view.region.contains(click.position[lead:])
        )
        prior = (
            None
            if request.prior is None
            else Prediction(view.region.within(view.region), request.prior.logits_on(view.region))
        )
        asked = Request((), clicks, prior, diameter)
        answer = other.predict(Image.of(view.grey), asked, stop)
        note = f"{self.name} sees nothing here; {other.name} answered."
        return Prediction(answer.region.placed_in(view.region), answer.logits, note)

    def _views(self, image: Image, frame: Frame, box: Region, stop: Stop) -> tuple[View, ...]:
        """The network's answer to a window that holds a box of the frame, for each class; kept."""
        shape, steps = image.frame_shape(self.ndim), self._steps(image)
        window = choose_sight(to_grid(box, steps), grid_shape(shape, self.conventions.scale), self.sides, USUAL)
        region = from_grid(window, shape, steps)

        def look() -> tuple[Tensor, ...]:
            stop.check()
            output = self._answer(self._given(image, frame, window))
            kept: list[npt.NDArray[Any]] = [seen_grey(image, frame, region, self.conventions)]
            for rule in self.conventions.of_each_class():
                readings: tuple[Reading, ...] = (partial(to_logit, conventions=rule), *_readings(rule))
                logits, found, *extent = (
                    on_frame(read(output)[0, 0].cpu().numpy(), window, region, steps) for read in readings
                )
                kept += [logits, _parted(found, extent, rule)]
            return tuple(torch.from_numpy(np.ascontiguousarray(values)) for values in kept)

        seen = "views", frame, window, image.checksum(frame, region)
        grey, *of_classes = (kept.numpy() for kept in self.cache.get(image, seen, look))
        return tuple(View(region, of_classes[k], grey, of_classes[k + 1]) for k in range(0, len(of_classes), 2))

    def _insisted(
        self, image: Image, frame: Frame, view: View, clicks: Clicks, mask: Mask, diameter: float, stop: Stop
    ) -> tuple[Values, ...]:
        """The logits of a view, refined around the last click that both mask and network contradict; else nothing."""
        wrong = [p for p, sign in clicks if mask[p] != sign and (view.logits[p] > 0) != sign]
        if not wrong or not self.refines:
            return ()
        steps, shape = self._steps(image), image.frame_shape(self.ndim)
        middle = Region(wrong[-1], tuple(k + 1 for k in wrong[-1])).placed_in(view.region)
        box = to_grid(middle.grow(math.ceil(diameter)).clip(shape), steps)
        window = choose_sight(box, grid_shape(shape, self.conventions.scale), self.sides, CLOSE)
        region = from_grid(window, shape, steps).intersection(view.region)
        given = self._given(image, frame, window)
        marks = [
            (to_grid(place, steps).within(window).start, sign)
            for place, sign in ((Region(p, tuple(k + 1 for k in p)).placed_in(view.region), s) for p, s in clicks)
            if region.contains(place.start)
        ]
        logits = insist(
            lambda changed: to_logit(self._seen(changed), self.conventions),
            given,
            marks,
            diameter * self.conventions.scale,
            self.budget.spend(),
            stop,
        )
        refined = view.logits.copy()
        refined[region.within(view.region).slices] = on_frame(logits[0, 0].cpu().numpy(), window, region, steps)
        return (refined,)

    # -- the network -----------------------------------------------------------------------------------------------

    def _steps(self, image: Image) -> tuple[float, ...]:
        """Network pixels per pixel of the frame, along each axis."""
        shape = image.frame_shape(self.ndim)
        return tuple(m / n for m, n in zip(grid_shape(shape, self.conventions.scale), shape, strict=True))

    def _given(self, image: Image, frame: Frame, window: Region) -> Tensor:
        seen = "statistics", frame, image.checksum(frame, Region.whole(image.frame_shape(self.ndim)))
        (spread,) = self.cache.get(image, seen, lambda: (statistics(image, frame, self.conventions),))
        return feed(image, frame, window, self.conventions, spread).to(self.torch_device)

    def _answer(self, given: Tensor) -> Tensor:
        with torch.inference_mode():
            return self._seen(given)

    def _seen(self, given: Tensor) -> Tensor:
        return pick(self.network(given), self.conventions, given.shape[2:])


# -- around the network ------------------------------------------------------------------------------------------------


def _readings(rule: Conventions) -> tuple[Reading, ...]:
    """What is read off the network's output to find objects."""
    inside = partial(to_probability, conventions=rule)
    return (inside,) if rule.boundary is None else (inside, partial(to_extent, conventions=rule))


def _leave_to_the_likeliest(of_class: Sequence[Sequence[Values]]) -> None:
    """Clear the maps of each class, in place, wherever another class is likelier."""
    likeliest = np.argmax([maps[-1] for maps in of_class], axis=0)
    for k, maps in enumerate(of_class):
        for values in maps:
            values[likeliest != k] = 0


def _class_meant(views: Sequence[View], clicks: Clicks, mask: Mask) -> int:
    """The class that is likeliest within the mask that is there already, else at the first positive click."""
    if mask.any():
        return int(np.argmax([view.logits[mask].mean() for view in views]))
    place = next((pixel for pixel, positive in clicks if positive), None)
    return 0 if place is None else int(np.argmax([view.logits[place] for view in views]))


def _parted(found: Values, extent: Sequence[Values], conventions: Conventions) -> npt.NDArray[np.int32]:
    """Objects of a probability; where boundaries were subtracted from it, they grow back to the extent without."""
    objects = find_objects(found > conventions.threshold, conventions.split)
    return grown(objects, extent[0] > conventions.threshold) if extent else objects


def _pixel(point: Sequence[float], region: Region) -> Pixel:
    """The pixel of a point in a region's array; a point just inside the rim may round to just outside it."""
    return tuple(min(max(round(p) - a, 0), n - 1) for p, a, n in zip(point, region.start, region.shape, strict=True))


def _sees_nothing(view: View, clicks: Clicks, mask: Mask, diameter: float) -> bool:
    """Whether the network sees nothing where the object is clicked and, if it is there already, where it lies."""
    positive = [pixel for pixel, sign in clicks if sign]
    if not positive or any(view.objects[pixel] for pixel in positive):
        return False
    if mask.any():
        return float((view.logits[mask] > 0).mean()) < SEEN
    near = distance_from(positive[0], mask.shape) <= max(NEAR * diameter, 2.0)
    return not (view.logits[near] > 0).any()


def _as_logits(mask: Mask, plain: Values, diameter: float) -> Values:
    """Logits of an object: the network's where they agree; elsewhere, as sure as need be.

    Near the object a lower threshold makes it grow where the network half agrees, but never into other objects.
    """
    if not mask.any():
        return np.full(mask.shape, -CERTAIN, np.float32)
    close = ndimage.distance_transform_edt(~mask) <= max(SOFT * diameter, 1.0)
    inside = np.clip(plain, SURE, CERTAIN)
    beyond = np.where(close & (plain <= 0), np.clip(plain, -CERTAIN, -SURE), -CERTAIN)
    # No pixel is likelier than the way to it, so that at any threshold what was added hangs together with the object.
    way = reconstruction(np.where(mask, CERTAIN, -CERTAIN), np.where(mask, CERTAIN, beyond), footprint=FACES[mask.ndim])
    return np.where(mask, inside, way).astype(np.float32)
