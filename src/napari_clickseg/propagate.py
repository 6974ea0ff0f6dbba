"""Carry objects from a frame that is right to its neighbours, frame by frame, along time or depth.

A generator that writes nothing: it yields an edit per frame and whoever drives it writes. Each object is followed by
template matching and weighed by brightness and shape; the least certain are put to the model; all are decided together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.clicks import Click, Frame
from napari_clickseg.confidence import confidence, signs_of
from napari_clickseg.deciding import Claim, Decided, Expected, decide
from napari_clickseg.edits import Edit
from napari_clickseg.events import (
    BRIGHT,
    ENDING,
    VANISHED,
    Event,
    appearance,
    daughters_of,
    disappearance,
    division,
    lost,
    merge,
    new_objects,
    rival_of,
    unmatched,
)
from napari_clickseg.images import Image
from napari_clickseg.labels import SEARCH_WHOLE
from napari_clickseg.motion import Plane, followed, likeness_between, searched
from napari_clickseg.outlines import Outline, between, outlines_of
from napari_clickseg.questions import NEVER, Predictor, Request, Stop
from napari_clickseg.regions import Region
from napari_clickseg.weighing import Brightness, room_of, weighed

ASKED = 8
"""So many objects of a frame are put to the model, the least certain first; all others are weighed alone."""
LEAST = 0.5
TELLING = 0.75
"""Brightness tells objects from background where so large a share of either is on its side."""


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """What became of the objects on one frame.

    Attributes
    ----------
    frame : Frame
    edit : Edit
        What to write there: the ids carried, with their confidence; pixels of other objects are not touched.
    confidence : mapping of int to float
        How likely each object was carried well, 0 to 1; also of those that ended here and are not written.
    events : tuple of Event
        What befell objects here.
    halted : str
        Why nothing comes after this frame, as a sentence; "" where the next one follows or all are done.
    """

    frame: Frame
    edit: Edit
    confidence: Mapping[int, float] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    halted: str = ""


def carry(
    image: Image,
    labels: Any,
    predictor: Predictor,
    source: Frame,
    targets: Sequence[Frame],
    ids: Collection[int] | None = None,
    confirmed: Collection[Frame] = frozenset(),
    least: float = LEAST,
    stop: Stop = NEVER,
    between: Frame | None = None,
    asked: int | None = ASKED,
) -> Iterator[Carried]:
    """Carry objects from one frame over others, one `Carried` per frame as it is done.

    It ends early at a confirmed frame, and where no object is left; the last one then says why in `halted`. To resume,
    write what came and carry on from the last frame that did. Nothing is written here.

    Parameters
    ----------
    labels : array-like
        The image's shape without channels; read frame by frame, `source` once and each target when its turn comes.
    source : Frame
        The frame that is right.
    targets : sequence of Frame
        In the order of the walk: each is carried to from the one before it, the first from `source`.
    ids : collection of int, optional
        The objects to carry; all of the source frame where absent, and then new objects are reported as events too.
    confirmed : collection of Frame
        Frames that are right: nothing is written there, and carrying ends.
    least : float
        An object whose confidence falls below is lost: not written, and carried no further.
    stop : Stop
        Checked between objects.
    between : Frame, optional
        A second frame that is right: `targets` lie between it and `source`, and shapes are interpolated.
    asked : int or None
        How many objects of a frame are put to the model; None for all.

    Raises
    ------
    ValueError
        Where a frame is not there or stands in the wrong place, or the source holds none of the objects.
    Stopped
        While iterating, where `stop` was requested.
    """
    work = Carrier(image, labels, predictor, least, stop, asked)
    for frame in (source, *targets, *(() if between is None else (between,))):
        work.check(frame)
    if source in targets:
        raise ValueError(f"Frame {source} is the one to carry from; leave it out of the frames to carry to.")
    if between is not None:
        return _meeting(work, source, between, targets, ids, frozenset(confirmed))
    return _following(work, source, targets, ids, frozenset(confirmed))


def _following(
    work: Carrier, source: Frame, targets: Sequence[Frame], ids: Collection[int] | None, confirmed: frozenset[Frame]
) -> Iterator[Carried]:
    """From frame to frame, each from the one before."""
    scene = work.scene(source, ids)
    usual = None if ids is not None else _Usual.of(scene)
    for target in targets:
        if target in confirmed:
            yield work.halted(target, f"Frame {_named(target)} is confirmed; carrying ends before it.")
            return
        plane, expected, gone = work.follow(scene, target)
        carried, following = work.settle(plane, expected, gone)
        if usual is not None:
            carried = replace(carried, events=(*carried.events, *usual.appeared(scene, following)))
        if not following.outlines:
            yield replace(carried, halted="No object is left to carry.")
            return
        yield carried
        scene = following


def _meeting(
    work: Carrier,
    source: Frame,
    end: Frame,
    targets: Sequence[Frame],
    ids: Collection[int] | None,
    confirmed: frozenset[Frame],
) -> Iterator[Carried]:
    """Between two frames that are right: each frame for itself, from both ends."""
    axis = _axis_between(source, end, targets)
    ends = work.scene(source, ids), work.scene(end, ids)
    events = _unmatched(*ends, targets)
    for target in targets:
        if target in confirmed:
            yield work.halted(target, f"Frame {_named(target)} is confirmed; carrying ends before it.")
            return
        share = (target[axis] - source[axis]) / (end[axis] - source[axis])
        plane, expected = work.interpolate(*ends, share, target)
        carried, _ = work.settle(plane, expected, ())
        yield replace(carried, events=(*events.get(target, ()), *carried.events))


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Objects as they stand on a frame that is right, or was decided.

    Attributes
    ----------
    plane : Plane
    outlines : mapping of int to Outline
        The objects that are carried.
    taken : Outline or None
        All pixels near them that belong to any object.
    """

    plane: Plane
    outlines: Mapping[int, Outline]
    taken: Outline | None

    def brightness(self, outline: Outline, shape: tuple[int, ...]) -> Brightness:
        """Return how an object's brightness differs from the background beside it."""
        room = room_of(outline, shape)
        free = np.ones(room.shape, bool) if self.taken is None else ~self.taken.on(room)
        return Brightness.of(self.plane.cut(room), outline.on(room), free)


