"""The simulated user for a whole batch at once: where the next click goes, and what the network is shown of the clicks.

As `core.simulated_user`, without a loop over objects. One thing differs: not the largest connected error is clicked but
the deepest one, which needs no search for connected pieces. Of a mask's errors the largest is mostly the deepest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_clickseg.training.gpu.distances import depths

NEAR = 0.8
"""Pixels with a narrower click map above this were clicked, or are next to one that was."""


@dataclass(frozen=True, slots=True, eq=False)
class ClickMaps:
    """What was clicked so far.

    Attributes
    ----------
    maps : Tensor of float32
        (batch, 2 * sizes, y, x): positive Gaussians, then negative ones, one per size.
    sizes : tuple of float
        Standard deviations in pixels.
    """

    maps: Tensor
    sizes: tuple[float, ...]

    @classmethod
    def empty(cls, like: Tensor, sizes: tuple[float, ...]) -> ClickMaps:
        """Return maps without clicks for masks (batch, y, x)."""
        return cls(like.new_zeros((len(like), 2 * len(sizes), *like.shape[1:]), dtype=torch.float32), sizes)

    def add(self, places: Tensor, positive: Tensor, made: Tensor) -> ClickMaps:
        """Return the maps with one more click each, where one was made.

        Parameters
        ----------
        places : Tensor
            (batch, 2) in pixels.
        positive, made : Tensor of bool
            (batch,).
        """
        side = torch.arange(self.maps.shape[-1], device=places.device, dtype=torch.float32)
        away_y, away_x = (side - places[:, 0:1]) ** 2, (side - places[:, 1:2]) ** 2
        drawn = []
        for sign in (positive & made, ~positive & made):
            for sigma in self.sizes:
                along_y, along_x = (torch.exp(-away / (2 * sigma**2)) for away in (away_y, away_x))
                drawn.append(along_y[:, :, None] * along_x[:, None, :] * sign[:, None, None])
        return ClickMaps(torch.maximum(self.maps, torch.stack(drawn, dim=1)), self.sizes)

    def clicked(self) -> Tensor:
        """Return which pixels were clicked, bool (batch, y, x)."""
        return (self.maps[:, 0] > NEAR) | (self.maps[:, len(self.sizes)] > NEAR)


@dataclass(frozen=True, slots=True, eq=False)
class NextClicks:
    """One click per mask: places (batch, 2), positive (batch,), and whether one was made (batch,)."""

    places: Tensor
    positive: Tensor
    made: Tensor


def first_clicks(truths: Tensor, spread: Tensor) -> NextClicks:
    """Return a first click on each object, up to `spread` off-centre, in the middle half of the window if it can be.

    Parameters
    ----------
    truths : Tensor of bool
        (batch, y, x).
    spread : Tensor
        (batch,): 0 is the deepest pixel, 1 any pixel of the object.
    """
    inner = depths(truths)
    quarter = truths.shape[-1] // 4
    middle = torch.zeros_like(truths)
    middle[:, quarter:-quarter, quarter:-quarter] = True
    central = inner * middle
    there = central.amax((1, 2), keepdim=True) > 0
    return _picked(torch.where(there, central, inner), spread, torch.ones_like(truths, dtype=torch.bool), slip=0.0)


def next_clicks(truths: Tensor, masks: Tensor, clicks: ClickMaps, spread: Tensor, slip: float = 0.1) -> NextClicks:
    """Return the click that corrects each mask: on its deepest error, up to `spread` off its deepest pixel.

    Parameters
    ----------
    truths, masks : Tensor of bool
        (batch, y, x).
    slip : float
        How many clicks miss what they aim at by a pixel or so.
    """
    return _picked(depths((truths != masks) & ~clicks.clicked()), spread, truths, slip)


def _picked(inner: Tensor, spread: Tensor, truths: Tensor, slip: float) -> NextClicks:
    """One of the pixels whose depth is at least 1 - spread of the deepest one's."""
    count, rows, columns = inner.shape
    deepest = inner.amax((1, 2), keepdim=True)
    near = inner >= ((1 - spread).reshape(-1, 1, 1) * deepest).clamp_min(0.5)
    luck = torch.where(near, torch.rand_like(inner), -1.0).reshape(count, -1)
    index = luck.argmax(dim=1, keepdim=True)
    positive = truths.reshape(count, -1).gather(1, index)[:, 0]
    places = torch.cat((index // columns, index % columns), dim=1).float()
    missed = (torch.rand((count, 1), device=inner.device) < slip) * torch.randn_like(places).round().clamp(-3, 3)
    places = (places + missed).clamp(0, rows - 1)
    return NextClicks(places, positive, deepest[:, 0, 0] > 0)
