"""Backpropagating refinement: what a network is given changes until its answer obeys the clicks; its weights do not.

Jang and Kim, "Interactive image segmentation via backpropagating refinement scheme" (2019), section 3.2, changes the
click maps; Sofiiuk et al., "f-BRS: rethinking backpropagating refinement" (2020), the scale and the bias of features
inside the network, which is cheaper. What may be changed is a row of `VARIABLES`; the energy and its descent are one.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from napari_clickseg.inference.device import Features

if TYPE_CHECKING:
    from napari_clickseg.core.jobs import Stop

INERTIA = 1e-3
"""Lambda, the weight of the inertial energy."""
PAPER_PIXELS = 480 * 320
"""Of the images of Jang and Kim, over whose click maps the inertial energy is summed: a window has fewer, and each
counts for more."""
SECONDS = {"cpu": 0.5}
GPU_SECONDS = 0.1
"""What a click's refinement may take, by the kind of device."""
BEYOND = 1.0
"""The logit on the right side that a first step along a gradient aims at."""
ENOUGH = 1e-4
"""Share of the decrease that the slope promises which a step must bring to be taken (Armijo's rule)."""
SHORTER, SHORTEST = (0.1, 0.5), 1e-3
"""What a step that did not is shortened to, at least and at most; the share of the first try where descent ends."""
REMEMBERED = 8
"""From how many steps L-BFGS estimates the curvature."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent on one click: seconds of a clock, and at most so many looks at the energy."""

    seconds: float = SECONDS["cpu"]
    looks: int = 60
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def of_device(cls, device: torch.device) -> Budget:
        """Return the default for a device: half a second on the CPU, a tenth on a GPU."""
        return cls(SECONDS.get(device.type, GPU_SECONDS))

    def spend(self) -> Iterator[int]:
        """Count looks until the budget is spent; its clock starts with the first."""
        end = self.clock() + self.seconds
        for look in range(self.looks):
            if self.clock() >= end:
                return
            yield look


@dataclass(frozen=True, slots=True, eq=False)
class Clicked:
    """Where the clicks of a window lie, and their labels.

    Attributes
    ----------
    rows, columns : Tensor of float32
        Shapes (clicks, height) and (clicks, width): how much each row and column counts for the logit at a click.
    labels : Tensor of float32
        Shape (clicks,), 1 for object and 0 for background.
    """

    rows: Tensor
    columns: Tensor
    labels: Tensor

    @classmethod
    def of(
        cls,
        points: Iterable[tuple[tuple[float, ...], bool]],
        shape: tuple[int, int],
        device: torch.device | str = "cpu",
    ) -> Clicked:
        """Return the clicks, (position in window pixels, positive), of a window of a shape."""
        points = list(points)
        places = torch.tensor([place for place, _ in points], dtype=torch.float32, device=device).reshape(-1, 2)
        labels = torch.tensor([float(positive) for _, positive in points], device=device)
        return cls(_hats(places[:, 0], shape[0]), _hats(places[:, 1], shape[1]), labels)

    def read(self, logits: Tensor) -> Tensor:
        """Return the logits at the clicks, float32 (clicks,), of (1, 1, height, width), between pixels bilinearly."""
        return torch.einsum("ny,yx,nx->n", self.rows, logits[0, 0].float(), self.columns)

    def corrective(self, logits: Tensor) -> Tensor:
        """Return the corrective energy, equation 4, of logits at the clicks."""
        return ((self.labels - torch.sigmoid(logits)) ** 2).sum()

    def wrong(self, logits: Tensor) -> Tensor:
        """Return which clicks have the other label, bool (clicks,)."""
        return (logits > 0) != (self.labels > 0.5)

    def promised(self, logits: Tensor) -> float:
        """Return what the corrective energy loses as wrong clicks get to `BEYOND`, were it linear in their logits."""
        probability = torch.sigmoid(logits)
        slopes = 2 * (probability - self.labels) * probability * (1 - probability)
        lacking = (2 * self.labels - 1) * BEYOND - logits
        return float(-(slopes * lacking)[self.wrong(logits)].sum())


