"""Objects: what keys, buttons and clicks do to the object being drawn, in the order in which they came."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_clickseg.core.clicks import Click
from napari_clickseg.core.regions import Region
from napari_clickseg.gui.view import layer_messages, messages
from napari_clickseg.gui.view.protocol import Status, Thumbnail

if TYPE_CHECKING:
    from napari_clickseg.core.masks import Prediction
    from napari_clickseg.core.requests import Request
    from napari_clickseg.gui.click_layers import ClickLayers
    from napari_clickseg.gui.controllers.models import Models
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.panel_state import Reports
    from napari_clickseg.gui.viewport import Viewport
    from napari_clickseg.gui.workspace import Workspace
    from napari_clickseg.session.state import ObjectState

Position = tuple[float, ...]
Act = Callable[["LayerPair"], None]
AtPlace = Callable[["LayerPair", Position], None]
"""What to do with the place that is clicked next."""
Claim = Callable[["LayerPair", Position, bool], bool]
"""Told of a click (where, and whether by the primary button), returns whether the click is its own."""
MARGIN = 3.0
"""A click so many screen pixels inside an existing object corrects it; nearer to its border it begins another."""
THUMBNAIL = 36
"""Side of the pictures of candidates."""
LEFTOVER = 0.1
"""A new object of which other objects leave less than this share is not drawn."""


@dataclass(frozen=True, slots=True)
class Queued:
    """An act that waits for an answer, and what kind it is."""

    kind: str
    act: Act


@dataclass(frozen=True, slots=True)
class Tool:
    """An armed tool: its action, and what the next click does; None where the tool is dragged, and a click draws."""

    name: str
    act: AtPlace | None


class Objects:
    """Mutable: what the buttons mean now, the armed tool, and the acts that wait for an answer.

    Parameters
    ----------
    workspace, layers, viewport, models, reports
        Where the pairs are, who shows clicks, how large a screen pixel is, who answers, where sentences go.
    """

    settled = Signal()
    """Objects were written; the next click begins one."""

    def __init__(
        self, workspace: Workspace, layers: ClickLayers, viewport: Viewport, models: Models, reports: Reports
    ) -> None:
        self._workspace = workspace
        self._layers = layers
        self._viewport = viewport
        self._models = models
        self._reports = reports
        self._queue: deque[Queued] = deque()
        self._tool: Tool | None = None
        self._other_labels: Any = None
        self._pictured: tuple[tuple[Prediction, ...], tuple[Thumbnail, ...]] = (), ()
        self.flipped = False
        """Whether the left button excludes."""
        self.interrupts: tuple[Callable[[], bool], ...] = ()
        """What Esc calls off before it concerns the object, in this order; each returns whether there was anything."""
        self.claim: Claim | None = None
        """Takes a click before it draws, where it returns True."""
        workspace.switched.connect(self._on_workspace_switched)
        layers.clicked.connect(self._on_layers_clicked)
        layers.selected.connect(workspace.bring_back_labels)
        layers.edited.connect(self._on_layers_edited)
        layers.refused.connect(self._on_layers_refused)
        models.answered.connect(self._on_models_answered)
        models.failed_to_answer.connect(self._on_models_failed)

    @property
    def queued(self) -> int:
        """How many acts wait for an answer."""
        return len(self._queue)

    @property
    def armed(self) -> str:
        """The action whose tool waits for a click; "" where none does."""
        return "" if self._tool is None else self._tool.name

    # -- actions ---------------------------------------------------------------------------------------------------

    def keep(self) -> None:
        """Keep the object; where its answer is still awaited, as soon as it is there."""
        if not self._queue or self._queue[-1].kind != "keep":
            self.when_answered(self._keep_now, "keep")

    def cancel(self) -> None:
        """Leave the tool, else call off what runs, else what waits after a keep, else drop the object."""
        pair = self._workspace.current
        if self._tool is not None:
            self.disarm()
        elif pair is not None and not any(call_off() for call_off in self.interrupts):
            if self._drop_queued_clicks():
                self._reports.resume()
                return
            self._queue.clear()
            pair.session.cancel()
            self.ask(pair, None)

    def undo(self) -> None:
        """Go one step back; acts that wait for an answer go first."""
        if self._queue:
            self._queue.pop()
            self._reports.resume()
        else:
            self._travel(forward=False)

    def redo(self) -> None:
        """Go one step forward."""
        self._travel(forward=True)

    def next_candidate(self) -> None:
        """Show the next of the masks that the clicks may mean."""
        self._choose(1)

    def previous_candidate(self) -> None:
        """Show the one before."""
        self._choose(-1)

    def choose_candidate(self, number: int) -> None:
        """Show one of the masks that the clicks may mean."""
        if self._workspace.current is not None:
            self._choose(number - self._workspace.current.session.candidate_shown)

    @property
    def thumbnails(self) -> tuple[Thumbnail, ...]:
        """Small pictures of the masks that the clicks may mean, all at one scale; none where there is no choice."""
        pair = self._workspace.current
        candidates = () if pair is None else pair.session.candidates()
        if candidates != self._pictured[0]:
            self._pictured = candidates, thumbnails_of(candidates)
        return self._pictured[1]

    def _choose(self, steps: int) -> None:
        pair = self._workspace.current
        if pair is not None and steps and not pair.session.next_candidate(steps):
            raise ValueError("There is no other candidate; click on what is missing, right-click on what is too much.")

    def flip(self) -> None:
        """Swap what the left and the right button mean."""
        self.flipped = not self.flipped
        self._reports.report(messages.flipped(self.flipped))

    def start_new(self) -> None:
        """Keep what is drawn and start a new object."""
        self.when_answered(self._start_new_now)

    def take_up(self, position: Position | None) -> None:
        """Correct the object at a position, or the one that is clicked next."""
        self.at_place("take_up", self._take_up_now, position)

    def take_points(self, layer: Any, positive: bool) -> None:
        """Take the points of any Points layer as clicks; the layer is only read."""
        pair = self._workspace.current
        if pair is not None:
            new = tuple(Click(position, positive) for position in self._layers.positions_of(layer))
            self.ask(pair, pair.session.set_clicks((*pair.session.clicks, *new)))

    def switch_labels(self) -> None:
        """Draw into the Labels layer whose object was pointed at."""
        layer, self._other_labels = self._other_labels, None
        if layer is not None:
            self._workspace.choose_labels(layer)

    def set_threshold(self, threshold: float) -> None:
        """Draw the object where its probability exceeds this."""
        if self._workspace.current is not None:
            self._workspace.current.session.threshold = threshold
            self._reports.resume()

    def set_diameter(self, diameter: float | None) -> None:
        """Expect objects of this diameter in pixels, None: as measured; clicks are asked anew."""
        if self._workspace.current is not None:
            self._workspace.current.session.diameter = diameter
            self.ask_again()

    def choose_protect(self, protect: Any) -> None:
        """Change which pixels may be written over, for the object being drawn as well."""
        self._workspace.protect(protect)
        if self._workspace.current is not None:
            self.set_threshold(self._workspace.current.session.threshold)

    # -- places ----------------------------------------------------------------------------------------------------

    def at_place(self, name: str, act: AtPlace, position: Position | None) -> None:
        """Do something at a position after the awaited answer, or arm the tool; pressed again, its button leaves it."""
        if position is not None:
            self._hold(None)
            self.when_answered(lambda pair: act(pair, position))
        elif self.armed == name:
            self.disarm()
        else:
            self.arm(name, act, messages.armed(name))

    def arm(self, name: str, act: AtPlace | None, words: Status) -> None:
        """Do something at the place that is clicked next, or take drags where `act` is None; refused in the 3D view."""
        if not self._viewport.flat:
            raise ValueError(messages.FLAT_ONLY)
        if self._workspace.current is not None:
            self._workspace.activate()
            self._hold(Tool(name, act))
            self._reports.report(words)

    def disarm(self) -> None:
        """Let the next click draw again."""
        self._hold(None)
        self._reports.resume()

    def when_answered(self, act: Act, kind: str = "act") -> None:
        """Act now, or after the awaited answer and the acts that came before."""
        pair = self._workspace.current
        if pair is None:
            return
        if pair.session.pending is None and not self._queue:
            act(pair)
        else:
            self._queue.append(Queued(kind, act))
            self._reports.resume()

    # -- asking ----------------------------------------------------------------------------------------------------

    def ask(self, pair: LayerPair, request: Request | None) -> None:
        """Have a question answered; None where there is nothing to ask any more."""
        self._models.ask(pair, request)
        self._reports.resume()

    def ask_again(self) -> None:
        """Have the clicks already made answered anew."""
        if self._workspace.current is not None:
            self.ask(self._workspace.current, self._workspace.current.session.ask_again())

    def settle(self, pair: LayerPair, note: str = "") -> None:
        """Show where things stand after objects were written, and let the next click begin one."""
        self.flipped = False
        self._reports.seconds = None
        pair.refresh_thumbnail()
        self._reports.resume(note)
        self.settled.emit()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _hold(self, tool: Tool | None) -> None:
        self._tool = tool
        self._layers.show_tool("" if tool is None else "drag" if tool.act is None else "place")

    def _keep_now(self, pair: LayerPair) -> None:
        label = pair.session.commit()
        self.settle(pair, messages.kept(label))

    def _start_new_now(self, pair: LayerPair) -> None:
        label, kept = pair.session.label, pair.session.state.kept
        pair.session.start_new()
        was_kept = pair.session.state.kept > kept
        self.settle(pair, f"{messages.kept(label)} This is a new object." if was_kept else "")

    def _take_up_now(self, pair: LayerPair, position: Position) -> None:
        label = pair.label_at(position)
        if not label:
            self._other_labels = self._workspace.labels_under(pair.placement.world(position))
            if self._other_labels is None:
                raise ValueError("There is no object there; point at one and press W again.")
            self._reports.report(layer_messages.other_labels(self._other_labels.name))
            return
        self._workspace.activate()
        if label == pair.session.label and not pair.session.state.empty:
            raise ValueError(f"Object {label} is the one being drawn already; click to correct it.")
        note = "" if pair.resume(label, position) else messages.ONLY_AROUND
        self._reports.seconds = None
        self._reports.resume(note)

    def _click(self, pair: LayerPair, position: Position, positive: bool) -> None:
        """Draw with a click; one well inside an existing object, while none is being drawn, corrects that object."""
        session = pair.session
        there = pair.label_at(position)
        if there and there == pair.ground and session.state.empty:
            self._workspace.offer_usual_labels()
            return
        begins = positive and session.state.empty and session.protect != "anything"
        if begins and there and pair.lies_inside(position, MARGIN * self._viewport.screen_pixel(pair)):
            self._take_up_now(pair, position)
        else:
            self._layers.add(position, positive)

    def _drop_queued_clicks(self) -> bool:
        """Drop what came after the last keep that waits; False where nothing did."""
        keeps = [k for k, queued in enumerate(self._queue) if queued.kind == "keep"]
        dropped = False
        while keeps and len(self._queue) > keeps[-1] + 1:
            self._queue.pop()
            dropped = True
        return dropped

    def _drop_leftover(self, pair: LayerPair) -> bool:
        """Take back a new object's only click where other objects leave next to nothing of the answer."""
        session = pair.session
        alone = len(session.clicks) == 1 and not session.state.taken_up
        if not alone or session.protect == "anything" or session.ndim != 2:
            return False
        frame = session.clicks[0].frame(session.ndim)
        mask = session.mask(frame)
        if not mask.any() or session.area() >= LEFTOVER * mask.sum():
            return False
        other = pair.most_of(frame, mask, without=session.label)
        session.undo()
        self._reports.report(messages.nothing_left(other))
        return True

    def _travel(self, forward: bool) -> None:
        pair = self._workspace.current
        if pair is not None:
            before = pair.session.state
            self.ask(pair, pair.session.redo() if forward else pair.session.undo())
            what = travelled(before, pair.session.state, forward)
            if what and pair.session.state is not before:
                self._reports.hold(messages.travelled(what, forward))

    def _read_clicks(self, pair: LayerPair) -> Request | None:
        """Give the session the clicks that the layers show; return the question that arises."""
        if not pair.counted:
            raise ValueError(f"{pair.labels_name!r} is large and still being read; click again in a moment.")
        return pair.session.set_clicks(self._layers.read_clicks(pair.session.clicks))

    # -- what happened elsewhere -----------------------------------------------------------------------------------

    def _on_layers_clicked(self, world: tuple[float, ...], primary: bool) -> None:
        pair = self._workspace.current
        if pair is None:
            return
        position = pair.position(world)
        with self._reports.errors():
            act = None if self._tool is None else self._tool.act
            if act is not None:
                self._hold(None)
                self.when_answered(lambda pair: act(pair, position))
            elif pair.label_at(position) is None:
                self._reports.report(messages.OUTSIDE)
            elif not self._queue and self.claim is not None and self.claim(pair, position, primary):
                return
            elif self._queue:
                keeps = any(queued.kind == "keep" for queued in self._queue)
                positive = primary if keeps else primary != self.flipped
                self.when_answered(lambda pair: self._click(pair, position, positive), "click")
            else:
                self._click(pair, position, primary != self.flipped)

    def _on_layers_edited(self) -> None:
        pair = self._workspace.current
        if pair is None:
            return
        try:
            request = self._read_clicks(pair)
        except ValueError as problem:
            self._reports.report(messages.error(problem))
            self._workspace.mend_later()
            return
        self._workspace.bring_back_labels()
        self.ask(pair, request)

    def _on_layers_refused(self) -> None:
        self._reports.report(messages.error(messages.FLAT_ONLY))

    def _on_models_answered(self, pair: LayerPair, seconds: float, note: str) -> None:
        """Do what waited for the last answer to this object, now that all its answers are there."""
        if pair is not self._workspace.current:
            return
        self._reports.seconds = seconds
        self._reports.resume(note)
        if self._drop_leftover(pair):
            self._queue.clear()
        while self._queue and pair.session.pending is None:
            queued = self._queue.popleft()
            with self._reports.errors():
                queued.act(pair)

    def _on_models_failed(self, pair: LayerPair, error: BaseException) -> None:
        self._queue.clear()
        self._reports.report(messages.not_answered(error))

    def _on_workspace_switched(self, pair: LayerPair | None) -> None:
        self._queue.clear()
        self._hold(None)
        if pair is None:
            self._reports.resume()
        else:
            self.ask(pair, pair.session.pending)


