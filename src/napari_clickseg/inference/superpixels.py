"""Superpixels: small patches of like pixels, and clicks and boxes in terms of them.

How the network sees them, `guidance` decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from skimage.segmentation import slic
from torch import Tensor
from torch.nn import functional

Spread = Callable[..., Iterable[npt.NDArray[np.int32]]]
"""`map`, or the method of an executor that does the same with several processes."""
ITERATIONS = 3
"""Rounds of SLIC; small superpixels hardly move after these."""
COMPACTNESS = 0.1
"""Lying one spacing of the superpixels apart counts as much as this share of an image's range of values."""

SMOOTHING = 1.0
"""Sigma in pixels. Noise tears superpixels to shreds, and joining the shreds leaves a handful of large ones."""


def superpixels(image: npt.NDArray[np.floating], count: int) -> npt.NDArray[np.int32]:
    """Return the SLIC superpixel of each pixel.

    Parameters
    ----------
    image : array
        (y, x, 3), of any range: it is scaled to 0 .. 1.
    count : int
        How many are wanted. SLIC starts on a grid and comes close; there are at most as many as pixels.

    Returns
    -------
    array of int32
        (y, x), counted from 0.
    """
    labels = slic(
        image,
        n_segments=count,
        compactness=COMPACTNESS,
        max_num_iter=ITERATIONS,
        sigma=SMOOTHING,
        convert2lab=False,
        start_label=0,
        channel_axis=-1,
    )
    return cast(npt.NDArray[np.int32], labels.astype(np.int32))


def of_windows(images: Tensor, count: int, spread: Spread = map) -> Tensor:
    """Return the superpixels of windows (batch, 3, y, x) as int32 labels (batch, 1, y, x) on the windows' device.

    `spread` is `map`, or that of an executor, which computes several windows at a time.
    """
    planes = images.detach().float().cpu().permute(0, 2, 3, 1).contiguous().numpy()
    labels = np.stack(list(spread(superpixels, list(planes), [count] * len(planes))))
    return torch.from_numpy(labels)[:, None].to(images.device)


def superpixels_at(labels: Tensor, points: Tensor) -> Tensor:
    """Return the superpixel under each point.

    Parameters
    ----------
    labels : Tensor of int
        (batch, 1, y, x).
    points : Tensor
        (batch, clicks, 2), (y, x) in pixels.

    Returns
    -------
    Tensor of int64
        (batch, clicks). A point outside the window lies on none: it gets the number after the highest label.
    """
    size = torch.tensor(labels.shape[-2:], device=points.device)
    pixels = torch.floor(points + 0.5).long()
    inside = ((pixels >= 0) & (pixels < size)).all(dim=2)
    flat = (pixels[..., 0] * size[1] + pixels[..., 1]).where(inside, 0)
    return labels.flatten(1).long().gather(1, flat).where(inside, labels.max() + 1)


def centroids(labels: Tensor) -> Tensor:
    """Return the centroids (batch, highest label + 1, 2) of superpixels; (0, 0) for a label that a window lacks."""
    batch, _, rows, columns = labels.shape
    index = labels.flatten(1).long()
    y = torch.arange(rows, device=labels.device, dtype=torch.float32).repeat_interleave(columns)
    x = torch.arange(columns, device=labels.device, dtype=torch.float32).repeat(rows)
    counted = torch.stack((y, x, torch.ones_like(y)), dim=1).expand(batch, -1, -1)
    sums = torch.zeros((batch, int(labels.max()) + 1, 3), device=labels.device)
    sums = sums.scatter_add(1, index[..., None].expand(-1, -1, 3), counted)
    return sums[..., :2] / sums[..., 2:].clamp_min(1)


def centroid_distances(labels: Tensor, points: Tensor) -> Tensor:
    """Return how far each pixel's superpixel is from the nearest superpixel with a point on it.

    Between centroids; equation 1 of Majumder et al. 2020.

    Returns
    -------
    Tensor of float32
        (batch, 1, y, x) in pixels; infinite where there is no point.
    """
    centres = centroids(labels)
    # One column more than there are, infinitely far, for points that lie on no superpixel and for lists without points.
    clicked = functional.pad(superpixels_at(labels, points), (0, 1), value=centres.shape[1])
    ends = functional.pad(centres, (0, 0, 0, 1), value=torch.inf).gather(1, clicked[..., None].expand(-1, -1, 2))
    apart = torch.cdist(centres, ends, compute_mode="donot_use_mm_for_euclid_dist").amin(dim=2)
    return apart.gather(1, labels.flatten(1).long()).reshape(labels.shape)


def box_of_superpixels(labels: Tensor, inside: Tensor, added: Tensor, removed: Tensor) -> Tensor:
    """Return the superpixels that touch a region, with those of some points and without those of others.

    Equations 2 to 6 of Majumder et al. 2020; a superpixel that is both added and removed is removed.

    Parameters
    ----------
    labels : Tensor of int
        (batch, 1, y, x).
    inside : Tensor of bool
        The region, of the same shape.
    added, removed : Tensor
        Points, (batch, clicks, 2).

    Returns
    -------
    Tensor of float32
        1 on the superpixels, else 0; of the same shape.
    """
    index = labels.flatten(1).long()
    # One column more than there are superpixels, for points that lie on none.
    chosen = torch.zeros((len(labels), int(labels.max()) + 2), device=labels.device)
    chosen = chosen.scatter_add(1, index, inside.flatten(1).float())
    chosen = chosen.scatter(1, superpixels_at(labels, added), 1.0)
    chosen = chosen.scatter(1, superpixels_at(labels, removed), 0.0)
    return (chosen.gather(1, index) > 0).float().reshape(labels.shape)
