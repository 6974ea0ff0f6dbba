"""Saving: labels and click logs go to files in the background, and saved labels come back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_clickseg.gui.view import layer_messages, messages
from napari_clickseg.models.registry import SUFFIX
from napari_clickseg.review.object_features import as_csv, measure
from napari_clickseg.storage.atomic import written_whole
from napari_clickseg.storage.output_checks import folder_of, holds, in_labels_group, name_of, same, usable_folder
from napari_clickseg.storage.paths import learned_folder
from napari_clickseg.storage.read_labels import read_labels
from napari_clickseg.storage.recovery import recover
from napari_clickseg.storage.session_file import Past, save_session
from napari_clickseg.storage.tables import read_classes, read_table
from napari_clickseg.storage.write_labels import write_labels

if TYPE_CHECKING:
    from napari_clickseg.core.geometry import Geometry
    from napari_clickseg.core.jobs import Outcome, Stop
    from napari_clickseg.core.object_classes import Classes
    from napari_clickseg.gui.background import Background, Ticket
    from napari_clickseg.gui.controllers.recovery import Recovery
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.panel_state import Reports
    from napari_clickseg.gui.view.protocol import PathKind
    from napari_clickseg.gui.workspace import Workspace
    from napari_clickseg.models.registry import ModelEntry
    from napari_clickseg.storage.event_log import Journal

NAMES: dict[PathKind, str] = {
    "labels": "{} objects.tif",
    "click log": "{} clicks.json",
    "open labels": "{} objects.tif",
}
"""How files are called that are saved for an image."""
TABLE, TABLE_BEGINS = "{} measurements.csv", b"label"
"""How the table is called that is saved with labels, and what tells it from other files."""
SAVED_AS = ("{} objects.tif", "{} objects.ome.zarr", "{} objects.zarr", "{} objects.png", "{} objects.npy")
"""Where saved labels are looked for beside an image."""


class Saving:
    """Mutable: knows whether a file is being written. One at a time is.

    Parameters
    ----------
    workspace, recovery, background, reports
        Where the pairs are, who has their journals, on which thread files are written, where sentences go.
    list_all : callable
        Returns the models that there are; a click log names the weights of those that answered.
    ask_path : callable
        Asks the user for a file's name.
    measures : callable
        Returns whether a table of measurements is saved with labels.
    """

    def __init__(
        self,
        workspace: Workspace,
        recovery: Recovery,
        background: Background,
        reports: Reports,
        list_all: Callable[[], list[ModelEntry]],
        ask_path: Callable[[PathKind, str], None],
        measures: Callable[[], bool] = lambda: False,
    ) -> None:
        self._workspace = workspace
        self._recovery = recovery
        self._background = background
        self._reports = reports
        self._list_all = list_all
        self._ask_path = ask_path
        self._measures = measures
        self._ticket: Ticket | None = None
        self._beside: Path | None = None
        self._saved_to: Path | None = None
        self._opened_from: Path | None = None
        workspace.switched.connect(self._on_workspace_switched)

    @property
    def busy(self) -> bool:
        """Whether a file is being written."""
        return self._ticket is not None and self._ticket.busy

    @property
    def unsaved(self) -> int:
        """How many changes of the current labels are in no file yet."""
        pair = self._workspace.current
        return 0 if pair is None else self._recovery.journal(pair).unsaved

    # -- requests --------------------------------------------------------------------------------------------------

    def save_labels(self) -> None:
        """Ask where the labels are to go."""
        self._ask("labels")

    def export_log(self) -> None:
        """Ask where the click log is to go."""
        self._ask("click log")

    def open_labels(self) -> None:
        """Ask which labels are to be opened."""
        self._ask("open labels")

    def open_saved(self) -> None:
        """Open the labels that lie beside the image."""
        if self._beside is not None:
            self._open(self._beside)

    def answer(self, kind: PathKind, path: Path) -> None:
        """Take the file that was chosen."""
        {"labels": self.write_labels, "click log": self.write_log, "open labels": self._open}[kind](path)

    def write_labels(self, path: Path) -> None:
        """Write the labels as they are now.

        Raises
        ------
        ValueError
            Where the file is one that is open, or a table would be written over a file that is none.
        """
        pair = self._free_pair()
        _check_not_open(path, pair, [option.value for option in self._workspace.picks().images])
        labels, geometry = pair.session.labels, pair.placement.geometry
        job: Callable[[Stop], None] = partial(_labels_written, path, labels, geometry)
        if self._measures() or pair.session.classes:
            table = _table_of(path)
            _check_table(table)
            job = partial(_measured_too, job, table, pair)
        self._write("labels", path, pair, job)

    def write_log(self, path: Path) -> None:
        """Write what was done in the session so far, as its journal has it.

        Raises
        ------
        ValueError
            Where its journal cannot be written, and so has nothing.
        """
        pair = self._free_pair()
        journal = self._recovery.journal(pair)
        if journal.problem:
            raise ValueError(f"The click log cannot be written without the journal. {journal.problem}")
        self._write("click log", path, pair, partial(_log_written, path, pair, journal, self._list_all))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _ask(self, kind: PathKind) -> None:
        pair = self._free_pair()
        own, labels = _path_of(pair.image_layer), _path_of(pair.labels_layer)
        folder = usable_folder(
            (folder_of(own), folder_of(labels), self._saved_to, self._opened_from, _working_folder())
        )
        self._ask_path(kind, str(folder / NAMES[kind].format(name_of(own, pair.image_name))))

    def _free_pair(self) -> LayerPair:
        if self._workspace.current is None:
            raise ValueError("There is nothing to save yet; open an image first.")
        if self.busy:
            raise ValueError("A file is still being written; save again when it is there.")
        return self._workspace.current

    def _write(self, kind: PathKind, path: Path, pair: LayerPair, job: Callable[[Stop], None]) -> None:
        journal = self._recovery.journal(pair)
        self._reports.report(messages.writing(path.name))
        receive = partial(self._on_written, kind, path, pair, journal.unsaved)
        self._ticket = self._background.files.submit(job, receive)

    def _on_written(self, kind: PathKind, path: Path, pair: LayerPair, unsaved: int, outcome: Outcome) -> None:
        whole = pair not in self._workspace or self._recovery.journal(pair).unsaved == unsaved
        if outcome.error is not None:
            self._reports.report(messages.not_saved(outcome.error))
            return
        self._saved_to = path.parent
        if whole and kind == "labels":
            self._recovery.saved(pair)
        self._reports.report(messages.saved(path.name, whole))

    def _open(self, path: Path) -> None:
        self._reports.report(messages.reading(path.name))
        self._background.files.submit(partial(_labels_read, path), partial(self._on_read, path))

    def _on_read(self, path: Path, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._reports.report(messages.not_read(path.name, outcome.error))
            return
        with self._reports.errors():
            labels, classes = outcome.value
            self._workspace.add_labels(labels, path.stem, classes)

    def _on_workspace_switched(self, pair: LayerPair | None) -> None:
        """Offer the labels that were saved for an image that has none yet."""
        self._beside = None
        if pair is not None:
            self._opened_from = folder_of(_path_of(pair.image_layer)) or self._opened_from
        if pair is not None and pair.made and not pair.session.step:
            self._beside = next((path for path in _saved_for(pair.image_layer) if path.exists()), None)
            if self._beside is not None:
                self._reports.hold(layer_messages.saved_labels(self._beside.name))


def _working_folder() -> Path | None:
    """The folder that the program was started in, where somebody has chosen it: not the root of all."""
    here = Path.cwd()
    return None if here == Path(here.anchor) else here


def _path_of(layer: Any) -> str | None:
    """The file of a layer, or of the layer that it is a copy of."""
    source = layer.source
    parent = getattr(source, "parent", None)
    if not source.path and parent is not None and parent() is not None:
        return _path_of(parent())
    return source.path or None


def _saved_for(layer: Any) -> list[Path]:
    path, folder = _path_of(layer), folder_of(_path_of(layer))
    names = {name_of(path, layer.name), Path(path).stem} if path else set()
    return [] if folder is None else [folder / pattern.format(name) for name in sorted(names) for pattern in SAVED_AS]


def _check_not_open(path: Path, pair: LayerPair, images: Iterable[Any]) -> None:
    """Refuse to write over an image, or over labels that are drawn straight into their file."""
    open_files = [(_path_of(layer), f"the image {layer.name!r}") for layer in images]
    if type(pair.session.labels) is not np.ndarray:
        open_files.append((pair.labels_layer.source.path, "the labels that are drawn into now"))
    for name, what in open_files:
        inside_labels = in_labels_group(path) and what.startswith("the image")
        if name and folder_of(name) is not None:
            own = Path(name)
            if same(own, path) or holds(path, own) or (holds(own, path) and not inside_labels):
                raise ValueError(f"{path.name} is the file of {what}; choose another name.")


def _check_table(path: Path) -> None:
    """Refuse to write measurements over a file that is no table of them."""
    if path.exists() and not _is_table(path):
        raise ValueError(f"{path.name} is there already and is no table of measurements; save under another name.")


def _table_of(labels: Path) -> Path:
    """Where the table of measurements and classes lies that is saved with labels."""
    return labels.with_name(TABLE.format(name_of(str(labels), labels.stem)))


def _is_table(path: Path) -> bool:
    return path.is_file() and path.read_bytes().startswith(TABLE_BEGINS)


# -- jobs: on the thread of files --------------------------------------------------------------------------------------


def _labels_written(path: Path, labels: Any, geometry: Geometry, stop: Stop) -> None:
    write_labels(path, labels, geometry.axes, geometry=geometry)


def _measured_too(write: Callable[[Stop], None], table: Path, pair: LayerPair, stop: Stop) -> None:
    """Write the labels, and a table of all their objects on all frames beside them."""
    write(stop)
    session = pair.session
    rows = list(measure(session.image, session.labels, session.ndim, session.classes))
    with written_whole(table) as part:
        part.write_text(as_csv(rows), "utf-8")


def _labels_read(path: Path, stop: Stop) -> tuple[Any, Classes]:
    """The labels, and the classes in the table that was saved with them."""
    labels, table = np.array(read_labels(path, background=0).array), _table_of(path)
    if not _is_table(table) or "class" not in read_table(table).columns:
        return labels, {}
    return labels, read_classes(table)


def _log_written(
    path: Path, pair: LayerPair, journal: Journal, list_all: Callable[[], list[ModelEntry]], stop: Stop
) -> None:
    journal.wait()
    recorded = recover(journal.path)
    past = Past(pair.session, recorded.began, recorded.highest, recorded.classes, recorded.entries)
    weights = {entry.name: entry.path for entry in list_all() if entry.path is not None}
    weights |= {path.stem: path for path in learned_folder().glob(f"learned-*{SUFFIX}")}
    save_session(path, past, _path_of(pair.image_layer), weights)
