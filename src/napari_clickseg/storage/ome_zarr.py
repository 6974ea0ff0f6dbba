"""OME-Zarr: which image a folder holds, what it declares of its axes and place, and how labels declare the same.

A folder is a zarr by what lies in it, not by its name. One that holds several images (plates by field, what
bioformats2raw converts) is not an image but a folder of images; each is named by its path inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_clickseg.core.geometry import Geometry
from napari_clickseg.storage.content import Content, UnreadableError
from napari_clickseg.storage.formats import ZARR
from napari_clickseg.storage.units import LENGTH, TIME, factor

MARKS = ("zarr.json", ".zarray", ".zgroup")
"""One of these lies in every folder of zarr."""
OLD_AXES = "tczyx"
"""The axes of versions before 0.3, which name none."""
LETTERS = {
    "time": "T",
    "frame": "T",
    "channel": "C",
    "channels": "C",
    "depth": "Z",
    "plane": "Z",
    "row": "Y",
    "rows": "Y",
    "height": "Y",
    "column": "X",
    "columns": "X",
    "col": "X",
    "width": "X",
}
"""Axes by the longer names that some programs write."""
BY_TYPE = {"time": "T", "channel": "C"}
SPARE = "QRSUVWABDEFGHIJKLMNOP"
"""Letters for axes that have none of ours."""
PREFIXES = (
    *("yocto", "zepto", "atto", "femto", "pico", "nano", "micro", "milli", "centi", "deci"),
    *("hecto", "kilo", "mega", "giga", "tera", "peta", "exa", "zetta", "yotta"),
)
LENGTHS = ("meter", *(f"{prefix}meter" for prefix in PREFIXES), "angstrom", "foot", "inch", "mile", "parsec", "yard")
TIMES = ("second", *(f"{prefix}second" for prefix in PREFIXES), "minute", "hour", "day")
"""The names of units that the specification knows."""
SHOWN = 4
"""So many images of a container are named in a sentence."""


def is_zarr(path: Path) -> bool:
    """Return whether a folder is an array or a group of zarr, whatever its name."""
    return path.is_dir() and any((path / mark).is_file() for mark in MARKS)


def images_in_zarr(path: Path) -> list[Path]:
    """Return the folders of the images that a zarr holds: itself, or those of a plate, a container, a group.

    Labels inside an image belong to it and are none of them.
    """
    return [path / inside if inside else path for inside in _images(_opened(path), path)]


def read_zarr(path: Path) -> Content:
    """Read a zarr array, or the finest level of an OME-Zarr image (0.1 to 0.5), also where it is the only one of a
    container.

    Raises
    ------
    UnreadableError
        Where there is no image, or several.
    """
    node = _opened(path)
    found = _images(node, path)
    if not found:
        raise UnreadableError(f"{path} cannot be read as an image: this zarr holds none.")
    if len(found) > 1:
        named = ", ".join(str(path / inside) for inside in found[:SHOWN])
        raise UnreadableError(
            f"{path} holds {len(found)} images; name one of them: {named}{' ..' if len(found) > SHOWN else ''}."
        )
    node = node[found[0]] if found[0] else node
    if hasattr(node, "shape"):
        return Content(node, _dimension_names(node))
    image = _metadata(node)["multiscales"][0]
    finest = image["datasets"][0]
    array = node[finest["path"]]
    axes = _axes(image, len(array.shape))
    letters = _letters(axes)
    scale, origin = _place(finest, image, len(axes))
    units = {letter: str(axis.get("unit") or "") for letter, axis in zip(letters, axes, strict=True)}
    return Content(
        array,
        letters,
        dict(zip(letters, scale, strict=True)) if scale else {},
        dict(zip(letters, origin, strict=True)),
        {letter: unit for letter, unit in units.items() if unit},
    )


def read_attributes(path: Path) -> dict[str, Any]:
    """Return what an OME-Zarr image declares about itself, in either version.

    Raises
    ------
    UnreadableError
        Where it is none.
    """
    declared = _metadata(_opened(path))
    if not declared.get("multiscales"):
        raise UnreadableError(f"{path} cannot be read as an image: this zarr group holds no OME-Zarr image.")
    return declared


def zarr_module() -> Any:
    """Return the package zarr.

    Raises
    ------
    UnreadableError
        Where it is not installed.
    """
    try:
        import zarr
    except ImportError:
        raise UnreadableError(f'Reading and writing zarr needs the package zarr: pip install "{ZARR}".') from None
    return zarr


# -- which image -------------------------------------------------------------------------------------------------------


def _opened(path: Path) -> Any:
    zarr = zarr_module()
    store = zarr.storage.ZipStore(path, mode="r") if path.is_file() else path
    try:
        return zarr.open(store, mode="r")
    except FileNotFoundError:
        raise UnreadableError(f"{path} is a folder, but no zarr: neither an array nor a group is in it.") from None


def _metadata(node: Any) -> dict[str, Any]:
    attributes = dict(node.attrs)
    declared = attributes.get("ome", attributes)
    return dict(declared) if isinstance(declared, Mapping) else {}


def _images(node: Any, path: Path) -> list[str]:
    """The paths inside of all images; empty text stands for the node itself."""
    if hasattr(node, "shape") or _metadata(node).get("multiscales"):
        return [""]
    declared = _metadata(node)
    if "plate" in declared:
        return list(_fields(node, declared["plate"]))
    if "well" in declared:
        return [str(image["path"]) for image in declared["well"].get("images", ())]
    if "labels" in declared and "bioformats2raw.layout" not in declared:
        return [str(name) for name in declared["labels"]]
    series = _metadata(node["OME"]).get("series") if "OME" in node else None
    names = [str(name) for name in series] if series else sorted(node, key=_natural)
    return [
        f"{name}/{inside}" if inside else name
        for name in names
        if name not in ("OME", "labels") and name in node
        for inside in _images(node[name], path / name)
    ]


def _fields(node: Any, plate: Mapping[str, Any]) -> Iterator[str]:
    for well in plate.get("wells", ()):
        place = str(well["path"])
        if place in node:
            images = _metadata(node[place]).get("well", {}).get("images", ())
            yield from (f"{place}/{image['path']}" for image in images)


def _natural(name: str) -> tuple[int, int, str]:
    return (0, int(name), name) if name.isdigit() else (1, 0, name)


# -- axes and place ----------------------------------------------------------------------------------------------------


def _axes(image: Mapping[str, Any], ndim: int) -> list[dict[str, Any]]:
    axes = [dict(axis) if isinstance(axis, Mapping) else {"name": axis} for axis in image.get("axes") or OLD_AXES]
    if len(axes) != ndim:
        raise UnreadableError(f"This OME-Zarr image is damaged: it names {len(axes)} axes, but its array has {ndim}.")
    return axes


def _letters(axes: Sequence[Mapping[str, Any]]) -> str:
    """One letter per axis: its own, that of its longer name or of its type, else a spare one."""
    letters: list[str] = []
    spare = iter(SPARE)
    for axis in axes:
        name = str(axis.get("name", "")).lower()
        letter = name.upper() if name in "tczyx" else LETTERS.get(name) or BY_TYPE.get(str(axis.get("type")), "")
        letters.append(letter if letter and letter not in letters else next(s for s in spare if s not in letters))
    return "".join(letters)


def _dimension_names(array: Any) -> str | None:
    """The axes of a bare array, where each has a name that we know (zarr 3, or as xarray writes them into zarr 2)."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if not names or len(names) != len(array.shape) or not all(names):
        return None
    letters = [LETTERS.get(str(name).lower(), str(name).upper()) for name in names]
    known = all(letter in "TCZYX" and len(letter) == 1 for letter in letters)
    return "".join(letters) if known and len(set(letters)) == len(letters) else None


