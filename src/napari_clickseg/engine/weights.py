"""Weights: a new network for an encoding, weights read into it, weights written with their card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from napari_clickseg.engine.guidance import Encoding, Guidance
from napari_clickseg.files import written_whole
from napari_clickseg.models.card import READABLE, ModelCard
from napari_clickseg.networks.catalogue import build_network


def new_network(name: str, options: Mapping[str, Any], encoding: Encoding) -> nn.Module:
    """Return a network of `networks.catalogue` with untrained weights that takes the encoding's channels.

    Raises
    ------
    ValueError
        For a name that is not in the table.
    """
    return build_network(name, {"guidance": Guidance(encoding).channels, **options})


def read_weights(network: nn.Module, path: str | Path) -> None:
    """Read weights into a network.

    Raises
    ------
    ValueError
        With the reason in one sentence, where the file is missing or corrupt or its weights do not fit.
    """
    try:
        network.load_state_dict({name: value.float() for name, value in load_file(str(path)).items()})
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"The weights in {path} do not fit the network {type(network).__name__} ({reason}).") from None


def save_model(path: str | Path, network: nn.Module, card: ModelCard) -> None:
    """Write a network's weights in half precision, with its card, as one safetensors file; whole or not at all."""
    halves = {
        name: value.detach().cpu().half().contiguous() if value.is_floating_point() else value.detach().cpu()
        for name, value in network.state_dict().items()
    }
    with written_whole(Path(path)) as unfinished:
        save_file(halves, str(unfinished), metadata=card.to_metadata())
        unfinished.chmod(READABLE)
