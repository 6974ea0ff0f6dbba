"""Random histories: at every moment the labels are the drawing of the history up to the cursor.

The oracle below is written from the sentence, not from the session: it keeps a list of whole snapshots of everything
that a user did, forgets nothing but what redo forgets, and draws the labels afresh, pixel by pixel, each time it is
asked. Its own undo is a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from doubles import BrokenError, Disks
from napari_clickseg.clicks import Click
from napari_clickseg.session import Session

HISTORIES = 400
"""Of each kind of data: 1,600 in all."""
STEPS = 20
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
}
BY_HAND = {"protect", "paint"}
"""Left out of every second history: they reach back into objects already kept, whose undo and redo is then new."""


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
            if self.protect != "anything":
                wanted &= (plane == 0) | (plane == now.label)
            plane[wanted] = now.label
        return picture

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
        after_it = replace(now, clicks=clicks, logits=logits, unanswered=unanswered, dragged=dragged)
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

    def commit(self) -> None:
        self.kept.append((self.now.label, self.draw()))
        self.thresholds[self.now.level + 1] = self.thresholds[self.now.level]
        self.go_on(Snapshot(self.next_label(), level=self.now.level + 1))

    def travel(self, by: int) -> None:
        before = self.now
        picture = self.draw()
        self.place += by
        if self.now.level > before.level:
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
        self.session = Session(np.zeros(shape, np.float32), Disks(ndim, radius=1.5), labels=labels)
        self.oracle = Oracle(labels, ndim)
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

    def set_clicks(self, clicks: tuple[Click, ...]) -> None:
        if self.session.pending is not None:
            self.late.append(self.session.pending)
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
        whole = np.full(self.session.image.frame_shape(self.session.ndim), -99.0)
        whole[prediction.region.slices] = prediction.logits
        self.oracle.answer(request.frame, whole)
        self.session.apply(request, prediction)

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

    def _cancel_oracle(self) -> None:
        now = self.oracle.now
        if now.clicks or now.logits or now.own:
            self.oracle.go_on(Snapshot(self.oracle.next_label(), level=now.level))

    def cancel(self) -> None:
        if self.session.pending is not None:
            self.late.append(self.session.pending)
        below = self.oracle.below.copy()
        self._cancel_oracle()
        self.session.cancel()
        np.testing.assert_array_equal(self.session.labels, below, err_msg="cancel restores")

    def _put_away_oracle(self) -> None:
        if self.oracle.now.own or self._drawn_pixels().any():
            self.oracle.commit()
        else:
            self._cancel_oracle()

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
        self.oracle.go_on(Snapshot(label, own=own, level=self.oracle.now.level))
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
        assert self.session.state is state


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_the_drawing_of_the_history_up_to_the_cursor(kind):
    shape, ndim = KINDS[kind]
    for seed in range(HISTORIES):
        try:
            Player(shape, ndim, np.random.default_rng(seed), hands_on=seed % 2 == 1).play(STEPS)
        except BaseException as error:
            error.add_note(f"{kind}, seed {seed}")
            raise
