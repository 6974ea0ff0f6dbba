"""ClickWidget: the dock widget. It makes the panel and its controller and joins them."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

import napari.settings
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_clickseg.core.jobs import end_threads
from napari_clickseg.gui.controller import Controller
from napari_clickseg.gui.controllers.model_import import ForeignModels, Importer
from napari_clickseg.gui.view.panel import Panel
from napari_clickseg.models.registry import ModelEntry, list_models

if TYPE_CHECKING:
    import napari.viewer

    from napari_clickseg.core.requests import Predictor


PLUGIN = "napari-clickseg"
GROUP = "click_segmentation"


def preference(name: str) -> str | None:
    """Return a setting of the manifest's `configurations`; None where it is not set or napari has none.

    As long as nothing was ever changed there is no file, and napari need not read the manifests of all plugins.
    """
    if not hasattr(napari.settings, "get_plugin_settings"):
        return None
    path = napari.settings.get_settings().config_path
    if isinstance(path, Path) and not (path.parent / f"{PLUGIN}.yaml").exists():
        return None
    known = napari.settings.get_plugin_settings()
    if PLUGIN not in known:
        return None
    value = getattr(getattr(known[PLUGIN], GROUP), name)
    return str(value) if value not in (None, "") else None


class ClickWidget(QWidget):
    """Segment by clicking: open it with an image in the viewer, click on a cell, Enter keeps it.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    models : callable, optional
        Returns what the model picker offers; it is called again whenever that may have changed.
    load : callable, optional
        `load(name, device)` returns a predictor.
    importer : Importer, optional
        Opens and keeps the models that are added.
    """

    def __init__(
        self,
        napari_viewer: napari.viewer.Viewer,
        models: Callable[[], list[ModelEntry]] = list_models,
        load: Callable[[str, str], Predictor] | None = None,
        importer: Importer | None = None,
    ) -> None:
        super().__init__()
        model, device = preference("model"), preference("device") or "auto"
        self.panel = Panel()
        self.controller = Controller(
            napari_viewer,
            self.panel,
            models,
            load or _load_model,
            importer or ForeignModels(),
            model,
            device,
            preference("hover") != "False",
            preference("cellpose_mouse") == "True",
        )
        self.panel.left.connect(self._on_panel_left)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.panel)
        _WIDGETS.add(self)
        self.destroyed.connect(self.controller.abandon)  # with its window: a dock that is closed lets go of us before
        self.controller.open_soon()

    def event(self, event: QEvent) -> bool:
        """Close when taken out of the window, as when the dock is closed; open again when put back."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.controller.close()
                self.panel.first_steps.leave_canvas()
            else:
                self.controller.open_soon()
        return bool(super().event(event))

    def _on_panel_left(self) -> None:
        """Give the keyboard back to the canvas."""
        canvas = self.window().findChild(QOpenGLWidget)
        if canvas is not None:
            canvas.setFocus()


_WIDGETS: WeakSet[ClickWidget] = WeakSet()


@atexit.register  # after Qt was imported, so that it is called before Qt takes its objects apart
def _leave() -> None:
    """Take our widgets apart and end our threads while Qt stands.

    Code that runs while it deletes all objects, on whatever thread, may crash it: garbage of Qt's is collected there.
    """
    for widget in list(_WIDGETS):
        with suppress(RuntimeError):  # where Qt deleted it already
            widget.controller.abandon()
            widget.panel.first_steps.leave_canvas()
            widget.deleteLater()
            QCoreApplication.sendPostedEvents(widget, QEvent.Type.DeferredDelete.value)
    end_threads()


def _load_model(name: str, device: str) -> Predictor:
    """Load a model; what that needs is imported on the thread that first asks."""

    from napari_clickseg.models.load import load_model

    return load_model(name, device)
