"""Guidance: clicks and the prior mask as the channels that a network sees.

An Encoding names how, in a recipe and on a model card; Guidance does it. `CLICK_MAPS` and `PRIORS` are the choices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from napari_clickseg.core.simulated_user import NARROWEST
from napari_clickseg.inference.superpixels import Spread, box_of_superpixels, centroid_distances, of_windows

NOWHERE = -1e4
"""Coordinate that stands for "no click": its Gaussian is zero everywhere."""
DEEP = 0.25
"""Depth inside a mask, or distance outside, as a share of the window's shorter side, at which its map reaches 1."""
Fed = Literal["latest", "given", "initial"]
"""Which mask a network is shown as prior: the one that is shown now; that one, but only where the object began from a
given mask; the given mask as it was before the first click."""


@dataclass(frozen=True, slots=True)
class PointSet:
    """Clicks of a batch in window pixels, padded with NOWHERE.

    Attributes
    ----------
    positive, negative : Tensor of float32
        Shape (batch, clicks, 2), (y, x).
    """

    positive: Tensor
    negative: Tensor

    @classmethod
    def of(cls, batch: Sequence[Sequence[tuple[tuple[float, ...], bool]]], device: torch.device | str) -> PointSet:
        """Return the point set of a batch of lists of (point, positive)."""
        return cls(
            *(_padded([[p for p, sign in one if sign is wanted] for one in batch], device) for wanted in (True, False))
        )


def _padded(batch: Sequence[Sequence[tuple[float, ...]]], device: torch.device | str) -> Tensor:
    longest = max((len(points) for points in batch), default=0)
    rows = [[*points, *((NOWHERE, NOWHERE),) * (longest - len(points))] for points in batch]
    return torch.tensor(rows, dtype=torch.float32, device=device).reshape(len(batch), longest, 2)


