"""Files of ImageJ, QuPath and COCO open as labels, and labels are saved as such, through the plugin's manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManager, PluginManifest, io_utils

from napari_clickseg.gui.object_files import reader_for
from napari_clickseg.gui.plugin_layers import classes_in


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> PluginManager:
    manager = PluginManager()
    import napari_clickseg

    manager.register(PluginManifest.from_file(Path(napari_clickseg.__file__).parent / "napari.yaml"))
    monkeypatch.setattr(PluginManager, "instance", classmethod(lambda cls: manager))
    return manager


def cells() -> np.ndarray:
    labels = np.zeros((12, 14), np.uint32)
    labels[2:5, 3:8] = 4
    labels[7:, 10:] = 6
    return labels


@pytest.mark.parametrize("name", ["a.zip", "a.geojson", "a.json"])
def test_a_labels_layer_is_saved_and_opened_again(plugins: PluginManager, tmp_path: Path, name: str):
    path = str(tmp_path / name)
    features = {"index": [4, 6], "class": ["round", None]}
    layer = (cells(), {"name": "cells", "features": features}, "labels")
    io_utils.write(path, [layer], plugin_name="napari-clickseg")
    [(labels, attributes, kind)] = io_utils.read([path], stack=False, plugin_name="napari-clickseg")
    assert kind == "labels"
    assert attributes["name"] == "a"
    assert classes_in(attributes["features"]) == {4: "round"}
    assert np.array_equal(labels, cells()[: labels.shape[0], : labels.shape[1]])


def test_archives_and_json_files_of_others_are_left_alone(tmp_path: Path):
    (tmp_path / "a.json").write_text('{"version": 1}')
    (tmp_path / "a.zip").write_bytes(b"PK")
    assert reader_for(str(tmp_path / "a.json")) is None
    assert reader_for(str(tmp_path / "a.zip")) is None
    assert reader_for([str(tmp_path / "a.geojson")]) is None
