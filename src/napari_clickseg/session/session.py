"""Keeping: what is drawn is kept, dropped or taken up again, and edits are written; undo and redo travel over all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.clicks import Click, Frame
from napari_clickseg.core.edits import Edit, new_objects
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.labels import find_object, find_object_near, read_block
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.object_size import equivalent_diameter
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Nobody, Request, Segmenter
from napari_clickseg.session import label_operations as verbs
from napari_clickseg.session.active_object import Clicking
from napari_clickseg.session.committed import Kept, _new_objects
from napari_clickseg.session.drawing import take_back, write_again, write_edits
from napari_clickseg.session.replay import Act
from napari_clickseg.session.state import Notes, ObjectState, Written, differing_frames


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


class Session(Keeping):
    """Mutable owner of the labels, the history and the pending question. Not thread-safe but for `run` and `segmented`.

    Parameters
    ----------
    image : array-like or Image
        (Y, X), (Y, X, 3 or 4), or n-D with named axes.
    predictor : Predictor
        Who answers; may be replaced at any time (`session.predictor = other`).
    labels : array-like, optional
        Labels to draw into, in place: any integer dtype, the image's shape without channels; numpy, zarr or a memory
        map. Made where absent.
    axes, spacing : optional
        As in `Image`.
    diameter : float, optional
        Expected object diameter in pixels; estimated where absent.
    protect : {"background", "object", "anything"}
        What may be written over: only background; only pixels that a resumed object already has (a new object: only
        background); anything.
    highest : int, optional
        The highest id in the labels, where that is known; they are searched for it where absent.

    Examples
    --------
    >>> from napari_clickseg import load_model
    >>> image = np.zeros((32, 32)); image[8:20, 8:20] = 1
    >>> session = Session(image, load_model("geodesic"))
    >>> session.click((14, 14))
    >>> session.commit()
    1
    """

    # -- edits of many objects -------------------------------------------------------------------------------------

    def segmented(self, frame: Frame, stop: Stop = NEVER) -> Edit:
        """Let the model find all objects of a frame; return the edit that adds them. Any thread may call it.

        What is protected stays pixel by pixel: only objects that are not there yet come, and only into background.

        Raises
        ------
        ValueError
            Where there is no such frame, or the model only answers clicks.
        Stopped
            Where `stop` was requested before the answer was ready.
        """
        self._check_frame(frame)
        if not isinstance(self.predictor, Segmenter):
            raise ValueError(
                f"{self.predictor.name} answers clicks, but does not find objects by itself; choose a converted model."
            )
        found = self.predictor.segment(self.image, frame, stop)
        there = read_block(self.labels, frame, self._whole)
        return new_objects(found, there, anywhere=self.protect == "anything")

    def merge(
        self,
        labels: Sequence[int],
        frames: Iterable[Frame] | None = None,
        near: Sequence[Sequence[float]] | None = None,
    ) -> None:
        """Make several objects one, which keeps the first one's id.

        Parameters
        ----------
        labels : sequence of int
            Two ids or more.
        frames : iterable of Frame, optional
            Where; on all frames where absent.
        near : sequence of sequences of float, optional
            A pixel of each object within the frame: where to look in a very large one.

        Raises
        ------
        ValueError
            Where one of the objects is on none of the frames; nothing is changed then.
        """
        labels, frames = tuple(int(k) for k in labels), self._listed(frames)
        self._write(verbs.merge(self.labels, labels, self._frames(frames), self._whole, near))
        self._tell("merge", labels=labels, frames=frames, near=near)

    def split(self, first: Sequence[float], second: Sequence[float]) -> int:
        """Cut an object in two, between two pixels of it on one frame; return the id of the part around the second.

        Raises
        ------
        ValueError
            Where the two are not on one object and frame, or are one pixel; nothing is changed then.
        """
        one, other = (Click(tuple(float(p) for p in position)) for position in (first, second))
        self._check(one)
        self._check(other)
        frame, ndim = one.frame(self.ndim), self.ndim
        if other.frame(ndim) != frame:
            raise ValueError(
                f"Splitting takes two points on one frame, but these lie on {frame} and {other.frame(ndim)}."
            )
        new = self._next_id()
        self._write(verbs.split(self.labels, self.image, frame, one.point(ndim), other.point(ndim), new))
        self._tell("split", first=one.position, second=other.position)
        return new

    def delete(self, label: int, frame: Frame | None = None, near: Sequence[float] | None = None) -> None:
        """Erase an object from one frame, or from all.

        Parameters
        ----------
        near : sequence of float, optional
            A pixel of the object within the frame: where to look in a very large one.

        Raises
        ------
        ValueError
            Where there is no such object; nothing is changed then.
        """
        frames = None if frame is None else (frame,)
        self._write(verbs.delete(self.labels, label, self._frames(frames), self._whole, near))
        self._tell("delete", label=label, frame=frame, near=near)

    def fill(self, label: int, frame: Frame = (), near: Sequence[float] | None = None) -> None:
        """Give an object the background that it encloses on a frame; objects that lie in its holes stay.

        Parameters
        ----------
        near : sequence of float, optional
            As for `delete`.

        Raises
        ------
        ValueError
            Where there is no such object there, or it has no holes; nothing is changed then.
        """
        self._check_frame(frame)
        self._write(verbs.fill(self.labels, label, frame, self._whole, near))
        self._tell("fill", label=label, frame=frame, near=near)

    def relabel(self, label: int, new: int, frames: Iterable[Frame] | None = None) -> None:
        """Give an object another id on these frames, or on all; `verbs.frames_from` names a frame and those after it.

        Raises
        ------
        ValueError
            Where there is no such object, or the new id is that of another one on one of the frames: `merge` makes the
            two one. Nothing is changed then.
        """
        frames = self._listed(frames)
        self._write(verbs.relabel(self.labels, label, new, self._frames(frames), self._whole))
        self._tell("relabel", label=label, new=new, frames=frames)

    def copy_from(self, source: Frame, target: Frame, labels: Sequence[int] | None = None) -> None:
        """Copy objects from one frame to another, all of them or these: into background, replacing their former selves.

        Raises
        ------
        ValueError
            Where the source frame lacks one of the objects, or the frames are one; nothing is changed then.
        """
        self._check_frame(source)
        self._check_frame(target)
        ids = None if labels is None else tuple(int(k) for k in labels)
        self._write(verbs.copy(self.labels, source, target, ids, self._whole))
        self._tell("copy_from", source=source, target=target, labels=ids)

    # -- frames ----------------------------------------------------------------------------------------------------

    @property
    def confirmed(self) -> frozenset[Frame]:
        """The frames that the user called right."""
        return self.state.notes.confirmed

    def confirm(self, frame: Frame, yes: bool = True) -> None:
        """Call a frame right, or no longer: nothing is carried into it. One step of undo.

        Raises
        ------
        ValueError
            Where there is no such frame.
        """
        self._check_frame(frame)
        if (frame in self.confirmed) != yes:
            self._push_notes(self.state.notes.confirm(frame, yes))
            self._tell("confirm", frame=frame, yes=yes)

    def confidence(self, frame: Frame) -> Mapping[int, float]:
        """Return how sure the carrying of each object into a frame was, 0 to 1; empty where nothing was carried."""
        return self.state.notes.confidence.get(frame, MappingProxyType({}))

    # -- acts ------------------------------------------------------------------------------------------------------

    ACTS: ClassVar[tuple[str, ...]] = (
        "set_clicks", "ask_again", "stop_waiting", "commit", "cancel", "resume", "start_new", "put_away", "reserve",
        "undo", "redo", "edit", "extend", "merge", "split", "delete", "fill", "relabel", "copy_from", "confirm",
    )  # fmt: skip
    """Acts that are named as the method that does them."""
    SETTINGS: ClassVar[tuple[str, ...]] = ("threshold", "diameter", "protect")
    """Acts that set the attribute of this name."""

    def perform(self, act: Act) -> None:
        """Do once more what was done to this session or another one. No model is asked: answers are acts, too.

        Raises
        ------
        ValueError
            Where the act is unknown, or does not fit what was done before it.
        """
        if act.name in self.ACTS:
            getattr(self, act.name)(**act.arguments)
        elif act.name in self.SETTINGS:
            setattr(self, act.name, act.arguments["value"])
        elif act.name == "apply":
            self._answer(**act.arguments)
        elif act.name == "predictor":
            self._take_place_of(**act.arguments)
        elif act.name == "paint":
            self._paint(**act.arguments)
        else:
            raise ValueError(f"There is no act {act.name!r}; it may come from a newer version of this package.")

    def painted_by_hand(self, region: Region) -> None:
        """Tell that somebody else wrote into this region of the label array: what is there now becomes an act."""
        block = np.array(self.labels[region.slices])
        self.acted.emit(Act("paint", {"region": region, "values": block}))

    # -- doing again -----------------------------------------------------------------------------------------------

    def _answer(self, frame: Frame, prediction: Prediction) -> None:
        if self._pending is None or self._pending.frame != frame:
            raise ValueError(f"No answer is awaited on frame {frame}; some acts before this one are missing.")
        self.apply(self._pending, prediction)

    def _take_place_of(self, name: str, ndim: int) -> None:
        if ndim != self.predictor.ndim:
            self.predictor = Nobody(ndim, name)

    def _paint(self, region: Region, values: npt.NDArray[Any]) -> None:
        self._canvas[region.slices] = values
        self.painted.emit(region)
        self.painted_by_hand(region)

    # -- frames of verbs -------------------------------------------------------------------------------------------

    @property
    def _whole(self) -> Region:
        return Region.whole(self.image.frame_shape(self.ndim))

    def _listed(self, frames: Iterable[Frame] | None) -> tuple[Frame, ...] | None:
        return None if frames is None else tuple(tuple(frame) for frame in frames)

    def _frames(self, frames: tuple[Frame, ...] | None) -> Iterable[Frame]:
        """The frames named, or all."""
        if frames is None:
            return np.ndindex(*self.image.frames_shape(self.ndim))
        for frame in frames:
            self._check_frame(frame)
        return frames
