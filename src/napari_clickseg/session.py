"""Session: objects drawn by clicks, edits of many objects, frames confirmed; one history for all of it.

The panel, the Python API, the command line, the benchmark and the tests drive this one class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from napari_clickseg.acts import Act
from napari_clickseg.clicking import Clicking
from napari_clickseg.clicks import Click, Frame
from napari_clickseg.drawing import take_back, write_again, write_edits
from napari_clickseg.edits import Edit, new_objects
from napari_clickseg.labels import find_object, find_object_near
from napari_clickseg.ledger import Kept
from napari_clickseg.masks import Prediction
from napari_clickseg.questions import NEVER, Nobody, Request, Segmenter, Stop
from napari_clickseg.regions import Region
from napari_clickseg.scale import equivalent_diameter
from napari_clickseg.states import ObjectState, Written, differing_frames


class Session(Clicking):
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
        confirmed = sorted(self.confirmed & edits.keys())
        if confirmed:
            raise ValueError(f"Frame {confirmed[0]} is confirmed; nothing is carried into it.")
        self._ledger.open()
        self._history.amend(self._edited(edits, last))
        self._tell("extend", edits=edits)
        return True

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
        return new_objects(found, self._labels_on(frame), anywhere=self.protect == "anything")

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
            notes = self.state.notes.confirm(frame, yes)
            self._history.push(replace(self.state, notes=notes, moved=None, written=None))
            self._tell("confirm", frame=frame, yes=yes)

    def confidence(self, frame: Frame) -> Mapping[int, float]:
        """Return how sure the carrying of each object into a frame was, 0 to 1; empty where nothing was carried."""
        return self.state.notes.confidence.get(frame, MappingProxyType({}))

    # -- acts ------------------------------------------------------------------------------------------------------

    ACTS: ClassVar[tuple[str, ...]] = (
        "set_clicks", "ask_again", "stop_waiting", "commit", "cancel", "resume", "start_new", "reserve", "undo", "redo",
        "edit", "extend", "confirm",
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

    # -- putting away ----------------------------------------------------------------------------------------------

    @property
    def _worth_keeping(self) -> bool:
        """Something is drawn, or an object was taken up (and may have been clicked away altogether)."""
        return bool(self.state.taken_up) or self.area() > 0

    def _nothing(self, label: int | None = None) -> ObjectState:
        """A state in which nothing was said yet, at the level of the current one."""
        state = self.state
        return ObjectState(label or self._ledger.highest + 1, kept=state.kept, notes=state.notes)

    def _put_away(self) -> None:
        self._stop_waiting()
        if self._worth_keeping:
            self._keep()
        elif not self.state.empty:
            self._drop()

    def _drop(self) -> None:
        before, self._pending = self.state, None
        self._history.push(self._nothing())
        self._redraw(differing_frames(before, self.state))

    def _keep(self) -> int:
        state = self.state
        notes = state.notes.corrected(state.label, state.masks)
        self._close(state)
        self._push_level(replace(self._nothing(), kept=state.kept + 1, notes=notes))
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

    # -- writing edits ---------------------------------------------------------------------------------------------

    def _write(self, edits: Mapping[Frame, Edit]) -> None:
        self._check_edits(edits)
        self._put_away()
        self._edits += 1
        state = self._edited(edits, Written(self._edits, (), 0))
        self._push_level(replace(state, kept=state.kept + 1, moved=None))

    def _edited(self, edits: Mapping[Frame, Edit], last: Written) -> ObjectState:
        """Write edits after those of `last`; return the current state with them."""
        settled = self._settled(edits)
        patches = write_edits(self.labels, settled)
        for _, patch in patches:
            if patch.region.size:
                self.painted.emit(patch.region)
        packed = tuple((frame, patch.packed()) for frame, patch in patches)
        highest = max(last.highest, *(edit.highest for edit in settled.values()), 0)
        self._ledger.keep(Kept(highest, {}, None))
        label = self._ledger.highest + 1 if self.label <= highest else self.label
        notes = self.state.notes.edited(settled)
        written = Written(last.number, last.patches + packed, highest)
        return replace(self.state, label=label, notes=notes, written=written)

    def _settled(self, edits: Mapping[Frame, Edit]) -> dict[Frame, Edit]:
        """Edits with the ids and pixels that they get now."""
        settled, highest = {}, self._ledger.highest
        for frame, edit in edits.items():
            if edit.fresh:
                there = np.asarray(self.labels[edit.region.at_frame(frame).slices]).reshape(edit.region.shape)
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
        try:
            patches = write_again(self.labels, after.written.patches)
        except BaseException:
            self._history.undo()
            raise
        packed = tuple((frame, patch.packed()) for frame, patch in patches)
        self._history.amend(replace(after, written=replace(after.written, patches=packed)))
        self._ledger.keep(Kept(after.written.highest, {}, None))
        for _, patch in packed:
            self.painted.emit(patch.region)

    def _go_down(self, before: ObjectState) -> None:
        self._drawn.open(self._ledger.open().patches)
        if before.written is not None:
            for region in take_back(self.labels, before.written.patches):
                self.painted.emit(region)

    # -- doing again -----------------------------------------------------------------------------------------------

    def _answer(self, frame: Frame, prediction: Prediction) -> None:
        if self._pending is None or self._pending.frame != frame:
            raise ValueError(f"No answer is awaited on frame {frame}; some acts before this one are missing.")
        self.apply(self._pending, prediction)

    def _take_place_of(self, name: str, ndim: int) -> None:
        if ndim != self.predictor.ndim:
            self.predictor = Nobody(ndim, name)

    def _paint(self, region: Region, values: npt.NDArray[Any]) -> None:
        self.labels[region.slices] = values
        self.painted.emit(region)
        self.painted_by_hand(region)

    # -- finding ---------------------------------------------------------------------------------------------------

    def _labels_on(self, frame: Frame) -> npt.NDArray[Any]:
        whole = Region.whole(self.image.frame_shape(self.ndim))
        return np.asarray(self.labels[whole.at_frame(frame).slices]).reshape(whole.shape)

    def _find(self, label: int, position: Sequence[float] | None) -> dict[Frame, Prediction]:
        """The object's masks in the labels: on the position's frame, or on every frame."""
        whole = Region.whole(self.image.frame_shape(self.ndim))
        if position is None:
            frames = np.ndindex(*self.image.frames_shape(self.ndim))
            return find_object(self.labels, label, frames, whole)
        click = Click(tuple(float(p) for p in position))
        self._check(click)
        return find_object_near(self.labels, label, click.frame(self.ndim), click.point(self.ndim), whole)
