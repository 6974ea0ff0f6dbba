"""Suggestion runs: how many of the objects of a crop are suggested without clicks, with and without kept objects.

Kept objects are true objects that lie inside the crop, drawn at random and written into the labels as they are. What is
suggested is compared with all true objects but those kept.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.benchmark.datasets import Item, Plane, list_targets, read_plane
from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.images import Image
from napari_clickseg.core.metrics import SMALLEST_OBJECT, overlaps
from napari_clickseg.core.requests import Predictor
from napari_clickseg.core.suggestions import Suggestions
from napari_clickseg.session.session import Session

IOUS = (0.5, 0.75)
"""From these IoUs on a suggestion is the object."""
KEPT = (0, 3)
"""So many true objects are there already."""
SIDE = 256
"""Of the crops, in pixels."""
Labels = npt.NDArray[Any]


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


def append_rows(path: Path, rows: Iterable[SuggestionRow]) -> None:
    """Add rows to a CSV as they come."""
    with open(path, "a", newline="", encoding="utf-8") as handle:
        table = csv.DictWriter(handle, [field.name for field in fields(SuggestionRow)], lineterminator="\n")
        if handle.tell() == 0:
            table.writeheader()
        for row in rows:
            table.writerow(asdict(row))
            handle.flush()


def read_rows(path: Path) -> list[SuggestionRow]:
    """Read what `append_rows` wrote; nothing where there is no file."""
    if not path.exists():
        return []
    kinds = {"int": int, "float": float, "str": str}
    columns = [(field.name, kinds[str(field.type)]) for field in fields(SuggestionRow)]
    with open(path, newline="", encoding="utf-8") as handle:
        values: list[dict[str, Any]] = [
            {name: kind(row[name]) for name, kind in columns} for row in csv.DictReader(handle)
        ]
    return [SuggestionRow(**row) for row in values]


def suggestion_table(rows: Sequence[SuggestionRow]) -> str:
    """Return a Markdown table: F1 per source over all objects of its crops, and processor seconds per megapixel."""
    counts = sorted({row.kept for row in rows})
    ahead = [f"F1 at {least:g}, {count} kept" for count in counts for least in IOUS]
    lines = [["source", "crops", "objects", *ahead, "s per MP"]]
    for source in sorted({row.source for row in rows}):
        mine = [row for row in rows if row.source == source]
        first = [row for row in mine if row.kept == min(each.kept for each in mine)]
        cells = [cell for count in counts for cell in _scores([row for row in mine if row.kept == count])]
        pace = sum(row.seconds for row in mine) / sum(row.side**2 for row in mine) * 1e6
        lines.append([source, str(len(first)), str(sum(row.objects for row in first)), *cells, f"{pace:.0f}"])
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


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
    predictor: Predictor, item: Item, frame: Frame, side: int, kept: Sequence[int], seed: int = 0
) -> Iterator[SuggestionRow]:
    """Yield one row per number of kept objects; numbers that the crop has too few whole objects for are left out."""
    image, truth = crop(read_plane(item, frame), side)
    inner = whole_objects(truth)
    rng = np.random.default_rng([seed, zlib.crc32(f"{item.source}/{item.name}/{frame}".encode())])
    order = [int(label) for label in rng.permutation(inner)]
    for count in kept:
        if count <= len(order):
            found, seconds = _search(predictor, image, truth, order[:count])
            remaining = np.where(np.isin(truth, order[:count]), 0, truth)
            best = overlaps(remaining, _painted(found, truth.shape)).best()
            half, three_quarters = (sum(value >= least for value in best.values()) for least in IOUS)
            size = round(found.diameters[0], 1) if found.diameters else 0.0
            where = " ".join(map(str, frame))
            counts = (count, len(best), len(found), half, three_quarters)
            yield SuggestionRow(item.source, item.name, where, side, *counts, size, round(seconds, 2))


def whole_objects(truth: Labels) -> list[int]:
    """Return the true objects that do not reach the rim and are large enough to count.

    >>> whole_objects(np.pad(np.pad(np.full((6, 6), 4), 1), 1, constant_values=7))
    [4]
    """
    labels, areas = np.unique(truth, return_counts=True)
    rim = np.unique(np.concatenate([truth[0], truth[-1], truth[:, 0], truth[:, -1]]))
    large = areas >= SMALLEST_OBJECT
    return [int(label) for label in labels[large] if label and label not in rim]


def _search(predictor: Predictor, image: Image, truth: Labels, kept: Sequence[int]) -> tuple[Suggestions, float]:
    session = Session(image, predictor, np.where(np.isin(truth, kept), truth, 0).astype(np.int32))
    begun = process_time()
    found = session.suggest((), like=kept)
    return found.at_least(), process_time() - begun


def _painted(found: Suggestions, shape: tuple[int, ...]) -> npt.NDArray[np.int32]:
    labels = np.zeros(shape, np.int32)
    for number, one in enumerate(found, start=1):
        labels[one.region.slices][one.mask] = number
    return labels
