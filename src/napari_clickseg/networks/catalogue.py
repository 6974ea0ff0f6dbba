"""The table of networks: a name, and where its class lies. Imported on first use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

NETWORKS = {
    "clicknet": "napari_clickseg.networks.clicknet:ClickNet",
    "coarse_fine": "napari_clickseg.networks.coarse_fine:CoarseFineNet",
    "deeplab": "napari_clickseg.networks.deeplab:DeepLabV3Plus",
    "hrnet18s": "napari_clickseg.networks.hrnet:HRNet18s",
    "lite_clicknet": "napari_clickseg.networks.lite_clicknet:LiteClickNet",
    "pyramid": "napari_clickseg.networks.pyramid:PyramidNet",
    "two_stream": "napari_clickseg.networks.two_stream:TwoStreamNet",
}
PRETRAINED = frozenset(("coarse_fine", "deeplab", "pyramid", "two_stream"))
"""Networks whose encoder begins with that of the default model (`networks.clicked_encoder`)."""
GUIDANCE = "guidance"
"""The argument that every network takes: the channels of the clicks and of the mask shown. No option to choose."""


def build_network(name: str, options: Mapping[str, Any]) -> nn.Module:
    """Return a network of a name in `NETWORKS` with untrained weights.

    Raises
    ------
    ValueError
        For a name that is not in the table, or an option that the network does not have, with those that there are.
        Among them is none for the channels of the guidance: they follow from the encoding of the clicks.
    """
    if name not in NETWORKS:
        raise ValueError(f"There is no network {name!r}; there are {', '.join(sorted(NETWORKS))}.")
    module, attribute = NETWORKS[name].split(":")
    kind: type[nn.Module] = getattr(import_module(module), attribute)
    known = [option for option in signature(kind).parameters if option != GUIDANCE]
    unknown = sorted(set(options) - {GUIDANCE, *known})
    if unknown:
        raise ValueError(f"The network {name} has no option {', '.join(unknown)}; it may have {', '.join(known)}.")
    return kind(**options)


@runtime_checkable
class Guided(Protocol):
    """A network that may end with a guided filter; whether it does can be switched."""

    guided: bool


class Filtering(Protocol):
    """A network whose guided filter can run by itself."""

    def filtered(self, image: Tensor, logits: Tensor, fine: Tensor | None = None) -> Tensor:
        """Return logits filtered along the edges of an image, of the size of `fine` where that is given."""


def switch_filter(network: nn.Module, on: bool) -> None:
    """Let a network end with its guided filter, or without.

    Raises
    ------
    ValueError
        Where the filter is to be on and the network has none.
    """
    if isinstance(network, Guided):
        network.guided = on
    elif on:
        raise ValueError(f"The network {type(network).__name__} has no guided filter.")


class Streams(Protocol):
    """A network in two parts: one that runs once per window, and one that runs once per click."""

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the features of an image (batch, 3, y, x)."""

    def decode(self, features: tuple[Tensor, ...], guidance: Tensor) -> Tensor:
        """Return logits (batch, 1, y, x) for a guidance (batch, g, y, x)."""

    def answer(self, features: tuple[Tensor, ...], guidance: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the logits of `decode`, and the logit (batch, 1) of the predicted IoU where the network judges."""

    def outputs(self, features: tuple[Tensor, ...], guidance: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of `decode`, then those of auxiliary heads, where the network has some."""


def judges(network: nn.Module) -> bool:
    """Return whether a network predicts the quality of its answers."""
    return hasattr(network, "answer")


def sees_objects(network: nn.Module) -> bool:
    """Return whether a network sees objects before any click: a map of depth inside them."""
    return hasattr(network, "centres")


def streams_of(network: nn.Module) -> Streams:
    """Return a network in two parts; of one that has none, the first part is the image itself and nothing is saved."""
    return _OwnStreams(network) if hasattr(network, "encode") else _OneStream(network)


@dataclass(frozen=True, slots=True, eq=False)
class _OwnStreams:
    network: Any

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        features: tuple[Tensor, ...] = self.network.encode(image)
        return features

    def decode(self, features: tuple[Tensor, ...], guidance: Tensor) -> Tensor:
        logits: Tensor = self.network.decode(features, guidance)
        return logits

    def answer(self, features: tuple[Tensor, ...], guidance: Tensor) -> tuple[Tensor, Tensor | None]:
        if not judges(self.network):
            return self.decode(features, guidance), None
        answer: tuple[Tensor, Tensor] = self.network.answer(features, guidance)
        return answer

    def outputs(self, features: tuple[Tensor, ...], guidance: Tensor) -> tuple[Tensor, ...]:
        return (self.decode(features, guidance),)


@dataclass(frozen=True, slots=True, eq=False)
class _OneStream:
    network: Any

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        return (image,)

    def decode(self, features: tuple[Tensor, ...], guidance: Tensor) -> Tensor:
        logits: Tensor = self.network(features[0], guidance)
        return logits

    def answer(self, features: tuple[Tensor, ...], guidance: Tensor) -> tuple[Tensor, Tensor | None]:
        return self.decode(features, guidance), None

    def outputs(self, features: tuple[Tensor, ...], guidance: Tensor) -> tuple[Tensor, ...]:
        every: tuple[Tensor, ...] = self.network.outputs(features[0], guidance)
        return every
