"""Looking: how early the review brings the objects that are wrong.

Two kinds of labels: those of the first frame, which is right, carried over the others; and right ones of which a share
was damaged on purpose. The review orders them; what each object is worth is known from the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.metrics import iou
from napari_clickseg.core.regions import Region
from napari_clickseg.core.simulated_errors import damage
from napari_clickseg.propagation.propagate import carry
from napari_clickseg.propagation.track_events import ENDING
from napari_clickseg.review.rules import doubts

if TYPE_CHECKING:
    from napari_clickseg.benchmark.sequences import Movie
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.requests import Predictor

COLUMNS = ("source", "image", "frames", "model", "labels", "rank", "frame", "object", "score", "iou", "told")
"""`rank`: place on the list, from 1 on; empty for an object that is missing and not on it. `told`: of such a one, the
event that reported its end there or earlier; empty where none did."""
CARRIED, DAMAGED = "carried", "damaged"
DAMAGED_SHARE = 0.05
NEAR = 8
Row = dict[str, str]
Labels = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Spoilt:
    """Labels of a movie with the truth's ids, how sure each object was carried, and by which event some ended."""

    labels: Labels
    confidence: Mapping[Frame, Mapping[int, float]] = field(default_factory=dict)
    ended: Mapping[int, str] = field(default_factory=dict)


def carried(movie: Movie, predictor: Predictor) -> Spoilt:
    """The first frame's true objects, carried over all others."""
    labels = np.zeros(movie.truth.shape, np.int32)
    first, *others = movie.frames
    labels[first] = np.where(np.isin(movie.truth[first], movie.objects(first)), movie.truth[first], 0)
    confidence: dict[Frame, Mapping[int, float]] = {}
    ended: dict[int, str] = {}
    for one in carry(movie.image, labels, predictor, first, others):
        there = labels[one.frame][one.edit.region.slices]
        there[one.edit.written] = one.edit.values[one.edit.written]
        confidence[one.frame] = one.edit.confidence
        ended |= {event.label: event.kind for event in one.events if event.kind in ENDING}
    return Spoilt(labels, confidence, ended)


def damaged(movie: Movie, predictor: Predictor) -> Spoilt:
    """The truth, of which one object in twenty per frame is damaged, but not the first frame."""
    rng = movie.random(DAMAGED)
    labels = movie.truth.astype(np.int32)
    for frame in movie.frames[1:]:
        for label in movie.objects(frame):
            if rng.random() < DAMAGED_SHARE:
                _spoil(labels[frame], label, rng)
    return Spoilt(labels)


KINDS: dict[str, Callable[[Movie, Predictor], Spoilt]] = {CARRIED: carried, DAMAGED: damaged}


def _spoil(plane: Labels, label: int, rng: np.random.Generator) -> None:
    """Damage an object in place; it may take background only, or all of a neighbour with which it is merged."""
    box = Region.of_mask(plane == label)
    if box is None:
        return
    near = box.grow(max(box.shape) + NEAR).clip(plane.shape)
    here = plane[near.slices]
    truth = here == label
    wrong = damage(truth, here.copy(), rng)
    here[truth & ~wrong] = 0
    here[wrong] = label


def measure(movie: Movie, predictor: Predictor, model: str, kind: str) -> list[Row]:
    """Return a row per object and frame, the first frame left out.

    Objects that are not on the first frame were never carried: their absence is no fault of the labels that a review
    could find, and they are left out of carried ones.
    """
    spoilt = KINDS[kind](movie, predictor)
    first, *others = movie.frames
    found = doubts(spoilt.labels, movie.frames, 2, spoilt.confidence, {first})
    ranks = {
        (doubt.frame, doubt.label): (str(rank), f"{doubt.score:.5f}")
        for rank, doubt in enumerate(found, start=1)
        if doubt.label is not None  # a frame on which nothing is drawn at all
    }
    wanted = set(movie.objects(first)) if kind == CARRIED else set(np.unique(movie.truth).tolist())
    absent = [
        (frame, label)
        for frame in others
        for label in movie.objects(frame)
        if label in wanted and (frame, label) not in ranks
    ]
    described = (movie.source, movie.name, len(movie.truth), model, kind)
    rows = []
    for frame, label in (*ranks, *absent):
        quality = iou(spoilt.labels[frame] == label, movie.truth[frame] == label)
        rank, score = ranks.get((frame, label), ("", ""))
        reported = "" if rank else spoilt.ended.get(label, "")
        values = (*described, rank, frame[0], label, score, f"{quality:.5f}", reported)
        rows.append(dict(zip(COLUMNS, map(str, values), strict=True)))
    return rows
