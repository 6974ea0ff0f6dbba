"""Suggestions: objects found in the background wait as outlines, are filtered live, and accepted or dismissed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_clickseg.core.labels import read_block
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Proposer, Segmenter
from napari_clickseg.gui.view import messages
from napari_clickseg.gui.view.protocol import Suggesting

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.jobs import Outcome, Stop
    from napari_clickseg.core.suggestions import Suggestion
    from napari_clickseg.core.suggestions import Suggestions as Found
    from napari_clickseg.gui.background import Background, Ticket
    from napari_clickseg.gui.click_layers import ClickLayers
    from napari_clickseg.gui.controllers.models import Models
    from napari_clickseg.gui.controllers.objects import Objects
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.panel_state import Reports
    from napari_clickseg.gui.preview import Preview
    from napari_clickseg.gui.viewport import Viewport
    from napari_clickseg.gui.workspace import Workspace
    from napari_clickseg.session.replay import Act

Position = tuple[float, ...]
IN_BOX = "suggest_in_box"
LOOK_MS = 200
"""So often the bar follows what is done."""
NO_IMAGE = "Open an image first."
LOADING = "The model is still loading."
ONE_AT_A_TIME = (
    "{name} draws one object at a time. A segmentation network of your own finds all at once: see Add a model."
)
READY = "Find all objects that are not drawn yet. They come as suggestions: nothing is written before you accept."
NONE_THERE = "There is no suggestion there; point at an outline and press the key again."
NONE_SHOWN = "No suggestions are shown; press Suggest first, or move the slider to more."


@dataclass(slots=True, eq=False)
class Offer:
    """Mutable: what one search found in a pair, what became of it, and the score that is asked for."""

    pair: LayerPair
    found: Found
    least: float
    dismissed: set[int] = field(default_factory=set)
    taken: set[int] = field(default_factory=set)
    """Suggestions (by identity) over which there are objects by now."""

    @property
    def shown(self) -> tuple[Suggestion, ...]:
        """Those that are good enough and still open, best first."""
        gone = self.dismissed | self.taken
        return tuple(one for one in self.found.at_least(self.least) if id(one) not in gone)

    def follow(self, region: Region) -> None:
        """Take note of what was drawn in a region of the labels: what was undone there is open again."""
        for one in self.found:
            frame, place = len(one.frame), one.region
            inside = all(a <= k < b for a, k, b in zip(region.start, one.frame, region.stop, strict=False))
            drawn = Region(region.start[frame:], region.stop[frame:])
            if inside and drawn.intersection(place).size:
                there = read_block(self.pair.session.labels, one.frame, place) != 0
                (self.taken.add if one.less(there) is None else self.taken.discard)(id(one))


class Suggestions:
    """Mutable: what is being looked for, and the suggestions that are shown.

    Parameters
    ----------
    workspace, objects, models, layers, viewport, background, preview, reports
        Where the pairs are, who writes, who finds, who follows the mouse, where the pointer is, on which thread, who
        shows the box that is drawn, where sentences go.
    """

    changed = Signal()
    """`state` is another one."""
    outlined = Signal()
    """Other suggestions are shown, or another one is under the pointer."""

    def __init__(
        self,
        workspace: Workspace,
        objects: Objects,
        models: Models,
        layers: ClickLayers,
        viewport: Viewport,
        background: Background,
        preview: Preview,
        reports: Reports,
    ) -> None:
        self._workspace = workspace
        self._objects = objects
        self._models = models
        self._viewport = viewport
        self._background = background
        self._preview = preview
        self._reports = reports
        self._ticket: Ticket | None = None
        self._offer: Offer | None = None
        self.pointed_at: Suggestion | None = None
        """The one under the pointer."""
        workspace.switched.connect(self._on_workspace_switched)
        models.changed.connect(self.stop)
        layers.traced.connect(self._on_layers_traced)
        viewport.pointed.connect(self._on_viewport_pointed)

    @property
    def busy(self) -> bool:
        """Whether objects are being looked for."""
        return self._ticket is not None and self._ticket.busy

    @property
    def state(self) -> Suggesting:
        """Whether all objects can be found at once now, whether that is being done, and what came of it."""
        tip, offer, pair = self._why_not(), self._offer, self._workspace.current
        done = 0.0 if self._ticket is None or not self.busy else self._ticket.done
        state = Suggesting(not tip, self.busy, tip or READY, done)
        if pair is not None:
            state = replace(state, frames=len(pair.session.labels.shape) > pair.session.ndim)
        if offer is None or offer.pair is not pair:
            return state
        quality = None if self.pointed_at is None else self.pointed_at.score
        return replace(
            state,
            shown=len(offer.shown),
            found=len(offer.found),
            least=offer.least,
            note=offer.found.note,
            quality=quality,
        )

    def shown(self, pair: LayerPair, frame: Frame) -> tuple[Suggestion, ...]:
        """Return the suggestions that are shown on a frame."""
        if self._offer is None or self._offer.pair is not pair:
            return ()
        return tuple(one for one in self._offer.shown if one.frame == frame)

    def close(self) -> None:
        """Call off what runs, and show nothing any more."""
        if self._ticket is not None:
            self._ticket.cancel()
        self._show(None)

    # -- looking ---------------------------------------------------------------------------------------------------

    def suggest(self) -> None:
        """Look for the objects of the frame in view, in the background.

        Raises
        ------
        ValueError
            Where the model cannot, is still loading, or the labels are still being read.
        """
        pair = self._ready_pair()
        self._look(pair, pair.frame_in_view(), None)

    def suggest_all_frames(self) -> None:
        """Look for the objects of all frames but the confirmed ones; raises as `suggest` does."""
        self._look(self._ready_pair(), None, None)

    def suggest_in_box(self) -> None:
        """Look for objects in a rectangle that is drawn next, or leave that tool; raises as `suggest` does."""
        self._ready_pair()
        if self._objects.armed == IN_BOX:
            self._objects.disarm()
        else:
            self._objects.arm(IN_BOX, None, messages.armed(IN_BOX))

    def stop(self) -> bool:
        """Stop looking; return False where nothing is being looked for."""
        if not self.busy or self._ticket is None:
            return False
        self._ticket.cancel()
        self.changed.emit()
        self._reports.report(messages.CALLED_OFF)
        return True

    def call_off(self) -> bool:
        """Stop looking, else show no suggestions any more unless an object is drawn; False where nothing was done."""
        offer, pair = self._offer, self._workspace.current
        if self.stop():
            return True
        if offer is None or offer.pair is not pair or not offer.pair.session.state.empty:
            return False
        self._show(None)
        self._reports.resume()
        return True

    # -- choosing --------------------------------------------------------------------------------------------------

    def set_least(self, score: float) -> None:
        """Show those whose score is at least this."""
        if self._offer is not None:
            self._offer.least = score
            self._refresh()

    def accept_suggestion(self, position: Position | None) -> None:
        """Make the suggestion at a position an object, or the one that is clicked next."""
        self._objects.at_place("accept_suggestion", self._accept_at, position)

    def dismiss_suggestion(self, position: Position | None) -> None:
        """Show the suggestion at a position no more, or the one that is clicked next."""
        self._objects.at_place("dismiss_suggestion", self._dismiss_at, position)

    def accept_all(self) -> None:
        """Make all that are shown objects, as one step of undo.

        Raises
        ------
        ValueError
            Where none are shown.
        """
        offer = self._offer
        if offer is None or offer.pair is not self._workspace.current or not offer.shown:
            raise ValueError(NONE_SHOWN)
        self._objects.when_answered(lambda pair: self._accept(pair, offer.shown))

    def _accept_at(self, pair: LayerPair, position: Position) -> None:
        self._accept(pair, (self._at(pair, position),))

    def _dismiss_at(self, pair: LayerPair, position: Position) -> None:
        offer, one = self._offer, self._at(pair, position)
        if offer is not None:
            offer.dismissed.add(id(one))
            self._refresh()
            self._reports.resume()

    def _accept(self, pair: LayerPair, some: Sequence[Suggestion]) -> None:
        ids = pair.session.accept(some)
        self._objects.settle(pair)
        self._reports.report(messages.accepted([label for label in ids if label]))
        self._refresh()

    def _at(self, pair: LayerPair, position: Position) -> Suggestion:
        one = self._under(pair, position)
        if one is None:
            raise ValueError(NONE_THERE)
        return one

    def _under(self, pair: LayerPair, position: Position) -> Suggestion | None:
        ndim = pair.session.ndim
        frame = tuple(round(p) for p in position[:-ndim])
        return next((one for one in self.shown(pair, frame) if one.covers(frame, position[-ndim:])), None)

    def _claim(self, pair: LayerPair, position: Position, primary: bool) -> bool:
        """Take a click on a suggestion, while no object is drawn: accept it, or dismiss it by the other button."""
        one = self._under(pair, position) if pair.session.state.empty else None
        if one is not None:
            (self._accept_at if primary else self._dismiss_at)(pair, position)
        return one is not None

    # -- inside ----------------------------------------------------------------------------------------------------

    def _why_not(self) -> str:
        model, pair = self._models.loaded, self._workspace.current
        if pair is None:
            return NO_IMAGE
        if model is None:
            return LOADING
        return "" if isinstance(model, (Proposer, Segmenter)) else ONE_AT_A_TIME.format(name=model.name)

    def _ready_pair(self) -> LayerPair:
        tip, pair = self._why_not(), self._workspace.current
        if tip or pair is None:
            raise ValueError(tip)
        if not pair.counted:
            raise ValueError(f"{pair.labels_name!r} is large and still being read; try again in a moment.")
        return pair

    def _look(self, pair: LayerPair, frame: Frame | None, region: Region | None) -> None:
        if not self.busy:
            self._show(None)
            job = partial(_searched, pair, frame, region)
            self._ticket = self._background.long.submit(job, partial(self._on_outcome, pair))
            self._reports.report(messages.LOOKING)
            self._follow()

    def _follow(self) -> None:
        """Show how far it is, until it is done."""
        self.changed.emit()
        if self.busy:
            self._background.later(LOOK_MS, self._follow)

    def _on_outcome(self, pair: LayerPair, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._reports.report(messages.not_found(outcome.error))
        elif pair in self._workspace:
            found, seconds = outcome.value
            offer = Offer(pair, found, found.usual)
            offer.follow(Region.whole(pair.session.labels.shape))
            self._show(offer)
            self._reports.report(messages.suggested(len(offer.shown), len(found), seconds, found.note))
        self.changed.emit()

    def _show(self, offer: Offer | None) -> None:
        """Show what was found, in place of what was shown before."""
        before, self._offer = self._offer, offer
        if before is not None:
            before.pair.session.painted.disconnect(self._on_session_painted)
            before.pair.session.acted.disconnect(self._on_session_acted)
        if offer is not None:
            offer.pair.session.painted.connect(self._on_session_painted)
            offer.pair.session.acted.connect(self._on_session_acted)
        self._refresh()

    def _refresh(self) -> None:
        pair, offer = self._workspace.current, self._offer
        there = offer is not None and offer.pair is pair and bool(offer.shown)
        self._objects.claim = self._claim if there else None
        self.pointed_at = None
        self.outlined.emit()
        self.changed.emit()

    def _on_session_painted(self, region: Region) -> None:
        if self._offer is not None:
            self._offer.follow(region)
            self._refresh()

    def _on_session_acted(self, act: Act) -> None:
        """Follow what napari's brush painted, too."""
        if act.name == "paint":
            self._on_session_painted(act.arguments["region"])

    def _on_workspace_switched(self, pair: LayerPair | None) -> None:
        if self._offer is not None and self._offer.pair not in self._workspace:
            self._show(None)
        else:
            self._refresh()

    def _on_viewport_pointed(self) -> None:
        """Tell the quality of the suggestion under the pointer."""
        pair = self._workspace.current
        if self._objects.claim is None or pair is None or not self._viewport.flat:
            return
        one = self._under(pair, pair.position(self._viewport.pointer()))
        if one is not self.pointed_at:
            self.pointed_at = one
            self.outlined.emit()
            if one is None:
                self._reports.resume()
            else:
                self._reports.report(messages.suggestion(one.quality, one.similarity))
            self.changed.emit()

    def _on_layers_traced(self, path: Sequence[Position], primary: bool, done: bool) -> None:
        pair = self._workspace.current
        if pair is None or self._objects.armed != IN_BOX:
            return
        places = [pair.position(world) for world in path]
        if not done:
            self._preview.trace(pair, "box", places)
            return
        self._preview.unmark()
        self._objects.disarm()
        with self._reports.errors():
            self._look(self._ready_pair(), *_boxed(pair, places[0], places[-1]))


def _boxed(pair: LayerPair, first: Position, last: Position) -> tuple[Frame, Region]:
    """The frame of two positions, and the region between them."""
    ndim = pair.session.ndim
    corners = tuple(zip(first[-ndim:], last[-ndim:], strict=True))
    start, stop = (math.floor(min(ends)) for ends in corners), (math.ceil(max(ends)) + 1 for ends in corners)
    region = Region(tuple(start), tuple(stop)).clip(pair.session.labels.shape[-ndim:])
    if not region.size:
        raise ValueError("The rectangle lies outside the image; draw it on the image.")
    return tuple(round(p) for p in first[:-ndim]), region


def _searched(pair: LayerPair, frame: Frame | None, region: Region | None, stop: Stop) -> tuple[Found, float]:
    begun = perf_counter()
    found = pair.session.suggest(frame, region, stop=stop)
    return found, perf_counter() - begun
