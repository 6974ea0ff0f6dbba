"""Exports: labels in the formats of other programs, one module each; the table of formats says which there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_clickseg.storage.formats import FORMATS, Format

if TYPE_CHECKING:
    from napari_clickseg.storage.exports.frames import Exported

HERE = "napari_clickseg.storage.exports"
WRITERS = {
    "rois": "imagej_rois.write",
    "geojson": "geojson.write",
    "coco": "coco.write",
    "yolo": "yolo.write",
    "cellpose": "cellpose.write",
    "geff": "geff_tracks.write",
    "cellpose-pairs": "training_pairs.write_cellpose_pairs",
    "stardist-pairs": "training_pairs.write_stardist_pairs",
}
"""What writes each kind: a module of this package and its function, called with a path and an `Exported`."""


@dataclass(frozen=True, slots=True)
class Export:
    """A format that labels are exported to.

    Where objects are read from it, its module has `read(path, shape, axes)` and `read_classes(path)`, too.
    """

    form: Format

    @property
    def suffix(self) -> str:
        return self.form.suffix

    @property
    def name(self) -> str:
        """What the command line calls it."""
        return self.form.kind

    @property
    def title(self) -> str:
        """As people know it."""
        return self.form.name

    def write(self, path: str | Path, exported: Exported) -> None:
        """Write labels; see the module for errors."""
        module, _, function = WRITERS[self.name].partition(".")
        writer: Callable[[Path, Exported], None] = getattr(import_module(f"{HERE}.{module}"), function)
        writer(Path(path), exported)

    def read(self, path: str | Path, shape: tuple[int, ...] | None = None, axes: str = "") -> Any:
        """Return the labels in a file, shape `shape`, or the smallest that holds its objects.

        Raises
        ------
        ValueError
            Where the file holds no such objects, or is damaged.
        """
        labels = self._read("read", path, shape, axes)
        return labels

    def read_classes(self, path: str | Path) -> dict[int, str]:
        """Return the class of each object in a file that has one, by the id that `read` gives it; raises as `read`."""
        classes: dict[int, str] = self._read("read_classes", path)
        return classes

    def _read(self, function: str, path: str | Path, *arguments: Any) -> Any:
        if not self.form.imports:
            raise ValueError(f"{self.title} is written only; labels are not read from it.")
        from napari_clickseg.storage.content import UNREADABLE  # with numpy, which tables and help do without

        reader = getattr(import_module(f"{HERE}.{WRITERS[self.name].partition('.')[0]}"), function)
        try:
            return reader(Path(path), *arguments)
        except MemoryError:
            raise ValueError(f"{path} describes an image that does not fit into memory.") from None
        except UNREADABLE as error:
            if Path(path).name in str(error):  # a sentence on the file
                raise
            said = " ".join(str(error).split()).rstrip(".")
            raise ValueError(f"{path} cannot be read as {self.title}: {said}.") from error


EXPORTS: Mapping[str, Export] = {form.kind: Export(form) for form in FORMATS if form.exports}
"""By name."""


WITH_CLASSES = {"rois", "geojson", "coco", "yolo"}
"""Kinds that hold the class of each object."""
ALSO = {"geojson": (".json",)}
"""Endings besides the usual one, by kind."""


def check_ending(path: Path, export: Export) -> None:
    """Raise ValueError where a file's name ends as those of another format do."""
    ending = path.name.lower()
    if not export.suffix or ending.endswith((export.suffix, *ALSO.get(export.name, ()))):
        return
    other = next((form.name for form in FORMATS for end in form.suffixes if ending.endswith(end)), None)
    if other is not None:
        raise ValueError(
            f"{path.name} is named as {other}, but would hold {export.title}; let its name end in {export.suffix}."
        )


def export_for(path: str | Path, name: str | None = None, reads: bool = False) -> Export:
    """Return the export of this name, or the one that a path's ending stands for.

    Parameters
    ----------
    reads : bool
        Whether a sentence names those alone that labels are read from.

    Raises
    ------
    ValueError
        Where there is none, with those that there are.

    Examples
    --------
    >>> export_for("cells.geojson").title
    'QuPath GeoJSON'
    """
    if name is not None:
        if name not in EXPORTS:
            raise ValueError(f"There is no export {name!r}; there are {', '.join(EXPORTS)}.")
        return EXPORTS[name]
    ending = str(path).lower()
    for export in EXPORTS.values():
        if export.suffix and ending.endswith(export.suffix):
            return export
    listed = [export for export in EXPORTS.values() if export.suffix and (export.form.imports or not reads)]
    known = ", ".join(f"{export.suffix} ({export.title})" for export in listed)
    what = "a file to import" if reads else "an export"
    raise ValueError(f"{Path(path).name} ends in no suffix of {what}: {known}; or name one with --format.")
