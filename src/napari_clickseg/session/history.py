"""History: immutable states and a place among them. Undo is a move of that place; nothing is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class History(Generic[T]):
    """Mutable owner of a list of states and a cursor.

    >>> history = History("empty")
    >>> history.push("one click")
    >>> history.undo()
    'empty'
    >>> history.redo()
    'one click'
    """

    def __init__(self, first: T, forgotten: int = 0) -> None:
        self._states = [first]
        self._cursor = 0
        self._forgotten = forgotten

    @property
    def current(self) -> T:
        return self._states[self._cursor]

    @property
    def step(self) -> int:
        """How many steps lead to the current state, those that were forgotten included."""
        return self._forgotten + self._cursor

    @property
    def can_undo(self) -> bool:
        return self._cursor > 0

    @property
    def can_redo(self) -> bool:
        return self._cursor + 1 < len(self._states)

    @property
    def past(self) -> tuple[T, ...]:
        """The states up to the current one, newest first."""
        return tuple(reversed(self._states[: self._cursor + 1]))

    def push(self, state: T) -> None:
        """Add a state after the current one; what could be redone is forgotten."""
        del self._states[self._cursor + 1 :]
        self._states.append(state)
        self._cursor += 1

    def amend(self, state: T) -> None:
        """Put another state in the current one's place; what could be redone stays."""
        self._states[self._cursor] = state

    def forget_redo(self) -> None:
        """Forget what could be redone."""
        del self._states[self._cursor + 1 :]

    def forget_past(self, old: Callable[[T], bool]) -> None:
        """Forget the oldest states as long as they are `old`; the current one stays."""
        count = next((k for k, state in enumerate(self._states[: self._cursor]) if not old(state)), self._cursor)
        del self._states[:count]
        self._cursor -= count
        self._forgotten += count

    @property
    def states(self) -> tuple[T, ...]:
        """All states, those that were undone included, oldest first."""
        return tuple(self._states)

    def replace_all(self, change: Callable[[T], T]) -> None:
        """Put another state in the place of each one."""
        self._states = [change(state) for state in self._states]

    @contextmanager
    def unless_it_fails(self) -> Iterator[None]:
        """Within this context, whatever is done to the history counts only if no exception comes out of it."""
        states, cursor, forgotten = list(self._states), self._cursor, self._forgotten
        try:
            yield
        except BaseException:
            self._states, self._cursor, self._forgotten = states, cursor, forgotten
            raise

    def undo(self) -> T:
        """Go one state back and return it; the first state stays where it is."""
        self._cursor = max(self._cursor - 1, 0)
        return self.current

    def redo(self) -> T:
        """Go one state forward and return it; the last state stays where it is."""
        self._cursor = min(self._cursor + 1, len(self._states) - 1)
        return self.current
