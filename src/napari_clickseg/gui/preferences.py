"""Preferences: what the user set for this plugin in napari's settings, where napari has such settings (from 0.9)."""

from __future__ import annotations

import napari.settings

PLUGIN = "napari-clickseg"
GROUP = "click_segmentation"


def preference(name: str) -> str | None:
    """Return a setting of the manifest's `configurations`; None where it is not set or napari has none."""
    if not hasattr(napari.settings, "get_plugin_settings"):
        return None
    known = napari.settings.get_plugin_settings()
    if PLUGIN not in known:
        return None
    value = getattr(getattr(known[PLUGIN], GROUP), name)
    return str(value) if value else None
