"""Label writers: one per file format, each plane by plane. What cannot work is refused before anything is written."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_clickseg.core.geometry import Geometry
from napari_clickseg.core.images import KNOWN_AXES
from napari_clickseg.storage.atomic import written_whole
from napari_clickseg.storage.ome_zarr import described, in_words, read_attributes, read_zarr, zarr_module
from napari_clickseg.storage.output_checks import INSIDE, check_place, in_labels_group, real
from napari_clickseg.storage.paths import home
from napari_clickseg.storage.read_images import geometry_of
from napari_clickseg.storage.units import LENGTH, TIME, factor

BIG_TIFF = 2**32 - 2**25
CHUNK = 512
"""Side of the chunks of a plane in zarr."""
SMALLEST_OVERVIEW = 1024
"""Planes longer than this get coarser levels beside them, each half as long, down to it."""
NGFF = {2: "0.4", 3: "0.5"}
"""The version of OME-Zarr that goes with a version of zarr's own format."""
ZARR_FORMAT = 2
"""Of a file of its own: the version that more programs read."""
TILED = 1 << 26
"""Bytes of a plane of a TIFF from which on it is written tile by tile, so that memory does not hold it."""
TILE = 512
HIGHEST = {".png": 2**16 - 1}
HIGHEST_ELSEWHERE = 2**32 - 1
"""The highest id that a format holds."""
STRAY = r"\.DS_Store|Thumbs\.db|desktop\.ini"
"""What file browsers leave in folders; nobody misses it."""
OF_ZARR = re.compile(rf"\.z(group|attrs|array|metadata)|zarr\.json|c|\d+(\.\d+)*|{STRAY}")
"""Names of the files and folders in a zarr that `write_pyramid` has written."""

Writer = Callable[[Path, Any, "np.dtype[Any]", Geometry], None]
"""Takes the path, the labels, the dtype to write, and where they lie."""


def kind_of(path: Path) -> str:
    """Return under which key of `LABEL_WRITERS` a path belongs, by its name; a suffix that is none of them otherwise.

    >>> kind_of(Path("a.TIF")), kind_of(Path("cells.zarr/labels/nuclei"))
    ('.tif', 'labels')
    """
    return INSIDE if in_labels_group(path) else path.suffix.lower()


def narrow_dtype(labels: Any) -> np.dtype[Any]:
    """Return uint16 where the ids fit, else uint32; reads plane by plane.

    Raises
    ------
    ValueError
        Where the labels are no integers, or an id fits neither.
    """
    if np.dtype(labels.dtype).kind not in "iub":
        raise ValueError(f"Labels must be integers, but these are {labels.dtype}.")
    lowest, highest = id_range(labels)
    check_ids(None, lowest, highest)
    return np.dtype(np.uint16 if highest < 2**16 else np.uint32)


def id_range(labels: Any) -> tuple[int, int]:
    """Return the lowest and the highest value of labels, 0 included; reads plane by plane.

    >>> id_range(np.array([[3, 7]])), id_range(np.array([[-1, 7]]))
    ((0, 7), (-1, 7))
    """
    lowest, highest = 0, 0
    for plane in _planes(labels):
        if plane.size:
            lowest, highest = min(lowest, int(plane.min())), max(highest, int(plane.max()))
    return lowest, highest


def check_ids(path: Path | None, lowest: int, highest: int) -> None:
    """Raise ValueError where ids from `lowest` to `highest` do not fit the file of this name; None is any format."""
    most = HIGHEST_ELSEWHERE if path is None else HIGHEST.get(kind_of(path), HIGHEST_ELSEWHERE)
    if lowest >= 0 and highest <= most:
        return
    if path is not None and lowest >= 0 and highest <= HIGHEST_ELSEWHERE:
        raise ValueError(
            f"{path.name} holds ids up to {most}, but there are ids up to {highest}; write a .tif instead."
        )
    raise ValueError(
        f"Labels from {lowest} to {highest} fit no image file: ids must lie between 0 and {HIGHEST_ELSEWHERE}. "
        "Relabel the objects first."
    )


def _planes(labels: Any) -> Iterator[npt.NDArray[Any]]:
    return (np.asarray(labels[index]) for index in np.ndindex(*labels.shape[:-2]))


