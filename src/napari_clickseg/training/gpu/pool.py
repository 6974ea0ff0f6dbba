"""Pool: all training planes on one device, one after the other in flat arrays, so that a batch is cut by one gather.

Real planes come first. Drawn ones follow in slots of one size, which are filled again and again during training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from napari_clickseg.training.gpu.pack import COLUMNS, PackedPlane

LEVELS = 5
"""Every plane is there at full size and four times halved."""
SLOT_OBJECTS = 160
"""Objects of a drawn plane that are distinguished as targets."""
AREA, DEPTH, TARGET, PLACES = 4, 5, 6, 7
"""Columns of an object's row; its box comes before them, its points follow."""


@dataclass(frozen=True, slots=True)
class SlotPlaces:
    """Where the slots of drawn planes begin in the flat arrays of a pool."""

    side: int
    count: int
    pixels: int
    labels: int
    planes: int
    objects: int

    @property
    def size(self) -> int:
        """Pixels of a slot over all its levels."""
        return sum((self.side >> k) ** 2 for k in range(LEVELS))


@dataclass(slots=True, eq=False)
class Pool:
    """Mutable: only the slots change.

    Attributes
    ----------
    pixels : Tensor of uint8
        (pixels of all planes and levels, 3).
    labels : Tensor of int32
        (pixels of full size,): an object's row in `objects`, 0 where there is none.
    objects : Tensor of float32
        (objects, COLUMNS); the first row is nobody's.
    planes : Tensor of int64
        (objects,): the plane of each object.
    shapes, starts : Tensor of int64
        (planes, LEVELS, 2) and (planes, LEVELS): rows and columns of each level, and where it begins in `pixels`.
    levels, label_starts : Tensor of int64
        (planes,): how many levels there are, and where the labels begin.
    complete : Tensor of bool
        (planes,): whether what carries no label is background.
    chances : Tensor of float64
        (objects,): running sum of the chance to be drawn, real targets only.
    filled, targets : Tensor of int64
        (1,) slots that hold a plane; (slots,) targets of each.
    """

    pixels: Tensor
    labels: Tensor
    objects: Tensor
    planes: Tensor
    shapes: Tensor
    starts: Tensor
    levels: Tensor
    label_starts: Tensor
    complete: Tensor
    chances: Tensor
    filled: Tensor
    targets: Tensor
    slots: SlotPlaces
    newest: int = 0

    @property
    def device(self) -> torch.device:
        return self.pixels.device

    def draw(self, count: int, drawn_share: float | Tensor) -> Tensor:
        """Return rows of objects: drawn ones for `drawn_share` of them, once a slot is filled, real ones otherwise."""
        device = self.device
        real = torch.searchsorted(
            self.chances, torch.rand(count, device=device, dtype=torch.float64) * self.chances[-1]
        )
        real = real.clamp_max(len(self.chances) - 1)
        if not self.slots.count:
            return real
        slot = (torch.rand(count, device=device) * self.filled).long().clamp_max(self.slots.count - 1)
        nth = (torch.rand(count, device=device) * self.targets[slot]).long()
        drawn = self.slots.objects + slot * SLOT_OBJECTS + nth
        is_drawn = (torch.rand(count, device=device) < drawn_share) & (self.filled > 0)
        return torch.where(is_drawn, drawn, real)

    def fill(self, plane: PackedPlane) -> bool:
        """Put a drawn plane into the next slot, over the oldest one where all are taken; False if it has no target.

        Raises
        ------
        ValueError
            Where the plane is not a square of the slots' side.
        """
        places, device = self.slots, self.device
        if plane.labels.shape != (places.side, places.side):
            raise ValueError(f"A drawn plane is {plane.labels.shape}; wanted is a square of {places.side} pixels.")
        is_target = plane.rows[:, TARGET] > 0
        order = np.concatenate((np.flatnonzero(is_target), np.flatnonzero(~is_target)))[:SLOT_OBJECTS]
        if not is_target.any():
            return False
        slot = self.newest % places.count
        first = places.objects + slot * SLOT_OBJECTS
        row_of = np.zeros(len(plane.rows) + 1, np.int32)
        row_of[order + 1] = first + np.arange(len(order))
        pixels = torch.cat(_flat_levels(torch.from_numpy(plane.pixels).to(device), LEVELS))
        begin, start = places.pixels + slot * places.size, places.labels + slot * places.side**2
        self.pixels[begin : begin + len(pixels)] = pixels
        self.labels[start : start + places.side**2] = torch.from_numpy(row_of[plane.labels].ravel()).to(device)
        self.objects[first : first + len(order)] = torch.from_numpy(plane.rows[order]).to(device)
        self.targets[slot] = min(int(is_target.sum()), SLOT_OBJECTS)
        self.newest += 1
        self.filled.fill_(min(self.newest, places.count))
        return True


