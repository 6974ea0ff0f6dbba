"""Session: the object being drawn, its history, questions and answers.

The panel, the Python API, the command line, the benchmark and the tests drive this one class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_clickseg.clicks import Click, Frame, on_frame
from napari_clickseg.history import History
from napari_clickseg.images import Image
from napari_clickseg.labels import drawable, find_object, find_object_near, highest_id
from napari_clickseg.masks import Drawing, Patch, Prediction
from napari_clickseg.questions import NEVER, Predictor, Request, Stop
from napari_clickseg.regions import Region
from napari_clickseg.scale import equivalent_diameter, estimate_diameter
from napari_clickseg.states import ObjectState, asks, differing_frames, frames_of, with_clicks

Protect = Literal["background", "object", "anything"]
REMEMBERED_DIAMETERS = 25
UNDOABLE_OBJECTS = 200
"""So many kept objects can be reopened by undo; older ones stay in the labels, but their history is forgotten."""


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """An object that was kept: what undo needs to open it again, and how large it is."""

    label: int
    patches: Mapping[Frame, Patch]
    diameter: float | None


class Session:
    """Mutable owner of the labels, the history and the pending question. Not thread-safe but for `run`.

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

    painted = Signal(Region)
    """Labels were written, in this region of the label array."""
    changed = Signal()
    """The object, its history or the pending question is another one now."""
    failed = Signal(object)
    """A question could not be answered; carries the error."""

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
        self._predictor = predictor
        self.labels = drawable(labels, self.image.shape)
        self.diameter = diameter
        self.protect = protect
        self._estimated: float | None = None
        self._taken_ids = highest_id(self.labels) if highest is None and labels is not None else highest or 0
        self._history = History(ObjectState(label=self._taken_ids + 1))
        self._thresholds = {0: 0.5}
        self._drawn: dict[Frame, Patch] = {}
        self._kept: list[Kept] = []
        self._pending: Request | None = None

    # -- what is there ---------------------------------------------------------------------------------------------

    @property
    def state(self) -> ObjectState:
        """The object being drawn."""
        return self._history.current

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
        return self._pending

    @property
    def predictor(self) -> Predictor:
        """Who answers. Another one may take over in mid-object; `ask_again` lets it answer the clicks already made.

        Raises
        ------
        ValueError
            On setting one that sees another number of axes while an object is being drawn: keep or cancel it first.
        """
        return self._predictor

    @predictor.setter
    def predictor(self, predictor: Predictor) -> None:
        if min(predictor.ndim, self.image.ndim) != self.ndim:
            if not self.state.empty:
                raise ValueError(
                    f"Keep or cancel object {self.label} first: {predictor.name} sees {predictor.ndim} axes, "
                    f"not {self.ndim}."
                )
            self._begin_anew()
        self._predictor = predictor

    @property
    def diameter(self) -> float | None:
        """The expected object diameter in pixels as it was set; None leaves it to the objects kept and the image.

        Raises
        ------
        ValueError
            On setting a value that is not above 0.
        """
        return self._diameter

    @diameter.setter
    def diameter(self, value: float | None) -> None:
        if value is not None and not 0 < value < float("inf"):
            raise ValueError(f"The diameter must be a positive number of pixels, but is {value}.")
        self._diameter = value

    @property
    def protect(self) -> Protect:
        """What may be written over, from the next drawing on.

        Raises
        ------
        ValueError
            On setting anything but the three choices.
        """
        return self._protect

    @protect.setter
    def protect(self, value: Protect) -> None:
        if value not in get_args(Protect):
            raise ValueError(f"protect={value!r} is unknown; choose one of {', '.join(get_args(Protect))}.")
        self._protect = value

    @property
    def ndim(self) -> int:
        """The number of spatial axes that the model sees."""
        return min(self._predictor.ndim, self.image.ndim)

    @property
    def can_undo(self) -> bool:
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        return self._history.can_redo

    @property
    def threshold(self) -> float:
        """The probability above which a pixel belongs to the object being drawn; setting it draws the object anew.

        Each object has its own: the next one starts with the last one's, and undo of a commit brings the old one back.

        Raises
        ------
        ValueError
            On setting a value that is not between 0 and 1, both excluded.
        """
        return self._thresholds[self.state.kept]

    @threshold.setter
    def threshold(self, value: float) -> None:
        if not 0 < value < 1:
            raise ValueError(f"The threshold must lie between 0 and 1, but is {value}.")
        self._thresholds[self.state.kept] = float(value)
        self._redraw({*self.state.taken_up, *self.state.masks})
        self.changed.emit()

    def mask(self, frame: Frame = ()) -> npt.NDArray[np.bool_]:
        """Return the mask of the object being drawn on a frame, shape of the frame.

        What the labels show may be less: pixels of other objects are protected there.

        Raises
        ------
        ValueError
            Where there is no such frame.
        """
        counts = self.image.frames_shape(self.ndim)
        if len(frame) != len(counts) or not all(0 <= k < n for k, n in zip(frame, counts, strict=True)):
            axes = self.image.label_axes[: len(counts)]
            raise ValueError(f"There is no frame {frame}: a frame is named by its index along {axes or 'no axis'}.")
        return self._mask_on(frame, Region.whole(self.image.frame_shape(self.ndim)))

    def area(self) -> int:
        """Return how many pixels the object being drawn has in the labels."""
        return sum(patch.count(self.label) for patch in self._drawn.values())

    def expected_diameter(self, frame: Frame | None = None) -> float:
        """Return the expected object diameter: as set, else the median of the objects kept, else an estimate.

        The estimate reads an overview of one frame once; any thread may call it.
        """
        known = self._known_diameter()
        if known is not None:
            return known
        if self._estimated is None:
            here = frame if frame is not None else tuple(n // 2 for n in self.image.frames_shape(self.ndim))
            self._estimated = estimate_diameter(self.image, here, self.ndim)
        return self._estimated

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
            self._stop_waiting()

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
        self._check_id()
        before = self.state
        if new == before.clicks:
            return self._pending
        after = with_clicks(before, new, self.ndim)
        if after.moved is not None and after.moved == before.moved:
            self._history.forget_redo()
            self._history.amend(after)
        else:
            self._history.push(after)
        self._redraw(differing_frames(before, after))
        request = self._ask()
        self.changed.emit()
        return request

    def run(self, request: Request, stop: Stop = NEVER) -> Prediction:
        """Answer a request. Pure: changes nothing here; any thread may call it."""
        if request.diameter is None:
            request = replace(request, diameter=self.expected_diameter(request.frame), estimated=True)
        return self.predictor.predict(self.image, request, stop)

    def apply(self, request: Request, prediction: Prediction) -> Request | None:
        """Draw an answer if it is the one awaited, drop it otherwise; return the next question, if any."""
        if request is not self._pending:
            return self._pending
        state = self.state
        masks = {**state.masks, request.frame: prediction}
        self._history.amend(replace(state, masks=masks, waiting=tuple(f for f in state.waiting if f != request.frame)))
        self._redraw({request.frame})
        following = self._ask()
        self.changed.emit()
        return following

    def fail(self, request: Request, error: BaseException) -> None:
        """Take note that a request could not be answered: what was said and what is drawn stay."""
        if request is not self._pending:
            return
        self._stop_waiting()
        self.failed.emit(error)
        self.changed.emit()

    def ask_again(self) -> Request | None:
        """Ask anew about the frames that carry clicks, as after another model was chosen."""
        state, ndim = self.state, self.ndim
        frames = tuple(f for f in frames_of(state.clicks, ndim) if asks(state, on_frame(state.clicks, f, ndim), f))
        if not frames:
            return None
        self._history.amend(replace(state, waiting=frames))
        request = self._ask()
        self.changed.emit()
        return request

    # -- objects ---------------------------------------------------------------------------------------------------

    def commit(self) -> int:
        """Keep the object as it is drawn and start a new one; return the id of the object kept.

        Raises
        ------
        ValueError
            Where nothing is drawn, or an answer is still awaited.
        """
        state = self.state
        if self._pending is not None:
            raise ValueError("The answer to the last click is still awaited; keep the object when it is there.")
        if not self._worth_keeping:
            raise ValueError("There is nothing to keep yet; click on an object first.")
        self._keep_drawn(state)
        self._thresholds[state.kept + 1] = self._thresholds[state.kept]
        self._history.push(ObjectState(label=self._highest_id() + 1, kept=state.kept + 1))
        self._forget_oldest()
        self.changed.emit()
        return state.label

    def cancel(self) -> None:
        """Let the object being drawn disappear; what was there comes back. Undo brings it back."""
        before = self.state
        if before.empty:
            return
        self._pending = None
        self._history.push(ObjectState(label=self._highest_id() + 1, kept=before.kept))
        self._redraw(differing_frames(before, self.state))
        self.changed.emit()

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
        self._stop_waiting()
        self._put_away()
        self._history.push(ObjectState(label=label, masks=found, taken_up=found, kept=self.state.kept))
        self._redraw(found.keys())
        self.changed.emit()

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
            self.changed.emit()
        return self.label

    def reserve(self, label: int) -> None:
        """Take note that somebody else uses this id, as in painting by hand: new objects get higher ones.

        An object on which something was said already keeps its id.
        """
        self._taken_ids = max(self._taken_ids, int(label))
        if self.state.empty and self.label <= label:
            self._history.amend(replace(self.state, label=self._highest_id() + 1))
            self.changed.emit()

    @property
    def _worth_keeping(self) -> bool:
        """Something is drawn, or an object was taken up (and may have been clicked away altogether)."""
        return bool(self.state.taken_up) or self.area() > 0

    def _put_away(self) -> None:
        if self._worth_keeping:
            self.commit()
        else:
            self.cancel()

    def _keep_drawn(self, state: ObjectState) -> None:
        largest = max((patch.count(state.label) for patch in self._drawn.values()), default=0)
        diameter = equivalent_diameter(largest, self.ndim) if largest else None
        self._kept.append(Kept(state.label, self._drawn, diameter))
        self._drawn = {}

    def _forget_oldest(self) -> None:
        while len(self._kept) > UNDOABLE_OBJECTS:
            self._taken_ids = max(self._taken_ids, self._kept.pop(0).label)
        oldest = self.state.kept - len(self._kept)
        self._thresholds = {kept: value for kept, value in self._thresholds.items() if kept >= oldest}
        self._history.forget_past(lambda state: state.kept < oldest)

    def _begin_anew(self) -> None:
        """Forget the history, but neither labels nor ids."""
        self._taken_ids = self._highest_id()
        self._thresholds = {0: self.threshold}
        self._history = History(ObjectState(label=self.label))
        self._kept, self._drawn = [], {}
        self._estimated = None

    def _highest_id(self) -> int:
        return max([self._taken_ids, *(kept.label for kept in self._kept)])

    # -- history ---------------------------------------------------------------------------------------------------

    def undo(self) -> Request | None:
        """Go one step back; return a question only where the older state was never answered."""
        return self._travel(self._history.undo) if self.can_undo else None

    def redo(self) -> Request | None:
        """Go one step forward; return a question only where that state was never answered."""
        return self._travel(self._history.redo) if self.can_redo else None

    def _travel(self, move: Callable[[], ObjectState]) -> Request | None:
        before = self.state
        after = move()
        if after.kept > before.kept:
            self._keep_drawn(before)
        elif after.kept < before.kept:
            self._drawn = dict(self._kept.pop().patches)
        else:
            self._redraw(differing_frames(before, after))
        request = self._ask()
        self.changed.emit()
        return request

    # -- drawing ---------------------------------------------------------------------------------------------------

    def _redraw(self, frames: Iterable[Frame]) -> None:
        """On these frames, take back what is drawn of the current object and draw its state anew."""
        touched = [region for frame in frames for region in self._redraw_frame(frame)]
        for region in touched:
            self.painted.emit(region)

    def _redraw_frame(self, frame: Frame) -> list[Region]:
        """Return what was touched: one region, or none."""
        old, new = self._drawn.pop(frame, None), None
        if old is not None:
            old.take_back(self.labels)
        region = self._region_on(frame)
        if region.size:
            new = Patch.write(self.labels, region.at_frame(frame), self._drawing_on(frame, region))
            self._drawn[frame] = new
        touched = [patch.region for patch in (old, new) if patch is not None and patch.region.size]
        return [reduce(Region.union, touched)] if touched else []

    def _region_on(self, frame: Frame) -> Region:
        """Where on a frame the object is drawn or was taken up; a region of size 0 where neither."""
        shape = self.image.frame_shape(self.ndim)
        known = (self.state.taken_up.get(frame), self.state.masks.get(frame))
        regions = [prediction.region.clip(shape) for prediction in known if prediction is not None]
        return reduce(Region.union, regions) if regions else Region.whole((0,) * self.ndim)

    def _drawing_on(self, frame: Frame, region: Region) -> Callable[[npt.NDArray[Any]], Drawing]:
        """What to write into a block of labels: the object where it may be, background where it no longer is."""
        label, lift = self.label, (np.newaxis,) * len(frame)
        mask, own = self._mask_on(frame, region)[lift], self._own_on(frame, region)[lift]
        if self.protect == "object" and self.state.taken_up:
            mask = mask & own

        def draw(there: npt.NDArray[Any]) -> Drawing:
            ours = there == label
            drawn = mask if self.protect == "anything" else mask & (ours | (there == 0))
            return drawn | (own & ours), np.where(drawn, label, 0)

        return draw

    def _mask_on(self, frame: Frame, region: Region) -> npt.NDArray[np.bool_]:
        shown = self.state.masks.get(frame)
        if shown is None or shown is self.state.taken_up.get(frame):
            return self._own_on(frame, region) if shown is not None else np.zeros(region.shape, bool)
        return shown.mask_on(region, self.threshold)

    def _own_on(self, frame: Frame, region: Region) -> npt.NDArray[np.bool_]:
        """The pixels that a resumed object had when it was taken up."""
        own = self.state.taken_up.get(frame)
        return np.zeros(region.shape, bool) if own is None else own.mask_on(region)

    # -- asking ----------------------------------------------------------------------------------------------------

    def _ask(self) -> Request | None:
        state = self.state
        if not state.waiting:
            self._pending = None
            return None
        frame = state.waiting[-1]
        clicks = on_frame(state.clicks, frame, self.ndim)
        taken_up = state.taken_up.get(frame)
        own_size = None if taken_up is None else equivalent_diameter(int(taken_up.mask().sum()), self.ndim)
        self._pending = Request(frame, clicks, self._prior(frame, clicks), own_size or self._known_diameter())
        return self._pending

    def _prior(self, frame: Frame, clicks: tuple[Click, ...]) -> Prediction | None:
        """The newest answered mask of this object whose clicks are all still there, else the mask that was taken up."""
        for state in self._history.past:
            if state.label != self.label or state.kept != self.state.kept:
                break
            said = on_frame(state.clicks, frame, self.ndim)
            if not said:
                break
            if frame in state.masks and frame not in state.waiting and said == clicks[: len(said)]:
                return state.masks[frame]
        return self.state.taken_up.get(frame)

    def _known_diameter(self) -> float | None:
        if self.diameter is not None:
            return self.diameter
        diameters = [kept.diameter for kept in self._kept if kept.diameter is not None]
        return float(np.median(diameters[-REMEMBERED_DIAMETERS:])) if diameters else None

    def _stop_waiting(self) -> None:
        """What was said and what is drawn stay; nobody waits for an answer any more."""
        if self._pending is not None:
            self._pending = None
            self._history.amend(replace(self.state, waiting=()))

    def _check_id(self) -> None:
        dtype = np.dtype(self.labels.dtype)
        if self.label > np.iinfo(dtype).max:
            raise ValueError(
                f"The labels are {dtype}, which holds ids up to {np.iinfo(dtype).max}; convert them to a wider type "
                f"to add object {self.label}."
            )

    def _check(self, click: Click) -> None:
        shape = self.image.shape
        if len(click.position) != len(shape):
            axes = ", ".join(self.image.label_axes)
            raise ValueError(
                f"A click on this image needs {len(shape)} coordinates ({axes}), but got {len(click.position)}."
            )
        if not all(np.isfinite(p) for p in click.position) or not Region.whole(shape).contains(click.position):
            where = ", ".join(f"{p:g}" for p in click.position)
            raise ValueError(f"The click ({where}) lies outside the image, whose shape is {shape}.")

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
