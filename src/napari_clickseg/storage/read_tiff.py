"""TIFF: the pixels of the file that was named, and what OME, ImageJ and microscopes declare of axes and sizes.

Uncompressed pixels stay on disk as a memory map; of large compressed ones the finest level is decoded tile by tile.
"""

from __future__ import annotations

import re
import struct
import weakref
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_clickseg.core.images import CHANNEL
from napari_clickseg.storage.content import Content, UnreadableError
from napari_clickseg.storage.formats import CODECS, ZARR
from napari_clickseg.storage.units import factor

DECODED_AT_ONCE = 1 << 28
"""Bytes of a compressed TIFF that are decoded into memory; of larger ones, a tile is decoded when it is looked at."""
LARGEST_RATIO = 1 << 16
"""No compression of microscope images is better than this; a header that says so is damaged."""
OVERVIEW = 0.25
"""Images of a file with at most this share of the largest one's pixels are overviews, labels, thumbnails of it."""
CENTIMETRE, INCH = 3, 2
"""Values of the tag ResolutionUnit."""
NO_RESOLUTION = 72
"""Dots per inch that stand for "not declared"."""
Sizes = dict[str, tuple[float, str]]
"""Size and unit by axis letter."""


def read_tiff(path: Path, inside: str = "") -> Content:
    """Read a TIFF.

    Parameters
    ----------
    inside : str
        The number of an image, counted from 0, of a file that holds several.

    Raises
    ------
    UnreadableError
        Where a codec is missing, the file is cut off, belongs to a set that is not complete, or holds several images.
    """
    with tifffile.TiffFile(path) as tiff:
        series = _named_series(tiff, path, inside)
        _check_whole(tiff, series, path)
        axes = series.axes
        if "S" in axes and CHANNEL not in axes:
            axes = axes.replace("S", CHANNEL)
        declared = {axis: size for axis, size in _relative(_sizes(tiff, series)).items() if axis in axes}
        scale = {axis: size for axis, (size, _) in declared.items()}
        units = {axis: unit for axis, (_, unit) in declared.items()}
        return Content(_pixels(tiff, series, path), axes, scale, {}, units)


def _named_series(tiff: tifffile.TiffFile, path: Path, inside: str) -> Any:
    """The image that is meant: of a set of files the one in the named file, of several the one with the number."""
    here = [s for s in tiff.series if any(page is not None and _is_in(page, tiff) for page in s.pages)]
    here = here or list(tiff.series)
    if not here:
        raise UnreadableError(f"{path} cannot be read as an image: it holds none.")
    if inside:
        if not inside.isdigit() or int(inside) >= len(here):
            raise UnreadableError(f"{path} has no image {inside}; it has {len(here)}, counted from 0.")
        return here[int(inside)]
    largest = max(int(np.prod(s.shape, dtype=float)) for s in here)
    meant = [s for s in here if int(np.prod(s.shape, dtype=float)) > OVERVIEW * largest]
    if len(meant) > 1:
        shapes = ", ".join(f"{path.name}/{here.index(s)} {tuple(s.shape)}" for s in meant[:4])
        more = " .." if meant[4:] else ""
        raise UnreadableError(f"{path} holds {len(here)} images; name one of them: {shapes}{more}.")
    return meant[0]


def _is_in(page: Any, tiff: tifffile.TiffFile) -> bool:
    return bool(page.parent.filehandle.path == tiff.filehandle.path)


def _check_whole(tiff: tifffile.TiffFile, series: Any, path: Path) -> None:
    """Raise UnreadableError where pixels are missing: files of a set, or the end of the file."""
    pages = list(series.pages)
    if any(page is None for page in pages):
        lost = sum(page is None for page in pages)
        raise UnreadableError(
            f"{path} is one file of a set, of which {lost} of {len(pages)} planes are missing: put the files of the "
            "set into one folder, or export the image as a single file."
        )
    key, size = series.keyframe, path.stat().st_size
    mine = [page for page in pages if page.parent is tiff]
    ends = (max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=False)), default=0) for page in mine)
    stored = sum(int(n) for page in pages for n in page.databytecounts)
    sparse = any(int(n) == 0 for page in pages for n in page.databytecounts)
    plain = key.compression == 1 and key.bitspersample % 8 == 0
    if max(ends, default=0) > size or (plain and not sparse and not series.dataoffset and stored < series.nbytes):
        raise UnreadableError(f"{path} is cut off or damaged: the file is shorter than its pixels.")
    if series.nbytes > max(stored, 1) * LARGEST_RATIO and series.nbytes > DECODED_AT_ONCE:
        shape = tuple(series.shape)
        raise UnreadableError(f"{path} is damaged: {stored} bytes cannot be an image of the shape {shape}.")


