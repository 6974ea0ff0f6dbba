"""Pairing: the points of two layers become clicks in the order in which they came. Positions in, clicks out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_clickseg.core.clicks import Click

SAME = 1e-3
"""Positions closer than this are the same click, in pixels."""


def merged(
    known: Sequence[Click], positive: Sequence[tuple[float, ...]], negative: Sequence[tuple[float, ...]]
) -> tuple[Click, ...]:
    """Bring clicks up to date with the points of two layers; those that are still there keep their place in the order.

    >>> merged([Click((1, 1)), Click((5, 5), False)], [(1.0, 1.0), (2.0, 2.0)], [])
    (Click(position=(1, 1), positive=True), Click(position=(2.0, 2.0), positive=True))
    """
    slots: list[Click | None] = list(known)
    new: list[Click] = []
    for sign, positions in ((True, positive), (False, negative)):
        places = [k for k, click in enumerate(known) if click.positive is sign]
        paired = _pair([known[k].position for k in places], positions)
        for place, partner in zip(places, paired, strict=True):
            if partner is None:
                slots[place] = None
            elif not same_places([known[place].position], [positions[partner]]):
                slots[place] = Click(positions[partner], sign)
        used = {partner for partner in paired if partner is not None}
        new += [Click(position, sign) for k, position in enumerate(positions) if k not in used]
    return (*(click for click in slots if click is not None), *new)


def _pair(before: Sequence[tuple[float, ...]], now: Sequence[tuple[float, ...]]) -> list[int | None]:
    """For each position before, its index among those now. They keep their order; if none is gone, some moved."""
    if len(now) >= len(before):
        return list(range(len(before)))
    paired: list[int | None] = []
    at = 0
    for k, position in enumerate(before):
        surplus = (len(before) - k) - (len(now) - at)
        here = at < len(now) and (surplus == 0 or same_places([position], [now[at]]))
        paired.append(at if here else None)
        at += here
    return paired


def same_places(some: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> bool:
    """Tell whether two lists of positions are the same but for rounding."""
    return len(some) == len(others) and (not some or bool(np.allclose(some, others, rtol=0, atol=SAME)))
