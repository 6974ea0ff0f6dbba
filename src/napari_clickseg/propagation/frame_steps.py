"""The steps of one frame: where objects are expected, which pixels they claim, what is decided, which events follow."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.clicks import Click, Frame
from napari_clickseg.core.edits import Edit
from napari_clickseg.core.labels import SEARCH_WHOLE
from napari_clickseg.core.object_masks import Mask, Outline, between, outlines_of
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Predictor, Request
from napari_clickseg.propagation.assignment import Claim, Decided, Expected, decide
from napari_clickseg.propagation.confidence import confidence, signs_of
from napari_clickseg.propagation.intensity_model import Brightness, contrast_of, room_of, steepness
from napari_clickseg.propagation.motion import Plane, followed, likeness_between, searched
from napari_clickseg.propagation.track_events import (
    ENDING,
    VANISHED,
    Event,
    daughters_of,
    disappearance,
    division,
    is_gone,
    lost,
    merge,
    named,
    rival_of,
)

if TYPE_CHECKING:
    from napari_clickseg.core.images import Image
    from napari_clickseg.core.jobs import Stop
    from napari_clickseg.core.masks import Prediction

FEW = 3
"""So many objects of a frame are all put to the model."""
RESCUED = 1
"""Of more, so many of those that brightness distinguishes, but that would be lost."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Objects as they stand on a frame that is right, or was decided.

    Attributes
    ----------
    plane : Plane
    outlines : mapping of int to Outline
        The objects that are carried.
    brightness : mapping of int to Brightness
        How each differs from the background beside it, on the frame that was right: learned anew from each frame
        decided, it would follow the errors made there.
    taken : Outline or None
        All pixels near them that belong to any object.
    drift : mapping of int to float
        As of `confidence.Signs`, by id; none on a frame that is right.
    """

    plane: Plane
    outlines: Mapping[int, Outline]
    brightness: Mapping[int, Brightness]
    taken: Outline | None
    drift: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """A frame that was decided.

    Attributes
    ----------
    edit : Edit
        What to write there.
    certainty : mapping of int to float
        How likely each object was carried well, those that ended included.
    events : tuple of Event
    scene : Scene
        To carry on from.
    """

    edit: Edit
    certainty: Mapping[int, float]
    events: tuple[Event, ...]
    scene: Scene


@dataclass(frozen=True, slots=True, eq=False)
class Carrier:
    """What all frames of one carrying have in common, and the steps that each frame takes.

    `everywhere`: frames are read as a whole, not only around the objects, unless they are very large.
    """

    image: Image
    labels: Any
    predictor: Predictor
    least: float
    stop: Stop
    asked: int | None
    everywhere: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a frame."""
        return self.image.frame_shape(self._ndim)

    @property
    def _ndim(self) -> int:
        return min(self.predictor.ndim, self.image.ndim)

    def check(self, frame: Frame) -> None:
        """Raise ValueError where there is no such frame."""
        counts = self.image.frames_shape(self._ndim)
        if len(frame) != len(counts) or not all(0 <= k < n for k, n in zip(frame, counts, strict=True)):
            axes = self.image.label_axes[: len(counts)]
            raise ValueError(f"There is no frame {frame}: a frame is named by its index along {axes or 'no axis'}.")

    def scene(self, frame: Frame, ids: Collection[int] | None) -> Scene:
        """Read the objects of a frame from the labels.

        Raises
        ------
        ValueError
            Where it holds none of those wanted.
        """
        whole = Region.whole(self.shape)
        block = self._labels(frame, whole)
        outlines = outlines_of(block, whole, ids)
        if not outlines:
            wanted = "no object" if ids is None else f"none of the objects {', '.join(map(str, sorted(ids)))}"
            raise ValueError(f"Frame {named(frame)} holds {wanted}; there is nothing to carry.")
        plane = Plane.read(self.image, frame, self._seen(outlines.values()))
        brightness = {label: self._brightness(outline, plane, block == 0) for label, outline in outlines.items()}
        return Scene(plane, outlines, brightness, Outline.of(block > 0, whole))

    def follow(self, scene: Scene, target: Frame) -> tuple[Plane, list[Expected], list[int]]:
        """Return what a frame shows, where each object is expected there, and which left it."""
        plane = Plane.read(self.image, target, self._seen(scene.outlines.values()))
        expected, gone = [], []
        for label, outline in scene.outlines.items():
            self.stop.check()
            motion = followed(outline, scene.plane, plane, self.shape)
            there = outline.moved(motion.shift, self.shape)
            if there is None or there.area < VANISHED * outline.area:
                gone.append(label)
                continue
            drift = scene.drift.get(label, 0.0) + 1 - motion.likeness
            expected.append(self._expect(label, there, drift, scene.brightness[label], plane))
        return plane, expected, gone

    def interpolate(self, first: Scene, second: Scene, share: float, target: Frame) -> tuple[Plane, list[Expected]]:
        """Return what a frame between two shows, and where each object that lies on both is expected there."""
        nearer = first if share < 0.5 else second
        plane = Plane.read(self.image, target, self._seen([*first.outlines.values(), *second.outlines.values()]))
        expected = []
        for label in first.outlines.keys() & second.outlines.keys():
            self.stop.check()
            there = between(first.outlines[label], second.outlines[label], share, self.shape)
            near = nearer.outlines[label]
            drift = 1 - likeness_between(near, nearer.plane, there, plane, self.shape)
            expected.append(self._expect(label, there, drift, nearer.brightness[label], plane))
        return plane, expected

    def settle(self, plane: Plane, expected: Sequence[Expected], gone: Collection[int] = ()) -> Settled:
        """Decide a frame on which objects are expected, and which others (`gone`) left."""
        claims = self._claims(plane.frame, expected)
        region, before = self._around(plane.frame, claims)
        theirs = (before != 0) & ~np.isin(before, [claim.expected.label for claim in claims])
        decided = decide(claims, region, ~theirs)
        everyone = _drawn(before, region, {k: d.outline for k, d in decided.items() if d.outline is not None})
        certainty: dict[int, float] = {}
        events = [disappearance(plane.frame, label, True) for label in gone]
        for claim in claims:
            label = claim.expected.label
            certainty[label] = _certainty(claim, decided[label])
            there = everyone[claim.expected.room.within(region).slices]
            others = (there != 0) & (there != label)
            event = self._event_of(plane.frame, claim.expected, decided[label], certainty[label], others)
            events.extend(() if event is None else (event,))
        ended = {event.label for event in events if event.kind in ENDING}
        kept = {k: d.outline for k, d in decided.items() if k not in ended and d.outline is not None}
        after = _drawn(before, region, kept)
        brightness = {one.label: one.brightness for one in expected}
        drift = {one.label: one.drift for one in expected}
        scene = Scene(plane, kept, brightness, Outline.of(after > 0, region), drift)
        return Settled(_edit(before, after, region, {k: certainty[k] for k in kept}), certainty, tuple(events), scene)

    def _brightness(self, outline: Outline, plane: Plane, free: Mask) -> Brightness:
        room = room_of(outline, self.shape)
        return Brightness.of(plane.cut(room), outline.on(room), free[room.slices])

    # -- steps -----------------------------------------------------------------------------------------------------

    def _expect(self, label: int, there: Outline, drift: float, brightness: Brightness, plane: Plane) -> Expected:
        room = room_of(there, self.shape)
        grey = plane.cut(room)
        return Expected(label, there, drift, room, brightness, brightness(grey), steepness(grey))

    def _claims(self, frame: Frame, expected: Sequence[Expected]) -> list[Claim]:
        """Weigh every object, and put those to the model for which its answer matters most."""
        claims = [Claim.weighed(one) for one in expected]
        for k in self._doubtful(claims):
            self.stop.check()
            claims[k] = claims[k].with_answer(self._ask(frame, claims[k].expected))
        return claims

    def _doubtful(self, claims: Sequence[Claim]) -> list[int]:
        """Which claims are put to the model: all where they are few, else those nearest to being lost or kept.

        An answer hardly changes what is certain to be kept or lost. Where brightness distinguishes an object, a model
        is needed only to rescue it.
        """
        if self.asked is None or len(claims) <= min(self.asked, FEW):
            return list(range(len(claims)))
        if self.asked == 0:
            return []
        certainty = [_certainty(claim) for claim in claims]
        nearest = sorted(range(len(claims)), key=lambda k: abs(certainty[k] - self.least))
        telling = [claim.expected.brightness.telling for claim in claims]
        rescued = [k for k in nearest if telling[k] and certainty[k] < self.least][:RESCUED]
        return [*(k for k in nearest if not telling[k]), *rescued][: self.asked]

    def _ask(self, frame: Frame, expected: Expected) -> Prediction:
        """Ask the model as a user would: a click in the middle of the mask that was moved along."""
        click = Click((*(float(k) for k in frame), *expected.outline.deepest))
        prior = expected.outline.as_prediction()
        request = Request(frame, (click,), prior, max(expected.outline.diameter, 1.0), initial=prior)
        return self.predictor.predict(self.image, request, self.stop)

    def _event_of(
        self, frame: Frame, expected: Expected, decided: Decided, certainty: float, others: Mask
    ) -> Event | None:
        """What happened to an object on a frame; `others` are the pixels of its room that belong to other objects."""
        label, outline = expected.label, decided.outline
        evidence = expected.evidence if expected.brightness.telling else None
        if outline is None or is_gone(outline, expected.outline, evidence, expected.room):
            return disappearance(frame, label, False)
        daughters = daughters_of(outline, expected.outline, evidence, expected.room, others)
        if daughters:
            return division(frame, label, daughters)
        if certainty < self.least:
            return lost(frame, label, certainty, self.least)
        rival = rival_of(decided.rivals, decided.claimed)
        return None if rival is None else merge(frame, label, rival)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _labels(self, frame: Frame, region: Region) -> npt.NDArray[Any]:
        return np.array(self.labels[region.at_frame(frame).slices]).reshape(region.shape)

    def _seen(self, outlines: Collection[Outline]) -> Region:
        """What is read of a frame at once: all of it, or around all objects; nothing where that is very large."""
        around = [searched(outline, self.shape)[1] for outline in outlines]
        joined = Region.whole(self.shape) if self.everywhere else reduce(Region.union, around)
        return joined if joined.size <= SEARCH_WHOLE else Region(joined.start, joined.start)

    def _around(self, frame: Frame, claims: Sequence[Claim]) -> tuple[Region, npt.NDArray[Any]]:
        """The region that is drawn in, and its labels: the frame; of a very large one, what objects may reach."""
        region = Region.whole(self.shape if claims else (0,) * len(self.shape))
        if region.size > SEARCH_WHOLE:
            region = reduce(Region.union, [claim.expected.room for claim in claims])
        return region, self._labels(frame, region)


