"""Classes: objects get one of a short list of names, by hand or as proposed; functions that become methods of Session.

Classes are notes beside the labels, by id: every change is one step of undo, and they follow objects that are merged,
split, swapped, deleted or get another id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_clickseg.core.labels import standing
from napari_clickseg.core.object_classes import Classes, changed, checked_names

if TYPE_CHECKING:
    from napari_clickseg.session.session import Session


def begin_with(session: Session, given: Classes) -> None:
    """Take the classes that came with the labels; no step of undo leads behind them.

    Raises
    ------
    ValueError
        Where a name or an id cannot be.
    """
    changes = _checked(given)
    named = replace(session.state.notes, class_names=tuple(sorted({name for name in changes.values() if name})))
    session._object.history.amend(replace(session.state, notes=named.classified(changes)))


def classify(session: Session, classes: Mapping[int, str | None]) -> None:
    """Give objects a class, or take it away with None, as one step of undo.

    Names that are new go to the end of the list of classes. The object being drawn is kept first where it is named.

    Raises
    ------
    ValueError
        Where there is no such object, or a name is empty or too long; nothing is changed then.
    """
    changes = _checked(classes)
    there = standing(session.labels, changes)
    absent = [] if there is None else sorted(changes.keys() - there)
    if absent:
        raise ValueError(f"There is no object {absent[0]} to give a class to.")
    changes = {label: name for label, name in changes.items() if session.classes.get(label) != name}
    if not changes:
        return
    with session._all_or_nothing():
        if session.label in changes and not session.state.empty:
            session._object.put_away()
        session._object.push_notes(session.state.notes.classified(changes))
    session._report("classify", classes=changes)


def name_classes(session: Session, names: Iterable[str]) -> None:
    """Make these the list of classes, in this order, as one step of undo.

    Raises
    ------
    ValueError
        Where a name is empty, too long or there twice, or one is left out that objects have; nothing is changed then.
    """
    new = checked_names(names)
    missing = sorted(set(session.classes.values()) - set(new))
    if missing:
        count = sum(name == missing[0] for name in session.classes.values())
        raise ValueError(f"{count} objects are of the class {missing[0]!r}; give these another class first.")
    if new != session.class_names:
        session._object.push_notes(replace(session.state.notes, class_names=new))
        session._report("name_classes", names=new)


def rename_class(session: Session, old: str, new: str) -> None:
    """Give a class another name, and all of its objects, as one step of undo.

    Raises
    ------
    ValueError
        Where there is no such class, or the new name cannot be one or is that of another class; nothing is changed
        then.
    """
    if old not in session.class_names:
        raise ValueError(f"There is no class {old!r}; there are {', '.join(session.class_names) or 'none'}.")
    new = new.strip()
    names = checked_names(new if one == old else one for one in session.class_names)
    if new == old:
        return
    given = changed({}, {label: new if one == old else one for label, one in session.classes.items()})
    session._object.push_notes(replace(session.state.notes, classes=given, class_names=names))
    session._report("rename_class", old=old, new=new)


def _checked(given: Mapping[int, str | None]) -> dict[int, str | None]:
    """Ids and names as they are kept."""
    changes: dict[int, str | None] = {}
    for label, name in given.items():
        if int(label) < 1:
            raise ValueError(f"Object ids start at 1 (0 is the background), but this one is {label}.")
        changes[int(label)] = None if name is None else checked_names([name])[0]
    return changes