def _hats(places: Tensor, length: int) -> Tensor:
    """Bilinear weights (places, length), 1 at a place; beyond the outermost pixels their values go on."""
    pixels = torch.arange(length, device=places.device)
    return (1 - (places.clamp(0, length - 1)[:, None] - pixels).abs()).clamp_min(0)


@dataclass(frozen=True, slots=True, eq=False)
class Variables:
    """What is changed, as it is at first, and the logits (1, 1, height, width) that a network answers for it.

    `inertia` is the weight of how far it is changed, summed over all of it.
    """

    start: Tensor
    respond: Callable[[Tensor], Tensor]
    inertia: float = INERTIA


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The energy at one place, and what the network answers there: logits (1, 1, height, width), at clicks too."""

    place: Tensor
    energy: float
    logits: Tensor
    at_clicks: Tensor
    graph: Tensor

    def gradient(self) -> Tensor:
        """Return the energy's gradient, float32, with regard to what is changed and nothing else; once per look."""
        (gradient,) = torch.autograd.grad(self.graph, self.place)
        return gradient


def look_at(variables: Variables, clicked: Clicked, place: Tensor) -> Look:
    """Return the energy at a place: corrective energy plus the inertial one with its weight, equation 2."""
    with torch.enable_grad():
        place = place.detach().requires_grad_(True)
        logits = variables.respond(place)
        at_clicks = clicked.read(logits)
        energy = clicked.corrective(at_clicks) + variables.inertia * ((place - variables.start) ** 2).sum()
    return Look(place, float(energy.detach()), logits.detach(), at_clicks.detach(), energy)


@dataclass(frozen=True, slots=True, eq=False)
class Curvature:
    """The curvature as the last steps measured it: (step, change of gradient) of each, the newest last."""

    steps: tuple[tuple[Tensor, Tensor], ...] = ()

    def after(self, step: Tensor, change: Tensor) -> Curvature:
        """Return it with one step more; where the energy curves down along the step, all is forgotten."""
        if float((step * change).sum()) <= 0:
            return Curvature()
        return Curvature((*self.steps, (step, change))[-REMEMBERED:])

    def newton(self, gradient: Tensor) -> Tensor:
        """Return L-BFGS's direction down: the two loops of Nocedal (1980). Without steps, the gradient's opposite."""
        direction, shares = -gradient, []
        for step, change in reversed(self.steps):
            shares.append((step * direction).sum() / (step * change).sum())
            direction = direction - shares[-1] * change
        if self.steps:
            step, change = self.steps[-1]
            direction = direction * ((step * change).sum() / (change * change).sum())
        for (step, change), share in zip(self.steps, reversed(shares), strict=True):
            direction = direction + (share - (change * direction).sum() / (step * change).sum()) * step
        return direction


def descend(variables: Variables, clicked: Clicked, looks: Iterator[object], stop: Stop) -> Iterator[Look]:
    """Yield the start, then every place reached on the way down, until all clicks have their label.

    The energy falls from each to the next. The descent ends early where `looks` are spent, one per place looked at,
    the start included, or the slope gives nothing more.

    Raises
    ------
    Stopped
        Where `stop` was requested between two looks.
    """
    next(looks, None)
    here = look_at(variables, clicked, variables.start)
    yield here
    above, curvature = None, Curvature()
    while clicked.wrong(here.at_clicks).any() and next(looks, None) is not None:
        stop.check()
        place, slope = here.place.detach(), here.gradient()
        if above is not None:
            curvature = curvature.after(place - above[0], slope - above[1])
        lower = _lower(variables, clicked, here, slope, curvature, looks, stop)
        if lower is None:
            return
        above, here = (place, slope), lower
        yield here


