"""The manifest: valid, linked from the top, and what it names is there and cheap to import."""

from __future__ import annotations

from pathlib import Path

from npe2 import PluginManifest

import napari_clickseg
from napari_clickseg.gui import menu_commands
from napari_clickseg.gui.actions import ACTIONS

MANIFEST = Path(napari_clickseg.__file__).parent / "napari.yaml"


def test_every_command_names_something_that_can_be_called():
    manifest = PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    named = [item for items in manifest.contributions.menus.values() for item in items]
    assert {command.id for command in manifest.contributions.commands} >= {
        item.command for item in named if hasattr(item, "command")
    }


def test_the_panel_is_in_the_menus_for_annotation_segmentation_and_tracking():
    menus = PluginManifest.from_file(MANIFEST).contributions.menus
    assert {"napari/layers/annotate", "napari/layers/segment", "napari/layers/track"} <= menus.keys()


def test_each_action_of_the_table_is_a_command_with_a_menu_item_and_no_other_is_there():
    """What has a key is found in the command palette and in the menus, by a title of its own."""
    contributions = PluginManifest.from_file(MANIFEST).contributions
    module = f"{menu_commands.__name__}:"
    commands = {c.python_name.removeprefix(module): c for c in contributions.commands if module in c.python_name}
    assert list(commands) == [action.name for action in ACTIONS]
    assert [item.command for item in contributions.menus["napari-clickseg.actions"]] == [
        f"napari-clickseg.{action.name}" for action in ACTIONS
    ]
    assert len({command.title for command in commands.values()}) == len(ACTIONS)
    assert all(callable(getattr(menu_commands, name)) for name in commands)


def test_the_actions_are_a_submenu_of_the_menus_for_annotation_and_segmentation():
    contributions = PluginManifest.from_file(MANIFEST).contributions
    (submenu,) = contributions.submenus
    for menu in ("napari/layers/annotate", "napari/layers/segment"):
        assert submenu.id in [getattr(item, "submenu", "") for item in contributions.menus[menu]]
