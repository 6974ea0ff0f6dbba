"""Images: the one reader for pictures, by what a file holds rather than by its name, into `Image`.

What a file says of its axes, sizes, place and units is taken over; what it leaves open, the caller may name. An image
inside of another file or folder is named by its path: `bf.zarr/0`, `plate.zarr/A/1/0`, `cells.lif/2`.
"""

from __future__ import annotations

import io
import stat
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_clickseg.core.geometry import Geometry
from napari_clickseg.core.images import CHANNEL, KNOWN_AXES, Image, guess_axes
from napari_clickseg.storage.atomic import put_right
from napari_clickseg.storage.content import UNREADABLE as UNREADABLE
from napari_clickseg.storage.content import Content, UnreadableError, kind_by_content
from napari_clickseg.storage.formats import SUFFIXES, format_of, may_be_image, suffixes_of_images
from napari_clickseg.storage.ome_zarr import images_in_zarr, is_zarr, read_zarr
from napari_clickseg.storage.read_bioio import read_bioio
from napari_clickseg.storage.units import spacing_of

PICTURE_AXES = {2: "YX", 3: "YXC"}
LARGEST_PICTURE = 1 << 31
"""Pixels of a picture that is decoded as a whole; a header that declares more is damaged, or wants a TIFF."""
IN_ORDER = "TZYX"
"""The order of axes in a session; channels may stand anywhere."""


def read_image(path: str | Path, axes: str | None = None, channel: int | None = None) -> Image:
    """Read an image: TIFF, OME-Zarr, PNG and other pictures, .npy, and what bioio reads where that is installed.

    Uncompressed TIFF, large compressed ones, .npy and zarr stay on disk and are read block by block. Axes come in the
    order T, Z, Y, X, whatever their order in the file.

    Parameters
    ----------
    path : str or Path
        A file or a zarr folder; of one that holds several images, with the image's name or number behind it.
    axes : str, optional
        One letter per axis ("TZYX", "YXC"); read from the file, else guessed from the shape, where absent.
    channel : int, optional
        The one channel to use.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where it cannot be read, holds several images, or what no axes fit.
    """
    path = Path(path)
    content = _squeeze_unknown(read_content(path))
    named = (axes.upper() if axes else content.axes) or None
    try:
        return _image(content, named, channel)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


def is_image(path: Path) -> bool:
    """Return whether a file or folder may be one image, by its name and, of folders, by what lies in it."""
    if path.name.startswith("."):
        return False
    if path.is_dir():
        return is_zarr(path) and images_in(path) == [path]
    return may_be_image(path)


def images_in(path: Path) -> list[Path]:
    """Return the images of a file or a zarr folder: itself, or the fields of a plate, the series of a container.

    The one image of a container stands for itself: its folder is that image.

    Raises
    ------
    ValueError
        Where the zarr is damaged.
    """
    if not is_zarr(path):
        return [path]
    try:
        found = images_in_zarr(path)
    except UnreadableError:
        raise
    except UNREADABLE as error:
        raise ValueError(_why_not(path)) from error
    return [path] if len(found) == 1 else found


def read_content(path: Path) -> Content:
    """Read what a file or folder holds.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_image`.
    """
    file, inside = _split(path)
    reader = _reader(file)
    try:
        return reader(file, inside)
    except UnreadableError:
        raise
    except MemoryError:
        raise ValueError(
            f"{path} cannot be read as an image: it does not fit into memory. Save it as an uncompressed TIFF or as "
            "OME-Zarr, which are read block by block."
        ) from None
    except UNREADABLE as error:
        raise ValueError(_why_not(file)) from error


# -- which reader ------------------------------------------------------------------------------------------------------


