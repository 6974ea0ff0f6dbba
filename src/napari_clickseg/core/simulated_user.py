"""Where would a person click next? Training, benchmark and tests all ask here.

Every robot looks at the pixels where a mask is wrong and aims at one of them; they differ in which, and in how exactly
they hit it. One begins with a second click beside the object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_clickseg.core.clicks import Click
from napari_clickseg.core.distances import Distances, depth
from napari_clickseg.core.regions import Region

Mask = npt.NDArray[np.bool_]
Pick = Callable[[Mask, Sequence[tuple[float, ...]], np.random.Generator], tuple[int, ...]]
"""(error pixels, earlier clicks' points, random numbers) -> the pixel to click."""
Slip = Callable[[np.random.Generator, int], npt.NDArray[np.intp]]
"""(random numbers, number of axes) -> by how many pixels a hand misses the pixel aimed at."""
Beside = Callable[[Mask, Mask, Sequence[float], np.random.Generator], tuple[int, ...] | None]
"""(object, background, the first click, random numbers) -> a pixel of the background, if there is any."""

ERODED_SHARE = 0.25
HUMAN_MISS = 0.25
HAND_SPREAD, FARTHEST_SLIP = 1.0, 3
"""By how many pixels a hand misses what it aims at: standard deviation along each axis, and at most."""
BOX_IOU = 0.7
"""The box that two clicks span must overlap the object's own box by this (Majumder et al. 2020, section 3.4)."""
DISTANCES_TRIED = 20
NARROWEST = 0.5
"""A box spanned by two clicks is at least this high for its width, and this wide for its height."""


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

    Ties are broken at random. The robot of ITIS; RITM and Forte et al. evaluate with the same rule.
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
    """Near the centre of the largest error component, as eyes judge it (within a quarter of its depth and a pixel).

    The hand then slips (`hand_slip`): a click that is meant for a thin error may land across its boundary.
    """
    component = largest_component(error)
    aim = np.array(_deepest(component, earlier, rng), float)
    spread = 1 + HUMAN_MISS * float(depth(component)[tuple(aim.astype(int))])
    near = np.rint(aim + rng.normal(0, spread, aim.size)).astype(int)
    where = np.argwhere(component)
    nearest = where[np.argmin(((where - near) ** 2).sum(axis=1))]
    return tuple(int(k) for k in nearest)


def pick_deepest(error: Mask, earlier: Sequence[tuple[float, ...]], rng: np.random.Generator) -> tuple[int, ...]:
    """The error pixel farthest from the boundary of all errors and from earlier clicks (BRS, of one kind of error)."""
    return _deepest(error, earlier, rng)


def hand_slip(rng: np.random.Generator, ndim: int) -> npt.NDArray[np.intp]:
    """A pixel or so along each axis, never more than `FARTHEST_SLIP`."""
    slip: npt.NDArray[np.intp] = np.rint(rng.normal(0, HAND_SPREAD, ndim)).astype(np.intp)
    return np.clip(slip, -FARTHEST_SLIP, FARTHEST_SLIP)


def pick_beside(
    truth: Mask, background: Mask, first: Sequence[float], rng: np.random.Generator
) -> tuple[int, ...] | None:
    """The background pixel that spans, with a first click in its middle, a box around the object (superpixel box).

    Of the pixels whose box overlaps the object's own by `BOX_IOU` (where there is none: the best), one at least d of
    Majumder et al. 2020, equation 7, away from the first click; d is drawn anew until there is one, at most
    `DISTANCES_TRIED` times, then it is the farthest. Width and height count half: of a compact object, no pixel as far
    off as the equation says as printed spans a box that overlaps so well. None where there is no background around the
    object.
    """
    box = Region.of_mask(truth)
    if box is None:
        return None
    near = box.grow(max(box.shape)).clip(truth.shape)
    off = background[near.slices]
    if not off.any():
        return None
    offsets = np.stack([axis - (f - a) for axis, f, a in zip(np.indices(near.shape), first, near.start, strict=True)])
    overlap = _box_overlap(np.abs(offsets), np.array(first), box)
    fits = off & (overlap >= min(BOX_IOU, float(overlap[off].max())))
    height, width = box.shape[0] / 2, box.shape[-1] / 2
    away = np.sqrt((offsets**2).sum(axis=0))
    for _ in range(DISTANCES_TRIED):
        uniform, normal = rng.random(), rng.normal()
        far = fits & (away >= (uniform - normal) * width + (1 + normal) * height)
        if far.any():
            break
    else:
        far = fits & (away == away[fits].max())
    return tuple(k + a for k, a in zip(_one_of(far, rng), near.start, strict=True))


def _box_overlap(reach: Distances, middle: npt.NDArray[np.float64], box: Region) -> Distances:
    """Overlap (IoU) of the object's box with boxes that reach so far from a middle, (axis, ..) -> (..)."""
    reach = np.maximum(reach, NARROWEST * reach.max(axis=0))
    column = (-1, *(1,) * (reach.ndim - 1))
    low, high = (np.reshape(end, column) - 0.5 for end in (box.start, box.stop))
    middle = middle.reshape(column)
    shared = np.minimum(middle + reach + 0.5, high) - np.maximum(middle - reach - 0.5, low)
    both = np.maximum(shared, 0).prod(axis=0)
    overlap: Distances = both / ((2 * reach + 1).prod(axis=0) + box.size - both)
    return overlap


ROBOTS: dict[str, Pick] = {
    "centre": pick_centre,
    "cluster": pick_cluster,
    "random": pick_random,
    "eroded": pick_eroded,
    "human": pick_human,
    "pair": pick_centre,
    "dominant": pick_deepest,
}
ONE_SIDED = frozenset(("dominant",))
"""Robots that look only at the kind of error, missing or too much, that has more pixels in all (BRS, section 4)."""
SLIPS: dict[str, Slip] = {"human": hand_slip}
"""Robots that miss what they aim at."""
SECOND_CLICKS: dict[str, Beside] = {"pair": pick_beside}
"""Robots whose second click is a negative one beside the object, right or wrong as the mask may be there."""


def next_click(
    truth: Mask,
    mask: Mask,
    earlier: Sequence[Click] = (),
    rng: np.random.Generator | None = None,
    robot: str = "centre",
    ignore: Mask | None = None,
    from_nothing: bool = True,
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
    from_nothing : bool
        Whether the object was begun without a mask: robots that open with a pair of clicks do so only then.

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
    if from_nothing and len(earlier) == 1 and robot in SECOND_CLICKS:
        background = ~truth if ignore is None else ~(truth | ignore)
        beside = SECOND_CLICKS[robot](truth, background, earlier[0].position, rng)
        if beside is not None:
            return Click(tuple(map(float, beside)), False)
    if robot in ONE_SIDED:
        missing, spilled = error & truth, error & ~truth
        error = spilled if spilled.sum() > missing.sum() else missing
    points = [tuple(np.subtract(click.position, box.start)) for click in earlier]
    aim = np.add(ROBOTS[robot](error[box.slices], points, rng), box.start)
    slip = SLIPS[robot](rng, truth.ndim) if robot in SLIPS else 0
    hit = np.clip(aim + slip, 0, np.array(truth.shape) - 1)
    return Click(tuple(map(float, hit)), bool(truth[tuple(aim)]))


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
