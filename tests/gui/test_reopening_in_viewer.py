"""A panel that is closed and opened again in the same viewer goes on: undo, clicks and journal are those of before."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_clickseg.gui.widget import ClickWidget
from napari_clickseg.storage.journal_files import journals_in, summary_of

pytestmark = pytest.mark.viewer


def close(b):
    """Close the dock, as its button does."""
    b.viewer.window.remove_dock_widget(b.widget)


def reopen(b):
    """Open a panel anew, as the plugin's menu does."""
    b.widget = ClickWidget(b.viewer, b.listed, b.load)
    b.viewer.window.add_dock_widget(b.widget, name="clicks")
    b.ready()


def journal_of(b):
    return b.controller.recovery.journal(b.pair)


def test_undo_and_journal_go_on_and_a_crash_between_loses_nothing(bench, plane, journals):
    b = bench(plane)
    b.click(15, 15)
    b.key(Qt.Key.Key_Return)
    b.click(15, 45)
    session, journal, layer, clicks = b.session, journal_of(b), b.labels, b.session.clicks
    close(b)
    journal.wait()
    assert journals_in((journals,)) == [journal.path]
    found = summary_of(journal.path)
    assert found is not None
    assert found.unsaved == 6
    assert found.kept == 2
    layer.data_setitem(np.nonzero(np.pad(np.ones((4, 4), bool), ((40, 20), (40, 20)))), 9)
    reopen(b)

    assert b.session is session
    assert journal_of(b) is journal
    assert b.labels is layer
    assert "undo leads back" in b.status
    assert b.session.clicks == ()
    b.click(50, 15)
    assert set(np.unique(layer.data)) == {0, 1, 2, 9, 10}
    for undone in range(1, 6):
        b.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert (b.session.clicks == clicks) == (undone == 2)
    assert set(np.unique(layer.data)) == {0, 9}
    b.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert layer.data[15, 15] == 1
    assert layer.data[41, 41] == 9

    journal.wait()
    left = subprocess.run(
        [sys.executable, "-c", RESTORED, str(journal.path)], capture_output=True, text=True, check=True
    )
    assert left.stdout.split() == ["1", "9"]


RESTORED = """
import sys, numpy as np
from pathlib import Path
from napari_clickseg.core.requests import Nobody
from napari_clickseg.core.images import Image
from napari_clickseg.storage.recovery import recover
session = recover(Path(sys.argv[1])).restored(Image.of(np.zeros((64, 64), np.uint8)), Nobody(2, "disks"), None)
print(session.labels[15, 15], session.labels[41, 41])
"""
"""What another process makes of the journal of one that is gone: the object, and what was painted meanwhile."""


def test_pairs_end_with_their_layers(bench, plane):
    b = bench(plane)
    b.click(15, 15)
    first, image = b.session, b.viewer.layers[0]
    b.viewer.add_image(plane + 1, name="other")
    b.panel.requests.image_chosen.emit(b.viewer.layers["other"])
    b.click(15, 15)
    second, labels = b.session, b.labels
    close(b)
    b.viewer.layers.remove(image)
    reopen(b)
    assert b.session is second
    assert first is not second
    close(b)
    b.viewer.layers.remove(labels)
    reopen(b)
    untouched = b.session
    assert untouched is not second
    assert not untouched.can_undo
    close(b)
    reopen(b)
    assert b.session is not untouched
    assert "undo leads back" not in b.status


def test_labels_of_another_shape_end_the_history_with_a_sentence(bench, plane):
    b = bench(plane)
    b.click(15, 15)
    session, layer = b.session, b.labels
    close(b)
    b.viewer.layers[0].data = np.zeros((70, 70), np.uint8)
    layer.data = np.zeros((70, 70), np.int32)
    reopen(b)
    assert b.session is not session
    assert b.session.labels.shape == (70, 70)
    assert "cannot be undone" in b.status
    b.click(15, 15)
    assert b.session.labels[15, 15]
