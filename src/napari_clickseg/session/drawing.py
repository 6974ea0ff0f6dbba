"""Drawing: how an object's state shows in the labels; `Drawn` owns what is drawn of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.clicks import Frame, on_frame
from napari_clickseg.core.labels import SEARCH_WHOLE, piece_near, read_block
from napari_clickseg.core.masks import Drawing, PackedPatch, Patch
from napari_clickseg.core.regions import Region

if TYPE_CHECKING:
    from napari_clickseg.core.edits import Edit
    from napari_clickseg.session.state import ObjectState

ATTEMPTS = 20
"""So often it is tried to put labels right after an act failed."""
Protect = Literal["background", "object", "anything"]
PART = 1024
"""Side of the parts in which a large edit is written."""
MOST = 0.5
"""A fragment is taken in where at least this share of it belongs to the object that is corrected."""


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
    """Mutable: labels that report each region before it is written, and take back what an act wrote that fails.

    Where even that fails, as on a full disk, it is owed: the next act begins with it, and is refused while it fails.
    """

    def __init__(self, labels: Any, painting: Callable[[Region], None]) -> None:
        self._labels = labels
        self._painting = painting
        self._before: list[tuple[Region, npt.NDArray[Any]]] | None = None
        self._owed: list[tuple[Region, npt.NDArray[Any]]] = []

    def __getitem__(self, slices: tuple[slice, ...]) -> Any:
        return self._labels[slices]

    def __setitem__(self, slices: tuple[slice, ...], values: npt.NDArray[Any]) -> None:
        region = Region(tuple(s.start for s in slices), tuple(s.stop for s in slices))
        self._painting(region)
        if self._before is not None:
            self._before.append((region, np.array(self._labels[slices])))
        self._labels[slices] = values

    @contextmanager
    def all_or_nothing(self, taken_back: Callable[[Region], None]) -> Iterator[None]:
        """Within this context, what is written stays only if no exception comes out of it.

        Parameters
        ----------
        taken_back : callable
            Called with each region that was written in vain.
        """
        if self._before is not None:
            yield
            return
        self._settle()
        self._before = []
        try:
            yield
        except BaseException:
            self._owed, self._before = self._before, None
            regions = [region for region, _ in self._owed]
            with suppress(Exception):  # stores raise what they like, and the first failure says what is the matter
                self._settle()
            for region in regions:
                taken_back(region)
            raise
        finally:
            self._before = None

    def _settle(self) -> None:
        """Write what stood there before, the newest write first; a store that fails now and then gets more tries.

        What stands there still is not written: a store may have no space for it, as for what was to be written.
        """
        while self._owed:
            region, before = self._owed[-1]
            for attempt in range(ATTEMPTS):
                try:
                    if not np.array_equal(self._labels[region.slices], before):
                        self._labels[region.slices] = before
                    break
                except Exception:
                    if attempt == ATTEMPTS - 1:
                        raise
            self._owed.pop()


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

    def stands_elsewhere(self, labels: Any, label: int, frames: Collection[Frame], whole: Region) -> bool:
        """Tell whether pixels of an id stand on these frames that do not touch what is drawn of the object.

        In large labels only the frames on which it is drawn are searched.
        """
        large = math.prod(labels.shape) > SEARCH_WHOLE
        return any(self._stands_on(labels, label, frame, whole) for frame in (self._patches if large else frames))

    def _stands_on(self, labels: Any, label: int, frame: Frame, whole: Region) -> bool:
        there = np.asarray(read_block(labels, frame, whole) == label)
        pieces, count = ndimage.label(there, np.ones((3,) * there.ndim))
        patch = self._patches.get(frame)
        if count and patch is not None:
            inside = Region(patch.region.start[len(frame) :], patch.region.stop[len(frame) :]).slices
            own = (patch.written & (patch.after == label)).reshape(pieces[inside].shape)
            count -= len(np.unique(pieces[inside][own & there[inside]]))
        return bool(count)

    def patches(self) -> Mapping[Frame, Patch]:
        """Return the patches of the object by frame."""
        return dict(self._patches)

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
        fragments = _clicked_fragments(labels, state, frame, manner)
        region = reduce(Region.union, fragments.values(), region)
        if region.size:
            new = Patch.write(labels, region.at_frame(frame), _drawing_on(state, frame, region, manner, fragments))
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


def write_edits(labels: Any, edits: Mapping[Frame, Edit]) -> list[tuple[Frame, PackedPatch]]:
    """Write edits; return the patches that take them back, in the order written.

    Of an edit that spans much of a large frame, as of an object with parts far from each other, only parts in which it
    writes something are read.
    """

    def write(frame: Frame, part: Region, edit: Edit) -> PackedPatch:
        lift, within = (np.newaxis,) * len(frame), part.within(edit.region).slices
        drawing = (edit.written[within][lift], edit.values[within][lift])
        return Patch.write(labels, part.at_frame(frame), lambda there: drawing).packed()

    return [(frame, write(frame, part, edit)) for frame, edit in edits.items() for part in _parts_of(edit)]


def _parts_of(edit: Edit) -> list[Region]:
    """The parts of an edit, of at most `PART` pixels along the last two axes, in which something is written."""
    region = edit.region
    if max(region.shape[-2:]) <= PART:
        return [region]
    starts = [range(a, b, PART) for a, b in zip(region.start[-2:], region.stop[-2:], strict=True)]
    corners = [(*region.start[:-2], *start) for start in product(*starts)]
    reach = (*region.shape[:-2], PART, PART)
    parts = [Region(c, tuple(a + n for a, n in zip(c, reach, strict=True))).intersection(region) for c in corners]
    return [part for part in parts if edit.written[part.within(region).slices].any()]


def write_again(
    labels: Any, patches: Sequence[tuple[Frame, PackedPatch]], spared: Collection[int] = ()
) -> tuple[tuple[Frame, PackedPatch], ...]:
    """Write once more what was taken back, but not over `spared` ids; return the patches that take it back again."""
    return tuple((frame, patch.write_again(labels, spared)) for frame, patch in patches)


def take_back(labels: Any, patches: Sequence[tuple[Frame, PackedPatch]]) -> list[Region]:
    """Take patches back, the last one first; return the regions touched."""
    for _, packed in reversed(patches):
        packed.take_back(labels)
    return touched_by(patches)


def touched_by(patches: Iterable[tuple[Frame, Patch | PackedPatch]]) -> list[Region]:
    """Return the regions in which patches lie, one for each frame."""
    regions: dict[Frame, Region] = {}
    for frame, patch in patches:
        if patch.region.size:
            regions[frame] = patch.region.union(regions.get(frame, patch.region))
    return list(regions.values())


def _region_on(state: ObjectState, frame: Frame, manner: Manner) -> Region:
    """Where on a frame the object is drawn or was taken up; a region of size 0 where neither."""
    known = (state.taken_up.get(frame), state.masks.get(frame))
    regions = [prediction.region.clip(manner.shape) for prediction in known if prediction is not None]
    return reduce(Region.union, regions) if regions else Region.whole((0,) * len(manner.shape))


def _drawing_on(
    state: ObjectState, frame: Frame, region: Region, manner: Manner, fragments: Collection[int]
) -> Callable[[npt.NDArray[Any]], Drawing]:
    """What to write into a block of labels: the object where it may be, background where it no longer is."""
    label, lift = state.label, (np.newaxis,) * len(frame)
    mask, own = mask_of(state, frame, region, manner.threshold)[lift], _own_on(state, frame, region)[lift]
    if manner.protect == "object" and state.taken_up:
        mask = mask & own

    def draw(there: npt.NDArray[Any]) -> Drawing:
        ours = there == label
        drawn = mask if manner.protect == "anything" else mask & (ours | (there == 0))
        if fragments:
            drawn = drawn | _joined(there, mask, fragments)
        if not own.any():
            return drawn, np.broadcast_to(np.asarray(label, there.dtype), there.shape)
        return drawn | (own & ours), np.multiply(drawn, label, dtype=there.dtype)

    return draw


def _clicked_fragments(labels: Any, state: ObjectState, frame: Frame, manner: Manner) -> dict[int, Region]:
    """The other objects that positive clicks of a resumed one lie on, and where each of them lies around its click."""
    if manner.protect != "background" or frame not in state.taken_up:
        return {}
    whole = Region.whole(manner.shape)
    found: dict[int, Region] = {}
    for click in on_frame(state.clicks, frame, whole.ndim):
        pixel = tuple(min(round(p), n - 1) for p, n in zip(click.point(whole.ndim), manner.shape, strict=True))
        label = int(labels[(*frame, *pixel)]) if click.positive else 0
        if label not in (0, state.label, *found):
            found[label] = piece_near(labels, label, frame, pixel, whole)
    return found


def _joined(there: npt.NDArray[Any], mask: npt.NDArray[np.bool_], ids: Iterable[int]) -> npt.NDArray[np.bool_]:
    """The pixels of other objects that a resumed one takes in: those clicked on, where most of one belongs to it.

    A click on a fragment of an object says that it is one with the object that is corrected.
    """
    joined = np.zeros(there.shape, bool)
    for other in ids:
        fragment = there == other
        if (mask & fragment).sum() >= MOST * fragment.sum():
            joined |= fragment
    return joined


def _own_on(state: ObjectState, frame: Frame, region: Region) -> npt.NDArray[np.bool_]:
    """The pixels that a resumed object had when it was taken up."""
    own = state.taken_up.get(frame)
    return np.zeros(region.shape, bool) if own is None else own.mask_on(region)
