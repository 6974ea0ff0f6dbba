"""Files: images into `Image`, labels and tables onto disk. A file that we write is there as a whole or not at all.

What a file says about its axes and its spacing is taken over; what it leaves open, the caller may name.
"""

from __future__ import annotations

import struct
import weakref
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_clickseg.core.images import CHANNEL, KNOWN_AXES, Image
from napari_clickseg.storage.atomic import _one_line

PICTURE_AXES = {2: "YX", 3: "YXC"}
MICROMETRES = {
    "pm": 1e-6,
    "nm": 1e-3,
    "µm": 1.0,
    "um": 1.0,
    "micrometer": 1.0,
    "nanometer": 1e-3,
    "mm": 1e3,
    "millimeter": 1e3,
    "cm": 1e4,
    "m": 1e6,
}
"""Length units of OME metadata; any other is taken as it stands."""
SECONDS = {
    "ms": 1e-3,
    "s": 1.0,
    "second": 1.0,
    "millisecond": 1e-3,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
}
"""Time units of OME metadata; any other is taken as it stands."""
UNREADABLE = (OSError, ValueError, KeyError, IndexError, TypeError, EOFError, SyntaxError, struct.error, zlib.error)
"""What the decoders raise on files that are damaged or not what their name says."""
DECODED_AT_ONCE = 1 << 28
"""Bytes of a compressed TIFF that are decoded into memory; of larger ones, a plane is decoded when it is looked at."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds: `axes` and `spacing` (by axis letter) as far as it tells them."""

    array: Any
    axes: str | None = None
    spacing: Mapping[str, float] | None = None


def _read_tiff(path: Path) -> Content:
    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        axes = series.axes
        if "S" in axes and CHANNEL not in axes:
            axes = axes.replace("S", CHANNEL)
        spacing = _ome_spacing(tiff.ome_metadata) if tiff.is_ome else _imagej_spacing(tiff)
        if series.dataoffset is None and series.nbytes > DECODED_AT_ONCE and find_spec("zarr"):
            return Content(_planes_on_demand(path), axes, spacing)
        if series.dataoffset is None:
            return Content(series.asarray(), axes, spacing)
        dtype = np.dtype(series.dtype).newbyteorder(tiff.byteorder)
        return Content(np.memmap(path, dtype, "r", series.dataoffset, tuple(series.shape)), axes, spacing)


def _planes_on_demand(path: Path) -> Any:
    """The finest level of a compressed TIFF as a zarr array; the file stays open as long as there is the array."""
    import zarr

    store = tifffile.imread(path, aszarr=True, series=0, level=0)
    array = zarr.open_array(store, mode="r")
    weakref.finalize(array, store.close)
    return array


def _ome_spacing(xml: str) -> dict[str, float]:
    pixels = next((e for e in ElementTree.fromstring(xml).iter() if e.tag.endswith("}Pixels")), None)
    if pixels is None:
        return {}
    spacing = {}
    for axis in "XYZ":
        size, unit = pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")
        if size is not None:
            spacing[axis] = float(size) * MICROMETRES.get(unit, 1.0)
    interval = pixels.get("TimeIncrement")
    if interval is not None:
        spacing["T"] = float(interval) * SECONDS.get(pixels.get("TimeIncrementUnit", "s"), 1.0)
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
    told = {axis: (tiff.imagej_metadata or {}).get(name) for axis, name in (("Z", "spacing"), ("T", "finterval"))}
    return {**spacing, **{axis: float(size) for axis, size in told.items() if size}}


def _read_npy(path: Path) -> Content:
    return Content(np.load(path, mmap_mode="r", allow_pickle=False))


def read_picture(path: Path) -> Content:
    """Read a picture of any format that Pillow knows; grey with alpha becomes grey."""
    from imageio import v3

    with open(path, "rb") as handle:
        array = np.asarray(v3.imread(handle, plugin="pillow"))
    if array.ndim == 3 and array.shape[-1] == 2:
        array = array[..., 0]
    return Content(array, PICTURE_AXES.get(array.ndim))


def read_zarr(path: Path) -> Content:
    """Read a zarr array, or the finest level of an OME-Zarr image (0.4 and 0.5) or of labels in one."""
    node = _open_zarr(path)
    if hasattr(node, "shape"):
        return Content(node)
    told = read_attributes(path)
    image = told["multiscales"][0]
    finest = image["datasets"][0]
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in image.get("axes", "tczyx")]
    letters = [axis["name"].upper() for axis in axes]
    scale = next((t["scale"] for t in finest.get("coordinateTransformations", ()) if t["type"] == "scale"), ())
    units = {**MICROMETRES, **SECONDS}
    sizes = [float(size) * units.get(str(axis.get("unit")), 1.0) for size, axis in zip(scale, axes, strict=False)]
    return Content(node[finest["path"]], "".join(letters), dict(zip(letters, sizes, strict=False)))


def read_attributes(path: Path) -> dict[str, Any]:
    """Return what an OME-Zarr image tells of itself, in either version.

    Raises
    ------
    ValueError
        Where it is none.
    """
    attributes = dict(_open_zarr(path).attrs)
    told = dict(attributes.get("ome", attributes))
    if not told.get("multiscales"):
        raise ValueError("this zarr group holds no OME-Zarr image; name the array inside it.")
    return told


def _open_zarr(path: Path) -> Any:
    try:
        import zarr
    except ImportError:
        raise ValueError('reading zarr needs the package zarr (pip install "napari-clickseg[zarr]").') from None
    return zarr.open(path, mode="r")


READERS: dict[str, Callable[[Path], Content]] = {
    ".tif": _read_tiff,
    ".tiff": _read_tiff,
    ".lsm": _read_tiff,
    ".npy": _read_npy,
    ".zarr": read_zarr,
}
"""By suffix; any other file is read as a picture, and folders as zarr."""


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


# -- reading -----------------------------------------------------------------------------------------------------------


def _read(path: Path) -> Content:
    reader = read_zarr if path.is_dir() else READERS.get(path.suffix.lower(), read_picture)
    try:
        content = reader(path)
    except (*UNREADABLE, tifffile.TiffFileError, ElementTree.ParseError) as error:
        raise ValueError(f"{path} cannot be read as an image: {_one_line(error)}") from error
    return _squeeze_unknown(content)


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