def thumbnails_of(candidates: Sequence[Prediction]) -> tuple[Thumbnail, ...]:
    """Return small pictures of masks on the region that holds them all.

    >>> from napari_clickseg.core.regions import Region
    >>> whole, part = np.ones((8, 8), bool), np.zeros((8, 8), bool)
    >>> from napari_clickseg.core.masks import Prediction
    >>> masks = [Prediction.from_mask(mask, Region((0, 0), (8, 8))) for mask in (whole, part)]
    >>> [sum(thumbnail.pixels) > 0 for thumbnail in thumbnails_of(masks)]
    [True, False]
    """
    if not candidates or candidates[0].region.ndim != 2:
        return ()
    region = reduce(Region.union, (one.region for one in candidates))
    masks = [one.mask_on(region) for one in candidates]
    box = Region.of_mask(reduce(np.logical_or, masks)) or Region.whole(region.shape)
    side = max(*box.shape, 1)
    rows, columns = (
        (np.arange(THUMBNAIL) + 0.5) * side / THUMBNAIL + start - (side - n) / 2
        for start, n in zip(box.start, box.shape, strict=True)
    )
    inside = [(k >= 0) & (k < n) for k, n in zip((rows, columns), region.shape, strict=True)]
    index = np.ix_(*(np.clip(k.astype(int), 0, n - 1) for k, n in zip((rows, columns), region.shape, strict=True)))
    there = inside[0][:, None] & inside[1][None, :]
    return tuple(Thumbnail(THUMBNAIL, (230 * (mask[index] & there)).astype(np.uint8).tobytes()) for mask in masks)


def travelled(before: ObjectState, after: ObjectState, forward: bool) -> str:
    """Return what one step of undo, or `forward` of redo, did to frames; "" where it moved the object being drawn."""
    written = after.written if forward else before.written
    confirmed = sorted(before.notes.confirmed ^ after.notes.confirmed)
    if written is not None:
        return messages.edited_frames(len({frame for frame, _ in written.patches}))
    if confirmed:
        return messages.confirmation(confirmed[0], confirmed[0] in after.notes.confirmed)
    return "" if before.notes.classes == after.notes.classes else messages.CLASSES
