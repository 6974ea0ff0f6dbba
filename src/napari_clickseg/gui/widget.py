"""ClickWidget: the dock widget. It makes the panel and the conductor and joins them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import napari.settings
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_clickseg.core.requests import Predictor
from napari_clickseg.gui.controller import Conductor
from napari_clickseg.gui.controllers.model_import import ForeignModels, Workshop
from napari_clickseg.gui.view.panel import PanelStack
from napari_clickseg.models.load import load_model
from napari_clickseg.models.registry import ModelEntry, list_models

if TYPE_CHECKING:
    import napari.viewer


PLUGIN = "napari-clickseg"
GROUP = "click_segmentation"


def preference(name: str) -> str | None:
    """Return a setting of the manifest's `configurations`; None where it is not set or napari has none."""
    if not hasattr(napari.settings, "get_plugin_settings"):
        return None
    known = napari.settings.get_plugin_settings()
    if PLUGIN not in known:
        return None
    value = getattr(getattr(known[PLUGIN], GROUP), name)
    return str(value) if value else None


class ClickWidget(QWidget):
    """Segment by clicking: open it with an image in the viewer, click on a cell, Enter keeps it.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    models : callable, optional
        Returns what the model picker offers; it is called again whenever that may have changed.
    load : callable, optional
        `load(name, device)` returns a predictor.
    workshop : Workshop, optional
        Who opens and keeps the models that are added.
    """

    def __init__(
        self,
        napari_viewer: napari.viewer.Viewer,
        models: Callable[[], list[ModelEntry]] = list_models,
        load: Callable[[str, str], Predictor] = load_model,
        workshop: Workshop | None = None,
    ) -> None:
        super().__init__()
        model, device = preference("model"), preference("device") or "auto"
        self.panel = PanelStack(device)
        self.conductor = Conductor(napari_viewer, self.panel, models, load, workshop or ForeignModels(), model, device)
        self.panel.requested.connect(self.conductor.answer)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.panel)
        self.destroyed.connect(self.conductor.abandon)  # with its window: a dock that is closed lets go of us before
        self.conductor.open()

    def event(self, event: QEvent) -> bool:
        """Close when taken out of the window, as when the dock is closed; open again when put back."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.conductor.close()
            else:
                self.conductor.open()
        return bool(super().event(event))
