"""Habits of new users in a real window: first steps, menus, the pointer of a tool, Cellpose's mouse, channels."""

from __future__ import annotations

from pathlib import Path

import npe2
import numpy as np
import pytest
from qtpy.QtCore import Qt

import napari_clickseg
from doubles import disk
from napari_clickseg.gui import menu_commands
from napari_clickseg.gui.widget import ClickWidget

pytestmark = pytest.mark.viewer
CONTROL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
MANIFEST = Path(napari_clickseg.__file__).parent / "napari.yaml"


@pytest.fixture
def two_cells():
    labels = np.zeros((64, 64), np.int32)
    labels[disk((64, 64), (20, 20), 8)] = 1
    labels[disk((64, 64), (20, 44), 8)] = 2
    return labels


# -- first steps -------------------------------------------------------------------------------------------------------


def test_without_an_image_samples_are_offered_and_no_hints(bench, first_steps):
    first_steps.unlink()
    b = bench()
    assert b.panel.samples.isVisible()
    assert not b.panel.tabs.isVisible()
    assert b.panel.samples.hint.isVisible()
    assert not b.panel.samples.tour.isVisible()
    assert not b.panel.files.save.isEnabled()
    assert b.panel.files.unsaved.text() == ""
    assert b.panel.first_steps.isHidden()


def test_three_hints_lie_on_the_canvas_until_an_object_is_kept(bench, plane, first_steps):
    first_steps.unlink()
    b = bench(plane)
    card = b.panel.first_steps
    assert card.isVisible()
    assert b.panel.files.unsaved.text() == "no changes to save"
    assert not b.panel.tabs.tabBar().isVisible()
    assert card.parentWidget() is b.hand._native
    assert [line.text()[:4] for line in card.lines] == ["<b>▸", "   L", "   E"]
    b.click(40, 40)
    assert [line.text()[:1] for line in b.panel.first_steps.lines] == ["✓", "<", " "]
    b.key(Qt.Key.Key_Return)
    assert b.panel.first_steps.isHidden()
    assert first_steps.exists()


def test_hints_that_are_dismissed_are_so_for_good_until_they_are_asked_for(bench, plane, first_steps, qtbot):
    first_steps.unlink()
    b = bench(plane)
    qtbot.mouseClick(b.panel.first_steps.leave, Qt.MouseButton.LeftButton)
    assert b.panel.first_steps.isHidden()
    b.controller.close()
    again = bench(plane)
    assert again.panel.first_steps.isHidden()
    again.panel.requests.offered.emit("first steps")
    assert again.panel.first_steps.isVisible()


# -- menus and command palette -----------------------------------------------------------------------------------------


def test_a_command_opens_the_panel_and_does_its_action_there(make_napari_viewer, plane):
    manager = npe2.PluginManager.instance()
    if "napari-clickseg" not in [manifest.name for manifest in manager.iter_manifests()]:
        manager.register(npe2.PluginManifest.from_file(MANIFEST))
    viewer = make_napari_viewer(show=True)
    viewer.add_image(plane)
    menu_commands.delete(viewer)
    (widget,) = viewer.window._qt_window.findChildren(ClickWidget)
    assert widget.controller.objects.armed == "delete"
    menu_commands.delete(viewer)
    assert widget.controller.objects.armed == ""
    assert viewer.window._qt_window.findChildren(ClickWidget) == [widget]


# -- the pointer of an armed tool --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("action", "pointer"), [("delete", "pointing"), ("box", "cross")])
def test_the_pointer_shows_an_armed_tool_on_every_layer_that_takes_clicks(bench, plane, action, pointer):
    b = bench(plane)
    before = b.viewer.layers.selection.active.cursor
    b.press(action)
    assert str(b.viewer.cursor.style) == pointer
    b.viewer.layers.selection.active = b.viewer.layers[0]
    assert str(b.viewer.cursor.style) == pointer
    b.key(Qt.Key.Key_Escape)
    b.controller.workspace.activate()
    assert str(b.viewer.cursor.style) == str(before)
    assert str(b.viewer.layers[0].cursor) == "standard"


# -- the mouse as in Cellpose ------------------------------------------------------------------------------------------


def test_with_cellposes_mouse_ctrl_deletes_and_alt_joins(bench, plane, two_cells, monkeypatch):
    choices = {"cellpose_mouse": "True"}
    monkeypatch.setattr("napari_clickseg.gui.widget.preference", choices.get)
    b = bench(plane, lambda viewer: viewer.add_labels(two_cells))
    b.hand.click((20, 20), modifiers=ALT)
    b.hand.click((20, 44), modifiers=ALT)
    b.until(lambda: set(np.unique(b.labels.data)) == {0, 1})
    assert (b.labels.data == 1).sum() == (two_cells > 0).sum() == 2 * disk((64, 64), (20, 20), 8).sum()
    b.hand.click((20, 20), modifiers=CONTROL)
    b.until(lambda: not b.labels.data.any())
    assert b.session.clicks == ()
    b.key(Qt.Key.Key_Z, CONTROL)
    assert set(np.unique(b.labels.data)) == {0, 1}


def test_without_that_setting_a_click_with_ctrl_is_a_click(bench, plane):
    b = bench(plane)
    b.click(40, 40, modifiers=CONTROL)
    assert len(b.session.clicks) == 1


# -- channels ----------------------------------------------------------------------------------------------------------


def test_a_channel_that_is_chosen_is_shown_with_the_contrast_it_was_given(bench):
    stains = np.zeros((3, 64, 64), np.uint16)
    stains[0, 20:40, 20:40], stains[1, 20:40, 20:40], stains[2, 20:40, 20:40] = 4000, 90, 700
    b = bench(stains)
    first, second = b.panel.layers.pickers["channel"].values[:2]
    b.panel.requests.channel_chosen.emit(first)
    layer = b.viewer.layers[0]
    layer.contrast_limits = (0, 3000)
    b.panel.requests.channel_chosen.emit(second)
    assert b.viewer.dims.current_step[0] == 1
    assert tuple(layer.contrast_limits) == (0, 90)
    layer.contrast_limits = (10, 80)
    b.viewer.dims.set_current_step(0, 0)
    assert tuple(layer.contrast_limits) == (0, 3000)
    b.panel.requests.channel_chosen.emit(first)
    b.panel.requests.channel_chosen.emit(second)
    assert tuple(layer.contrast_limits) == (10, 80)
    b.click(30, 30)
    assert b.labels.visible
    assert np.asarray(b.labels.data).any()