def gaussians(points: Tensor, shape: tuple[int, int], sigma: float) -> Tensor:
    """Return the highest Gaussian over a batch's points at each pixel.

    Parameters
    ----------
    points : Tensor
        (batch, clicks, 2) in pixels.
    shape : (int, int)
        Rows and columns of the map.
    sigma : float
        In pixels.

    Returns
    -------
    Tensor of float32
        (batch, 1, *shape), 1 at a click and 0 far from all.
    """
    batch, count, _ = points.shape
    if count == 0:
        return torch.zeros((batch, 1, *shape), device=points.device)
    rows = torch.arange(shape[0], device=points.device, dtype=torch.float32)
    columns = torch.arange(shape[1], device=points.device, dtype=torch.float32)
    # A Gaussian is separable, so the exponentials are taken along each axis and multiplied.
    along_y = torch.exp(-((rows - points[..., :1]) ** 2) / (2 * sigma**2))
    along_x = torch.exp(-((columns - points[..., 1:]) ** 2) / (2 * sigma**2))
    return (along_y[..., :, None] * along_x[..., None, :]).amax(dim=1, keepdim=True)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How clicks and the prior mask become channels: a part of each recipe and of each model card.

    Attributes
    ----------
    clicks : str
        A name in `CLICK_MAPS`.
    sizes : tuple of float
        In window pixels, one map per polarity each. Gaussians: sigma; disks: radius; distances: where they are cut.
    prior : str
        A name in `PRIORS`.
    cut : float or None
        Gaussians are zero beyond this distance from the nearest click; None leaves them whole.
    superpixels : int
        How many per window, for the encodings that stand on them.
    others : bool
        Whether the mask of other objects is a channel, the last one.

    Examples
    --------
    >>> Encoding("disk", (5,), "mask").channels
    3
    """

    clicks: str = "gaussian"
    sizes: tuple[float, ...] = (1.5, 7.0)
    prior: str = "probability"
    cut: float | None = None
    superpixels: int = 1000
    others: bool = False

    def __post_init__(self) -> None:
        if self.clicks not in CLICK_MAPS:
            raise ValueError(f"There is no click map {self.clicks!r}; there are {', '.join(CLICK_MAPS)}.")
        if self.prior not in PRIORS:
            raise ValueError(f"There is no encoding {self.prior!r} of the prior; there are {', '.join(PRIORS)}.")
        if not isinstance(self.sizes, tuple) or not self.sizes or not all(map(_above_zero, self.sizes)):
            raise ValueError(f"The sizes of the click maps are {self.sizes!r}; wanted are one or more numbers above 0.")
        if self.cut is not None and not (self.clicks == "gaussian" and _above_zero(self.cut)):
            raise ValueError(f"A cut of {self.cut!r} for {self.clicks} maps; only gaussian has one, a number above 0.")
        if not (isinstance(self.superpixels, int) and _above_zero(self.superpixels)):
            raise ValueError(f"{self.superpixels!r} superpixels were asked for; wanted are 1 or more.")

    @classmethod
    def from_mapping(cls, table: Mapping[str, Any]) -> Encoding:
        """Return the encoding that a table of TOML or JSON describes.

        Raises
        ------
        ValueError
            With one sentence, for keys, names and sizes that no encoding has.
        """
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(table) - set(known))
        if unknown:
            raise ValueError(f"An encoding has no {', '.join(unknown)}; it may have {', '.join(known)}.")
        lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
        return cls(**{**table, **lists})

    @property
    def click_channels(self) -> int:
        return 2 * len(self.sizes)

    @property
    def channels(self) -> int:
        return self.click_channels + PRIORS[self.prior].channels + self.others

    @property
    def feeds(self) -> Fed:
        """Which mask the network is shown as prior."""
        return PRIORS[self.prior].feeds

    @property
    def on_superpixels(self) -> bool:
        return CLICK_MAPS[self.clicks].on_superpixels or PRIORS[self.prior].on_superpixels


def _above_zero(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


@dataclass(frozen=True, slots=True)
class Guidance:
    """Draws the channels of an encoding: positive maps, negative maps (one per size), the prior's, other objects."""

    encoding: Encoding

    @property
    def channels(self) -> int:
        return self.encoding.channels

    @property
    def keeps(self) -> int:
        """How many tensors `prepare` returns."""
        return int(self.encoding.on_superpixels)

    def prepare(self, images: Tensor, spread: Spread = map) -> tuple[Tensor, ...]:
        """Return what the channels of windows need beyond clicks and prior, and what is slow enough to be kept.

        Parameters
        ----------
        images : Tensor
            (batch, 3, y, x), normalised or not.
        spread : callable
            As `map`; that of an executor computes several windows at a time.

        Returns
        -------
        tuple of Tensor
            Superpixels, int32 (batch, 1, y, x), for the encodings that stand on them; nothing for others.
        """
        return (of_windows(images, self.encoding.superpixels, spread),) if self.encoding.on_superpixels else ()

    def __call__(
        self,
        points: PointSet,
        prior: Tensor,
        has_prior: Tensor,
        kept: tuple[Tensor, ...] = (),
        others: Tensor | None = None,
    ) -> Tensor:
        """Return the channels.

        Parameters
        ----------
        points : PointSet
        prior : Tensor
            Probabilities (batch, 1, y, x), 0 where there is none.
        has_prior : Tensor
            (batch,) of 0 and 1.
        kept : tuple of Tensor
            What `prepare` returned for these windows.
        others : Tensor, optional
            Where other objects lie (batch, 1, y, x), 0 to 1; nowhere where absent. Encodings without them ignore it.

        Returns
        -------
        Tensor of float32
            (batch, `channels`, y, x), on the prior's device.

        Raises
        ------
        ValueError
            Where the encoding stands on superpixels and none are given.
        """
        if self.encoding.on_superpixels and not kept:
            raise ValueError(
                "This encoding stands on superpixels: pass what Guidance.prepare(images) returned as kept."
            )
        view = View(points, prior.float(), has_prior, kept)
        draw = CLICK_MAPS[self.encoding.clicks].draw
        maps = [draw(side, view, self.encoding) for side in (points.positive, points.negative)]
        known = () if not self.encoding.others else (torch.zeros_like(view.prior) if others is None else others,)
        return torch.cat((*maps, *PRIORS[self.encoding.prior].draw(view), *known), dim=1)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What the maps of a batch of windows are drawn from; as the arguments of `Guidance`."""

    points: PointSet
    prior: Tensor
    has_prior: Tensor
    kept: tuple[Tensor, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return self.prior.shape[-2], self.prior.shape[-1]

    @property
    def mask(self) -> Tensor:
        """The prior as a mask, bool (batch, 1, y, x); empty where there is no prior."""
        return (self.prior > 0.5) & (self.has_prior.reshape(-1, 1, 1, 1) > 0)


@dataclass(frozen=True, slots=True)
class ClickMap:
    """One way to draw the clicks of a polarity: (batch, one per size, y, x)."""

    draw: Callable[[Tensor, View, Encoding], Tensor]
    on_superpixels: bool = False


@dataclass(frozen=True, slots=True)
class PriorMap:
    """One way to draw the prior: tensors (batch, 1, y, x), as many as it has channels."""

    draw: Callable[[View], tuple[Tensor, ...]]
    channels: int
    on_superpixels: bool = False
    feeds: Fed = "latest"


def distances(points: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return each pixel's distance to the nearest of a batch's points, (batch, 1, *shape); infinite without points."""
    if points.shape[1] == 0:
        return torch.full((len(points), 1, *shape), torch.inf, device=points.device)
    rows = torch.arange(shape[0], device=points.device, dtype=torch.float32)
    columns = torch.arange(shape[1], device=points.device, dtype=torch.float32)
    along_y, along_x = (rows - points[..., :1]) ** 2, (columns - points[..., 1:]) ** 2
    return (along_y[..., :, None] + along_x[..., None, :]).amin(dim=1, keepdim=True).sqrt()


