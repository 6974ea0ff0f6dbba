"""Learning in a real napari window, by the default model: button, sentence, journal, and the way back."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from qtpy.QtCore import Qt

from doubles import disk
from napari_clickseg.gui.view.panel import ALL_CELLS
from napari_clickseg.storage.recovery import recover

pytestmark = pytest.mark.viewer
LONG_WAIT = 120_000
"""Milliseconds: torch prepares its optimisers for seconds, on a busy machine for many."""
PLACES = ((14, 14), (14, 46), (14, 78), (46, 14), (46, 46))


def test_the_button_learns_in_the_background_and_one_click_goes_back(bench, monkeypatch, tmp_path):
    from napari_clickseg.training import adapt
    from napari_clickseg.training.few_objects import Effort

    monkeypatch.setenv("CLICKSEG_MODELS", str(tmp_path / "models"))
    counts = iter((3, 3, 1, 2))
    monkeypatch.setattr(adapt, "clicks_needed", lambda *args: next(counts))
    monkeypatch.setattr(adapt, "adapt", partial(adapt.adapt, effort=Effort(seconds=600, steps=1, batch=1)))
    image = np.zeros((96, 96), np.uint8)
    for place in PLACES:
        image[disk(image.shape, place, 9)] = 200
    b = bench(image, real=True)
    b.panel.tabs.setCurrentWidget(b.panel.pages[ALL_CELLS])
    button = b.panel.learning.button
    b.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert "there are 0" in b.status
    for place in PLACES:
        b.session.click(place)
        b.session.commit()
    b.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert b.panel.learning.button.text().startswith("Stop learning")
    b.session.click((46, 78))
    b.qtbot.waitUntil(lambda: "On 2 objects" in b.panel.learning.found.text(), timeout=LONG_WAIT)
    b.ready()
    assert b.panel.learning.found.text() == (
        "Learned from 5 objects. On 2 objects that it had not seen: 1.5 instead of 3.0 clicks."
    )
    assert b.session.predictor.name.startswith("learned-")
    b.session.click((48, 78))
    journal = b.controller.recovery.journal(b.pair)
    journal.wait()
    assert recover(journal.path).model == b.session.predictor.name
    b.qtbot.mouseClick(b.panel.learning.back, Qt.MouseButton.LeftButton)
    b.ready()
    assert b.session.predictor.name == "default"
    assert not b.panel.learning.choice.isVisible()
