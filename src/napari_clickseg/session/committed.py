"""Committed: what was kept below the object being drawn, which ids are taken, how large objects are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.labels import read_block

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.edits import Edit
    from napari_clickseg.core.masks import Patch

REMEMBERED_DIAMETERS = 25
UNDOABLE_OBJECTS = 200
"""So many kept objects and edits can be undone; older ones stay in the labels, but their history is forgotten."""


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """An object that was kept, or an edit.

    Attributes
    ----------
    label : int
        The object's id; the highest id that an edit wrote.
    patches : mapping of Frame to Patch
        What undo needs to open the object again; empty for an edit, whose state of history has them.
    diameter : float or None
        How large the object is, in pixels.
    """

    label: int
    patches: Mapping[Frame, Patch]
    diameter: float | None


class Committed:
    """Mutable owner of what was kept, oldest first, of the ids taken besides, and of a threshold for each object.

    Parameters
    ----------
    taken : int
        The highest id that is taken from the start.
    threshold : float
        Of the first object.
    """

    def __init__(self, taken: int, threshold: float) -> None:
        self._taken = taken
        self._kept: list[Kept] = []
        self._thresholds = {0: threshold}
        self._by_others: set[int] = set()

    @property
    def highest(self) -> int:
        """The highest id taken."""
        return max([self._taken, *(kept.label for kept in self._kept)])

    @property
    def diameter(self) -> float | None:
        """The median diameter of the objects kept last, in pixels; None before the first one."""
        diameters = [kept.diameter for kept in self._kept if kept.diameter is not None]
        return float(np.median(diameters[-REMEMBERED_DIAMETERS:])) if diameters else None

    @property
    def labels(self) -> Set[int]:
        """The ids of what can be undone."""
        return {kept.label for kept in self._kept}

    @property
    def by_others(self) -> Set[int]:
        """The ids that were reserved: redo does not write over their pixels."""
        return self._by_others

    def objects(self, count: int) -> list[Kept]:
        """Return the objects kept last, without edits, the last one first."""
        return [kept for kept in reversed(tuple(self._kept)) if kept.diameter is not None][:count]

    def reserve(self, label: int) -> bool:
        """Take note that somebody else uses an id; return whether that was news."""
        news = label > self._taken
        if news:
            self._taken = label
            self._by_others.add(label)
        return news

    def threshold(self, level: int) -> float:
        """Return the threshold of the object that lies upon `level` kept ones."""
        return self._thresholds[level]

    def set_threshold(self, level: int, value: float) -> None:
        self._thresholds[level] = value

    def keep(self, kept: Kept) -> None:
        """Put something on top of what was kept."""
        self._kept.append(kept)

    def open(self) -> Kept:
        """Take off what was kept last."""
        return self._kept.pop()

    @contextmanager
    def unless_it_fails(self) -> Iterator[None]:
        """Within this context, whatever is changed here counts only if no exception comes out of it."""
        taken, kept, thresholds, by_others = self._taken, list(self._kept), dict(self._thresholds), set(self._by_others)
        try:
            yield
        except BaseException:
            self._taken, self._kept, self._thresholds, self._by_others = taken, kept, thresholds, by_others
            raise

    def forget_oldest(self, level: int) -> int:
        """Forget what can be undone no more, but not its ids; return the lowest level that history may still reach.

        Parameters
        ----------
        level : int
            The level of the object being drawn.
        """
        while len(self._kept) > UNDOABLE_OBJECTS:
            self._taken = max(self._taken, self._kept.pop(0).label)
        oldest = level - len(self._kept)
        self._thresholds = {k: value for k, value in self._thresholds.items() if k >= oldest}
        return oldest


def new_ids(edits: Mapping[Frame, Edit], highest: int) -> int:
    """Return how many ids edits write that no object had; as numbering goes on, those are above the highest one."""
    ids = {label for edit in edits.values() if edit.highest > highest for label in edit.ids()}
    return sum(label > highest for label in ids)


def settled(
    edits: Mapping[Frame, Edit], labels: Any, new_ids: Callable[[int], Sequence[int]], anywhere: bool
) -> dict[Frame, Edit]:
    """Return edits with the ids and pixels that they get now.

    Parameters
    ----------
    labels : array-like
        What is in the label array.
    new_ids : callable
        Returns so many ids that are free.
    anywhere : bool
        Whether fresh objects may be written over others, and not into background alone.
    """
    final: dict[Frame, Edit] = {}
    count = 0
    for frame, edit in edits.items():
        if edit.fresh:
            there = read_block(labels, frame, edit.region)
            first = new_ids(count + 1)[count]
            edit = edit.numbered(first, np.asarray((there == 0) | anywhere))
            own = edit.ids()
            ids = new_ids(count + len(own))[count:]
            count += len(own)
            if tuple(ids) != own:
                edit = replace(edit, values=_looked_up(edit.values, own, ids))
        final[frame] = edit
    return final


def _looked_up(values: npt.NDArray[Any], ids: Sequence[int], new: Sequence[int]) -> npt.NDArray[np.int64]:
    """Values with new ids in the place of those of a sorted sequence, and 0 as it is."""
    return np.array([0, *new])[np.searchsorted([0, *ids], values)]
