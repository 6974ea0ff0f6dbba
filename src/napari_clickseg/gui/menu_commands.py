"""Menu commands: each action of the table, for napari's menus and its command palette.

A command opens the panel where it is not open yet. Actions that concern a place wait for a click, as their buttons do.
"""

from __future__ import annotations

from collections.abc import Callable

from napari.viewer import Viewer

from napari_clickseg.gui.actions import ACTIONS
from napari_clickseg.gui.plugin_layers import plain

PLUGIN, PANEL = "napari-clickseg", "Segment by clicking"


def command(name: str) -> Callable[[Viewer], None]:
    """Return a function that does an action of the table in a viewer's panel."""

    def run(viewer: Viewer) -> None:
        _, widget = plain(viewer).window.add_plugin_dock_widget(PLUGIN, PANEL)
        widget.controller.open()
        widget.controller.press(name)

    run.__name__ = name
    return run


globals().update({action.name: command(action.name) for action in ACTIONS})
