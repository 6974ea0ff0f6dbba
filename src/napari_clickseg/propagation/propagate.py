"""Carry objects from a frame that is right to its neighbours, frame by frame, along time or depth.

A generator that writes nothing: it yields an edit per frame and the caller writes. Each object is followed by
template matching and weighed by brightness and shape; those that need it are put to the model; all are decided.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.propagation.frame_steps import Carrier, Scene, Settled, nothing
from napari_clickseg.propagation.intensity_model import Brightness
from napari_clickseg.propagation.track_events import Event, appearance, named, new_objects, unmatched

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.edits import Edit
    from napari_clickseg.core.images import Image
    from napari_clickseg.core.requests import Predictor


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """What objects of the source frame have in common, to recognise what appears later."""

    brightness: Brightness
    area: float

    @classmethod
    def of(cls, scene: Scene) -> Usual | None:
        """Return it where brightness distinguishes objects from background; else None."""
        grey, taken = scene.plane.block, scene.taken
        if not grey.size or taken is None:
            return None
        inside = taken.on(scene.plane.region)
        brightness = Brightness.of(grey, inside, ~inside)
        if not brightness.telling:
            return None
        return cls(brightness, float(np.median([outline.area for outline in scene.outlines.values()])))

    def appeared(self, before: Scene, after: Scene) -> Iterator[Event]:
        """Yield an event for each new object that lies where both scenes were read."""
        region = before.plane.region.intersection(after.plane.region)
        if not region.size:
            return
        taken = np.zeros(region.shape, bool) if after.taken is None else after.taken.on(region)
        for outline in new_objects(self.brightness(after.plane.cut(region)), taken, region, self.area):
            was_there = self.brightness(before.plane.cut(outline.region))[outline.mask] > 0
            if was_there.mean() < 0.5:
                yield appearance(after.plane.frame, outline)


ASKED = 24
"""So many objects of a frame are put to the model at most, those first that are nearest to being lost or kept. Of more
than a few (`propagation.frame_steps.FEW`), hardly any that brightness distinguishes
from its background. All others are weighed alone."""
LEAST = 0.5
"""An object whose confidence falls below is lost."""


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
        What happened to objects here.
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
        How many objects of a frame are put to the model at most, as of `ASKED`; None for all.

    Raises
    ------
    ValueError
        Where a frame is not there or stands in the wrong place, or the source holds none of the objects.
    Stopped
        While iterating, where `stop` was requested.
    """
    work = Carrier(image, labels, predictor, least, stop, asked, everywhere=ids is None)
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
    usual = None if ids is not None else Usual.of(scene)
    for target in targets:
        if target in confirmed:
            yield _halted(work, target)
            return
        settled = work.settle(*work.follow(scene, target))
        carried, following = _carried(settled), settled.scene
        if usual is not None:
            carried = replace(carried, events=(*carried.events, *usual.appeared(scene, following)))
        if not following.outlines:
            yield replace(carried, halted="No object is left to track.")
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
            yield _halted(work, target)
            return
        share = (target[axis] - source[axis]) / (end[axis] - source[axis])
        carried = _carried(work.settle(*work.interpolate(*ends, share, target)))
        yield replace(carried, events=(*events.get(target, ()), *carried.events))


def _carried(settled: Settled) -> Carried:
    return Carried(settled.scene.plane.frame, settled.edit, settled.certainty, settled.events)


def _halted(work: Carrier, frame: Frame) -> Carried:
    return Carried(
        frame, nothing(len(work.shape)), halted=f"Frame {named(frame)} is confirmed; carrying ends before it."
    )


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
    """Events of the objects that lie on one of two frames only, reported on the target next to it."""
    if not targets:
        return {}
    events: dict[Frame, list[Event]] = {}
    for here, there, frame in ((first, second, targets[0]), (second, first, targets[-1])):
        for label in sorted(here.outlines.keys() - there.outlines.keys()):
            events.setdefault(frame, []).append(unmatched(frame, label, here.plane.frame, there.plane.frame))
    return events
