"""GEFF, the graph exchange format: a node per object and frame, edges along each track and to daughters."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_clickseg.storage.atomic import written_whole

if TYPE_CHECKING:
    from napari_clickseg.storage.exports.frames import Exported

KINDS = {"T": "time", "Z": "space", "Y": "space", "X": "space"}


def write(path: Path, exported: Exported) -> None:
    """Write the tracks of a movie; node properties are `label`, the id in the labels, and `class`, "" for none.

    Raises
    ------
    ValueError
        Where the labels have no axis of time, or geff is not installed.
    """
    if "T" not in exported.axes:
        raise ValueError(f"Tracks need an axis of time (T), but the axes of these labels are {exported.axes}.")
    try:
        import geff
    except ImportError as error:
        raise ValueError("Tracks as GEFF need the package geff: pip install 'napari-clickseg[exports]'.") from error
    graph = tracks_of(exported)
    names = [axis.lower() for axis in exported.axes]
    spacing: Any = list(exported.spacing) or [1.0] * len(names)
    with written_whole(path) as part, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr's and geff's advice on formats that are not final
        geff.write(
            graph,
            part,
            axis_names=names,
            axis_types=[KINDS.get(axis, "channel") for axis in exported.axes],
            axis_scales=spacing,
            overwrite=True,
        )


def tracks_of(exported: Exported) -> Any:
    """Return the tracks as a directed networkx graph; node properties are the axes' names (pixels) and `label`."""
    import networkx

    graph = networkx.DiGraph()
    time = exported.axes.index("T")
    names = [axis.lower() for axis in exported.axes]
    last: dict[int, int] = {}
    for t in range(exported.shape[time]):
        frame = np.asarray(exported.labels[(slice(None),) * time + (t,)])
        ids = np.unique(frame[frame > 0]).tolist()
        for label, centre in zip(ids, ndimage.center_of_mass(frame > 0, frame, ids), strict=True):
            place = [float(c) for c in centre]
            place.insert(time, float(t))
            node = graph.number_of_nodes()
            graph.add_node(node, label=int(label), **dict(zip(names, place, strict=True)))
            if exported.classes:
                graph.nodes[node]["class"] = exported.classes.get(int(label), "")
            before = last.get(label, last.get(exported.parents.get(label, 0)))
            if before is not None:
                graph.add_edge(before, node)
            last[label] = node
    return graph
