"""Random histories: at every moment the labels are the drawing of the history up to the cursor.

The oracle below is written from the sentence, not from the session: it keeps a list of whole snapshots of everything
that a user did, forgets nothing but what redo forgets, and draws the labels afresh, pixel by pixel, each time it is
asked. Its own undo is a number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from doubles import BrokenError, Choosing
from napari_clickseg.core.clicks import Click
from napari_clickseg.core.edits import Edit
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Nobody
from napari_clickseg.core.suggestions import Suggestion
from napari_clickseg.session.session import Session

HISTORIES = 400
"""Of each kind of data: 1,600 in all."""
STEPS = 25
KINDS = {"2D": ((9, 10), 2), "2D+t": ((3, 8, 7), 2), "3D": ((5, 7, 6), 3), "3D+t": ((2, 4, 6, 6), 3)}
ODDS = {
    "click": 7,
    "drag": 3,
    "remove": 2,
    "answer": 8,
    "answer late": 2,
    "lose": 1,
    "fail": 1,
    "undo": 3,
    "redo": 3,
    "commit": 3,
    "cancel": 1,
    "resume": 2,
    "start new": 1,
    "threshold": 1,
    "protect": 1,
    "paint": 2,
    "there and back": 1,
    "edit": 2,
    "carry on": 3,
    "find objects": 1,
    "confirm": 1,
    "merge": 1,
    "split": 1,
    "delete": 1,
    "fill": 1,
    "relabel": 1,
    "copy": 1,
    "stroke": 1,
    "box": 1,
    "lasso": 1,
    "candidate": 2,
    "explore": 1,
    "accept": 1,
}
BY_HAND = {"protect", "paint"}
"""Left out of every second history: they reach back into objects already kept, whose undo and redo is then new."""


@dataclass
class Written:
    """An edit: whole arrays of what it wrote where, and a number that tells it from others."""

    where: np.ndarray
    values: np.ndarray
    number: int

    @property
    def highest(self) -> int:
        return int(self.values[self.where].max(initial=0))


@dataclass
class Snapshot:
    """All that is known after one step. Masks and what was taken up are whole boolean or float frames."""

    label: int
    clicks: tuple[Click, ...] = ()
    logits: dict[Any, np.ndarray] = field(default_factory=dict)
    own: dict[Any, np.ndarray] = field(default_factory=dict)
    unanswered: tuple[Any, ...] = ()
    dragged: int | None = None
    level: int = 0
    confirmed: frozenset[Any] = frozenset()
    confidence: dict[Any, dict[int, float]] = field(default_factory=dict)
    edit: Written | None = None


class Oracle:
    """Naive: whole frames, whole arrays, everything drawn afresh."""

    def __init__(self, labels: np.ndarray, ndim: int) -> None:
        self.base = labels.copy()
        self.ndim = ndim
        self.steps = [Snapshot(int(labels.max()) + 1)]
        self.place = 0
        self.thresholds = {0: 0.5}
        self.protect = "background"
        self.kept: list[tuple[int, np.ndarray]] = []
        self.highest = int(labels.max())

    @property
    def now(self) -> Snapshot:
        return self.steps[self.place]

    @now.setter
    def now(self, snapshot: Snapshot) -> None:
        self.steps[self.place] = snapshot

    @property
    def below(self) -> np.ndarray:
        """The labels without the object being drawn."""
        return self.kept[-1][1] if self.kept else self.base

    def go_on(self, snapshot: Snapshot) -> None:
        self.steps = [*self.steps[: self.place + 1], snapshot]
        self.place += 1

    def frame(self, click: Click) -> tuple[int, ...]:
        return tuple(int(p) for p in click.position[: self.base.ndim - self.ndim])

    def frames(self) -> list[tuple[int, ...]]:
        return list(np.ndindex(*self.base.shape[: self.base.ndim - self.ndim]))

    def next_label(self) -> int:
        return max([self.highest, *(label for label, _ in self.kept)]) + 1

    def draw(self) -> np.ndarray:
        picture = self.below.copy()
        now = self.now
        level = np.log(self.thresholds[now.level] / (1 - self.thresholds[now.level]))
        for frame in self.frames():
            plane = picture[frame]
            own = now.own.get(frame, np.zeros(plane.shape, bool))
            wanted = own.copy()
            if frame in now.logits:
                wanted = now.logits[frame] > level
            elif frame not in now.own:
                continue
            plane[own & (plane == now.label)] = 0
            if self.protect == "object" and now.own:
                wanted &= own
            joined = self._joined(plane, wanted, frame)
            if self.protect != "anything":
                wanted &= (plane == 0) | (plane == now.label)
            plane[wanted | joined] = now.label
        return picture

    def _joined(self, plane: np.ndarray, wanted: np.ndarray, frame: tuple[int, ...]) -> np.ndarray:
        """What a taken-up object takes in: other objects that a positive click lies on and that are half its own."""
        joined = np.zeros(plane.shape, bool)
        if frame in self.now.own and self.protect == "background":
            pixels = [tuple(round(p) for p in c.position[-self.ndim :]) for c in self._on(self.now.clicks, frame)]
            clicked = {
                int(plane[p]) for p, c in zip(pixels, self._on(self.now.clicks, frame), strict=True) if c.positive
            }
            for other in clicked - {0, self.now.label}:
                if 2 * np.count_nonzero(wanted & (plane == other)) >= np.count_nonzero(plane == other):
                    joined |= plane == other
        return joined

    def set_clicks(self, clicks: tuple[Click, ...]) -> None:
        now = self.now
        logits, unanswered = dict(now.logits), now.unanswered
        for frame in self.frames():
            before = [c for c in now.clicks if self.frame(c) == frame]
            after = [c for c in clicks if self.frame(c) == frame]
            if before == after:
                continue
            unanswered = tuple(f for f in unanswered if f != frame)
            if not self._asks(clicks, frame):
                logits.pop(frame, None)
        changed = [f for f in self._order(now.clicks + clicks) if self._on(now.clicks, f) != self._on(clicks, f)]
        unanswered += tuple(f for f in changed if self._asks(clicks, f))
        dragged = None
        if len(clicks) == len(now.clicks):
            (dragged,) = (k for k in range(len(clicks)) if clicks[k] != now.clicks[k])
        after_it = replace(now, edit=None, clicks=clicks, logits=logits, unanswered=unanswered, dragged=dragged)
        if dragged is not None and dragged == now.dragged:
            self.place -= 1
        self.go_on(after_it)

    def _order(self, clicks: tuple[Click, ...]) -> list[tuple[int, ...]]:
        return list(dict.fromkeys(self.frame(c) for c in clicks))

    def _on(self, clicks: tuple[Click, ...], frame: tuple[int, ...]) -> list[Click]:
        return [c for c in clicks if self.frame(c) == frame]

    def _asks(self, clicks: tuple[Click, ...], frame: tuple[int, ...]) -> bool:
        """There is an object to draw: one was clicked, or one was taken up and clicks correct it."""
        said = self._on(clicks, frame)
        return any(c.positive for c in said) or bool(said and frame in self.now.own)

    def answer(self, frame: tuple[int, ...], logits: np.ndarray) -> None:
        now = self.now
        left = tuple(f for f in now.unanswered if f != frame)
        self.now = replace(now, logits={**now.logits, frame: logits}, unanswered=left)

    def nothing(self, rise: int = 0) -> Snapshot:
        """A new object of which nothing was said."""
        now = self.now
        level = now.level + rise
        return Snapshot(self.next_label(), level=level, confirmed=now.confirmed, confidence=now.confidence)

    def commit(self) -> None:
        now = self.now
        self.kept.append((now.label, self.draw()))
        self.thresholds[now.level + 1] = self.thresholds[now.level]
        self.go_on(self.nothing(rise=1))
        self.now.confidence = {
            frame: {k: v for k, v in sure.items() if frame not in now.logits or k != now.label}
            for frame, sure in now.confidence.items()
        }

    def cancel(self) -> None:
        now = self.now
        if now.clicks or now.logits or now.own:
            self.go_on(self.nothing())

    def write(self, edit: Written, sure: dict[Any, dict[int, float]]) -> None:
        """Upon what is kept, when nothing is being drawn."""
        now = self.now
        assert not any((now.clicks, now.logits, now.own))
        self.kept.append((edit.highest, self._written(self.below, edit)))
        self.thresholds[now.level + 1] = self.thresholds[now.level]
        label = now.label if now.label > edit.highest else self.next_label()
        confidence = self._confidence(edit, sure)
        self.go_on(replace(now, label=label, level=now.level + 1, confidence=confidence, edit=edit, dragged=None))

    def write_more(self, edit: Written, sure: dict[Any, dict[int, float]]) -> None:
        """Let the edit that was just written go on."""
        now, (highest, picture) = self.now, self.kept.pop()
        assert now.edit is not None
        assert now.edit.number == edit.number
        self.kept.append((max(highest, edit.highest), self._written(picture, edit)))
        values = np.where(edit.where, edit.values, now.edit.values)
        label = now.label if now.label > max(highest, edit.highest) else self.next_label()
        joined = Written(edit.where | now.edit.where, values, edit.number)
        self.now = replace(now, label=label, confidence=self._confidence(edit, sure), edit=joined)

    def _written(self, picture: np.ndarray, edit: Written) -> np.ndarray:
        return np.where(edit.where, edit.values, picture).astype(picture.dtype)

    def _confidence(self, edit: Written, sure: dict[Any, dict[int, float]]) -> dict[Any, dict[int, float]]:
        """What is written is as sure as it says; what says nothing is no longer told."""
        known = {frame: dict(values) for frame, values in self.now.confidence.items()}
        for frame in self.frames():
            here = known.setdefault(frame, {})
            for label in np.unique(edit.values[frame][edit.where[frame]]):
                here.pop(int(label), None)
            here.update(sure.get(frame, {}))
        return known

    def choose(self, frame: tuple[int, ...], logits: np.ndarray) -> None:
        """Another answer to the same clicks, as a step of its own."""
        now = self.now
        self.go_on(replace(now, logits={**now.logits, frame: logits}, edit=None, dragged=None))

    def confirm(self, frame: Any, yes: bool) -> None:
        now = self.now
        if (frame in now.confirmed) != yes:
            self.go_on(replace(now, confirmed=now.confirmed ^ {frame}, edit=None, dragged=None))

    def travel(self, by: int) -> None:
        before = self.now
        picture = self.draw()
        self.place += by
        if self.now.level > before.level and self.now.edit is not None:
            self.kept.append((self.now.edit.highest, self._written(picture, self.now.edit)))
        elif self.now.level > before.level:
            self.kept.append((before.label, picture))
        elif self.now.level < before.level:
            self.kept.pop()

    def paint(self, where: tuple[Any, ...], value: int) -> None:
        """By hand, on pixels where it shows: into the base and into every picture that lies upon it."""
        for picture in (self.base, *(picture for _, picture in self.kept)):
            picture[where] = value


class Player:
    """Does the same to a session and to the oracle, and compares."""

    def __init__(self, shape: tuple[int, ...], ndim: int, rng: np.random.Generator, hands_on: bool) -> None:
        labels = np.zeros(shape, np.uint16)
        labels[..., :2, :3] = 1
        labels[..., -2:, -2:] = 2
        self.rng = rng
        self.oracle = Oracle(labels, ndim)
        self.first_labels = labels.copy()
        self.session = Session(np.zeros(shape, np.float32), Choosing(ndim, radius=1.5), labels=labels)
        self.acts: list[Any] = []
        self.session.acted.connect(self.acts.append)
        self.carried: list[int] = []
        self.found: list[Any] = []
        self.late: list[Any] = []
        self.hands_on = hands_on
        self.brush = 100

    def play(self, steps: int) -> None:
        acts = [act for act in ODDS if self.hands_on or act not in BY_HAND]
        odds = np.array([ODDS[act] for act in acts])
        odds = odds / odds.sum()
        for _ in range(steps):
            act = acts[self.rng.choice(len(acts), p=odds)]
            getattr(self, act.replace(" ", "_"))()
            self.compare(act)

    def compare(self, act: str) -> None:
        session, now = self.session, self.oracle.now
        np.testing.assert_array_equal(session.labels, self.oracle.draw(), err_msg=f"after {act}")
        assert session.clicks == now.clicks, act
        assert session.label == now.label, act
        assert session.threshold == self.oracle.thresholds[now.level], act
        assert session.area() == np.count_nonzero(self._drawn_pixels()), act
        assert (session.pending.frame if session.pending else None) == (now.unanswered or (None,))[-1], act
        assert session.can_undo == (self.oracle.place > 0), act
        assert session.can_redo == (self.oracle.place + 1 < len(self.oracle.steps)), act
        assert session.confirmed == now.confirmed, act
        for frame in self.oracle.frames():
            assert dict(session.confidence(frame)) == now.confidence.get(frame, {}), act

    def _drawn_pixels(self) -> np.ndarray:
        now, oracle = self.oracle.now, self.oracle
        ghost = replace(now, label=999)
        picture = oracle.below.copy()
        for frame in {*now.own, *now.logits}:
            plane = picture[frame]
            plane[plane == now.label] = 0 if oracle.protect != "anything" else plane[plane == now.label]
        kept = oracle.kept
        try:
            oracle.kept = [*kept, (0, picture)]
            oracle.now = ghost
            return oracle.draw() == 999
        finally:
            oracle.kept = kept
            oracle.now = now

    def position(self) -> tuple[float, ...]:
        return tuple(float(self.rng.integers(n)) for n in self.session.image.shape)

    def _late(self) -> None:
        if self.session.pending is not None:
            self.late.append(self.session.pending)

    def set_clicks(self, clicks: tuple[Click, ...]) -> None:
        self._late()
        if clicks != self.session.clicks:
            self.oracle.set_clicks(clicks)
        self.session.set_clicks(clicks)

    def click(self) -> None:
        self.set_clicks((*self.session.clicks, Click(self.position(), bool(self.rng.random() < 0.7))))

    def drag(self) -> None:
        clicks = list(self.session.clicks)
        if clicks:
            k = self.rng.integers(len(clicks))
            clicks[k] = Click(self.position(), clicks[k].positive)
            self.set_clicks(tuple(clicks))

    def remove(self) -> None:
        clicks = list(self.session.clicks)
        if clicks:
            del clicks[self.rng.integers(len(clicks))]
            self.set_clicks(tuple(clicks))

    def answer(self) -> None:
        request = self.session.pending
        if request is None:
            return
        prediction = self.session.run(request)
        self.oracle.answer(request.frame, self.on_frame(prediction))
        self.session.apply(request, prediction)

    def on_frame(self, prediction: Any) -> np.ndarray:
        """The logits on a whole frame."""
        whole = np.full(self.session.image.frame_shape(self.session.ndim), -99.0)
        whole[prediction.region.slices] = prediction.logits
        return whole

    def stroke(self) -> None:
        points, positive = [self.position() for _ in range(int(self.rng.integers(1, 4)))], bool(self.rng.random() < 0.7)
        self._late()
        self.oracle.set_clicks((*self.session.clicks, *(Click(point, positive) for point in points)))
        self.session.set_stroke(points, positive)

    def box(self) -> None:
        self._prompt(2, lambda corners: self.session.set_box(*corners))

    def lasso(self) -> None:
        self._prompt(int(self.rng.integers(3, 7)), self.session.set_lasso)

    def _prompt(self, count: int, start: Callable[[list[tuple[float, ...]]], Any]) -> None:
        """A click more, in the middle of what is drawn; what is too small, or not on a plane, is refused."""
        frames = self.oracle.frames()
        frame, shape = frames[self.rng.integers(len(frames))], self.session.image.frame_shape(self.session.ndim)
        points = [(*map(float, frame), *(float(self.rng.integers(n)) for n in shape)) for _ in range(count)]
        waits, state = self.session.pending, self.session.state
        try:
            start(points)
        except ValueError:
            assert self.session.state is state
            return
        self.late += [waits] if waits is not None else []
        assert self.session.clicks[:-1] == state.clicks
        self.oracle.set_clicks(self.session.clicks)

    def candidate(self) -> None:
        """Round the candidates by a few; only where no answer is awaited."""
        if not self.session.candidates() or self.session.pending is not None:
            return
        steps = int(self.rng.integers(1, 4))
        choice = self.session.candidates()
        chosen = choice[(self.session.candidate_shown + steps) % len(choice)]
        self.oracle.choose(self.session.clicks[-1].frame(self.session.ndim), self.on_frame(chosen))
        assert self.session.next_candidate(steps)

    def explore(self) -> None:
        """Further candidates change nothing that is drawn."""
        request = self.session.unexplored()
        if request is not None:
            self.session.add_candidates(request, self.session.explore(request))

    def accept(self) -> None:
        """Suggestions go into background, the earlier one first; each frame's get the next ids."""
        frames, shape = self.oracle.frames(), self.session.image.frame_shape(self.session.ndim)
        some = []
        for _ in range(int(self.rng.integers(1, 4))):
            frame, mask = frames[self.rng.integers(len(frames))], self.rng.random(shape) < 0.2
            some += [one] if (one := Suggestion.of(frame, Region.whole(shape), mask)) is not None else []
        if not some:
            return
        self._put_away_for_edit()
        where, values = np.zeros(self.oracle.base.shape, bool), np.zeros(self.oracle.base.shape, int)
        free, label, wanted = self.oracle.below == 0, self.oracle.next_label(), []
        for one in sorted(some, key=lambda one: one.frame):
            new = free[one.frame][one.region.slices] & one.mask
            where[one.frame][one.region.slices] |= new
            values[one.frame][one.region.slices][new] = label
            free[one.frame][one.region.slices] &= ~one.mask
            wanted.append((one, label if new.any() else 0))
            label += bool(new.any())
        got = self.session.accept(some)
        assert {id(one): k for one, k in wanted} == {id(one): k for one, k in zip(some, got, strict=True)}
        self.oracle.write(Written(where, values, self.session.state.written.number), {})

    def answer_late(self) -> None:
        late = [request for request in self.late if request is not self.session.pending]
        if late:
            request = late[self.rng.integers(len(late))]
            assert self.session.apply(request, self.session.run(request)) is self.session.pending

    def lose(self) -> None:
        """The worker dropped the job: nobody ever answers; only what the user does next asks again."""
        if self.session.pending is not None:
            self.late.append(self.session.pending)

    def fail(self) -> None:
        if self.session.pending is not None:
            self.session.fail(self.session.pending, BrokenError())
            self.oracle.now = replace(self.oracle.now, unanswered=())
        for request in self.late:
            if request is not self.session.pending:
                self.session.fail(request, BrokenError())

    def undo(self) -> None:
        self._travel(-1)

    def redo(self) -> None:
        self._travel(1)

    def _travel(self, by: int) -> None:
        if self.session.pending is not None:
            self.late.append(self.session.pending)
        if 0 <= self.oracle.place + by < len(self.oracle.steps):
            self.oracle.travel(by)
        _ = self.session.undo() if by < 0 else self.session.redo()
        if self.hands_on:
            self.redraw()

    def commit(self) -> None:
        if self.session.pending is None and (self.oracle.now.own or self._drawn_pixels().any()):
            label = self.oracle.now.label
            self.oracle.commit()
            assert self.session.commit() == label
        else:
            state = self.session.state
            with pytest.raises(ValueError, match="keep"):
                self.session.commit()
            assert self.session.state is state

    def cancel(self) -> None:
        if self.session.pending is not None:
            self.late.append(self.session.pending)
        below = self.oracle.below.copy()
        self.oracle.cancel()
        self.session.cancel()
        np.testing.assert_array_equal(self.session.labels, below, err_msg="cancel restores")

    def _put_away_oracle(self) -> None:
        if self.oracle.now.own or self._drawn_pixels().any():
            self.oracle.commit()
        else:
            self.oracle.cancel()

    def resume(self) -> None:
        there = [int(k) for k in np.unique(self.session.labels) if k]
        label = int(self.rng.choice([*there, 77]))
        if label == 77:
            with pytest.raises(ValueError, match="no object 77"):
                self.session.resume(label)
            return
        if self.session.pending is not None:
            self.late.append(self.session.pending)
        shown = self.session.labels.copy()
        self.oracle.now = replace(self.oracle.now, unanswered=())
        self._put_away_oracle()
        own = {f: shown[f] == label for f in self.oracle.frames() if (shown[f] == label).any()}
        self.oracle.go_on(replace(self.oracle.nothing(), label=label, own=own))
        self.session.resume(label)

    def start_new(self) -> None:
        if self.session.pending is None:
            self._put_away_oracle()
            self.session.start_new()

    def threshold(self) -> None:
        value = float(self.rng.choice([0.2, 0.5, 0.8]))
        self.oracle.thresholds[self.oracle.now.level] = value
        self.session.threshold = value

    def protect(self) -> None:
        self.oracle.protect = self.session.protect = str(self.rng.choice(["background", "object", "anything"]))
        self.redraw()

    def redraw(self) -> None:
        self.session.threshold = self.session.threshold

    def paint(self) -> None:
        """A few pixels: a colour never used before, or none at all where no kept object was drawn.

        What is painted in the very colour that is there already nobody could tell from what was drawn.
        """
        where = tuple(self.rng.integers(0, n, 4) for n in self.session.image.shape)
        self.brush += 1
        value = int(self.rng.choice([0, self.brush]))
        new = self.session.labels[where] != value
        for _, picture in self.oracle.kept:
            new &= (value > 0) | (picture[where] == self.oracle.base[where])
        where = tuple(axis[new] for axis in where)
        self.session.labels[where] = value
        self.oracle.paint(where, value)
        if where[0].size:
            self.session.painted_by_hand(
                Region(tuple(int(a.min()) for a in where), tuple(int(a.max()) + 1 for a in where))
            )
        self.redraw()

    def there_and_back(self) -> None:
        """Undo n, then redo n, is where we were."""
        if self.hands_on:
            return
        labels, state = self.session.labels.copy(), self.session.state
        n = 0
        while self.session.can_undo and self.rng.random() < 0.8:
            self._travel(-1)
            n += 1
        for _ in range(n):
            self._travel(1)
        np.testing.assert_array_equal(self.session.labels, labels)
        assert self.session.state is state or self.session.state.written.number == state.written.number

    # -- edits, frames, verbs --------------------------------------------------------------------------------------

    def some_frames(self) -> list[Any]:
        return [frame for frame in self.oracle.frames() if self.rng.random() < 0.6]

    def some_edits(self) -> dict[Any, Edit]:
        """Anything on a few frames: ids that are there, new ones, background."""
        shape, edits = self.session.image.frame_shape(self.session.ndim), {}
        for frame in self.some_frames():
            ends = [sorted(self.rng.choice(n + 1, 2, replace=False)) for n in shape]
            region = Region(*(tuple(int(e[k]) for e in ends) for k in (0, 1)))
            values = self.rng.integers(0, self.session.label + 3, region.shape)
            sure = {int(k): float(self.rng.random()) for k in np.unique(values) if k and self.rng.random() < 0.5}
            edits[frame] = Edit(region, self.rng.random(region.shape) < 0.5, values, sure)
        return edits

    def whole(self, edits: dict[Any, Edit], number: int) -> Written:
        """The same on whole arrays."""
        where, values = np.zeros(self.oracle.base.shape, bool), np.zeros(self.oracle.base.shape, int)
        for frame, edit in edits.items():
            where[frame][edit.region.slices] = edit.written
            values[frame][edit.region.slices] = edit.values
        return Written(where, values, number)

    def _put_away_for_edit(self) -> None:
        if self.session.pending is not None:
            self.late.append(self.session.pending)
        self.oracle.now = replace(self.oracle.now, unanswered=())
        self._put_away_oracle()

    def edit(self) -> None:
        self._edit(self.some_edits())

    def _edit(self, edits: dict[Any, Edit]) -> None:
        self._put_away_for_edit()
        self.carried.append(self.session.edit(edits))
        self.oracle.write(self.whole(edits, self.carried[-1]), {f: dict(e.confidence) for f, e in edits.items()})
        for _ in range(self.rng.integers(3)):
            self.compare("edit")
            self.carry_on()

    def carry_on(self) -> None:
        """A carry goes on, but only where nothing was done since, and never into a confirmed frame."""
        if not self.carried:
            return
        number = self.carried[-1] if self.rng.random() < 0.8 else int(self.rng.choice(self.carried))
        edits, oracle = self.some_edits(), self.oracle
        newest = oracle.place + 1 == len(oracle.steps) and oracle.now.edit is not None
        if not newest or oracle.now.edit.number != number:
            assert not self.session.extend(edits, number)
        elif edits.keys() & oracle.now.confirmed:
            with pytest.raises(ValueError, match="is confirmed"):
                self.session.extend(edits, number)
        else:
            assert self.session.extend(edits, number)
            oracle.write_more(self.whole(edits, number), {f: dict(e.confidence) for f, e in edits.items()})

    def find_objects(self) -> None:
        """The model finds objects; what it found is written at once or, by now stale, later on."""
        frames = self.oracle.frames()
        frame = frames[self.rng.integers(len(frames))]
        self.found.append((frame, self.session.segmented(frame)))
        frame, edit = self.found[self.rng.integers(len(self.found))]
        self._put_away_for_edit()
        shown = self.session.labels.copy()
        number = self.session.edit({frame: edit})
        where, values = np.zeros(shown.shape, bool), np.zeros(shown.shape, int)
        where[frame][edit.region.slices] = edit.written
        values[frame][edit.region.slices] = edit.values
        if self.oracle.protect != "anything":
            where &= self.oracle.below == 0
        for new, old in enumerate(np.unique(values[where]), max(self.oracle.next_label(), 1)):
            values[where & (values == old)] = -new
        self.oracle.write(Written(where, -values, number), {})

    def confirm(self) -> None:
        frames = self.oracle.frames()
        frame, yes = frames[self.rng.integers(len(frames))], bool(self.rng.random() < 0.7)
        self.oracle.confirm(frame, yes)
        self.session.confirm(frame, yes)

    def verb(self, wanted: np.ndarray | None, name: str, *arguments: Any) -> None:
        """Do it to the session, and by hand to the oracle; None is wanted where it should be refused."""
        shown, state = self.session.labels.copy(), self.session.state
        if wanted is None:
            with pytest.raises(ValueError, match=r"There is no|has no holes|already|There are no"):
                getattr(self.session, name)(*arguments)
            assert self.session.state is state
            return
        self._put_away_for_edit()
        getattr(self.session, name)(*arguments)
        self.oracle.write(Written(wanted != shown, wanted.astype(int), self.session.state.written.number), {})

    def some_label(self) -> int:
        there = [int(k) for k in np.unique(self.session.labels) if k]
        return int(self.rng.choice([*there, *there, 77]))

    def merge(self) -> None:
        one, other = self.some_label(), self.some_label()
        frames = self.some_frames() if self.rng.random() < 0.5 else self.oracle.frames()
        picture, wanted = self.session.labels, self.session.labels.copy()
        for frame in frames:
            wanted[frame][picture[frame] == other] = one
        if one != other:
            there = all(any((picture[f] == k).any() for f in frames) for k in (one, other))
            self.verb(wanted if there else None, "merge", (one, other), frames)

    def delete(self) -> None:
        label, frames = self.some_label(), self.oracle.frames()
        frame = frames[self.rng.integers(len(frames))] if self.rng.random() < 0.5 else None
        wanted = self.session.labels.copy()
        for f in frames if frame is None else [frame]:
            wanted[f][wanted[f] == label] = 0
        self.verb(wanted if (wanted != self.session.labels).any() else None, "delete", label, frame)

    def fill(self) -> None:
        """A ring is painted around a pixel first, mostly: holes are rare."""
        label, frames = self.some_label(), self.oracle.frames()
        frame = frames[self.rng.integers(len(frames))]
        if self.rng.random() < 0.8 and label != 77:
            shape = self.session.image.frame_shape(self.session.ndim)
            ring = np.ones((3,) * len(shape), bool)
            ring[(1,) * len(shape)] = False
            corner = tuple(int(self.rng.integers(n - 2)) for n in shape)
            region = Region(corner, tuple(k + 3 for k in corner))
            self._edit({frame: Edit(region, ring, np.full(ring.shape, label))})
        wanted = self.session.labels.copy()
        plane = wanted[frame]
        plane[ndimage.binary_fill_holes(plane == label) & (plane == 0)] = label
        self.verb(wanted if (wanted != self.session.labels).any() else None, "fill", label, frame)

    def relabel(self) -> None:
        label, new, frames = self.some_label(), int(self.rng.integers(1, 12)), self.some_frames()
        picture, wanted = self.session.labels, self.session.labels.copy()
        mine = [f for f in frames if (picture[f] == label).any()]
        for frame in mine:
            wanted[frame][picture[frame] == label] = new
        free = bool(mine) and not any((picture[f] == new).any() for f in mine)
        self.verb(wanted if free else None, "relabel", label, new, frames)

    def copy(self) -> None:
        frames = self.oracle.frames()
        if len(frames) < 2:
            return
        source, target = (frames[k] for k in self.rng.choice(len(frames), 2, replace=False))
        label = self.some_label()
        some = None if self.rng.random() < 0.5 else (label,)
        picture, wanted = self.session.labels, self.session.labels.copy()
        copied = picture[source] * ((picture[source] == label) if some else 1)
        plane = wanted[target]
        plane[np.isin(plane, np.unique(copied[copied > 0]))] = 0
        plane[:] = np.where(plane == 0, copied, plane)
        self.verb(wanted if copied.any() else None, "copy_from", source, target, some)

    def split(self) -> None:
        """Where the border runs is for `test_verbs` to say; here it is a part of the object, and one step."""
        shown = self.session.labels.copy()
        pixels = np.argwhere(shown == self.some_label())
        if len(pixels) < 2:
            return
        one, other = (tuple(map(float, pixels[k])) for k in self.rng.choice(len(pixels), 2, replace=False))
        if Click(one).frame(self.session.ndim) != Click(other).frame(self.session.ndim):
            return
        label = int(shown[tuple(map(int, one))])
        self._put_away_for_edit()
        new = self.session.split(one, other)
        assert new == self.oracle.next_label()
        part = self.session.labels != shown
        assert set(np.unique(shown[part])) == {label}
        assert not part[tuple(map(int, one))]
        assert part[tuple(map(int, other))]
        wanted = self.session.labels.astype(int)
        self.oracle.write(Written(part, wanted, self.session.state.written.number), {})


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_the_drawing_of_the_history_up_to_the_cursor(kind):
    shape, ndim = KINDS[kind]
    for seed in range(HISTORIES):
        try:
            Player(shape, ndim, np.random.default_rng(seed), hands_on=seed % 2 == 1).play(STEPS)
        except BaseException as error:
            error.add_note(f"{kind}, seed {seed}")
            raise


def told(session: Session) -> tuple[Any, ...]:
    """All that a user sees of a session."""
    frames = np.ndindex(*session.image.frames_shape(session.ndim))
    return (
        session.labels.tolist(), session.label, session.clicks, session.area(), session.threshold, session.protect,
        session.pending and (session.pending.frame, session.pending.clicks), session.confirmed,
        session.can_undo, session.can_redo, [dict(session.confidence(frame)) for frame in frames],
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_that_repeats_the_acts_of_another_one_is_like_it_and_needs_no_model(kind):
    shape, ndim = KINDS[kind]
    for seed in range(HISTORIES // 4):
        player = Player(shape, ndim, np.random.default_rng(7_000 + seed), hands_on=seed % 2 == 1)
        player.play(STEPS)
        first = player.session
        second = Session(np.zeros(shape, np.float32), Nobody(ndim), labels=player.first_labels)
        for act in player.acts:
            second.perform(act)
        assert told(second) == told(first), f"{kind}, seed {seed}"
        while first.can_undo:
            first.undo()
            second.undo()
            assert told(second) == told(first), f"{kind}, seed {seed}"
        while first.can_redo:
            first.redo()
            second.redo()
            assert told(second) == told(first), f"{kind}, seed {seed}"
