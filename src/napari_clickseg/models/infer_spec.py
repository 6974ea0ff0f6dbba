"""Guess: a foreign network's conventions, found out by running it on noise; each with the reason for it.

What a file declares about itself goes before what running it shows. What neither shows (the normalisation) keeps its
default, and its reason names that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from napari_clickseg.models.io_spec import Conventions
from napari_clickseg.models.loaded import FAILURES, OWN_RULE, Adapter, Excess, Opened, canonical, reason

SIDES = {2: (64, 128, 256, 512, 96, 160, 192, 224, 320, 384, 448, 572, 640, 768, 1024), 3: (32, 64, 16, 48, 96, 128)}
"""Sides to try, by the number of spatial axes: those that most networks take, then what fixed ones are made for."""
STEPS = (1, 2, 4, 8, 16, 32, 64)
"""Divisors to try."""
CHANNELS = (1, 3, 2, 4, 5, 6, 8)
"""Input channels to try where no convolution shows them."""
WIDEST_STEP = 32
"""Sides of networks that lack a border may be multiples of this, plus something."""
TILES = {2: 512, 3: 96}
"""The side of a tile that is asked for, in network pixels: what the memory of most computers holds with gradients."""
MOST_MADE_IN_VAIN = 1 << 27
"""Where tries that were refused for what they make made so many numbers, no others are made."""
FIELD_SIDES = {2: 256, 3: 64}
"""The side at which it is measured how far an output pixel sees."""
FIELD_SHARE = 0.99
"""This share of an output pixel's dependence on the input lies within the halo."""
HALO_STEP, HALO_SHARE = 8, 0.25
"""The halo is a multiple of the one, and at most this share of a tile."""
SUM_TOLERANCE = 1e-3
GLARING = 100
"""Noise is made this much brighter, too: small logits may lie between 0 and 1 by chance, but not then."""


@dataclass(frozen=True, slots=True)
class Size:
    """What sides a network takes: multiples of `divisible` from `smallest` on, or the one side that is all three."""

    side: int
    divisible: int
    smallest: int
    fixed: bool


RULED = {
    "cellpose": "flows and a cell probability",
    "stardist": "distances along rays",
    "omnipose": "flows and distances",
}
"""Packages whose networks need a rule of their own, and what these give."""


class Misshapen(ValueError):  # noqa: N818 - names what the network is
    """Raised where a network ran and what came out is no map of its input."""


def guess(opened: Opened) -> tuple[Conventions, dict[str, str]]:
    """Return the conventions of a foreign network, and the reason for each that is not a mere default.

    Raises
    ------
    ValueError
        With one sentence, where it gives no map of its input, or no gradient goes through it.
    """
    _check_class(opened.class_path)
    declared = {name: value for name, (value, _) in opened.declared.items()}
    reasons = {name: words for name, (_, words) in opened.declared.items()}
    found: dict[str, tuple[Any, str]] = {}
    network, channels, size = _running(opened, declared)
    ndim = len(network.axes.replace("b", "").replace("c", ""))
    found["ndim"] = (ndim, f"it takes images of {ndim} spatial axes")
    if network.output:
        found["output"] = (network.output, f"output {network.output} is its first that is as large as the image")
    found["channels"] = (channels, f"it runs with {channels} input channel{'' if channels == 1 else 's'}")
    probe = _probe(channels, size.side, ndim)
    images = [probe, 3 * (probe - 0.5)]
    _check_gradient(network, images)
    with torch.no_grad():
        found |= _output_guess([network(image) for image in (*images, *(sign * GLARING * probe for sign in (1, -1)))])
    found |= _size_guess(network, channels, ndim, size)
    if network.border:
        lack = network.border[0]
        found["border"] = (network.border, f"its answer lacks {lack} pixels on every side")
        found["halo"] = (max(found["halo"][0], lack), f"its answer lacks {lack} pixels on every side")
    if channels > 1 and channels % 2 and ndim == 2:
        found["planes"] = (False, f"its {channels} channels may be neighbouring planes of a stack; nothing tells")
    found["normalise"] = (
        Conventions().normalise,
        "nothing tells how its images were normalised: try another where the answer is wrong",
    )
    chosen = {name: value for name, (value, _) in found.items()} | declared
    words = {name: why for name, (_, why) in found.items()} | reasons
    return Conventions.from_mapping(_consistent(chosen)), words


def _check_class(class_path: str) -> None:
    """Refuse classes of programs that make objects of a network's output by a rule of their own.

    Raises
    ------
    ValueError
        Where the class is one of these.
    """
    program = class_path.partition(":")[0].partition(".")[0].lower()
    if program in RULED:
        raise ValueError(f"{class_path} gives {RULED[program]}, {OWN_RULE}")


