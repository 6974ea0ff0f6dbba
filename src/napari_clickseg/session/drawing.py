"""Drawing: how an object's state shows in the labels; `Drawn` owns what is drawn of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.edits import Edit
from napari_clickseg.core.masks import Drawing, PackedPatch, Patch
from napari_clickseg.core.regions import Region
from napari_clickseg.session.state import ObjectState

Protect = Literal["background", "object", "anything"]
P = TypeVar("P", Patch, PackedPatch)


@dataclass(frozen=True, slots=True)
class Manner:
    """How objects are drawn.

    Attributes
    ----------
    shape : tuple of int
        Of a frame.
    threshold : float
        The probability above which a pixel belongs to the object.
    protect : {"background", "object", "anything"}
        What may be written over.
    """

    shape: tuple[int, ...]
    threshold: float
    protect: Protect


class Canvas:
    """Labels that report each region before it is written; reading is not reported."""

    def __init__(self, labels: Any, painting: Callable[[Region], None]) -> None:
        self._labels = labels
        self._painting = painting

    def __getitem__(self, slices: tuple[slice, ...]) -> Any:
        return self._labels[slices]

    def __setitem__(self, slices: tuple[slice, ...], values: npt.NDArray[Any]) -> None:
        self._painting(Region(tuple(s.start for s in slices), tuple(s.stop for s in slices)))
        self._labels[slices] = values


class Drawn:
    """Mutable owner of the patches in which the object being drawn stands in the labels, one for each frame."""

    def __init__(self) -> None:
        self._patches: dict[Frame, Patch] = {}

    def area(self, label: int) -> int:
        """Return how many pixels show the object."""
        return sum(patch.count(label) for patch in self._patches.values())

    def largest(self, label: int) -> int:
        """Return how many pixels show the object on the frame where it is largest."""
        return max((patch.count(label) for patch in self._patches.values()), default=0)

    def close(self) -> Mapping[Frame, Patch]:
        """Return the patches of the object, which stays in the labels, and begin with none for the next one."""
        patches, self._patches = self._patches, {}
        return patches

    def open(self, patches: Mapping[Frame, Patch]) -> None:
        """Go on with an object that was closed."""
        self._patches = dict(patches)

    def redraw(self, labels: Any, state: ObjectState, frames: Iterable[Frame], manner: Manner) -> list[Region]:
        """On these frames, take back what is drawn and draw the state anew; return the regions touched."""
        return [region for frame in frames for region in self._redraw_frame(labels, state, frame, manner)]

    def _redraw_frame(self, labels: Any, state: ObjectState, frame: Frame, manner: Manner) -> list[Region]:
        old, new = self._patches.get(frame), None
        region = _region_on(state, frame, manner)
        if old is not None:
            old.take_back(labels)
        try:
            if region.size:
                new = Patch.write(labels, region.at_frame(frame), _drawing_on(state, frame, region, manner))
        except BaseException:  # as of a full disk: what was drawn is drawn again
            if old is not None:
                self._patches[frame] = old.write_again(labels)
            raise
        self._patches.pop(frame, None)
        if new is not None:
            self._patches[frame] = new
        touched = [patch.region for patch in (old, new) if patch is not None and patch.region.size]
        return [reduce(Region.union, touched)] if touched else []


def mask_of(state: ObjectState, frame: Frame, region: Region, threshold: float) -> npt.NDArray[np.bool_]:
    """Return the object's mask on a region of a frame; what the labels show may be less, as others are protected."""
    shown = state.masks.get(frame)
    if shown is None or shown is state.taken_up.get(frame):
        return _own_on(state, frame, region) if shown is not None else np.zeros(region.shape, bool)
    return shown.mask_on(region, threshold)


def write_edits(labels: Any, edits: Mapping[Frame, Edit]) -> list[tuple[Frame, Patch]]:
    """Write edits, all of them or none; return the patches that take them back, in the order written."""

    def write(item: tuple[Frame, Edit]) -> Patch:
        frame, edit = item
        lift = (np.newaxis,) * len(frame)
        drawing = (edit.written[lift], edit.values[lift])
        return Patch.write(labels, edit.region.at_frame(frame), lambda there: drawing)

    return list(zip(edits, _all_or_none(labels, write, list(edits.items())), strict=True))


def write_again(labels: Any, patches: Sequence[tuple[Frame, PackedPatch]]) -> tuple[tuple[Frame, PackedPatch], ...]:
    """Write once more what was taken back, all of it or none; return the patches that take it back again."""
    written = _all_or_none(labels, lambda item: item[1].write_again(labels), patches)
    return tuple((frame, patch) for (frame, _), patch in zip(patches, written, strict=True))


def take_back(labels: Any, patches: Sequence[tuple[Frame, PackedPatch]]) -> list[Region]:
    """Take patches back, the last one first, all of them or none; return the regions touched."""
    done: list[PackedPatch] = []
    try:
        for _, packed in reversed(patches):
            packed.take_back(labels)
            done.append(packed)
    except BaseException:
        for packed in reversed(done):
            packed.write_again(labels)
        raise
    return [packed.region for _, packed in patches if packed.region.size]


def _all_or_none(labels: Any, write: Callable[[Any], P], items: Sequence[Any]) -> list[P]:
    """Write in a row; where one write fails (a full disk), take the earlier ones back."""
    done: list[P] = []
    try:
        for item in items:
            done.append(write(item))
    except BaseException:
        for patch in reversed(done):
            patch.take_back(labels)
        raise
    return done


def _region_on(state: ObjectState, frame: Frame, manner: Manner) -> Region:
    """Where on a frame the object is drawn or was taken up; a region of size 0 where neither."""
    known = (state.taken_up.get(frame), state.masks.get(frame))
    regions = [prediction.region.clip(manner.shape) for prediction in known if prediction is not None]
    return reduce(Region.union, regions) if regions else Region.whole((0,) * len(manner.shape))


def _drawing_on(
    state: ObjectState, frame: Frame, region: Region, manner: Manner
) -> Callable[[npt.NDArray[Any]], Drawing]:
    """What to write into a block of labels: the object where it may be, background where it no longer is."""
    label, lift = state.label, (np.newaxis,) * len(frame)
    mask, own = mask_of(state, frame, region, manner.threshold)[lift], _own_on(state, frame, region)[lift]
    if manner.protect == "object" and state.taken_up:
        mask = mask & own

    def draw(there: npt.NDArray[Any]) -> Drawing:
        ours = there == label
        drawn = mask if manner.protect == "anything" else mask & (ours | (there == 0))
        return drawn | (own & ours), np.where(drawn, label, 0)

    return draw


def _own_on(state: ObjectState, frame: Frame, region: Region) -> npt.NDArray[np.bool_]:
    """The pixels that a resumed object had when it was taken up."""
    own = state.taken_up.get(frame)
    return np.zeros(region.shape, bool) if own is None else own.mask_on(region)
