"""Suggestion runs: how many of the objects of a crop are suggested without clicks, with and without kept objects.

Kept objects are true objects that lie inside the crop, drawn at random and written into the labels as they are. What is
suggested is compared with all true objects but those kept. Beside the suggestions stand simpler ways to the same end,
with `COMPARED` kept objects: a click on each true object, which is the ceiling, a click on each blob of the kept
objects' size, and what a segmentation network finds by itself.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.benchmark.datasets import Item, Plane, list_targets, read_plane
from napari_clickseg.core.images import Image
from napari_clickseg.core.metrics import SMALLEST_OBJECT, overlaps
from napari_clickseg.core.object_size import equivalent_diameter
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Others, Predictor, Proposer, Segmenter
from napari_clickseg.core.suggestions import Suggestions, settled
from napari_clickseg.session.object_search import Search
from napari_clickseg.session.session import Session

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame

IOUS = (0.5, 0.75)
"""From these IoUs on a suggestion is the object."""
KEPT = (0, 1, 3, 5)
"""So many true objects are there already."""
COMPARED = 3
"""So many for the ways that stand beside the suggestions."""
SUGGESTED, CLICKED, BLOBS, NETWORK = "suggestions", "a click on each object", "a click on each blob", "network alone"
SIDE = 256
"""Of the crops, in pixels."""
BLOB_DISTANCE, WEAKEST = 0.35, 0.1
"""Blobs are at least this share of a diameter apart, and respond at least this share of what the strongest does."""
Labels = npt.NDArray[Any]
Position = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SuggestionRow:
    """One search in one crop.

    Attributes
    ----------
    side : int
        Of the crop, in pixels.
    kept, objects, suggested : int
        True objects that were there already, further ones, and suggestions of at least the usual score.
    hits_50, hits_75 : int
        True objects that a suggestion reaches an IoU of 0.5, or 0.75, with.
    diameter : float
        That was looked for, in pixels; the first one.
    seconds : float
        Of processor time.
    method : str
        How it was searched: `SUGGESTED`, `CLICKED`, `BLOBS` or `NETWORK`.
    """

    source: str
    image: str
    frame: str
    side: int
    kept: int
    objects: int
    suggested: int
    hits_50: int
    hits_75: int
    diameter: float
    seconds: float
    method: str = SUGGESTED


def f1(hits: int, objects: int, suggested: int) -> float:
    """Return the F1 score; 1 where there is nothing and nothing is suggested.

    >>> f1(1, 2, 2)
    0.5
    """
    return 2 * hits / (objects + suggested) if objects + suggested else 1.0


def sample_planes(items: Iterable[Item], count: int, seed: int) -> list[tuple[Item, Frame]]:
    """Return so many planes of each source, the same for the same items, count and seed."""
    by_source: dict[str, list[tuple[Item, Frame]]] = {}
    for item, frame in dict.fromkeys((target.item, target.frame) for target in list_targets(items)):
        by_source.setdefault(item.source, []).append((item, frame))
    drawn = []
    for source, members in by_source.items():
        rng = np.random.default_rng([seed, zlib.crc32(source.encode())])
        drawn += [members[k] for k in sorted(rng.permutation(len(members))[:count])]
    return drawn


def suggestion_table(rows: Sequence[SuggestionRow]) -> str:
    """Return a Markdown table: F1 per source and method over all objects of its crops, and seconds per megapixel."""
    counts = sorted({row.kept for row in rows})
    ahead = [f"F1 at {least:g}, {count} kept" for count in counts for least in IOUS]
    lines = [["source", "by", "crops", "objects", *ahead, "s per MP"]]
    for source, method in dict.fromkeys(sorted((row.source, _ORDER[row.method]) for row in rows)):
        mine = [row for row in rows if (row.source, _ORDER[row.method]) == (source, method)]
        first = [row for row in mine if row.kept == min(each.kept for each in mine)]
        cells = [cell for count in counts for cell in _scores([row for row in mine if row.kept == count])]
        pace = sum(row.seconds for row in mine) / sum(row.side**2 for row in mine) * 1e6
        counted = (str(len(first)), str(sum(row.objects for row in first)))
        lines.append([source, mine[0].method, *counted, *cells, f"{pace:.0f}"])
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_ORDER = {method: number for number, method in enumerate((SUGGESTED, CLICKED, BLOBS, NETWORK))}


def _scores(rows: Sequence[SuggestionRow]) -> list[str]:
    if not rows:
        return ["-"] * len(IOUS)
    objects, suggested = sum(row.objects for row in rows), sum(row.suggested for row in rows)
    hits = (sum(row.hits_50 for row in rows), sum(row.hits_75 for row in rows))
    return [f"{f1(count, objects, suggested):.2f}" for count in hits]


def crop(plane: Plane, side: int) -> tuple[Image, Labels]:
    """Return the middle square of a plane, or as much of it as there is, and its labels."""
    places = [slice(max((n - side) // 2, 0), max((n - side) // 2, 0) + side) for n in plane.labels.shape]
    ahead = iter(places)
    index = tuple(slice(None) if axis == "C" else next(ahead) for axis in plane.image.axes)
    return Image.of(np.asarray(plane.image.array)[index], plane.image.axes), plane.labels[tuple(places)]


def run_item(
    predictor: Predictor,
    item: Item,
    frame: Frame,
    side: int,
    kept: Sequence[int],
    seed: int = 0,
    network: Segmenter | None = None,
) -> Iterator[SuggestionRow]:
    """Yield a row per number of kept objects and method; numbers with too few whole objects are left out.

    Parameters
    ----------
    network : Segmenter, optional
        A segmentation network to compare with; it looks for no size and is asked where nothing is kept.
    """
    image, truth = crop(read_plane(item, frame), side)
    rng = np.random.default_rng([seed, zlib.crc32(f"{item.source}/{item.name}/{frame}".encode())])
    order = [int(label) for label in rng.permutation(whole_objects(truth))]
    for count in kept:
        if count > len(order):
            continue
        there = np.where(np.isin(truth, order[:count]), truth, 0).astype(np.int32)
        ways: dict[str, Callable[[], Suggestions]] = {SUGGESTED: partial(_suggested, predictor, image, there)}
        if count == COMPARED and isinstance(predictor, Proposer):
            ways[CLICKED] = partial(_clicked, predictor, image, there, deepest_points(np.where(there > 0, 0, truth)))
            ways[BLOBS] = partial(_clicked, predictor, image, there, None)
        if not count and network is not None:
            ways[NETWORK] = partial(_suggested, network, image, there)
        for method, search in ways.items():
            begun = process_time()
            found = search()
            seconds = process_time() - begun
            yield _row(item, frame, side, count, np.where(there > 0, 0, truth), found, seconds, method)


def _row(
    item: Item, frame: Frame, side: int, count: int, truth: Labels, found: Suggestions, seconds: float, method: str
) -> SuggestionRow:
    best = overlaps(truth, painted(found, truth.shape)).best()
    hits = [sum(value >= least for value in best.values()) for least in IOUS]
    size = round(found.diameters[0], 1) if found.diameters else 0.0
    counts = (count, len(best), len(found), hits[0], hits[1])
    return SuggestionRow(
        item.source, item.name, " ".join(map(str, frame)), side, *counts, size, round(seconds, 2), method
    )


def whole_objects(truth: Labels) -> list[int]:
    """Return the true objects that do not reach the rim and are large enough to count.

    >>> whole_objects(np.pad(np.pad(np.full((6, 6), 4), 1), 1, constant_values=7))
    [4]
    """
    labels, areas = np.unique(truth, return_counts=True)
    rim = np.unique(np.concatenate([truth[0], truth[-1], truth[:, 0], truth[:, -1]]))
    large = areas >= SMALLEST_OBJECT
    return [int(label) for label in labels[large] if label and label not in rim]


def _suggested(predictor: Predictor, image: Image, there: Labels) -> Suggestions:
    session = Session(image, predictor, there.copy())
    return session.suggest((), like=[int(k) for k in np.unique(there) if k]).at_least()


def _clicked(predictor: Proposer, image: Image, there: Labels, positions: Sequence[Position] | None) -> Suggestions:
    """Answers to first clicks at the kept objects' size: at these positions, all of them offered, or on blobs."""
    session, whole = Session(image, predictor, there.copy()), Region.whole(there.shape)
    areas = np.unique(there[there > 0], return_counts=True)[1]
    diameter = equivalent_diameter(float(np.median(areas)), 2)
    on_blobs = positions is None
    positions = blobs(image, diameter) if positions is None else positions
    others = Others(whole, there > 0)
    free = [position for position in positions if not others.mask[tuple(round(p) for p in position)]]
    found = Search(image, predictor, session.labels).answered((), free, diameter, others)
    offered = Suggestions(settled(each.one for each in found), (diameter,))
    return offered.at_least() if on_blobs else offered


