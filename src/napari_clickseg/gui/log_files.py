"""Click logs in napari: a session file opens as the clicks that were made, over its image where that lies beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_clickseg.core.images import CHANNEL
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.storage.session_file import KIND, Saved, load_session

LayerData = tuple[Any, dict[str, Any], str]
HEAD = 1024
"""Bytes: the kind of a file stands at its beginning."""
COLOURS = {True: "#3ddc84", False: "#ff5252"}
"""Of clicks that include and of those that exclude."""


def reader_for(path: str | Sequence[str]) -> Callable[[str], list[LayerData]] | None:
    """Return what reads a session file; None for other files: napari asks the next reader."""
    if not isinstance(path, str) or Path(path).suffix.lower() != ".json" or not Path(path).is_file():
        return None
    with Path(path).open("rb") as file:
        return _read if KIND.encode() in file.read(HEAD) else None


def _read(path: str) -> list[LayerData]:
    saved = load_session(path)
    return [*_image(Path(path), saved), _clicks(Path(path), saved)]


def _image(path: Path, saved: Saved) -> list[LayerData]:
    """The image that the log is about, where a file of its name and shape lies beside the log."""
    file = path.parent / saved.image.name
    if not saved.image.name or not file.is_file():
        return []
    image = read_image(file, saved.image.axes)
    if tuple(image.array.shape) != tuple(saved.image.shape):
        return []
    colour, axes, scale = image.axes.endswith(CHANNEL), image.axes, list(image.spacing)
    if colour:
        axes = axes.removesuffix(CHANNEL)
    elif CHANNEL in axes:
        scale.insert(axes.index(CHANNEL), 1.0)
    options = {"name": file.name, "rgb": colour, "scale": scale, "axis_labels": tuple(axes.lower())}
    return [(image.array, options, "image")]


def _clicks(path: Path, saved: Saved) -> LayerData:
    """All clicks of the log as points: which object each is for, whether it includes, and its number there."""
    rows = [
        (click.position, label, click.positive, number)
        for label, clicks in saved.clicks().items()
        for number, click in enumerate(clicks, 1)
    ]
    axes = saved.image.axes.replace(CHANNEL, "")
    points = np.array([position for position, *_ in rows], float).reshape(-1, len(axes))
    features = {
        "object": [label for _, label, *_ in rows],
        "include": [positive for _, _, positive, _ in rows],
        "click": [number for *_, number in rows],
    }
    colours = [COLOURS[positive] for _, _, positive, _ in rows]
    options: dict[str, Any] = {
        "name": f"{path.stem} (clicks)",
        "features": features,
        "scale": saved.image.spacing,
        "axis_labels": tuple(axes.lower()),
        "face_color": colours or "white",
        "symbol": ["disc" if positive else "x" for _, _, positive, _ in rows] or "disc",
        "text": {"string": "{object}", "anchor": "upper_left", "color": "white"},
    }
    return points, options, "points"
