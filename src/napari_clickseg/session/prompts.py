"""Prompts beside single clicks: a box or a lasso gives a starting mask, a stroke is a chain of clicks.

The functions become methods of Session. `box`, `stroke` and `lasso` wait for the answer, `set_box`, `set_stroke` and
`set_lasso` return the request, as `click` and `set_clicks` do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.clicks import Click
from napari_clickseg.core.distances import deepest
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.polygons import fill
from napari_clickseg.core.regions import Region
from napari_clickseg.session import checks
from napari_clickseg.session.state import Prompt

if TYPE_CHECKING:
    from napari_clickseg.core.requests import Request
    from napari_clickseg.session.session import Session

Position = Sequence[float]
NARROWEST = 2.0
"""Pixels that a box must measure along each axis, and a lasso enclose."""
STROKE_CLICKS = 8
"""Most clicks that a stroke becomes."""


def box(session: Session, first: Position, second: Position) -> None:
    """Draw the object in a box between two corners, and wait for the answer.

    The box sets the scale, and the ellipse in it is the starting mask; a positive click is added at its centre.

    Parameters
    ----------
    first, second : sequence of float
        Opposite corners in array order, on one frame.

    Raises
    ------
    ValueError
        Where a corner lies outside the image, the corners lie on different frames, or the box is under 2 pixels wide;
        nothing is changed then.
    """
    session.wait_for(set_box(session, first, second))


def lasso(session: Session, points: Sequence[Position]) -> None:
    """Draw the object inside a closed line, and wait for the answer.

    The inside is the starting mask; a positive click is added at its deepest pixel.

    Parameters
    ----------
    points : sequence of sequences of float
        Three points or more in array order, on one frame.

    Raises
    ------
    ValueError
        Where a point lies outside the image, the points lie on different frames, or enclose nothing; nothing is
        changed then.
    """
    session.wait_for(set_lasso(session, points))


def stroke(session: Session, points: Sequence[Position], positive: bool = True) -> None:
    """Add clicks along a line, at most 8 of them, as one undo step, and wait for the answer.

    Raises
    ------
    ValueError
        Where a point lies outside the image; nothing is changed then.
    """
    session.wait_for(set_stroke(session, points, positive))


def set_box(session: Session, first: Position, second: Position) -> Request | None:
    """Start from a box, as `box`; return the request to answer."""
    return set_prompt(session, "box", (first, second))


def set_lasso(session: Session, points: Sequence[Position]) -> Request | None:
    """Start from a lasso, as `lasso`; return the request to answer."""
    return set_prompt(session, "lasso", points)


def set_stroke(session: Session, points: Sequence[Position], positive: bool = True) -> Request | None:
    """Add clicks along a line, as `stroke`; return the request to answer."""
    clicks = [Click(tuple(float(p) for p in point), positive) for point in points]
    if not clicks:
        raise ValueError("A stroke needs at least one point.")
    chosen = np.unique(np.linspace(0, len(clicks) - 1, min(len(clicks), STROKE_CLICKS)).round().astype(int))
    return session.set_clicks((*session.clicks, *(clicks[k] for k in chosen)))


def set_prompt(session: Session, kind: str, points: Sequence[Position]) -> Request | None:
    """Start from a prompt of this kind, "box" or "lasso"; return the request to answer. The act of both."""
    corners = tuple(tuple(float(p) for p in point) for point in points)
    clicks = tuple(Click(corner) for corner in corners)
    for click in clicks:
        checks.check_click(click, session.image)
    checks.check_id(session.label, np.dtype(session.labels.dtype))
    if kind not in MASKS:
        raise ValueError(f"There is no prompt {kind!r}; there are {', '.join(MASKS)}.")
    frames = {click.frame(session.ndim) for click in clicks}
    if len(frames) != 1:
        raise ValueError(f"A {kind} lies on one frame, but its points lie on {len(frames)}.")
    if session.ndim != 2:
        raise ValueError(f"A {kind} is drawn on a plane, but {session.predictor.name} sees volumes; click instead.")
    frame = next(iter(frames))
    outline = np.array([click.point(2) for click in clicks])
    mask = MASKS[kind](outline, session.image.frame_shape(2))
    prompt = Prompt(kind, corners, mask)
    middle = tuple(map(float, outline.mean(axis=0))) if kind == "box" else _deepest(mask)
    new = (*session.clicks, Click((*map(float, frame), *middle)))
    with session._all_or_nothing():
        request = session._object.start_from(prompt, frame, new)
    session._report("set_prompt", kind=kind, points=corners)
    return request


def ellipse_in_box(corners: npt.NDArray[Any], shape: tuple[int, ...]) -> Prediction:
    """Return the ellipse that a box (2, 2) holds, cut to the frame."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    if (high - low < NARROWEST).any():
        raise ValueError(f"The box is {high[0] - low[0]:g} x {high[1] - low[1]:g} pixels; draw it around the object.")
    region = _region(low, high, shape)
    y, x = np.mgrid[region.slices]
    centre, half = (low + high) / 2, (high - low) / 2
    inside = ((y - centre[0]) / half[0]) ** 2 + ((x - centre[1]) / half[1]) ** 2 <= 1
    return Prediction.from_mask(inside, region)


def inside_of_lasso(points: npt.NDArray[Any], shape: tuple[int, ...]) -> Prediction:
    """Return the pixels whose centres a closed line (n, 2) encloses, cut to the frame."""
    region = _region(points.min(axis=0), points.max(axis=0), shape)
    inside = fill([points - region.start + 0.5], (region.shape[0], region.shape[1]))
    if inside.sum() < NARROWEST**2:
        raise ValueError("The lasso encloses no area; draw it around the object.")
    return Prediction.from_mask(inside, region)


MASKS = {"box": ellipse_in_box, "lasso": inside_of_lasso}
"""By kind of prompt: the starting mask of its points (n, 2) on a frame of this shape."""


def _region(low: npt.NDArray[Any], high: npt.NDArray[Any], shape: tuple[int, ...]) -> Region:
    start = np.clip(np.floor(low).astype(int), 0, np.array(shape) - 1)
    stop = np.clip(np.ceil(high).astype(int) + 1, start + 1, shape)
    return Region(tuple(map(int, start)), tuple(map(int, stop)))


def _deepest(mask: Prediction) -> tuple[float, float]:
    """The deepest pixel of a mask, in the frame."""
    y, x = deepest(mask.mask())
    return float(y + mask.region.start[0]), float(x + mask.region.start[1])
