"""Labels: the one reader for label files, for every command. What comes out are whole numbers from 0 on; 0 is
background.

Taken are integers, whole numbers stored as floats, masks of true and false, pictures whose palette shows ids, grey
pictures saved in three equal channels, sessions of Cellpose (`_seg.npy`) and numpy archives of one array, as
Cell-ACDC writes them. What says that it is no value (NaN, -1, -9999, the lowest number of a type) is background; what
only looks as if it were (1 or 255 around all objects) is asked about.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.images import CHANNEL, Image
from napari_clickseg.core.label_conventions import convention_of, with_background
from napari_clickseg.storage.content import UNREADABLE
from napari_clickseg.storage.formats import format_of
from napari_clickseg.storage.read_images import read_image

Array = npt.NDArray[Any]

INDEXED_PICTURES = {".png", ".bmp", ".gif"}
NO_VALUE = {-1.0, -9999.0}
"""Numbers that stand for "no value" in many programs, beside the lowest one of a type."""
CELLPOSE_MASKS = "masks"
"""The entry of a session of Cellpose that holds labels."""
HARMLESS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
    ("collections", "OrderedDict"),
    ("builtins", "slice"),
    ("pathlib", "PosixPath"),
    ("pathlib", "WindowsPath"),
}
"""What a session of Cellpose is made of. A file that names anything else could run code, and is refused."""


def read_labels(path: str | Path, background: int | None = None) -> Image:
    """Read a label image or mask, lazily where the file allows it.

    Parameters
    ----------
    background : int, optional
        As in `as_ids`.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where it cannot be read, has colours, or holds numbers that are no ids, or that may be none.
    """
    path = Path(path)
    image = _single(path)
    return replace(image, array=as_ids(image.array, path, background))


def read_labels_for(path: str | Path, *shapes: Sequence[int], background: int | None = None) -> Any:
    """Read the labels of an image, lazily where the file allows it; axes of length 1 may be there or not.

    Parameters
    ----------
    shapes : sequences of int
        The shapes that labels may have, the wanted one first.
    background : int, optional
        As in `as_ids`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_labels`, and where they have none of the shapes.
    """
    labels = _single(Path(path)).array
    came = tuple(int(n) for n in labels.shape)
    for shape in map(tuple, shapes):
        if came == shape:
            return as_ids(labels, path, background)
        if [n for n in came if n != 1] == [n for n in shape if n != 1]:
            return np.asarray(as_ids(labels, path, background)[...]).reshape(shape)
    wanted = " or ".join(dict.fromkeys(str(tuple(shape)) for shape in shapes))
    raise ValueError(f"{path} has the shape {came}, but this image needs labels of the shape {wanted}.")


def as_ids(labels: Any, source: object = "The labels", background: int | None = None) -> Any:
    """Return labels as ids from 0 on: as they are where they are that, else as numpy.

    Whole numbers stored as floats become integers; NaN and -1, where 0 or nothing else is background, become 0, and
    so does the one number below 0 that says "no value" (-9999, the lowest number of the type).

    Parameters
    ----------
    source : object
        Where they come from, for sentences.
    background : int, optional
        The number that stands for background; 0 takes all numbers as they are. Where absent, labels in which another
        number than 0 looks like background are refused.

    Raises
    ------
    ValueError
        Where they are no whole numbers, background and ids cannot be distinguished, or the background is not there.

    Examples
    --------
    >>> as_ids(np.array([[-1.0, 2.0]]))
    array([[0, 2]])
    >>> as_ids(np.array([[9, 9, 9], [9, 2, 1]]), background=9)
    array([[0, 0, 0],
           [0, 2, 1]])
    """
    whole, below = _whole_numbers(labels, source, background)
    if background in below:
        return whole
    if background is None:
        _check_convention(whole, source)
        return whole
    if background == 0:
        return whole
    values = np.asarray(whole[...])
    if not (values == background).any():
        raise ValueError(f"{source} holds no {background}, so it cannot be their background.")
    return with_background(values, background)


def _check_convention(labels: Any, source: object) -> None:
    """Raise ValueError where a number other than 0 looks like background."""
    found = convention_of(labels)
    if found is not None and found.kind != "mask":
        raise ValueError(
            f"{source}: the labels {found.sentence}. Say what is background: --background {found.value}, or "
            "--background 0 where all numbers but 0 are objects."
        )


def _whole_numbers(labels: Any, source: object, background: int | None) -> tuple[Any, set[float]]:
    """Labels as whole numbers from 0 on, and the numbers below 0 that were in them."""
    kind = np.dtype(labels.dtype).kind
    if kind == "u":
        return labels, set()
    if kind == "b":
        return np.asarray(labels[...]).astype(np.uint8), set()
    if kind not in "if":
        raise ValueError(f"{source} holds {labels.dtype}, but labels must be whole numbers.")
    below: set[float] = set()
    unknown = False
    for plane in _planes(labels):
        known = plane[~np.isnan(plane)] if kind == "f" else plane
        unknown = unknown or known.size < plane.size
        if kind == "f" and not (np.isfinite(known).all() and (known == np.floor(known)).all()):
            raise ValueError(
                f"{source} holds numbers with fractions ({labels.dtype}), but labels must be whole numbers."
            )
        below |= set(np.unique(known[known < 0]).tolist())
    if kind == "i" and not below:
        return labels, below
    return _from_zero(labels, below, unknown, source, background), below


def _planes(labels: Any) -> Iterator[Array]:
    return (np.asarray(labels[index]) for index in np.ndindex(*labels.shape[:-2]))


def _from_zero(labels: Any, below: Set[float], unknown: bool, source: object, background: int | None) -> Array:
    """Labels whose background is 0: what is NaN, or one number that says "no value", becomes that."""
    values = np.asarray(labels[...])
    nothing = np.isnan(values) if unknown else np.zeros(values.shape, bool)
    if below:
        lowest = min(below)
        if len(below) > 1 or lowest not in {*NO_VALUE, _lowest(values.dtype), background}:
            remedy = "relabel the objects" if len(below) > 1 else f"say --background {lowest:g} where it is background"
            raise ValueError(
                f"{source} holds the number {lowest:g}, but ids are whole numbers from 1 on and 0 is background: "
                f"{remedy}."
            )
        nothing = nothing | (values == lowest)
    zeros = int((values == 0).sum())
    if 0 < zeros < int(nothing.sum()):
        what = f"{min(below):g}" if below else "NaN"
        raise ValueError(
            f"{source} has {what} as its background and an object 0, but 0 stands for background: add 1 to all "
            "of its numbers."
        )
    return np.where(nothing, 0, values).astype(np.int64)


def _lowest(dtype: np.dtype[Any]) -> float:
    return float(np.iinfo(dtype).min if dtype.kind == "i" else np.finfo(dtype).min)


# -- files -------------------------------------------------------------------------------------------------------------


def _single(path: Path) -> Image:
    """A file's numbers as they are, of one channel."""
    image = _read(path)
    return _one_plane(image, path) if CHANNEL in image.axes else image


def _read(path: Path) -> Image:
    form = format_of(path)
    if form is not None and form.kind == "cellpose" and path.is_file():
        return Image.of(_cellpose_masks(path))
    indices = _read_indices(path) if path.suffix.lower() in INDEXED_PICTURES and path.is_file() else None
    return indices or read_image(path)


def _one_plane(image: Image, path: Path) -> Image:
    """The one plane of a grey picture that was saved in several equal channels; what a fourth holds is opacity."""
    planes = np.moveaxis(np.asarray(image.array[...]), image.axes.index(CHANNEL), 0)
    if (planes[:3] != planes[0]).any():
        raise ValueError(f"{path} is no label image: it has colours or several channels.")
    return Image(planes[0], image.label_axes, image.spacing, None, image.geometry)


def _read_indices(path: Path) -> Image | None:
    """Indices of a picture with a palette; None where it has none, or one of greys only."""
    from PIL import Image as Picture

    try:
        with Picture.open(path) as picture:
            palette = picture.getpalette("RGB") if picture.mode == "P" else None
            if palette is None or palette[::3] == palette[1::3] == palette[2::3]:
                return None
            return Image.of(np.asarray(picture), "YX")
    except (*UNREADABLE, Picture.DecompressionBombError):
        return None  # the reader of images says what is wrong


class _Harmless(pickle.Unpickler):
    """Reads pickles of arrays and plain values; nothing else is imported, so nothing can run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in HARMLESS:
            raise pickle.UnpicklingError(f"{module}.{name}")
        if module == "pathlib":
            return str
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _cellpose_masks(path: Path) -> Array:
    with open(path, "rb") as handle:
        try:
            version = np.lib.format.read_magic(handle)
            reader = {1: np.lib.format.read_array_header_1_0}.get(version[0], np.lib.format.read_array_header_2_0)
            _, _, dtype = reader(handle)
            if dtype.kind != "O":
                handle.seek(0)
                return np.asarray(np.load(handle, allow_pickle=False))
            held = _Harmless(handle, encoding="latin1").load()
        except pickle.UnpicklingError as error:
            raise ValueError(
                f"{path} holds more than arrays and plain values ({error}), so opening it could run code: save "
                "its masks as TIFF or PNG in Cellpose."
            ) from None
        except UNREADABLE as error:
            raise ValueError(f"{path} is damaged, or no session of Cellpose.") from error
    held = held.item() if isinstance(held, np.ndarray) and held.shape == () else held
    masks = held.get(CELLPOSE_MASKS) if isinstance(held, dict) else None
    if not isinstance(masks, np.ndarray):
        raise ValueError(f"{path} holds no masks, as a session of Cellpose does; save them as TIFF or PNG.")
    return masks
