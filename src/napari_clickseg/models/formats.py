"""The table of foreign formats: how each is recognised, opened, and opened again from a kept model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from napari_clickseg.models import state_dict
from napari_clickseg.models.card import ConvertedCard
from napari_clickseg.models.opened import Opened
from napari_clickseg.models.state_dict import Blueprint, fill, open_state_dict
from napari_clickseg.models.trust import Untrusted

FORMATS = {state_dict.FORMAT: "weights"}


def open_foreign(
    path: Path, class_path: str | None, kwargs: Mapping[str, Any] | None, allowed: Callable[[str], bool]
) -> Opened:
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    return open_state_dict(path, Blueprint.of(class_path, kwargs) if class_path else None, allowed)


def reopen(card: ConvertedCard, content: Mapping[str, Tensor] | bytes, allowed: Callable[[str], bool]) -> Opened:
    blueprint = Blueprint(card.class_path, card.kwargs, card.code)
    if blueprint.permission and not allowed(blueprint.permission):
        raise Untrusted(f"The class {blueprint.class_path}", blueprint.permission)
    network = blueprint.build()
    fill(network, content, card.name)
    return Opened(network.eval(), card.format, content, blueprint.permission)
