"""Conversion: models that find objects by themselves are corrected by clicks, where they failed.

Two protocols. In the shape of Jang and Kim's Table 4: a few clicks per image, each on another object, the worst first
or at random, and what they do to all objects of the image. And each failure by itself, with a few clicks, from the
labels as the model made them. Both go through a session: the object is taken up, clicked and kept.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from napari_clickseg.benchmark.click_runs import timed_click
from napari_clickseg.benchmark.datasets import Item, Plane, list_targets, read_plane
from napari_clickseg.core.metrics import DEBRIS, GOOD_IOU, Failure, find_failures, five_digits, overlaps
from napari_clickseg.core.object_size import estimate_diameter
from napari_clickseg.core.requests import Predictor, Segmenter
from napari_clickseg.core.simulated_user import next_click
from napari_clickseg.models.load import load_model
from napari_clickseg.session.session import Session
from napari_clickseg.storage.tables import open_table

COLUMNS = (
    *("source", "image", "objects", "protocol", "labels", "model", "object", "kind", "area"),
    *("click", "positive", "before", "iou", "mean", "harmed", "seconds"),
)
"""`objects`: how many true ones the image has; `labels`: the model that made them; `before`, `iou`: of the object that
was clicked on; `mean`: over all of the image; `harmed`: pixels of other objects that changed. Click 0: no click yet."""
WORST, RANDOM, FOUND, ALONE = "worst", "random", "found", "alone"
"""Protocols: two orders of one click per object; what failed; and failures corrected by themselves."""
CLICKS = 5
Row = dict[str, str]
Labels = npt.NDArray[np.int32]
Pick = Callable[[dict[int, float], np.random.Generator], int]


@dataclass(frozen=True, slots=True)
class Corrector:
    """Who clicks on whose labels: names of models, `labels` of one that finds objects by itself."""

    labels: str
    model: str


@dataclass(frozen=True, slots=True, eq=False)
class Corrected:
    """An image with its truth, the labels that a model made of it, and the model that answers the clicks on them."""

    item: Item
    plane: Plane
    by: Corrector
    labels: Labels
    predictor: Predictor
    diameter: float
    objects: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "objects", len(overlaps(self.plane.labels, self.labels).truths))

    def row(self, protocol: str, **values: object) -> Row:
        """Return a row; what is not named stays empty."""
        place = {"source": self.item.source, "image": self.item.name, "objects": self.objects, "protocol": protocol}
        given = {**place, "labels": self.by.labels, "model": self.by.model, **values}
        return {column: _written(given.get(column, "")) for column in COLUMNS}

    def random(self, *parts: object) -> np.random.Generator:
        """Random numbers that follow from image and protocol, the same for every model."""
        return np.random.default_rng(
            zlib.crc32("|".join(map(str, (self.item.source, self.item.name, *parts))).encode())
        )

    def session(self) -> Session:
        """A session on a copy of the labels."""
        return Session(self.plane.image, self.predictor, self.labels.copy())

    def means(self, labels: Any) -> tuple[dict[int, float], float]:
        """Best IoU of each true object, and their mean."""
        best = overlaps(self.plane.labels, np.asarray(labels)).best()
        return best, float(np.mean(list(best.values())))


def sample_images(items: Iterable[Item], count: int, seed: int) -> list[Item]:
    """Return a fixed sample of each source's images that have objects, the same for the same items, count and seed.

    Stacks and movies are left out: a model made for them may see more than a plane.
    """
    by_source: dict[str, list[Item]] = {}
    for item in dict.fromkeys(target.item for target in list_targets(items) if target.frame == ()):
        by_source.setdefault(item.source, []).append(item)
    drawn = []
    for source, members in by_source.items():
        rng = np.random.default_rng([seed, zlib.crc32(source.encode())])
        drawn += [members[k] for k in sorted(rng.permutation(len(members))[:count])]
    return drawn


def correctors(models: Sequence[str], device: str) -> list[Corrector]:
    """Return who clicks on whose labels: models that find objects correct their own, others the first such model's.

    Raises
    ------
    ValueError
        Where no model finds objects by itself.
    """
    finders = [name for name in models if isinstance(load_model(name, device), Segmenter)]
    if not finders:
        raise ValueError(
            f"Corrections begin with objects that a model finds by itself, and {', '.join(models)} cannot; name a "
            "converted model first (--models)."
        )
    return [Corrector(name if name in finders else finders[0], name) for name in models]


def run_corrections(
    items: Sequence[Item], by: Sequence[Corrector], path: Path, most: int, device: str, clicks: int = CLICKS
) -> None:
    """Correct the images that the CSV at `path` does not hold yet, model by model, and append their rows.

    Parameters
    ----------
    most : int
        So many failures of an image are corrected one by one, drawn at random where there are more.
    clicks : int
        Per image of the first protocol, and per failure of the second.
    """
    done = {_key(row) for row in read_corrections(path)} if path.exists() else set()
    work = [(who, item) for who in by for item in items if (item.source, item.name, who.labels, who.model) not in done]
    with (
        open(path, "a", newline="", encoding="utf-8") as handle,
        tqdm(total=len(items) * len(by), initial=len(items) * len(by) - len(work), unit="image") as bar,
    ):
        table = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        if handle.tell() == 0:
            table.writeheader()
        for rows in _answers(work, most, clicks, device):
            table.writerows(rows)
            handle.flush()
            bar.update()


def read_corrections(path: Path) -> list[Row]:
    """Return the rows of a CSV of corrections, which may be packed (.csv.gz).

    Raises
    ------
    ValueError
        Where its columns are not ours.
    """
    with open_table(path) as table:
        if tuple(table.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path} holds no corrections: wanted are the columns {', '.join(COLUMNS)}.")
        return list(table)


def correct_image(image: Corrected, most: int, clicks: int = CLICKS) -> list[Row]:
    """Return the rows of all protocols on one image."""
    failures = find_failures(image.plane.labels, image.labels)
    drawn = image.random(ALONE).permutation(len(failures))[:most]
    chosen = [failures[k] for k in sorted(drawn)]
    return [
        *(row for order in ORDERS for row in click_around(image, order, clicks)),
        *(image.row(FOUND, kind=f.kind, object=_name(f), area=f.area, click=0, iou=f.iou) for f in failures),
        *(row for failure in chosen for row in correct_alone(image, failure, clicks)),
    ]


def click_around(image: Corrected, order: str, clicks: int = CLICKS) -> list[Row]:
    """Click once on each of a few objects, in an order of `ORDERS`; return a row per click, after one of the labels."""
    rng = image.random(order)
    session = image.session()
    best, mean = image.means(session.labels)
    rows = [image.row(order, click=0, mean=mean)]
    left = dict(best)
    while left and len(rows) <= clicks:
        truth = ORDERS[order](left, rng)
        del left[truth]
        before = best[truth]
        taken = _take_up(session, label_of(image.plane.labels, np.asarray(session.labels), truth))
        click = _click(image, session, image.plane.labels == truth, taken, rng)
        if click is None:
            continue
        session.start_new()
        best, mean = image.means(session.labels)
        numbers = {"click": len(rows), "before": before, "iou": best[truth], "mean": mean}
        rows.append(image.row(order, object=truth, area=int((image.plane.labels == truth).sum()), **numbers, **click))
    return rows


def correct_alone(image: Corrected, failure: Failure, clicks: int = CLICKS) -> list[Row]:
    """Correct one failure from the labels as they were made; return a row per click. Ends when nothing is wrong."""
    rng = image.random(ALONE, _name(failure))
    session = image.session()
    truth = image.plane.labels == failure.truth if failure.truth else np.zeros(image.plane.labels.shape, bool)
    label = _take_up(session, failure.found)
    rows: list[Row] = []
    described = {"object": _name(failure), "kind": failure.kind, "area": failure.area, "before": failure.iou}
    for number in range(1, clicks + 1):
        click = _click(image, session, truth, label, rng)
        if click is None:
            break
        now = _iou(np.asarray(session.labels) == label, truth)
        rows.append(image.row(ALONE, **described, click=number, iou=now, **click))
    return rows


def label_of(truth: npt.NDArray[Any], found: npt.NDArray[Any], label: int) -> int:
    """Return the label that a person corrects to get a true object: the one that covers most of it.

    0 where the object is missed, or where that label is another true object's, and right there: nobody would take a
    good object to pieces for its neighbour's sake.
    """
    both = overlaps(truth, found)
    on = both.most_on(label)
    if not on:
        return 0
    shares = both.ious[:, int(np.searchsorted(both.found, on))]
    owner = int(shares.argmax())
    return 0 if shares[owner] >= GOOD_IOU and both.truths[owner] != label else on


def _worst(left: dict[int, float], rng: np.random.Generator) -> int:
    return min(left, key=lambda label: (left[label], label))


def _any(left: dict[int, float], rng: np.random.Generator) -> int:
    return int(rng.choice(list(left)))


ORDERS: dict[str, Pick] = {WORST: _worst, RANDOM: _any}
"""Which of the objects not yet clicked on comes next, by the IoUs of all."""


def _take_up(session: Session, found: int) -> int:
    """Take a label up, or begin a new object where there is none; return its id."""
    if found:
        session.resume(found)
    return session.label


def _click(
    image: Corrected, session: Session, truth: npt.NDArray[np.bool_], label: int, rng: np.random.Generator
) -> dict[str, object] | None:
    """Let the robot click once; return the click's row, None where nothing is wrong."""
    before = np.asarray(session.labels).copy()
    mask = before == label
    click = next_click(truth, mask, session.clicks, rng, "centre", image.plane.ignore)
    if click is None:
        return None
    seconds = timed_click(session, click, image.diameter)
    harm = _harmed(image.plane.labels, truth, before, np.asarray(session.labels), label)
    return {"positive": int(click.positive), "harmed": harm, "seconds": seconds}