def _gaussian_maps(side: Tensor, view: View, encoding: Encoding) -> Tensor:
    """Gaussians; cut as in Mahadevan et al. 2018, at several scales as in Forte et al. 2020."""
    maps = torch.cat([gaussians(side, view.shape, sigma) for sigma in encoding.sizes], dim=1)
    return maps if encoding.cut is None else maps.where(distances(side, view.shape) <= encoding.cut, 0.0)


def _disk_maps(side: Tensor, view: View, encoding: Encoding) -> Tensor:
    """1 within the radius of a click, else 0; Sofiiuk et al. 2021."""
    away = distances(side, view.shape)
    return torch.cat([(away <= radius).float() for radius in encoding.sizes], dim=1)


def _distance_maps(side: Tensor, view: View, encoding: Encoding) -> Tensor:
    """0 at a click, 1 from the cut on and where there is no click; Jang and Kim 2019."""
    return _cut(distances(side, view.shape), encoding.sizes)


def _superpixel_maps(side: Tensor, view: View, encoding: Encoding) -> Tensor:
    """As `_distance_maps`, from superpixel to superpixel; Majumder et al. 2020, equation 1."""
    return _cut(centroid_distances(view.kept[0], side), encoding.sizes)


def _cut(away: Tensor, sizes: Sequence[float]) -> Tensor:
    return torch.cat([away.clamp_max(size) / size for size in sizes], dim=1)


def _no_prior(view: View) -> tuple[Tensor, ...]:
    return ()


def _prior_probability(view: View) -> tuple[Tensor, ...]:
    """The probability, and whether there is a prior."""
    flag = view.has_prior.to(view.prior.dtype).reshape(-1, 1, 1, 1).expand_as(view.prior)
    return view.prior, flag


def _prior_mask(view: View) -> tuple[Tensor, ...]:
    """The mask, empty where there is no prior; Sofiiuk et al. 2021, Forte et al. 2020."""
    return (view.mask.float(),)


def _prior_distance(view: View) -> tuple[Tensor, ...]:
    """Depth inside the mask, 0 outside and without a prior, 1 from `DEEP` on.

    What lies beyond the window counts as outside.
    """
    masks = np.pad(view.mask[:, 0].cpu().numpy(), ((0, 0), (1, 1), (1, 1)))
    depths = np.stack([ndimage.distance_transform_edt(mask)[1:-1, 1:-1] for mask in masks])
    return (_scaled(depths, view),)


def _prior_outside(view: View) -> tuple[Tensor, ...]:
    """Distance to the mask, 0 inside and 1 from `DEEP` on, ones without a prior; and whether there is a prior.

    Mahadevan et al. 2018 leave open on which side they measure; their published code measures outside.
    """
    masks = view.mask[:, 0].cpu().numpy()
    flag = view.has_prior.to(view.prior.dtype).reshape(-1, 1, 1, 1).expand_as(view.prior)
    away = np.stack([ndimage.distance_transform_edt(~mask) if mask.any() else np.inf * ~mask for mask in masks])
    return _scaled(away, view), flag


