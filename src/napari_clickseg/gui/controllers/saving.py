"""Saving: labels and sessions go to files in the background; what was saved is not offered back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_clickseg.core.geometry import Geometry
from napari_clickseg.core.jobs import Outcome, Stop
from napari_clickseg.gui.background import Background
from napari_clickseg.gui.controllers.recovery import Journaling
from napari_clickseg.gui.layer_pair import Work
from napari_clickseg.gui.panel_state import Showing
from napari_clickseg.gui.view import messages as frame_status
from napari_clickseg.gui.view.protocol import SequencePanel
from napari_clickseg.gui.workspace import Desk
from napari_clickseg.models.registry import ModelEntry
from napari_clickseg.storage.event_log import Journal
from napari_clickseg.storage.recovery import recover
from napari_clickseg.storage.session_file import Past, save_session
from napari_clickseg.storage.write_labels import write_labels

Kind = Literal["labels", "session"]
NAMES: dict[Kind, str] = {"labels": "{} objects.tif", "session": "{} session.json"}
"""How files are called that are saved for an image."""


class Saving:
    """Mutable: knows whether a file is being written. One at a time is.

    Parameters
    ----------
    panel, desk, journaling, showing
        See there.
    list_all : callable
        Returns the models that there are; a session file names the weights of those that answered.
    """

    def __init__(
        self,
        panel: SequencePanel,
        desk: Desk,
        journaling: Journaling,
        showing: Showing,
        list_all: Callable[[], list[ModelEntry]],
    ) -> None:
        self._panel = panel
        self._desk = desk
        self._journaling = journaling
        self._showing = showing
        self._list_all = list_all
        self._background = Background("clickseg-saving")

    def open(self) -> None:
        """Start the thread that writes."""
        self._background.open()

    def close(self) -> None:
        """Let what is being written come to its end; nobody is told any more."""
        self._background.close()

    # -- requests --------------------------------------------------------------------------------------------------

    def save_labels(self) -> None:
        """Ask where the labels are to go."""
        self._ask("labels")

    def save_session(self) -> None:
        """Ask where the session is to go."""
        self._ask("session")

    def write_labels(self, path: Path) -> None:
        """Write the labels as they are now.

        Raises
        ------
        ValueError
            Where the file is one that is open.
        """
        work = self._free_work()
        _check_not_open(path, work)
        labels, geometry = work.session.labels, work.placement.geometry
        self._write("labels", path, work, partial(_labels_written, path, labels, geometry))

    def write_session(self, path: Path) -> None:
        """Write what was done in the session so far, as its journal tells it.

        Raises
        ------
        ValueError
            Where its journal cannot be written, and so tells nothing.
        """
        work = self._free_work()
        journal = self._journaling.journal(work)
        if journal.problem:
            raise ValueError(f"The session cannot be saved without its journal. {journal.problem}")
        self._write("session", path, work, partial(_session_written, path, work, journal, self._list_all))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _ask(self, kind: Kind) -> None:
        source = _source(self._free_work().image_layer)
        self._panel.ask_path(kind, str(source.with_name(NAMES[kind].format(source.stem))))

    def _free_work(self) -> Work:
        if self._desk.current is None:
            raise ValueError("There is nothing to save yet; open an image first.")
        if self._background.busy:
            raise ValueError("A file is still being written; save again when it is there.")
        return self._desk.current

    def _write(self, kind: Kind, path: Path, work: Work, job: Callable[[Stop], None]) -> None:
        journal = self._journaling.journal(work)
        self._showing.status(frame_status.writing(path.name))
        self._background.submit(job, partial(self._on_written, kind, path, work, journal.unsaved))

    def _on_written(self, kind: Kind, path: Path, work: Work, unsaved: int, outcome: Outcome) -> None:
        whole = work not in self._desk or self._journaling.journal(work).unsaved == unsaved
        if outcome.error is not None:
            self._showing.status(frame_status.not_saved(outcome.error))
            return
        if whole and kind == "labels":
            self._journaling.saved(work)
        self._showing.status(frame_status.saved(path.name, whole))


def _source(layer: Any) -> Path:
    """The image's file; where it has none, one of the layer's name in the user's own folder."""
    path = getattr(layer.source, "path", None)
    return Path(path) if path else Path.home() / layer.name.replace("/", "-")


def _check_not_open(path: Path, work: Work) -> None:
    """Refuse to write over the image, or over labels that are drawn straight into their file."""
    open_files = {work.image_layer.source.path: "the image"}
    if type(work.session.labels) is not np.ndarray:
        open_files[work.labels_layer.source.path] = "the labels that are drawn into now"
    for name, what in open_files.items():
        if name and Path(name).resolve() in (path.resolve(), *path.resolve().parents):
            raise ValueError(f"{path.name} is the file of {what}; choose another name.")


# -- jobs: on the worker's thread --------------------------------------------------------------------------------------


def _labels_written(path: Path, labels: Any, geometry: Geometry, stop: Stop) -> None:
    write_labels(path, labels, geometry.axes, geometry=geometry)


def _session_written(
    path: Path, work: Work, journal: Journal, list_all: Callable[[], list[ModelEntry]], stop: Stop
) -> None:
    journal.wait()
    told = recover(journal.path)
    past = Past(work.session, told.began, told.highest, told.entries)
    weights = {entry.name: entry.path for entry in list_all() if entry.path is not None}
    save_session(path, past, work.image_layer.source.path, weights)