def _split(path: Path) -> tuple[Path, str]:
    """The file that a path names, and which of its images, if the path goes on inside of it."""
    if not path.exists():
        put_right()  # it may have been about to be replaced when a process was killed
    try:
        mode = path.stat().st_mode
    except NotADirectoryError:
        if path.parent.is_file():
            return path.parent, path.name
        raise FileNotFoundError(f"There is no file {path}.") from None
    except (FileNotFoundError, ValueError):
        raise FileNotFoundError(f"There is no file {path}.") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}.") from None
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ValueError(f"{path} is no file but a pipe, a socket or a device; save the image into a file first.")
    return path, ""


def _reader(path: Path) -> Callable[[Path, str], Content]:
    if path.is_dir():
        if is_zarr(path):
            return _without_inside(read_zarr)
        raise UnreadableError(f"{path} is a folder, but no zarr; name an image in it.")
    try:
        kind, name = kind_by_content(path)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}.") from None
    form = format_of(path)
    if form is not None and form.kind == "bioio" and kind != "tiff":
        return lambda file, inside: read_bioio(file, inside, form.needs)
    if name == "empty":
        raise UnreadableError(f"{path} cannot be read as an image: the file is empty.")
    if form is not None and form.kind == "cellpose":
        raise UnreadableError(f"{path} is a session of Cellpose: it holds labels, not an image.")
    if form is not None and form.kind in ("npz", "zarr"):
        return BY_KIND[form.kind]
    return BY_KIND.get(kind) or BY_KIND.get(form.kind if form else "picture", BY_KIND["picture"])


def _why_not(path: Path) -> str:
    """One sentence on a file that no reader takes."""
    form, (kind, name) = format_of(path), ("", "") if path.is_dir() else kind_by_content(path)
    start = f"{path} cannot be read as an image: "
    if path.is_dir():
        return f"{start}this zarr is damaged or not complete."
    if kind:
        return f"{start}it is {name}, but damaged or cut off."
    if name:
        return f"{start}it is {name}. {_wanted()}"
    if form is not None:
        return f"{start}it is damaged, or not what its name says ({path.suffix})."
    return f"{start}its format is not known. {_wanted()}"


def _wanted() -> str:
    return f"Wanted are {', '.join(suffixes_of_images())}; programs such as Fiji and bfconvert save others as OME-TIFF."


def _without_inside(reader: Callable[[Path], Content]) -> Callable[[Path, str], Content]:
    def read(path: Path, inside: str) -> Content:
        if inside:
            raise FileNotFoundError(f"There is no file {path / inside}.")
        return reader(path)

    return read


# -- small readers -----------------------------------------------------------------------------------------------------


def read_npy(path: Path) -> Content:
    """Read a numpy array, as a memory map; files that would run code are refused."""
    try:
        return Content(np.lib.format.open_memmap(path, mode="r"))
    except ValueError as error:
        if "pickle" in str(error) or "Python objects" in str(error):
            named = kind_by_content(path)[0] == "npy"
            held = "it holds Python objects, not an array of numbers" if named else "it is no array of numpy"
            raise UnreadableError(f"{path} cannot be read as an image: {held}.") from None
        raise


def read_npz(path: Path) -> Content:
    """Read the one array of a numpy archive.

    Raises
    ------
    UnreadableError
        Where there are none or several.
    """
    with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as archive:
        if len(archive.files) != 1:
            held = ", ".join(archive.files[:6]) or "none"
            raise UnreadableError(f"{path} holds {len(archive.files)} arrays ({held}); wanted is one.")
        return Content(archive[archive.files[0]])


def read_picture(path: Path) -> Content:
    """Read a picture of any format that Pillow knows; grey with alpha becomes grey."""
    from imageio import v3
    from PIL import Image as Picture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Picture.DecompressionBombWarning)  # stitched images are that large
        before, Picture.MAX_IMAGE_PIXELS = Picture.MAX_IMAGE_PIXELS, LARGEST_PICTURE
        try:
            content = io.BytesIO(path.read_bytes())  # of a file, a damaged length would be allocated before it is read
            array = np.asarray(v3.imread(content, plugin="pillow"))
        except Picture.DecompressionBombError:
            raise UnreadableError(
                f"{path} tells of more than {LARGEST_PICTURE} pixels: it is damaged, or has to be a TIFF."
            ) from None
        finally:
            Picture.MAX_IMAGE_PIXELS = before
    if array.ndim == 3 and array.shape[-1] == 2:
        array = array[..., 0]
    return Content(array, PICTURE_AXES.get(array.ndim))


