"""Cell tracking: labels of a movie as a result folder of the Cell Tracking Challenge, and back.

A folder NN_RES holds a TIFF of 16 bits per time point (maskTTT.tif) and res_track.txt, a line "L B E P" per track: its
id, its first and last time point, and the id of its parent or 0. Source: the challenge's "Naming and file content
conventions", https://celltrackingchallenge.net.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_clickseg.storage import output_checks
from napari_clickseg.storage.atomic import written_whole
from napari_clickseg.storage.read_labels import read_labels
from napari_clickseg.storage.write_labels import STRAY, id_range

if TYPE_CHECKING:
    from napari_clickseg.propagation.track_events import Event

TRACKS = "res_track.txt"
HIGHEST = 2**16 - 1
DIGITS = 3
MASK = re.compile(r"mask(\d+)\.tiff?", re.I)
OF_RESULT = re.compile(rf"mask\d+\.tif|{re.escape(TRACKS)}|{STRAY}")
"""Names of the files in a result folder."""
MOVIES = ("TYX", "TZYX")


@dataclass(frozen=True, slots=True)
class Track:
    """One line of the table of tracks: an object from its first to its last time point, and whom it comes from."""

    label: int
    begin: int
    end: int
    parent: int = 0


def write_result(
    folder: str | Path, labels: Any, parents: Mapping[int, int] | None = None, split_gaps: bool = False
) -> list[Track]:
    """Write a movie's labels as a result folder; return its tracks.

    Parameters
    ----------
    folder : path
        The folder to write, usually named 01_RES; it is there as a whole or not at all.
    labels : array
        (T, Y, X) or (T, Z, Y, X), ids up to 65535; read time point by time point.
    parents : mapping of int to int, optional
        The parent of each daughter, by id, as from events of division.
    split_gaps : bool
        Let an object that vanishes and comes back go on as a new track, with a new id and the earlier one as its
        parent; otherwise it is refused, as a track of the challenge has no gaps.

    Raises
    ------
    ValueError
        Where the labels are no movie, an id does not fit, tracks have gaps, a parent is none, or something else than
        a result folder is there already.
    OSError
        Where the disk refuses; no part of the folder is left then.
    """
    check_place(folder)
    if len(labels.shape) not in (3, 4):
        raise ValueError(f"A movie has the axes TYX or TZYX, but these labels have the shape {tuple(labels.shape)}.")
    pieces = {label: _pieces(times) for label, times in sorted(_times(labels).items())}
    gaps = [label for label, found in pieces.items() if len(found) > 1]
    if gaps and not split_gaps:
        first, second = pieces[gaps[0]][:2]
        raise ValueError(
            f"Object {gaps[0]} vanishes after time point {first[1]} and comes back at {second[0]} ({len(gaps)} such "
            "objects): carry it over the gap, relabel it, or let tracks be split at gaps (split_gaps=True)."
        )
    tracks, renamed = _tracks(pieces, parents or {})
    check_tracks(tracks)
    with written_whole(Path(folder)) as unfinished:
        unfinished.mkdir()
        for time, plane in enumerate(_time_points(labels)):
            mask = _renamed(plane, renamed, time).astype(np.uint16)
            digits = max(DIGITS, len(str(labels.shape[0] - 1)))
            tifffile.imwrite(unfinished / f"mask{time:0{digits}}.tif", mask, compression="zlib")
        lines = [f"{t.label} {t.begin} {t.end} {t.parent}\n" for t in tracks]
        (unfinished / TRACKS).write_text("".join(lines), encoding="ascii", newline="\n")
    return tracks


def check_place(folder: str | Path) -> None:
    """Raise ValueError or FileNotFoundError where no result can be written to a folder, before any work is done.

    An earlier result there is replaced; any other folder, whose files would be lost, is refused.
    """
    folder = Path(folder)
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    if (folder.exists() and not folder.is_dir()) or (there and not (folder / TRACKS).is_file()):
        raise ValueError(f"{folder} is there already and is no result folder, so it is not replaced; name another one.")
    stranger = next((inner for inner in there if not OF_RESULT.fullmatch(inner.name) or inner.is_dir()), None)
    if stranger is not None:
        raise ValueError(
            f"{folder} holds {stranger.name} beside the result, which would be lost, so it is not replaced; "
            "name another folder."
        )
    output_checks.check_place(folder)


def check_target(folder: Path | None, axes: str) -> None:
    """Raise as `check_place`, and where labels of these axes are no movie; None wants no result and is always right."""
    if folder is None:
        return
    check_place(folder)
    if axes not in MOVIES:
        raise ValueError(f"A result folder holds a movie of the axes {' or '.join(MOVIES)}, but this image has {axes}.")


def check_ids(folder: Path | None, labels: Any | None, more: Iterable[int] = ()) -> None:
    """Raise ValueError where labels, if any, or more ids do not fit a result folder; None wants no result."""
    if folder is None:
        return
    lowest, highest = (0, 0) if labels is None else id_range(labels)
    highest = max(highest, *more, 0)
    if lowest < 0 or highest > HIGHEST:
        raise ValueError(
            f"A result folder holds ids from 1 to {HIGHEST}, but here are ids from {lowest} to {highest}: "
            "relabel the objects, or leave the result folder out."
        )


def read_result(folder: str | Path) -> tuple[npt.NDArray[np.uint16], list[Track]]:
    """Read a result folder: labels (T, Y, X) or (T, Z, Y, X), and the tracks.

    Raises
    ------
    FileNotFoundError
        Where a file is missing.
    ValueError
        Where one cannot be read, or masks and tracks do not agree.
    """
    folder = Path(folder)
    masks = _masks(folder)
    if not masks or not (folder / TRACKS).is_file():
        raise FileNotFoundError(f"{folder} is no result folder: it needs mask000.tif and further, and {TRACKS}.")
    try:
        labels, tracks = np.stack(list(_read_masks(masks))), _read_tracks(folder / TRACKS)
    except ValueError as error:
        raise ValueError(f"{folder} cannot be read as a result folder: {error}") from error
    check_tracks(tracks)
    there = {label: _pieces(times) for label, times in _times(labels).items()}
    listed = {track.label: [(track.begin, track.end)] for track in tracks}
    if there != listed:
        wrong = sorted(label for label in there | listed if there.get(label) != listed.get(label))
        raise ValueError(f"{folder}: masks and {TRACKS} do not agree on the objects {', '.join(map(str, wrong[:10]))}.")
    return labels, tracks


def _read_masks(masks: Sequence[Path]) -> Iterator[npt.NDArray[np.uint16]]:
    """The masks, each of the shape of the first one, with ids that fit; however wide their numbers are stored."""
    shape: tuple[int, ...] | None = None
    for path in masks:
        mask = np.asarray(read_labels(path, background=0).array)
        shape = shape or mask.shape
        if mask.shape != shape:
            raise ValueError(f"{path} has the shape {mask.shape}, but {masks[0].name} has {shape}.")
        if mask.max(initial=0) > HIGHEST:
            raise ValueError(f"{path} holds the id {mask.max()}, but ids of a result folder end at {HIGHEST}.")
        yield mask.astype(np.uint16)


def _read_tracks(path: Path) -> list[Track]:
    tracks = []
    for number, line in enumerate(path.read_text("utf-8-sig", errors="replace").splitlines(), 1):
        words = line.split()
        if words and not (len(words) == 4 and all(word.isdecimal() for word in words)):
            raise ValueError(
                f"{path}, line {number}: {line.strip()[:40]!r} is no track; wanted are four whole numbers: "
                "its id, first and last time point, parent or 0."
            )
        tracks += [Track(*map(int, words))] if words else []
    return tracks


def _masks(folder: Path) -> list[Path]:
    """The masks of a result folder by their numbers, which count the time points from 0 on.

    Raises
    ------
    ValueError
        Where a number is missing or occurs twice.
    """
    numbered: dict[int, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = MASK.fullmatch(path.name)
        if match is None:
            continue
        number = int(match[1])
        if number in numbered:
            raise ValueError(f"{folder} has two masks of time point {number}: {numbered[number].name} and {path.name}.")
        numbered[number] = path
    missing = [number for number in range(max(numbered, default=-1) + 1) if number not in numbered]
    if missing:
        several = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        digits = max(DIGITS, *(len(match[1]) for path in numbered.values() if (match := MASK.fullmatch(path.name))))
        raise ValueError(f"{folder} lacks mask{missing[0]:0{digits}}.tif{several}: there is a mask per time point.")
    return [numbered[number] for number in sorted(numbered)]


def parents_of(events: Iterable[Event], labels: Any) -> dict[int, int]:
    """Return the parent of each daughter that was drawn where events saw a division.

    Parameters
    ----------
    events : iterable of Event
        As `propagate.carry` gives them; those that are no divisions are passed over.
    labels : array
        The movie's labels after the daughters were drawn.
    """
    parents = {}
    for event in events:
        for position in event.positions if event.kind == "division" else ():
            daughter = int(labels[(*event.frame, *(round(p) for p in position))])
            if daughter not in (0, event.label):
                parents[daughter] = event.label
    return parents


def check_tracks(tracks: Iterable[Track]) -> None:
    """Raise ValueError where an id is too high or occurs twice, or a parent is not there before its daughter."""
    known: dict[int, Track] = {}
    for track in tracks:
        if not 1 <= track.label <= HIGHEST or track.label in known:
            raise ValueError(f"Track {track.label}: ids lie between 1 and {HIGHEST} and occur once.")
        known[track.label] = track
    for track in known.values():
        parent = known.get(track.parent)
        if track.parent and parent is None:
            raise ValueError(f"Track {track.label} names the parent {track.parent}, but there is no such track.")
        if parent is not None and parent.end >= track.begin:
            raise ValueError(
                f"Track {track.label} begins at {track.begin}, but its parent {parent.label} is there until "
                f"{parent.end}: a parent ends before its daughters begin."
            )


def _time_points(labels: Any) -> Iterator[npt.NDArray[Any]]:
    return (np.asarray(labels[time]) for time in range(labels.shape[0]))


def _times(labels: Any) -> dict[int, list[int]]:
    """The time points at which each object is there."""
    times: dict[int, list[int]] = {}
    for time, plane in enumerate(_time_points(labels)):
        for label in np.unique(plane[plane != 0]).tolist():
            times.setdefault(label, []).append(time)
    return times


def _pieces(times: list[int]) -> list[tuple[int, int]]:
    """First and last of each run of time points.

    >>> _pieces([2, 3, 4, 7])
    [(2, 4), (7, 7)]
    """
    breaks = [k for k in range(1, len(times)) if times[k] != times[k - 1] + 1]
    return [(times[a], times[b - 1]) for a, b in zip([0, *breaks], [*breaks, len(times)], strict=True)]


def _tracks(
    pieces: Mapping[int, list[tuple[int, int]]], parents: Mapping[int, int]
) -> tuple[list[Track], dict[int, list[tuple[int, int]]]]:
    """The tracks, and for each object that is split, (first time point, new id) of its later pieces.

    Daughters come from the last piece of their parent.
    """
    tracks: list[Track] = []
    last = {label: label for label in pieces}
    renamed: dict[int, list[tuple[int, int]]] = {}
    free = _free_ids(pieces)
    for label, found in pieces.items():
        tracks.append(Track(label, *found[0]))
        for begin, end in found[1:]:
            new = next(free)
            tracks.append(Track(new, begin, end, last[label]))
            renamed.setdefault(label, []).append((begin, new))
            last[label] = new
    parent_of = {label: last.get(parent, parent) for label, parent in parents.items() if label in pieces}
    tracks = [Track(t.label, t.begin, t.end, parent_of.get(t.label, t.parent)) for t in tracks]
    return sorted(tracks, key=lambda track: track.label), renamed


def _free_ids(taken: Collection[int]) -> Iterator[int]:
    """Ids that nobody has, those above all others first; when none is left, such as do not fit."""
    highest = max(taken, default=0)
    above, below = range(highest + 1, HIGHEST + 1), range(1, min(highest, HIGHEST + 1))
    return chain(above, (k for k in below if k not in taken), count(max(highest, HIGHEST) + 1))


def _renamed(plane: npt.NDArray[Any], renamed: Mapping[int, list[tuple[int, int]]], time: int) -> npt.NDArray[Any]:
    """The masks of a time point under the ids of their tracks."""
    result = plane.astype(np.int64)
    for label, later in renamed.items():
        new = [number for begin, number in later if begin <= time]
        if new:
            result[plane == label] = new[-1]
    return result