@dataclass(frozen=True, slots=True, eq=False)
class Carrier:
    """What all frames of one carrying have in common, and the steps that each frame takes."""

    image: Image
    labels: Any
    predictor: Predictor
    least: float
    stop: Stop
    asked: int | None

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
            raise ValueError(f"Frame {_named(frame)} holds {wanted}; there is nothing to carry.")
        plane = Plane.read(self.image, frame, self._seen(outlines.values()))
        return Scene(plane, outlines, Outline.of(block > 0, whole))

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
            else:
                expected.append(
                    self._expect(label, there, motion.likeness, scene.brightness(outline, self.shape), plane)
                )
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
            likeness = likeness_between(near, nearer.plane, there, plane, self.shape)
            expected.append(self._expect(label, there, likeness, nearer.brightness(near, self.shape), plane))
        return plane, expected

    def settle(self, plane: Plane, expected: Sequence[Expected], gone: Collection[int]) -> tuple[Carried, Scene]:
        """Decide a frame: what to write there, what befell its objects, and the scene to carry on from."""
        claims = self._claims(plane.frame, expected)
        region, before = self._around(plane.frame, claims)
        carried_ids = [claim.expected.label for claim in claims]
        theirs = (before != 0) & ~np.isin(before, carried_ids)
        decided = decide(claims, region, ~theirs)
        certainty = {claim.expected.label: _certainty(claim, decided[claim.expected.label]) for claim in claims}
        events = [disappearance(plane.frame, label, True) for label in gone]
        for claim in claims:
            label = claim.expected.label
            events.extend(self._befallen(plane.frame, claim, decided[label], certainty[label], before, region, decided))
        ended = {event.label for event in events if event.kind in ENDING}
        kept = {k: d.outline for k, d in decided.items() if k not in ended and d.outline is not None}
        after = _drawn(before, region, kept)
        edit = _trimmed(before, after, region, {k: certainty[k] for k in kept})
        scene = Scene(plane, kept, Outline.of(after > 0, region))
        return Carried(plane.frame, edit, certainty, tuple(events)), scene

    def halted(self, frame: Frame, why: str) -> Carried:
        """Return the end: a frame on which nothing is written."""
        nothing = Region((0,) * len(self.shape), (0,) * len(self.shape))
        return Carried(frame, _unchanged(nothing), halted=why)

    # -- steps -----------------------------------------------------------------------------------------------------

    def _expect(self, label: int, there: Outline, likeness: float, brightness: Brightness, plane: Plane) -> Expected:
        room = room_of(there, self.shape)
        return Expected(label, there, likeness, room, brightness(plane.cut(room)))

    def _claims(self, frame: Frame, expected: Sequence[Expected]) -> list[Claim]:
        """Weigh every object, put the least certain to the model, and take what is more certain then."""
        claims = [Claim(e, weighed(e.outline, e.room, e.evidence)) for e in expected]
        doubtful = sorted(range(len(claims)), key=lambda k: _certainty(claims[k]))
        for k in doubtful[: self.asked]:
            self.stop.check()
            claims[k] = max(claims[k], self._ask(frame, claims[k].expected), key=_certainty)
        return claims

    def _ask(self, frame: Frame, expected: Expected) -> Claim:
        """Ask the model as a user would: a click in the middle of the mask that was moved along."""
        click = Click((*(float(k) for k in frame), *expected.outline.deepest))
        prior = expected.outline.as_prediction()
        request = Request(frame, (click,), prior, max(expected.outline.diameter, 1.0))
        return Claim(expected, self.predictor.predict(self.image, request, self.stop), asked=True)

    def _befallen(
        self,
        frame: Frame,
        claim: Claim,
        decided: Decided,
        certainty: float,
        before: npt.NDArray[Any],
        region: Region,
        everyone: Mapping[int, Decided],
    ) -> Iterator[Event]:
        """What befell one object on a frame."""
        label, expected = claim.expected.label, claim.expected
        if decided.outline is None or decided.outline.area < VANISHED * expected.outline.area:
            yield disappearance(frame, label, False)
            return
        taken = _taken(expected.room, everyone) | (before[expected.room.within(region).slices] != 0)
        daughters = daughters_of(decided.outline, expected.outline, expected.evidence, expected.room, taken)
        rival = rival_of(decided.rivals, decided.claimed)
        if daughters:
            yield division(frame, label, daughters)
        elif certainty < self.least:
            yield lost(frame, label, certainty, self.least)
        elif rival is not None:
            yield merge(frame, label, rival)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _labels(self, frame: Frame, region: Region) -> npt.NDArray[Any]:
        return np.array(self.labels[region.at_frame(frame).slices]).reshape(region.shape)

    def _seen(self, outlines: Collection[Outline]) -> Region:
        """What is read of a frame at once: around all objects, or nothing where they lie too far apart."""
        around = [searched(outline, self.shape)[1] for outline in outlines]
        joined = reduce(Region.union, around)
        return joined if joined.size <= SEARCH_WHOLE else Region(joined.start, joined.start)

    def _around(self, frame: Frame, claims: Sequence[Claim]) -> tuple[Region, npt.NDArray[Any]]:
        """The region in which a frame is drawn, and its labels: all of it, in a very large one what objects reach."""
        whole = Region.whole(self.shape)
        if whole.size > SEARCH_WHOLE and claims:
            whole = reduce(Region.union, [claim.answer.region.union(claim.expected.room) for claim in claims])
        return whole, self._labels(frame, whole)