def make_pool(
    planes: Sequence[PackedPlane], weights: Mapping[str, float], device: torch.device, slots: int = 0, side: int = 256
) -> Pool:
    """Return the pool of these planes, with empty slots for drawn ones.

    A source is drawn by its weight, a plane of it by the square root of its number of targets, then a target.

    Raises
    ------
    ValueError
        Where none of the planes is of a source with a weight.
    """
    planes = [plane for plane in planes if weights.get(plane.entry.source, 0) > 0 and (plane.rows[:, TARGET] > 0).any()]
    if not planes:
        raise ValueError(f"The pack holds no plane of {', '.join(weights)}.")
    pixels, labels, shapes, starts, levels, label_starts, of_object = [], [], [], [], [], [], [0]
    begin, start, row = 0, 0, 1
    for number, plane in enumerate(planes):
        count = _levels_of(plane.labels.shape)
        flat = _flat_levels(torch.from_numpy(plane.pixels).to(device), count)
        shapes.append(_level_shapes(plane.labels.shape))
        starts.append(_level_starts(begin, plane.labels.shape))
        levels.append(count)
        label_starts.append(start)
        marks = torch.from_numpy(plane.labels.ravel()).to(device)
        labels.append(torch.where(marks > 0, marks + (row - 1), 0))
        pixels += flat
        of_object += [number] * len(plane.rows)
        begin, start, row = begin + sum(map(len, flat)), start + plane.labels.size, row + len(plane.rows)
    places = SlotPlaces(side, slots, begin, start, len(planes), row)
    for slot in range(slots):
        shapes.append(_level_shapes((side, side)))
        starts.append(_level_starts(begin + slot * places.size, (side, side)))
        label_starts.append(start + slot * side**2)
        of_object += [len(planes) + slot] * SLOT_OBJECTS
    pixels.append(torch.zeros((slots * places.size, 3), dtype=torch.uint8, device=device))
    labels.append(torch.zeros(slots * side**2, dtype=torch.int32, device=device))
    rows = [np.zeros((1, len(COLUMNS)), np.float32), *(plane.rows for plane in planes)]
    rows.append(np.ones((slots * SLOT_OBJECTS, len(COLUMNS)), np.float32))
    whole = [plane.entry.complete for plane in planes] + [True] * slots

    def on_device(values: object) -> Tensor:
        return torch.tensor(values, device=device)

    return Pool(
        torch.cat(pixels),
        torch.cat(labels),
        torch.from_numpy(np.concatenate(rows)).to(device),
        on_device(of_object),
        on_device(shapes),
        on_device(starts),
        on_device(levels + [LEVELS] * slots),
        on_device(label_starts),
        on_device(whole),
        torch.from_numpy(_running_chances(planes, weights)).to(device),
        torch.zeros(1, dtype=torch.int64, device=device),
        torch.zeros(max(slots, 1), dtype=torch.int64, device=device),
        places,
    )


def _running_chances(planes: Sequence[PackedPlane], weights: Mapping[str, float]) -> npt.NDArray[np.float64]:
    roots = [float(np.sqrt((plane.rows[:, TARGET] > 0).sum())) for plane in planes]
    totals: dict[str, float] = {}
    for plane, root in zip(planes, roots, strict=True):
        totals[plane.entry.source] = totals.get(plane.entry.source, 0) + root
    chances = [np.zeros(1)]
    for plane, root in zip(planes, roots, strict=True):
        is_target = plane.rows[:, TARGET] > 0
        share = weights[plane.entry.source] * root / totals[plane.entry.source]
        chances.append(share * is_target / is_target.sum())
    return np.cumsum(np.concatenate(chances))


def _levels_of(shape: tuple[int, ...]) -> int:
    return next((k for k in range(LEVELS) if min(shape) >> k < 32), LEVELS) or 1


def _level_shapes(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(max(shape[0] >> k, 1), max(shape[1] >> k, 1)) for k in range(LEVELS)]


def _level_starts(begin: int, shape: tuple[int, ...]) -> list[int]:
    sizes = [rows * columns for rows, columns in _level_shapes(shape)]
    return [begin + sum(sizes[:k]) for k in range(LEVELS)]


def _flat_levels(pixels: Tensor, count: int) -> list[Tensor]:
    """A plane (y, x, 3) and its halves of halves, each as (pixels, 3)."""
    level = pixels.permute(2, 0, 1)[None].float()
    flat = [pixels.reshape(-1, 3)]
    for _ in range(1, count):
        level = functional.avg_pool2d(level, 2)
        flat.append(level[0].round().to(torch.uint8).permute(1, 2, 0).reshape(-1, 3))
    return flat
