"""Conventions: what a segmentation network made elsewhere expects of an image, and what its output means.

Plain values without torch. `inference.automatic_predictor` follows them, `models.infer_spec` guesses them, people edit
them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

NORMALISATIONS = {
    "percentile": "the percentiles `low` and `high` of the frame become 0 and 1",
    "mean-sd": "less the frame's mean, divided by its standard deviation",
    "fixed": "less `low`, divided by `high`; or less `means`, divided by `deviations`, one for each channel",
    "range": "the values `low` and `high` become 0 and 1",
    "none": "as in the file",
}
"""What becomes of the image before the network sees it; statistics are those of the whole frame."""
IDLE = {
    "percentile": ("means", "deviations"),
    "mean-sd": ("low", "high", "means", "deviations"),
    "fixed": ("per_channel",),
    "range": ("per_channel", "means", "deviations"),
    "none": ("low", "high", "per_channel", "means", "deviations"),
}
"""What does not count under a normalisation."""
ACTIVATIONS = {
    "logits": "each channel goes through a sigmoid",
    "softmax": "all channels together go through a softmax",
    "probability": "the output is a probability already",
}
"""What the network's output is."""


@dataclass(frozen=True, slots=True)
class Conventions:
    """How images go into a network, and how objects come out.

    Attributes
    ----------
    ndim : int
        Spatial axes that the network sees, 2 or 3.
    channels : int
        Input channels of the network.
    use : tuple of int
        Which channels of the image feed them, in this order, counted from 0. Empty: the image's first ones, where a
        grey image is repeated.
    normalise : str
        A name in `NORMALISATIONS`.
    low, high : float
        Its two numbers: percentiles, the ends of a range, or what is subtracted and divided by.
    per_channel : bool
        Statistics of each channel, else of all together.
    scale : float
        Network pixels per image pixel.
    output : int
        Which tensor, of a network that returns several.
    activation : str
        A name in `ACTIVATIONS`.
    objects : tuple of int
        Output channels whose probabilities add up to "object".
    per_class : bool
        Each of these channels is a class of its own: objects of two classes never become one, and a click means an
        object of the class that is likeliest there.
    boundary : int or None
        Output channel whose probability is subtracted, where there is one.
    divisible : int
        The sides of what the network is given are multiples of this, in its pixels.
    smallest_side : int
        They are at least this long.
    tile : int
        They are at most this long; larger frames are covered by tiles.
    halo : int
        What a tile shares with its neighbours on each side, in network pixels.
    threshold : float
        What lies above is object.
    split : bool
        Touching objects are split by their distance to the background.
    smallest : int
        Objects of fewer image pixels are dropped.
    means, deviations : tuple of float
        What is subtracted from each of the network's channels, and what it is then divided by, under "fixed". Empty:
        `low` and `high`, for all channels.
    planes : bool
        The network's channels are neighbouring planes of a stack, the one looked at in the middle ("2.5D").
    border : tuple of int
        Pixels that an image goes on for before and behind each axis, by its mirror image, because the network's answer
        is smaller than its input (convolutions without padding): it lacks the first number on either side. Empty: none.

    Raises
    ------
    ValueError
        Where a value cannot be, or two contradict each other; the message names which and what is wanted.

    Examples
    --------
    >>> Conventions(objects=(1,), activation="softmax", boundary=2).boundary
    2
    >>> Conventions(halo=300)
    Traceback (most recent call last):
    ValueError: halo=300 on both sides leaves nothing of a tile of 512 pixels; it must be below 256.
    """

    ndim: int = 2
    channels: int = 1
    use: tuple[int, ...] = ()
    normalise: str = "percentile"
    low: float = 1.0
    high: float = 99.8
    per_channel: bool = True
    scale: float = 1.0
    output: int = 0
    activation: str = "logits"
    objects: tuple[int, ...] = (0,)
    boundary: int | None = None
    divisible: int = 1
    smallest_side: int = 1
    tile: int = 512
    halo: int = 32
    threshold: float = 0.5
    split: bool = False
    smallest: int = 0
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()
    planes: bool = False
    border: tuple[int, ...] = ()
    per_class: bool = False

    def __post_init__(self) -> None:
        for complaint in (*_wrong_numbers(self), *_contradictions(self)):
            raise ValueError(complaint)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Return conventions from plain values, as JSON holds them; what is not named keeps its default.

        Raises
        ------
        ValueError
            For a name that is no convention, with those that there are, or a value of the wrong kind.

        Examples
        --------
        >>> Conventions.from_mapping({"objects": [1, 2], "scale": 2}).scale
        2.0
        """
        unknown = sorted(set(values) - set(KINDS))
        if unknown:
            raise ValueError(f"There is no convention {', '.join(unknown)}; there are {', '.join(KINDS)}.")
        return cls(**{name: _as(KINDS[name], name, value) for name, value in values.items()})

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values that JSON can hold, from which `from_mapping` makes the same conventions."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def of_each_class(self) -> tuple[Self, ...]:
        """Return the conventions of each class, in the channels' order; these alone where the channels add up.

        Examples
        --------
        >>> [rule.objects for rule in Conventions(objects=(1, 3), per_class=True).of_each_class()]
        [(1,), (3,)]
        """
        if not self.per_class:
            return (self,)
        return tuple(replace(self, objects=(channel,), per_class=False) for channel in self.objects)

    def counting(self) -> dict[str, Any]:
        """Return the same without what does not count under this normalisation.

        Examples
        --------
        >>> Conventions().to_mapping().keys() - Conventions(normalise="fixed", low=0, high=255).counting().keys()
        {'per_channel'}
        """
        return {name: value for name, value in self.to_mapping().items() if name not in IDLE[self.normalise]}


KINDS: dict[str, str] = {field.name: str(field.type) for field in fields(Conventions)}
"""Name and type of every convention, for forms and options."""

BOUNDS: dict[str, tuple[float, float]] = {
    "ndim": (2, 3),
    "channels": (1, 1024),
    "scale": (0.01, 100),
    "output": (0, 1023),
    "divisible": (1, 1024),
    "smallest_side": (1, 4096),
    "tile": (1, 16384),
    "halo": (0, 8191),
    "threshold": (0, 1),
    "smallest": (0, 10**9),
}
"""Smallest and largest value of each number that has bounds."""


def _wrong_numbers(c: Conventions) -> list[str]:
    """Sentences about values that cannot be, each looked at alone."""
    out_of_bounds = [
        f"{name}={getattr(c, name)} must lie between {low:g} and {high:g}."
        for name, (low, high) in BOUNDS.items()
        if not low <= getattr(c, name) <= high
    ]
    channels = {"use": c.use, "objects": c.objects, "boundary": () if c.boundary is None else (c.boundary,)}
    negative = [f"{name}={every} must count channels from 0." for name, every in channels.items() if _below(every)]
    names = {"normalise": NORMALISATIONS, "activation": ACTIVATIONS}
    unknown = [
        f"{name}={getattr(c, name)!r} must be {' or '.join(table)}."
        for name, table in names.items()
        if getattr(c, name) not in table
    ]
    return [*out_of_bounds, *negative, *unknown]


def _below(numbers: tuple[int, ...]) -> bool:
    return any(number < 0 for number in numbers)


def _contradictions(c: Conventions) -> list[str]:
    """Sentences about values that contradict each other."""
    longest = c.tile // c.divisible * c.divisible
    rules = {
        f"use={c.use} must name {_used(c)} channels, as many as the network takes, or none": c.use
        and len(c.use) != _used(c),
        f"planes need a network that sees 2 axes and an odd number of channels, not {c.ndim} and {c.channels}": c.planes
        and (c.ndim != 2 or c.channels % 2 == 0),
        f"border={c.border} must hold two numbers from 0 on, before and behind, or none": len(c.border) not in (0, 2)
        or _below(c.border),
        "objects must name at least one output channel": not c.objects,
        f"per_class needs two channels of objects or more, a class each, not objects={c.objects}": c.per_class
        and len(c.objects) < 2,
        f"objects={c.objects} names a channel twice": len(set(c.objects)) < len(c.objects),
        f"boundary={c.boundary} cannot be one of the objects' channels {c.objects}": c.boundary in c.objects,
        f"low={c.low:g} and high={c.high:g} must be numbers": not (math.isfinite(c.low) and math.isfinite(c.high)),
        f"normalise=percentile needs 0 <= low < high <= 100, not {c.low:g} and {c.high:g}": c.normalise == "percentile"
        and not 0 <= c.low < c.high <= 100,
        f"normalise=range needs low below high, not {c.low:g} and {c.high:g}": c.normalise == "range"
        and not c.low < c.high,
        f"normalise=fixed divides by high={c.high:g}, which must be above 0": c.normalise == "fixed"
        and not c.deviations
        and c.high <= 0,
        f"means={c.means} and deviations={c.deviations} must hold {c.channels} numbers each, one for each channel": len(
            c.means
        )
        != len(c.deviations)
        or len(c.means) not in (0, c.channels),
        f"means={c.means} must be numbers": not all(map(math.isfinite, c.means)),
        f"deviations={c.deviations} must be above 0": not all(0 < d < math.inf for d in c.deviations),
        f"tile={c.tile} holds no side that is a multiple of {c.divisible} and at least {c.smallest_side}": longest
        < max(c.smallest_side, c.divisible),
        f"halo={c.halo} on both sides leaves nothing of a tile of {longest} pixels; it must be below {longest // 2}": (
            longest > 0 and 2 * c.halo >= longest
        ),
    }
    return [f"{sentence}." for sentence, broken in rules.items() if broken]


def _used(c: Conventions) -> int:
    """How many channels of an image a network is given."""
    return 1 if c.planes else c.channels


def _as(kind: str, name: str, value: Any) -> Any:
    """Return a plain value as the type of a convention."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    numbers = isinstance(value, list | tuple) and all(isinstance(v, int) and not isinstance(v, bool) for v in value)
    sizes = isinstance(value, list | tuple) and all(isinstance(v, int | float) and v is not True for v in value)
    fits = {
        "int": whole,
        "int | None": whole or value is None,
        "float": whole or isinstance(value, float),
        "bool": isinstance(value, bool),
        "str": isinstance(value, str),
        "tuple[int, ...]": numbers,
        "tuple[float, ...]": sizes,
    }[kind]
    if not fits:
        raise ValueError(f"{name}={value!r} must be {WORDS[kind]}.")
    if kind == "tuple[float, ...]":
        return tuple(float(number) for number in value)
    return {"tuple[int, ...]": tuple, "float": float}.get(kind, lambda same: same)(value)


WORDS = {
    "int": "a whole number",
    "int | None": "a whole number or nothing",
    "float": "a number",
    "bool": "true or false",
    "str": "a word",
    "tuple[int, ...]": "a list of whole numbers",
    "tuple[float, ...]": "a list of numbers",
}
"""Each type of a convention, for people."""
