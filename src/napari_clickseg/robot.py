"""Where would a person click next? Training, benchmark and tests all ask here.

Every robot looks at the pixels where a mask is wrong and picks one of them; they differ in which and in how exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.clicks import Click
from napari_clickseg.regions import Region

Mask = npt.NDArray[np.bool_]
Distances = npt.NDArray[np.float64]
Pick = Callable[[Mask, Sequence[tuple[float, ...]], np.random.Generator], tuple[int, ...]]
"""(error pixels, earlier clicks' points, random numbers) -> the pixel to click."""

ERODED_SHARE = 0.25
HUMAN_MISS = 0.25


def depth(mask: Mask) -> Distances:
    """Return each pixel's distance to the nearest pixel outside the mask; outside the array counts as outside.

    >>> float(depth(np.ones((3, 3), bool)).max())
    2.0
    """
    padded = np.pad(mask, 1)
    inner: Distances = ndimage.distance_transform_edt(padded)
    return inner[(slice(1, -1),) * mask.ndim]


def largest_component(error: Mask) -> Mask:
    """Return the largest connected component (ITIS; connected by faces)."""
    labels, count = ndimage.label(error)
    if count <= 1:
        return error
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest: Mask = labels == sizes.argmax()
    return largest


def pick_centre(error: Mask, earlier: Sequence[tuple[float, ...]], rng: np.random.Generator) -> tuple[int, ...]:
    """The pixel of the largest error component farthest from its boundary and from earlier clicks in it.

    Ties are broken at random. The robot of ITIS, and the one that all papers report.
    """
    return _deepest(largest_component(error), earlier, rng)


def pick_cluster(error: Mask, earlier: Sequence[tuple[float, ...]], rng: np.random.Generator) -> tuple[int, ...]:
    """The centre of an error component drawn with probability proportional to its size (ITIS, cluster sampling)."""
    labels, _ = ndimage.label(error)
    drawn = labels == rng.choice(labels[error])
    return _deepest(drawn, earlier, rng)


def pick_random(error: Mask, earlier: Sequence[tuple[float, ...]], rng: np.random.Generator) -> tuple[int, ...]:
    """Any error pixel (ITIS, random sampling)."""
    return _one_of(error, rng)


def pick_eroded(error: Mask, earlier: Sequence[tuple[float, ...]], rng: np.random.Generator) -> tuple[int, ...]:
    """A random pixel of the inner quarter of the largest error component (RITM)."""
    component = largest_component(error)
    inner = depth(component)
    limit = np.quantile(inner[component], 1 - ERODED_SHARE)
    return _one_of(component & (inner >= limit), rng)


def pick_human(error: Mask, earlier: Sequence[tuple[float, ...]], rng: np.random.Generator) -> tuple[int, ...]:
    """Near the centre of the largest error component, missing it as hands do (a quarter of its depth and a pixel)."""
    component = largest_component(error)
    aim = np.array(_deepest(component, earlier, rng), float)
    spread = 1 + HUMAN_MISS * float(depth(component)[tuple(aim.astype(int))])
    near = np.rint(aim + rng.normal(0, spread, aim.size)).astype(int)
    where = np.argwhere(component)
    nearest = where[np.argmin(((where - near) ** 2).sum(axis=1))]
    return tuple(int(k) for k in nearest)


ROBOTS: dict[str, Pick] = {
    "centre": pick_centre,
    "cluster": pick_cluster,
    "random": pick_random,
    "eroded": pick_eroded,
    "human": pick_human,
}


def next_click(
    truth: Mask,
    mask: Mask,
    earlier: Sequence[Click] = (),
    rng: np.random.Generator | None = None,
    robot: str = "centre",
    ignore: Mask | None = None,
) -> Click | None:
    """Return the click that corrects a mask, None where nothing is wrong.

    Parameters
    ----------
    truth, mask : ndarray of bool
        Same shape, one frame.
    earlier : sequence of Click
        Clicks already made on this frame, positions within the frame.
    robot : str
        One of `ROBOTS`.
    ignore : ndarray of bool, optional
        Pixels that count neither way (the band of GrabCut).

    Raises
    ------
    ValueError
        Where the masks differ in shape, or no robot has this name.

    Examples
    --------
    >>> truth = np.zeros((5, 5), bool); truth[1:4, 1:4] = True
    >>> next_click(truth, np.zeros_like(truth), rng=np.random.default_rng(0))
    Click(position=(2.0, 2.0), positive=True)
    """
    if truth.shape != mask.shape:
        raise ValueError(f"The true mask is of shape {truth.shape}, the mask to correct of {mask.shape}.")
    if robot not in ROBOTS:
        raise ValueError(f"There is no robot {robot!r}; choose one of {', '.join(ROBOTS)}.")
    rng = rng if rng is not None else np.random.default_rng(0)
    error = truth != mask
    if ignore is not None:
        error &= ~ignore
    box = Region.of_mask(error)
    if box is None:
        return None
    origin = np.array(box.start)
    points = [tuple(np.subtract(click.position, origin)) for click in earlier]
    picked = ROBOTS[robot](error[box.slices], points, rng)
    position = tuple(float(p) for p in np.add(picked, origin))
    return Click(position, bool(truth[tuple(int(p) for p in position)]))


def first_click(truth: Mask, rng: np.random.Generator, spread: float = 0.5) -> Click:
    """Return an off-centre first click: any pixel whose depth is at least `1 - spread` of the deepest one's.

    `spread=0` is the centre, `spread=1` anywhere on the object.
    """
    return first_clicks(truth, rng, [spread])[0]


def first_clicks(truth: Mask, rng: np.random.Generator, spreads: Iterable[float]) -> list[Click]:
    """Return a first click for each spread, as `first_click` places them; the depth is measured once."""
    inner = depth(truth)
    near = [truth & (inner >= (1 - spread) * inner.max()) for spread in spreads]
    return [Click(tuple(float(k) for k in _one_of(pixels, rng))) for pixels in near]


def _deepest(component: Mask, earlier: Sequence[tuple[float, ...]], rng: np.random.Generator) -> tuple[int, ...]:
    free = component.copy()
    for point in earlier:
        nearest = tuple(round(p) for p in point)
        if all(0 <= k < n for k, n in zip(nearest, component.shape, strict=True)):
            free[nearest] = False
    inner = depth(free)
    if inner.max() == 0:
        return _one_of(component, rng)
    return _one_of(inner == inner.max(), rng)


def _one_of(pixels: Mask, rng: np.random.Generator) -> tuple[int, ...]:
    where = np.flatnonzero(pixels)
    return tuple(int(k) for k in np.unravel_index(int(rng.choice(where)), pixels.shape))