def check(opened: Opened, conventions: Conventions) -> None:
    """Run a network under conventions that somebody chose.

    Raises
    ------
    ValueError
        With one sentence, where it does not run, or has not the output channels that they name.
    """
    step = conventions.divisible
    side = -(-max(conventions.smallest_side, step) // step) * step
    axes = opened.axes or canonical(conventions.ndim)
    adapter = Adapter(opened.module, axes, conventions.output, conventions.border)
    image = torch.zeros((1, conventions.channels, *(side,) * conventions.ndim))
    try:
        outputs = _run(adapter, image)
    except (Misshapen, *FAILURES) as error:
        raise ValueError(f"With these conventions the network does not run: {reason(error)}.") from None
    highest = max(*conventions.objects, conventions.boundary or 0)
    if highest >= outputs:
        raise ValueError(f"The network has {outputs} output channels, so there is no channel {highest}.")


def _running(opened: Opened, declared: Mapping[str, Any]) -> tuple[Adapter, int, Size]:
    """Find the axes, the channels and the sides with which the network runs.

    Raises
    ------
    ValueError
        Where there are none, with the network's error at the likeliest try.
    """
    complaints, made = list[str](), 0
    for axes, channels in _ways_in(opened, declared):
        ndim = sum(axis in "zyx" for axis in axes)
        for side in _sides(declared, ndim):
            adapter = Adapter(opened.module, axes, declared.get("output", 0), declared.get("border", ()))
            image = torch.zeros((1, channels, *(side,) * ndim))
            try:
                adapter.output = declared.get("output", _first_map(adapter, image))
                _run(adapter, image)
            except Misshapen as error:
                adapter.border = _border(adapter, image)
                if not adapter.border:
                    raise ValueError(f"This network cannot be used: {error}.") from None
                return adapter, channels, _size(adapter, channels, side, ndim, declared)
            except FAILURES as error:
                complaints.append(f"{channels} channel(s), side {side}: {reason(error)}")
                made += error.made if isinstance(error, Excess) else 0
                if made > MOST_MADE_IN_VAIN:
                    raise ValueError(f"This network cannot be used: with {complaints[0]}.") from None
            else:
                return adapter, channels, _size(adapter, channels, side, ndim, declared)
    raise ValueError(f"This network runs with no input that was tried; first with {complaints[0]}.")


def _border(adapter: Adapter, image: Tensor) -> tuple[int, ...]:
    """Return by how much an image has to go on before and behind so that an answer that lacks a border covers it.

    Empty where that cannot be computed: the answer lacks more on one side than on the other, or is a coarser map. Where
    sides are halved and rounded down, answers lack more than they do otherwise, so that the least is taken.
    """
    side = int(image.shape[2])
    lacks = {n: _lack(adapter, image, n) for n in range(side, side + WIDEST_STEP)}
    known = {n: lack for n, lack in lacks.items() if lack is not None}
    if not known:
        return ()
    lost = min(known.values())
    fitting = next(n for n, lack in known.items() if lack == lost)
    if lost <= 0 or lost % 2 or _lack(adapter, image, fitting + WIDEST_STEP) != lost:
        return ()
    fits = (more for more in range(WIDEST_STEP) if _lack(adapter, image, side + lost + more) == lost)
    return next(((lost // 2, lost // 2 + more) for more in fits), ())


def _lack(adapter: Adapter, image: Tensor, side: int) -> int | None:
    """How many pixels an answer lacks along each axis, of an image with these sides; None where it is no such map."""
    try:
        with torch.no_grad():
            given = torch.zeros((*image.shape[:2], *(side,) * (image.ndim - 2)))
            shape = adapter.answers(given)[adapter.output].shape
    except FAILURES:
        return None
    lost = {side - came for came in shape[2:]}
    return lost.pop() if len(lost) == 1 and len(shape) == image.ndim and shape[0] == 1 else None


def _first_map(adapter: Adapter, image: Tensor) -> int:
    """Return which of the network's outputs is the first that is a map of the image; 0 where none is."""
    with torch.no_grad():
        answers = adapter.answers(image)
    return next((n for n, answer in enumerate(answers) if not _complaint(answer, image)), 0)


def _ways_in(opened: Opened, declared: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield orders of axes and numbers of channels, the likeliest first."""
    weights = (value for value in opened.module.state_dict().values() if isinstance(value, Tensor))
    kernels = [value for value in weights if value.ndim in (4, 5)]
    ndims = (
        [declared["ndim"]] if "ndim" in declared else list(dict.fromkeys([*(k.ndim - 2 for k in kernels[:1]), 2, 3]))
    )
    first = [int(k.shape[1]) for k in kernels[:1]]
    counts = [declared["channels"]] if "channels" in declared else list(dict.fromkeys([*first, *CHANNELS]))
    for ndim in ndims:
        for channels in counts:
            yield opened.axes or canonical(ndim), channels


def _sides(declared: Mapping[str, Any], ndim: int) -> tuple[int, ...]:
    """Sides to try: the only one that the file declares, else the usual ones up to the longest that it declares."""
    if "tile" not in declared:
        return SIDES[ndim]
    shorter = tuple(side for side in SIDES[ndim] if side <= declared["tile"])
    return (declared["tile"],) if declared.get("divisible") == declared["tile"] or not shorter else shorter


def _probe(channels: int, side: int, ndim: int) -> Tensor:
    """Smooth blobs between 0 and 1 with some noise, the same every time."""
    source = torch.Generator().manual_seed(0)
    noise = torch.rand((1, channels, *(side,) * ndim), generator=source)
    pool = nn.functional.avg_pool2d if ndim == 2 else nn.functional.avg_pool3d
    smooth = pool(noise, 7, stride=1, padding=3, count_include_pad=False)
    return (0.5 + 4 * (smooth - 0.5) + 0.2 * (noise - 0.5)).clamp(0, 1)


def _run(adapter: Adapter, image: Tensor) -> int:
    """Run a network; return how many output channels it has.

    Raises
    ------
    Misshapen
        Where its answer is no map of the image.
    """
    with torch.no_grad():
        answer = adapter(image)
    complaint = _complaint(answer, image)
    if complaint:
        raise Misshapen(complaint)
    return int(answer.shape[1])


def _complaint(answer: Tensor, image: Tensor) -> str:
    """Return what keeps an answer from being a map of the image; empty where nothing does."""
    sizes = f"from {tuple(image.shape)} it makes {tuple(answer.shape)}"
    if answer.ndim != image.ndim or answer.shape[0] != 1:
        return f"{sizes}; wanted is (1, outputs, then the image's sides)"
    if answer.shape[2:] != image.shape[2:]:
        return f"{sizes}, but its output must be as large as its input, or lack the same border on every side"
    if not answer.is_floating_point():
        return f"its output is {answer.dtype}, classes and not probabilities; export it without its last step"
    return ""


def _size(adapter: Adapter, channels: int, side: int, ndim: int, declared: Mapping[str, Any]) -> Size:
    """Find out which other sides the network takes, knowing one."""

    def takes(other: int) -> bool:
        try:
            _run(adapter, torch.zeros((1, channels, *(other,) * ndim)))
        except (Misshapen, *FAILURES):
            return False
        return True

    steps = [declared["divisible"]] if "divisible" in declared else [step for step in STEPS if step <= side]
    for step in steps:
        if side % step == 0 and takes(side + step) and takes(side + 3 * step):
            smaller = [multiple for multiple in range(step, side, step) if step > 1 or multiple in (1, 2, 4, 8, 16, 32)]
            return Size(side, step, next((s for s in smaller[:SMALLEST_TRIED] if takes(s)), side), False)
    return Size(side, side, side, True)


SMALLEST_TRIED = 6
"""So many small sides are tried, one after the other, until one is taken."""


NO_GRADIENT = "No gradient goes through this network, so clicks cannot change its answer"


def _check_gradient(network: nn.Module, images: list[Tensor]) -> None:
    """Make sure that a gradient comes through to some image, which clicks need.

    Raises
    ------
    ValueError
        Where none does.
    """
    try:
        slopes = [_slope(network, image) for image in images]
    except FAILURES as error:
        raise ValueError(f"{NO_GRADIENT} ({reason(error)}).") from None
    if not any(slope is not None and bool(torch.isfinite(slope).all() and slope.any()) for slope in slopes):
        with torch.no_grad():
            if not all(torch.isfinite(network(image)).all() for image in images):
                raise ValueError(
                    "This network cannot be used: its answer holds values that are no numbers or infinite, as where "
                    "weights or constants are damaged."
                )
        raise ValueError(f"{NO_GRADIENT}; export it without its last step.")


def _slope(network: nn.Module, image: Tensor) -> Tensor | None:
    """Return the gradient of an answer's squares, because the sum of a softmax does not depend on anything."""
    seen = image.clone().requires_grad_(True)
    return torch.autograd.grad(network(seen).square().sum(), seen, allow_unused=True)[0]


def _output_guess(answers: list[Tensor]) -> dict[str, tuple[Any, str]]:
    """Infer what the output channels are, by how many there are and which values they take."""
    outputs = int(answers[0].shape[1])
    _check_alike(answers)
    low, high = min(float(a.min()) for a in answers), max(float(a.max()) for a in answers)
    bounded = low >= 0 and high <= 1
    shares = all(bool(((a.sum(1) - 1).abs() < SUM_TOLERANCE).all()) for a in answers)
    seen = f"its values on noise lie between {low:.3g} and {high:.3g}"
    if bounded:
        activation = ("probability", seen + (", and sum up to 1 over its channels" if shares and outputs > 1 else ""))
    else:
        activation = ("logits", seen) if outputs == 1 else ("softmax", f"{seen}, in {outputs} channels")
    independent = bounded and not shares
    objects, boundary, why = _channels_guess(outputs, independent)
    return {"activation": activation, "objects": (objects, why), "boundary": (boundary, why)}


def _check_alike(answers: list[Tensor]) -> None:
    """Refuse a network of which one channel is a probability and the others are not: distances, as of StarDist.

    Raises
    ------
    ValueError
        Where that is so.
    """
    values = torch.cat([answer.flatten(2) for answer in answers], dim=2)[0]
    bounded = (values.amin(1) >= 0) & (values.amax(1) <= 1)
    if int(bounded.sum()) == 1 and bounded.numel() > 2:
        channel = int(bounded.int().argmax())
        raise ValueError(
            f"The network gives a probability in channel {channel} and {bounded.numel() - 1} channels of other values, "
            f"{OWN_RULE}"
        )


def _channels_guess(outputs: int, independent: bool) -> tuple[list[int], int | None, str]:
    """Infer which output channels are objects, and which one their boundary, by the custom of the field."""
    if outputs == 1:
        return [0], None, "it has one output channel"
    if outputs == 2 and independent:
        return [0], 1, "two output channels, each from 0 to 1 by itself, are mostly object and boundary"
    if outputs == 2:
        return [1], None, "two output channels are mostly background and object"
    if outputs == 3:
        return [1], 2, "three output channels are mostly background, object and boundary"
    return list(range(1, outputs)), None, f"of {outputs} output channels the first is mostly background"


def _size_guess(network: Adapter, channels: int, ndim: int, size: Size) -> dict[str, tuple[Any, str]]:
    """Infer sides, tile and halo."""
    if size.fixed:
        why = f"of the sides that were tried it takes {size.side} alone"
        halo = min(_reach(network, channels, size.side, ndim), int(HALO_SHARE * size.side))
        sides = dict.fromkeys(("divisible", "smallest_side", "tile"), (size.side, why))
        return {**sides, "halo": (halo, f"how far an output pixel sees, at most {HALO_SHARE:.0%} of the tile")}
    tile = max(TILES[ndim] // size.divisible * size.divisible, size.smallest)
    measured = max(FIELD_SIDES[ndim] // size.divisible * size.divisible, size.smallest)
    reach = _reach(network, channels, measured, ndim)
    return {
        "divisible": (size.divisible, f"it takes sides that are multiples of {size.divisible}"),
        "smallest_side": (size.smallest, f"the smallest side that it took was {size.smallest}"),
        "tile": (tile, "as large as memory mostly allows"),
        "halo": (min(reach, int(HALO_SHARE * tile)), f"{FIELD_SHARE:.0%} of what an output pixel sees is so near"),
    }


def _reach(network: Adapter, channels: int, side: int, ndim: int) -> int:
    """Measure how far from an output pixel the input lies on which it depends, in pixels, rounded up to `HALO_STEP`."""
    image = _probe(channels, side, ndim).requires_grad_(True)
    answer = network(image)
    middle = answer[(slice(None), slice(None), *(side // 2,) * ndim)]
    (slope,) = torch.autograd.grad(middle.square().sum(), image)
    strength = slope.abs().sum((0, 1))
    steps = (torch.arange(side) - side // 2).abs()
    away = torch.stack(torch.meshgrid(*[steps] * ndim, indexing="ij")).amax(0)
    rings = torch.zeros(side).index_add_(0, away.flatten(), strength.flatten()).cumsum(0)
    reach = int((rings < FIELD_SHARE * rings[-1]).sum())
    return -(-max(reach, 1) // HALO_STEP) * HALO_STEP


def _consistent(chosen: dict[str, Any]) -> dict[str, Any]:
    """Reconcile what the file declares with what was measured: the halo leaves something of the tile."""
    tile = chosen["tile"] // chosen["divisible"] * chosen["divisible"]
    return chosen | {"halo": min(chosen["halo"], max(tile // 2 - 1, 0))}
