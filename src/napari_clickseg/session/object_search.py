"""Object search: all objects of frames by a model that answers many clicks at once, or that segments frames itself.

Pure: reads the image and the labels, asks the model, and returns `Suggestions`. Frames are searched part by
part, so that memory holds one part and the masks found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.appearance import measures, similarities
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.labels import read_block
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.object_size import estimate_diameter
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Describer, Others, Predictor, Proposer, Segmenter
from napari_clickseg.core.suggestions import Suggestion, Suggestions, settled

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.images import Image

AT_ONCE = 16
"""So many seeds are answered in a row, the strongest first; those that lie in what was found so far are left out."""
COVERED = 0.6
"""From this quality on an answer is taken for the object that it shows."""
LARGEST_SHARE = 3.0
"""Masks of more diameters than this are no objects of that size."""
WORST = 0.3
"""Answers of a lower quality are not offered at all."""
OCTAVES = (-1.5, -0.75, 0.0, 0.75, 1.5)
"""From the estimated diameter, where nothing tells the size of the objects: the model is tried at these."""
TRIED = 12
"""With so many seeds at each size, in the middle of a region."""
FEW = 3
"""Fewer objects than this tell less."""
FITS = 0.75
"""An object that differs by so many octaves from the size at which it is looked for tells half as much."""
UNEVEN = 1.2
"""Octaves between the smallest and the largest example from which on objects are looked for at two sizes."""
FOUND_IOU, FOUND_SHARE = 0.3, 0.3
"""From this IoU on the search finds an example itself, roughly, as first clicks do; and of so many of the examples it
has to, so that what resembles them is offered. On val crops 0.5 and 0.5 refused a third of the searches, among them
those that find most of the objects."""
TELLING = 3
"""Fewer examples than this may be of an odd size, or be odd: the size at which the model is surest is tried, too, and
where the model does not find them itself, they do not tell what to offer."""
TRIED_IN = 12
"""Both sizes are tried in the middle of a region, in a square of so many diameters. On val crops, one kept object at
its own size alone gave a mean F1 of 0.63 over seven sources, none 0.67, one with the better of both sizes 0.70."""
NOT_FOUND_ALONE = (
    "The model does not find {which} by itself, so all objects are offered, not only those like it; keep three or more "
    "to have others left out."
)
NOT_FOUND_AGAIN = (
    "Of the {count} objects kept, the model finds {found} by itself, so nothing that resembles them is offered. "
    "Keep a few more of them, or look for all objects."
)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """An object in the labels that shows what is looked for."""

    label: int
    shown: Suggestion


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A suggestion, and what its similarity follows from."""

    one: Suggestion
    measures: npt.NDArray[np.float64]
    features: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """What is searched, and by whom."""

    image: Image
    predictor: Proposer
    labels: Any

    @property
    def whole(self) -> Region:
        return Region.whole(self.image.frame_shape(2))

    def around(
        self, frame: Frame, region: Region, diameter: float, stop: Stop = NEVER, own: int = 0
    ) -> Iterator[Found]:
        """Yield what the model finds in a region at one object size, overlaps included, part by part.

        Parameters
        ----------
        own : int
            An object in the labels that may be found, too.
        """
        for part in self.predictor.parts(region, diameter):
            seeds = self.predictor.seeds(self.image, frame, diameter, part, stop)
            if seeds:
                others = self._others(frame, part, diameter, own)
                yield from self.answered(frame, [seed.position for seed in seeds], diameter, others, stop)

    def answered(
        self,
        frame: Frame,
        positions: Sequence[Sequence[float]],
        diameter: float,
        others: Others | None = None,
        stop: Stop = NEVER,
    ) -> Iterator[Found]:
        """Yield what is found at positions, but for those that lie in what was found before them or was there."""
        left, found = [position for position in positions if not _taken(others, position)], list[Suggestion]()
        while left:
            some, left = left[:AT_ONCE], left[AT_ONCE:]
            answers = self.predictor.answer_many(self.image, frame, some, diameter, others, stop)
            new = [
                self._cut(frame, answer, position, others, diameter)
                for answer, position in zip(answers, some, strict=True)
            ]
            ones = [one for one in new if one is not None]
            found += [one for one in ones if one.quality is not None and one.quality >= COVERED]
            left = [position for position in left if not any(one.covers(frame, position) for one in found)]
            yield from described(self.image, self.predictor, ones, diameter, stop)

    def _others(self, frame: Frame, region: Region, diameter: float, own: int) -> Others | None:
        """What is in the labels in a region and around it; None where nothing is."""
        seen = region.grow(math.ceil(LARGEST_SHARE * diameter)).intersection(self.whole)
        there = read_block(self.labels, frame, seen)
        taken = (there != 0) & (there != own) if own else there != 0
        return Others(seen, taken) if taken.any() else None

    def _cut(
        self, frame: Frame, answer: Prediction, position: Sequence[float], others: Others | None, diameter: float
    ) -> Suggestion | None:
        """The part of an answer that holds its click, without what is there; None where it is no object."""
        mask, quality = answer.mask(), answer.quality
        parts, count = ndimage.label(mask)
        pixel = tuple(round(p) - a for p, a in zip(position, answer.region.start, strict=True))
        if not parts[pixel] or (quality is not None and quality < WORST):
            return None
        part = parts == parts[pixel] if count > 1 else mask
        one = Suggestion.of(frame, answer.region, ndimage.binary_fill_holes(part), quality)
        if one is None or one.diameter > LARGEST_SHARE * diameter:
            return None
        return one if others is None else one.less(others.on(one.region))


