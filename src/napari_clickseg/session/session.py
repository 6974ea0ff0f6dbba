"""Session: one image, its labels, and all that a user does to them. Every front end drives this class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import numpy as np
import numpy.typing as npt
from psygnal import EmitLoopError, Signal

from napari_clickseg.core.clicks import Click, Frame
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.labels import drawable, highest_id
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Predictor, Request, Seeing
from napari_clickseg.session import answers, checks, frames, object_lifecycle, object_operations, prompts, replay
from napari_clickseg.session import candidates as candidates_
from napari_clickseg.session import class_proposals as class_proposals_
from napari_clickseg.session import classes as classes_
from napari_clickseg.session import kept_objects as kept_objects_
from napari_clickseg.session import suggest as suggest_
from napari_clickseg.session.active_object import ActiveObject
from napari_clickseg.session.committed import Committed
from napari_clickseg.session.drawing import Protect
from napari_clickseg.session.replay import Act

if TYPE_CHECKING:
    from napari_clickseg.core.masks import Prediction
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
    classes : mapping of int to str, optional
        The class of each object in the labels that has one.

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
    overpainted = Signal(Region, object)
    """Somebody else wrote into this region of the label array; carries what stood there before."""
    abandoned = Signal()
    """An act failed; what it wrote was taken back."""
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
        classes: Mapping[int, str] | None = None,
    ) -> None:
        seen = Image.of(image, axes, spacing)
        array = drawable(labels, seen.shape)
        taken = highest_id(array) if highest is None and labels is not None else highest or 0
        committed = Committed(taken, threshold=0.5)
        self._object = ActiveObject(seen, predictor, array, committed, self._about_to_paint, self.painted.emit)
        self._answered: tuple[Request, Prediction] | None = None
        self.diameter, self.protect = diameter, protect
        if classes:
            classes_.begin_with(self, classes)

    # -- what is there ---------------------------------------------------------------------------------------------

    @property
    def image(self) -> Image:
        """What is looked at; another one of this shape may take its place, as with other pixels or axes.

        Raises
        ------
        ValueError
            On setting one that has another shape.
        """
        return self._object.image

    @image.setter
    def image(self, image: Image) -> None:
        if image.shape != self.image.shape:
            raise ValueError(f"The session draws on an image of shape {self.image.shape}, but this is {image.shape}.")
        self._object.look_at(image)

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
        """The request whose answer is awaited."""
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
        with self._all_or_nothing():
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

    alpha = frames.alpha

    def area(self) -> int:
        """Return how many pixels the object being drawn has in the labels."""
        return self._object.area()

    def expected_diameter(self, frame: Frame | None = None) -> float:
        """Return the expected object diameter: as set, else the median of the objects kept, else that of one frame.

        The frame (the middle one where none is named) tells it by the objects that are there, else by its pixels, of
        which it reads an overview once; any thread may call it.
        """
        return self._object.expected_diameter(frame)

    @property
    def known_diameter(self) -> float | None:
        """The expected diameter as set or of the objects kept; None where only a look at a frame can tell."""
        return self._object.known_diameter

    # -- clicks ----------------------------------------------------------------------------------------------------

    def click(self, position: Sequence[float], positive: bool = True) -> None:
        """Add a click and wait for its answer: ask, run and apply in a row.

        Raises
        ------
        ValueError
            Where the position lies outside the image or has the wrong number of coordinates.
        """
        click = Click(tuple(float(p) for p in position), bool(positive))
        self.wait_for(self.set_clicks((*self.clicks, click)))

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
            checks.check_click(click, self.image)
        checks.check_id(self.label, np.dtype(self.labels.dtype))
        if new == self.clicks:
            return self._object.pending
        with self._all_or_nothing():
            request = self._object.set_clicks(new)
        self._report("set_clicks", clicks=new)
        return request

    box, set_box = prompts.box, prompts.set_box
    lasso, set_lasso = prompts.lasso, prompts.set_lasso
    stroke, set_stroke = prompts.stroke, prompts.set_stroke
    set_prompt = prompts.set_prompt

    def run(self, request: Request, stop: Stop = NEVER) -> Prediction:
        """Answer a request. Pure: changes nothing here; any thread may call it.

        Raises
        ------
        ValueError
            Where an object is begun on a frame whose pixels have one value, or none, so that nothing can be seen.
        """
        if isinstance(self.predictor, Seeing):
            self.predictor.check_request(self.image, request)
        return self.predictor.predict(self.image, self._with_diameter(request), stop)

    def apply(self, request: Request, prediction: Prediction) -> Request | None:
        """Draw an answer if it is the one awaited, drop it otherwise; return the next question, if any."""
        if request is not self._object.pending:
            return self._object.pending
        self._answered = request, prediction
        with self._all_or_nothing():
            following = self._object.apply(request, prediction)
        self._report("apply", frame=request.frame, prediction=prediction)
        return following

    wait_for, fail = answers.wait_for, answers.fail
    ask_again, stop_waiting = answers.ask_again, answers.stop_waiting

    def _with_diameter(self, request: Request) -> Request:
        if request.diameter is not None:
            return request
        there = self._object.diameter_of_labels(request.frame)
        diameter = there or self.expected_diameter(request.frame)
        return replace(request, diameter=diameter, estimated=there is None)

    # -- candidates ------------------------------------------------------------------------------------------------

    candidates = candidates_.candidates
    candidate_shown = property(candidates_.candidate_shown)
    next_candidate = candidates_.next_candidate
    choose = candidates_.choose
    unexplored = candidates_.unexplored
    explore = candidates_.explore
    add_candidates = candidates_.add_candidates

    # -- objects ---------------------------------------------------------------------------------------------------

    commit, cancel = object_lifecycle.commit, object_lifecycle.cancel
    start_new, put_away = object_lifecycle.start_new, object_lifecycle.put_away
    reserve = object_lifecycle.reserve

    # -- history ---------------------------------------------------------------------------------------------------

    undo, redo = object_lifecycle.undo, object_lifecycle.redo

    # -- edits of many objects -------------------------------------------------------------------------------------

    resume, edit = object_operations.resume, object_operations.edit
    extend = object_operations.extend
    segmented = object_operations.segmented
    merge, split = object_operations.merge, object_operations.split
    delete = object_operations.delete
    fill = object_operations.fill
    relabel, swap = object_operations.relabel, object_operations.swap
    copy_from = object_operations.copy_from

    # -- classes ---------------------------------------------------------------------------------------------------

    classes = property(attrgetter("state.notes.classes"), doc="The class of each object that has one, by id.")
    class_names = property(attrgetter("state.notes.class_names"), doc="The classes there are, in the user's order.")
    classify, name_classes, rename_class = classes_.classify, classes_.name_classes, classes_.rename_class
    propose_classes = class_proposals_.propose_classes

    # -- suggestions -----------------------------------------------------------------------------------------------

    can_suggest = property(suggest_.can_suggest)
    suggest, accept = suggest_.suggest, suggest_.accept
    exemplars = kept_objects_.exemplars

    # -- frames ----------------------------------------------------------------------------------------------------

    @property
    def confirmed(self) -> frozenset[Frame]:
        """The frames that the user called right."""
        return self.state.notes.confirmed

    confirm, confidence = frames.confirm, frames.confidence

    # -- acts ------------------------------------------------------------------------------------------------------

    perform = replay.perform
    paint, painted_by_hand = object_operations.paint, object_operations.painted_by_hand

    # -- inside ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """An act that fails half-way, as on a full disk, leaves labels and history as they were."""
        try:
            with self._object.all_or_nothing():
                yield
        except BaseException:
            self.abandoned.emit()
            raise

    def _about_to_paint(self, region: Region) -> None:
        """Tell it; where a listener fails, the act fails for that reason."""
        try:
            self.painting.emit(region)
        except EmitLoopError as error:
            raise error.__cause__ or error from error

    def _report(self, name: str, **arguments: Any) -> None:
        self.changed.emit()
        self.acted.emit(Act(name, arguments))

    def _check_frame(self, frame: Frame) -> None:
        checks.check_frame(frame, self.image, self.ndim)
