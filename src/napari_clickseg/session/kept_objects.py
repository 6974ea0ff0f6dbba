"""Kept objects as exemplars, for a model to learn from: functions that become methods of Session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from napari_clickseg.core.exemplars import Exemplar, exemplars_on
from napari_clickseg.core.labels import SEARCH_WHOLE
from napari_clickseg.core.regions import Region

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.session.session import Session

MOST = 60
"""So many objects at most, those kept last before those of confirmed frames."""
MOST_PIXELS, FEWEST = 1 << 26, 10
"""Of their surroundings, in all; so many objects are taken in any case."""
SMALLEST = 24
"""Objects below this many pixels teach nothing about outlines."""


def exemplars(session: Session) -> tuple[Exemplar, ...]:
    """Return the objects that were kept here one by one, as they are now, then all objects of confirmed frames.

    Each is there once, with a copy of the labels around it. Objects that were accepted as suggestions or carried from
    frame to frame count once they were corrected and kept, or their frame was confirmed. Only for models that see two
    axes; for others there are none.
    """
    if session.ndim != 2:
        return ()
    found: dict[tuple[Frame, int], Exemplar] = {}
    pixels = 0
    for one in _candidates(session):
        if (one.frame, one.label) in found or one.area < SMALLEST:
            continue
        pixels += one.region.size
        if len(found) == MOST or (pixels > MOST_PIXELS and len(found) >= FEWEST):
            break
        found[one.frame, one.label] = one
    return tuple(found.values())


def _candidates(session: Session) -> Iterator[Exemplar]:
    image, labels = session.image, session.labels
    for kept in session._object.committed.objects(MOST):
        frame, patch = max(kept.patches.items(), key=lambda item: item[1].count(kept.label))
        ahead = len(frame)
        box = Region(patch.region.start[ahead:], patch.region.stop[ahead:])
        one = Exemplar.of(image, labels, frame, kept.label, box)
        if one is not None:
            yield one
    small = Region.whole(image.frame_shape(2)).size <= SEARCH_WHOLE
    for frame in sorted(session.confirmed) if small else ():
        yield from exemplars_on(image, labels, frame)
