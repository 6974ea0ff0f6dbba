"""Keeping: what is drawn is kept, dropped or taken up again, and edits are written; undo and redo travel over all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from napari_clickseg.clicking import Clicking
from napari_clickseg.clicks import Click, Frame
from napari_clickseg.drawing import take_back, write_again, write_edits
from napari_clickseg.edits import Edit
from napari_clickseg.labels import find_object, find_object_near, read_block
from napari_clickseg.ledger import Kept
from napari_clickseg.masks import Prediction
from napari_clickseg.questions import Request
from napari_clickseg.regions import Region
from napari_clickseg.scale import equivalent_diameter
from napari_clickseg.states import Notes, ObjectState, Written, differing_frames


class Keeping(Clicking):
    """Mutable owner of one history for objects and edits. Only Session, which adds the verbs, is made of it."""

    # -- objects ---------------------------------------------------------------------------------------------------

    def commit(self) -> int:
        """Keep the object as it is drawn and start a new one; return the id of the object kept.

        Raises
        ------
        ValueError
            Where nothing is drawn, or an answer is still awaited.
        """
        if self._pending is not None:
            raise ValueError("The answer to the last click is still awaited; keep the object when it is there.")
        if not self._worth_keeping:
            raise ValueError("There is nothing to keep yet; click on an object first.")
        label = self._keep()
        self._tell("commit")
        return label

    def cancel(self) -> None:
        """Let the object being drawn disappear; what was there comes back. Undo brings it back."""
        if not self.state.empty:
            self._drop()
            self._tell("cancel")

    def resume(self, label: int, position: Sequence[float] | None = None) -> None:
        """Take an existing object up again: its mask becomes the prior and clicks correct it in place.

        An object being drawn is kept first, as it is drawn: an answer still awaited is waited for no more.

        Parameters
        ----------
        label : int
            The object's id.
        position : sequence of float, optional
            A pixel of the object, in array order: names the frame, and where to look in a very large one. Without it
            all frames are searched and every frame on which the object lies is taken up.

        Raises
        ------
        ValueError
            Where there is no such object; nothing is changed then.
        """
        found = self._find(label, position) if label > 0 else {}
        if not found:
            raise ValueError(f"There is no object {label} to take up{'' if position is None else ' there'}.")
        self._put_away()
        self._history.push(replace(self._nothing(label), masks=found, taken_up=found))
        self._redraw(found.keys())
        self._tell("resume", label=label, position=position)

    def start_new(self, label: int | None = None) -> int:
        """Keep what is drawn, if anything, and start a new object; return its id.

        Raises
        ------
        ValueError
            Where `label` is not a positive id, or an answer is still awaited.
        """
        if label is not None and label < 1:
            raise ValueError(f"Object ids start at 1 (0 is the background), but this one is {label}.")
        if self._pending is not None:
            raise ValueError("The answer to the last click is still awaited; start a new object when it is there.")
        self._put_away()
        if label is not None:
            self._history.amend(replace(self.state, label=label))
        self._tell("start_new", label=label)
        return self.label

    def put_away(self) -> None:
        """Keep what is drawn, drop clicks that drew nothing, and wait for no answer any more."""
        self._put_away()
        self._tell("put_away")

    def reserve(self, label: int) -> None:
        """Take note that somebody else uses this id, as in painting by hand: new objects get higher ones.

        An object on which something was said already keeps its id.
        """
        news = self._ledger.reserve(int(label))
        if self.state.empty and self.label <= label:
            self._history.amend(replace(self.state, label=self._ledger.highest + 1))
            news = True
        if news:
            self._tell("reserve", label=int(label))

    # -- history ---------------------------------------------------------------------------------------------------

    def undo(self) -> Request | None:
        """Go one step back; return a question only where the older state was never answered."""
        return self._travel("undo", self._history.undo) if self.can_undo else None

    def redo(self) -> Request | None:
        """Go one step forward; return a question only where that state was never answered."""
        return self._travel("redo", self._history.redo) if self.can_redo else None

    # -- edits -----------------------------------------------------------------------------------------------------

    def edit(self, edits: Mapping[Frame, Edit]) -> int:
        """Write into any frames, as one step of undo; return the number of this edit, for `extend`.

        The object being drawn is put away first: kept where something of it is drawn.

        Raises
        ------
        ValueError
            Where a frame, a region or an id does not fit the labels; nothing is changed then.
        """
        edits = dict(edits)
        self._write(edits)
        self._tell("edit", edits=edits)
        return self._edits

    def extend(self, edits: Mapping[Frame, Edit], number: int | None = None) -> bool:
        """Let the last edit go on, as an object that is carried frame by frame: all of it stays one step of undo.

        Parameters
        ----------
        edits : mapping of Frame to Edit
        number : int, optional
            The edit to go on with, as `edit` returned it; the last step, whichever edit that is, where absent.

        Returns
        -------
        bool
            False, with nothing done, where something else was done since: whoever carries should end.

        Raises
        ------
        ValueError
            Where an edit does not fit the labels, or one of the frames was confirmed; nothing is changed then.
        """
        edits, last = dict(edits), self.state.written
        self._check_edits(edits)
        if last is None or self.can_redo or number not in (None, last.number):
            return False
        confirmed = sorted(self.state.notes.confirmed & edits.keys())
        if confirmed:
            raise ValueError(f"Frame {confirmed[0]} is confirmed; nothing is carried into it.")
        state = self._edited(edits, last)
        self._ledger.open()
        self._keep_edit(state)
        self._history.amend(state)
        self._tell("extend", edits=edits)
        return True

    # -- putting away ----------------------------------------------------------------------------------------------

    @property
    def _worth_keeping(self) -> bool:
        """Something is drawn, or an object was taken up (and may have been clicked away altogether)."""
        return bool(self.state.taken_up) or self.area() > 0

    def _nothing(self, label: int | None = None) -> ObjectState:
        """A state in which nothing was said yet, at the level of the current one."""
        state = self.state
        return ObjectState(label or self._ledger.highest + 1, kept=state.kept, objects=state.objects, notes=state.notes)

    def _put_away(self) -> None:
        self._stop_waiting()
        if self._worth_keeping:
            self._keep()
        elif not self.state.empty:
            self._drop()

    def _drop(self) -> None:
        before = self.state
        with self._history.unless_it_fails():
            self._history.push(self._nothing())
            self._redraw(differing_frames(before, self.state))
        self._pending = None

    def _keep(self) -> int:
        state = self.state
        own = (frame for frame, mask in state.masks.items() if mask is not state.taken_up.get(frame))
        notes = state.notes.corrected(state.label, own)
        self._close(state)
        self._push_level(replace(self._nothing(), kept=state.kept + 1, objects=state.objects + 1, notes=notes))
        return state.label

    def _close(self, state: ObjectState) -> None:
        largest = self._drawn.largest(state.label)
        diameter = equivalent_diameter(largest, self.ndim) if largest else None
        self._ledger.keep(Kept(state.label, self._drawn.close(), diameter))

    def _push_level(self, state: ObjectState) -> None:
        """Go on upon what was just kept."""
        self._ledger.set_threshold(state.kept, self.threshold)
        self._history.push(state)
        oldest = self._ledger.forget_oldest(state.kept)
        self._history.forget_past(lambda state: state.kept < oldest)

    def _push_notes(self, notes: Notes) -> None:
        self._history.push(replace(self.state, notes=notes, moved=None, written=None))

    def _next_id(self) -> int:
        """The id of the next object once the one being drawn is put away."""
        return max(self._ledger.highest, self.label if self._worth_keeping else 0) + 1

    # -- writing edits ---------------------------------------------------------------------------------------------

    def _write(self, edits: Mapping[Frame, Edit]) -> None:
        self._check_edits(edits)
        self._put_away()
        self._edits += 1
        try:
            state = self._edited(edits, Written(self._edits, (), 0))
        except BaseException:
            self._tell("put_away")
            raise
        self._keep_edit(state)
        self._push_level(replace(state, kept=state.kept + 1, moved=None))

    def _edited(self, edits: Mapping[Frame, Edit], last: Written) -> ObjectState:
        """Write edits after those of `last`; return the current state with them."""
        settled = self._settled(edits)
        objects = self.state.objects + _new_objects(settled, max(self._ledger.highest, last.highest))
        patches = write_edits(self._canvas, settled)
        for _, patch in patches:
            if patch.region.size:
                self.painted.emit(patch.region)
        packed = tuple((frame, patch.packed()) for frame, patch in patches)
        highest = max(last.highest, *(edit.highest for edit in settled.values()), 0)
        label = max(self._ledger.highest, highest) + 1 if self.label <= highest else self.label
        notes = self.state.notes.edited(settled)
        written = Written(last.number, last.patches + packed, highest)
        return replace(self.state, label=label, objects=objects, notes=notes, written=written)

    def _keep_edit(self, state: ObjectState) -> None:
        assert state.written is not None
        self._ledger.keep(Kept(state.written.highest, {}, None))

    def _settled(self, edits: Mapping[Frame, Edit]) -> dict[Frame, Edit]:
        """Edits with the ids and pixels that they get now."""
        settled, highest = {}, self._ledger.highest
        for frame, edit in edits.items():
            if edit.fresh:
                there = read_block(self.labels, frame, edit.region)
                edit = edit.numbered(highest + 1, np.asarray((there == 0) | (self.protect == "anything")))
                highest = max(highest, edit.highest)
            settled[frame] = edit
        return settled

    def _check_edits(self, edits: Mapping[Frame, Edit]) -> None:
        whole = Region.whole(self.image.frame_shape(self.ndim))
        highest = max(self._ledger.highest, self.label)
        for frame, edit in edits.items():
            self._check_frame(frame)
            if edit.region.ndim != whole.ndim or edit.region.intersection(whole) != edit.region:
                raise ValueError(f"The edit's region {edit.region} does not lie inside a frame of shape {whole.stop}.")
            highest = highest + len(edit.ids()) if edit.fresh else highest
            self._check_id(highest if edit.fresh else edit.highest)

    # -- travelling ------------------------------------------------------------------------------------------------

    def _travel(self, name: str, move: Callable[[], ObjectState]) -> Request | None:
        before = self.state
        with self._history.unless_it_fails():
            after = move()
            if after.kept > before.kept:
                self._go_up(before, after)
            elif after.kept < before.kept:
                self._go_down(before)
            else:
                self._redraw(differing_frames(before, after))
        request = self._ask()
        self._tell(name)
        return request

    def _go_up(self, before: ObjectState, after: ObjectState) -> None:
        if after.written is None:
            self._close(before)
            return
        packed = write_again(self._canvas, after.written.patches)
        self._history.amend(replace(after, written=replace(after.written, patches=packed)))
        self._keep_edit(after)
        for _, patch in packed:
            if patch.region.size:
                self.painted.emit(patch.region)

    def _go_down(self, before: ObjectState) -> None:
        touched = take_back(self._canvas, before.written.patches) if before.written is not None else []
        self._drawn.open(self._ledger.open().patches)
        for region in touched:
            self.painted.emit(region)

    # -- finding ---------------------------------------------------------------------------------------------------

    def _find(self, label: int, position: Sequence[float] | None) -> dict[Frame, Prediction]:
        """The object's masks in the labels: on the position's frame, or on every frame."""
        whole = Region.whole(self.image.frame_shape(self.ndim))
        if position is None:
            frames = np.ndindex(*self.image.frames_shape(self.ndim))
            return find_object(self.labels, label, frames, whole)
        click = Click(tuple(float(p) for p in position))
        self._check(click)
        return find_object_near(self.labels, label, click.frame(self.ndim), click.point(self.ndim), whole)


def _new_objects(edits: Mapping[Frame, Edit], highest: int) -> int:
    """How many ids edits write that nobody had; as numbering goes on, those are above the highest one."""
    ids = {label for edit in edits.values() if edit.highest > highest for label in edit.ids()}
    return sum(label > highest for label in ids)
