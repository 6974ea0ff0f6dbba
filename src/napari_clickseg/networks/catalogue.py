"""The table of networks: a name, and where its class lies. Imported on first use."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol, cast

from torch import Tensor, nn

NETWORKS = {
    "clicknet": "napari_clickseg.networks.clicknet:ClickNet",
    "coarse_fine": "napari_clickseg.networks.coarse_fine:CoarseFineNet",
    "deeplab": "napari_clickseg.networks.deeplab:DeepLabV3Plus",
    "hrnet18s": "napari_clickseg.networks.hrnet:HRNet18s",
    "pyramid": "napari_clickseg.networks.pyramid:PyramidNet",
    "two_stream": "napari_clickseg.networks.two_stream:TwoStreamNet",
}


def build_network(name: str, options: Mapping[str, Any]) -> nn.Module:
    """Return a network of a name in `NETWORKS` with untrained weights.

    Raises
    ------
    ValueError
        For a name that is not in the table, with the names that are.
    """
    if name not in NETWORKS:
        raise ValueError(f"There is no network {name!r}; there are {', '.join(sorted(NETWORKS))}.")
    module, attribute = NETWORKS[name].split(":")
    network: nn.Module = getattr(import_module(module), attribute)(**options)
    return network


class TwoStreams(Protocol):
    """A network whose image stream runs once per window and whose click stream runs once per click."""

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the features of an image (batch, 3, y, x)."""

    def decode(self, features: tuple[Tensor, ...], guidance: Tensor) -> Tensor:
        """Return logits (batch, 1, y, x) for a guidance (batch, g, y, x)."""


def two_streams(network: nn.Module) -> TwoStreams:
    """Return the same network as one with two streams.

    Raises
    ------
    ValueError
        Where it has none.
    """
    if not (hasattr(network, "encode") and hasattr(network, "decode")):
        raise ValueError(f"{type(network).__name__} has no image stream and click stream of its own.")
    return cast(TwoStreams, network)
