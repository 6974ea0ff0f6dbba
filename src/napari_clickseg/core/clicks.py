"""Click: what a user says. Clicks on a frame, and clicks as CSV and JSON; what they mean is the session's business."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Frame = tuple[int, ...]
"""Indices along the axes that the model does not see: (), (t,), (t, z)."""


@dataclass(frozen=True, slots=True)
class Click:
    """One click of a user.

    Attributes
    ----------
    position : tuple of float
        In array order (.., z, y, x), pixel centres at whole numbers.
    positive : bool
        True says "this is the object", False "this is not".
    """

    position: tuple[float, ...]
    positive: bool = True

    def frame(self, ndim: int) -> Frame:
        """Return the frame that the click lies on, for a model that sees the last `ndim` axes.

        >>> Click((4.2, 10.0, 20.0)).frame(2)
        (4,)
        """
        return tuple(round(p) for p in self.position[: len(self.position) - ndim])

    def point(self, ndim: int) -> tuple[float, ...]:
        """Return the position within its frame.

        >>> Click((4.2, 10.0, 20.0)).point(2)
        (10.0, 20.0)
        """
        return self.position[len(self.position) - ndim :]


def on_frame(clicks: Iterable[Click], frame: Frame, ndim: int) -> tuple[Click, ...]:
    """Return the clicks that lie on a frame, in their order."""
    return tuple(click for click in clicks if click.frame(ndim) == frame)
