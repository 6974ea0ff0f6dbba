"""Click logs in napari: the clicks as points, over the image where that lies beside the log."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from doubles import Disks
from napari_clickseg.gui.log_files import reader_for
from napari_clickseg.session.session import Session
from napari_clickseg.storage.session_file import Record, save_session


@pytest.fixture
def folder(tmp_path):
    """A folder with an image of two frames and the log of a session: object 1 of two clicks, object 2 of one."""
    frames = np.zeros((2, 40, 50), np.uint8)
    tifffile.imwrite(tmp_path / "cells.tif", frames, metadata={"axes": "TYX"})
    session = Session(frames, Disks(), axes="TYX")
    record = Record(session)
    session.click((0, 10, 12))
    session.click((0, 10, 16), positive=False)
    session.commit()
    session.click((1, 30, 20))
    session.commit()
    save_session(tmp_path / "clicks.json", record, tmp_path / "cells.tif")
    return tmp_path


def read(path):
    return reader_for(str(path))(str(path))


def test_the_clicks_come_with_their_objects_and_what_they_meant(folder):
    (_, _, _), (points, options, kind) = read(folder / "clicks.json")
    assert kind == "points"
    assert points.tolist() == [[0, 10, 12], [0, 10, 16], [1, 30, 20]]
    assert options["features"] == {"object": [1, 1, 2], "include": [True, False, True], "click": [1, 2, 1]}
    assert options["symbol"] == ["disc", "x", "disc"]
    assert options["axis_labels"] == ("t", "y", "x")


def test_the_image_comes_along_where_it_lies_beside_the_log(folder):
    (image, options, kind), _ = read(folder / "clicks.json")
    assert (kind, tuple(image.shape), options["name"]) == ("image", (2, 40, 50), "cells.tif")
    (folder / "cells.tif").unlink()
    assert [kind for *_, kind in read(folder / "clicks.json")] == ["points"]


def test_an_image_of_that_name_and_another_shape_is_not_taken(folder):
    tifffile.imwrite(
        folder / "cells.tif", np.zeros((4, 9, 9), np.uint8), photometric="minisblack", metadata={"axes": "TYX"}
    )
    assert [kind for *_, kind in read(folder / "clicks.json")] == ["points"]


@pytest.mark.parametrize("name", ["other.json", "clicks.tif", "absent.json"])
def test_other_files_are_left_to_other_readers(tmp_path, name):
    if name == "other.json":
        (tmp_path / name).write_text('{"images": [], "height": 3}')
    elif name == "clicks.tif":
        (tmp_path / name).touch()
    assert reader_for(str(tmp_path / name)) is None
    assert reader_for([str(tmp_path / name)]) is None
