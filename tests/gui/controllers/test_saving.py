"""Saving: a name is proposed in a folder that can be used, and no image that is open is written over."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from psygnal import Signal

from napari_clickseg.gui.controllers.saving import Saving
from napari_clickseg.gui.view.protocol import Option, Picks


class WorkspaceDouble:
    switched = Signal(object)

    def __init__(self) -> None:
        self.current: Any = None
        self.images: list[Any] = []

    def picks(self) -> Picks:
        return Picks(images=tuple(Option(layer.name, layer) for layer in self.images))

    def show(self, layer: Any) -> None:
        self.images.append(layer)
        labels = SimpleNamespace(name="objects", source=SimpleNamespace(path=None))
        session = SimpleNamespace(step=0, labels=np.zeros((4, 4), int))
        self.current = SimpleNamespace(
            image_layer=layer, image_name=layer.name, labels_layer=labels, made=True, session=session
        )
        self.switched.emit(self.current)


def image(path: object = None, name: str = "cells", copy_of: Any = None) -> Any:
    """An image layer, from a file or not, or a copy of another one."""
    parent = None if copy_of is None else (lambda: copy_of)
    source = SimpleNamespace(path=None if path is None else str(path), parent=parent)
    return SimpleNamespace(name=name, source=source)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What surrounds the controller; asks for names in `asked`."""
    (tmp_path / "home").mkdir()
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(Path, "home", classmethod(lambda cls: tmp_path / "home"))
    monkeypatch.chdir("/")
    workspace, asked = WorkspaceDouble(), []
    reports = SimpleNamespace(hold=lambda news: None, report=lambda news: None)
    saving = Saving(workspace, None, None, reports, list, lambda kind, path: asked.append(Path(path)))  # type: ignore[arg-type]
    return SimpleNamespace(saving=saving, workspace=workspace, asked=asked, data=tmp_path / "data", home=Path.home())


def proposed(stage: Any) -> Path:
    stage.saving.save_labels()
    return stage.asked[-1]


@pytest.mark.parametrize("name", ["cells.tif", "cells.ome.tif", "cells.zarr", "cells.zarr/0", "cells.ome.zarr/A/1/0"])
def test_a_name_beside_the_image_is_proposed(stage: Any, name: str) -> None:
    stage.workspace.show(image(stage.data / name))
    assert proposed(stage) == stage.data / "cells objects.tif"


@pytest.mark.parametrize(
    "path", ["https://example.org/cells.zarr", "s3://bucket/cells.zarr/0", "/gone/folder/cells.tif", "/proc/cells.tif"]
)
def test_where_the_image_lies_in_no_folder_of_use_the_users_own_is_proposed(stage: Any, path: str) -> None:
    stage.workspace.show(image(path))
    assert proposed(stage) == stage.home / "cells objects.tif"


def test_an_image_without_a_file_has_the_name_of_its_layer(stage: Any) -> None:
    stage.workspace.show(image(name="a/b: c"))
    assert proposed(stage) == stage.home / "a-b- c objects.tif"


def test_layers_split_from_a_stack_are_saved_where_it_came_from(stage: Any) -> None:
    stage.workspace.show(image(stage.data / "stack.tif", "stack"))
    stage.workspace.images.clear()
    stage.workspace.show(image(name="stack layer 0"))
    assert proposed(stage) == stage.data / "stack layer 0 objects.tif"


def test_a_copy_of_a_layer_is_saved_beside_the_file_of_the_first(stage: Any) -> None:
    stage.workspace.show(image(name="cells copy", copy_of=image(stage.data / "cells.tif")))
    assert proposed(stage) == stage.data / "cells objects.tif"


def test_the_folder_that_the_program_was_started_in_comes_before_the_users_own(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stage.data)
    stage.workspace.show(image(name="cells"))
    assert proposed(stage) == stage.data / "cells objects.tif"


@pytest.mark.parametrize("path", ["cells.tif", "other.tif", "img.zarr", "img.zarr/0", "sub/../cells.tif"])
def test_no_image_that_is_open_is_written_over(stage: Any, path: str) -> None:
    for name in ("other.tif", "img.zarr", "cells.tif"):
        stage.workspace.show(image(stage.data / name, name))
    with pytest.raises(ValueError, match="is the file of the image"):
        stage.saving.write_labels(stage.data / path)
