"""Latency: what is measured in a real window is there, whatever the machine takes for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_clickseg.benchmark import latency

pytestmark = pytest.mark.viewer


def test_the_panel_is_opened_and_the_pointer_rests_on_each_place(
    make_napari_viewer: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The environment is as before afterwards: nothing of the user's is read or written."""
    monkeypatch.setattr(latency, "OBJECTS", 2)
    monkeypatch.setenv(latency.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.delenv(latency.FIRST_STEPS_VARIABLE, raising=False)
    row = latency.measure_panel("geodesic")
    assert (row.model, row.moves) == ("geodesic", 2)
    assert row.opened > 0
    assert row.held > 0
    assert 0 <= row.shown <= 2
    assert os.environ[latency.FOLDER_VARIABLE] == str(tmp_path)
    assert latency.FIRST_STEPS_VARIABLE not in os.environ
    assert not list(tmp_path.iterdir())
