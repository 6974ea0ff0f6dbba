"""The whole job: what a simulated user does until all objects of a crop are good, with suggestions and without.

Three ways to the same end, with the same user and the same order of objects: each object from nothing; suggestions
first; a few objects from nothing, then suggestions like them. Suggestions that are no object are dismissed and the rest
accepted at once, or the good ones are accepted one by one, whichever is less; what was accepted and is not good yet is
taken up and corrected by clicks; what was not suggested is drawn from nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.benchmark.datasets import Item, read_plane
from napari_clickseg.benchmark.suggestion_runs import COMPARED, crop, painted
from napari_clickseg.core.images import Image
from napari_clickseg.core.metrics import LIMIT, iou, overlaps
from napari_clickseg.core.simulated_user import next_click
from napari_clickseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_clickseg.core.clicks import Click, Frame
    from napari_clickseg.core.requests import Predictor

GOAL = 0.75
"""From this IoU on an object is good."""
USEFUL = 0.5
"""From this IoU on a suggestion means the object, and is rather corrected than dismissed."""
NOTHING, FIRST, LIKE = "from nothing", "suggestions first", f"suggestions like {COMPARED}"
Labels = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class JobRow:
    """One way through one crop.

    Attributes
    ----------
    objects, good : int
        True objects, and how many of them are good in the end.
    clicks : int
        On objects, from nothing and to correct them.
    keeps : int
        Objects that were drawn or corrected and then kept by a key.
    accepts, dismissals, taken : int
        Acts on suggestions (to accept all is one), and objects that were taken up to be corrected.
    seconds : float
        Of processor time.
    """

    source: str
    image: str
    frame: str
    side: int
    way: str
    objects: int
    good: int
    clicks: int
    keeps: int
    accepts: int
    dismissals: int
    taken: int
    seconds: float

    @property
    def acts(self) -> int:
        """Clicks and keys together."""
        return self.clicks + self.keeps + self.accepts + self.dismissals + self.taken


@dataclass(eq=False)
class Worker:
    """Mutable: a simulated user in front of a session, and what it has done."""

    session: Session
    truth: Labels
    random: np.random.Generator
    limit: int = LIMIT
    clicks: int = 0
    keeps: int = 0
    accepts: int = 0
    dismissals: int = 0
    taken: int = 0
    tried: set[int] = field(default_factory=set)

    def wrong(self) -> list[int]:
        """Return the true objects that are not good and were not worked on, by their numbers."""
        best = overlaps(self.truth, np.asarray(self.session.labels)).best()
        return [label for label, value in best.items() if value < GOAL and label not in self.tried]

    def draw(self, label: int) -> None:
        """Click on a true object until it is good, or too often, and keep it; a label that means it is taken up."""
        both = overlaps(self.truth, np.asarray(self.session.labels))
        row = int(np.searchsorted(both.truths, label))
        means = both.found[both.ious[row] >= USEFUL]
        own = self.session.start_new() if not means.size else int(means[0])
        if means.size:
            self._take_up(own)
            self.taken += 1
        self.tried.add(label)
        mask = self.truth == label
        earlier: list[Click] = []
        for _ in range(self.limit):
            drawn = np.asarray(self.session.labels) == own
            if iou(drawn, mask) >= GOAL:
                break
            click = next_click(mask, drawn, earlier, self.random, from_nothing=not drawn.any())
            if click is None:
                break
            earlier.append(click)
            self._click(own, click)
        self.session.put_away()
        self.keeps += 1

    def suggest(self, like: Sequence[int]) -> None:
        """Ask for suggestions and decide on each."""
        found = self.session.suggest((), like=like).at_least()
        both = overlaps(self.truth, painted(found, self.truth.shape))
        useful = set((both.found[both.ious.max(axis=0, initial=0.0) >= USEFUL] - 1).tolist())
        bad = len(found) - len(useful)
        if not useful:
            self.dismissals += min(bad, 1)  # Esc, or the next search, takes them all away
            return
        one_by_one = len(useful) <= bad + 1
        self.accepts += len(useful) if one_by_one else 1
        self.dismissals += 0 if one_by_one else bad
        self.session.accept([one for number, one in enumerate(found) if number in useful])

    def _click(self, own: int, click: Click) -> None:
        """Click on the object, or on the label that has taken this place of it, which is then pushed back."""
        self.clicks += 1
        covering = int(np.asarray(self.session.labels)[tuple(round(p) for p in click.position)])
        if not click.positive or covering in (0, own):
            self.session.click(click.position, click.positive)
            return
        self.session.resume(covering, click.position)
        self.taken += 1
        self.session.click(click.position, positive=False)
        self.session.put_away()
        if (np.asarray(self.session.labels) == own).any():
            self._take_up(own)
        else:
            self.session.start_new(own)

    def _take_up(self, own: int) -> None:
        places = np.argwhere(np.asarray(self.session.labels) == own)
        self.session.resume(own, tuple(map(float, places[len(places) // 2])))


def run_jobs(predictor: Predictor, item: Item, frame: Frame, side: int, seed: int = 0) -> Iterator[JobRow]:
    """Yield a row per way through the middle of a plane, from nothing first; none where there is no object."""
    image, truth = crop(read_plane(item, frame), side)
    objects = len(overlaps(truth, np.zeros_like(truth)).truths)
    for way in (NOTHING, FIRST, LIKE) if objects else ():
        begun = process_time()
        worker = _do(way, image, truth, predictor, zlib.crc32(f"{item.source}/{item.name}/{frame}".encode()) + seed)
        best = overlaps(truth, np.asarray(worker.session.labels)).best()
        good = sum(value >= GOAL for value in best.values())
        done = (worker.clicks, worker.keeps, worker.accepts, worker.dismissals, worker.taken)
        place = (item.source, item.name, " ".join(map(str, frame)), side)
        yield JobRow(*place, way, objects, good, *done, round(process_time() - begun, 2))


def _do(way: str, image: Image, truth: Labels, predictor: Predictor, seed: int) -> Worker:
    session = Session(image, predictor, np.zeros(truth.shape, np.int32))
    worker = Worker(session, truth, np.random.default_rng(seed))
    order = [int(label) for label in np.random.default_rng(seed).permutation(worker.wrong())]
    if way == LIKE:
        for label in order[:COMPARED]:
            worker.draw(label)
    if way != NOTHING:
        worker.suggest([int(label) for label in np.unique(session.labels) if label])
    for label in order:
        if label in worker.wrong():
            worker.draw(label)
    return worker


def job_table(rows: Sequence[JobRow]) -> str:
    """Return a Markdown table: clicks and keys per object from nothing, and the shares of them that the others need."""
    lines = [["source", "crops", "objects", "acts per object", "good", *(f"{way}, %" for way in (FIRST, LIKE))]]
    lines.append(["---"] * len(lines[0]))
    sources = sorted({row.source for row in rows})
    shares = {way: [_share(rows, source, way) for source in sources] for way in (FIRST, LIKE)}
    for number, source in enumerate(sources):
        plain = [row for row in rows if (row.source, row.way) == (source, NOTHING)]
        objects = sum(row.objects for row in plain)
        per_object = f"{sum(row.acts for row in plain) / objects:.1f}"
        good = f"{sum(row.good for row in plain) / objects:.2f}"
        own = [f"{100 * shares[way][number]:.0f}" for way in (FIRST, LIKE)]
        lines.append([source, str(len(plain)), str(objects), per_object, good, *own])
    means = [f"{100 * sum(values) / len(values):.0f}" for values in shares.values()]
    lines.append(["**average**", "", "", "", "", *means])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _share(rows: Sequence[JobRow], source: str, way: str) -> float:
    """Clicks and keys of a way on a source, over those from nothing."""
    acts = {each: sum(row.acts for row in rows if (row.source, row.way) == (source, each)) for each in (way, NOTHING)}
    return acts[way] / acts[NOTHING]
