"""Files: images into `Image`, labels and tables onto disk. A file that we write is there as a whole or not at all.

What a file says about its axes and its spacing is taken over; what it leaves open, the caller may name.
"""

from __future__ import annotations

import csv
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import tifffile

from napari_clickseg.images import CHANNEL, Image

KNOWN_AXES = set("TZCYX")
PICTURE_AXES = {2: "YX", 3: "YXC"}
MICROMETRES = {"pm": 1e-6, "nm": 1e-3, "µm": 1.0, "um": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6}
"""Length units of OME metadata; any other is taken as it stands."""
UNREADABLE = (OSError, ValueError, KeyError, IndexError, TypeError, EOFError, SyntaxError, struct.error, zlib.error)
"""What the decoders raise on files that are damaged or not what their name says."""
BIG_TIFF = 2**32 - 2**25


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds: `axes` and `spacing` (by axis letter) as far as it tells them."""

    array: Any
    axes: str | None = None
    spacing: Mapping[str, float] | None = None


def read_image(path: str | Path, axes: str | None = None, channel: int | None = None) -> Image:
    """Read an image: TIFF (OME, ImageJ, plain), PNG, JPEG and other pictures, .npy, zarr and OME-Zarr.

    Uncompressed TIFF, .npy and zarr stay on disk and are read block by block.

    Parameters
    ----------
    axes : str, optional
        One letter per axis ("TZYX", "YXC"); read from the file, else guessed from the shape, where absent.
    channel : int, optional
        The one channel to use.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where it cannot be read, or holds what no axes fit.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    content = _read(path)
    named = axes.upper() if axes else content.axes
    image = Image.of(content.array, named, channel=channel)
    known = content.spacing or {}
    return replace_spacing(image, [known.get(axis, 1.0) for axis in image.label_axes])


def replace_spacing(image: Image, spacing: Sequence[float]) -> Image:
    """Return the image with another spacing, 1.0 in place of values that are no size."""
    return Image(image.array, image.axes, tuple(s if np.isfinite(s) and s > 0 else 1.0 for s in spacing), image.channel)


def write_labels(
    path: str | Path, labels: npt.ArrayLike, axes: str | None = None, spacing: Sequence[float] | None = None
) -> None:
    """Write labels as .tif / .tiff (OME metadata, compressed), .png (16 bit, one plane) or .npy.

    TIFFs have 16 bits per pixel where the ids allow it and 32 otherwise.

    Parameters
    ----------
    axes : str, optional
        One letter per axis of the labels; the last ones of "TZYX" where absent.
    spacing : sequence of float, optional
        Pixel size along each axis, in micrometres.

    Raises
    ------
    ValueError
        Where the suffix is none of these, or the format cannot hold the labels.
    OSError
        Where the disk refuses; no part of the file is left then.
    """
    path = Path(path)
    array = np.asarray(labels)
    check_labels_path(path)
    axes = axes or "TZYX"[4 - array.ndim :]
    if len(axes) != array.ndim:
        raise ValueError(f"axes={axes!r} must name each of the {array.ndim} axes of the labels.")
    writer = LABEL_WRITERS[path.suffix.lower()]
    with written_whole(path) as unfinished:
        writer(unfinished, _narrow(array), axes, dict(zip(axes, spacing or (), strict=False)))


def check_labels_path(path: str | Path) -> None:
    """Raise ValueError or FileNotFoundError where labels cannot be written to `path`, before any work is done."""
    path = Path(path)
    if path.suffix.lower() not in LABEL_WRITERS:
        raise ValueError(f"Labels cannot be written to {path}: its name must end in {', '.join(LABEL_WRITERS)}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} to write {path.name} into.")


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as CSV, under the columns that the first one names.

    Raises
    ------
    ValueError
        Where there is no row, or one that has columns of its own.
    OSError
        Where the disk refuses; no part of the file is left then.
    """
    if not rows:
        raise ValueError(f"There are no rows to write to {path}, and so no columns.")
    with written_whole(path) as unfinished, open(unfinished, "w", newline="", encoding="utf-8") as handle:
        table = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; it takes the place of `path` at the end, and vanishes where that fails."""
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    except OSError as error:
        raise OSError(error.errno, f"{path} cannot be written: {error.strerror or _one_line(error)}") from error
    finally:
        unfinished.unlink(missing_ok=True)


# -- reading -----------------------------------------------------------------------------------------------------------


def _read(path: Path) -> Content:
    reader = _read_zarr if path.is_dir() else READERS.get(path.suffix.lower(), _read_picture)
    try:
        content = reader(path)
    except (*UNREADABLE, tifffile.TiffFileError, ElementTree.ParseError) as error:
        raise ValueError(f"{path} cannot be read as an image: {_one_line(error)}") from error
    return _squeeze_unknown(content)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 200 else text[:200] + " .."


def _squeeze_unknown(content: Content) -> Content:
    """Drop axes of length 1 that bear no name we know; leave the axes open where a longer one does."""
    if content.axes is None:
        return content
    strange = [k for k, axis in enumerate(content.axes) if axis not in KNOWN_AXES]
    if any(content.array.shape[k] > 1 for k in strange) or len(set(content.axes)) < len(content.axes):
        return replace(content, axes=None)
    if not strange:
        return content
    index = tuple(0 if k in strange else slice(None) for k in range(len(content.axes)))
    return replace(content, array=content.array[index], axes="".join(a for a in content.axes if a in KNOWN_AXES))


