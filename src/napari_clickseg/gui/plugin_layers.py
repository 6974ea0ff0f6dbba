"""Plugin layers: the layers that this plugin makes, how they look, where they lie, and how they are known again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Points
from napari.utils.colormaps import CyclicLabelColormap

from napari_clickseg.core.object_classes import usable_name

if TYPE_CHECKING:
    from napari_clickseg.gui.placement import Placement

Polarity = Literal["positive", "negative"]
Role = Literal["outlines", "suggestions"]
"""What a layer of lines shows."""
POLARITIES: tuple[Polarity, Polarity] = ("positive", "negative")
MARK = "napari-clickseg"
"""The key in a layer's metadata by which our layers are known again."""
COLOURS = np.array(
    [
        *((0, 0, 0, 0), (255, 214, 10, 255), (0, 229, 255, 255), (255, 84, 112, 255), (118, 255, 122, 255)),
        *((255, 128, 214, 255), (255, 171, 0, 255), (0, 245, 180, 255), (64, 156, 255, 255), (190, 240, 60, 255)),
        *((120, 210, 255, 255), (255, 112, 67, 255), (255, 255, 255, 255)),
    ],
    np.uint8,
)
"""Of objects by id, nothing first: bright, so that they differ from grey phase contrast and purple histology. Those
that follow each other differ by 18 or more (CIEDE2000) for eyes without red or green cones, too."""
COLORMAP = "clickseg"
"""The name of the colormap of these."""
SCREEN_SIZE = 13
"""Clicks are drawn this many screen pixels wide, at any zoom."""
LOOKS: dict[Polarity, dict[str, Any]] = {
    "positive": {
        "name": "include (clicks)",
        "symbol": "o",
        "face_color": "#00000000",
        "border_color": "#3ddc84",
        "border_width": 0.22,
    },
    "negative": {
        "name": "exclude (clicks)",
        "symbol": "x",
        "face_color": "#ff5252",
        "border_color": "#ff5252",
        "border_width": 0.0,
    },
}


def plain(thing: Any) -> Any:
    """Return the object behind napari's proxy for plugins; layers are compared by identity, and proxies are not."""
    return getattr(thing, "__wrapped__", thing)


def role_of(layer: Any) -> str | None:
    """Return what this plugin made a layer for: "positive", "negative", "labels", "preview", "trial", or None."""
    mark = layer.metadata.get(MARK)
    return mark.get("role") if isinstance(mark, dict) else None


def make_points(polarity: Polarity, placement: Placement, zoom: float) -> Any:
    """Return an empty click channel of an image; `zoom` is the camera's now."""
    return Points(
        ndim=placement.ndim,
        size=SCREEN_SIZE / max(zoom, 1e-6) / _mean_scale(placement),
        canvas_size_limits=(SCREEN_SIZE, SCREEN_SIZE),
        metadata={MARK: {"role": polarity}},
        **LOOKS[polarity],
        **placement.options,
    )


def make_preview(placement: Placement) -> Any:
    """Return an empty preview, made before the first answer: making a layer takes longer than a click may."""
    named = {name: placement.options[name] for name in ("units", "axis_labels") if name in placement.options}
    return Image(
        np.zeros((1,) * placement.ndim + (4,), np.uint8),
        rgb=True,
        affine=placement.matrix,
        name="preview",
        blending="translucent_no_depth",
        visible=False,
        metadata={MARK: {"role": "preview"}},
        **named,
    )


def make_outlines(placement: Placement, picture: npt.NDArray[np.uint8], matrix: Any, name: Role = "outlines") -> Any:
    """Return a layer of the outlines of kept objects, or of suggestions: an RGBA picture, and where it lies."""
    named = {name: placement.options[name] for name in ("units", "axis_labels") if name in placement.options}
    return Image(
        picture,
        rgb=True,
        affine=matrix,
        name=name,
        blending="translucent_no_depth",
        metadata={MARK: {"role": name}},
        **named,
    )


def make_labels(placement: Placement, levels: Sequence[Any], name: str, image_id: str) -> Any:
    """Return a Labels layer that shows a session's array, or the pyramid over it."""
    views = [placement.labels_view(level) for level in levels]
    several = len(views) > 1
    return Labels(
        views if several else views[0],
        multiscale=several,
        colormap=CyclicLabelColormap(colors=COLOURS / 255, name=COLORMAP),
        name=name,
        opacity=0.45,
        metadata={MARK: {"role": "labels", "image": image_id}},
        **placement.options,
    )


def classes_in(features: Any) -> dict[int, str]:
    """Return the class of each object that has one, of a features table with the columns index (or label) and class.

    Names are cut to one line that a table holds; rows without an id count for none.
    """
    key = next((name for name in ("index", "label") if name in features), None)
    if key is None or "class" not in features:
        return {}
    rows = ((label, usable_name(name)) for label, name in zip(features[key], features["class"], strict=True))
    return {int(label): name for label, name in rows if name and np.isfinite(label) and label >= 1}


def features_of(classes: Mapping[int, str]) -> dict[str, list[Any]]:
    """Return the features table of a Labels layer that holds classes alone."""
    return {"index": [0, *classes], "class": [None, *classes.values()]} if classes else {}


def show_classes(layer: Any, classes: Mapping[int, str]) -> None:
    """Write classes into the features table of a Labels layer; its other columns stay."""
    if classes_in(layer.features) == classes:
        return
    table = layer.features.copy()
    if "index" not in table:
        table["index"] = range(len(table))
    ids = list(dict.fromkeys([*table["index"], *classes]))
    table = table.drop_duplicates("index").set_index("index").reindex(ids).reset_index()
    table["class"] = [classes.get(label) for label in table["index"]]
    layer.features = table


def assign(layer: Any, **values: Any) -> None:
    """Set attributes of a layer that are not so already: napari draws anew for each that is set."""
    for name, value in values.items():
        now = getattr(layer, name)
        now = now.affine_matrix if name == "affine" else now
        same = now == value if isinstance(value, tuple) else np.allclose(now, value)
        if not same:
            setattr(layer, name, value)


def _mean_scale(placement: Placement) -> float:
    return float(np.abs(placement.options["scale"])[-2:].mean())