@dataclass(frozen=True, slots=True, eq=False)
class _Usual:
    """What objects of the source frame have in common, to tell what appears later."""

    brightness: Brightness
    area: float

    @classmethod
    def of(cls, scene: Scene) -> _Usual | None:
        """Return it where brightness tells objects from background; else None."""
        grey, taken = scene.plane.block, scene.taken
        if not grey.size or taken is None:
            return None
        inside = taken.on(scene.plane.region)
        brightness = Brightness.of(grey, inside, ~inside)
        bright = brightness(grey) > BRIGHT
        if not bright[inside].mean() > TELLING or bright[~inside].mean() > 1 - TELLING:
            return None
        return cls(brightness, float(np.median([outline.area for outline in scene.outlines.values()])))

    def appeared(self, before: Scene, after: Scene) -> Iterator[Event]:
        """Yield an event for each new object that lies where both scenes were read."""
        region = before.plane.region.intersection(after.plane.region)
        if not region.size:
            return
        taken = np.zeros(region.shape, bool) if after.taken is None else after.taken.on(region)
        evidence = [self.brightness(scene.plane.cut(region)) for scene in (after, before)]
        for outline in new_objects(evidence[0], evidence[1], taken, region, self.area):
            yield appearance(after.plane.frame, outline)


def _certainty(claim: Claim, decided: Decided | None = None) -> float:
    contested = 0.0
    if decided is not None and decided.claimed:
        contested = sum(decided.rivals.values()) / decided.claimed
    return confidence(signs_of(claim.answer, claim.expected.outline, claim.expected.likeness, contested), claim.asked)


