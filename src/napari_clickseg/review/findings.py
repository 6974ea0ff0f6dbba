"""Findings: the places that a reviewer looks at, in their order, in words, with the likely repair.

What is doubtful, and how much, `rules` decides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_clickseg.review.rules import RULES, Doubt

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame

REASONS = 2
"""So many reasons of a doubt are shown, the weightiest."""
BRIEF = {
    "uncertain": "tracking unsure",
    "estranged": "unlike its neighbours",
    "unlinked": "id only here",
    "roughened": "rough outline",
    "offside": "off its way",
    "reshaped": "shape changes",
    "ruffled": "odd outline",
    "pieces": "in several pieces",
    "holes": "has a hole",
    "jumped": "jumps",
    "resized": "size jumps",
    "touching": "touches another",
    "begins": "id begins here",
    "ends": "id ends here",
}
"""What a rule is called in a row, in two to four words."""
MISSING, EMPTY = "missing here", "no objects"
SWAPPED = frozenset(("estranged", "offside", "jumped", "reshaped"))
"""Rules that find two objects with each other's id."""


@dataclass(frozen=True, slots=True)
class Repair:
    """The likely repair of a finding: an action's name, the button's caption, and what it concerns."""

    action: str
    caption: str
    labels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A place to look at.

    Attributes
    ----------
    frame : tuple of int
    label : int or None
        The object; None where the frame as a whole is meant.
    text : str
        What is odd there.
    question : bool
        An event that the user has to decide, not only a doubt.
    position : tuple of float or None
        Where on the frame, if it is known.
    brief : str
        The same in two to four words.
    repair : Repair or None
        What is likely to mend it.
    """

    frame: Frame
    label: int | None
    text: str
    question: bool = False
    position: tuple[float, ...] | None = None
    brief: str = ""
    repair: Repair | None = None


def in_order(
    questions: Mapping[Frame, Sequence[Finding]], doubts: Iterable[Finding], confirmed: Collection[Frame]
) -> tuple[Finding, ...]:
    """Return the findings on frames that are not confirmed: questions in the order of the frames, then doubts."""
    asked = [one for frame, few in sorted(questions.items()) if frame not in confirmed for one in few]
    return (*asked, *(one for one in doubts if one.frame not in confirmed))


def next_index(count: int, last: int | None, step: int, there: bool) -> int:
    """Return which of `count` findings comes next.

    Parameters
    ----------
    last : int or None
        Where the finding was that was looked at last; None where none was.
    step : int
        1 forwards, -1 backwards; behind the last one comes the first.
    there : bool
        The last one is still in the list. Where it was mended, another one stands in its place.

    Examples
    --------
    >>> next_index(3, None, 1, False), next_index(3, 2, 1, True), next_index(3, 1, 1, False), next_index(3, 0, -1, True)
    (0, 0, 1, 2)
    """
    if last is None:
        return 0
    return (last if step > 0 and not there else last + step) % count


def sentence_of(doubt: Doubt) -> str:
    """Return the weightiest reasons of a doubt, and which object they concern."""
    whose = "" if doubt.label is None else f"object {doubt.label}: "
    return whose + "; ".join(doubt.reasons[:REASONS])


def finding_of(doubt: Doubt, labels: Any) -> Finding:
    """Return a doubt as a place to look at, with the likely repair; labels are read where two ids may be swapped."""
    rules = [name for reason in doubt.reasons[:REASONS] for name, rule in RULES.items() if rule.reason in reason]
    brief = BRIEF[rules[0]] if rules else EMPTY if doubt.label is None else MISSING
    return Finding(
        doubt.frame,
        doubt.label,
        "; ".join(doubt.reasons[:REASONS]),
        position=doubt.position,
        brief=brief,
        repair=_repair(doubt, rules, labels),
    )


def _repair(doubt: Doubt, rules: Collection[str], labels: Any) -> Repair | None:
    """The likely repair: copy what is missing, or swap two ids."""
    if not rules:
        whose = () if doubt.label is None else (doubt.label,)
        return Repair("copy", "Copy from before", whose) if any(doubt.frame) else None
    partner = swapped_with(labels, doubt.frame, doubt.label) if doubt.label and SWAPPED & set(rules) else None
    if partner is not None and doubt.label is not None:
        return Repair("swap", f"Swap {doubt.label} and {partner}", (doubt.label, partner))
    return None


def swapped_with(labels: Any, frame: Frame, label: int) -> int | None:
    """Return the object that lies where another one was on the frame before, if that one lies where it was itself.

    >>> labels = np.array([[[1, 1, 0, 2, 2]], [[2, 2, 0, 1, 1]]])
    >>> swapped_with(labels, (1,), 1), swapped_with(labels, (0,), 1)
    (2, None)
    """
    if not frame or frame[-1] == 0:
        return None
    before, here = (np.asarray(labels[one]) for one in ((*frame[:-1], frame[-1] - 1), frame))
    other = _most_common(here[before == label])
    if other in (0, label) or _most_common(here[before == other]) != label:
        return None
    return other


def _most_common(ids: Any) -> int:
    if not ids.size:
        return 0
    values, counts = np.unique(ids, return_counts=True)
    return int(values[np.argmax(counts)])