@contextmanager
def _unpacking(page: Any, path: Path) -> Iterator[None]:
    """Turn what decoders raise into a sentence, which names the package where it is only that that is missing."""
    try:
        yield
    except (LookupError, ValueError, RuntimeError, ImportError, OSError, struct.error, zlib.error) as error:
        if "imagecodecs" not in str(error) and not isinstance(error, ImportError):
            raise UnreadableError(f"{path} is damaged or cut off: its pixels cannot be unpacked.") from error
        how = getattr(page.compression, "name", str(page.compression))
        packed = f"{page.bitspersample} bits a pixel" if page.compression == 1 else f"{how} compression"
        raise UnreadableError(
            f'{path} has {packed}, which needs the package imagecodecs: pip install "{CODECS}".'
        ) from error


def _pixels(tiff: tifffile.TiffFile, series: Any, path: Path) -> Any:
    offset = series.dataoffset if series.keyframe.parent is tiff else None
    if offset is not None and series.keyframe.bitspersample % 8 == 0:
        dtype = np.dtype(series.dtype).newbyteorder(tiff.byteorder)
        return np.memmap(path, dtype, "r", offset, tuple(series.shape))
    if series.nbytes <= DECODED_AT_ONCE:
        with _unpacking(series.keyframe, path):
            return series.asarray()
    if find_spec("zarr") is None:
        raise UnreadableError(
            f"{path} holds {series.nbytes / 2**30:.1f} GB of packed pixels; reading them tile by tile needs the "
            f'package zarr: pip install "{ZARR}".'
        )
    if series.keyframe.parent is tiff:
        with _unpacking(series.keyframe, path):  # that a codec is missing shows nowhere else
            next(iter(series.keyframe.segments()), None)
    return _tiles_on_demand(path, tiff.series.index(series))


def _tiles_on_demand(path: Path, number: int) -> Any:
    """The finest level of an image as a zarr array; the file stays open as long as there is the array."""
    import zarr

    store = tifffile.imread(path, aszarr=True, series=number, level=0)
    array = zarr.open_array(store, mode="r")
    weakref.finalize(array, store.close)
    return array


# -- sizes -------------------------------------------------------------------------------------------------------------


def _sizes(tiff: tifffile.TiffFile, series: Any) -> Sizes:
    """What the file declares of sizes, by the program that wrote it."""
    readers = (
        ("is_ome", _ome_sizes),
        ("is_imagej", _imagej_sizes),
        ("is_lsm", _lsm_sizes),
        ("is_stk", _stk_sizes),
        ("is_svs", _svs_sizes),
        ("is_ndpi", _ndpi_sizes),
        ("is_micromanager", _micromanager_sizes),
    )
    for flag, reader in readers:
        if getattr(tiff, flag):
            return dict(reader(tiff, series))
    return {}


def _relative(sizes: Sizes) -> Sizes:
    """Sizes with their units; where those are no lengths, sizes relative to the one along X, without a unit."""
    x = sizes.get("X", (1.0, ""))
    whole = 1.0 if factor(x[1], "X") else x[0]
    known = {axis: size for axis, size in sizes.items() if factor(size[1], axis)}
    rest = {axis: (size[0] / whole, "") for axis, size in sizes.items() if axis not in known and axis != "T"}
    return known | (rest if whole == x[0] and "X" not in known else {})


def _ome_sizes(tiff: tifffile.TiffFile, series: Any) -> Iterator[tuple[str, tuple[float, str]]]:
    root = ElementTree.fromstring(tiff.ome_metadata or "<OME/>")
    pixels = [
        (image.get("Name"), p) for image in root.iter() if image.tag.endswith("}Image") for p in _parts(image, "Pixels")
    ]
    if not pixels:
        return
    numbered = pixels[series_index] if (series_index := tiff.series.index(series)) < len(pixels) else pixels[0]
    by_name = [p for name, p in pixels if name == series.name]
    mine = by_name[0] if len(by_name) == 1 else numbered[1]
    for axis in "XYZ":
        size = _positive(mine.get(f"PhysicalSize{axis}"))
        if size:
            yield axis, (size, mine.get(f"PhysicalSize{axis}Unit", "µm"))
    interval = _positive(mine.get("TimeIncrement"))
    if interval:
        yield "T", (interval, mine.get("TimeIncrementUnit", "s"))


