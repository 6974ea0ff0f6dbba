"""Event: what happened to an object on its way from frame to frame, as a sentence; the user decides what follows.

Nothing is guessed away: an object that divides, disappears or is lost is carried no further. As in the Cell Tracking
Challenge, a mother's id ends where she divides, and her daughters get new ones when they are drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import ndimage

from napari_clickseg.core.object_masks import Mask, Outline
from napari_clickseg.core.regions import Region

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.propagation.intensity_model import Grey

Kind = Literal["division", "disappearance", "appearance", "merge", "lost"]
ENDING: frozenset[Kind] = frozenset(("division", "disappearance", "lost"))
"""An object that this happened to is carried no further, and nothing is written for it on that frame."""

VANISHED = 0.1
"""An object that keeps less than this share of its area has disappeared."""
SEEN = 0.25
"""Nor is it there where less than this share of its mask is as bright as it was, if brightness distinguishes it."""
PIECE = 0.25
"""Two pieces of at least this share of the expected area each are daughters."""
BRIGHT = 1.0
"""Where brightness speaks for an object by at least so much (log odds), it is bright as the object is."""
SHRUNK, CONDENSED = 0.75, 0.15
"""What is bright of a daughter has at most, and at least, this share of the expected area ..."""
SISTER = (0.5, 2.0)
"""... and beside it lies another one, of a size between these as a share of its own."""
CONTESTED = 0.4
"""Objects merge where another one claims at least this share of what one of them claims."""
TYPICAL = (0.4, 2.5)
"""A new object is of a size between these, as a share of the usual one."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to an object.

    Attributes
    ----------
    kind : {"division", "disappearance", "appearance", "merge", "lost"}
    frame : Frame
        Where it was seen.
    label : int
        The object's id; 0 for one that has none yet.
    sentence : str
        For the user.
    positions : tuple of tuple of float
        Within the frame: the daughters' middles, the middle of what appeared; where to click.
    """

    kind: Kind
    frame: Frame
    label: int
    sentence: str
    positions: tuple[tuple[float, ...], ...] = ()


def division(frame: Frame, label: int, daughters: Sequence[Outline]) -> Event:
    """Return the event of an object that lies in several pieces now."""
    sizes = " and ".join(str(piece.area) for piece in daughters)
    sentence = f"Object {label} divides: pieces of {sizes} pixels. Its id ends here; click on each daughter."
    return Event("division", frame, label, sentence, tuple(piece.deepest for piece in daughters))


def disappearance(frame: Frame, label: int, left_frame: bool) -> Event:
    """Return the event of an object that is not there any more."""
    how = "leaves the image" if left_frame else "is not seen any more"
    return Event("disappearance", frame, label, f"Object {label} {how}. If it is there, click on it and carry it on.")


def lost(frame: Frame, label: int, certainty: float, least: float) -> Event:
    """Return the event of an object whose confidence fell below the limit."""
    how = f"confidence {int(100 * certainty)} %, below {100 * least:g} %"
    sentence = f"Object {label} was lost: {how}. Correct it here, then carry on."
    return Event("lost", frame, label, sentence)


def merge(frame: Frame, label: int, other: int) -> Event:
    """Return the event of an object that claims what another one claims."""
    sentence = f"Objects {label} and {other} claim the same pixels; look whether both are there."
    return Event("merge", frame, label, sentence)


def appearance(frame: Frame, outline: Outline) -> Event:
    """Return the event of something that looks like an object and is none yet."""
    sentence = f"Something new of {outline.area} pixels looks like an object; click on it if it is one."
    return Event("appearance", frame, 0, sentence, (outline.deepest,))


def unmatched(frame: Frame, label: int, here: Frame, there: Frame) -> Event:
    """Return the event of an object that lies on only one of two frames that are right."""
    places = named(here), named(there)
    sentence = f"Object {label} is on frame {places[0]} but not on frame {places[1]}; carry it from there on its own."
    return Event("disappearance", frame, label, sentence)


def daughters_of(
    decided: Outline, expected: Outline, evidence: Grey | None, region: Region, others: Mask
) -> tuple[Outline, ...]:
    """Return the pieces into which an object divided, larger first; empty where it did not.

    Either its mask lies in more pieces than were expected, or what is bright of it shrank and something of a like size
    and brightness lies beside it that is nobody's.

    Parameters
    ----------
    evidence : ndarray of float32 or None
        Log odds of brightness on `region`, around the expected outline; None where brightness does not distinguish this
        object from the background.
    others : ndarray of bool
        Pixels of `region` that belong to other objects.
    """
    pieces, known = (
        [piece for piece in _pieces(outline.mask, outline.region) if piece.area >= PIECE * expected.area]
        for outline in (decided, expected)
    )
    if len(pieces) > max(len(known), 1):
        return tuple(pieces)
    if evidence is None:
        return ()
    bright = [p for p in _pieces((evidence > BRIGHT) & ~others, region) if p.area >= CONDENSED * expected.area]
    own = max(bright, key=lambda piece: int((decided.on(piece.region) & piece.mask).sum()), default=None)
    if own is None or own.area >= SHRUNK * expected.area:
        return ()
    sisters = [p for p in bright if p is not own and SISTER[0] * own.area <= p.area <= SISTER[1] * own.area]
    return (own, sisters[0]) if sisters else ()


def is_gone(decided: Outline, expected: Outline, evidence: Grey | None, region: Region) -> bool:
    """Return whether an object has disappeared: next to nothing of it is left, or its place looks like background.

    Parameters
    ----------
    evidence, region
        As of `daughters_of`.
    """
    if decided.area < VANISHED * expected.area:
        return True
    return evidence is not None and float((evidence[decided.on(region)] > 0).mean()) < SEEN


def new_objects(evidence: Grey, taken: Mask, region: Region, usual: float) -> Iterator[Outline]:
    """Yield what looks like an object and is nobody's.

    Parameters
    ----------
    evidence : ndarray of float32
        Log odds of brightness on `region`.
    usual : float
        The area of a usual object, in pixels.
    """
    free = ndimage.binary_opening((evidence > BRIGHT) & ~taken)
    for piece in _pieces(free, region):
        if TYPICAL[0] * usual <= piece.area <= TYPICAL[1] * usual:
            yield piece


def named(frame: Frame) -> str:
    """Return how a frame is called in sentences.

    >>> named((3,)), named((3, 7))
    ('3', '3, 7')
    """
    return ", ".join(map(str, frame))


def rival_of(rivals: Mapping[int, int], claimed: int) -> int | None:
    """Return the object that claims most of what one of `claimed` pixels claims, where that is much of it."""
    if not rivals:
        return None
    rival = max(rivals, key=lambda label: rivals[label])
    return rival if rivals[rival] >= CONTESTED * claimed else None


def _pieces(mask: Mask, region: Region) -> list[Outline]:
    """The connected pieces of a mask on a region, largest first."""
    parts, _ = ndimage.label(mask)
    boxes = ndimage.find_objects(parts)
    found = [
        Outline(Region(tuple(s.start for s in box), tuple(s.stop for s in box)).placed_in(region), parts[box] == k)
        for k, box in enumerate(boxes, 1)
    ]
    return sorted(found, key=lambda piece: -np.count_nonzero(piece.mask))