def _write_tiff(path: Path, labels: Any, dtype: np.dtype[Any], geometry: Geometry) -> None:
    """Write OME-TIFF; sizes that are no lengths or times are left out, all others are micrometres and seconds."""
    axes = geometry.axes
    metadata: dict[str, Any] = {"axes": axes}
    for axis, scale, unit in zip(axes, geometry.scale, geometry.units, strict=True):
        times = factor(unit, axis)
        if times is not None and axis in "XYZ":
            metadata |= {f"PhysicalSize{axis}": scale * times, f"PhysicalSize{axis}Unit": "µm"}
        elif times is not None and axis == "T":
            metadata |= {"TimeIncrement": scale * times, "TimeIncrementUnit": "s"}
    shape = tuple(labels.shape)
    tiled = int(np.prod(shape[-2:])) * dtype.itemsize >= TILED
    tifffile.imwrite(
        path,
        (block.astype(dtype) for block in (_tiles(labels) if tiled else _planes(labels))),
        shape=shape,
        dtype=dtype,
        tile=(TILE, TILE) if tiled else None,
        ome=set(axes) <= KNOWN_AXES,
        bigtiff=int(np.prod(shape)) * dtype.itemsize > BIG_TIFF,
        metadata=metadata,
        compression="zlib",
        photometric="minisblack",
    )


def _tiles(labels: Any) -> Iterator[npt.NDArray[Any]]:
    """The planes cut into tiles, row by row; those at the far edges are filled up with background."""
    rows, columns = labels.shape[-2:]
    for index in np.ndindex(*labels.shape[:-2]):
        for top in range(0, rows, TILE):
            for left in range(0, columns, TILE):
                block = np.asarray(labels[(*index, slice(top, top + TILE), slice(left, left + TILE))])
                yield np.pad(block, [(0, TILE - n) for n in block.shape])


def _write_png(path: Path, labels: Any, dtype: np.dtype[Any], geometry: Geometry) -> None:
    from imageio import v3

    if len(labels.shape) != 2 or dtype != np.uint16:
        raise ValueError(
            f"A PNG holds one plane with ids up to 65535, but these labels have the shape {tuple(labels.shape)} "
            f"and ids up to {max(int(plane.max()) for plane in _planes(labels))}; write a .tif instead."
        )
    v3.imwrite(path, np.asarray(labels).astype(dtype), plugin="pillow")


def _write_npy(path: Path, labels: Any, dtype: np.dtype[Any], geometry: Geometry) -> None:
    np.save(path, np.asarray(labels).astype(dtype), allow_pickle=False)


# -- OME-Zarr ----------------------------------------------------------------------------------------------------------


def _write_zarr(path: Path, labels: Any, dtype: np.dtype[Any], geometry: Geometry) -> None:
    write_pyramid(path, labels, dtype, in_words(geometry), ZARR_FORMAT)


def _write_inside(path: Path, labels: Any, dtype: np.dtype[Any], geometry: Geometry) -> None:
    """Write in the zarr format of the image that the labels go into, and where that image lies, in its units."""
    image = path.parent.parent
    place = geometry_of(read_zarr(image), geometry.axes)
    write_pyramid(path, labels, dtype, place, _format_of(image))


