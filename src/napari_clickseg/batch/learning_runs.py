"""Learning runs: clicks of the simulated user on objects not yet drawn, before and after learning from others.

On each plane the default model learns from `LEARNED_FROM` true objects, with the check switched off, and is clicked
through on up to `TESTED` others of the same plane. Of other objects only those that it learned from are drawn by then;
they also tell the size.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import process_time
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_clickseg.benchmark.datasets import read_plane
from napari_clickseg.core.exemplars import exemplars_on
from napari_clickseg.core.metrics import SMALLEST_OBJECT, mean_interval
from napari_clickseg.training.adapt import Start, adapt, clicks_needed
from napari_clickseg.training.few_objects import USUAL, Effort

if TYPE_CHECKING:
    from napari_clickseg.benchmark.datasets import Item
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.exemplars import Exemplar

LEARNED_FROM, TESTED = 10, 8
"""Objects of a plane that are learned from, and at most so many others that are clicked."""


@dataclass(frozen=True, slots=True)
class LearningRow:
    """One object that was not learned from.

    Attributes
    ----------
    learned_from : int
        Objects of the same plane that were learned from.
    before, after : int
        Clicks to an IoU of 0.85 by the shipped weights and by the learned ones; 10 where it was never reached.
    seconds : float
        Of processor time that learning took, the same for all objects of a plane.
    """

    source: str
    image: str
    frame: str
    object: int
    learned_from: int
    before: int
    after: int
    seconds: float


def run_plane(
    item: Item, frame: Frame, device: torch.device, seed: int = 0, effort: Effort = USUAL, tested: int = TESTED
) -> Iterator[LearningRow]:
    """Yield a row per object that was not learned from; nothing where a plane has too few objects.

    Parameters
    ----------
    effort : Effort
        Its seconds do not count, so that the rows do not depend on the machine.
    """
    plane = read_plane(item, frame)
    objects = [one for one in exemplars_on(plane.image, plane.labels, ()) if one.area >= SMALLEST_OBJECT]
    known, new = drawn(objects, f"{item.source}/{item.name}/{frame}", seed, tested)
    if not new:
        return
    kept = [one.label for one in known]
    known = [only(one, kept) for one in known]
    new = [only(one, [*kept, one.label]) for one in new]
    start, begun = Start.shipped(), process_time()
    lesson = adapt(known, device, checked=False, effort=replace(effort, seconds=math.inf), start=start)
    seconds = round(process_time() - begun, 1)
    assert lesson.learned is not None, "without a check, what was learned is always there"
    plain, learned = start.predictor(device), lesson.learned.predictor(device)
    diameter = float(np.median([one.diameter for one in known]))
    for one in new:
        counts = (clicks_needed(plain, one, diameter), clicks_needed(learned, one, diameter))
        place = " ".join(map(str, frame))
        yield LearningRow(item.source, item.name, place, one.label, len(known), *counts, seconds)


def drawn(
    objects: Sequence[Exemplar], name: str, seed: int, tested: int = TESTED
) -> tuple[list[Exemplar], list[Exemplar]]:
    """Return objects to learn from and others to click on, the same for the same plane and seed."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    order = [objects[k] for k in rng.permutation(len(objects))]
    return order[:LEARNED_FROM], order[LEARNED_FROM:][:tested]


def only(one: Exemplar, labels: Sequence[int]) -> Exemplar:
    """Return an exemplar around which nothing but these objects is drawn yet."""
    return replace(one, labels=np.where(np.isin(one.labels, labels), one.labels, 0))


def learning_table(rows: Sequence[LearningRow]) -> str:
    """Return a Markdown table: clicks per source before and after, and the paired difference with its interval.

    >>> rows = [LearningRow("yeast", "a", "", k, 10, 4, after, 50.0) for k, after in enumerate((2, 4))]
    >>> print(learning_table(rows).splitlines()[-1])
    | yeast | 1 | 2 | 4.00 | 3.00 | -1.00 (-2.00 to 0.00) | -25 % |
    """
    lines = [["source", "planes", "objects", "clicks before", "after 10", "difference (95 %)", "change"]]
    lines.append(["---"] * len(lines[0]))
    for source in sorted({row.source for row in rows}):
        mine = [row for row in rows if row.source == source]
        before, after = (np.array([getattr(row, name) for row in mine], float) for name in ("before", "after"))
        low, high = mean_interval(after - before)
        change = after.mean() / before.mean() - 1
        planes = len({(row.image, row.frame) for row in mine})
        counts = [source, str(planes), str(len(mine)), f"{before.mean():.2f}", f"{after.mean():.2f}"]
        difference = f"{(after - before).mean():+.2f} ({low:.2f} to {high:.2f})"
        lines.append([*counts, difference, f"{100 * change:+.0f} %"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
