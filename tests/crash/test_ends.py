"""A process with an open panel ends without a crash, in whatever order things go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.crash, pytest.mark.viewer]
ENDS = {
    "the script ends": "",
    "the script says so": "sys.exit(0)",
    "everything is let go": "del viewer, widget",
    "the window is closed": "viewer.close()",
    "the dock is closed first": "viewer.window.remove_dock_widget(widget)",
}
SCRIPT = """
import sys, time
import numpy as np
import napari
from napari_clickseg.gui.widget import ClickWidget

viewer = napari.Viewer(show=True)
viewer.add_image(np.zeros((64, 64), np.uint8))
widget = ClickWidget(viewer)
viewer.window.add_dock_widget(widget, name="clicks")
app = napari.qt.get_qapp()
while widget.controller.session is None:
    app.processEvents()
widget.controller.session.set_clicks([])
{end}
"""


@pytest.mark.parametrize("end", ENDS)
def test_a_process_ends_without_a_crash(tmp_path: Path, end: str) -> None:
    environment = {**os.environ, "CLICKSEG_JOURNALS": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    script = SCRIPT.format(end=ENDS[end])
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
