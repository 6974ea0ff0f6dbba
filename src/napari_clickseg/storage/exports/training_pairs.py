"""Pairs of images and labels to train other programs with, a plane each: for Cellpose `NAME.tif` beside
`NAME_masks.tif`, for StarDist the folders `images` and `masks`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from napari_clickseg.storage.exports.frames import Exported


def write_cellpose_pairs(folder: Path, exported: Exported) -> None:
    """Write the planes in `exported.frames` that hold objects, as Cellpose trains on them.

    Raises
    ------
    ValueError
        Where there is no image, or no plane holds an object.
    """
    _write_pairs(folder, exported, "{name}.tif", "{name}_masks.tif")


def write_stardist_pairs(folder: Path, exported: Exported) -> None:
    """Write the planes in `exported.frames` that hold objects, as StarDist trains on them; raises as for Cellpose."""
    _write_pairs(folder, exported, "images/{name}.tif", "masks/{name}.tif")


def _write_pairs(folder: Path, exported: Exported, of_image: str, of_labels: str) -> None:
    if exported.image is None:
        raise ValueError("Pairs for training need the image beside the labels; name it with --image.")
    empty = True
    for frame, plane in exported.planes():
        if not plane.any():
            continue
        name = exported.plane_name(frame)
        image, labels = folder / of_image.format(name=name), folder / of_labels.format(name=name)
        for place in (image, labels):
            place.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(image, np.asarray(exported.image[frame]), compression="zlib")
        dtype = np.uint16 if plane.max() < 2**16 else np.uint32
        tifffile.imwrite(labels, plane.astype(dtype), compression="zlib")
        empty = False
    if empty:
        raise ValueError("None of the planes to export holds an object.")
