"""Files: images into `Image`, labels and tables onto disk. A file that we write is there as a whole or not at all.

What a file says about its axes and its spacing is taken over; what it leaves open, the caller may name.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_clickseg.images import KNOWN_AXES, Image
from napari_clickseg.label_writers import ENDINGS, LABEL_WRITERS, kind_of, narrow_dtype, register
from napari_clickseg.readers import READERS, UNREADABLE, Content, read_picture, read_zarr


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
    path: str | Path, labels: Any, axes: str | None = None, spacing: Sequence[float] | None = None
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
    known = {axis: float(size) for axis, size in zip(axes, spacing or (), strict=False) if size != 1}
    dtype = narrow_dtype(array)
    kind = kind_of(path)
    with written_whole(path) as unfinished:
        LABEL_WRITERS[kind](unfinished, array, dtype, axes, known)
    if kind == "labels":
        register(path)


def check_labels_path(path: str | Path, axes: str = "") -> None:
    """Raise ValueError or FileNotFoundError where labels cannot be written to `path`, before any work is done.

    With their axes, it is also checked that the format can hold labels of so many.
    """
    path = Path(path)
    if kind_of(path) not in LABEL_WRITERS:
        raise ValueError(f"Labels cannot be written to {path}: its name must end in {', '.join(ENDINGS)}.")
    if kind_of(path) == ".png" and len(axes) > 2:
        raise ValueError(
            f"{path.name} would hold one plane, but the labels have the axes {axes}; write a .tif instead."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} to write {path.name} into.")


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_table(path: Path, rows: Sequence[Mapping[str, object]], columns: Sequence[str] = ()) -> None:
    """Write rows as CSV, under these columns or those that the first row names.

    Raises
    ------
    ValueError
        Where there are neither columns nor rows, or a row has columns of its own.
    OSError
        Where the disk refuses; no part of the file is left then.
    """
    columns = columns or list(rows[0] if rows else ())
    if not columns:
        raise ValueError(f"There are no rows to write to {path}, and so no columns.")
    with written_whole(path) as unfinished, open(unfinished, "w", newline="", encoding="utf-8") as handle:
        table = csv.DictWriter(handle, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


@contextmanager
def open_table(path: Path) -> Iterator[csv.DictReader[str]]:
    """Give the reader of a CSV, which may be packed (.csv.gz); what its columns are is for the caller to check."""
    unpacked = gzip.open if path.suffix == ".gz" else open
    with unpacked(path, "rt", newline="", encoding="utf-8") as handle:
        yield csv.DictReader(handle)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to, as a file or as a folder.

    It takes the place of `path` at the end, and vanishes where that fails.
    """
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield unfinished
        _put_in_place(unfinished, path)
    except OSError as error:
        number = () if error.errno is None else (error.errno,)  # numpy tells of a full disk without one
        raise OSError(*number, f"{path} cannot be written: {error.strerror or _one_line(error)}") from error
    finally:
        _remove(unfinished)


def _put_in_place(unfinished: Path, path: Path) -> None:
    if not unfinished.is_dir():
        os.replace(unfinished, path)
        return
    old = path.with_name(f".{path.stem}.{os.getpid()}.old{path.suffix}")
    if path.exists():
        os.replace(path, old)  # a folder cannot take the place of one that holds something
    try:
        os.replace(unfinished, path)
    except OSError:
        if old.exists():
            os.replace(old, path)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# -- reading -----------------------------------------------------------------------------------------------------------


def _read(path: Path) -> Content:
    reader = read_zarr if path.is_dir() else READERS.get(path.suffix.lower(), read_picture)
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
