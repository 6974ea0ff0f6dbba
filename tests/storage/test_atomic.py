"""Atomic: a process that is killed, or a file that somebody holds, loses neither the old nor the new."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_clickseg.storage import atomic as module
from napari_clickseg.storage.atomic import put_right, written_whole
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.storage.write_labels import write_labels

KILLED = """
import os, sys
from pathlib import Path
import numpy as np
from napari_clickseg.storage import atomic
from napari_clickseg.storage.write_labels import write_labels

calls, rename = 0, os.replace
def replace(source, target):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os._exit(9)
    rename(source, target)

path = Path(sys.argv[1])
if path.suffix == ".zarr":
    import zarr
atomic.os.replace, keep = rename, write_labels
original = atomic._put_in_place
def put(unfinished, target):
    atomic.os.replace = replace
    original(unfinished, target)
atomic._put_in_place = put
write_labels(path, np.full((20, 30), 2, np.uint16))
os._exit(0 if int(sys.argv[2]) > calls else 1)
"""


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(module.NOTES_VARIABLE, str(tmp_path / "notes"))
    return tmp_path / "notes"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "notes")


@pytest.mark.parametrize(("name", "renames"), [("a.zarr", 1), ("a.zarr", 2), ("a.tif", 1)])
def test_what_a_killed_process_was_about_to_replace_is_there_again_at_the_next_start(
    tmp_path: Path, name: str, renames: int
) -> None:
    write_labels(tmp_path / name, np.full((20, 30), 1, np.uint16))
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / name), str(renames)], check=False)
    assert ended.returncode == 9
    value = np.unique(np.asarray(read_image(tmp_path / name).array[:])).tolist()
    assert value == ([2] if renames == 2 else [1])
    write_labels(tmp_path / name, np.full((20, 30), 3, np.uint16))
    assert names(tmp_path) == [name]


def test_the_start_of_a_panel_puts_folders_right(tmp_path: Path) -> None:
    write_labels(tmp_path / "a.zarr", np.full((20, 30), 1, np.uint16))
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a.zarr"), "2"], check=False)
    assert "a.zarr" not in names(tmp_path)
    put_right()
    assert names(tmp_path) == ["a.zarr"]


def test_what_a_living_process_is_writing_is_left_alone(tmp_path: Path) -> None:
    with written_whole(tmp_path / "a.txt") as unfinished:
        unfinished.write_text("new")
        with written_whole(tmp_path / "b.txt") as other:
            other.write_text("other")
        put_right()
    assert names(tmp_path) == ["a.txt", "b.txt"]


def test_old_labels_that_version_0_1_was_about_to_replace_come_back(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f".a.{ended.pid}.old.zarr").mkdir()
    with written_whole(tmp_path / "b.txt") as unfinished:
        unfinished.write_text("b")
    assert names(tmp_path) == ["a.zarr", "b.txt"]


def held(times: int, name: str) -> Callable[[str, str], None]:
    """Stands in for `os.replace` while somebody holds a file: so often it is refused."""
    rename, left = os.replace, [times]

    def replace(source: Path, target: Path) -> None:
        if Path(target).name == name and left[0]:
            left[0] -= 1
            raise PermissionError(13, "Permission denied")
        rename(source, target)

    return replace


@pytest.mark.parametrize("folder", [True, False])
def test_a_file_that_is_held_for_a_moment_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: bool
) -> None:
    monkeypatch.setattr(module, "PAUSE", 0)
    monkeypatch.setattr(module, "PATIENCE", 60)
    monkeypatch.setattr(module.os, "replace", held(5, "a"))
    with written_whole(tmp_path / "a") as unfinished:
        if folder:
            unfinished.mkdir()
        else:
            unfinished.write_text("new")
    assert names(tmp_path) == ["a"]


def test_of_a_file_that_is_held_for_long_the_new_one_is_kept_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.tif").write_text("old")
    monkeypatch.setattr(module, "PATIENCE", 0)
    monkeypatch.setattr(module.os, "replace", held(1000, "a.tif"))
    for number in (2, 3):
        with (
            pytest.raises(PermissionError, match=rf"somebody else holds it.*kept in a \({number}\)\.tif"),
            written_whole(tmp_path / "a.tif") as unfinished,
        ):
            unfinished.write_text("new")
        assert (tmp_path / f"a ({number}).tif").read_text() == "new"
    assert (tmp_path / "a.tif").read_text() == "old"
    assert names(tmp_path) == ["a (2).tif", "a (3).tif", "a.tif"]
