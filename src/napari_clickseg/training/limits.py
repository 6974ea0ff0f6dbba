"""Limits: which numbers a recipe may hold. They are looked at when it is read, not after minutes of training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Limit:
    """Numbers from `low` to `high`, both included; above `low` alone where it is `above`.

    Attributes
    ----------
    step : int or None
        Only whole multiples of this.
    """

    low: float = 0.0
    high: float = math.inf
    above: bool = False
    step: int | None = None

    def holds(self, value: object) -> bool:
        """Tell whether a value is such a number.

        >>> [Limit(16, step=16).holds(value) for value in (96, 100, "96", True)]
        [True, False, False, False]
        """
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        if self.step is not None and (not isinstance(value, int) or value % self.step):
            return False
        return self.low <= value <= self.high and not (self.above and value == self.low)

    def __str__(self) -> str:
        """What is wanted, in words."""
        kind = {None: "a number", 1: "a whole number"}.get(self.step, f"a multiple of {self.step}")
        if self.high < math.inf:
            return f"{kind} from {self.low:g} to {self.high:g}"
        return f"{kind} above {self.low:g}" if self.above else f"{kind} from {self.low:g} on"


SHARE, AMOUNT, POSITIVE = Limit(0, 1), Limit(), Limit(above=True)
COUNT = Limit(1, step=1)
LIMITS: Mapping[str, Limit] = {
    "side": Limit(16, step=16),  # coarse levels of a network are halves of halves, down to a sixteenth
    "auxiliary": AMOUNT,
    "clicks.rounds": COUNT,
    "clicks.from_mask": SHARE,
    "clicks.first_spread": SHARE,
    "schedule.steps": COUNT,
    "schedule.batch": COUNT,
    "schedule.rate": POSITIVE,
    "schedule.weight_decay": AMOUNT,
    "schedule.warm_up": COUNT,
    "schedule.average": SHARE,
    "schedule.coarse_until": SHARE,
    "schedule.drawn_until": SHARE,
}
WEIGHTS = ("losses", "sources", "clicks.robots")
"""Tables of names, each with a weight."""
NEEDED = ("losses", "clicks.robots")
"""Those in which something must have a weight."""
SHARES = {"typical": POSITIVE, "octaves": AMOUNT, "uniform": SHARE}
"""The three numbers of `Recipe.shares`."""


def check_numbers(recipe: Mapping[str, Any]) -> None:
    """Look at every number of a recipe, given as plain values.

    Raises
    ------
    ValueError
        With one sentence, for what is no number or lies beyond its limit.
    """
    if len(recipe["shares"]) != len(SHARES):
        raise ValueError(f"A recipe's shares are {len(SHARES)} numbers ({', '.join(SHARES)}), not {recipe['shares']}.")
    for key, value, limit in _limited(recipe):
        if not limit.holds(value):
            raise ValueError(f"A recipe's {key} is {value!r}; wanted is {limit}.")
    for key in NEEDED:
        if not any(_at(recipe, key).values()):
            raise ValueError(f"A recipe's {key} are all without weight; wanted is one above 0.")


def _limited(recipe: Mapping[str, Any]) -> Iterator[tuple[str, object, Limit]]:
    """Each number, its key with dots, and its limit."""
    for key, limit in LIMITS.items():
        yield key, _at(recipe, key), limit
    for key in WEIGHTS:
        for name, weight in _at(recipe, key).items():
            yield f"{key}.{name}", weight, AMOUNT
    for (name, limit), value in zip(SHARES.items(), recipe["shares"], strict=True):
        yield f"shares ({name})", value, limit


def _at(recipe: Mapping[str, Any], key: str) -> Any:
    """The value of a key with dots."""
    value: Any = recipe
    for name in key.split("."):
        value = value[name]
    return value