def nothing(ndim: int) -> Edit:
    """Return the edit that writes nothing."""
    return Edit(Region((0,) * ndim, (0,) * ndim), np.zeros((0,) * ndim, bool), np.zeros((0,) * ndim, np.int32))


def _certainty(claim: Claim, decided: Decided | None = None) -> float:
    expected, contested, mask = claim.expected, 0.0, claim.answer.mask()
    if decided is not None and decided.outline is not None:
        contested = min(sum(decided.rivals.values()) / decided.claimed, 1.0)
        mask = decided.outline.on(expected.room)
    contrast = contrast_of(mask, expected.steep)
    return confidence(signs_of(claim.model_answer, expected.outline, expected.drift, contrast, contested), claim.asked)


def _drawn(before: npt.NDArray[Any], region: Region, kept: Mapping[int, Outline]) -> npt.NDArray[Any]:
    """The labels of a frame with these objects in their new places; others as they were."""
    after = before.copy()
    after[np.isin(before, list(kept))] = 0
    for label, outline in kept.items():
        block = after[outline.region.within(region).slices]
        block[outline.mask & (block == 0)] = label
    return after


def _edit(before: npt.NDArray[Any], after: npt.NDArray[Any], region: Region, certainty: Mapping[int, float]) -> Edit:
    """The edit that makes `after` of `before`, no larger than what it changes."""
    box = Region.of_mask(before != after) or Region((0,) * before.ndim, (0,) * before.ndim)
    return Edit.of(before[box.slices], after[box.slices], box.placed_in(region), certainty)
