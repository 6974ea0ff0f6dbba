"""Clicking: one object is drawn by clicks: questions, answers and the settings that they depend on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_clickseg.core.clicks import Click, Frame, on_frame
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.labels import drawable, highest_id
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.object_size import estimate_diameter
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Predictor, Request
from napari_clickseg.session.committed import Ledger
from napari_clickseg.session.drawing import Canvas, Drawn, Manner, Protect, mask_of
from napari_clickseg.session.history import History
from napari_clickseg.session.replay import Act
from napari_clickseg.session.state import ObjectState, asks, differing_frames, frames_of, question, with_clicks


class Clicking:
    """Mutable owner of the labels, the history of the object being drawn and the pending question.

    What becomes of objects that are drawn (kept, cancelled, taken up, edited) is the session's business, which alone
    is made; its parameters are told there.
    """

    painting = Signal(Region)
    """Labels are about to be written, in this region of the label array."""
    painted = Signal(Region)
    """Labels were written, in this region of the label array."""
    changed = Signal()
    """The object, its history or the pending question is another one now."""
    failed = Signal(object)
    """A question could not be answered; carries the error."""
    acted = Signal(Act)
    """Something was done, by whomever; `perform` does it again. A session keeps no acts itself."""

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
        self.labels = labels
        taken = highest_id(self.labels) if highest is None and labels is not None else highest or 0
        self._ledger = Ledger(taken, threshold=0.5)
        self._history = History(ObjectState(label=taken + 1))
        self._drawn = Drawn()
        self._edits = 0
        self._pending: Request | None = None
        self._estimated: float | None = None
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
        return self._labels

    @labels.setter
    def labels(self, labels: Any) -> None:
        self._labels = drawable(labels, self.image.shape)
        self._canvas = Canvas(self._labels, self.painting.emit)

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
            self._begin_anew(min(predictor.ndim, self.image.ndim))
        self._predictor = predictor
        self.acted.emit(Act("predictor", {"name": predictor.name, "ndim": predictor.ndim}))

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
        self.acted.emit(Act("diameter", {"value": value}))

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
        self.acted.emit(Act("protect", {"value": value}))

    @property
    def ndim(self) -> int:
        """The number of spatial axes that the model sees."""
        return min(self._predictor.ndim, self.image.ndim)

    @property
    def step(self) -> int:
        """How many steps of history lie behind, those that were forgotten included."""
        return self._history.step

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
        return self._ledger.threshold(self.state.kept)

    @threshold.setter
    def threshold(self, value: float) -> None:
        if not 0 < value < 1:
            raise ValueError(f"The threshold must lie between 0 and 1, but is {value}.")
        self._ledger.set_threshold(self.state.kept, float(value))
        self._redraw({*self.state.taken_up, *self.state.masks})
        self._tell("threshold", value=float(value))

    def mask(self, frame: Frame = ()) -> npt.NDArray[np.bool_]:
        """Return the mask of the object being drawn on a frame, shape of the frame.

        What the labels show may be less: pixels of other objects are protected there.

        Raises
        ------
        ValueError
            Where there is no such frame.
        """
        self._check_frame(frame)
        return mask_of(self.state, frame, Region.whole(self.image.frame_shape(self.ndim)), self.threshold)

    def area(self) -> int:
        """Return how many pixels the object being drawn has in the labels."""
        return self._drawn.area(self.label)

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
        before = self.state
        if new == before.clicks:
            return self._pending
        after = with_clicks(before, new, self.ndim)
        with self._history.unless_it_fails():
            if after.moved is not None and after.moved == before.moved:
                self._history.forget_redo()
                self._history.amend(after)
            else:
                self._history.push(after)
            self._redraw(differing_frames(before, after))
        request = self._ask()
        self._tell("set_clicks", clicks=new)
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
        waiting = tuple(frame for frame in state.waiting if frame != request.frame)
        with self._history.unless_it_fails():
            self._history.amend(replace(state, masks=masks, waiting=waiting))
            self._redraw({request.frame})
        following = self._ask()
        self._tell("apply", frame=request.frame, prediction=prediction)
        return following

    def fail(self, request: Request, error: BaseException) -> None:
        """Take note that a request could not be answered: what was said and what is drawn stay."""
        if request is not self._pending:
            return
        self._stop_waiting()
        self.failed.emit(error)
        self._tell("stop_waiting")

    def ask_again(self) -> Request | None:
        """Ask anew about the frames that carry clicks, as after another model was chosen."""
        state, ndim = self.state, self.ndim
        frames = tuple(f for f in frames_of(state.clicks, ndim) if asks(state, on_frame(state.clicks, f, ndim), f))
        if not frames:
            return None
        self._history.amend(replace(state, waiting=frames))
        request = self._ask()
        self._tell("ask_again")
        return request

    def stop_waiting(self) -> None:
        """Wait for no answer any more: what was said and what is drawn stay."""
        if self._pending is not None:
            self._stop_waiting()
            self._tell("stop_waiting")

    # -- inside ----------------------------------------------------------------------------------------------------

    def _tell(self, name: str, **arguments: Any) -> None:
        self.changed.emit()
        self.acted.emit(Act(name, arguments))

    def _redraw(self, frames: Iterable[Frame]) -> None:
        """On these frames, take back what is drawn of the current object and draw its state anew."""
        manner = Manner(self.image.frame_shape(self.ndim), self.threshold, self.protect)
        for region in self._drawn.redraw(self._canvas, self.state, frames, manner):
            self.painted.emit(region)

    def _ask(self) -> Request | None:
        self._pending = question(self._history.past, self.ndim, self._known_diameter())
        return self._pending

    def _known_diameter(self) -> float | None:
        return self._ledger.diameter if self.diameter is None else self.diameter

    def _stop_waiting(self) -> None:
        if self._pending is not None:
            self._pending = None
            self._history.amend(replace(self.state, waiting=()))

    def _begin_anew(self, ndim: int) -> None:
        """Forget the history, but neither labels nor ids nor which frames are confirmed."""
        notes = self.state.notes.for_frames(self.image.frames_shape(self.ndim), self.image.frames_shape(ndim))
        self._ledger = Ledger(self._ledger.highest, self.threshold)
        self._history = History(ObjectState(label=self.label, notes=notes), self._history.step)
        self._drawn = Drawn()
        self._estimated = None

    def _check_id(self, label: int) -> None:
        dtype = np.dtype(self.labels.dtype)
        if label > np.iinfo(dtype).max:
            raise ValueError(
                f"The labels are {dtype}, which holds ids up to {np.iinfo(dtype).max}; convert them to a wider type "
                f"to add object {label} (in napari: right click on the layer > Convert data type)."
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

    def _check_frame(self, frame: Frame) -> None:
        counts = self.image.frames_shape(self.ndim)
        if len(frame) != len(counts) or not all(0 <= k < n for k, n in zip(frame, counts, strict=True)):
            axes = self.image.label_axes[: len(counts)]
            raise ValueError(f"There is no frame {frame}: a frame is named by its index along {axes or 'no axis'}.")