def _place(dataset: Mapping[str, Any], image: Mapping[str, Any], ndim: int) -> tuple[list[float], list[float]]:
    """Scale (empty: none declared) and origin of the finest level: its own transformations, then those of the image."""
    scale, origin, declared = [1.0] * ndim, [0.0] * ndim, False
    for transform in (
        *(dataset.get("coordinateTransformations") or ()),
        *(image.get("coordinateTransformations") or ()),
    ):
        kind = transform.get("type")
        numbers = transform.get(str(kind))
        if kind not in ("scale", "translation") or not isinstance(numbers, Sequence) or len(numbers) != ndim:
            continue
        if kind == "scale":
            declared = True
            scale = [a * float(b) for a, b in zip(scale, numbers, strict=True)]
            origin = [a * float(b) for a, b in zip(origin, numbers, strict=True)]
        else:
            origin = [a + float(b) for a, b in zip(origin, numbers, strict=True)]
    return (scale if declared else []), origin


def in_words(geometry: Geometry) -> Geometry:
    """Return a geometry whose units have the names of OME-Zarr; what it has none for becomes micrometres and seconds.

    >>> in_words(Geometry("YX", (5.0, 2.0), (0.0, 10.0), ("nm", "thou"))).units
    ('nanometer', 'micrometer')
    """
    parts = zip(geometry.axes, geometry.scale, geometry.origin, geometry.units, strict=True)
    scale, origin, units = zip(*(_axis_in_words(*part) for part in parts), strict=True)
    return Geometry(geometry.axes, scale, origin, units)


def _axis_in_words(axis: str, scale: float, origin: float, unit: str) -> tuple[float, float, str]:
    times = factor(unit, axis)
    if times is None:
        return scale, origin, ""
    name = next((name for name in (TIMES if axis == "T" else LENGTHS) if factor(name, axis) == times), "")
    if name:
        return scale, origin, name
    return scale * times, origin * times, TIME if axis == "T" else LENGTH


# -- metadata of labels ------------------------------------------------------------------------------------------------


def described(name: str, geometry: Geometry, steps: Sequence[int], version: str) -> dict[str, Any]:
    """Return the attributes of an OME-Zarr label image whose levels keep each n-th pixel of a plane.

    Parameters
    ----------
    geometry : Geometry
        Of the finest level.
    steps : sequence of int
        n, of each level.
    version : {"0.4", "0.5"}
        Of OME-Zarr.
    """
    datasets = [{"path": str(k), "coordinateTransformations": _transforms(geometry, n)} for k, n in enumerate(steps)]
    image = {"name": name, "axes": [_axis(*axis) for axis in zip(geometry.axes, geometry.units, strict=True)]}
    image["datasets"] = datasets
    if version == "0.4":
        return {"multiscales": [{"version": version, **image}], "image-label": {"version": version}}
    return {"ome": {"version": version, "multiscales": [image], "image-label": {}}}


def _transforms(geometry: Geometry, step: int) -> list[dict[str, Any]]:
    """The first pixel of a block stands for it, so that all levels have their first centre in the same place."""
    plane = geometry.axes[-2:]
    scale = [s * (step if axis in plane else 1) for axis, s in zip(geometry.axes, geometry.scale, strict=True)]
    transforms: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if any(geometry.origin):
        transforms.append({"type": "translation", "translation": list(geometry.origin)})
    return transforms


def _axis(letter: str, unit: str) -> dict[str, str]:
    kind = {"T": "time", "C": "channel"}.get(letter, "space")
    return {"name": letter.lower(), "type": kind, **({"unit": unit} if unit else {})}
