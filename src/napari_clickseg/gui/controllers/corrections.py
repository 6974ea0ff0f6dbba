"""Correcting: join, split, delete, fill, re-label and copy objects that are there, by key or by button and click."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from napari_clickseg.core.clicks import Click, Frame
from napari_clickseg.core.jobs import Outcome
from napari_clickseg.core.regions import Region
from napari_clickseg.gui.background import Background
from napari_clickseg.gui.controllers.frames import Timeline
from napari_clickseg.gui.controllers.objects import ObjectActs
from napari_clickseg.gui.layer_pair import Work
from napari_clickseg.gui.panel_state import Showing
from napari_clickseg.gui.view import messages as frame_status
from napari_clickseg.gui.view.messages import telling
from napari_clickseg.gui.view.protocol import Extent, Panel, SequencePanel
from napari_clickseg.gui.workspace import Desk
from napari_clickseg.propagation.plan import along
from napari_clickseg.session import label_operations as verbs

Position = tuple[float, ...]
Plan = Callable[..., verbs.Edits]
"""Given `frames`, tells which pixels change on them."""


class Correcting:
    """Mutable: on which frames corrections act, and what a correction that takes two steps was told in the first.

    Parameters
    ----------
    panel, desk, acts, showing, timeline
        See there.
    """

    def __init__(self, panel: Panel, desk: Desk, acts: ObjectActs, showing: Showing, timeline: Timeline) -> None:
        self._panel = panel
        self._sequence: SequencePanel = panel.sequence
        self._desk = desk
        self._acts = acts
        self._showing = showing
        self._timeline = timeline
        self._extent: Extent = "frame"
        self._first: Position | None = None
        self._asked: tuple[Work, int, Frame] | None = None
        self._background = Background("clickseg-verbs")
        desk.switched.connect(self._on_desk_switched)

    def open(self) -> None:
        """Start the thread on which corrections of many frames are planned."""
        self._background.open()

    def close(self) -> None:
        """End it; a correction that is still being planned does not come."""
        self._background.close()

    # -- requests --------------------------------------------------------------------------------------------------

    def choose_extent(self, extent: Extent) -> None:
        """Let corrections act on the frame in view, from it on, or on all frames."""
        self._extent = extent

    def join(self) -> None:
        """Join the object under the cursor to the one being drawn, or to one that was pointed at before."""
        second = self._first is not None and self._acts.picking == self._join_second
        self._acts.under_cursor(self._join_second if second else self._join)

    def split(self) -> None:
        """Split the object under the cursor: the cursor is on one part; the other one is clicked, or pointed at."""
        second = self._first is not None and self._acts.picking == self._split_second
        self._acts.under_cursor(self._split_second if second else self._split)

    def delete(self) -> None:
        """Delete the object under the cursor."""
        self._acts.under_cursor(self._delete)

    def fill(self) -> None:
        """Fill the holes of the object under the cursor."""
        self._acts.under_cursor(self._fill)

    def relabel(self) -> None:
        """Ask for another id of the object under the cursor."""
        self._acts.under_cursor(self._relabel)

    def copy_previous(self) -> None:
        """Copy the object that was under the cursor on the frame before; all of them where there was none."""
        self._acts.under_cursor(self._copy)

    def pick_join(self) -> None:
        """As `join`, with the objects that are clicked next."""
        drawing = self._desk.current is not None and not self._desk.current.session.state.empty
        words = frame_status.JOIN_SECOND if drawing else frame_status.JOIN_FIRST
        self._acts.pick(self._join, words)

    def pick_split(self) -> None:
        """As `split`, with two clicks."""
        self._acts.pick(self._split, frame_status.SPLIT_FIRST)

    def pick_delete(self) -> None:
        """As `delete`, with the object that is clicked next."""
        self._acts.pick(self._delete, frame_status.PICK["delete"])

    def pick_fill(self) -> None:
        """As `fill`, with the object that is clicked next."""
        self._acts.pick(self._fill, frame_status.PICK["fill"])

    def pick_relabel(self) -> None:
        """As `relabel`, with the object that is clicked next."""
        self._acts.pick(self._relabel, frame_status.PICK["relabel"])

    def pick_copy_previous(self) -> None:
        """As `copy_previous`, with the place that is clicked next."""
        self._acts.pick(self._copy, frame_status.PICK["copy_previous"])

    def give_id(self, new: int) -> None:
        """Give the object that was asked about this id."""
        if self._asked is None:
            return
        work, label, frame = self._asked
        self.leave_id()
        if work is self._desk.current:
            planned = partial(verbs.relabel, work.session.labels, label, new, whole=_whole(work))
            now = partial(work.session.relabel, label, new, [frame])
            self._do(work, frame, now, planned, f"Object {label} is object {new} now.")

    def leave_id(self) -> None:
        """Ask for an id no more."""
        if self._asked is not None:
            self._asked = None
            self._sequence.ask_id(None)
            self._showing.tell()

    # -- what to do at a place -------------------------------------------------------------------------------------

    def _join(self, work: Work, position: Position) -> None:
        label = _object_at(work, position)
        drawn = work.session.label
        if work.session.state.empty:
            self._first = position
            self._acts.pick(self._join_second, frame_status.join_second(label))
        elif label == drawn:
            raise ValueError(f"That is object {label} itself; point at the other one and press J again.")
        else:
            self._join_two(work, drawn, label, self._frame(work, position))

    def _join_second(self, work: Work, position: Position) -> None:
        first, self._first = self._first, None
        label = _object_at(work, position)
        if first is not None:
            here = self._frame(work, position)
            near = [Click(place).point(work.session.ndim) for place in (first, position)]
            on_one = self._frame(work, first) == here
            self._join_two(work, _object_at(work, first), label, here, near if on_one else None)

    def _join_two(
        self, work: Work, stays: int, goes: int, frame: Frame, near: Sequence[Sequence[float]] | None = None
    ) -> None:
        if stays == goes:
            raise ValueError(f"Both places lie on object {stays}; join takes two objects.")
        planned = partial(verbs.merge, work.session.labels, (stays, goes), whole=_whole(work))
        now = partial(work.session.merge, (stays, goes), [frame], near)
        self._do(work, frame, now, planned, f"Object {goes} is part of object {stays} now.")

    def _split(self, work: Work, position: Position) -> None:
        _object_at(work, position)
        self._first = position
        self._acts.pick(self._split_second, frame_status.SPLIT_SECOND)

    def _split_second(self, work: Work, position: Position) -> None:
        first, self._first = self._first, None
        if first is not None:
            new = work.session.split(first, position)
            self._tell(work, f"The part clicked last is object {new} now.")

    def _delete(self, work: Work, position: Position) -> None:
        label, frame = _object_at(work, position), self._frame(work, position)
        near = Click(position).point(work.session.ndim)
        planned = partial(verbs.delete, work.session.labels, label, whole=_whole(work))
        now = partial(work.session.delete, label, frame, near)
        self._do(work, frame, now, planned, f"Object {label} is deleted.")

    def _fill(self, work: Work, position: Position) -> None:
        label = _object_at(work, position)
        work.session.fill(label, self._frame(work, position), Click(position).point(work.session.ndim))
        self._tell(work, f"Object {label} has no holes any more.")

    def _relabel(self, work: Work, position: Position) -> None:
        self._asked = work, _object_at(work, position), self._frame(work, position)
        self._sequence.ask_id(self._asked[1])
        self._showing.status(frame_status.new_id(self._asked[1]))

    def _copy(self, work: Work, position: Position) -> None:
        frame, axis = self._frame(work, position), self._timeline.axis(work)
        if not frame or frame[axis] == 0:
            raise ValueError("There is no frame before this one to copy from.")
        source = (*frame[:axis], frame[axis] - 1, *frame[axis + 1 :])
        label = work.label_at((*source, *Click(position).point(work.session.ndim)))
        work.session.copy_from(source, frame, (label,) if label else None)
        whose = f"Object {label} is" if label else "All objects are"
        self._tell(work, f"{whose} copied from the frame before.")

    # -- doing it --------------------------------------------------------------------------------------------------

    def _do(self, work: Work, frame: Frame, now: Callable[[], object], planned: Plan, sentence: str) -> None:
        """Correct one frame at once; many are read in the background, and written when it is known what changes."""
        if self._extent == "frame" or not self._timeline.has_frames(work):
            now()
            self._tell(work, sentence)
            return
        counts = work.session.image.frames_shape(work.session.ndim)
        axis = self._timeline.axis(work)
        frames = list(_all(counts) if self._extent == "all" else _from(frame, axis, counts))
        step = work.session.step
        self._background.submit(
            lambda stop: planned(frames=frames), lambda outcome: self._write(work, step, outcome, sentence)
        )

    def _write(self, work: Work, step: int, outcome: Outcome, sentence: str) -> None:
        with telling(self._panel):
            if isinstance(outcome.error, BaseException):
                raise outcome.error
            if work not in self._desk:
                return
            if work.session.step != step or work.session.pending is not None:
                raise ValueError("Something else was done meanwhile, so this correction was left; press its key again.")
            work.session.edit(outcome.value)
            self._tell(work, sentence)

    def _tell(self, work: Work, sentence: str) -> None:
        self._acts.settle(work)
        self._showing.status(frame_status.done(sentence))

    def _frame(self, work: Work, position: Position) -> Frame:
        return Click(position).frame(work.session.ndim)

    def _on_desk_switched(self, work: Work | None) -> None:
        self._first = None
        if self._asked is not None:
            self.leave_id()


def _object_at(work: Work, position: Position) -> int:
    label = work.label_at(position)
    if not label:
        raise ValueError("There is no object there; point at one and press the key again.")
    return label


def _whole(work: Work) -> Region:
    return Region.whole(work.session.image.frame_shape(work.session.ndim))


def _all(counts: tuple[int, ...]) -> Iterable[Frame]:
    return np.ndindex(*counts)


def _from(frame: Frame, axis: int, counts: tuple[int, ...]) -> Iterable[Frame]:
    return along(frame, axis, range(frame[axis], counts[axis]))
