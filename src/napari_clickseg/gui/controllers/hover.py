"""Hover: where the pointer rests, the mask that a click would give is shown, as long as the model is sure of it.

It never blocks and never writes: the thread that answers clicks looks ahead while nobody has clicked, and a click ends
that at once.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_clickseg.core.clicks import Click
from napari_clickseg.core.requests import Request
from napari_clickseg.gui.view import messages

if TYPE_CHECKING:
    from napari_clickseg.core.jobs import Outcome
    from napari_clickseg.core.masks import Prediction
    from napari_clickseg.gui.background import Background, Ticket
    from napari_clickseg.gui.controllers.models import Models
    from napari_clickseg.gui.controllers.objects import Objects
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.panel_state import Reports
    from napari_clickseg.gui.preview import Preview
    from napari_clickseg.gui.viewport import Viewport
    from napari_clickseg.gui.workspace import Workspace

REST_MS = 80
"""The pointer rests where it did not move for so long."""
LOOSE, TIGHT = 0.35, 0.65
"""A mask is sure where its area hardly changes between these thresholds ..."""
SURE = 0.6
"""... the smaller area being at least this share of the larger one."""


class Hover:
    """Mutable: whether masks are shown ahead of clicks, and for which place.

    Parameters
    ----------
    workspace, objects, models, viewport, background, preview, reports
        Where the pairs are, whether a tool is armed, who answers, where the pointer is, on which thread, who draws the
        outline, where sentences go.
    enabled : bool
        As the settings have it.
    """

    def __init__(
        self,
        workspace: Workspace,
        objects: Objects,
        models: Models,
        viewport: Viewport,
        background: Background,
        preview: Preview,
        reports: Reports,
        enabled: bool = True,
    ) -> None:
        self._workspace = workspace
        self._objects = objects
        self._models = models
        self._viewport = viewport
        self._background = background
        self._preview = preview
        self._reports = reports
        self._open = False
        self._moves = 0
        self._ticket: Ticket | None = None
        self.enabled = enabled
        viewport.pointed.connect(self._on_viewport_pointed)
        viewport.moved.connect(self._forget)
        viewport.left.connect(self._forget)
        viewport.stepped.connect(self._forget)
        workspace.drawn.connect(self._forget)
        workspace.moved.connect(self._forget)
        workspace.switched.connect(self._forget)

    def open(self) -> None:
        """Look ahead from now on."""
        self._open = True

    def close(self) -> None:
        """Look ahead no more."""
        self._open = False
        self._forget()

    def toggle_hover(self) -> None:
        """Switch it on or off."""
        self.enabled = not self.enabled
        self._forget()
        self._reports.report(messages.hovering(self.enabled))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _on_viewport_pointed(self) -> None:
        self._forget()
        if self._open and self.enabled:
            self._background.later(REST_MS, partial(self._rest, self._moves))

    def _rest(self, moves: int) -> None:
        """Ask what a click would give, where the pointer did not move since and a click would begin an object."""
        pair = self._workspace.current
        if moves != self._moves or not self._open or pair is None or not self._would_begin(pair):
            return
        position = pair.position(self._viewport.pointer())
        if pair.label_at(position) != 0:
            return
        click = Click(position)
        request = Request(click.frame(pair.session.ndim), (click,), diameter=pair.session.known_diameter)
        job = partial(pair.session.run, request)
        self._ticket = self._background.answers.submit(job, partial(self._on_answer, pair, request, moves))

    def _would_begin(self, pair: LayerPair) -> bool:
        """Whether the next click begins an object."""
        session = pair.session
        idle = session.state.empty and session.pending is None and not self._objects.queued
        calm = not self._objects.armed and not self._objects.flipped and not self._workspace.in_the_way()
        return idle and calm and self._models.loaded is not None and session.ndim == 2 and self._viewport.flat

    def _on_answer(self, pair: LayerPair, request: Request, moves: int, outcome: Outcome) -> None:
        wanted = moves == self._moves and pair is self._workspace.current and self._would_begin(pair)
        if wanted and outcome.error is None and is_sure(outcome.value):
            self._preview.show_ahead(pair, request.frame, outcome.value)

    def _forget(self, *args: object) -> None:
        """What was looked at is not under the pointer any more."""
        self._moves += 1
        if self._ticket is not None:
            self._ticket.cancel()
            self._ticket = None
        self._preview.hide_ahead()


def is_sure(prediction: Prediction) -> bool:
    """Return whether a mask hardly depends on where its threshold lies.

    >>> from napari_clickseg.core.regions import Region
    >>> from napari_clickseg.core.masks import Prediction
    >>> certain = Prediction.from_mask(np.eye(3, dtype=bool), Region((0, 0), (3, 3)))
    >>> is_sure(certain), is_sure(Prediction(certain.region, np.zeros((3, 3), np.float32)))
    (True, False)
    """
    tight, loose = (int(np.count_nonzero(prediction.mask(threshold))) for threshold in (TIGHT, LOOSE))
    return tight > 0 and tight >= SURE * loose
