"""YOLO polygons: a line per object, its class and its corners as shares of the plane's width and height.

A line holds one polygon, so parts and holes are joined by a line that goes there and back: filled, it encloses nothing.
A plane is one .txt; of a stack or movie, a folder of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_clickseg.storage.atomic import written_whole
from napari_clickseg.storage.exports.frames import Exported, check_new, objects_of

if TYPE_CHECKING:
    from napari_clickseg.core.polygons import Polygon

DIGITS = 8
CLASSES = "classes.txt"


def write(path: Path, exported: Exported) -> None:
    """Write a file per plane, and the names of the classes beside them as `classes.txt`.

    Raises
    ------
    FileExistsError
        Where other classes are named there already, or a plane of a stack or movie has its file.
    """
    names = exported.class_names()
    single = len(exported.shape) == 2
    folder = path.parent if single else path.with_suffix("")
    places = {} if single else {frame: folder / f"{exported.plane_name(frame)}.txt" for frame, _ in exported.planes()}
    check_new(places.values())
    _check_classes(path, folder / CLASSES, names)
    folder.mkdir(parents=True, exist_ok=True)
    for frame, plane in exported.planes():
        lines = []
        for item in objects_of(plane, frame):
            corners = joined(item.polygons()) / exported.shape[-2:]
            numbers = " ".join(f"{value:.{DIGITS}g}" for value in corners[:, ::-1].ravel())
            lines.append(f"{names.index(exported.class_of(item.label))} {numbers}\n")
        with written_whole(places.get(frame, path)) as part:
            part.write_text("".join(lines), "ascii")
    with written_whole(folder / CLASSES) as part:
        part.write_text("".join(f"{name}\n" for name in names), "utf-8")


def _check_classes(path: Path, classes: Path, names: list[str]) -> None:
    """Raise where the numbers of the classes would be given to others than those that a file names already."""
    if path.name == CLASSES:
        raise FileExistsError(f"{CLASSES} is where the names of the classes are written to; name another file.")
    if classes.exists() and classes.read_text("utf-8", errors="replace").split("\n")[:-1] != names:
        raise FileExistsError(f"{classes} is there already and names other classes; name another folder.")


def joined(polygons: list[Polygon]) -> npt.NDArray[np.float64]:
    """Return all rings of an object as one line (n, 2) that crosses between them there and back."""
    first, *others = [ring for part in polygons for ring in (part.outer, *part.holes)]
    line = [*first.tolist(), first[0].tolist()] if others else first.tolist()
    for ring in others:
        line += [*ring.tolist(), ring[0].tolist(), first[0].tolist()]
    return np.array(line, float)