def _scaled(distances: npt.NDArray[np.float64], view: View) -> Tensor:
    """Distances (batch, y, x) in pixels as a map (batch, 1, y, x) that reaches 1 at `DEEP`."""
    return (torch.from_numpy(distances).to(view.prior) / (DEEP * min(view.shape))).clamp_max(1.0)[:, None]


def _prior_box(view: View) -> tuple[Tensor, ...]:
    """The superpixels of a box and of later positive clicks, less those of later negative ones.

    The box is the one around the given mask where there is one, else that of the first positive and the first negative
    click, else the whole window: as the paper's guidance dropout has it, its highest value everywhere says that nothing
    is known. Later positive clicks extend the box. The two clicks that draw a box say no more than that; around a mask
    all clicks refine it. Majumder et al. 2020, sections 3.1, 3.3 and 4.5.
    """
    nobody = view.points.positive.new_full((len(view.prior), 1, 2), NOWHERE)
    positive, negative = (torch.cat((side, nobody), dim=1) for side in (view.points.positive, view.points.negative))
    first_positive, first_negative = positive[:, :1], negative[:, :1]
    given = (view.has_prior > 0).reshape(-1, 1, 1, 1)
    paired = ((first_positive > NOWHERE) & (first_negative > NOWHERE)).all(dim=2).reshape(-1, 1, 1, 1) & ~given
    added, removed = (
        torch.cat((side[:, :1].where(~paired[..., 0], NOWHERE), side[:, 1:]), dim=1) for side in (positive, negative)
    )
    begun = _box_of_pair(first_positive, first_negative, view.shape).where(paired, _box_of_mask(view.mask))
    inside = _box_of_mask(begun | _marked(added, view.shape))
    return (box_of_superpixels(view.kept[0], inside, added, removed),)


def _marked(points: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return the pixels nearest to points (batch, clicks, 2), bool (batch, 1, *shape); none beyond the window."""
    return gaussians(points.round(), shape, 0.1) > 0.5


def _box_of_pair(centre: Tensor, corner: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return boxes, bool (batch, 1, *shape), of a click on the object's middle and one beside it, (batch, 1, 2) each.

    The box is symmetric about the first and the second lies on its rim: at a corner, or where the two clicks stand
    almost in a row or column, on the middle of a side.
    """
    reach = (corner - centre).abs()
    reach = torch.maximum(reach, NARROWEST * reach.flip(-1))
    rows = torch.arange(shape[0], device=centre.device).reshape(1, -1)
    columns = torch.arange(shape[1], device=centre.device).reshape(1, -1)
    in_rows = (rows - centre[..., 0]).abs() <= reach[..., 0]
    in_columns = (columns - centre[..., 1]).abs() <= reach[..., 1]
    return in_rows[:, None, :, None] & in_columns[:, None, None, :]


def _box_of_mask(mask: Tensor) -> Tensor:
    """Return the enclosing boxes of masks, bool (batch, 1, y, x); the whole window for an empty mask."""
    empty = ~mask.any(dim=(2, 3), keepdim=True)
    return (_spanned(mask.any(dim=3, keepdim=True)) & _spanned(mask.any(dim=2, keepdim=True).mT).mT) | empty


def _spanned(line: Tensor) -> Tensor:
    """Return lines (batch, 1, y, 1) of bool filled from their first to their last True."""
    counted = line.int()
    return (counted.cumsum(dim=2) > 0) & (counted.flip(2).cumsum(dim=2).flip(2) > 0)


CLICK_MAPS: Mapping[str, ClickMap] = {
    "gaussian": ClickMap(_gaussian_maps),
    "disk": ClickMap(_disk_maps),
    "distance": ClickMap(_distance_maps),
    "superpixel": ClickMap(_superpixel_maps, on_superpixels=True),
}
PRIORS: Mapping[str, PriorMap] = {
    "none": PriorMap(_no_prior, 0),
    "probability": PriorMap(_prior_probability, 2),
    "mask": PriorMap(_prior_mask, 1),
    "distance": PriorMap(_prior_distance, 1),
    "outside": PriorMap(_prior_outside, 2, feeds="given"),
    "box": PriorMap(_prior_box, 1, on_superpixels=True, feeds="initial"),
}