def _lower(
    variables: Variables,
    clicked: Clicked,
    here: Look,
    slope: Tensor,
    curvature: Curvature,
    looks: Iterator[object],
    stop: Stop,
) -> Look | None:
    """Return a place of lower energy, None where the looks end before there is one or the slope leads to none."""
    way, length = _first_try(clicked, here, slope, curvature)
    fall, shortest = float((slope * way).sum()), SHORTEST * length
    while length > shortest:
        there = look_at(variables, clicked, here.place.detach() + length * way)
        rise = there.energy - here.energy
        if rise <= ENOUGH * length * fall:
            return there
        length *= _shortened(rise, length * fall)
        if next(looks, None) is None:
            return None
        stop.check()
    return None


def _shortened(rise: float, promise: float) -> float:
    """Return the share of a step at which a parabola through its ends, with the slope at its start, is lowest."""
    shortest, longest = SHORTER
    return min(max(promise / (2 * (promise - rise)), shortest), longest) if math.isfinite(rise) else shortest


def _first_try(clicked: Clicked, here: Look, slope: Tensor, curvature: Curvature) -> tuple[Tensor, float]:
    """Return the direction from a place, and how far along it to try first; 0 where the energy is flat.

    No farther than would bring the wrong clicks to their side, were their logits linear on the way: Newton's steps may
    go far beyond, and gradients have no length, tiny at the flat ends of a sigmoid, where the way is long.
    """
    way = curvature.newton(slope)
    descent = -float((slope * way).sum())
    reach = clicked.promised(here.at_clicks) / descent if descent > 0 else 0.0
    return way, min(1.0, reach) if curvature.steps else reach


def refine(variables: Variables, clicked: Clicked, looks: Iterator[object], stop: Stop) -> Tensor:
    """Return the logits (1, 1, height, width) of the lowest energy that the looks allow.

    Raises
    ------
    Stopped
        Where `stop` was requested between two looks.
    """
    *_, lowest = descend(variables, clicked, looks, stop)
    return lowest.logits


# -- what is changed ---------------------------------------------------------------------------------------------------

Decode = Callable[[nn.Module, Features, Tensor], Tensor]
"""Network, the features of its first part and guidance -> logits (1, 1, height, width)."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A question as it enters a network. Its tensors are ordinary ones, not of `torch.inference_mode`.

    Attributes
    ----------
    network : nn.Module
    features : tuple of Tensor
        Of the network's first part, as in `networks.catalogue.Streams`.
    maps : Tensor of float32
        The guidance, (1, channels, height, width).
    click_channels : int
        How many of its channels, the first ones, draw the clicks.
    decode : callable
        How the engine has the network answer.
    """

    network: nn.Module
    features: Features
    maps: Tensor
    click_channels: int
    decode: Decode


def click_maps(asked: Asked) -> Variables:
    """The click maps; the prior's channels stay (BRS)."""
    clicks, prior = asked.maps[:, : asked.click_channels], asked.maps[:, asked.click_channels :]
    height, width = asked.maps.shape[2:]
    return Variables(
        clicks,
        lambda changed: asked.decode(asked.network, asked.features, torch.cat((changed, prior), dim=1)),
        INERTIA * PAPER_PIXELS / (height * width),
    )


def feature_scales(asked: Asked) -> Variables:
    """A scale and a bias per channel of features, 1 and 0 at first, shape (2, channels) (f-BRS).

    The features are those of the network's `refined_layer`, or, of a network in two streams that names none, those of
    its image stream at every scale.

    Raises
    ------
    ValueError
        Where the network has neither.
    """
    check_layer(asked.network)
    return _of_layer(asked) if isinstance(asked.network, Layered) else _of_image_stream(asked)


