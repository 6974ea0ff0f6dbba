"""ActiveObject: the object being drawn, with its history, its pending request and what of it stands in the labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.clicks import Click, Frame, on_frame
from napari_clickseg.core.labels import SEARCH_WHOLE, drawable, find_object_near, unused_ids
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.object_classes import Follow, divided, unchanged
from napari_clickseg.core.object_size import equivalent_diameter, estimate_diameter, typical_diameter
from napari_clickseg.core.regions import Region
from napari_clickseg.session.candidates import others_near
from napari_clickseg.session.committed import Committed, Kept, new_ids, settled
from napari_clickseg.session.drawing import (
    Canvas,
    Drawn,
    Manner,
    Protect,
    mask_of,
    take_back,
    touched_by,
    write_again,
    write_edits,
)
from napari_clickseg.session.history import History
from napari_clickseg.session.state import (
    Notes,
    ObjectState,
    Prompt,
    Written,
    asks,
    cut_off,
    differing_frames,
    frames_of,
    question,
    with_clicks,
    with_prompt,
)

if TYPE_CHECKING:
    from napari_clickseg.core.edits import Edit
    from napari_clickseg.core.images import Image
    from napari_clickseg.core.requests import Predictor, Request

Changed = Callable[[Region], None]


class ActiveObject:
    """Mutable owner of one history for objects and edits, and of the labels' pixels that the current state shows.

    Parameters
    ----------
    image : Image
    predictor : Predictor
        Only its number of axes matters here.
    labels : array-like or None
        As for `Session`.
    committed : Committed
        What lies below the object.
    painting, painted : callable
        Called with each region of the label array before and after it is written.
    """

    def __init__(
        self, image: Image, predictor: Predictor, labels: Any, committed: Committed, painting: Changed, painted: Changed
    ) -> None:
        self.image = image
        self.predictor = predictor
        self.committed = committed
        self.protect: Protect = "background"
        self.diameter: float | None = None
        self.pending: Request | None = None
        self._painting, self._painted = painting, painted
        self._drawn = Drawn()
        self._edits = 0
        self._estimates: dict[tuple[Frame, int | None], float] = {}
        self._unused: list[int] | None = None
        self.draw_into(labels)
        self.history = History(ObjectState(label=self.free_ids()[0]))

    # -- what is there ---------------------------------------------------------------------------------------------

    def draw_into(self, labels: Any) -> None:
        """Draw into another array, with the same pixels in it; see `core.labels.drawable` for what is refused."""
        self.labels = drawable(labels, self.image.shape)
        self._canvas = Canvas(self.labels, self._painting)
        self._unused = None

    def look_at(self, image: Image) -> None:
        """Look at other pixels from now on."""
        self.image = image
        self._estimates.clear()

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Within this context, what is done to object, history and labels counts only if no exception comes of it."""
        drawn, pending, edits = self._drawn.patches(), self.pending, self._edits
        canvas, committed, history = self._canvas, self.committed, self.history
        try:
            with history.unless_it_fails(), committed.unless_it_fails(), canvas.all_or_nothing(self._painted):
                yield
        except BaseException:
            self._drawn.open(drawn)
            self.pending, self._edits = pending, edits
            raise

    @property
    def state(self) -> ObjectState:
        return self.history.current

    @property
    def ndim(self) -> int:
        return min(self.predictor.ndim, self.image.ndim)

    @property
    def whole(self) -> Region:
        """All of a frame."""
        return Region.whole(self.image.frame_shape(self.ndim))

    @property
    def threshold(self) -> float:
        return self.committed.threshold(self.state.kept)

    @property
    def known_diameter(self) -> float | None:
        """The expected diameter in pixels, as set or of the objects kept; None where neither is known."""
        return self.committed.diameter if self.diameter is None else self.diameter

    @property
    def worth_keeping(self) -> bool:
        """Something is drawn, or an object was resumed (and may have been clicked away altogether)."""
        return bool(self.state.taken_up) or self.area() > 0

    @property
    def next_id(self) -> int:
        """The id of the next object once this one is put away."""
        return self.free_ids(upon=self.state.label if self.worth_keeping else 0)[0]

    def free_ids(self, count: int = 1, upon: int = 0) -> list[int]:
        """Return ids that no object has: those above the highest one, or where the labels' type ends there, others.

        Where there are too few, some of those that are returned are too high for the labels.

        Parameters
        ----------
        upon : int
            An id that is taken, too.
        """
        highest, most = max(self.committed.highest, upon), int(np.iinfo(np.dtype(self.labels.dtype)).max)
        above = list(range(highest + 1, highest + 1 + count))
        if above[-1:] <= [most]:
            return above
        if self._unused is None or math.prod(self.labels.shape) <= SEARCH_WHOLE:
            self._unused = unused_ids(self.labels).tolist()
        taken = {upon}.union(*(state.ids for state in self.history.states)) if hasattr(self, "history") else {upon}
        taken |= self.committed.labels | self.committed.by_others
        free = [k for k in self._unused if k not in taken]
        return (free + above)[:count]

    def reserve(self, label: int) -> bool:
        """Take note that somebody else uses an id; tell whether that was news.

        Undone and cancelled objects that have it, or a lower one that nobody had, get others.
        """
        old, state = self.committed.highest, self.state
        news = self.committed.reserve(label)
        used = frozenset[int]().union(*(state.ids for state in self.history.states))
        taken = {k for k in used if old < k <= label}
        if not state.empty:
            taken.discard(state.label)
        if not state.empty and not state.taken_up and label == state.label:
            taken |= {label} if self._stands_elsewhere(label) else set()
        if taken:
            new = self.free_ids(len(taken), upon=max(used))
            ids = dict(zip(sorted(taken), new, strict=True))
            self.history.replace_all(lambda state: state.renumbered(ids) if state.names & ids.keys() else state)
            if state.label in ids:
                self.redraw({*state.taken_up, *state.masks})
        renamed = self.state.empty and self.state.label <= label
        if renamed:
            self.rename(self.free_ids()[0])
        return news or renamed or bool(taken)

    def expected_diameter(self, frame: Frame | None = None) -> float:
        """Return the known diameter, or that of one frame, the middle one where none is named.

        Of a frame it is that of the objects that are there, else an estimate from the pixels.
        """
        known = self.known_diameter
        if known is not None:
            return known
        here = frame if frame is not None else tuple(n // 2 for n in self.image.frames_shape(self.ndim))
        there = self.diameter_of_labels(here)
        if there is not None:
            return there
        seen = here, self.image.checksum(here, self.whole) if self.image.in_memory else None
        if seen not in self._estimates:
            self._estimates[seen] = estimate_diameter(self.image, here, self.ndim)
        return self._estimates[seen]

    def diameter_of_labels(self, frame: Frame) -> float | None:
        """Return the median diameter of the objects on a frame, without this one; None where there are none."""
        return typical_diameter(self.labels, frame, self.ndim, without=self.state.label)

    def mask(self, frame: Frame) -> npt.NDArray[np.bool_]:
        """Return the mask on a frame, shape of the frame."""
        return mask_of(self.state, frame, self.whole, self.threshold)

    def area(self) -> int:
        """Return how many pixels of the labels belong to the object."""
        return self._drawn.area(self.state.label)

    # -- requests and answers --------------------------------------------------------------------------------------

    def set_clicks(self, clicks: tuple[Click, ...]) -> Request | None:
        """Replace the clicks; a click that is moved again amends the last state, so that a drag is one undo step."""
        before = self.state
        after = with_clicks(self._with_frames_of(clicks), clicks, self.ndim)
        if after.moved is not None and after.moved == before.moved:
            self.history.forget_redo()
            self.history.amend(after)
        else:
            self.history.push(after)
        self.redraw(differing_frames(before, after, self.ndim))
        return self._ask()

    def _with_frames_of(self, clicks: tuple[Click, ...]) -> ObjectState:
        """The state, with a resumed object taken up on frames of clicks on which it stands and was not taken up yet."""
        state, found = self.state, dict[Frame, Prediction]()
        for frame in frames_of(clicks, self.ndim) if state.taken_up else ():
            if frame not in state.taken_up and frame not in state.masks:
                point = on_frame(clicks, frame, self.ndim)[0].point(self.ndim)
                found.update(find_object_near(self.labels, state.label, frame, point, self.whole))
        masks, taken_up = {**state.masks, **found}, {**state.taken_up, **found}
        return replace(state, masks=masks, taken_up=taken_up) if found else state

    def start_from(self, prompt: Prompt, frame: Frame, clicks: tuple[Click, ...]) -> Request:
        """Start on a frame from a box or a lasso, with these clicks, as one undo step."""
        before = self.state
        after = with_prompt(self._with_frames_of(clicks), prompt, frame, clicks, self.ndim)
        self.history.push(after)
        self.redraw(differing_frames(before, after, self.ndim))
        request = self._ask()
        assert request is not None
        return request

    def apply(self, request: Request, prediction: Prediction) -> Request | None:
        """Draw the answer to the pending request; return the next request, if any."""
        state = self.state
        masks = {**state.masks, request.frame: prediction}
        waiting = tuple(frame for frame in state.waiting if frame != request.frame)
        self.history.amend(replace(state, masks=masks, waiting=waiting))
        self.redraw({request.frame})
        return self._ask()

    def choose(self, frame: Frame, prediction: Prediction) -> None:
        """Draw another answer to the same clicks, as one undo step."""
        masks = {**self.state.masks, frame: prediction}
        self.history.push(replace(self.state, masks=masks, moved=None, written=None))
        self.redraw({frame})

    def ask_again(self) -> Request | None:
        """Ask anew about the frames that carry clicks; None, with nothing changed, where none does."""
        state, ndim = self.state, self.ndim
        frames = tuple(f for f in frames_of(state.clicks, ndim) if asks(state, on_frame(state.clicks, f, ndim), f))
        if not frames:
            return None
        self.history.amend(replace(state, waiting=frames))
        return self._ask()

    def stop_waiting(self) -> None:
        """Wait for no answer any more; clicks and masks stay."""
        if self.pending is not None:
            self.pending = None
            self.history.amend(replace(self.state, waiting=()))

    def _ask(self) -> Request | None:
        request = question(self.history.past, self.ndim, self.known_diameter)
        self.pending = request and replace(request, others=others_near(self.labels, request, self.state.label))
        return self.pending

    # -- drawing ---------------------------------------------------------------------------------------------------

    def set_threshold(self, value: float) -> None:
        """Set the object's threshold and draw it anew."""
        self.committed.set_threshold(self.state.kept, value)
        self.redraw({*self.state.taken_up, *self.state.masks})

    def redraw(self, frames: Iterable[Frame]) -> None:
        """On these frames, take back what is drawn of the object and draw its current state."""
        manner = Manner(self.image.frame_shape(self.ndim), self.threshold, self.protect)
        self._report_painted(self._drawn.redraw(self._canvas, self.state, frames, manner))

    def _report_painted(self, regions: Iterable[Region]) -> None:
        for region in regions:
            self._painted(region)

    def paint(self, region: Region, values: npt.NDArray[Any]) -> None:
        """Write values into a region of the label array, as painting by hand does."""
        self._canvas[region.slices] = values
        self._painted(region)

    # -- beginning and ending --------------------------------------------------------------------------------------

    def begin_anew(self, ndim: int) -> None:
        """Forget the history for a model that sees `ndim` axes, but neither ids nor which frames are confirmed."""
        notes = self.state.notes.for_frames(self.image.frames_shape(self.ndim), self.image.frames_shape(ndim))
        self.committed = Committed(self.committed.highest, self.threshold)
        self.history = History(ObjectState(label=self.state.label, notes=notes), self.history.step)
        self._drawn = Drawn()
        self._estimates.clear()

    def resume(self, label: int, found: Mapping[Frame, Prediction]) -> None:
        """Put the current object away and go on with one that is in the labels, from its masks."""
        self.put_away()
        self.history.push(replace(self._nothing(label), masks=found, taken_up=found))
        self.redraw(found.keys())

    def rename(self, label: int) -> None:
        """Give the object, of which nothing is drawn yet, another id."""
        self.history.amend(replace(self.state, label=label))

    def put_away(self) -> None:
        """Keep what is drawn, drop clicks that drew nothing, and wait for no answer any more."""
        self.stop_waiting()
        if self.worth_keeping:
            self.keep()
        elif not self.state.empty:
            self.drop()

    def drop(self) -> None:
        """Take back what is drawn and start a new object."""
        before = self.state
        self.history.push(self._nothing())
        self.redraw(differing_frames(before, self.state, self.ndim))
        self.pending = None

    def keep(self) -> int:
        """Commit the object as it is drawn and start a new one; return the id of the one committed.

        What clicks cut off it as objects of their own is written above it, as an undo step.
        """
        state = self.state
        own = (frame for frame, mask in state.masks.items() if mask is not state.taken_up.get(frame))
        gone = state.label in state.notes.classes and not self.area() and not self._stands_elsewhere(state.label)
        notes = (state.notes.classified({state.label: None}) if gone else state.notes).corrected(state.label, own)
        self._close(state)
        self._push_level(replace(self._nothing(), kept=state.kept + 1, objects=state.objects + 1, notes=notes))
        if pieces := cut_off(state):
            self.write(pieces, partial(divided, parent=state.label))
        return state.label

    def _stands_elsewhere(self, label: int) -> bool:
        """Whether pixels of an id stand anywhere that do not touch what is drawn of the object."""
        frames = list(np.ndindex(*self.image.frames_shape(self.ndim)))
        return self._drawn.stands_elsewhere(self.labels, label, frames, self.whole)

    def push_notes(self, notes: Notes) -> None:
        """Change what is known of frames, as one undo step."""
        self.history.push(replace(self.state, notes=notes, moved=None, written=None))

    def _nothing(self, label: int | None = None) -> ObjectState:
        """A state without clicks or masks, at the level of the current one."""
        state = self.state
        return ObjectState(label or self.free_ids()[0], kept=state.kept, objects=state.objects, notes=state.notes)

    def _close(self, state: ObjectState) -> None:
        largest = self._drawn.largest(state.label)
        diameter = equivalent_diameter(largest, self.ndim) if largest else None
        self.committed.keep(Kept(state.label, self._drawn.close(), diameter))

    def _push_level(self, state: ObjectState) -> None:
        """Go on above what was just committed."""
        self.committed.set_threshold(state.kept, self.threshold)
        self.history.push(state)
        oldest = self.committed.forget_oldest(state.kept)
        self.history.forget_past(lambda state: state.kept < oldest)

    # -- edits -----------------------------------------------------------------------------------------------------

    def write(self, edits: Mapping[Frame, Edit], follow: Follow = unchanged) -> int:
        """Write edits as one undo step above what was committed; return the number of this edit."""
        self._edits += 1
        state = self._edited(edits, Written(self._edits, (), 0), follow)
        self._keep_edit(state)
        self._push_level(replace(state, kept=state.kept + 1, moved=None))
        return self._edits

    def write_on(self, edits: Mapping[Frame, Edit], last: Written) -> None:
        """Let the last edit go on: all of it stays one undo step."""
        state = self._edited(edits, last)
        self.committed.open()
        self._keep_edit(state)
        self.history.amend(state)

    def _edited(self, edits: Mapping[Frame, Edit], last: Written, follow: Follow = unchanged) -> ObjectState:
        """Write edits after those of `last`; return the current state with them."""
        final = settled(edits, self.labels, self.free_ids, self.protect == "anything")
        objects = self.state.objects + new_ids(final, max(self.committed.highest, last.highest))
        patches = write_edits(self._canvas, final)
        self._report_painted(touched_by(patches))
        highest = max(last.highest, *(edit.highest for edit in final.values()), 0)
        label = self.state.label if self.state.label > highest else self.free_ids(upon=highest)[0]
        written = Written(last.number, (*last.patches, *patches), highest)
        state = replace(self.state, label=label, objects=objects, written=written)
        return replace(state, notes=state.notes.edited(final, follow))

    def _keep_edit(self, state: ObjectState) -> None:
        assert state.written is not None
        self.committed.keep(Kept(state.written.highest, {}, None))

    # -- undo and redo ---------------------------------------------------------------------------------------------

    def travel(self, move: Callable[[], ObjectState]) -> Request | None:
        """Undo or redo; return a request only where the state that is reached was never answered."""
        before = self.state
        after = move()
        if after.kept > before.kept:
            self._go_up(before, after)
        elif after.kept < before.kept:
            self._go_down(before)
        else:
            self.redraw(differing_frames(before, after, self.ndim))
        return self._ask()

    def _go_up(self, before: ObjectState, after: ObjectState) -> None:
        if after.written is None:
            self._close(before)
            return
        packed = write_again(self._canvas, after.written.patches, self.committed.by_others)
        self.history.amend(replace(after, written=replace(after.written, patches=packed)))
        self._keep_edit(after)
        self._report_painted(touched_by(packed))

    def _go_down(self, before: ObjectState) -> None:
        touched = take_back(self._canvas, before.written.patches) if before.written is not None else []
        self._drawn.open(self.committed.open().patches)
        self._report_painted(touched)
