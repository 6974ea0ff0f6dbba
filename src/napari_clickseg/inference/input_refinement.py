"""Insisting: a network's answer around clicks that it contradicts, refined by backpropagation until it obeys them.

Jang and Kim 2019, section 3.3: a network without click maps is given some that share its first convolution's weights,
which is to say that they are added to its input, and only they change. As published each of their pixels is free; a
network with full-resolution skips then changes its mind about little more than the clicked pixel. Here the input's
channels are scaled and shifted around each click, fading out as a Gaussian does, like the features of f-BRS (Sofiiuk et
al. 2020); and the energy counts a disk around each click, not one pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_clickseg.inference.brs import Clicked, Variables, refine
from napari_clickseg.inference.object_proposals import Pixel, distance_from

if TYPE_CHECKING:
    from napari_clickseg.core.jobs import Stop

SPREAD = 0.25
"""Standard deviation of the Gaussian around a click, in diameters."""
DISK = 0.2
"""Radius of the disk that has the click's label, in diameters."""
MOST_MARKED = 60
"""Of larger disks every second, third .. pixel counts."""


def insist(
    respond: Callable[[Tensor], Tensor],
    given: Tensor,
    clicks: Sequence[tuple[Pixel, bool]],
    diameter: float,
    looks: Iterator[object],
    stop: Stop,
) -> Tensor:
    """Return logits (1, 1, ...) that obey the clicks as far as the looks allow; the network's own where they do.

    Parameters
    ----------
    respond : callable
        What is given, (1, channels, ...) -> logits (1, 1, ...), differentiable.
    clicks : sequence of (pixel of `given`, positive)
    diameter : float
        Expected, in pixels of `given`.

    Raises
    ------
    Stopped
        Where `stop` was requested between two looks.
    """
    shape = tuple(given.shape[2:])
    near = torch.from_numpy(
        np.stack([np.exp(-0.5 * (distance_from(pixel, shape) / (SPREAD * diameter)) ** 2) for pixel, _ in clicks])
    ).to(given.device)
    flat = (1, 1, shape[0], math.prod(shape[1:]))

    def changed(variables: Tensor) -> Tensor:
        scale, shift = torch.einsum("nkc,n...->kc...", variables, near)
        return respond(given * (1 + scale) + shift).reshape(flat)

    start = torch.zeros((len(clicks), 2, given.shape[1]), device=given.device)
    marked = Clicked.of(_marked(clicks, shape, DISK * diameter), (flat[2], flat[3]), given.device)
    return refine(Variables(start, changed), marked, looks, stop).reshape(1, 1, *shape)


def _marked(
    clicks: Sequence[tuple[Pixel, bool]], shape: tuple[int, ...], radius: float
) -> list[tuple[tuple[float, ...], bool]]:
    """Every pixel that has a click's label, those nearest to a click of the other kind left out; two axes of each."""
    away = {pixel: distance_from(pixel, shape) for pixel, _ in clicks}
    marked = []
    for pixel, positive in clicks:
        others = [away[other] for other, sign in clicks if sign != positive]
        disk = away[pixel] <= min([radius, *(float(other[pixel]) / 2 for other in others)])
        places = np.argwhere(disk)
        step = math.ceil(len(places) / MOST_MARKED)
        marked += [(_two_axes(place, shape), positive) for place in (pixel, *map(tuple, places[::step]))]
    return marked


def _two_axes(place: Sequence[int], shape: tuple[int, ...]) -> tuple[float, ...]:
    """The place in an array of which all axes but the first were made one."""
    return float(place[0]), float(np.ravel_multi_index(tuple(place[1:]), shape[1:]))
