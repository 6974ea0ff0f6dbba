"""napari-clickseg: segment cells by clicking, correct the masks that automatic methods got wrong."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Click as Click
    from napari_clickseg.models.load import load_model as load_model
    from napari_clickseg.models.registry import list_models as list_models
    from napari_clickseg.session.session import Session as Session
    from napari_clickseg.storage.read_images import read_image as read_image
    from napari_clickseg.training.adapt import learn as learn

__version__ = "0.1.0"

_HOMES = {
    "Click": "napari_clickseg.core.clicks",
    "Session": "napari_clickseg.session.session",
    "load_model": "napari_clickseg.models.load",
    "list_models": "napari_clickseg.models.registry",
    "read_image": "napari_clickseg.storage.read_images",
    "learn": "napari_clickseg.training.adapt",
}

__all__ = ["Click", "Session", "__version__", "learn", "list_models", "load_model", "read_image"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