def _drawn(before: npt.NDArray[Any], region: Region, kept: Mapping[int, Outline]) -> npt.NDArray[Any]:
    """The labels of a frame with the objects kept in their new places; others as they were."""
    after = before.copy()
    after[np.isin(before, list(kept))] = 0
    for label, outline in kept.items():
        block = after[outline.region.within(region).slices]
        block[outline.mask & (block == 0)] = label
    return after


def _trimmed(before: npt.NDArray[Any], after: npt.NDArray[Any], region: Region, certainty: Mapping[int, float]) -> Edit:
    """The edit that makes `after` of `before`, no larger than what it changes."""
    box = Region.of_mask(before != after)
    if box is None:
        return _unchanged(Region(region.start, region.start), certainty)
    return Edit.of(before[box.slices], after[box.slices], box.placed_in(region), certainty)


def _unchanged(region: Region, certainty: Mapping[int, float] | None = None) -> Edit:
    return Edit(region, np.zeros(region.shape, bool), np.zeros(region.shape, np.int32), dict(certainty or {}))


def _taken(room: Region, everyone: Mapping[int, Decided]) -> npt.NDArray[np.bool_]:
    taken = np.zeros(room.shape, bool)
    for decided in everyone.values():
        if decided.outline is not None and decided.outline.region.intersection(room).size:
            taken |= decided.outline.on(room)
    return taken


def _axis_between(source: Frame, end: Frame, targets: Sequence[Frame]) -> int:
    """The one axis along which all these frames differ, with the targets between the two ends."""
    axes = [k for k, (a, b) in enumerate(zip(source, end, strict=True)) if a != b]
    if len(axes) != 1:
        raise ValueError(f"Frames {source} and {end} must differ along one axis, to have frames between them.")
    axis = axes[0]
    low, high = sorted((source[axis], end[axis]))
    for target in targets:
        same = all(a == b for k, (a, b) in enumerate(zip(source, target, strict=True)) if k != axis)
        if not same or not low < target[axis] < high:
            raise ValueError(f"Frame {target} does not lie between {source} and {end}.")
    return axis


def _unmatched(first: Scene, second: Scene, targets: Sequence[Frame]) -> dict[Frame, list[Event]]:
    """Events of the objects that lie on one of two frames only, told on the target next to it."""
    if not targets:
        return {}
    told: dict[Frame, list[Event]] = {}
    for here, there, frame in ((first, second, targets[0]), (second, first, targets[-1])):
        for label in sorted(here.outlines.keys() - there.outlines.keys()):
            told.setdefault(frame, []).append(unmatched(frame, label, here.plane.frame, there.plane.frame))
    return told


def _named(frame: Frame) -> str:
    return ", ".join(map(str, frame)) or "0"
