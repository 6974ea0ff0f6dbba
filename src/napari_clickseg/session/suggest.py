"""Suggest and accept: objects that the model finds without clicks; functions that become methods of Session.

A search changes nothing: what it finds are values (`core.suggestions`). Accepted ones are written as an edit, one step
of undo, so that journals and replay know them. Dismissing them is up to those who show them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.edits import Edit
from napari_clickseg.core.images import NothingSeenError
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.labels import blocks_with, read_block
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Proposer, Segmenter
from napari_clickseg.core.suggestions import Suggestion, Suggestions
from napari_clickseg.session import checks
from napari_clickseg.session.object_search import Example, search

if TYPE_CHECKING:
    from napari_clickseg.session.session import Session

NOTHING_ANYWHERE = "Each of these frames has one value everywhere, or none; there is nothing to outline."
Members = dict[Frame, list[Suggestion]]
"""Suggestions of each frame."""
MOST_EXAMPLES = 10
"""So many of the objects kept last show what is looked for."""
WRITTEN_AT_ONCE = 2048
"""Accepted objects are written in squares of this side, so that large frames need not fit into memory."""


def can_suggest(session: Session) -> bool:
    """Return whether the model finds objects without clicks."""
    return isinstance(session.predictor, (Proposer, Segmenter))


def suggest(
    session: Session,
    frame: Frame | None = None,
    region: Region | None = None,
    like: Sequence[int] | None = None,
    stop: Stop = NEVER,
) -> Suggestions:
    """Look for objects that are not drawn yet. Changes nothing; any thread may call it.

    Their size is the one set, else that of the examples, else the one at which the model is surest.

    Parameters
    ----------
    frame : Frame, optional
        One frame; where absent, all frames that were not confirmed.
    region : Region, optional
        Where on each frame; everywhere where absent.
    like : sequence of int, optional
        Ids of objects that show what is looked for: those unlike all of them are not offered. The objects kept last
        where absent; none of them with `()`.
    stop : Stop
        Ends the search; `stop.done` says how far it is.

    Raises
    ------
    ValueError
        Where the model only answers clicks, there is no such frame or object, or the region is not in the frame.
    Stopped
        Where `stop` was requested before the search was over.
    """
    if not can_suggest(session):
        raise ValueError(
            f"{session.predictor.name} answers clicks, but does not find objects by itself; choose the default model "
            "or a converted one."
        )
    whole = Region.whole(session.image.frame_shape(session.ndim))
    if region is not None and (region.ndim != whole.ndim or not region.size or region.intersection(whole) != region):
        raise ValueError(f"The region {region} does not lie inside a frame of shape {whole.stop}.")
    if frame is not None:
        session._check_frame(frame)
    wanted = [frame] if frame is not None else _unconfirmed(session)
    proposes = isinstance(session.predictor, Proposer)  # a network of one's own answers for itself
    frames, why = _with_content(session, wanted, stop) if proposes else (wanted, "")
    if wanted and not frames:
        return Suggestions((), note=why)
    return search(
        session.image,
        session.predictor,
        session.labels,
        frames,
        whole if region is None else region,
        _examples(session, like, frames),
        session.diameter,
        stop,
    )


def _with_content(session: Session, frames: Sequence[Frame], stop: Stop) -> tuple[list[Frame], str]:
    """Those frames that hold more than one value; and why the others hold nothing to look for, as a sentence."""
    seen, why = [], ""
    for frame in frames:
        stop.check()
        try:
            session.image.check_content(frame, session.ndim)
        except NothingSeenError as nothing:
            why = str(nothing) if len(frames) == 1 else NOTHING_ANYWHERE
        else:
            seen.append(frame)
    return seen, why


def accept(session: Session, suggestions: Suggestions | Iterable[Suggestion]) -> tuple[int, ...]:
    """Write suggestions into the labels, as one step of undo; return the id of each, 0 where nothing of it was free.

    Only background is written: what was drawn since the search stays. The object being drawn is put away first.

    Raises
    ------
    ValueError
        Where one does not fit the image, or the labels cannot hold as many ids; nothing is changed then.
    """
    some = tuple(suggestions)
    if not some:
        return ()
    whole = Region.whole(session.image.frame_shape(session.ndim))
    for one in some:
        session._check_frame(one.frame)
        checks.check_region(one.region, whole)
    highest = max(session._object.free_ids(len(some), session.label))
    checks.check_id(highest, np.dtype(session.labels.dtype))
    first, *others = _rounds(some)
    number, edits = _begun(session, first)
    ids = _ids_of(session, edits, first)
    step = session.step
    try:
        for members in others:
            edits = _edits(session, members)
            session.extend(edits, number)
            ids.update(_ids_of(session, edits, members))
    except BaseException:
        if session.step == step:
            session.undo()
        raise
    return tuple(ids.get(id(one), 0) for one in some)


# -- inside ------------------------------------------------------------------------------------------------------------


def _unconfirmed(session: Session) -> list[Frame]:
    frames = np.ndindex(*session.image.frames_shape(session.ndim))
    return [frame for frame in frames if frame not in session.confirmed]


def _examples(session: Session, like: Sequence[int] | None, frames: Sequence[Frame]) -> tuple[Example, ...]:
    """The objects that show what is looked for, as they are in the labels."""
    if like is None:
        return _kept(session)
    every = np.ndindex(*session.image.frames_shape(session.ndim))
    order = list(dict.fromkeys([*frames, *every]))
    return tuple(_named(session, int(label), order) for label in list(dict.fromkeys(like))[:MOST_EXAMPLES])


def _kept(session: Session) -> tuple[Example, ...]:
    """The objects kept last, each on the frame where it is largest."""
    found: dict[int, Example] = {}
    for kept in session._object.committed.objects(MOST_EXAMPLES):
        frame, patch = max(kept.patches.items(), key=lambda item: item[1].count(kept.label))
        ndim = len(patch.region.start) - len(frame)
        region = Region(patch.region.start[-ndim:], patch.region.stop[-ndim:])
        example = _example(session, kept.label, frame, region)
        if example is not None:
            found.setdefault(kept.label, example)
    return tuple(found.values())


def _named(session: Session, label: int, frames: Sequence[Frame]) -> Example:
    whole = Region.whole(session.image.frame_shape(session.ndim))
    if label > 0:
        for frame, region, _ in blocks_with(session.labels, [label], frames, whole):
            example = _example(session, label, frame, region)
            if example is not None:
                return example
    raise ValueError(f"There is no object {label} that could show what to look for.")


def _example(session: Session, label: int, frame: Frame, region: Region) -> Example | None:
    mask = np.asarray(read_block(session.labels, frame, region) == label)
    shown = Suggestion.of(frame, region, mask, 1.0)
    return None if shown is None else Example(label, shown)


def _rounds(some: Sequence[Suggestion]) -> list[Members]:
    """Suggestions by frame, those of one square of each frame at a time, in a fixed order."""
    squares: dict[tuple[Frame, tuple[int, ...]], list[Suggestion]] = defaultdict(list)
    for one in some:
        squares[one.frame, tuple(a // WRITTEN_AT_ONCE for a in one.region.start)].append(one)
    rounds: list[Members] = []
    for (frame, _), members in sorted(squares.items(), key=lambda item: item[0]):
        free = next((one for one in rounds if frame not in one), None)
        if free is None:
            free = {}
            rounds.append(free)
        free[frame] = members
    return rounds


def _begun(session: Session, members: Members) -> tuple[int, dict[Frame, Edit]]:
    """Put the object being drawn away and write the first suggestions upon it, as one act, the same as `edit`."""
    with session._all_or_nothing():
        session._object.put_away()
        edits = _edits(session, members)
        count = sum(len(edit.ids()) for edit in edits.values())
        checks.check_id(max(session._object.free_ids(count, session.label), default=0), np.dtype(session.labels.dtype))
        number = session._object.write(edits)
    session._report("edit", edits=edits)
    return number, edits


def _edits(session: Session, members: Members) -> dict[Frame, Edit]:
    return {frame: _edit(session, frame, some) for frame, some in members.items()}


def _edit(session: Session, frame: Frame, members: Sequence[Suggestion]) -> Edit:
    """The edit of fresh objects that writes suggestions where there is background; the earlier one goes first."""
    region = members[0].region
    for one in members[1:]:
        region = region.union(one.region)
    values = np.zeros(region.shape, np.int32)
    for number, one in enumerate(members, start=1):
        part = values[one.region.within(region).slices]
        part[one.mask & (part == 0)] = number
    free = read_block(session.labels, frame, region) == 0
    return Edit(region, (values > 0) & free, values, fresh=True)


def _ids_of(session: Session, edits: Mapping[Frame, Edit], members: Members) -> dict[int, int]:
    """The ids that suggestions (by their identity) got; those of which nothing was written are left out."""
    ids = {}
    for frame, edit in edits.items():
        numbers, first = np.unique(edit.values[edit.written], return_index=True)
        there = read_block(session.labels, frame, edit.region)[edit.written][first]
        ids.update({id(members[frame][number - 1]): int(label) for number, label in zip(numbers, there, strict=True)})
    return ids
