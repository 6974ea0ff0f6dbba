"""ImageJ ROIs: a .zip with one region per object and plane, as the ROI manager opens and saves it.

Objects with holes or in several parts are composite regions. Names are `object ID`; the class is the region's property
`class`, and ImageJ's group by its number. Places along z and time are ImageJ's own (from 1 on).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.polygons import Polygon, fill
from napari_clickseg.storage.atomic import written_whole
from napari_clickseg.storage.exports.frames import Exported, PlaneObject, common_shape, draw

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame

NAMED = re.compile(r"object (\d+)")
CLASS = re.compile(r"^class: ?(.+)$", re.MULTILINE)
LAST_GROUP = 255
"""ImageJ knows groups from 1 to this."""
MOVE, LINE, CLOSE = 0.0, 1.0, 4.0
"""What the numbers before each corner of a composite region mean."""


def write(path: Path, exported: Exported) -> None:
    """Write the regions of all objects."""
    with written_whole(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, item in enumerate(exported.objects(), 1):
            archive.writestr(f"{number:06d} object {item.label}.roi", _region(item, exported).tobytes())


def read_classes(path: Path) -> dict[int, str]:
    """Return the class of each object that has one: the property `class` of its region, else its group's number.

    Raises as `read`.
    """
    found = ((label, _class_of(region)) for label, region, _ in _regions(path))
    return {label: name for label, name in found if name}


def read(path: Path, shape: tuple[int, ...] | None = None, axes: str = "") -> npt.NDArray[Any]:
    """Return the regions as labels: ids from names as we write them, else numbered in the file's order.

    Raises
    ------
    ValueError
        Where the file holds no regions with an area.
    """
    found = _regions(path)
    if shape is None:
        corners = (((), *np.ceil(np.concatenate(rings).max(axis=0)).astype(int).tolist()) for _, _, rings in found)
        shape = common_shape(iter(corners))
    labels = np.zeros(shape, np.uint32)
    for label, region, rings in found:
        draw(labels, _frame_of(region, shape, axes), label, fill(rings, (shape[-2], shape[-1])))
    return labels


def _regions(path: Path) -> list[tuple[int, Any, list[npt.NDArray[Any]]]]:
    """The id, the region and the rings (y, x) of each region with an area.

    Raises
    ------
    ValueError
        Where there is none.
    """
    import struct

    import roifile

    try:
        regions = roifile.roiread(path)
    except (zipfile.BadZipFile, ValueError, struct.error) as error:
        raise ValueError(f"{path.name} holds no ImageJ ROIs ({error}).") from error
    found = []
    for number, region in enumerate(regions if isinstance(regions, list) else [regions], 1):
        rings = [np.asarray(ring, float)[:, ::-1] for ring in region.coordinates(multi=True) if len(ring) > 2]
        if rings:
            named = NAMED.search(region.name or "")
            found.append((int(named.group(1)) if named else number, region, rings))
    if not found:
        raise ValueError(f"{path.name} holds no ImageJ ROIs that enclose an area.")
    return found


def _class_of(region: Any) -> str:
    named = CLASS.search(region.props or "")
    return named.group(1).strip() if named else f"group {region.group}" if region.group else ""


def _region(item: PlaneObject, exported: Exported) -> Any:
    import roifile

    polygons = item.polygons()
    if len(polygons) == 1 and not polygons[0].holes:
        region = roifile.ImagejRoi.frompoints(polygons[0].outer[:, ::-1].astype(np.float32))
    else:
        region = _composite(polygons)
    region.name = f"object {item.label}"
    if item.label in exported.classes:
        name = exported.classes[item.label]
        region.props = f"class: {name}\n"
        region.group = min(exported.class_names().index(name) + 1, LAST_GROUP)
    leading = exported.axes[:-2]
    for axis, index in zip(leading, item.frame, strict=True):
        if axis in ("Z", "T"):
            setattr(region, f"{axis.lower()}_position", index + 1)
    if len(item.frame) == 1:
        region.position = item.frame[0] + 1
    return region


def _composite(polygons: Sequence[Polygon]) -> Any:
    import roifile

    path: list[float] = []
    rings = [ring for part in polygons for ring in (part.outer, *part.holes)]
    for ring in rings:
        for k, (y, x) in enumerate(ring.tolist()):
            path += [LINE if k else MOVE, x, y]
        path.append(CLOSE)
    corners = np.concatenate(rings)
    (top, left), (bottom, right) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return roifile.ImagejRoi(
        roitype=roifile.ROI_TYPE.RECT,
        top=top,
        left=left,
        bottom=bottom,
        right=right,
        shape_roi_size=len(path),
        multi_coordinates=np.array(path, np.float32),
    )


def _frame_of(region: Any, shape: tuple[int, ...], axes: str) -> Frame:
    """The plane that a region lies on; the first along axes that it does not name."""
    counts = shape[:-2]
    if len(counts) == 1 and region.position > 0:
        return (min(region.position, counts[0]) - 1,)
    letters = axes[: len(counts)].rjust(len(counts))
    places = [getattr(region, f"{axis.lower()}_position", 0) if axis in "ZT" else 0 for axis in letters]
    return tuple(min(max(place, 1), n) - 1 for place, n in zip(places, counts, strict=True))