def _parts(element: Any, name: str) -> Iterator[Any]:
    return (part for part in element if part.tag.endswith("}" + name))


def _imagej_sizes(tiff: tifffile.TiffFile, series: Any) -> Iterator[tuple[str, tuple[float, str]]]:
    """Sizes in ImageJ's unit, else in that of the resolution."""
    declared: Mapping[str, Any] = tiff.imagej_metadata or {}
    tags = tiff.pages.first.tags
    resolution = tags.get("ResolutionUnit")
    usual = {INCH: "inch", CENTIMETRE: "cm"}.get(resolution.value if resolution else 1, "")
    x, y = (_pixel_size(tags.get(name)) for name in ("XResolution", "YResolution"))
    if not declared.get("unit") and usual == "inch" and x and round(1 / x) == NO_RESOLUTION:
        usual, x, y = "", None, None
    unit = str(declared.get("unit") or usual)
    z = _positive(declared.get("spacing"))
    units = {"X": unit, "Y": str(declared.get("yunit") or unit), "Z": str(declared.get("zunit") or unit)}
    for axis, size in (("X", x), ("Y", y), ("Z", z)):
        if size:
            yield axis, (size, units[axis])
    interval = _positive(declared.get("finterval"))
    if interval:
        yield "T", (interval, str(declared.get("tunit") or "s"))


def _pixel_size(tag: Any) -> float | None:
    """The size of a pixel of a resolution tag, which counts pixels per unit as a fraction."""
    if tag is None or len(tag.value) != 2 or not all(tag.value):
        return None
    return float(1 / Fraction(*map(int, tag.value)))


def _lsm_sizes(tiff: tifffile.TiffFile, series: Any) -> Iterator[tuple[str, tuple[float, str]]]:
    declared = tiff.lsm_metadata or {}
    for axis in "XYZ":
        size = _positive(declared.get(f"VoxelSize{axis}"))
        if size:
            yield axis, (size, "m")
    interval = _positive(declared.get("TimeIntervall"))  # spelt so by Zeiss
    if interval:
        yield "T", (interval, "s")


def _stk_sizes(tiff: tifffile.TiffFile, series: Any) -> Iterator[tuple[str, tuple[float, str]]]:
    declared = tiff.stk_metadata or {}
    for axis in "XY":
        size = _positive(declared.get(f"{axis}Calibration"))
        if size:
            yield axis, (size, str(declared.get("CalibrationUnits") or ""))
    distance = declared.get("ZDistance")
    step = _positive(float(np.ravel(distance)[0])) if distance is not None and np.size(distance) else None
    if step:
        yield "Z", (step, str(declared.get("CalibrationUnits") or ""))


def _svs_sizes(tiff: tifffile.TiffFile, series: Any) -> Iterator[tuple[str, tuple[float, str]]]:
    found = re.search(r"MPP\s*=\s*([0-9.]+)", tiff.pages.first.description or "")
    size = _positive(found[1]) if found else None
    if size:
        yield from ((axis, (size, "µm")) for axis in "XY")


def _ndpi_sizes(tiff: tifffile.TiffFile, series: Any) -> Iterator[tuple[str, tuple[float, str]]]:
    tags = tiff.pages.first.tags
    unit = tags.get("ResolutionUnit")
    for axis, name in (("X", "XResolution"), ("Y", "YResolution")):
        size = _pixel_size(tags.get(name))
        if size and unit is not None and unit.value == CENTIMETRE:
            yield axis, (size, "cm")


def _micromanager_sizes(tiff: tifffile.TiffFile, series: Any) -> Iterator[tuple[str, tuple[float, str]]]:
    declared = (tiff.micromanager_metadata or {}).get("Summary") or {}
    size, step = _positive(declared.get("PixelSize_um")), _positive(declared.get("z-step_um"))
    if size:
        yield from ((axis, (size, "µm")) for axis in "XY")
    if step:
        yield "Z", (step, "µm")
    interval = _positive(declared.get("Interval_ms"))
    if interval:
        yield "T", (interval, "ms")


def _positive(value: Any) -> float | None:
    """A size as a number above 0 (stages that move down count it negative); None where it is none."""
    try:
        size = abs(float(value))
    except (TypeError, ValueError):
        return None
    return size if 0 < size < float("inf") else None