def _of_image_stream(asked: Asked) -> Variables:
    widths = [feature.shape[1] for feature in asked.features]

    def respond(changed: Tensor) -> Tensor:
        parts = torch.split(changed, widths, dim=1)
        features = tuple(_rescaled(feature, part) for feature, part in zip(asked.features, parts, strict=True))
        return asked.decode(asked.network, features, asked.maps)

    return Variables(_unchanged(sum(widths), asked.maps.device), respond)


def _of_layer(asked: Asked) -> Variables:
    name = cast(Layered, asked.network).refined_layer
    layer = _Rescaled(asked.network.get_submodule(name))
    rest = _beyond(asked.network, name, layer)
    with torch.no_grad():
        asked.decode(rest, asked.features, asked.maps)

    def respond(changed: Tensor) -> Tensor:
        layer.changed = changed
        return asked.decode(rest, asked.features, asked.maps)

    return Variables(_unchanged(layer.width, asked.maps.device), respond)


VARIABLES: Mapping[str, Callable[[Asked], Variables]] = {"fbrs": feature_scales, "brs": click_maps}
"""What is changed, by refinement; of a model that has both on, the first."""


@runtime_checkable
class Layered(Protocol):
    """A network that names the layer (as in `nn.Module.get_submodule`) whose output f-BRS changes."""

    refined_layer: str


def check_layer(network: nn.Module) -> None:
    """Refuse a network whose features cannot be changed.

    Raises
    ------
    ValueError
        Where it neither names a layer nor has an image stream.
    """
    if not (isinstance(network, Layered) or hasattr(network, "encode")):
        raise ValueError(f"The network {type(network).__name__} names no layer whose features f-BRS could change.")


def _unchanged(width: int, device: torch.device) -> Tensor:
    return torch.stack((torch.ones(width, device=device), torch.zeros(width, device=device)))


def _rescaled(feature: Tensor, changed: Tensor) -> Tensor:
    scale, bias = changed.to(feature.dtype)[..., None, None].unbind()
    return feature * scale + bias


class _Rescaled:
    """Mutable: a layer in a copy of its network. It runs once; then its output is changed by `changed`."""

    def __init__(self, layer: nn.Module) -> None:
        self._layer = layer
        self.output: Tensor | None = None
        self.changed: Tensor | None = None

    @property
    def width(self) -> int:
        """The channels of its output."""
        if self.output is None:
            raise ValueError(
                f"The layer {type(self._layer).__name__} that f-BRS would change has no part in the answer."
            )
        return self.output.shape[1]

    def __call__(self, *inputs: Any) -> Tensor:
        output = cast(Tensor, self._layer(*inputs)) if self.output is None else self.output
        self.output = output
        return output if self.changed is None else _rescaled(output, self.changed)


class _Remembered:
    """Mutable: a part in a copy of a network. What it answers before the changed layer has run, it repeats later.

    A part that runs several times for one answer, such as a shared pooling, runs each time.
    """

    def __init__(self, part: nn.Module, layer: _Rescaled) -> None:
        self._part, self._layer = part, layer
        self._answer: Any = None
        self._runs = 0

    def __call__(self, *inputs: Any) -> Any:
        if self._layer.changed is not None and self._answer is not None:
            return self._answer
        answer = self._part(*inputs)
        if self._layer.changed is None:
            self._runs += 1
            self._answer = answer if self._runs == 1 and self._layer.output is None else None
        return answer


def _beyond(network: nn.Module, name: str, layer: _Rescaled) -> nn.Module:
    """Return a copy of a network, weights shared, with another layer of a name; what comes before that runs once.

    It is a copy because another thread may be asking the network itself.
    """
    path = {name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)} | {""}
    parts = {
        id(part): _Remembered(part, layer)
        for place, part in network.named_modules()
        if place not in path and not isinstance(part, nn.ModuleList)
    }
    tensors = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
    replaced: dict[int, Any] = {**parts, **tensors, id(network.get_submodule(name)): layer}
    rest: nn.Module = copy.deepcopy(network, replaced)
    return rest
