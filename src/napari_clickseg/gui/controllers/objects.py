"""Acts: what keys, buttons and clicks do to the object being drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_clickseg.core.requests import Request
from napari_clickseg.gui import panel_state as frame_status
from napari_clickseg.gui.click_layers import ClickLayers
from napari_clickseg.gui.layer_pair import Work
from napari_clickseg.gui.panel_state import Showing
from napari_clickseg.gui.plugin_layers import Polarity
from napari_clickseg.gui.preview import LivePreview
from napari_clickseg.gui.view import messages as status
from napari_clickseg.gui.view.messages import telling
from napari_clickseg.gui.view.protocol import Panel, Status
from napari_clickseg.gui.workspace import Desk

if TYPE_CHECKING:
    from napari_clickseg.gui.controllers.models import Answering

Act = Callable[[Work], None]
Pick = Callable[[Work, tuple[float, ...]], None]
"""What to do with the place that is clicked next."""


class ObjectActs:
    """Mutable: what the buttons mean now, and what waits for an answer. Without an image, nothing is done.

    Parameters
    ----------
    viewer : napari.Viewer
        Knows where the cursor is.
    panel, desk, layers, live, answering, showing
        See there.
    """

    def __init__(
        self,
        viewer: Any,
        panel: Panel,
        desk: Desk,
        layers: ClickLayers,
        live: LivePreview,
        answering: Answering,
        showing: Showing,
    ) -> None:
        self._viewer = viewer
        self._panel = panel
        self._desk = desk
        self._layers = layers
        self._live = live
        self._answering = answering
        self._showing = showing
        self._flipped = False
        self._pick: Pick | None = None
        self._after_answer: Act | None = None
        desk.switched.connect(self._on_desk_switched)
        desk.moved.connect(live.renew)
        desk.drawn.connect(self._on_desk_drawn)
        layers.clicked.connect(self._on_layers_clicked)
        layers.selected.connect(desk.bring_back_labels)
        layers.edited.connect(self._on_layers_edited)
        layers.refused.connect(self._on_layers_refused)

    # -- requests --------------------------------------------------------------------------------------------------

    def keep(self) -> None:
        """Keep the object; where its answer is still awaited, as soon as it is there."""
        self.when_answered(self._keep_now)

    def cancel(self) -> None:
        """Let the object disappear; stop waiting for whatever was asked."""
        self._pick = self._after_answer = None
        if self._desk.current is not None:
            self._desk.current.session.cancel()
            self.ask(self._desk.current, None)

    def undo(self) -> None:
        """Go one step back."""
        self._travel(forward=False)

    def redo(self) -> None:
        """Go one step forward."""
        self._travel(forward=True)

    def flip(self) -> None:
        """Swap what the left and the right button mean."""
        self._flipped = not self._flipped
        self._showing.standing(self._flipped)
        self._showing.status(status.flipped(self._flipped))

    def start_new(self) -> None:
        """Keep what is drawn and start a new object."""
        self.when_answered(self._start_new_now)

    def take_up(self) -> None:
        """Take up the object under the cursor."""
        self.under_cursor(self._take_up_now)

    def pick_object(self) -> None:
        """Take up the object that is clicked next: what the button does, as the cursor is on the button then."""
        self.pick(self._take_up_now, status.PICK_OBJECT)

    def choose_positive(self, layer: Any) -> None:
        """Take an existing Points layer's points as clicks on the object."""
        self._choose_points("positive", layer)

    def choose_negative(self, layer: Any) -> None:
        """Take an existing Points layer's points as clicks beside the object."""
        self._choose_points("negative", layer)

    # -- places ----------------------------------------------------------------------------------------------------

    @property
    def picking(self) -> Pick | None:
        """What the next click is awaited for; None where it draws."""
        return self._pick

    def pick(self, what: Pick, words: Status) -> None:
        """Do something at the place that is clicked next, and say so. Esc leaves it."""
        self._pick = what if self._desk.current is not None else None
        if self._pick is not None:
            self._layers.activate()
            self._showing.status(words)

    def under_cursor(self, what: Pick) -> None:
        """Do something at the place under the cursor, after the awaited answer."""
        self._pick = None
        if self._desk.current is not None:
            position = self._desk.current.placement.position(self._viewer.cursor.position)
            self.when_answered(lambda work: what(work, position))

    def when_answered(self, act: Act) -> None:
        """Act now, or after the awaited answer."""
        work = self._desk.current
        if work is None:
            return
        if work.session.pending is None:
            act(work)
        else:
            self._after_answer = act
            self._showing.tell()

    # -- asking ----------------------------------------------------------------------------------------------------

    def ask(self, work: Work, request: Request | None) -> None:
        """Have a question answered, and say so; None where there is nothing to ask any more."""
        self._answering.ask(work, request)
        self._showing.tell()

    def ask_again(self) -> None:
        """Have the clicks already made answered anew."""
        if self._desk.current is not None:
            self.ask(self._desk.current, self._desk.current.session.ask_again())

    def answered(self, work: Work) -> None:
        """Do what waited for the last answer to this object, now that all its answers are there."""
        if work is not self._desk.current:
            return
        self._showing.tell()
        act, self._after_answer = self._after_answer, None
        if act is not None:
            with telling(self._panel):
                act(work)

    def settle(self, work: Work) -> None:
        """Show where things stand after objects were written, and let the next click begin one."""
        self._flipped = False
        self._showing.seconds = None
        work.refresh_thumbnail()
        self._showing.diameter()
        self._showing.standing(self._flipped)
        self._showing.tell()

    def forget_plans(self) -> None:
        """Do nothing after the next answer, as there will be none."""
        self._after_answer = None

    # -- inside ----------------------------------------------------------------------------------------------------

    def _keep_now(self, work: Work) -> None:
        label = work.session.commit()
        self._showing.note = f"Object {label} is kept."
        self.settle(work)

    def _start_new_now(self, work: Work) -> None:
        label, kept = work.session.label, work.session.state.kept
        work.session.start_new()
        if work.session.state.kept > kept:
            self._showing.note = f"Object {label} is kept. This is a new object."
        self.settle(work)

    def _take_up_now(self, work: Work, position: tuple[float, ...]) -> None:
        label = work.label_at(position)
        if not label:
            raise ValueError("There is no object under the cursor; point at one and press W again.")
        self._layers.activate()
        if label == work.session.label and not work.session.state.empty:
            raise ValueError(f"Object {label} is the one being drawn already; click to correct it.")
        if label == work.object_hit():
            work.session.cancel()
        work.session.resume(label, position)
        self._showing.seconds = None
        self._showing.tell()

    def _travel(self, forward: bool) -> None:
        work = self._desk.current
        if work is not None:
            self._after_answer = None
            before = work.session.state
            self.ask(work, work.session.redo() if forward else work.session.undo())
            news = frame_status.travelled(before, work.session.state, forward)
            if news is not None and work.session.state is not before:
                self._showing.hold(news)

    def _choose_points(self, polarity: Polarity, layer: Any) -> None:
        work = self._desk.current
        if work is not None:
            self._layers.choose(polarity, layer)
            self._desk.show_picks()
            self.ask(work, self._read_clicks(work))

    def _read_clicks(self, work: Work) -> Request | None:
        """Give the session the clicks that the layers show; return the question that arises."""
        if not work.counted:
            raise ValueError(f"{work.labels_layer.name!r} is large and still being read; click again in a moment.")
        return work.session.set_clicks(self._layers.read_clicks(work.session.clicks))

    # -- what happened elsewhere -----------------------------------------------------------------------------------

    def _on_layers_clicked(self, world: tuple[float, ...], primary: bool) -> None:
        work = self._desk.current
        if work is None:
            return
        position = work.placement.position(world)
        if self._pick is not None:
            what, self._pick = self._pick, None
            with telling(self._panel):
                self.when_answered(lambda work: what(work, position))
        elif work.label_at(position) is None:
            self._showing.status(status.OUTSIDE)
        else:
            self._layers.add(position, primary != self._flipped)

    def _on_layers_edited(self) -> None:
        work = self._desk.current
        if work is None:
            return
        try:
            request = self._read_clicks(work)
        except ValueError as problem:
            self._showing.status(status.error(problem))
            self._desk.mend_later()
            return
        self._desk.bring_back_labels()
        self._after_answer = None
        self.ask(work, request)

    def _on_layers_refused(self) -> None:
        self._showing.status(status.error(status.FLAT_ONLY))

    def _on_desk_drawn(self, work: Work) -> None:
        self._live.show(work)
        self._showing.standing(self._flipped)

    def _on_desk_switched(self, work: Work | None) -> None:
        self._pick = self._after_answer = None
        self._showing.standing(self._flipped)
        self._showing.diameter()
        if work is None:
            self._live.hide()
            self._showing.tell()
        else:
            self._live.renew(work)
            self.ask(work, work.session.pending)
