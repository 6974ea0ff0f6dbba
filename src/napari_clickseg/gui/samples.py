"""Sample data for napari's File menu: small crops of openly licensed images; samples/LICENSES.md says whose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

FOLDER = Path(__file__).parent.parent / "samples"
LayerData = tuple[Any, dict[str, Any], str]


def nuclei() -> list[LayerData]:
    """Fluorescent nuclei, one plane."""
    return [_image("nuclei", "nuclei")]


def phase() -> list[LayerData]:
    """Adherent cells in phase contrast, one plane."""
    return [_image("phase", "phase contrast")]


def timelapse() -> list[LayerData]:
    """Eight frames of moving cells, with the labels that a network made of them: something to correct."""
    labels = tifffile.imread(FOLDER / "timelapse_labels.tif").astype("int32")
    data, options, kind = _image("timelapse", "time-lapse")
    axes = {"axis_labels": ("t", "y", "x")}
    return [(data, {**options, **axes}, kind), (labels, {"name": "to correct", "opacity": 0.45, **axes}, "labels")]


def zstack() -> list[LayerData]:
    """Nuclei of a mouse embryo, 40 planes that lie 2.2 pixels apart."""
    data, options, kind = _image("zstack", "z-stack")
    return [(data, {**options, "scale": (2.1875, 1.0, 1.0), "axis_labels": ("z", "y", "x")}, kind)]


def _image(file: str, name: str) -> LayerData:
    data = tifffile.imread(FOLDER / f"{file}.tif")
    limits = [float(limit) for limit in np.percentile(data, (0.1, 99.9))]
    return data, {"name": name, "contrast_limits": limits}, "image"
