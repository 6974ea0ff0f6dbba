"""Masks that corrections start from, for a whole batch at once: how methods err, neighbouring frames and loose boxes.

As `core.simulated_errors`, and three more: masks carried from a neighbouring frame (moved, turned, grown), masks eaten
by a neighbour, and ellipses in a box drawn loosely around the object.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from napari_clickseg.training.gpu.distances import squared_distances

TRIES = 32
"""Places at which a near neighbour is looked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """True masks and what damage is measured by.

    Attributes
    ----------
    truths : Tensor of bool
        (batch, y, x).
    labels : Tensor of int32
        (batch, y, x), all objects of the window.
    signed : Tensor
        Distance to the border, positive inside (batch, y, x).
    size : Tensor
        Diameter of the disk of this area (batch, 1, 1).
    y, x : Tensor
        Offsets from the centroid (batch, y, x).
    """

    truths: Tensor
    labels: Tensor
    signed: Tensor
    size: Tensor
    y: Tensor
    x: Tensor

    @classmethod
    def of(cls, truths: Tensor, labels: Tensor) -> Objects:
        """Measure masks (batch, y, x)."""
        signed = squared_distances(~truths).float().sqrt() - squared_distances(truths).float().sqrt()
        area = truths.sum((1, 2)).clamp_min(1)
        line = torch.arange(truths.shape[1], device=truths.device, dtype=torch.float32)
        rows, columns = line[None, :, None], line[None, None, :]
        middle_y = (truths * rows).sum((1, 2)) / area
        middle_x = (truths * columns).sum((1, 2)) / area
        y = (rows - middle_y[:, None, None]).expand(truths.shape)
        x = (columns - middle_x[:, None, None]).expand(truths.shape)
        return cls(truths, labels, signed, 2 * (area / math.pi).sqrt()[:, None, None], y, x)

    def uniform(self, low: float, high: float) -> Tensor:
        """Return random numbers (batch, 1, 1)."""
        return low + (high - low) * torch.rand_like(self.size)

    def normal(self) -> Tensor:
        """Return random numbers (batch, 1, 1) of deviation 1."""
        return torch.randn_like(self.size)


def starting_masks(truths: Tensor, labels: Tensor) -> Tensor:
    """Return a mask with an error for each object, drawn from `KINDS`, bool (batch, y, x)."""
    objects = Objects.of(truths, labels)
    kind = torch.randint(0, len(KINDS), (len(truths), 1, 1), device=truths.device)
    masks = torch.zeros_like(truths)
    for number, damage in enumerate(KINDS):
        masks = torch.where(kind == number, damage(objects), masks)
    return masks


def merged(objects: Objects) -> Tensor:
    """Joined with a near neighbour, or two; where there is none, with a wavy outline."""
    other = _near_neighbour(objects)
    joined = objects.truths | (objects.labels == other) & (other > 0)
    closed = functional.max_pool2d(joined[:, None].float(), 3, 1, 1)[:, 0] > 0
    return torch.where(other > 0, closed, wavy(objects))


def halved(objects: Objects) -> Tensor:
    """Cut off along a line, as where one object was split into two."""
    angle = objects.uniform(0, 2 * math.pi)
    along = objects.y * angle.cos() + objects.x * angle.sin()
    return objects.truths & (along < objects.uniform(-0.2, 0.35) * objects.size)


def wavy(objects: Objects) -> Tensor:
    """A wavy outline, inside or outside the true one."""
    side = objects.truths.shape[1]
    waves = torch.zeros_like(objects.signed)
    for cells in (5, 11):
        coarse = torch.randn((len(waves), 1, cells, cells), device=waves.device)
        waves = waves + functional.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)[:, 0]
    return objects.signed + 0.07 * objects.size * waves + 0.06 * objects.normal() * objects.size > 0


