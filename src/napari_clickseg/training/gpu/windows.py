"""Windows of training on the device: a batch is placed, turned, bent and cut from the pool's flat arrays at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from napari_clickseg.training.gpu.pack import POINTS
from napari_clickseg.training.gpu.pool import AREA, DEPTH, PLACES, TARGET, Pool

TRIES = 24
"""Places of a window at which another target is looked for."""
SMALLEST_TARGET = 24.0
"""In window pixels."""
OTHERS_SHARE = 0.5
"""How often a random part of the other objects is known."""


@dataclass(frozen=True, slots=True)
class Placing:
    """How windows lie around objects.

    Attributes
    ----------
    share, octaves : float
        Diameter over side: middle and deviation (in octaves) of most windows.
    any_scale : float
        How many windows are of any scale instead, the share log-uniform between `lowest` and `highest`.
    shift : float
        By how much of the side a window is moved off the point or the middle it is cut around, at most.
    """

    share: float = 0.46
    octaves: float = 0.45
    any_scale: float = 0.2
    lowest: float = 0.06
    highest: float = 1.8
    shift: float = 0.22
    plain: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """A batch of windows, each with several targets.

    Attributes
    ----------
    images : Tensor of float32
        (batch, 3, side, side) in 0..1.
    labels : Tensor of int32
        (batch, side, side), rows of the pool's objects.
    targets : Tensor of int64
        (batch, targets), rows of objects.
    zoom : Tensor of float32
        (batch,): window pixels per plane pixel.
    depths, middles, diameters : Tensor of float32
        Of the object at each pixel, for the dense maps, in window pixels: (batch, side, side), (batch, side, side, 2),
        (batch, side, side); 0 where there is none.
    complete : Tensor of bool
        (batch,).
    """

    images: Tensor
    labels: Tensor
    targets: Tensor
    zoom: Tensor
    depths: Tensor
    middles: Tensor
    diameters: Tensor
    complete: Tensor

    def truths(self) -> Tensor:
        """Return the targets' masks, bool (batch * targets, side, side)."""
        side = self.labels.shape[-1]
        return (self.labels[:, None] == self.targets[:, :, None, None]).reshape(-1, side, side)

    def labels_of_targets(self) -> Tensor:
        """Return each window's labels once per target, (batch * targets, side, side)."""
        repeated = self.labels[:, None].expand(-1, self.targets.shape[1], -1, -1)
        return repeated.reshape(-1, *self.labels.shape[1:])

    def full_areas(self, pool: Pool) -> Tensor:
        """Return the targets' areas in window pixels, what lies outside of the window included, (batch * targets,)."""
        return (pool.objects[self.targets, AREA] * self.zoom[:, None] ** 2).reshape(-1)

    def others(self, chance: Tensor) -> Tensor:
        """Return a random part of the other objects of each target's window, bool (batch * targets, side, side).

        Parameters
        ----------
        chance : Tensor
            (batch * targets,): how many of the others are known.
        """
        labels = self.labels_of_targets()
        seeds = torch.randint(1, 1 << 20, (len(labels), 1, 1), device=labels.device)
        luck = ((labels.long() * 2654435761 + seeds * 40503) % 65521).float() / 65521
        other = (labels > 0) & (labels != self.targets.reshape(-1, 1, 1))
        return other & (luck < chance.reshape(-1, 1, 1))


def cut_windows(pool: Pool, rows: Tensor, side: int, placing: Placing, targets: int) -> Windows:
    """Cut a window around each object and find further targets in it.

    Parameters
    ----------
    rows : Tensor of int64
        (batch,), objects of the pool.
    targets : int
        How many per window; where there are fewer, the first one is there again.
    """
    count, device = len(rows), pool.device
    objects, planes = pool.objects[rows], pool.planes[rows]
    size = _sizes(objects, pool.shapes[planes, 0].amax(1), placing)
    turn = _turns(count, device, placing)
    centre = _centres(objects, size, placing)
    grid = _grid(side, device) + (0 if placing.plain else _bends(count, side, device))
    places = centre[:, None, None] + torch.einsum("bij,byxj->byxi", turn * (size / 2)[:, None, None], grid)
    labels = _labels_at(pool, planes, places)
    images = _pixels_at(pool, planes, places, size / side)
    zoom = side / size
    chosen = _further_targets(pool, labels, rows, zoom, targets)
    seen = pool.objects[labels.long()]
    boxes = torch.stack(((seen[..., 0] + seen[..., 2] - 1) / 2, (seen[..., 1] + seen[..., 3] - 1) / 2), dim=-1)
    offsets = torch.einsum("bij,byxj->byxi", _inverse(turn), boxes - places) * zoom[:, None, None, None]
    offsets = torch.where((labels > 0)[..., None], offsets, 0.0)
    diameters = 2 * (seen[..., AREA] / math.pi).sqrt() * zoom[:, None, None]
    depth = seen[..., DEPTH] * zoom[:, None, None]
    return Windows(images, labels, chosen, zoom, depth, offsets, diameters, pool.complete[planes])


def _sizes(objects: Tensor, longest: Tensor, placing: Placing) -> Tensor:
    """Sides of the windows in plane pixels."""
    diameter, like = 2 * (objects[:, AREA] / math.pi).sqrt(), objects[:, AREA]
    if placing.plain and not placing.any_scale:
        share = torch.full_like(like, placing.share)
    else:
        usual = placing.share * torch.exp2(placing.octaves * torch.randn_like(like)).clamp(0.25, 2.6)
        low, high = math.log(placing.lowest), math.log(placing.highest)
        free = torch.exp(low + (high - low) * torch.rand_like(like))
        share = torch.where(torch.rand_like(like) < placing.any_scale, free, usual)
    return torch.minimum(diameter / share, 1.6 * longest).clamp_min(24.0)


