"""Session: the object being drawn, its history, questions and answers. The panel, the command line and the tests drive this one class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_clickseg.clicks import Click, Frame, on_frame
from napari_clickseg.history import History
from napari_clickseg.images import Image
from napari_clickseg.masks import Patch, Prediction
from napari_clickseg.questions import NEVER, Predictor, Request, Stop
from napari_clickseg.regions import Region
from napari_clickseg.scale import equivalent_diameter, estimate_diameter

Protect = Literal["background", "object", "anything"]
SEARCH_WHOLE = 1 << 24
"""Frames up to this many pixels are searched as a whole for an object; in larger ones only around the cursor."""
REMEMBERED_DIAMETERS = 25

NOTHING: Mapping[Frame, Prediction] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class ObjectState:
    """One entry of history: an object, what was said of it, and how it is drawn.

    Attributes
    ----------
    label : int
        The object's id.
    clicks : tuple of Click
        In the order given, on any frames.
    masks : mapping of Frame to Prediction
        What is shown on each frame; replaced, never written into.
    taken_up : mapping of Frame to Prediction
        The object's masks as they stood in the labels when it was resumed; empty for a new object.
    waiting : tuple of Frame
        Frames whose clicks changed and whose answer is not there yet.
    moved : int or None
        Index of the click whose drag made this state; a further drag of it amends the state.
    kept : int
        How many objects of this history lie below this one.
    """

    label: int
    clicks: tuple[Click, ...] = ()
    masks: Mapping[Frame, Prediction] = field(default=NOTHING)
    taken_up: Mapping[Frame, Prediction] = field(default=NOTHING)
    waiting: tuple[Frame, ...] = ()
    moved: int | None = None
    kept: int = 0

    @property
    def empty(self) -> bool:
        """Nothing said, nothing drawn, nothing taken up."""
        return not (self.clicks or self.masks or self.taken_up)


class Session:
    """Mutable owner of the labels, the history and the pending question. Not thread-safe but for `run`.

    Parameters
    ----------
    image : array-like or Image
        (Y, X), (Y, X, 3 or 4), or n-D with named axes.
    predictor : Predictor
        Who answers; may be replaced at any time (`session.predictor = other`).
    labels : array-like, optional
        Labels to draw into, in place: any integer dtype, the image's shape without channels. Made where absent.
    axes, spacing : optional
        As in `Image`.
    diameter : float, optional
        Expected object diameter in pixels; estimated where absent.
    protect : {"background", "object", "anything"}
        What may be written over: only background; only pixels that a resumed object already has; anything.

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
    changed = Signal()
    failed = Signal(object)

    def __init__(
        self,
        image: Any,
        predictor: Predictor,
        labels: Any = None,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
        diameter: float | None = None,
        protect: Protect = "background",
    ) -> None:
        self.image = Image.of(image, axes, spacing)
        self._predictor = predictor
        self.labels = _labels_for(self.image, labels)
        self.diameter = diameter
        self.protect = protect
        self._threshold = 0.5
        self._estimated: float | None = None
        self._kept_diameters: list[float] = []
        self._highest = 0 if labels is None else _highest_label(self.labels)
        self._history = History(ObjectState(label=self._highest + 1))
        self._drawn: list[Patch] = []
        self._kept: list[list[Patch]] = []
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
                raise ValueError(f"Keep or cancel object {self.label} first: {predictor.name} sees {predictor.ndim} axes, not {self.ndim}.")
            self._kept = []
            self._history = History(ObjectState(label=self.label))
        self._predictor = predictor

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
        """The probability above which a pixel belongs to the object being drawn; setting it draws the object anew."""
        return self._threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        if not 0 < value < 1:
            raise ValueError(f"The threshold must lie between 0 and 1, but is {value}.")
        self._threshold = float(value)
        self._redraw()
        self.changed.emit()

    def mask(self, frame: Frame = ()) -> npt.NDArray[np.bool_]:
        """Return the mask of the object being drawn on a frame, shape of the frame."""
        shape = self.image.frame_shape(self.ndim)
        shown = self.state.masks.get(frame)
        return np.zeros(shape, bool) if shown is None else shown.full_mask(shape, self._threshold)

    def area(self) -> int:
        """Return how many pixels the object being drawn has in the labels."""
        return sum(int(patch.written.sum()) for patch in self._drawn if patch.value)

    def expected_diameter(self, frame: Frame | None = None) -> float:
        """Return the expected object diameter: as set, else the median of the objects kept, else estimated from the image.

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
        while request is not None:
            request = self.apply(request, self.run(request))

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
        largest = np.iinfo(self.labels.dtype).max
        if self.label > largest:
            raise ValueError(f"The labels are {self.labels.dtype}, which holds ids up to {largest}; convert them to a wider type to add object {self.label}.")
        state = self.state
        if new == state.clicks:
            return self._pending
        moved = _moved_click(state.clicks, new)
        frames = [f for f in _frames_of(state.clicks + new, self.ndim) if on_frame(state.clicks, f, self.ndim) != on_frame(new, f, self.ndim)]
        masks = dict(state.masks)
        waiting = [f for f in state.waiting if f not in frames]
        for frame in frames:
            if on_frame(new, frame, self.ndim):
                waiting.append(frame)
            elif frame in state.taken_up:
                masks[frame] = state.taken_up[frame]
            else:
                masks.pop(frame, None)
        after = replace(state, clicks=new, masks=masks, waiting=tuple(waiting), moved=moved)
        if moved is not None and moved == state.moved:
            self._history.forget_redo()
            self._history.amend(after)
        else:
            self._history.push(after)
        if masks.keys() != state.masks.keys() or not waiting:
            self._redraw()
        request = self._ask()
        self.changed.emit()
        return request

    def run(self, request: Request, stop: Stop = NEVER) -> Prediction:
        """Answer a request. Pure: changes nothing here; any thread may call it."""
        if request.diameter is None:
            request = replace(request, diameter=self.expected_diameter(request.frame))
        return self.predictor.predict(self.image, request, stop)

    def apply(self, request: Request, prediction: Prediction) -> Request | None:
        """Draw an answer if it is the one awaited, drop it otherwise; return the next question, if any."""
        if request is not self._pending:
            return self._pending
        state = self.state
        masks = {**state.masks, request.frame: prediction}
        self._history.amend(replace(state, masks=masks, waiting=tuple(f for f in state.waiting if f != request.frame)))
        self._redraw()
        following = self._ask()
        self.changed.emit()
        return following

    def fail(self, request: Request, error: BaseException) -> None:
        """Take note that a request could not be answered: what was said and what is drawn stay, nobody waits any more."""
        if request is not self._pending:
            return
        self._pending = None
        self._history.amend(replace(self.state, waiting=()))
        self.failed.emit(error)
        self.changed.emit()

    def ask_again(self) -> Request | None:
        """Ask anew about the frames that carry clicks, as after another model was chosen."""
        state = self.state
        frames = tuple(_frames_of(state.clicks, self.ndim))
        if not frames:
            return None
        self._history.amend(replace(state, waiting=frames))
        return self._ask()

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
        area = self.area()
        if area == 0 and not state.taken_up:
            raise ValueError("There is nothing to keep yet; click on an object first.")
        if area:
            self._kept_diameters.append(max(equivalent_diameter(int(p.written.sum()), self.ndim) for p in self._drawn if p.value))
            del self._kept_diameters[:-REMEMBERED_DIAMETERS]
        self._highest = max(self._highest, state.label)
        self._kept.append(self._drawn)
        self._drawn = []
        self._history.push(ObjectState(label=self._highest + 1, kept=state.kept + 1))
        self.changed.emit()
        return state.label

    def cancel(self) -> None:
        """Let the object being drawn disappear; what was there comes back. Undo brings it back."""
        if self.state.empty:
            return
        self._pending = None
        self._history.push(ObjectState(label=self._highest + 1, kept=self.state.kept))
        self._redraw()
        self.changed.emit()

    def resume(self, label: int, position: Sequence[float] | None = None) -> None:
        """Take an existing object up again: its mask becomes the prior and clicks correct it in place.

        An object being drawn is kept first.

        Parameters
        ----------
        label : int
            The object's id.
        position : sequence of float, optional
            A pixel of the object, in array order: names the frame, and where to look in a very large one. Without it all
            frames are searched and every frame on which the object lies is taken up.

        Raises
        ------
        ValueError
            Where there is no such object.
        """
        if self.area() and self._pending is None:
            self.commit()
        elif not self.state.empty:
            self.cancel()
        found = self._find(label, position)
        if not found:
            raise ValueError(f"There is no object {label} to take up{'' if position is None else ' there'}.")
        self._history.push(ObjectState(label=label, masks=found, taken_up=found, kept=self.state.kept))
        self._redraw()
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
        if not self.state.empty:
            self.commit()
        if label is not None:
            self._history.amend(replace(self.state, label=label))
            self.changed.emit()
        return self.label

    # -- history ---------------------------------------------------------------------------------------------------

    def undo(self) -> Request | None:
        """Go one step back; return a question only where the older state was never answered."""
        return self._travel(self._history.undo) if self.can_undo else None

    def redo(self) -> Request | None:
        """Go one step forward; return a question only where that state was never answered."""
        return self._travel(self._history.redo) if self.can_redo else None

    def _travel(self, move: Any) -> Request | None:
        before = self.state
        after: ObjectState = move()
        if after.kept > before.kept:
            self._kept.append(self._drawn)
            self._drawn = []
        elif after.kept < before.kept:
            self._take_back()
            self._drawn = self._kept.pop()
        if after.kept == before.kept:
            self._redraw()
        request = self._ask()
        self.changed.emit()
        return request

    # -- drawing ---------------------------------------------------------------------------------------------------

    def _redraw(self) -> None:
        """Take back what is drawn of the current object and draw its state anew."""
        touched = self._take_back()
        state = self.state
        for frame, prediction in state.taken_up.items():
            self._draw(frame, prediction.region, prediction.mask(), 0, lambda there: there == state.label)
        for frame, prediction in state.masks.items():
            own = state.taken_up.get(frame)
            mask = prediction.mask(self._threshold if prediction is not own else 0.5)
            if self.protect == "object" and own is not None:
                mask &= own.logits_on(prediction.region) > 0
            free = (lambda there: np.ones(there.shape, bool)) if self.protect == "anything" else (lambda there: (there == 0) | (there == state.label))
            self._draw(frame, prediction.region, mask, state.label, free)
        for region in _regions_by_frame([*touched, *(patch.region for patch in self._drawn)], self.ndim):
            self.painted.emit(region)

    def _draw(self, frame: Frame, region: Region, mask: npt.NDArray[np.bool_], value: int, writable: Any) -> None:
        inside = region.clip(self.image.frame_shape(self.ndim))
        if inside.size == 0:
            return
        cut = mask[inside.within(region).slices][(np.newaxis,) * len(frame)]
        self._drawn.append(Patch.draw(self.labels, inside.at_frame(frame), cut, value, writable))

    def _take_back(self) -> list[Region]:
        regions = [patch.region for patch in self._drawn]
        for patch in reversed(self._drawn):
            patch.take_back(self.labels)
        self._drawn = []
        return regions

    # -- asking ----------------------------------------------------------------------------------------------------

    def _ask(self) -> Request | None:
        state = self.state
        if not state.waiting:
            self._pending = None
            return None
        frame = state.waiting[-1]
        clicks = on_frame(state.clicks, frame, self.ndim)
        self._pending = Request(frame, clicks, self._prior(frame, clicks), self._known_diameter())
        return self._pending

    def _prior(self, frame: Frame, clicks: tuple[Click, ...]) -> Prediction | None:
        """The newest answered mask of this object whose clicks are all still there, else the mask that was taken up."""
        for state in self._history.past:
            if state.label != self.label or state.kept != self.state.kept:
                break
            said = on_frame(state.clicks, frame, self.ndim)
            if frame in state.masks and frame not in state.waiting and said and said == clicks[: len(said)]:
                return state.masks[frame]
        return self.state.taken_up.get(frame)

    def _known_diameter(self) -> float | None:
        if self.diameter is not None:
            return self.diameter
        return float(np.median(self._kept_diameters)) if self._kept_diameters else None

    def _check(self, click: Click) -> None:
        shape = self.image.shape
        if len(click.position) != len(shape):
            raise ValueError(f"A click on this image needs {len(shape)} coordinates ({', '.join(self.image.label_axes)}), but got {len(click.position)}.")
        if not all(np.isfinite(p) for p in click.position) or not Region.whole(shape).contains(click.position):
            where = ", ".join(f"{p:g}" for p in click.position)
            raise ValueError(f"The click ({where}) lies outside the image, whose shape is {shape}.")

    # -- finding ---------------------------------------------------------------------------------------------------

    def _find(self, label: int, position: Sequence[float] | None) -> dict[Frame, Prediction]:
        shape = self.image.frame_shape(self.ndim)
        if position is not None:
            click = Click(tuple(float(p) for p in position))
            self._check(click)
            frames: Iterable[Frame] = [click.frame(self.ndim)]
            start = None if int(np.prod(shape)) <= SEARCH_WHOLE else Region.around(click.point(self.ndim), (64,) * self.ndim)
        else:
            frames, start = np.ndindex(*self.image.frames_shape(self.ndim)), None
        found = {}
        for frame in frames:
            region = Region.whole(shape) if start is None else _grown_to_object(self.labels, frame, start, shape, label)
            there = np.asarray(self.labels[region.at_frame(frame).slices]).reshape(region.shape) == label
            box = Region.of_mask(there)
            if box is not None:
                found[frame] = Prediction.from_mask(there[box.slices], Region(tuple(a + r for a, r in zip(box.start, region.start, strict=True)), tuple(b + r for b, r in zip(box.stop, region.start, strict=True))))
        return found


def _labels_for(image: Image, labels: Any) -> Any:
    if labels is None:
        return np.zeros(image.shape, np.int32)
    array = labels if hasattr(labels, "shape") and hasattr(labels, "dtype") else np.asarray(labels)
    if tuple(array.shape) != image.shape:
        raise ValueError(f"The labels have the shape {tuple(array.shape)}, but this image needs {image.shape}.")
    if np.dtype(array.dtype).kind not in "iu":
        raise TypeError(f"Labels must be integers, but these are {array.dtype}.")
    return array


def _highest_label(labels: Any) -> int:
    """The highest id, read plane by plane so that no more than one plane of lazy labels is in memory."""
    if labels.ndim <= 2:
        return max(int(np.max(np.asarray(labels))), 0)
    return max(_highest_label(labels[k]) for k in range(labels.shape[0]))


def _frames_of(clicks: Iterable[Click], ndim: int) -> list[Frame]:
    return list(dict.fromkeys(click.frame(ndim) for click in clicks))


def _moved_click(before: tuple[Click, ...], after: tuple[Click, ...]) -> int | None:
    """The index of the one click that changed its place, None where anything else happened."""
    if len(before) != len(after):
        return None
    different = [k for k, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    if len(different) == 1 and before[different[0]].positive == after[different[0]].positive:
        return different[0]
    return None


def _regions_by_frame(regions: Iterable[Region], ndim: int) -> list[Region]:
    """One region per frame that covers all of the frame's."""
    joined: dict[Frame, Region] = {}
    for region in regions:
        frame = region.start[: region.ndim - ndim]
        joined[frame] = joined[frame].union(region) if frame in joined else region
    return list(joined.values())


def _grown_to_object(labels: Any, frame: Frame, start: Region, shape: Sequence[int], label: int) -> Region:
    """Grow a region until the object inside no longer touches its rim."""
    region = start.clip(shape)
    while True:
        there = np.asarray(labels[region.at_frame(frame).slices]).reshape(region.shape) == label
        box = Region.of_mask(there)
        larger = region.grow(max(region.shape) // 2).clip(shape)
        inner = Region.whole(region.shape).grow(-1)
        if larger == region or box is None or box.union(inner) == inner:
            return region
        region = larger