def carried(objects: Objects) -> Tensor:
    """Moved by up to a third of the diameter, turned and grown or shrunk, as a mask taken from a neighbouring frame."""
    angle, zoom = 0.2 * objects.normal(), torch.exp2(0.2 * objects.normal())
    y = (objects.y * angle.cos() + objects.x * angle.sin()) * zoom - 0.15 * objects.normal() * objects.size
    x = (objects.x * angle.cos() - objects.y * angle.sin()) * zoom - 0.15 * objects.normal() * objects.size
    rows = torch.arange(y.shape[1], device=y.device, dtype=torch.float32)
    middle_y, middle_x = rows[None, :, None] - objects.y, rows[None, None, :] - objects.x
    return _looked_up(objects.truths, y + middle_y, x + middle_x)


def eaten(objects: Objects) -> Tensor:
    """Less what a neighbour, grown by a few pixels, and a round bite take of it."""
    others = ((objects.labels > 0) & ~objects.truths)[:, None].float()
    grown = functional.max_pool2d(others, 9, 1, 4)[:, 0] > 0
    return objects.truths & ~grown & ~_disk(objects, objects.truths, objects.uniform(0.15, 0.35))


def holed(objects: Objects) -> Tensor:
    """With a round piece missing."""
    return objects.truths & ~_disk(objects, objects.truths, objects.uniform(0.1, 0.35))


def spilled(objects: Objects) -> Tensor:
    """With a round piece too much at its rim."""
    rim = (objects.signed < 0) & (objects.signed > -2.5)
    return objects.truths | _disk(objects, rim, objects.uniform(0.15, 0.45))


def boxed(objects: Objects) -> Tensor:
    """The ellipse in a box that was drawn loosely around the object."""
    reach = []
    for offsets in (objects.y, objects.x):
        inside = offsets.masked_fill(~objects.truths, 0.0)
        low, high = inside.amin((1, 2), keepdim=True), inside.amax((1, 2), keepdim=True)
        extent = (high - low).clamp_min(4.0)
        low, high = (end + step * objects.uniform(-0.05, 0.25) * extent for end, step in ((low, -1), (high, 1)))
        reach.append((offsets - (low + high) / 2) / ((high - low) / 2).clamp_min(2.0))
    return reach[0] ** 2 + reach[1] ** 2 < 1


KINDS: tuple[Callable[[Objects], Tensor], ...] = (merged, halved, wavy, carried, eaten, holed, spilled, boxed)


def _near_neighbour(objects: Objects) -> Tensor:
    """The label, of those met at random places, that lies nearest to the object (batch, 1, 1); 0 where none was met."""
    count, side, _ = objects.truths.shape
    places = torch.randint(0, side * side, (count, TRIES), device=objects.truths.device)
    met = objects.labels.reshape(count, -1).gather(1, places)
    own = objects.truths.reshape(count, -1).gather(1, places)
    away = -objects.signed.reshape(count, -1).gather(1, places)
    nearest = torch.where((met > 0) & ~own, away, torch.inf).argmin(dim=1, keepdim=True)
    found = met.gather(1, nearest).masked_fill(own.gather(1, nearest), 0)
    return found[:, :, None]


def _disk(objects: Objects, around: Tensor, share: Tensor) -> Tensor:
    """A disk around a random pixel of `around`, its radius a share of the object's size."""
    count, side, _ = around.shape
    luck = torch.where(around, torch.rand_like(objects.signed), -1.0).reshape(count, -1)
    index = luck.argmax(dim=1)
    line = torch.arange(side, device=around.device, dtype=torch.float32)
    y = line[None, :, None] - (index // side)[:, None, None]
    x = line[None, None, :] - (index % side)[:, None, None]
    return y**2 + x**2 < (share * objects.size) ** 2


def _looked_up(masks: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Masks (batch, y, x) at places; False beyond the rim."""
    side = masks.shape[1]
    rows, columns = y.round().long(), x.round().long()
    inside = (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
    index = rows.clamp(0, side - 1) * side + columns.clamp(0, side - 1)
    found = masks.reshape(len(masks), -1).gather(1, index.reshape(len(masks), -1)).reshape(masks.shape)
    return found & inside
