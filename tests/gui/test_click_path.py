"""A click takes a short way through the package: few modules stand between the mouse and the labels."""

from __future__ import annotations

import pytest

from click_path import ClickPath, click_objects, plane
from napari_clickseg import load_model

pytestmark = pytest.mark.viewer
MOST = 66
"""Modules that one click may pass; 40 are wanted."""


def test_a_click_passes_few_modules_from_the_mouse_release_to_the_repaint(bench):
    network = type(load_model("default").network).__module__.removeprefix("napari_clickseg.")
    with ClickPath() as path:  # before the panel is opened, so that its threads are watched, too
        b = bench(plane(), real=True)
        passed = click_objects(path, b.hand, lambda: b.session, lambda: b.press("keep"))
    assert len(b.session.clicks) == 2
    for modules, entries in passed:
        assert len(modules) <= MOST, sorted(modules)
        assert {"gui.mouse", network} < modules, "both ends of the way were watched, on either thread"
        assert entries.keys() == modules
