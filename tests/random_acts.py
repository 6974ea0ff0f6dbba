"""Random acts of a user on a session, for tests that must hold whatever was done. What is refused does nothing."""

from __future__ import annotations

import numpy as np

from doubles import Choosing
from napari_clickseg.core.clicks import Click
from napari_clickseg.core.edits import Edit
from napari_clickseg.core.regions import Region
from napari_clickseg.core.suggestions import Suggestion
from napari_clickseg.session.session import Session

ODDS = {
    **{"click": 8, "drag": 3, "remove": 1, "answer": 8, "lose": 1, "undo": 3, "redo": 3, "commit": 3, "cancel": 1},
    **{"resume": 2, "start_new": 1, "threshold": 1, "protect": 1, "paint": 2, "confirm": 1},
    **{"box": 1, "lasso": 1, "stroke": 1, "candidate": 2, "explore": 1, "suggest": 1, "accept": 1},
    **{"edit": 2, "extend": 2, "delete": 1, "fill": 1, "merge": 1, "relabel": 1, "model": 1, "put_away": 1},
    **{"classify": 2},
}


class User:
    """Mutable: does random things to a session, each as the seed says."""

    def __init__(self, session: Session, seed: int) -> None:
        self.session = session
        self.rng = np.random.default_rng(seed)

    def act(self, count: int) -> None:
        names = list(ODDS)
        odds = np.array([ODDS[name] for name in names], float)
        for _ in range(count):
            name = names[self.rng.choice(len(names), p=odds / odds.sum())]
            try:
                getattr(self, name)()
            except ValueError:
                continue

    def position(self) -> tuple[float, ...]:
        return tuple(float(self.rng.integers(n)) for n in self.session.image.shape)

    def frame(self) -> tuple[int, ...]:
        counts = self.session.image.frames_shape(self.session.ndim)
        return tuple(int(self.rng.integers(n)) for n in counts)

    def label(self) -> int:
        return int(self.rng.integers(1, max(3, int(self.session.labels.max()) + 2)))

    def some_edit(self) -> Edit:
        shape = self.session.image.frame_shape(self.session.ndim)
        start = tuple(int(self.rng.integers(n - 2)) for n in shape)
        region = Region(start, tuple(a + 3 for a in start)).clip(shape)
        values = self.rng.integers(0, 6, region.shape)
        return Edit(region, self.rng.random(region.shape) < 0.7, values, fresh=bool(self.rng.random() < 0.3))

    def click(self) -> None:
        new = Click(self.position(), bool(self.rng.random() < 0.75))
        self.session.set_clicks((*self.session.clicks, new))
        if self.rng.random() < 0.7:
            self.answer()

    def drag(self) -> None:
        clicks = list(self.session.clicks)
        if clicks:
            k = int(self.rng.integers(len(clicks)))
            clicks[k] = Click(self.position(), clicks[k].positive)
            self.session.set_clicks(clicks)

    def remove(self) -> None:
        clicks = list(self.session.clicks)
        if clicks:
            del clicks[int(self.rng.integers(len(clicks)))]
            self.session.set_clicks(clicks)

    def box(self) -> None:
        self.session.set_box(*self.outline(2))
        if self.rng.random() < 0.7:
            self.answer()

    def lasso(self) -> None:
        self.session.set_lasso(self.outline(int(self.rng.integers(3, 7))))
        if self.rng.random() < 0.7:
            self.answer()

    def stroke(self) -> None:
        points = [self.position() for _ in range(int(self.rng.integers(1, 4)))]
        self.session.set_stroke(points, bool(self.rng.random() < 0.75))
        if self.rng.random() < 0.7:
            self.answer()

    def outline(self, count: int) -> list[tuple[float, ...]]:
        """Positions on one frame."""
        frame, shape = self.frame(), self.session.image.frame_shape(self.session.ndim)
        return [(*map(float, frame), *(float(self.rng.integers(n)) for n in shape)) for _ in range(count)]

    def candidate(self) -> None:
        self.session.next_candidate(int(self.rng.integers(1, 4)))

    def explore(self) -> None:
        request = self.session.unexplored()
        if request is not None:
            self.session.add_candidates(request, self.session.explore(request))

    def suggest(self) -> None:
        found = self.session.suggest(self.frame() if self.rng.random() < 0.5 else None)
        self.session.accept([one for one in found if self.rng.random() < 0.7])

    def accept(self) -> None:
        edits = [(self.frame(), self.some_edit()) for _ in range(int(self.rng.integers(1, 4)))]
        some = [Suggestion.of(frame, edit.region, edit.written) for frame, edit in edits]
        self.session.accept([one for one in some if one is not None])

    def answer(self) -> None:
        request = self.session.pending
        if request is not None:
            self.session.apply(request, self.session.run(request))

    def lose(self) -> None:
        self.session.stop_waiting()

    def undo(self) -> None:
        self.session.undo()

    def redo(self) -> None:
        self.session.redo()

    def commit(self) -> None:
        self.session.commit()

    def cancel(self) -> None:
        self.session.cancel()

    def resume(self) -> None:
        self.session.resume(self.label())

    def start_new(self) -> None:
        self.session.start_new(self.label() + 3 if self.rng.random() < 0.5 else None)

    def threshold(self) -> None:
        self.session.threshold = float(self.rng.choice([0.3, 0.5, 0.8]))

    def protect(self) -> None:
        self.session.protect = self.rng.choice(["background", "object", "anything"]).item()

    def paint(self) -> None:
        region = Region(*(tuple(int(p) + k for p in self.position()) for k in (0, 2))).clip(self.session.image.shape)
        self.session.labels[region.slices] = int(self.rng.integers(0, 9))
        self.session.painted_by_hand(region)
        self.session.reserve(int(self.session.labels.max()))

    def edit(self) -> None:
        self.session.edit({self.frame(): self.some_edit() for _ in range(2)})

    def extend(self) -> None:
        self.session.extend({self.frame(): self.some_edit()})

    def confirm(self) -> None:
        self.session.confirm(self.frame(), bool(self.rng.random() < 0.7))

    def delete(self) -> None:
        self.session.delete(self.label())

    def fill(self) -> None:
        self.session.fill(self.label(), self.frame())

    def merge(self) -> None:
        self.session.merge((self.label(), self.label()))

    def put_away(self) -> None:
        self.session.put_away()

    def model(self) -> None:
        ndim = int(self.rng.integers(2, 4))
        self.session.predictor = Choosing(ndim, radius=1.5, name=f"disks of {ndim} axes")

    def classify(self) -> None:
        self.session.classify(
            {self.label(): str(self.rng.choice(["alive", "dead"])) if self.rng.random() < 0.8 else None}
        )

    def relabel(self) -> None:
        self.session.relabel(self.label(), self.label() + 1)
