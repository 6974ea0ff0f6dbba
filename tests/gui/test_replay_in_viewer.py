"""What was done in the panel comes out of its session file with the same labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from doubles import disk
from napari_clickseg.core.images import Image
from napari_clickseg.models.load import load_model
from napari_clickseg.session.session import Session
from napari_clickseg.storage.session_file import Replay, Summary, load_session

pytestmark = pytest.mark.viewer


def movie() -> np.ndarray:
    """Disks of 80 pixels on frame 0, of 10 pixels on frame 1."""
    frames = np.full((2, 300, 300), 20, np.uint8)
    for frame, radius, step in ((0, 40, 140), (1, 5, 40)):
        for y in range(step // 2, 300, step):
            for x in range(step // 2, 300, step):
                frames[frame][disk((300, 300), (y, x), radius)] = 200
    return frames + np.random.default_rng(0).integers(0, 10, frames.shape, np.uint8)


def test_a_session_of_the_panel_is_replayed_to_the_same_labels(bench, models, tmp_path: Path) -> None:
    """The model is warmed up on the middle frame, here frame 1 with its small objects, before the click on frame 0."""
    models["disks"] = load_model("geodesic")
    b = bench(movie(), axis_labels=("t", "y", "x"))
    b.viewer.dims.set_current_step(0, 0)
    b.click(0, 70, 70)
    b.press("keep")
    b.answered()
    b.panel.requests.path_given.emit("click log", tmp_path / "out.json")
    b.until(lambda: (tmp_path / "out.json").exists() and "Saved" in b.status)
    saved = load_session(tmp_path / "out.json")
    session = Session(Image.of(movie(), saved.image.axes), load_model("geodesic"), highest=saved.highest)
    saved.began.apply_to(session)
    list(Replay(saved, session, lambda name: load_model("geodesic")).steps())
    assert Summary.of(session.labels) == saved.labels
    assert (session.labels[0] > 0).sum() == pytest.approx(np.pi * 40**2, rel=0.2)
