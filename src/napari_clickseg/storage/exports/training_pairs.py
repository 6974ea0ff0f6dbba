"""Pairs of images and labels to train other programs with, a plane each: for Cellpose `NAME.tif` beside
`NAME_masks.tif`, for StarDist the folders `images` and `masks`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_clickseg.core.images import COLOUR_COUNTS
from napari_clickseg.storage.atomic import written_whole
from napari_clickseg.storage.exports.frames import Exported, check_new
from napari_clickseg.storage.write_labels import check_ids, id_range


def write_cellpose_pairs(folder: Path, exported: Exported) -> None:
    """Write the planes in `exported.frames` that hold objects, as Cellpose trains on them.

    Raises
    ------
    ValueError
        Where there is no image, or no plane holds an object.
    FileExistsError
        Where a file of such a name is there already.
    """
    _write_pairs(folder, exported, "{name}.tif", "{name}_masks.tif")


def write_stardist_pairs(folder: Path, exported: Exported) -> None:
    """Write the planes in `exported.frames` that hold objects, as StarDist trains on them; raises as for Cellpose."""
    _write_pairs(folder, exported, "images/{name}.tif", "masks/{name}.tif")


def _write_pairs(folder: Path, exported: Exported, of_image: str, of_labels: str) -> None:
    if exported.image is None:
        raise ValueError("Pairs for training need the image beside the labels; name it with --image.")
    places = {
        frame: (folder / of_image.format(name=name), folder / of_labels.format(name=name))
        for frame, name in ((frame, exported.plane_name(frame)) for frame, plane in exported.planes() if plane.any())
    }
    if not places:
        raise ValueError("None of the planes to export holds an object.")
    check_ids(None, *id_range(exported.labels))
    check_new(path for pair in places.values() for path in pair)
    for frame, (image, labels) in places.items():
        for place in (image, labels):
            place.parent.mkdir(parents=True, exist_ok=True)
        plane = np.asarray(exported.labels[frame])
        with written_whole(image) as part:
            _write_image(part, np.asarray(exported.image[frame]))
        with written_whole(labels) as part:
            dtype = np.uint16 if plane.max() < 2**16 else np.uint32
            tifffile.imwrite(part, plane.astype(dtype), compression="zlib")


def _write_image(path: Path, pixels: npt.NDArray[Any]) -> None:
    """Write a plane, channels last where there are some, as one page."""
    colours = pixels.ndim == 3 and pixels.shape[-1] in COLOUR_COUNTS
    tifffile.imwrite(
        path,
        pixels,
        compression="zlib",
        photometric="rgb" if colours else "minisblack",
        planarconfig="contig" if pixels.ndim == 3 else None,
    )
