"""Tools: a box, a stroke or a lasso, each armed by its action and drawn by one drag on the canvas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from napari_clickseg.gui.view import messages

if TYPE_CHECKING:
    from napari_clickseg.core.requests import Request
    from napari_clickseg.gui.click_layers import ClickLayers
    from napari_clickseg.gui.controllers.objects import Objects
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.panel_state import Reports
    from napari_clickseg.gui.preview import Preview
    from napari_clickseg.gui.workspace import Workspace

Position = tuple[float, ...]
Path = Sequence[Position]


class Tools:
    """Draws what is traced with an armed tool, and asks for its answer when the button is released.

    A click without a drag stays a click; Esc leaves the tool.

    Parameters
    ----------
    workspace, objects, layers, preview, reports
        Where the pairs are, who holds the armed tool, who follows the mouse, who shows the line, where sentences go.
    """

    def __init__(
        self, workspace: Workspace, objects: Objects, layers: ClickLayers, preview: Preview, reports: Reports
    ) -> None:
        self._workspace = workspace
        self._objects = objects
        self._preview = preview
        self._reports = reports
        self._asks: dict[str, Callable[[LayerPair, Path, bool], Request | None]] = {
            "box": lambda pair, path, _: pair.session.set_box(path[0], path[-1]),
            "lasso": lambda pair, path, _: pair.session.set_lasso(path),
            "stroke": lambda pair, path, positive: pair.session.set_stroke(path, positive),
        }
        layers.traced.connect(self._on_layers_traced)

    # -- actions ---------------------------------------------------------------------------------------------------

    def box(self) -> None:
        """Take a box around the object."""
        self._take("box")

    def stroke(self) -> None:
        """Take a stroke along the object."""
        self._take("stroke")

    def lasso(self) -> None:
        """Take a lasso around the object."""
        self._take("lasso")

    # -- inside ----------------------------------------------------------------------------------------------------

    def _take(self, name: str) -> None:
        """Arm a tool, or leave it where it is armed already."""
        if self._objects.armed == name:
            self._objects.disarm()
        else:
            self._objects.arm(name, None, messages.armed(name))

    def _on_layers_traced(self, path: Path, primary: bool, done: bool) -> None:
        """Show the line while it is drawn; once it is done, ask."""
        name, pair = self._objects.armed, self._workspace.current
        if pair is None or name not in self._asks:
            return
        places = [pair.position(world) for world in path]
        if not done:
            self._preview.trace(pair, name, places)
            return
        self._preview.unmark()
        self._objects.disarm()
        positive = primary != self._objects.flipped
        with self._reports.errors():
            self._objects.when_answered(lambda pair: self._ask(pair, name, places, positive))

    def _ask(self, pair: LayerPair, name: str, places: Path, positive: bool) -> None:
        self._objects.ask(pair, self._asks[name](pair, places, positive))