def _read_tiff(path: Path, inside: str) -> Content:
    """Read a TIFF; what reads it is imported with the first one."""
    from napari_clickseg.storage.read_tiff import read_tiff

    return read_tiff(path, inside)


BY_KIND: dict[str, Callable[[Path, str], Content]] = {
    "tiff": _read_tiff,
    "npy": _without_inside(read_npy),
    "npz": _without_inside(read_npz),
    "zarr": _without_inside(read_zarr),
    "picture": _without_inside(read_picture),
}
"""By the kinds of the table of formats."""
READERS = tuple(suffix for suffix, form in SUFFIXES.items() if form.images and form.kind not in ("picture", "bioio"))
"""How the names of images end that are no pictures."""


# -- from content to image ---------------------------------------------------------------------------------------------


def _image(content: Content, axes: str | None, channel: int | None) -> Image:
    array = content.array
    axes = axes or guess_axes(array.shape)
    if len(axes) != len(array.shape) or len(set(axes)) != len(axes):
        raise ValueError(
            f"axes={axes!r} must name each of the {len(array.shape)} axes of the shape {array.shape} once."
        )
    order = _usual_order(axes)
    if order != tuple(range(len(axes))):
        array, axes = in_order(array, order), "".join(axes[k] for k in order)
    geometry = geometry_of(content, axes.replace(CHANNEL, ""))
    return Image(array, axes, spacing_of(geometry), channel, geometry)


def geometry_of(content: Content, axes: str) -> Geometry:
    """Return what a file declares of the place of its pixels, along these axes."""
    return Geometry(
        axes,
        tuple(content.scale.get(axis) or 1.0 for axis in axes),
        tuple(content.origin.get(axis, 0.0) for axis in axes),
        tuple(content.units.get(axis, "") if content.scale.get(axis) else "" for axis in axes),
    )


def _usual_order(axes: str) -> tuple[int, ...]:
    """Where axes come from so that they stand as T, Z, Y, X; others stay ahead of these, channels in their place."""
    if CHANNEL not in axes:
        return tuple(sorted(range(len(axes)), key=lambda k: IN_ORDER.find(axes[k])))
    place = axes.index(CHANNEL)
    others = [k for k in range(len(axes)) if k != place]
    ordered = sorted(others, key=lambda k: IN_ORDER.find(axes[k]))
    return (*ordered[:place], place, *ordered[place:])


def in_order(array: Any, order: tuple[int, ...]) -> Any:
    """Return an array with its axes in another order, without reading it."""
    if isinstance(array, np.ndarray) or hasattr(array, "dask"):
        return array.transpose(order)
    return Reordered(array, order)


class Reordered:
    """An array on disk with its axes in another order; takes numpy's basic indexing."""

    def __init__(self, array: Any, order: tuple[int, ...]) -> None:
        self._array, self._order = array, order
        self.shape = tuple(array.shape[k] for k in order)
        self.dtype = np.dtype(array.dtype)
        self.ndim = len(order)

    def __getitem__(self, index: Any) -> Any:
        index = index if isinstance(index, tuple) else (index,)
        if Ellipsis in index:
            k = index.index(Ellipsis)
            index = (*index[:k], *[slice(None)] * (self.ndim - len(index) + 1), *index[k + 1 :])
        full = (*index, *[slice(None)] * (self.ndim - len(index)))
        asked = dict(zip(self._order, full, strict=True))
        block = np.asarray(self._array[tuple(asked[k] for k in range(self.ndim))])
        left = [k for k in range(self.ndim) if isinstance(asked[k], slice)]
        return block.transpose([left.index(k) for k in self._order if k in left])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self[...], dtype)


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