def _harmed(
    labels: npt.NDArray[Any],
    truth: npt.NDArray[np.bool_],
    before: npt.NDArray[Any],
    after: npt.NDArray[Any],
    label: int,
) -> int:
    """Pixels that changed and were, or became, another object's than that of this label.

    Another's, too, are pixels of this label where it showed another true object rightly until then. A fragment of the
    object itself that is joined with it is no harm.
    """
    changed = before != after
    others = (before > 0) & (before != label) | (after > 0) & (after != label)
    both = overlaps(labels, before)
    if label in both.found:
        shares = both.ious[:, int(np.searchsorted(both.found, label))]
        right = np.isin(labels, both.truths[shares >= GOOD_IOU]) & ~truth
        others |= right & (before == label)
    return int((changed & others & ~truth).sum())


def _iou(mask: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> float:
    """The IoU; of debris, which has no truth, 1 where it is gone."""
    either = int((mask | truth).sum())
    return int((mask & truth).sum()) / either if either else 1.0


def _name(failure: Failure) -> str:
    """A true object's id; of debris its label's, with a sign."""
    return f"-{failure.found}" if failure.kind == DEBRIS else str(failure.truth)


def _written(value: object) -> str:
    return five_digits(value) if isinstance(value, float) else str(value)


def _key(row: Row) -> tuple[str, str, str, str]:
    return (row["source"], row["image"], row["labels"], row["model"])


def _answers(work: Iterable[tuple[Corrector, Item]], most: int, clicks: int, device: str) -> Iterator[list[Row]]:
    """The rows of each image, model after model; a model is held only while its images are worked on."""
    names: tuple[str, ...] = ()
    models: list[Predictor] = []
    for who, item in work:
        if names != (who.labels, who.model):
            names = (who.labels, who.model)
            models = [load_model(name, device) for name in names]
        finder, predictor = models
        assert isinstance(finder, Segmenter)
        plane = read_plane(item, ())
        labels = finder.segment(plane.image, ())
        diameter = estimate_diameter(plane.image, (), 2)
        yield correct_image(Corrected(item, plane, who, labels, predictor, diameter), most, clicks)
