"""Exact Euclidean distance transforms of a batch of masks at once, on any device and without a loop over masks."""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK = 128
"""Masks at a time: the second pass compares all pairs of pixels of a row."""
FARTHEST = 180
"""Along one axis, a distance stands for "none" from here on; its square is the largest that 16 bits hold twice."""


def squared_distances(sites: Tensor) -> Tensor:
    """Return each pixel's squared distance to the nearest True pixel of its mask.

    Two passes of exact minima (Felzenszwalb and Huttenlocher 2012), the second over all pairs of a row.

    Parameters
    ----------
    sites : Tensor of bool
        (batch, y, x), sides at most 180.

    Returns
    -------
    Tensor of int32
        (batch, y, x); 0 on the sites, at least 180 ** 2 / 2 in a mask without any.

    Examples
    --------
    >>> squared_distances(torch.tensor([[[True, False, False], [False, False, False]]])).tolist()
    [[[0, 1, 4], [1, 2, 5]]]
    """
    along = _along_columns(sites)
    squares = (along * along).clamp_max(FARTHEST**2 // 2).to(torch.int16)
    line = torch.arange(sites.shape[2], device=sites.device, dtype=torch.int16)
    apart = (line[:, None] - line[None, :]) ** 2
    parts = [(part[:, :, None, :] + apart).amin(dim=3) for part in torch.split(squares, CHUNK)]
    return torch.cat(parts).int()


def depths(masks: Tensor) -> Tensor:
    """Return each pixel's distance to the nearest pixel outside its mask (batch, y, x); beyond the rim is outside.

    >>> depths(torch.ones(1, 3, 3, dtype=torch.bool))[0, 1].tolist()
    [1.0, 2.0, 1.0]
    """
    padded = torch.nn.functional.pad(masks, (1, 1, 1, 1))
    return squared_distances(~padded)[:, 1:-1, 1:-1].float().sqrt()


def _along_columns(sites: Tensor) -> Tensor:
    """The distance to the nearest site above or below, at most FARTHEST."""
    rows = torch.arange(sites.shape[1], device=sites.device, dtype=torch.int32)[None, :, None]
    nothing = torch.full_like(rows, -FARTHEST)
    above = torch.where(sites, rows, nothing).cummax(dim=1).values
    below = torch.where(sites.flip(1), rows, nothing).cummax(dim=1).values.flip(1)
    last = sites.shape[1] - 1
    return torch.minimum(rows - above, (last - below) - rows).clamp(0, FARTHEST)