def _read_tiff(path: Path) -> Content:
    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        axes = series.axes
        if "S" in axes and CHANNEL not in axes:
            axes = axes.replace("S", CHANNEL)
        spacing = _ome_spacing(tiff.ome_metadata) if tiff.is_ome else _imagej_spacing(tiff)
        if series.dataoffset is None:
            return Content(series.asarray(), axes, spacing)
        dtype = np.dtype(series.dtype).newbyteorder(tiff.byteorder)
        return Content(np.memmap(path, dtype, "r", series.dataoffset, tuple(series.shape)), axes, spacing)


def _ome_spacing(xml: str) -> dict[str, float]:
    pixels = next((e for e in ElementTree.fromstring(xml).iter() if e.tag.endswith("}Pixels")), None)
    if pixels is None:
        return {}
    spacing = {}
    for axis in "XYZ":
        size, unit = pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")
        if size is not None:
            spacing[axis] = float(size) * MICROMETRES.get(unit, 1.0)
    return spacing


def _imagej_spacing(tiff: tifffile.TiffFile) -> dict[str, float]:
    """Pixel sizes in ImageJ's unit: resolution tags count pixels per unit, "spacing" is that of planes."""
    if not tiff.is_imagej:
        return {}
    spacing = {}
    for axis, name in (("X", "XResolution"), ("Y", "YResolution")):
        tag = tiff.pages[0].tags.get(name)
        if tag is not None and tag.value[0] > 0:
            spacing[axis] = tag.value[1] / tag.value[0]
    depth = (tiff.imagej_metadata or {}).get("spacing")
    return spacing if depth is None else {**spacing, "Z": float(depth)}


def _read_npy(path: Path) -> Content:
    return Content(np.load(path, mmap_mode="r", allow_pickle=False))


def _read_picture(path: Path) -> Content:
    from imageio import v3

    with open(path, "rb") as handle:
        array = np.asarray(v3.imread(handle, plugin="pillow"))
    if array.ndim == 3 and array.shape[-1] == 2:
        array = array[..., 0]  # grey with alpha
    return Content(array, PICTURE_AXES.get(array.ndim))


def _read_zarr(path: Path) -> Content:
    """Read a zarr array, or the finest level of an OME-Zarr image (0.4 and 0.5)."""
    try:
        import zarr
    except ImportError:
        raise ValueError("reading zarr needs the package zarr (pip install zarr).") from None

    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        return Content(node)
    attributes = dict(node.attrs)
    scales = attributes.get("ome", attributes).get("multiscales")
    if not scales:
        raise ValueError("this zarr group holds no OME-Zarr image; name the array inside it.")
    finest = scales[0]["datasets"][0]
    axes = "".join(axis["name"] if isinstance(axis, dict) else axis for axis in scales[0].get("axes", "tczyx")).upper()
    scale = next((t["scale"] for t in finest.get("coordinateTransformations", ()) if t["type"] == "scale"), ())
    return Content(node[finest["path"]], axes, dict(zip(axes, map(float, scale), strict=False)))


READERS: dict[str, Callable[[Path], Content]] = {
    ".tif": _read_tiff,
    ".tiff": _read_tiff,
    ".lsm": _read_tiff,
    ".npy": _read_npy,
    ".zarr": _read_zarr,
}
"""By suffix; any other file is read as a picture, and folders as zarr."""

# -- writing -----------------------------------------------------------------------------------------------------------


def _narrow(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the labels as uint16 where their ids fit, else as uint32."""
    if labels.dtype.kind not in "iub":
        raise ValueError(f"Labels must be integers, but these are {labels.dtype}.")
    lowest, highest = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if lowest < 0 or highest >= 2**32:
        raise ValueError(
            f"Labels from {lowest} to {highest} fit no image file: ids must lie between 0 and {2**32 - 1}."
        )
    return labels.astype(np.uint16 if highest < 2**16 else np.uint32)


def _write_tiff(path: Path, labels: npt.NDArray[Any], axes: str, spacing: Mapping[str, float]) -> None:
    metadata: dict[str, Any] = {"axes": axes}
    for axis in set(axes) & set("XYZ") & set(spacing):
        metadata |= {f"PhysicalSize{axis}": spacing[axis], f"PhysicalSize{axis}Unit": "µm"}
    ome = set(axes) <= KNOWN_AXES
    big = labels.nbytes > BIG_TIFF
    tifffile.imwrite(
        path, labels, ome=ome, bigtiff=big, metadata=metadata, compression="zlib", photometric="minisblack"
    )


def _write_png(path: Path, labels: npt.NDArray[Any], axes: str, spacing: Mapping[str, float]) -> None:
    from imageio import v3

    if labels.ndim != 2 or labels.dtype != np.uint16:
        raise ValueError(
            f"A PNG holds one plane with ids up to 65535, but these labels have the shape {labels.shape} "
            f"and ids up to {labels.max()}; write a .tif instead."
        )
    v3.imwrite(path, labels, plugin="pillow")


def _write_npy(path: Path, labels: npt.NDArray[Any], axes: str, spacing: Mapping[str, float]) -> None:
    np.save(path, labels, allow_pickle=False)


LABEL_WRITERS: dict[str, Callable[[Path, npt.NDArray[Any], str, Mapping[str, float]], None]] = {
    ".tif": _write_tiff,
    ".tiff": _write_tiff,
    ".png": _write_png,
    ".npy": _write_npy,
}
