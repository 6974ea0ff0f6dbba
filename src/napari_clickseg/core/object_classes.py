"""Object classes: the class of each object by its id, and how classes follow objects that change. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

Classes = Mapping[int, str]
"""The class of each object that has one, by its id."""
Follow = Callable[[Classes, Collection[int]], Classes]
"""Returns the classes after an edit, from those before it and the ids that it wrote."""
NO_CLASSES: Classes = MappingProxyType({})
LONGEST_NAME = 80
"""Characters of a name."""
COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (204, 121, 167),
    (0, 114, 178),
    (255, 255, 255),
)
"""RGB by the place of a class in the list of names; they repeat. Protanopes and deuteranopes tell them apart: they are
those of Okabe and Ito (Color Universal Design, 2008), with white for their black."""


@dataclass(frozen=True, slots=True)
class ClassProposal:
    """The class that an object may have.

    Attributes
    ----------
    name : str
    probability : float
        As the classifier has it, 0 to 1.
    """

    name: str
    probability: float


def colour_of(name: str, names: Sequence[str]) -> tuple[int, int, int]:
    """Return the colour of a class, by its place in the list of names.

    >>> colour_of("dead", ("alive", "dead"))
    (86, 180, 233)
    """
    return COLOURS[names.index(name) % len(COLOURS)]


def checked_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of classes without spaces around them.

    Raises
    ------
    ValueError
        Where one is empty, longer than a line of a table should be, of several lines, or there twice.
    """
    checked = tuple(str(name).strip() for name in names)
    for name in checked:
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise ValueError(f"A class is named by 1 to {LONGEST_NAME} characters on one line, not {name[:100]!r}.")
    twice = next((name for k, name in enumerate(checked) if name in checked[:k]), None)
    if twice is not None:
        raise ValueError(f"There are two classes {twice!r}; name each once.")
    return checked


def usable_name(text: object) -> str:
    """Return a name that somebody else gave as one of a class; "" for none.

    >>> usable_name(" Tumor:\\n positive "), usable_name(float("nan"))
    ('Tumor: positive', '')
    """
    if not isinstance(text, str):
        return ""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:LONGEST_NAME].strip()


def changed(classes: Classes, changes: Mapping[int, str | None]) -> Classes:
    """Return the classes after some were given, or taken away with None.

    >>> dict(changed({1: "alive", 2: "alive"}, {2: None, 3: "dead"}))
    {1: 'alive', 3: 'dead'}
    """
    return MappingProxyType({label: name for label, name in {**classes, **changes}.items() if name is not None})


def unchanged(classes: Classes, written: Collection[int] = ()) -> Classes:
    """Return the classes as they are: the edit of no object that has one moved it to another id."""
    return classes


def merged(classes: Classes, ids: Sequence[int], gone: Collection[int]) -> Classes:
    """Return the classes after objects became one under the first id: its class, else the first of the others'.

    >>> dict(merged({3: "dead", 4: "alive"}, (2, 3, 4), gone=(3, 4)))
    {2: 'dead'}
    """
    name = next((classes[label] for label in ids if label in classes), None)
    return changed(classes, {**dict.fromkeys(gone), ids[0]: name})


def divided(classes: Classes, written: Collection[int], parent: int) -> Classes:
    """Return the classes after parts of an object got ids of their own: they are of its class."""
    name = classes.get(parent)
    return classes if name is None else changed(classes, dict.fromkeys(written, name))


def renamed(classes: Classes, label: int, new: int, gone: Collection[int]) -> Classes:
    """Return the classes after an object got another id; `gone` holds the old one where no frame has it any more."""
    name = classes.get(new, classes.get(label))
    return changed(classes, {**dict.fromkeys(gone), new: name})


def swapped(classes: Classes, one: int, other: int) -> Classes:
    """Return the classes after two objects swapped their ids."""
    return changed(classes, {one: classes.get(other), other: classes.get(one)})


def renumbered(classes: Classes, ids: Mapping[int, int]) -> Classes:
    """Return the classes with other ids in the place of some."""
    return changed({}, {ids.get(label, label): name for label, name in classes.items()})