def search(
    image: Image,
    predictor: Predictor,
    labels: Any,
    frames: Sequence[Frame],
    region: Region,
    examples: Sequence[Example],
    diameter: float | None,
    stop: Stop = NEVER,
) -> Suggestions:
    """Return the objects of these frames that the labels do not hold yet.

    Parameters
    ----------
    region : Region
        Where on each frame.
    examples : sequence of Example
        What is offered resembles one of these; may be empty.
    diameter : float or None
        Of the objects, in pixels, where it is known.

    Raises
    ------
    Stopped
        Where `stop` was requested before the search was over.
    """
    if not isinstance(predictor, Proposer):
        assert isinstance(predictor, Segmenter)
        found = _segmented(image, predictor, labels, frames, region, stop)
        return _offered(image, predictor, found, examples, (), len(examples))
    looking = Search(image, predictor, labels)
    sizes = _sizes(looking, frames, region, examples, diameter, stop)
    if 0 < len(examples) < TELLING and diameter is None and frames:
        sizes = _better_sizes(looking, frames[len(frames) // 2], region, examples, sizes, stop)
    again = sum(_finds(looking, example, sizes, stop) for example in examples)
    if examples and again < FOUND_SHARE * len(examples):
        if len(examples) < TELLING:
            found_all = search(image, predictor, labels, frames, region, (), diameter, stop)
            which = "the object kept" if len(examples) == 1 else "the objects kept"
            return replace(found_all, note=NOT_FOUND_ALONE.format(which=which))
        note = NOT_FOUND_AGAIN.format(count=len(examples), found=again or "none")
        return Suggestions((), sizes, len(examples), again, note)
    jobs = [(frame, size, part) for frame in frames for size in sizes for part in predictor.parts(region, size)]
    all_found: list[Found] = []
    for number, (frame, size, part) in enumerate(jobs):
        stop.check(number / len(jobs))
        all_found.extend(looking.around(frame, part, size, _Part(stop)))
    return _offered(image, predictor, all_found, examples, sizes, again)


class _Part(Stop):
    """Mutable: ends with the stop of the whole search, and counts as a share of it.

    Parameters
    ----------
    outer : Stop
    begun, share : float
        How much of the whole was done before, and how much of it this part is; 0 where that is told elsewhere.
    """

    def __init__(self, outer: Stop, begun: float = 0.0, share: float = 0.0) -> None:
        super().__init__()
        self._outer, self._begun, self._share = outer, begun, share

    @property
    def requested(self) -> bool:
        return self._outer.requested

    def check(self, done: float | None = None) -> None:
        """Raise `Stopped` as the whole would; how much of this part is done moves the whole on."""
        self._outer.check(None if done is None or not self._share else self._begun + self._share * done)


def described(
    image: Image, predictor: Predictor, some: Sequence[Suggestion], diameter: float, stop: Stop = NEVER
) -> list[Found]:
    """Return suggestions of one frame with what tells them apart."""
    numbers = [measures(image, one) for one in some]
    if not some or not isinstance(predictor, Describer):
        return [Found(one, number) for one, number in zip(some, numbers, strict=True)]
    masks = [Prediction.from_mask(one.mask, one.region) for one in some]
    features = predictor.describe(image, some[0].frame, masks, diameter, stop)
    return [Found(*parts) for parts in zip(some, numbers, features, strict=True)]


# -- at which size -----------------------------------------------------------------------------------------------------


def _sizes(
    looking: Search,
    frames: Sequence[Frame],
    region: Region,
    examples: Sequence[Example],
    diameter: float | None,
    stop: Stop,
) -> tuple[float, ...]:
    """The object sizes to look for, in pixels."""
    if diameter is not None:
        return (diameter,)
    if examples:
        octaves = np.log2([example.shown.diameter for example in examples])
        if np.ptp(octaves) < UNEVEN:
            return (float(2 ** np.median(octaves)),)
        return tuple(float(2**octave) for octave in np.percentile(octaves, (20, 80)))
    return (likely_diameter(looking, frames[len(frames) // 2], region, stop),) if frames else ()


def _better_sizes(
    looking: Search, frame: Frame, region: Region, examples: Sequence[Example], sizes: tuple[float, ...], stop: Stop
) -> tuple[float, ...]:
    """The examples' sizes, or the likely one where what is offered at it covers more, weighted by quality."""
    likely = (likely_diameter(looking, frame, region, stop),)
    side = math.ceil(TRIED_IN * max(*sizes, *likely))
    middle = Region.around(region.centre, (side,) * region.ndim).intersection(region)

    def covered(some: tuple[float, ...]) -> float:
        found = [each for size in some for each in looking.around(frame, middle, size, _Part(stop))]
        offered = _offered(looking.image, looking.predictor, found, examples, some, 0).at_least()
        return sum(one.area * (1.0 if one.quality is None else one.quality) for one in offered)

    return max((sizes, likely), key=covered)


def likely_diameter(looking: Search, frame: Frame, region: Region, stop: Stop = NEVER) -> float:
    """Return the object size at which the model is surest of what it finds in the middle of a region."""
    estimate = estimate_diameter(looking.image, frame, 2)
    best = (0.0, estimate)
    for octave in OCTAVES:
        size = estimate * 2**octave
        qualities, diameters = _tried(looking, frame, region, size, stop)
        fits = np.exp2(-np.abs(np.log2(diameters / size)) / FITS)
        merit = float((qualities * fits).sum() / max(len(qualities), FEW))
        if merit > best[0]:
            best = merit, float(np.median(diameters[qualities >= np.median(qualities)]))
    return best[1]


def _tried(
    looking: Search, frame: Frame, region: Region, size: float, stop: Stop
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Qualities and diameters of the strongest objects of one size in the middle of a region."""
    (middle,) = (part for part in looking.predictor.parts(region, size) if part.contains(region.centre))
    seeds = looking.predictor.seeds(looking.image, frame, size, middle, stop)[:TRIED]
    positions = [seed.position for seed in seeds]
    answers = looking.predictor.answer_many(looking.image, frame, positions, size, None, stop)
    found = [Suggestion.of(frame, answer.region, answer.mask(), answer.quality) for answer in answers]
    kept = settled(one for one in found if one is not None)
    return np.array([one.score for one in kept], np.float64), np.array([one.diameter for one in kept], np.float64)


def _finds(looking: Search, example: Example, sizes: Sequence[float], stop: Stop) -> bool:
    """Whether the search finds an object that is there."""
    frame, shown = example.shown.frame, example.shown
    return any(
        found.one.overlap(shown)[0] >= FOUND_IOU
        for size in sizes
        for found in looking.around(frame, shown.region, size, _Part(stop), own=example.label)
    )


# -- what is offered ---------------------------------------------------------------------------------------------------


def _offered(
    image: Image,
    predictor: Predictor,
    found: Sequence[Found],
    examples: Sequence[Example],
    sizes: Sequence[float],
    again: int,
) -> Suggestions:
    """Suggestions of what was found, those unlike all examples left out."""
    ones = [each.one for each in found]
    if examples and found:
        size = float(np.median(sizes)) if sizes else 0.0
        shown = [
            described(image, predictor, [example.shown], size or example.shown.diameter)[0] for example in examples
        ]
        alike = similarities(_stacked(shown), _stacked(found))
        ones = [replace(one, similarity=float(value)) for one, value in zip(ones, alike, strict=True) if value > 0]
    return Suggestions(settled(ones), tuple(sizes), len(examples), again)


def _stacked(found: Sequence[Found]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64] | None]:
    features = [each.features for each in found if each.features is not None]
    numbers = np.stack([each.measures for each in found])
    return numbers, np.stack(features) if len(features) == len(found) else None


def _segmented(
    image: Image, predictor: Segmenter, labels: Any, frames: Sequence[Frame], region: Region, stop: Stop
) -> list[Found]:
    """The objects that a model finds by itself, in background, of which the middle lies in the region."""
    found: list[Found] = []
    for number, frame in enumerate(frames):
        stop.check(number / len(frames))
        objects = predictor.segment(image, frame, _Part(stop, number / len(frames), 1 / len(frames)))
        there = read_block(labels, frame, Region.whole(objects.shape)) != 0
        for label, box in enumerate(ndimage.find_objects(objects), start=1):
            if box is None:
                continue
            place = Region(tuple(s.start for s in box), tuple(s.stop for s in box))
            one = Suggestion.of(frame, place, objects[box] == label)
            rest = one.less(there[box]) if one is not None and region.contains(place.centre) else None
            found += [] if rest is None else described(image, predictor, [rest], rest.diameter)
    return found


def _taken(others: Others | None, position: Sequence[float]) -> bool:
    if others is None:
        return False
    pixel = tuple(round(p) - a for p, a in zip(position, others.region.start, strict=True))
    return bool(others.mask[pixel])
