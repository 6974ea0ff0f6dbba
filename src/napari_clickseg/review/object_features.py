"""Object features: what biologists measure of each object on each frame, in pixels and in the image's units.

Sizes and shapes come from scikit-image's regionprops; intensities are those of the image as it is stored.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.regions import Region

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.images import Image

INTENSITIES = ("mean", "sd", "min", "max", "total")
SHAPES_2D = {
    "perimeter": "perimeter",
    "axis_major": "axis_major_length",
    "axis_minor": "axis_minor_length",
    "eccentricity": "eccentricity",
    "solidity": "solidity",
}
"""Of planes alone, column: property of regionprops. Lengths are in the unit of y and x."""

Row = dict[str, Any]


def measure(image: Image, labels: Any, ndim: int = 2, classes: Mapping[int, str] | None = None) -> Iterator[Row]:
    """Give a row per object and frame, frame by frame; nothing else is read meanwhile.

    Parameters
    ----------
    image : Image
        With channels or without; its spacing gives the units.
    labels : array-like
        The image's shape without channels.
    ndim : int
        2 measures planes, 3 the volumes of a stack.
    classes : mapping of int to str, optional
        The class of each object that has one.

    Raises
    ------
    ValueError
        Where the shapes differ.
    """
    if tuple(labels.shape) != tuple(image.shape):
        raise ValueError(f"The labels are {tuple(labels.shape)}, but the image is {tuple(image.shape)}.")
    for frame in np.ndindex(*image.frames_shape(ndim)):
        yield from measure_frame(image, labels, frame, ndim, classes or {})


def measure_frame(image: Image, labels: Any, frame: Frame, ndim: int, classes: Mapping[int, str]) -> Iterator[Row]:
    """Give a row per object of one frame, by id."""
    from skimage.measure import regionprops  # brings in scipy.spatial and sparse: not when a panel opens

    plane = np.asarray(labels[frame])
    if not plane.any():
        return
    spacing = tuple(float(s) for s in image.spacing[-ndim:])
    channels = _channels(image, frame, ndim)
    leading = image.label_axes[: len(frame)].lower()
    axes = image.label_axes[-ndim:].lower()
    ids, compact = _numbered(plane)
    for region in regionprops(compact, spacing=spacing):
        label = int(ids[region.label])
        place = dict(zip(leading, frame, strict=True))
        row: Row = {"label": label, **place, "class": classes.get(label, "")}
        row |= {"pixels": int(region.num_pixels), "area" if ndim == 2 else "volume": float(region.area)}
        row["diameter"] = float(region.equivalent_diameter_area)
        row |= {f"centroid_{axis}": float(c) for axis, c in zip(axes, region.centroid, strict=True)}
        if ndim == 2:
            row |= _shape(region, spacing)
        box, mask = region.slice, region.image
        for name, values in channels.items():
            inside = values[box][mask].astype(np.float64)
            measured = (inside.mean(), inside.std(), inside.min(), inside.max(), inside.sum())
            row |= {f"{kind}{name}": float(v) for kind, v in zip(INTENSITIES, measured, strict=True)}
        yield row


def _numbered(plane: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
    """The ids of a plane, 0 first, and the plane with their places in that: regionprops counts up to the highest."""
    ids, compact = np.unique(plane, return_inverse=True)
    compact = compact.reshape(plane.shape)
    return (ids, compact) if ids[0] == 0 else (np.concatenate(([0], ids)), compact + 1)


def as_features(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Return rows as columns for `Labels.features`, with the background first, as napari counts values from 0.

    >>> as_features([{"label": 3, "area": 5.0}])
    {'index': [0, 3], 'label': [0, 3], 'area': [None, 5.0]}
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns: dict[str, list[Any]] = {"index": [0, *(row["label"] for row in rows)]}
    for name in names:
        columns[name] = [0 if name == "label" else None, *(row.get(name) for row in rows)]
    return columns


def as_csv(rows: Sequence[Row]) -> str:
    """Return rows as a table with a head line."""
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["label"]
    text = StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    return text.getvalue()


def _shape(region: Any, spacing: tuple[float, ...]) -> Row:
    """Shape properties; perimeters are not defined for pixels that are no squares, and are left out there."""
    square = np.isclose(spacing[0], spacing[1])
    return {
        column: float(getattr(region, name)) for column, name in SHAPES_2D.items() if square or column != "perimeter"
    }


def _channels(image: Image, frame: Frame, ndim: int) -> dict[str, npt.NDArray[Any]]:
    """The frame's pixels by the ending of their columns: none for one channel, _c0, _c1 .. otherwise."""
    pixels = image.raw(frame, Region.whole(image.frame_shape(ndim)))
    if len(pixels) == 1:
        return {"": pixels[0]}
    return {f"_c{k}": channel for k, channel in enumerate(pixels)}
