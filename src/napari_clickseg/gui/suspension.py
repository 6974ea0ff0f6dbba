"""Suspension: what a panel that is closed leaves to the next one in the same viewer, so that undo goes on there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari_clickseg.core.jobs import start_thread
from napari_clickseg.gui.plugin_layers import plain

if TYPE_CHECKING:
    from napari_clickseg.gui.controllers.models import LatePredictor
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.storage.event_log import Journal


@dataclass(frozen=True, slots=True, eq=False)
class Suspended:
    """What one panel worked on, to be gone on with by the next one.

    Attributes
    ----------
    journals : tuple of (LayerPair, Journal)
        The pairs in which something was done, the one that was worked on last at the end; their journals go on.
    model : LatePredictor or None
        Who answered.
    """

    journals: tuple[tuple[LayerPair, Journal], ...] = ()
    model: LatePredictor | None = None

    @property
    def pairs(self) -> tuple[LayerPair, ...]:
        """The pairs alone."""
        return tuple(pair for pair, _ in self.journals)

    def of_image(self, image: Any, among: Sequence[LayerPair]) -> LayerPair | None:
        """Return the pair of an image (None: of any) that was worked on last, of those among these; None without."""
        pairs = (pair for pair in reversed(self.pairs) if pair in among)
        return next((pair for pair in pairs if image is None or pair.image_layer is image), None)


NOTHING = Suspended()


class Suspension:
    """Mutable owner of what is suspended in one viewer. A pair ends with either of its layers, and so does its journal.

    Parameters
    ----------
    layers : napari.components.LayerList
        The layers of the viewer.
    """

    def __init__(self, layers: Any) -> None:
        self._suspended = NOTHING
        layers.events.removed.connect(self._on_layers_removed)

    def put(self, suspended: Suspended) -> None:
        """Keep this until the next panel takes it; nothing in it may hold on to the panel."""
        self._suspended = suspended

    def take(self) -> Suspended:
        """Return what is suspended, and keep it no longer."""
        taken, self._suspended = self._suspended, NOTHING
        return taken

    def _on_layers_removed(self, event: Any) -> None:
        layer, going_on = plain(event.value), []
        for pair, journal in self._suspended.journals:
            if layer is pair.image_layer or layer is pair.labels_layer:
                start_thread(journal.close, "clickseg-ended")
            else:
                going_on.append((pair, journal))
        self._suspended = replace(self._suspended, journals=tuple(going_on))


_IN_VIEWERS: WeakKeyDictionary[Any, Suspension] = WeakKeyDictionary()
"""By the layers of each viewer: a panel is made anew each time, and knows nothing but its viewer."""


def suspension_of(viewer: Any) -> Suspension:
    """Return what belongs to a viewer, for all of its panels the same."""
    if viewer.layers not in _IN_VIEWERS:
        _IN_VIEWERS[viewer.layers] = Suspension(viewer.layers)
    return _IN_VIEWERS[viewer.layers]
