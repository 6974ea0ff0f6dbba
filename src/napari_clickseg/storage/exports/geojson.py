"""GeoJSON as QuPath reads and writes it: one feature per object and plane, in pixels, x before y."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.polygons import Polygon, fill
from napari_clickseg.storage.atomic import written_whole
from napari_clickseg.storage.content import read_json, why
from napari_clickseg.storage.exports.frames import Exported, PlaneObject, common_shape, draw

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame

SIZE = "imageShape"
"""Member of the collection that holds the shape of the labels; readers of GeoJSON pass over what they do not know."""


class Shape(NamedTuple):
    """A feature: its id, the plane, its rings (y, x), and the name of its class, "" for none."""

    label: int
    plane: dict[str, int]
    rings: list[npt.NDArray[Any]]
    name: str


def write(path: Path, exported: Exported) -> None:
    """Write all objects as annotations."""
    features = [_feature(item, exported) for item in exported.objects()]
    collection = {"type": "FeatureCollection", SIZE: list(exported.shape), "features": features}
    with written_whole(path) as part:
        part.write_text(json.dumps(collection), "utf-8")


def read(path: Path, shape: tuple[int, ...] | None = None, axes: str = "") -> npt.NDArray[Any]:
    """Return polygons as labels: ids from whole numbers as names, else numbered in the file's order.

    Raises
    ------
    ValueError
        Where it is no GeoJSON, or holds no polygons.
    """
    content, found = _content(path)
    if shape is None:
        written = content.get(SIZE) if isinstance(content, dict) else None
        corners = (((), *np.ceil(np.concatenate(one.rings).max(axis=0)).astype(int).tolist()) for one in found)
        if written and not all(isinstance(n, int) and n > 0 for n in written):
            raise ValueError(f"{path.name} names the image's shape {written}, but sides are whole numbers from 1 on.")
        shape = tuple(written) if written else common_shape(iter(corners))
    labels = np.zeros(shape, np.uint32)
    for one in found:
        draw(labels, _frame_of(one.plane, shape, axes), one.label, fill(one.rings, (shape[-2], shape[-1])))
    return labels


def read_classes(path: Path) -> dict[int, str]:
    """Return the class of each object that has one: the name of its classification; raises as `read`."""
    return {one.label: one.name for one in _content(path)[1] if one.name}


def _feature(item: PlaneObject, exported: Exported) -> dict[str, Any]:
    parts = [_coordinates(part) for part in item.polygons()]
    geometry: dict[str, Any] = {"type": "Polygon", "coordinates": parts[0]}
    if len(parts) > 1:
        geometry = {"type": "MultiPolygon", "coordinates": parts}
    if item.frame:
        place = dict(zip(exported.axes[:-2].lower(), item.frame, strict=True))
        geometry["plane"] = {"c": -1, "z": place.get("z", 0), "t": place.get("t", 0)}
    properties: dict[str, Any] = {"objectType": "annotation", "name": str(item.label)}
    if item.label in exported.classes:
        name = exported.classes[item.label]
        properties["classification"] = {"name": name, "color": list(exported.colours()[name])}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _coordinates(part: Polygon) -> list[list[list[int]]]:
    return [[*(ring[:, ::-1].tolist()), ring[0, ::-1].tolist()] for ring in (part.outer, *part.holes)]


def _content(path: Path) -> tuple[Any, list[Shape]]:
    """What a file holds, and its features with an area.

    Raises
    ------
    ValueError
        Where it is no GeoJSON, or holds no polygons.
    """
    try:
        content = read_json(path)
        found = list(_shapes(content["features"] if isinstance(content, dict) else content))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"{path.name} is no GeoJSON with polygons: {why(error)}.") from error
    if not found:
        raise ValueError(f"{path.name} holds no polygons.")
    return content, found


def _shapes(features: Any) -> Iterator[Shape]:
    for number, feature in enumerate(features, 1):
        geometry = feature["geometry"]
        if geometry["type"] not in ("Polygon", "MultiPolygon"):
            continue
        parts = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
        rings = [np.asarray(ring, float)[:, 1::-1] for part in parts for ring in part]
        properties = feature.get("properties") or {}
        name = str(properties.get("name", ""))
        label = int(name) if name.isdecimal() and int(name) > 0 else number
        kind = str((properties.get("classification") or {}).get("name") or "")
        yield Shape(label, geometry.get("plane", {}), rings, kind)


def _frame_of(plane: dict[str, int], shape: tuple[int, ...], axes: str) -> Frame:
    counts = shape[:-2]
    letters = axes[: len(counts)].lower() or ("t" if plane.get("t") else "z") * len(counts)
    return tuple(min(plane.get(axis, 0), n - 1) for axis, n in zip(letters, counts, strict=True))
