"""Objects of other programs in napari's own menus: files open as Labels layers, and layers are saved as files."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_clickseg.core.images import guess_axes
from napari_clickseg.gui.plugin_layers import classes_in, features_of
from napari_clickseg.storage.exports import export_for
from napari_clickseg.storage.exports.frames import Exported

LayerData = tuple[Any, dict[str, Any], str]


def reader_for(path: str | Sequence[str]) -> Callable[[str], list[LayerData]] | None:
    """Return what reads a file as a Labels layer; None where it holds no objects: napari asks the next reader."""
    if not isinstance(path, str) or not _holds_objects(Path(path)):
        return None
    return _read


def write_objects(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Write a Labels layer; return the path written."""
    labels, classes = np.asarray(data), classes_in(attributes.get("features", {}))
    name = str(attributes.get("name", "labels"))
    export_for(path).write(path, Exported(labels, guess_axes(labels.shape), name, classes=classes))
    return [path]


def _read(path: str) -> list[LayerData]:
    export = export_for(path)
    labels, features = export.read(path), features_of(export.read_classes(path))
    return [(labels, {"name": Path(path).name.partition(".")[0], "features": features}, "labels")]


def _holds_objects(path: Path) -> bool:
    """Whether a file is one of ours by what is in it: archives and JSON files are most often something else."""
    suffix = path.suffix.lower()
    if suffix == ".geojson":
        return True
    if suffix == ".zip":
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return any(name.lower().endswith(".roi") for name in archive.namelist())
    if suffix == ".json" and path.is_file():
        with path.open("rb") as file:
            head = file.read(1 << 20)
        return b'"images"' in head and b'"height"' in head
    return False