def deepest_points(truth: Labels) -> list[Position]:
    """Return the point of each object that is farthest from its border.

    >>> deepest_points(np.pad(np.full((9, 9), 3), 1))
    [(5.0, 5.0)]
    """
    points = []
    for label, box in enumerate(ndimage.find_objects(truth), start=1):
        mask = None if box is None else truth[box] == label
        if mask is not None and mask.sum() >= SMALLEST_OBJECT:
            depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
            place = np.unravel_index(int(depth.argmax()), depth.shape)
            points.append(tuple(float(s.start + p) for s, p in zip(box, place, strict=True)))
    return points


def blobs(image: Image, diameter: float) -> list[Position]:
    """Return the middles of blobs of a diameter, bright or dark, strongest first, by the Laplacian of Gaussian."""
    grey = image.intensities((), Region.whole(image.frame_shape(2))).mean(axis=0)
    response = np.abs(ndimage.gaussian_laplace(grey.astype(np.float32), diameter / (2 * math.sqrt(2))))
    reach = 2 * max(round(BLOB_DISTANCE * diameter), 1) + 1
    top = (response == ndimage.maximum_filter(response, reach)) & (response > WEAKEST * response.max())
    places = np.argwhere(top)
    order = np.argsort(-response[top], kind="stable")
    return [(float(y), float(x)) for y, x in places[order]]


def painted(found: Suggestions, shape: tuple[int, ...]) -> npt.NDArray[np.int32]:
    """Return suggestions as labels, numbered from 1 in their order."""
    labels = np.zeros(shape, np.int32)
    for number, one in enumerate(found, start=1):
        labels[one.region.slices][one.mask] = number
    return labels
