"""Checks of what a session is given, each with the one sentence that says what does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_clickseg.core.regions import Region

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Click, Frame
    from napari_clickseg.core.images import Image


def check_click(click: Click, image: Image) -> None:
    """Raise ValueError unless a click lies inside the image."""
    shape = image.shape
    if len(click.position) != len(shape):
        axes = ", ".join(image.label_axes)
        raise ValueError(
            f"A click on this image needs {len(shape)} coordinates ({axes}), but got {len(click.position)}."
        )
    if not all(np.isfinite(p) for p in click.position) or not Region.whole(shape).contains(click.position):
        where = ", ".join(f"{p:g}" for p in click.position)
        raise ValueError(f"The click ({where}) lies outside the image, whose shape is {shape}.")


def check_frame(frame: Frame, image: Image, ndim: int) -> None:
    """Raise ValueError unless the image has this frame, for a model that sees `ndim` axes."""
    counts = image.frames_shape(ndim)
    if len(frame) != len(counts) or not all(0 <= k < n for k, n in zip(frame, counts, strict=True)):
        axes = image.label_axes[: len(counts)]
        raise ValueError(f"There is no frame {frame}: a frame is named by its index along {axes or 'no axis'}.")


def check_id(label: int, dtype: np.dtype[Any]) -> None:
    """Raise ValueError where labels of this type cannot hold an id."""
    if label > np.iinfo(dtype).max:
        raise ValueError(
            f"The labels are {dtype}, which holds ids up to {np.iinfo(dtype).max}; convert them to a wider type "
            f"to add object {label} (in napari: right click on the layer > Convert data type)."
        )


def check_region(region: Region, whole: Region) -> None:
    """Raise ValueError unless an edit's region lies inside a frame."""
    if region.ndim != whole.ndim or region.intersection(whole) != region:
        raise ValueError(f"The edit's region {region} does not lie inside a frame of shape {whole.stop}.")
