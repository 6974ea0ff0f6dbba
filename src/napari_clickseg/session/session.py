"""Session: one image, its labels, and all that a user does to them. Every front end drives this class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar, get_args

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_clickseg.core.clicks import Click, Frame
from napari_clickseg.core.edits import Edit, new_objects
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.labels import drawable, find_object, find_object_near, highest_id, read_block
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.object_size import estimate_diameter
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Predictor, Request, Segmenter
from napari_clickseg.session import checks, label_operations, replay
from napari_clickseg.session.active_object import ActiveObject
from napari_clickseg.session.committed import Committed
from napari_clickseg.session.drawing import Protect
from napari_clickseg.session.replay import Act
from napari_clickseg.session.state import ObjectState


class Session:
    """Mutable owner of the labels, the history and the pending request. Not thread-safe but for `run` and `segmented`.

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

    painting = Signal(Region)
    """Labels are about to be written, in this region of the label array."""
    painted = Signal(Region)
    """Labels were written, in this region of the label array."""
    changed = Signal()
    """The object, its history or the pending request is another one now."""
    failed = Signal(object)
    """A request could not be answered; carries the error."""
    acted = Signal(Act)
    """Something was done; `perform` does it again. A session keeps no acts itself."""

    ACTS: ClassVar[tuple[str, ...]] = replay.METHODS
    SETTINGS: ClassVar[tuple[str, ...]] = replay.SETTINGS

    def __init__(
        self,
        image: Any,
        predictor: Predictor,
        labels: Any = None,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
        diameter: float | None = None,
        protect: Protect = "background",
        highest: int | None = None,
    ) -> None:
        self.image = Image.of(image, axes, spacing)
        labels = drawable(labels, self.image.shape)
        committed = Committed(highest_id(labels) if highest is None else highest, threshold=0.5)
        self._object = ActiveObject(self.image, predictor, labels, committed, self.painting.emit, self.painted.emit)
        self._estimates: dict[Frame, float] = {}
        self.diameter = diameter
        self.protect = protect

    # -- what is there ---------------------------------------------------------------------------------------------

    @property
    def labels(self) -> Any:
        """What is drawn into; another array may take its place, with the same pixels in it.

        Raises
        ------
        ValueError, TypeError
            On setting one that has another shape, or cannot be drawn into.
        """
        return self._object.labels

    @labels.setter
    def labels(self, labels: Any) -> None:
        self._object.draw_into(labels)

    @property
    def state(self) -> ObjectState:
        """The object being drawn."""
        return self._object.state

    @property
    def label(self) -> int:
        """The id of the object being drawn."""
        return self.state.label

    @property
    def clicks(self) -> tuple[Click, ...]:
        """The clicks of the object being drawn."""
        return self.state.clicks

    @property
    def pending(self) -> Request | None:
        """The question whose answer is awaited."""
        return self._object.pending

    @property
    def predictor(self) -> Predictor:
        """Who answers. Another one may take over in mid-object; `ask_again` lets it answer the clicks already made.

        Raises
        ------
        ValueError
            On setting one that sees another number of axes while an object is being drawn: keep or cancel it first.
        """
        return self._object.predictor

    @predictor.setter
    def predictor(self, predictor: Predictor) -> None:
        if min(predictor.ndim, self.image.ndim) != self.ndim:
            if not self.state.empty:
                raise ValueError(
                    f"Keep or cancel object {self.label} first: {predictor.name} sees {predictor.ndim} axes, "
                    f"not {self.ndim}."
                )
            self._object.begin_anew(min(predictor.ndim, self.image.ndim))
            self._estimates.clear()
        self._object.predictor = predictor
        self.acted.emit(Act("predictor", {"name": predictor.name, "ndim": predictor.ndim}))

    @property
    def diameter(self) -> float | None:
        """The expected object diameter in pixels as it was set; None leaves it to the objects kept and the image.

        Raises
        ------
        ValueError
            On setting a value that is not above 0.
        """
        return self._object.diameter

    @diameter.setter
    def diameter(self, value: float | None) -> None:
        if value is not None and not 0 < value < float("inf"):
            raise ValueError(f"The diameter must be a positive number of pixels, but is {value}.")
        self._object.diameter = value
        self.acted.emit(Act("diameter", {"value": value}))

    @property
    def protect(self) -> Protect:
        """What may be written over, from the next drawing on.

        Raises
        ------
        ValueError
            On setting anything but the three choices.
        """
        return self._object.protect

    @protect.setter
    def protect(self, value: Protect) -> None:
        if value not in get_args(Protect):
            raise ValueError(f"protect={value!r} is unknown; choose one of {', '.join(get_args(Protect))}.")
        self._object.protect = value
        self.acted.emit(Act("protect", {"value": value}))

    @property
    def ndim(self) -> int:
        """The number of spatial axes that the model sees."""
        return self._object.ndim

    @property
    def step(self) -> int:
        """How many steps of history lie behind, those that were forgotten included."""
        return self._object.history.step

    @property
    def can_undo(self) -> bool:
        return self._object.history.can_undo

    @property
    def can_redo(self) -> bool:
        return self._object.history.can_redo

    @property
    def threshold(self) -> float:
        """The probability above which a pixel belongs to the object being drawn; setting it draws the object anew.

        Each object has its own: the next one starts with the last one's, and undo of a commit brings the old one back.

        Raises
        ------
        ValueError
            On setting a value that is not between 0 and 1, both excluded.
        """
        return self._object.threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        if not 0 < value < 1:
            raise ValueError(f"The threshold must lie between 0 and 1, but is {value}.")
        self._object.set_threshold(float(value))
        self._report("threshold", value=float(value))

    def mask(self, frame: Frame = ()) -> npt.NDArray[np.bool_]:
        """Return the mask of the object being drawn on a frame, shape of the frame.

        What the labels show may be less: pixels of other objects are protected there.

        Raises
        ------
        ValueError
            Where there is no such frame.
        """
        self._check_frame(frame)
        return self._object.mask(frame)

    def area(self) -> int:
        """Return how many pixels the object being drawn has in the labels."""
        return self._object.area()

    def expected_diameter(self, frame: Frame | None = None) -> float:
        """Return the expected object diameter: as set, else the median of the objects kept, else an estimate.

        The estimate depends on the pixels of one frame alone (the middle one where none is named) and reads an overview
        of it once; any thread may call it.
        """
        known = self._object.known_diameter
        if known is not None:
            return known
        here = frame if frame is not None else tuple(n // 2 for n in self.image.frames_shape(self.ndim))
        if here not in self._estimates:
            self._estimates[here] = estimate_diameter(self.image, here, self.ndim)
        return self._estimates[here]

    # -- clicks ----------------------------------------------------------------------------------------------------

    def click(self, position: Sequence[float], positive: bool = True) -> None:
        """Add a click and wait for its answer: ask, run and apply in a row.

        Raises
        ------
        ValueError
            Where the position lies outside the image or has the wrong number of coordinates.
        """
        click = Click(tuple(float(p) for p in position), bool(positive))
        request = self.set_clicks((*self.clicks, click))
        try:
            while request is not None:
                request = self.apply(request, self.run(request))
        finally:
            self.stop_waiting()

    def set_clicks(self, clicks: Iterable[Click]) -> Request | None:
        """Replace the clicks of the object being drawn; return the question to ask, if one arises.

        The mask shown stays until its answer comes. Moving one click again amends the last state, so that a drag is one
        step of undo.

        Raises
        ------
        ValueError
            Where a click lies outside the image, or the labels cannot hold the object's id; nothing is changed then.
        """
        new = tuple(clicks)
        for click in new:
            self._check(click)
        self._check_id(self.label)
        if new == self.clicks:
            return self._object.pending
        request = self._object.set_clicks(new)
        self._report("set_clicks", clicks=new)
        return request

    def run(self, request: Request, stop: Stop = NEVER) -> Prediction:
        """Answer a request. Pure: changes nothing here; any thread may call it."""
        if request.diameter is None:
            request = replace(request, diameter=self.expected_diameter(request.frame), estimated=True)
        return self.predictor.predict(self.image, request, stop)

    def apply(self, request: Request, prediction: Prediction) -> Request | None:
        """Draw an answer if it is the one awaited, drop it otherwise; return the next question, if any."""
        if request is not self._object.pending:
            return self._object.pending
        following = self._object.apply(request, prediction)
        self._report("apply", frame=request.frame, prediction=prediction)
        return following

    def fail(self, request: Request, error: BaseException) -> None:
        """Take note that a request could not be answered: what was said and what is drawn stay."""
        if request is not self._object.pending:
            return
        self._object.stop_waiting()
        self.failed.emit(error)
        self._report("stop_waiting")

    def ask_again(self) -> Request | None:
        """Ask anew about the frames that carry clicks, as after another model was chosen."""
        request = self._object.ask_again()
        if request is None:
            return None
        self._report("ask_again")
        return request

    def stop_waiting(self) -> None:
        """Wait for no answer any more: what was said and what is drawn stay."""
        if self._object.pending is not None:
            self._object.stop_waiting()
            self._report("stop_waiting")

    # -- objects ---------------------------------------------------------------------------------------------------

    def commit(self) -> int:
        """Keep the object as it is drawn and start a new one; return the id of the object kept.

        Raises
        ------
        ValueError
            Where nothing is drawn, or an answer is still awaited.
        """
        if self._object.pending is not None:
            raise ValueError("The answer to the last click is still awaited; keep the object when it is there.")
        if not self._object.worth_keeping:
            raise ValueError("There is nothing to keep yet; click on an object first.")
        label = self._object.keep()
        self._report("commit")
        return label

    def cancel(self) -> None:
        """Let the object being drawn disappear; what was there comes back. Undo brings it back."""
        if not self.state.empty:
            self._object.drop()
            self._report("cancel")

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
        self._object.resume(label, found)
        self._report("resume", label=label, position=position)

    def start_new(self, label: int | None = None) -> int:
        """Keep what is drawn, if anything, and start a new object; return its id.

        Raises
        ------
        ValueError
            Where `label` is not a positive id, or an answer is still awaited.
        """
        if label is not None and label < 1:
            raise ValueError(f"Object ids start at 1 (0 is the background), but this one is {label}.")
        if self._object.pending is not None:
            raise ValueError("The answer to the last click is still awaited; start a new object when it is there.")
        self._object.put_away()
        if label is not None:
            self._object.rename(label)
        self._report("start_new", label=label)
        return self.label

    def put_away(self) -> None:
        """Keep what is drawn, drop clicks that drew nothing, and wait for no answer any more."""
        self._object.put_away()
        self._report("put_away")

    def reserve(self, label: int) -> None:
        """Take note that somebody else uses this id, as in painting by hand: new objects get higher ones.

        An object on which something was said already keeps its id.
        """
        news = self._object.committed.reserve(int(label))
        if self.state.empty and self.label <= label:
            self._object.rename(self._object.committed.highest + 1)
            news = True
        if news:
            self._report("reserve", label=int(label))

    # -- history ---------------------------------------------------------------------------------------------------

    def undo(self) -> Request | None:
        """Go one step back; return a question only where the older state was never answered."""
        return self._travel("undo", self._object.history.undo) if self.can_undo else None

    def redo(self) -> Request | None:
        """Go one step forward; return a question only where that state was never answered."""
        return self._travel("redo", self._object.history.redo) if self.can_redo else None

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
        number = self._write(edits)
        self._report("edit", edits=edits)
        return number

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
        self._object.write_on(edits, last)
        self._report("extend", edits=edits)
        return True

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
        there = read_block(self.labels, frame, self._object.whole)
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
        self._write(label_operations.merge(self.labels, labels, self._frames(frames), self._object.whole, near))
        self._report("merge", labels=labels, frames=frames, near=near)

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
        new = self._object.next_id
        self._write(label_operations.split(self.labels, self.image, frame, one.point(ndim), other.point(ndim), new))
        self._report("split", first=one.position, second=other.position)
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
        self._write(label_operations.delete(self.labels, label, self._frames(frames), self._object.whole, near))
        self._report("delete", label=label, frame=frame, near=near)

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
        self._write(label_operations.fill(self.labels, label, frame, self._object.whole, near))
        self._report("fill", label=label, frame=frame, near=near)

    def relabel(self, label: int, new: int, frames: Iterable[Frame] | None = None) -> None:
        """Give an object another id on these frames, or on all; `label_operations.frames_from` lists them.

        Raises
        ------
        ValueError
            Where there is no such object, or the new id is that of another one on one of the frames: `merge` makes the
            two one. Nothing is changed then.
        """
        frames = self._listed(frames)
        self._write(label_operations.relabel(self.labels, label, new, self._frames(frames), self._object.whole))
        self._report("relabel", label=label, new=new, frames=frames)

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
        self._write(label_operations.copy(self.labels, source, target, ids, self._object.whole))
        self._report("copy_from", source=source, target=target, labels=ids)

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
            self._object.push_notes(self.state.notes.confirm(frame, yes))
            self._report("confirm", frame=frame, yes=yes)

    def confidence(self, frame: Frame) -> Mapping[int, float]:
        """Return how sure the carrying of each object into a frame was, 0 to 1; empty where nothing was carried."""
        return self.state.notes.confidence.get(frame, MappingProxyType({}))

    # -- acts ------------------------------------------------------------------------------------------------------

    def perform(self, act: Act) -> None:
        """Do once more what was done to this session or another one; see `session.replay.perform`."""
        replay.perform(self, act)

    def paint(self, region: Region, values: npt.NDArray[Any]) -> None:
        """Write values into a region of the label array, past objects and undo, as painting by hand does."""
        self._object.paint(region, values)
        self.painted_by_hand(region)

    def painted_by_hand(self, region: Region) -> None:
        """Tell that somebody else wrote into this region of the label array: what is there now becomes an act."""
        block = np.array(self.labels[region.slices])
        self.acted.emit(Act("paint", {"region": region, "values": block}))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _report(self, name: str, **arguments: Any) -> None:
        self.changed.emit()
        self.acted.emit(Act(name, arguments))

    def _travel(self, name: str, move: Callable[[], ObjectState]) -> Request | None:
        request = self._object.travel(move)
        self._report(name)
        return request

    def _write(self, edits: Mapping[Frame, Edit]) -> int:
        self._check_edits(edits)
        self._object.put_away()
        try:
            return self._object.write(edits)
        except BaseException:
            self._report("put_away")
            raise

    def _find(self, label: int, position: Sequence[float] | None) -> dict[Frame, Prediction]:
        """The object's masks in the labels: on the position's frame, or on every frame."""
        whole = Region.whole(self.image.frame_shape(self.ndim))
        if position is None:
            frames = np.ndindex(*self.image.frames_shape(self.ndim))
            return find_object(self.labels, label, frames, whole)
        click = Click(tuple(float(p) for p in position))
        self._check(click)
        return find_object_near(self.labels, label, click.frame(self.ndim), click.point(self.ndim), whole)

    def _listed(self, frames: Iterable[Frame] | None) -> tuple[Frame, ...] | None:
        return None if frames is None else tuple(tuple(frame) for frame in frames)

    def _frames(self, frames: tuple[Frame, ...] | None) -> Iterable[Frame]:
        """The frames named, or all."""
        if frames is None:
            return np.ndindex(*self.image.frames_shape(self.ndim))
        for frame in frames:
            self._check_frame(frame)
        return frames

    def _check_edits(self, edits: Mapping[Frame, Edit]) -> None:
        highest = max(self._object.committed.highest, self.label)
        for frame, edit in edits.items():
            self._check_frame(frame)
            checks.check_region(edit.region, self._object.whole)
            highest = highest + len(edit.ids()) if edit.fresh else highest
            self._check_id(highest if edit.fresh else edit.highest)

    def _check_id(self, label: int) -> None:
        checks.check_id(label, np.dtype(self.labels.dtype))

    def _check(self, click: Click) -> None:
        checks.check_click(click, self.image)

    def _check_frame(self, frame: Frame) -> None:
        checks.check_frame(frame, self.image, self.ndim)
