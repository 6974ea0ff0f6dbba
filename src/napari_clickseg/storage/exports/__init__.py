"""Exports: labels in the formats of other programs, one module per format, and the table of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_clickseg.storage.exports.frames import Exported


HERE = "napari_clickseg.storage.exports"


@dataclass(frozen=True, slots=True)
class Export:
    """One format.

    Attributes
    ----------
    name : str
        What the command line calls it.
    title : str
        As people know it.
    suffix : str
        How its files end; empty for a folder.
    module : str
        Where it lies in this package.
    reads : bool
        Whether the module has `read(path, shape, axes)`.
    function : str
        What writes it, called with a path and an `Exported`.
    """

    name: str
    title: str
    suffix: str
    module: str
    reads: bool = False
    function: str = "write"

    def write(self, path: str | Path, exported: Exported) -> None:
        """Write labels; see the module for errors."""
        writer: Callable[[Path, Exported], None] = getattr(import_module(f"{HERE}.{self.module}"), self.function)
        writer(Path(path), exported)

    def read(self, path: str | Path, shape: tuple[int, ...] | None = None, axes: str = "") -> Any:
        """Return the labels in a file, shape `shape`, or the smallest that holds its objects."""
        if not self.reads:
            raise ValueError(f"{self.title} is written only; labels are not read from it.")
        return import_module(f"{HERE}.{self.module}").read(Path(path), shape, axes)


EXPORTS: Mapping[str, Export] = {
    export.name: export
    for export in (
        Export("rois", "ImageJ ROIs", ".zip", "imagej_rois", reads=True),
        Export("geojson", "QuPath GeoJSON", ".geojson", "geojson", reads=True),
        Export("coco", "COCO, run-length encoded", ".json", "coco", reads=True),
        Export("yolo", "YOLO polygons", ".txt", "yolo"),
        Export("cellpose", "session of Cellpose", "_seg.npy", "cellpose"),
        Export("geff", "GEFF, graph of tracks", ".geff", "geff_tracks"),
        Export("cellpose-pairs", "pairs to train Cellpose", "", "training_pairs", function="write_cellpose_pairs"),
        Export("stardist-pairs", "pairs to train StarDist", "", "training_pairs", function="write_stardist_pairs"),
    )
}
"""By name."""


def export_for(path: str | Path, name: str | None = None) -> Export:
    """Return the export of this name, or the one that a path's ending stands for.

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
    known = ", ".join(f"{export.suffix} ({export.title})" for export in EXPORTS.values() if export.suffix)
    raise ValueError(f"{Path(path).name} ends in no suffix of an export: {known}; or name one with --format.")
