"""Plan: which objects are carried from which frame to which others. Values and pure functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame


@dataclass(frozen=True, slots=True)
class Plan:
    """A way along one axis of frames: what the panel, the session and the command line propagate.

    Attributes
    ----------
    source : tuple of int
        The frame that is right.
    targets : tuple of tuple of int
        Where its objects are carried, in this order.
    ids : tuple of int or None
        Which objects; None: all of the source frame.
    between : tuple of int or None
        The right frame at the other end, where there is one.
    confirmed : frozenset of tuple of int
        Frames among the targets that are right: nothing is carried into them.
    """

    source: Frame
    targets: tuple[Frame, ...]
    ids: tuple[int, ...] | None = None
    between: Frame | None = None
    confirmed: frozenset[Frame] = frozenset()

    def onwards(self, frame: Frame) -> Plan | None:
        """Return what is left of the way from one of its frames on; None where nothing is.

        >>> Plan((0,), ((1,), (2,), (3,))).onwards((2,))
        Plan(source=(2,), targets=((3,),), ids=None, between=None, confirmed=frozenset())
        """
        if frame != self.source and frame not in self.targets:
            return None
        left = self.targets if frame == self.source else self.targets[self.targets.index(frame) + 1 :]
        return replace(self, source=frame, targets=left) if left else None


def along(frame: Frame, axis: int, indices: Sequence[int]) -> tuple[Frame, ...]:
    """Return the frames that differ from one in their index along an axis.

    >>> along((4, 2), 0, range(5, 7))
    ((5, 2), (6, 2))
    """
    return tuple((*frame[:axis], k, *frame[axis + 1 :]) for k in indices)


def forward(frame: Frame, axis: int, count: int, reach: int) -> tuple[Frame, ...]:
    """Return the frames after one, `reach` of them or, where that is 0, all of the `count` along the axis."""
    last = count - 1 if reach == 0 else min(frame[axis] + reach, count - 1)
    return along(frame, axis, range(frame[axis] + 1, last + 1))


def backward(frame: Frame, axis: int, reach: int) -> tuple[Frame, ...]:
    """Return the frames before one, the nearest first; `reach` of them, or all where that is 0."""
    first = 0 if reach == 0 else max(frame[axis] - reach, 0)
    return along(frame, axis, range(frame[axis] - 1, first - 1, -1))


def bracket(frame: Frame, axis: int, confirmed: Collection[Frame]) -> tuple[Frame, Frame]:
    """Return the nearest confirmed frames before and after one, which may be one of them itself.

    >>> bracket((5,), 0, {(1,), (3,), (9,)})
    ((3,), (9,))

    Raises
    ------
    ValueError
        Where there is none on a side.
    """
    line = [k for k in confirmed if (*k[:axis], *k[axis + 1 :]) == (*frame[:axis], *frame[axis + 1 :])]
    before = [k for k in line if k[axis] <= frame[axis]]
    after = [k for k in line if k[axis] > frame[axis]]
    if not before or not after:
        where = "before" if not before else "after"
        raise ValueError(f"There is no confirmed frame {where} this one; go to a frame that is right and press K.")
    return max(before), min(after)
