"""Sequences: joins what a panel does with many frames: going there, carrying, reviewing, correcting, keeping safe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_clickseg.gui.acts import ObjectActs
from napari_clickseg.gui.carry_acts import CarryActs
from napari_clickseg.gui.carrying import Carrying
from napari_clickseg.gui.correcting import Correcting
from napari_clickseg.gui.desk import Desk
from napari_clickseg.gui.journaling import Journaling
from napari_clickseg.gui.layers import ClickLayers
from napari_clickseg.gui.reviewing import Reviewing
from napari_clickseg.gui.saving import Saving
from napari_clickseg.gui.showing import Showing
from napari_clickseg.gui.shown import Panel
from napari_clickseg.gui.timeline import Timeline
from napari_clickseg.models.registry import ModelEntry

OF_TIMELINE = ("go_to", "choose_along", "name_axis", "set_spacing")
OF_CARRYING = (
    *("carry_forward", "carry_back", "carry_between", "carry_on", "stop_carrying"),
    *("choose_whose", "choose_reach"),
)
OF_REVIEWING = ("next_doubt", "previous_doubt", "go_to_finding", "confirm")
OF_CORRECTING = (
    *("join", "split", "delete", "fill", "relabel", "copy_previous"),
    *("pick_join", "pick_split", "pick_delete", "pick_fill", "pick_relabel", "pick_copy_previous"),
    *("choose_extent", "give_id", "leave_id"),
)
OF_JOURNALS = ("restore", "discard")
OF_SAVING = ("save_labels", "save_session", "write_labels", "write_session")


class Sequences:
    """Mutable owner of the parts.

    Parameters
    ----------
    viewer : napari.Viewer
    panel, desk, layers, acts, showing
        See there.
    list_all : callable
        Returns the models that there are.

    Attributes
    ----------
    owners : dict
        Who answers which request.
    """

    def __init__(
        self,
        viewer: Any,
        panel: Panel,
        desk: Desk,
        layers: ClickLayers,
        acts: ObjectActs,
        showing: Showing,
        list_all: Callable[[], list[ModelEntry]],
    ) -> None:
        shown = panel.sequence
        self._timeline = Timeline(viewer, shown, desk)
        self._carrying = Carrying()
        self._journaling = Journaling(viewer, shown, desk, showing)
        self._saving = Saving(shown, desk, self._journaling, showing, list_all)
        self._reviewing = Reviewing(shown, desk, layers, showing, self._timeline, self._carrying)
        self._correcting = Correcting(panel, desk, acts, showing, self._timeline)
        carry_acts = CarryActs(viewer, shown, desk, acts, showing, self._timeline, self._carrying)
        self._of_frames = (self._carrying, self._reviewing, self._correcting, self._timeline)
        self.owners: dict[str, object] = {
            **dict.fromkeys(OF_TIMELINE, self._timeline),
            **dict.fromkeys(OF_CARRYING, carry_acts),
            **dict.fromkeys(OF_REVIEWING, self._reviewing),
            **dict.fromkeys(OF_CORRECTING, self._correcting),
            **dict.fromkeys(OF_JOURNALS, self._journaling),
            **dict.fromkeys(OF_SAVING, self._saving),
        }

    def open(self) -> None:
        """Start the threads and follow the sliders."""
        for part in (self._journaling, self._saving, *self._of_frames):
            part.open()

    def close(self) -> None:
        """End what runs; what was written stays."""
        for part in (*reversed(self._of_frames), self._saving, self._journaling):
            part.close()

    def call_off(self) -> bool:
        """End a carrying where it stands; return False where nothing is carried."""
        return self._carrying.stop()
