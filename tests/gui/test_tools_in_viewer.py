"""Box, lasso and stroke in a real napari window: armed by key or button, drawn by one drag, left by Esc."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_clickseg.benchmark.latency import RIGHT
from napari_clickseg.core.clicks import Click

pytestmark = pytest.mark.viewer


def dragged(b, start, stop, **how) -> None:
    steps = len(b.session.clicks)
    b.hand.drag(start, stop, **how)
    b.until(lambda: len(b.session.clicks) != steps)
    b.answered()


def test_a_dragged_box_asks_with_its_ellipse_and_is_one_step(bench, plane, models):
    b = bench(plane)
    centre = b.camera.center
    b.run("box")
    assert b.panel.corrections.buttons["box"]._armed
    assert "Drag a box" in b.status
    dragged(b, (20, 20), (40, 50))
    assert b.camera.center == centre
    assert b.session.clicks[0].position == pytest.approx((30, 35), abs=2)
    prior = models["disks"].asked[-1].prior
    assert prior is not None
    assert 300 < prior.mask().sum() < 620
    assert b.labels.data[30, 35] == 1
    assert not b.panel.corrections.buttons["box"]._armed
    b.run("undo")
    b.answered()
    assert not b.labels.data.any()


def test_esc_leaves_a_tool_and_a_click_with_a_tool_is_a_click(bench, plane):
    b = bench(plane)
    b.press("lasso")
    b.click(30, 20)
    assert b.session.clicks == (Click(b.session.clicks[0].position),)
    assert not b.session.state.prompts
    b.key(Qt.Key.Key_Escape)
    assert b.controller.objects.armed == ""
    centre = b.camera.center
    b.hand.drag((50, 20), (55, 50))
    b.until(lambda: b.camera.center != centre)
    assert len(b.session.clicks) == 1


def test_a_stroke_with_the_right_button_excludes(bench, plane):
    b = bench(plane)
    b.click(30, 30)
    zoom = b.camera.zoom
    b.run("stroke")
    dragged(b, (30, 20), (30, 45), button=RIGHT)
    assert b.camera.zoom == zoom
    assert {click.positive for click in b.session.clicks[1:]} == {False}
    assert b.labels.data[30, 33] == 0
    b.run("undo")
    b.answered()
    assert len(b.session.clicks) == 1


def test_a_box_that_is_too_small_says_so_and_changes_nothing(bench, plane):
    b = bench(plane)
    b.run("box")
    b.controller.layers.traced.emit([(20.0, 20.0), (20.5, 40.0)], True, True)
    assert "draw it around the object" in b.status
    assert b.session.state.empty


def test_what_is_dragged_is_shown_and_gone_when_it_is_done(bench, plane):
    b = bench(plane)
    b.run("lasso")
    path = [(20.0, 20.0), (20.0, 50.0), (45.0, 50.0), (45.0, 20.0)]
    b.controller.layers.traced.emit(path, True, False)
    preview = b.controller.layers._preview
    assert preview.visible
    assert preview.data[..., 3].any()
    b.controller.layers.traced.emit(path, True, True)
    b.answered()
    [prompt] = b.session.state.prompts.values()
    assert prompt.kind == "lasso"
    assert np.allclose(prompt.points[0], b.pair.position((20.0, 20.0)))
