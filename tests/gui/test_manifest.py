"""The manifest: valid, linked from the top, and what it names is there and cheap to import."""

from __future__ import annotations

from pathlib import Path

from npe2 import PluginManifest

import napari_clickseg

MANIFEST = Path(napari_clickseg.__file__).parent / "napari.yaml"


def test_every_command_names_something_that_can_be_called():
    manifest = PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert {command.id for command in manifest.contributions.commands} >= {
        item.command for items in manifest.contributions.menus.values() for item in items
    }


def test_the_panel_is_in_the_menus_for_annotation_segmentation_and_tracking():
    menus = PluginManifest.from_file(MANIFEST).contributions.menus
    assert {"napari/layers/annotate", "napari/layers/segment", "napari/layers/track"} <= menus.keys()