def _turns(count: int, device: torch.device, placing: Placing) -> Tensor:
    """Rotations with stretching and flips, (batch, 2, 2)."""
    if placing.plain:
        return torch.eye(2, device=device).expand(count, 2, 2)
    uniform = torch.rand((4, count), device=device)
    angle = torch.where(uniform[0] < 0.6, 2 * math.pi * uniform[1], (4 * uniform[1]).floor() * (math.pi / 2))
    stretch = torch.exp(0.1 * torch.randn(count, device=device))
    flip = torch.where(uniform[2] < 0.5, 1.0, -1.0)
    rotation = torch.stack((angle.cos(), -angle.sin(), angle.sin(), angle.cos()), dim=1).reshape(-1, 2, 2)
    return rotation * torch.stack((stretch * flip, 1 / stretch), dim=1)[:, None]


def _inverse(turn: Tensor) -> Tensor:
    """Of matrices (batch, 2, 2)."""
    (a, b), (c, d) = (turn[:, k].unbind(1) for k in (0, 1))
    adjugate = torch.stack((d, -b, -c, a), dim=1).reshape(-1, 2, 2)
    return adjugate / (a * d - b * c)[:, None, None]


def _centres(objects: Tensor, size: Tensor, placing: Placing) -> Tensor:
    """Middles of the windows: a random point of the object or the middle of its box, moved a little."""
    count, device = len(objects), objects.device
    nth = torch.randint(0, POINTS, (count,), device=device)
    point = torch.stack([objects.gather(1, (PLACES + 2 * nth + axis)[:, None])[:, 0] for axis in (0, 1)], dim=1)
    middle = (objects[:, 0:2] + objects[:, 2:4] - 1) / 2
    if placing.plain and not placing.any_scale:
        base = middle
    else:
        base = torch.where(torch.rand((count, 1), device=device) < 0.65, point, middle)
    return base + (2 * torch.rand((count, 2), device=device) - 1) * placing.shift * size[:, None]


def _grid(side: int, device: torch.device) -> Tensor:
    line = torch.linspace(-1 + 1 / side, 1 - 1 / side, side, device=device)
    return torch.stack(torch.meshgrid(line, line, indexing="ij"), dim=-1)[None]


def _bends(count: int, side: int, device: torch.device) -> Tensor:
    """Smooth displacements (batch, side, side, 2) of a third of the windows."""
    strength = torch.where(torch.rand(count, device=device) < 0.35, 0.02 + 0.05 * torch.rand(count, device=device), 0.0)
    coarse = strength[:, None, None, None] * torch.randn((count, 2, 5, 5), device=device)
    fine = functional.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)
    return fine.permute(0, 2, 3, 1)


def _labels_at(pool: Pool, planes: Tensor, places: Tensor) -> Tensor:
    """The labels at the pixels nearest to places (batch, y, x, 2); beyond the plane its edge goes on."""
    shape = pool.shapes[planes, 0][:, None, None]
    nearest = torch.minimum(places.round().long().clamp_min(0), shape - 1)
    index = pool.label_starts[planes][:, None, None] + nearest[..., 0] * shape[..., 1] + nearest[..., 1]
    return pool.labels[index]


def _pixels_at(pool: Pool, planes: Tensor, places: Tensor, reduction: Tensor) -> Tensor:
    """Pixels (batch, 3, y, x) in 0..1, bilinear, from the level nearest to the windows' own resolution."""
    level = torch.log2(reduction.clamp_min(1e-3)).round().long().clamp_min(0)
    level = torch.minimum(level, pool.levels[planes] - 1)
    shape = pool.shapes[planes, level][:, None, None]
    start = pool.starts[planes, level][:, None, None]
    scale = torch.exp2(level.float())[:, None, None, None]
    at = torch.minimum(((places + 0.5) / scale - 0.5).clamp_min(0), (shape - 1).float())
    low = at.floor().long()
    high = torch.minimum(low + 1, shape - 1)
    part = at - low
    total = torch.zeros((*places.shape[:3], 3), device=places.device)
    for row, along_y in ((low[..., 0], 1 - part[..., :1]), (high[..., 0], part[..., :1])):
        for column, along_x in ((low[..., 1], 1 - part[..., 1:]), (high[..., 1], part[..., 1:])):
            total += along_y * along_x * pool.pixels[start + row * shape[..., 1] + column].float()
    return (total / 255).permute(0, 3, 1, 2).contiguous()


def _further_targets(pool: Pool, labels: Tensor, rows: Tensor, zoom: Tensor, targets: int) -> Tensor:
    """The first target and others that are met at random places of the middle half, (batch, targets)."""
    side, device = labels.shape[-1], labels.device
    chosen = [rows]
    if targets > 1:
        quarter = side // 4
        places = quarter + torch.randint(0, side - 2 * quarter, (2, len(rows), TRIES), device=device)
        met = labels.reshape(len(rows), -1).gather(1, places[0] * side + places[1]).long()
        seen = pool.objects[met]
        fits = (met > 0) & (seen[..., TARGET] > 0) & (seen[..., AREA] * zoom[:, None] ** 2 >= SMALLEST_TARGET)
        for _ in range(targets - 1):
            for known in chosen:
                fits = fits & (met != known[:, None])
            first = fits.float().argmax(dim=1, keepdim=True)
            found = met.gather(1, first)[:, 0]
            chosen.append(torch.where(fits.any(dim=1), found, rows))
    return torch.stack(chosen, dim=1)
