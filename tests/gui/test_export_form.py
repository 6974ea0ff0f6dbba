"""The form that exports labels, in a real window: what it writes is read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from magicgui.types import FileDialogMode

from napari_clickseg.gui.export_form import exported_of, with_suffix
from napari_clickseg.storage.exports import EXPORTS

pytestmark = pytest.mark.viewer


def cells() -> np.ndarray:
    labels = np.zeros((30, 40), np.int32)
    labels[3:9, 4:12] = 2
    labels[15:25, 20:35] = 5
    return labels


@pytest.fixture
def form(make_napari_viewer: Any) -> Any:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.ones((30, 40)), name="picture")
    viewer.add_labels(cells(), name="cells", features={"index": [2, 5], "class": ["round", ""]})
    return viewer.window.add_plugin_dock_widget("napari-clickseg", "Export objects")[1]


def test_labels_are_written_for_the_program_chosen_with_a_suffix_of_its_own(form, qtbot, tmp_path: Path):
    form.program.value = "geojson"
    form.path.value = tmp_path / "objects"
    form.call_button.native.click()
    written = tmp_path / "objects.geojson"
    qtbot.waitUntil(written.is_file)
    np.testing.assert_array_equal(EXPORTS["geojson"].read(written, (30, 40), "YX"), cells())
    assert '"round"' in written.read_text("utf-8")


def test_pairs_take_the_pixels_of_the_image_that_is_chosen(form, qtbot, tmp_path: Path):
    form.program.value = "cellpose-pairs"
    assert form.path.mode is FileDialogMode.EXISTING_DIRECTORY
    form.image.value = form.image.choices[1]
    folder = tmp_path / "pairs"
    folder.mkdir()
    form.path.value = folder
    form.call_button.native.click()
    qtbot.waitUntil(lambda: {path.name for path in folder.iterdir()} == {"picture.tif", "picture_masks.tif"})


def test_what_cannot_be_written_is_said_before_anything_is_done(form, tmp_path: Path):
    labels = form.objects.value
    with pytest.raises(ValueError, match="Choose where the export is to be written"):
        with_suffix(Path(), EXPORTS["coco"])
    with pytest.raises(ValueError, match="There is no folder"):
        with_suffix(tmp_path / "typo" / "a.json", EXPORTS["coco"])
    form.image.value = form.image.choices[1]
    picture = form.image.value
    picture.data = np.ones((31, 40))
    with pytest.raises(ValueError, match="choose the image that these labels belong to"):
        exported_of(labels, picture)