def write_pyramid(path: Path, labels: Any, dtype: np.dtype[Any], geometry: Geometry, zarr_format: int) -> None:
    """Write labels as an OME-Zarr label image, with coarser levels where its planes are large.

    A pixel of a coarser level is the first of those that it stands for, so that ids stay ids.
    """
    zarr = zarr_module()
    *front, rows, columns = labels.shape
    steps = _steps(max(rows, columns))
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    levels = [
        _new_array(group, str(k), (*front, -(-rows // step), -(-columns // step)), dtype, geometry.axes)
        for k, step in enumerate(steps)
    ]
    strip = CHUNK * steps[-1]
    for index in np.ndindex(*front):
        for top in range(0, rows, strip):
            block = np.asarray(labels[(*index, slice(top, top + strip))]).astype(dtype)
            for step, level in zip(steps, levels, strict=True):
                coarse = block[::step, ::step]
                level[(*index, slice(top // step, top // step + len(coarse)))] = coarse
    group.attrs.update(described(group.basename or INSIDE, geometry, steps, NGFF[zarr_format]))


def register(path: Path) -> None:
    """Name labels that were written into an OME-Zarr image in the list of its labels."""
    group = zarr_module().open_group(path.parent, mode="a", zarr_format=_format_of(path.parent.parent))
    attributes = dict(group.attrs)
    names = list(attributes.get("ome", attributes).get(INSIDE, ()))
    news = {INSIDE: [*names, *({path.name} - set(names))]}
    group.attrs.update(news if group.metadata.zarr_format == 2 else {"ome": {"version": NGFF[3], **news}})


def _steps(longest: int) -> list[int]:
    steps = [1]
    while longest > SMALLEST_OVERVIEW * steps[-1]:
        steps.append(2 * steps[-1])
    return steps


def _new_array(group: Any, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], axes: str) -> Any:
    chunks = (*(1 for _ in shape[:-2]), *(min(side, CHUNK) for side in shape[-2:]))
    old = group.metadata.zarr_format == 2
    named = {} if old else {"dimension_names": list(axes.lower())}
    keys = {"name": "v2" if old else "default", "separator": "/"}
    return group.create_array(
        name, shape=shape, chunks=chunks, dtype=dtype, fill_value=0, chunk_key_encoding=keys, **named
    )


def _format_of(image: Path) -> int:
    """The version of zarr's format that an OME-Zarr image is written in."""
    read_attributes(image)
    return int(zarr_module().open_group(image, mode="r").metadata.zarr_format)


LABEL_WRITERS: dict[str, Writer] = {
    ".tif": _write_tiff,
    ".tiff": _write_tiff,
    ".zarr": _write_zarr,
    ".png": _write_png,
    ".npy": _write_npy,
    INSIDE: _write_inside,
}
ENDINGS = [kind for kind in LABEL_WRITERS if kind != INSIDE]
"""What the names of files of labels end in."""


def write_labels(
    path: str | Path,
    labels: Any,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    geometry: Geometry | None = None,
) -> None:
    """Write labels as .tif / .tiff (OME metadata, compressed), .zarr (OME-Zarr), .png (16 bit, one plane) or .npy.

    TIFF and zarr have 16 bits per pixel where the ids allow it and 32 otherwise, and are written plane by plane: the
    labels may be lazy. IMAGE.zarr/labels/NAME adds the labels to an OME-Zarr image that is there.

    Parameters
    ----------
    labels : array-like
        Of integers; numpy, zarr or a memory map.
    axes : str, optional
        One letter per axis of the labels; the last ones of "TZYX" where absent.
    spacing : sequence of float, optional
        Pixel size along each axis, in micrometres, and seconds along T; 1 stands for unknown and is left out.
    geometry : Geometry, optional
        Sizes, place and units of the image, as `Image.geometry` has them; counts in place of `spacing`.

    Raises
    ------
    ValueError
        Where the name ends otherwise, or the format cannot hold the labels.
    OSError
        Where the disk refuses; no part of the file is left then.
    """
    path = Path(path)
    array = labels if hasattr(labels, "shape") and hasattr(labels, "dtype") else np.asarray(labels)
    check_labels_path(path)
    axes = axes or "TZYX"[4 - len(array.shape) :]
    if len(axes) != len(array.shape):
        raise ValueError(f"axes={axes!r} must name each of the {len(array.shape)} axes of the labels.")
    place = _geometry(axes, spacing) if geometry is None else geometry.along(axes)
    dtype = narrow_dtype(array)
    kind = kind_of(path)
    if kind == INSIDE:
        with _labels_group(path), written_whole(path) as unfinished:
            LABEL_WRITERS[kind](unfinished, array, dtype, place)
        register(path)
        return
    with written_whole(path) as unfinished:
        LABEL_WRITERS[kind](unfinished, array, dtype, place)


def _geometry(axes: str, spacing: Sequence[float] | None) -> Geometry:
    """The geometry of sizes in micrometres and seconds, where 1 stands for unknown."""
    sizes = dict(zip(axes, map(float, spacing or ()), strict=False))
    units = (("" if sizes.get(axis, 1.0) == 1 else TIME if axis == "T" else LENGTH) for axis in axes)
    return Geometry(axes, tuple(sizes.get(axis, 1.0) for axis in axes), (0.0,) * len(axes), tuple(units))


@contextmanager
def _labels_group(path: Path) -> Iterator[None]:
    """See to it that the folder of an image's labels is there, and not where it was not and nothing came into it."""
    folder = real(path).parent
    made = not folder.exists()
    folder.mkdir(exist_ok=True)
    try:
        yield
    except BaseException:
        if made and not any(folder.iterdir()):
            folder.rmdir()
        raise


def write_or_keep(
    path: Path, labels: Any, axes: str, spacing: Sequence[float], geometry: Geometry | None = None
) -> None:
    """Write labels that took work; where that fails, keep them in another folder, so that the work is not lost.

    Parameters are those of `write_labels`.

    Raises
    ------
    OSError
        Saying what failed, and where the labels are now, if anywhere.
    """
    try:
        write_labels(path, labels, axes, spacing, geometry)
    except (OSError, ValueError) as problem:
        message = str(problem).rstrip(".")
        kept = _kept(path.name.partition(".")[0][:80], labels, axes, spacing)
        if kept is None:
            raise OSError(f"{message}; nor could the labels be kept elsewhere.") from problem
        raise OSError(f"{message}; the labels are kept in {kept}: move them where there is room.") from problem


def _kept(name: str, labels: Any, axes: str, spacing: Sequence[float]) -> Path | None:
    """Write labels into the first folder that takes them, as .npy where their ids fit no image file."""
    for place in filter(None, (Path(tempfile.gettempdir()), home(), Path.cwd())):
        kept = place / f"clickseg-{name}-{os.getpid()}.tif"
        try:
            write_labels(kept, labels, axes, spacing)
            return kept
        except ValueError:
            kept = kept.with_suffix(".npy")
        except OSError:
            continue
        try:
            with written_whole(kept) as unfinished:
                np.save(unfinished, np.asarray(labels), allow_pickle=False)
            return kept
        except OSError:
            continue
    return None


def check_labels_path(path: str | Path, axes: str = "") -> None:
    """Raise ValueError or OSError where labels cannot be written to `path`, before any work is done.

    With their axes, it is also checked that the format can hold labels of so many. What is there already is replaced
    if it is a file, or a zarr that holds nothing but labels that we wrote.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind not in LABEL_WRITERS:
        raise ValueError(f"Labels cannot be written to {path}: its name must end in {', '.join(ENDINGS)}.")
    if kind == ".png" and len(axes) > 2:
        raise ValueError(
            f"{path.name} would hold one plane, but the labels have the axes {axes}; write a .tif instead."
        )
    check_place(path)
    if kind == INSIDE:
        _format_of(path.parent.parent)
    _check_replaceable(path, folder=kind in (".zarr", INSIDE))


def _check_replaceable(path: Path, folder: bool) -> None:
    """Raise ValueError where something else than what we write is there already, which would be lost."""
    target = real(path)
    if not target.exists():
        return
    if target.is_dir() != folder:
        there, wanted = ("a folder", "a file") if target.is_dir() else ("a file", "a folder")
        raise ValueError(f"{path} is there already and is {there}, but would become {wanted}; choose another name.")
    if not folder:
        return
    stranger = next((inner for inner in _walked(target) if not OF_ZARR.fullmatch(inner.name)), None)
    if stranger is not None:
        what = f"holds {stranger.relative_to(target)}"
    elif any(target.iterdir()) and not _is_ours(target):
        what = "holds something else than labels of ours"
    else:
        return
    raise ValueError(f"{path} is there already and {what}, which would be lost; choose another name.")


def _walked(folder: Path) -> Iterator[Path]:
    """Everything below a folder, by way of the names that OF_ZARR knows."""
    for inner in sorted(folder.iterdir()):
        yield inner
        if inner.is_dir() and not inner.is_symlink() and OF_ZARR.fullmatch(inner.name):
            yield from _walked(inner)


def _is_ours(folder: Path) -> bool:
    """Return whether a zarr is a label image as `write_pyramid` writes it, with nothing added by others."""
    try:
        if (folder / ".zattrs").is_file():
            attributes = json.loads((folder / ".zattrs").read_text(encoding="utf-8"))
        else:
            attributes = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))["attributes"]["ome"]
        ours = set(attributes) - {"version"} == {"multiscales", "image-label"}
        return ours and set(attributes["image-label"]) <= {"version"}
    except (OSError, ValueError, KeyError, TypeError):
        return False
