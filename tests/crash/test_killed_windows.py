"""The real window, killed at a random moment of clicking: the next one offers what was done up to then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_clickseg.core.images import Image
from napari_clickseg.core.requests import Nobody
from napari_clickseg.storage.journal_files import find
from napari_clickseg.storage.recovery import recover

pytestmark = [pytest.mark.crash, pytest.mark.viewer, pytest.mark.skipif(sys.platform == "win32", reason="kill -9")]
SCRIPT = """
import sys
import numpy as np
import napari
from qtpy.QtCore import Qt
from napari_clickseg.benchmark.latency import PLAIN, Canvas
from napari_clickseg.gui.widget import ClickWidget
from napari_clickseg.models.load import load_model
from napari_clickseg.models.registry import list_models

geodesic = lambda: [entry for entry in list_models() if entry.name == "geodesic"]
viewer = napari.Viewer(show=True)
viewer.add_image(np.load(sys.argv[1]))
widget = ClickWidget(viewer, geodesic, load_model)
viewer.window.add_dock_widget(widget, name="clicks")
app, hand = napari.qt.get_qapp(), Canvas(viewer, widget)
while widget.controller.session is None or widget.controller.models.loaded is None:
    app.processEvents()
session, rng = widget.controller.session, np.random.default_rng(int(sys.argv[2]))
print("ready", flush=True)
while True:
    hand.click(rng.integers(4, 60, 2).tolist())
    for _ in range(200):
        app.processEvents()
        if session.clicks and session.pending is None:
            break
    if session.area():
        hand.key(Qt.Key.Key_Return, PLAIN)
    elif session.clicks:
        hand.key(Qt.Key.Key_Escape, PLAIN)
    app.processEvents()
    print(session.state.kept, flush=True)
"""


def test_a_killed_window_leaves_a_session_that_can_be_restored(tmp_path: Path, kills: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 99, (64, 64), np.uint8)
    np.save(tmp_path / "image.npy", pixels)
    for seed in range(max(1, kills // 6)):
        folder, rng = tmp_path / str(seed), np.random.default_rng(seed)
        environment = {**os.environ, "CLICKSEG_JOURNALS": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "image.npy"), str(seed)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as window:
            assert window.stdout is not None
            said = [window.stdout.readline() for _ in range(int(rng.integers(2, 40)))]
            window.send_signal(signal.SIGKILL)
            said += window.stdout.readlines()
        kept = [int(line) for line in said[1:] if line.endswith("\n")][-1]
        image = Image.of(pixels)
        found = find(image, folder)
        assert len(found) == 1, f"kill {seed}"
        recovered = recover(found[0].path)
        session = recovered.restored(image, Nobody(2), None)
        assert recovered.complete, f"kill {seed}: {recovered.problems}"
        assert session.state.kept >= kept - 1, f"kill {seed}: {kept} objects became {session.state.kept}"
        assert session.labels.any() or kept == 0
