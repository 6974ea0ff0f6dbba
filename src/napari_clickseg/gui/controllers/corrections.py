"""Corrections: join, split, delete, fill, number, swap and copy existing objects, by key or by button and click."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_clickseg.core.clicks import Click, Frame
from napari_clickseg.core.labels import SEARCH_LONG, quickly_searched
from napari_clickseg.core.regions import Region
from napari_clickseg.gui.view import messages
from napari_clickseg.propagation.plan import along
from napari_clickseg.session import label_operations

if TYPE_CHECKING:
    from napari_clickseg.core.jobs import Outcome
    from napari_clickseg.gui.background import Background
    from napari_clickseg.gui.controllers.frames import Frames
    from napari_clickseg.gui.controllers.objects import Objects
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.panel_state import Reports
    from napari_clickseg.gui.preview import Preview
    from napari_clickseg.gui.view.protocol import Extent
    from napari_clickseg.gui.workspace import Workspace

Position = tuple[float, ...]
Plan = Callable[..., label_operations.Edits]
"""Given `frames`, returns which pixels change on them."""
OfTwo = Callable[["LayerPair", Position, Position], None]


@dataclass(frozen=True, slots=True)
class Correction:
    """What a correction does.

    Attributes
    ----------
    frame : Frame
        Where it was asked for.
    now : callable
        Does it on that frame.
    planned : callable
        Given `frames`, returns which pixels change on them; does not change any.
    sentence : str
        What is to be read once it is done.
    around : callable or None
        Does it on that frame only around the place that was pointed at.
    """

    frame: Frame
    now: Callable[[], object]
    planned: Plan
    sentence: str
    around: Callable[[], object] | None = None


class Corrections:
    """Mutable: on which frames corrections act, and the first of two places.

    Parameters
    ----------
    workspace, objects, frames, background, preview, reports
        Where the pairs are, who takes places, which frame is in view, where many frames are read, who marks the first
        place, where sentences go.
    """

    def __init__(
        self,
        workspace: Workspace,
        objects: Objects,
        frames: Frames,
        background: Background,
        preview: Preview,
        reports: Reports,
    ) -> None:
        self._workspace = workspace
        self._objects = objects
        self._frames = frames
        self._background = background
        self._preview = preview
        self._reports = reports
        self._first: tuple[str, Position] | None = None
        self.asked: tuple[LayerPair, int, Frame] | None = None
        """The object whose new number is being asked for, in which pair and on which frame."""
        self.extent: Extent = "frame"
        """On which frames corrections act."""
        workspace.switched.connect(self._on_workspace_switched)

    # -- actions: each takes a position, or None to wait for a click -----------------------------------------------

    def join(self, position: Position | None) -> None:
        """Join an object to the one being drawn, or to one that was pointed at before."""
        pair = self._workspace.current
        if pair is not None and not pair.session.state.empty:
            self._objects.at_place("join", self._join_to_drawn, position)
        else:
            self._of_two("join", self._join, position)

    def split(self, position: Position | None) -> None:
        """Split an object: two places, one on each part."""
        self._of_two("split", self._split, position)

    def swap(self, position: Position | None) -> None:
        """Swap the numbers of two objects."""
        self._of_two("swap", self._swap, position)

    def delete(self, position: Position | None) -> None:
        """Delete an object."""
        self._objects.at_place("delete", self._delete, position)

    def fill(self, position: Position | None) -> None:
        """Fill the holes of an object."""
        self._objects.at_place("fill", self._fill, position)

    def relabel(self, position: Position | None) -> None:
        """Ask for another number of an object."""
        self._objects.at_place("relabel", self._ask_number, position)

    def copy_previous(self, position: Position | None) -> None:
        """Copy the object that was there on the frame before; all of them where there was none."""
        self._objects.at_place("copy_previous", self._copy, position)

    # -- other requests --------------------------------------------------------------------------------------------

    def choose_extent(self, extent: Extent) -> None:
        """Let corrections act on the frame in view, from it on, or on all frames."""
        self.extent = extent

    def give_id(self, new: int) -> None:
        """Give the object that was asked about this number."""
        if self.asked is None:
            return
        pair, label, frame = self.asked
        self.leave_id()
        if pair is self._workspace.current:
            planned = partial(label_operations.relabel, pair.session.labels, label, new, whole=_whole(pair))
            now = partial(pair.session.relabel, label, new, [frame])
            self._do(pair, Correction(frame, now, planned, f"Object {label} is object {new} now."))

    def leave_id(self) -> None:
        """Ask for a number no more."""
        if self.asked is not None:
            self.asked = None
            self._reports.resume()

    def repair(self, action: str, pair: LayerPair, frame: Frame, labels: Sequence[int]) -> None:
        """Do the likely repair of a finding."""
        if action == "swap":
            self._swap_two(pair, labels[0], labels[1], frame)
        elif action == "copy":
            self._copy_labels(pair, frame, tuple(labels) or None)

    # -- what to do at a place -------------------------------------------------------------------------------------

    def _of_two(self, name: str, act: OfTwo, position: Position | None) -> None:
        """A correction that takes two places: the first is remembered and marked, the second does it."""
        second = self._first is not None and self._first[0] == name and self._objects.armed == name
        if second and position is None:
            self._first = None
            self._objects.disarm()
        else:
            take = partial(self._second, name, act) if second else partial(self._take_first, name, act)
            self._objects.at_place(name, take, position)

    def _take_first(self, name: str, act: OfTwo, pair: LayerPair, position: Position) -> None:
        label = _object_at(pair, position)
        self._first = name, position
        self._objects.arm(name, partial(self._second, name, act), messages.second(name, label))
        self._preview.mark(pair, position)

    def _second(self, name: str, act: OfTwo, pair: LayerPair, position: Position) -> None:
        first, self._first = self._first, None
        if first is not None and first[0] == name:
            self._preview.unmark()
            act(pair, first[1], position)

    def _join_to_drawn(self, pair: LayerPair, position: Position) -> None:
        label, drawn = _object_at(pair, position), pair.session.label
        if label == drawn:
            raise ValueError(f"That is object {label} itself; point at the other one and press J again.")
        self._join_two(pair, drawn, label, self._frame(pair, position))

    def _join(self, pair: LayerPair, first: Position, second: Position) -> None:
        here = self._frame(pair, second)
        near = [Click(place).point(pair.session.ndim) for place in (first, second)]
        on_one = self._frame(pair, first) == here
        self._join_two(pair, _object_at(pair, first), _object_at(pair, second), here, near if on_one else None)

    def _join_two(
        self, pair: LayerPair, stays: int, goes: int, frame: Frame, near: Sequence[Sequence[float]] | None = None
    ) -> None:
        if stays == goes:
            raise ValueError(f"Both places lie on object {stays}; join takes two objects.")
        planned = partial(label_operations.merge, pair.session.labels, (stays, goes), whole=_whole(pair))
        now = partial(pair.session.merge, (stays, goes), [frame])
        around = None if near is None else partial(now, near)
        self._do(pair, Correction(frame, now, planned, f"Object {goes} is part of object {stays} now.", around))

    def _split(self, pair: LayerPair, first: Position, second: Position) -> None:
        new = pair.session.split(first, second)
        self._tell(pair, f"The part clicked last is object {new} now.")

    def _swap(self, pair: LayerPair, first: Position, second: Position) -> None:
        self._swap_two(pair, _object_at(pair, first), _object_at(pair, second), self._frame(pair, second))

    def _swap_two(self, pair: LayerPair, one: int, other: int, frame: Frame) -> None:
        if one == other:
            raise ValueError(f"Both places lie on object {one}; swapping takes two objects.")
        planned = partial(label_operations.swap, pair.session.labels, one, other, whole=_whole(pair))
        now = partial(pair.session.swap, one, other, [frame])
        self._do(pair, Correction(frame, now, planned, f"Objects {one} and {other} swapped their numbers."))

    def _delete(self, pair: LayerPair, position: Position) -> None:
        label, frame = _object_at(pair, position), self._frame(pair, position)
        near = Click(position).point(pair.session.ndim)
        planned = partial(label_operations.delete, pair.session.labels, label, whole=_whole(pair))
        now = partial(pair.session.delete, label, frame)
        self._do(pair, Correction(frame, now, planned, f"Object {label} is deleted.", partial(now, near)))

    def _fill(self, pair: LayerPair, position: Position) -> None:
        label = _object_at(pair, position)
        frame, near = self._frame(pair, position), Click(position).point(pair.session.ndim)
        planned = partial(_filled, pair.session.labels, label, whole=_whole(pair))
        now = partial(pair.session.fill, label, frame)
        sentence = f"Object {label} has no holes any more."
        self._do_here(pair, Correction(frame, now, planned, sentence, partial(now, near)))

    def _ask_number(self, pair: LayerPair, position: Position) -> None:
        label = _object_at(pair, position)
        self.asked = pair, label, self._frame(pair, position)
        self._reports.report(messages.new_id(label))

    def _copy(self, pair: LayerPair, position: Position) -> None:
        frame = self._frame(pair, position)
        source = self._before(pair, frame)
        label = pair.label_at((*source, *Click(position).point(pair.session.ndim)))
        self._copy_labels(pair, frame, (label,) if label else None)

    def _copy_labels(self, pair: LayerPair, frame: Frame, labels: tuple[int, ...] | None) -> None:
        pair.session.copy_from(self._before(pair, frame), frame, labels)
        whose = "All objects are" if labels is None else f"Object {labels[0]} is"
        self._tell(pair, f"{whose} copied from the frame before.")

    def _before(self, pair: LayerPair, frame: Frame) -> Frame:
        axis = self._frames.axis(pair)
        if not frame or frame[axis] == 0:
            raise ValueError("There is no frame before this one to copy from.")
        return (*frame[:axis], frame[axis] - 1, *frame[axis + 1 :])

    # -- doing it --------------------------------------------------------------------------------------------------

    def _do(self, pair: LayerPair, correction: Correction) -> None:
        """Correct one frame, or those chosen."""
        if self.extent == "frame" or not self._frames.has_frames(pair):
            self._do_here(pair, correction)
            return
        counts = pair.session.image.frames_shape(pair.session.ndim)
        axis = self._frames.axis(pair)
        frames = _all(counts) if self.extent == "all" else _from(correction.frame, axis, counts)
        self._do_later(pair, list(frames), correction)

    def _do_here(self, pair: LayerPair, correction: Correction) -> None:
        """Correct one frame: at once where that takes no time, in the background where it does.

        Of a slide, which takes minutes to read, only what is around the place is corrected, and the sentence says so.
        """
        whole = _whole(pair)
        if quickly_searched(pair.session.labels, whole):
            correction.now()
            self._tell(pair, correction.sentence)
        elif correction.around is None or whole.size <= SEARCH_LONG:
            self._do_later(pair, [correction.frame], correction)
        else:
            correction.around()
            self._tell(pair, f"{correction.sentence} {messages.ONLY_AROUND}")

    def _do_later(self, pair: LayerPair, frames: list[Frame], correction: Correction) -> None:
        """Read frames in the background, and write when it is known what changes."""
        step = pair.session.step
        self._background.long.submit(
            lambda stop: correction.planned(frames=frames),
            lambda outcome: self._write(pair, step, outcome, correction.sentence),
        )

    def _write(self, pair: LayerPair, step: int, outcome: Outcome, sentence: str) -> None:
        with self._reports.errors():
            if isinstance(outcome.error, BaseException):
                raise outcome.error
            if pair not in self._workspace:
                return
            if pair.session.step != step or pair.session.pending is not None:
                raise ValueError(messages.CHANGED_MEANWHILE)
            pair.session.edit(outcome.value)
            self._tell(pair, sentence)

    def _tell(self, pair: LayerPair, sentence: str) -> None:
        self._objects.settle(pair)
        self._reports.report(messages.done(sentence))

    def _frame(self, pair: LayerPair, position: Position) -> Frame:
        return Click(position).frame(pair.session.ndim)

    def _on_workspace_switched(self, pair: LayerPair | None) -> None:
        self._first = self.asked = None


def _object_at(pair: LayerPair, position: Position) -> int:
    label = pair.label_at(position)
    if not label:
        raise ValueError("There is no object there; point at one and press the key again.")
    return label


def _filled(labels: Any, label: int, frames: Sequence[Frame], whole: Region) -> label_operations.Edits:
    (frame,) = frames
    return label_operations.fill(labels, label, frame, whole)


def _whole(pair: LayerPair) -> Region:
    return Region.whole(pair.session.image.frame_shape(pair.session.ndim))


def _all(counts: tuple[int, ...]) -> Iterable[Frame]:
    return np.ndindex(*counts)


def _from(frame: Frame, axis: int, counts: tuple[int, ...]) -> Iterable[Frame]:
    return along(frame, axis, range(frame[axis], counts[axis]))
