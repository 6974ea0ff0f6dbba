"""Operations on objects that are in the labels, each one undo step: functions that become methods of Session.

The pixels that change are worked out by `session.label_operations`; here they are written and reported as an act.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.clicks import Click, Frame
from napari_clickseg.core.edits import Edit, new_objects
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.labels import blocks_with, find_object, find_object_near, read_block, standing
from napari_clickseg.core.object_classes import Classes, Follow, changed, divided, merged, renamed, swapped, unchanged
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Segmenter
from napari_clickseg.session import checks, label_operations
from napari_clickseg.session.replay import Act

if TYPE_CHECKING:
    from napari_clickseg.core.masks import Prediction
    from napari_clickseg.session.session import Session


def resume(session: Session, label: int, position: Sequence[float] | None = None) -> None:
    """Take an existing object up again: its mask becomes the prior and clicks correct it in place.

    An object being drawn is kept first, as it is drawn: an answer still awaited is waited for no more.

    Parameters
    ----------
    label : int
        The object's id.
    position : sequence of float, optional
        A pixel of the object, in array order: names the frame, and where to look in a very large one. Without it
        all frames are searched and every frame on which the object lies is taken up.

    Raises
    ------
    ValueError
        Where there is no such object; nothing is changed then.
    """
    found = _find(session, label, position) if label > 0 else {}
    if not found:
        raise ValueError(f"There is no object {label} to take up{'' if position is None else ' there'}.")
    with session._all_or_nothing():
        session._object.resume(label, found)
    session._report("resume", label=label, position=position)


def edit(session: Session, edits: Mapping[Frame, Edit]) -> int:
    """Write into any frames, as one step of undo; return the number of this edit, for `extend`.

    The object being drawn is put away first: kept where something of it is drawn.

    Raises
    ------
    ValueError
        Where a frame, a region or an id does not fit the labels; nothing is changed then.
    """
    edits = dict(edits)
    number = _write(session, edits)
    session._report("edit", edits=edits)
    return number


def extend(session: Session, edits: Mapping[Frame, Edit], number: int | None = None) -> bool:
    """Let the last edit go on, as an object that is carried frame by frame: all of it stays one step of undo.

    Parameters
    ----------
    edits : mapping of Frame to Edit
    number : int, optional
        The edit to go on with, as `edit` returned it; the last step, whichever edit that is, where absent.

    Returns
    -------
    bool
        False, with nothing done, where something else was done since: the caller should stop.

    Raises
    ------
    ValueError
        Where an edit does not fit the labels, or one of the frames was confirmed; nothing is changed then.
    """
    edits, last = dict(edits), session.state.written
    _check_edits(session, edits)
    if last is None or session.can_redo or number not in (None, last.number):
        return False
    confirmed = sorted(session.state.notes.confirmed & edits.keys())
    if confirmed:
        raise ValueError(f"Frame {confirmed[0]} is confirmed; nothing is carried into it.")
    with session._all_or_nothing():
        session._object.write_on(edits, last)
    session._report("extend", edits=edits)
    return True


def segmented(session: Session, frame: Frame, stop: Stop = NEVER) -> Edit:
    """Let the model find all objects of a frame; return the edit that adds them. Any thread may call it.

    What is protected stays pixel by pixel: only objects that are not there yet come, and only into background.

    Raises
    ------
    ValueError
        Where there is no such frame, or the model only answers clicks.
    Stopped
        Where `stop` was requested before the answer was ready.
    """
    session._check_frame(frame)
    if not isinstance(session.predictor, Segmenter):
        raise ValueError(
            f"{session.predictor.name} answers clicks, but does not find objects by itself; choose a converted model."
        )
    found = session.predictor.segment(session.image, frame, stop)
    there = read_block(session.labels, frame, _whole(session))
    return new_objects(found, there, anywhere=session.protect == "anything")


def merge(
    session: Session,
    labels: Sequence[int],
    frames: Iterable[Frame] | None = None,
    near: Sequence[Sequence[float]] | None = None,
) -> None:
    """Make several objects one, which keeps the first one's id, and its class, or the first one that another has.

    Parameters
    ----------
    labels : sequence of int
        Two ids or more.
    frames : iterable of Frame, optional
        Where; on all frames where absent.
    near : sequence of sequences of float, optional
        A pixel of each object within the frame: where to look in a very large one.

    Raises
    ------
    ValueError
        Where one of the objects is on none of the frames; nothing is changed then.
    """
    labels, frames = tuple(int(k) for k in labels), _listed(frames)
    edits = label_operations.merge(session.labels, labels, _frames(session, frames), _whole(session), near)
    gone = _gone(session, labels[1:], frames is None and near is None)
    _write(session, edits, lambda classes, _: merged(classes, labels, gone(classes)))
    session._report("merge", labels=labels, frames=frames, near=near)


def split(session: Session, first: Sequence[float], second: Sequence[float]) -> int:
    """Cut an object in two, between two pixels of it on one frame; return the id of the part around the second.

    Both are of the class that the object had.

    Raises
    ------
    ValueError
        Where the two are not on one object and frame, or are one pixel; nothing is changed then.
    """
    one, other = (Click(tuple(float(p) for p in position)) for position in (first, second))
    checks.check_click(one, session.image)
    checks.check_click(other, session.image)
    frame, ndim = one.frame(session.ndim), session.ndim
    if other.frame(ndim) != frame:
        raise ValueError(f"Splitting takes two points on one frame, but these lie on {frame} and {other.frame(ndim)}.")
    new = session._object.next_id
    edits = label_operations.split(session.labels, session.image, frame, one.point(ndim), other.point(ndim), new)
    pixel = Region.around(one.point(ndim), (1,) * ndim)
    parent = int(read_block(session.labels, frame, pixel).item()) if session.classes else 0
    _write(session, edits, partial(divided, parent=parent))
    session._report("split", first=one.position, second=other.position)
    return new


def delete(session: Session, label: int, frame: Frame | None = None, near: Sequence[float] | None = None) -> None:
    """Erase an object from one frame, or from all.

    Parameters
    ----------
    near : sequence of float, optional
        A pixel of the object within the frame: where to look in a very large one.

    Raises
    ------
    ValueError
        Where there is no such object; nothing is changed then.
    """
    frames = None if frame is None else (frame,)
    edits = label_operations.delete(session.labels, label, _frames(session, frames), _whole(session), near)
    gone = _gone(session, (label,), frames is None and near is None)
    _write(session, edits, lambda classes, _: changed(classes, dict.fromkeys(gone(classes))))
    session._report("delete", label=label, frame=frame, near=near)


def fill(session: Session, label: int, frame: Frame = (), near: Sequence[float] | None = None) -> None:
    """Give an object the background that it encloses on a frame; objects that lie in its holes stay.

    Parameters
    ----------
    near : sequence of float, optional
        As for `delete`.

    Raises
    ------
    ValueError
        Where there is no such object there, or it has no holes; nothing is changed then.
    """
    session._check_frame(frame)
    _write(session, label_operations.fill(session.labels, label, frame, _whole(session), near))
    session._report("fill", label=label, frame=frame, near=near)


def relabel(session: Session, label: int, new: int, frames: Iterable[Frame] | None = None) -> None:
    """Give an object another id on these frames, or on all; `label_operations.frames_from` lists them.

    Its class goes along, unless the new id has one.

    Raises
    ------
    ValueError
        Where there is no such object, or the new id is that of another one on one of the frames: `merge` makes the
        two one. Nothing is changed then.
    """
    label, new, frames = int(label), int(new), _listed(frames)
    edits = label_operations.relabel(session.labels, label, new, _frames(session, frames), _whole(session))
    gone = _gone(session, (label,), frames is None)
    _write(session, edits, lambda classes, _: renamed(classes, label, new, gone(classes)))
    session._report("relabel", label=label, new=new, frames=frames)


def swap(session: Session, one: int, other: int, frames: Iterable[Frame] | None = None) -> None:
    """Let two objects swap their ids on these frames, or on all; where that is all of both, their classes go along.

    Raises
    ------
    ValueError
        Where one of the objects is on none of the frames; nothing is changed then.
    """
    frames = _listed(frames)
    one, other = int(one), int(other)
    edits = label_operations.swap(session.labels, one, other, _frames(session, frames), _whole(session))
    follow = bool({one, other} & session.classes.keys()) and _only_there(session, (one, other), frames)
    _write(session, edits, (lambda classes, _: swapped(classes, one, other)) if follow else unchanged)
    session._report("swap", one=one, other=other, frames=frames)


def copy_from(session: Session, source: Frame, target: Frame, labels: Sequence[int] | None = None) -> None:
    """Copy objects from one frame to another, all of them or these: into background, replacing their former selves.

    Raises
    ------
    ValueError
        Where the source frame lacks one of the objects, or the frames are one; nothing is changed then.
    """
    session._check_frame(source)
    session._check_frame(target)
    ids = None if labels is None else tuple(int(k) for k in labels)
    _write(session, label_operations.copy(session.labels, source, target, ids, _whole(session)))
    session._report("copy_from", source=source, target=target, labels=ids)


def paint(session: Session, region: Region, values: npt.NDArray[Any]) -> None:
    """Write values into a region of the label array, past objects and undo, as painting by hand does."""
    with session._all_or_nothing():
        session._object.paint(region, values)
    session.painted_by_hand(region)


def painted_by_hand(session: Session, region: Region, before: npt.NDArray[Any] | None = None) -> None:
    """Report that somebody else wrote into this region of the label array: what is there now becomes an act.

    Parameters
    ----------
    before : ndarray, optional
        What stood there before, shape of the region. Without it, what was done earlier may not be done again in the
        same way where it depended on pixels that were painted over and in which nothing was drawn before.
    """
    if before is not None:
        session.overpainted.emit(region, before)
    block = np.array(session.labels[region.slices])
    session.acted.emit(Act("paint", {"region": region, "values": block}))


def _whole(session: Session) -> Region:
    return Region.whole(session.image.frame_shape(session.ndim))


def _listed(frames: Iterable[Frame] | None) -> tuple[Frame, ...] | None:
    return None if frames is None else tuple(tuple(frame) for frame in frames)


def _frames(session: Session, frames: tuple[Frame, ...] | None) -> Iterable[Frame]:
    """The frames named, or all."""
    if frames is None:
        return np.ndindex(*session.image.frames_shape(session.ndim))
    for frame in frames:
        session._check_frame(frame)
    return frames


def _write(session: Session, edits: Mapping[Frame, Edit], follow: Follow = unchanged) -> int:
    _check_edits(session, edits)
    with session._all_or_nothing():
        session._object.put_away()
        return session._object.write(edits, follow)


def _gone(session: Session, ids: Sequence[int], everywhere: bool) -> Callable[[Classes], list[int]]:
    """What returns, once an edit is written, which of these ids that had a class stand nowhere any more.

    In labels too large to search, all of them where the edit was made everywhere, else none.
    """

    def gone(classes: Classes) -> list[int]:
        named = [label for label in ids if label in classes]
        there = standing(session.labels, named)
        if there is None:
            return named if everywhere else []
        return [label for label in named if label not in there]

    return gone


def _only_there(session: Session, ids: Sequence[int], frames: tuple[Frame, ...] | None) -> bool:
    """Whether objects lie on these frames alone."""
    others = [frame for frame in _frames(session, None) if frames is not None and frame not in frames]
    return not any(True for _ in blocks_with(session.labels, ids, others, _whole(session)))


def _check_edits(session: Session, edits: Mapping[Frame, Edit]) -> None:
    count, upon = 0, session.label
    for frame, edit in edits.items():
        session._check_frame(frame)
        checks.check_region(edit.region, session._object.whole)
        count += len(edit.ids()) if edit.fresh else 0
        highest = max(session._object.free_ids(count, upon), default=0) if edit.fresh else edit.highest
        checks.check_id(highest, np.dtype(session.labels.dtype))


def _find(session: Session, label: int, position: Sequence[float] | None) -> dict[Frame, Prediction]:
    """The object's masks in the labels: on the position's frame, or on every frame."""
    whole = Region.whole(session.image.frame_shape(session.ndim))
    if position is None:
        frames = np.ndindex(*session.image.frames_shape(session.ndim))
        return find_object(session.labels, label, frames, whole)
    click = Click(tuple(float(p) for p in position))
    checks.check_click(click, session.image)
    return find_object_near(session.labels, label, click.frame(session.ndim), click.point(session.ndim), whole)
