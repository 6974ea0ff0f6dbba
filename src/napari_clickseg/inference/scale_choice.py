"""At which scales an object is looked at that was clicked for the first time, and which of the answers is shown.

For networks that predict the quality of their answers (IoU with the whole object, what lies outside of the window
included). Windows lie on a lattice: clicks next to one another see the same window, whose features are kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_clickseg.core.object_size import equivalent_diameter
from napari_clickseg.core.regions import Region

if TYPE_CHECKING:
    from napari_clickseg.core.masks import Prediction
    from napari_clickseg.inference.window import WindowRule

AT_ONCE = (-1.0, 0.0, 1.0)
"""Octaves from an estimated diameter at which a first click is looked at before anything is shown."""
KNOWN = (0.0,)
"""The same where the objects' size is known."""
FURTHER = (-2.0, -1.5, -0.5, 0.5, 1.5, 2.0)
"""Octaves that may be looked at afterwards."""
LATTICE = 4
"""Windows begin at whole multiples of their side over this."""
SIZE_COST = 0.04
"""What an octave of difference from the objects kept takes from a quality. Leaving the window costs nothing more: the
quality is that of the whole object (on val, a cost of 0.1 to 0.3 chose worse windows)."""
SAME, MOST = 0.85, 5
"""Answers that overlap by this IoU are one candidate; and how many candidates there are at most."""


def first_windows(
    position: Sequence[float], diameter: float, octaves: Iterable[float], rule: WindowRule
) -> list[Region]:
    """Return windows around a first click on the lattice of each scale, without repetition."""
    sides = (diameter * 2**octave / rule.object_share for octave in octaves)
    return list(dict.fromkeys(lattice_window(position, side, rule) for side in sides))


def lattice_window(position: Sequence[float], side: float, rule: WindowRule) -> Region:
    """Return the window of the lattice whose middle is nearest to a position; its side is a multiple of `LATTICE`.

    >>> from napari_clickseg.inference.window import WindowRule
    >>> lattice_window((50, 50), 40, WindowRule())
    Region(start=(30, 30), stop=(70, 70))
    >>> lattice_window((53, 54), 40, WindowRule()) == lattice_window((50, 50), 40, WindowRule())
    True
    """
    step = max(math.ceil(max(side, rule.smallest_side) / LATTICE), 1)
    start = tuple(step * round((p + 0.5 - LATTICE * step / 2) / step) for p in position)
    return Region(start, tuple(a + LATTICE * step for a in start))


def beyond(best: Prediction, windows: Sequence[Region], position: Sequence[float], rule: WindowRule) -> Region | None:
    """Return the window an octave beyond the largest or the smallest one, where that gave the best answer."""
    sides = sorted(window.shape[0] for window in windows)
    if best.window is None or len(set(sides)) < 2:
        return None
    side = best.window.shape[0]
    factor = {sides[0]: 0.5, sides[-1]: 2.0}.get(side)
    window = None if factor is None else lattice_window(position, side * factor, rule)
    return None if window in windows else window


def score(answer: Prediction, kept_diameter: float | None) -> float:
    """Return how much an answer speaks for the scale of its window; -1 for an empty one.

    Parameters
    ----------
    kept_diameter : float or None
        Of the objects kept in this image, where there are any.
    """
    mask = answer.mask()
    if not mask.any() or answer.quality is None:
        return -1.0
    unusual = 0.0
    if kept_diameter is not None:
        unusual = abs(math.log2(equivalent_diameter(int(mask.sum()), 2) / kept_diameter))
    return answer.quality - SIZE_COST * unusual


def with_candidates(answers: Sequence[Prediction], best_first: Sequence[float] | None = None) -> Prediction:
    """Return the best answer with the distinct ones among all as its candidates.

    Parameters
    ----------
    answers : sequence of Prediction
        At least one.
    best_first : sequence of float, optional
        The score of each; their order is that of `answers` where absent.
    """
    order = range(len(answers)) if best_first is None else np.argsort([-value for value in best_first], kind="stable")
    distinct = distinct_answers([answers[k] for k in order])
    return replace(distinct[0], candidates=distinct if len(distinct) > 1 else ())


def distinct_answers(answers: Sequence[Prediction]) -> tuple[Prediction, ...]:
    """Return the first of each group of answers that overlap by more than `SAME`; an empty one only if it is first."""
    distinct: list[Prediction] = []
    for answer in answers:
        plain = replace(answer, candidates=())
        if not distinct or (plain.mask().any() and all(overlap(plain, other) < SAME for other in distinct)):
            distinct.append(plain)
    return tuple(distinct[:MOST])


def overlap(one: Prediction, other: Prediction) -> float:
    """Return the IoU of two answers' masks; 1 where both are empty."""
    both = one.region.union(other.region)
    first, second = one.mask_on(both), other.mask_on(both)
    either = np.count_nonzero(first | second)
    return 1.0 if either == 0 else np.count_nonzero(first & second) / either
