"""Before the work: outputs that would destroy an input, and places that cannot be written to, are refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from napari_clickseg.storage.output_checks import (
    NamedPath,
    Role,
    check_folder,
    check_input,
    check_paths,
    check_place,
    folder_of,
    in_labels_group,
    name_of,
    named_paths,
    usable_folder,
)

links = pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an image, a zarr image and an empty folder."""
    monkeypatch.chdir(tmp_path)
    Path("a.tif").write_bytes(b"image")
    Path("sub").mkdir()
    for folder in ("img.zarr/0", "plate/A/1/0"):
        Path(folder).mkdir(parents=True)
    for group in ("img.zarr/.zattrs", "img.zarr/.zgroup", "plate/zarr.json", "plate/A/1/zarr.json"):
        Path(group).write_text("{}")
    return tmp_path


def check(inputs: list[str], outputs: dict[str, Role]) -> None:
    named = [NamedPath(Path(path), "the image") for path in inputs]
    check_paths([*named, *(NamedPath(Path(path), "--output", role) for path, role in outputs.items())])


@pytest.mark.parametrize("spelling", ["a.tif", "./a.tif", "sub/../a.tif", "{here}/a.tif"])
@pytest.mark.parametrize("role", ["file", "labels", "result"])
def test_an_output_that_is_an_input_is_refused_however_it_is_spelled(here: Path, spelling: str, role: Role) -> None:
    with pytest.raises(ValueError, match=r"is what is read .* would destroy it"):
        check(["a.tif"], {spelling.format(here=here): role})


@links
@pytest.mark.parametrize("way", ["link", "link to a link", "hard link", "linked folder", "input is the link"])
def test_links_to_an_input_are_seen_through(way: str) -> None:
    given, output = "a.tif", "k.tif"
    if way == "hard link":
        os.link("a.tif", "k.tif")
    elif way == "linked folder":
        os.symlink(".", "there")
        output = "there/a.tif"
    elif way == "link to a link":
        os.symlink("a.tif", "j.tif")
        os.symlink("j.tif", "k.tif")
    else:
        os.symlink("a.tif", "k.tif")
    if way == "input is the link":
        given, output = output, given
    with pytest.raises(ValueError, match="would destroy it"):
        check([given], {output: "labels"})


@pytest.mark.parametrize(
    ("given", "output", "role", "why"),
    [
        ("img.zarr", "img.zarr", "labels", "is what is read"),
        ("img.zarr/0", "img.zarr", "labels", "holds what is read"),
        ("img.zarr", "img.zarr/0", "labels", "lies inside the zarr"),
        ("img.zarr", "img.zarr/events.csv", "file", "lies inside the zarr"),
        ("img.zarr", "img.zarr/labels/01_RES", "result", "lies inside the zarr"),
        ("img.zarr/0", "img.zarr/0/x.zarr", "labels", "lies inside the zarr"),
        ("plate", "plate/A/1/0", "labels", "lies inside the zarr"),
        ("a.tif", "img.zarr/b.tif", "file", "lies inside the zarr"),
        ("plate/A/1", "plate", "labels", "holds what is read"),
        ("a.tif", ".", "result", "holds what is read"),
        ("img.zarr/labels/cells", "img.zarr/labels/cells", "labels", "is what is read"),
    ],
)
def test_folders_hold_and_lie_inside_each_other(given: str, output: str, role: Role, why: str) -> None:
    Path("img.zarr/labels/cells").mkdir(parents=True)
    with pytest.raises(ValueError, match=why):
        check([given], {output: role})


@pytest.mark.parametrize(
    ("given", "output"),
    [
        ("a.tif", "b.tif"),
        ("sub", "sub/b.tif"),
        ("img.zarr", "img.zarr/labels/cells"),
        ("plate", "plate/A/1/labels/cells"),
        ("img.zarr", "other.zarr"),
        ("a.tif", "img.zarr/labels/cells"),
    ],
)
def test_outputs_beside_the_inputs_are_fine(given: str, output: str) -> None:
    check([given], {output: "labels"})


def test_two_outputs_are_not_one_and_none_lies_inside_the_other() -> None:
    with pytest.raises(ValueError, match=r"--a and --b would both be written to t\.csv"):
        check_paths([NamedPath(Path("t.csv"), "--a", "file"), NamedPath(Path("./t.csv"), "--b", "file")])
    with pytest.raises(ValueError, match=r"--events .* lies inside --ctc .* replaced as a whole"):
        check_paths([NamedPath(Path("sub"), "--ctc", "result"), NamedPath(Path("sub/e.csv"), "--events", "file")])


@pytest.mark.parametrize(("name", "kind"), [("none.tif", "file"), ("none/", "file or folder")])
def test_an_input_that_is_not_there_is_an_error(name: str, kind: str) -> None:
    with pytest.raises(FileNotFoundError, match=rf"There is no {kind} none.* \(--labels\)"):
        check_input(NamedPath(Path(name), "--labels"))


@links
def test_a_link_to_nothing_says_where_it_points() -> None:
    os.symlink("gone.tif", "k.tif")
    with pytest.raises(FileNotFoundError, match=r"k\.tif \(--labels\) is a link to .*gone\.tif"):
        check_input(NamedPath(Path("k.tif"), "--labels"))


def test_a_place_that_can_be_written_is_left_as_it_was() -> None:
    before = sorted(os.listdir("."))
    for name in ("new.tif", "a.tif", "sub/new.zarr"):
        check_place(Path(name))
    assert sorted(os.listdir(".")) == before
    assert Path("a.tif").read_bytes() == b"image"


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("nowhere/x.tif", FileNotFoundError, "There is no folder nowhere"),
        ("a.tif/x.tif", FileNotFoundError, r"There is no folder a\.tif"),
        ("o" * 300 + ".tif", OSError, r"ooo\.\.\.tif cannot be written: .*too long; choose another name"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused(name: str, error: type[OSError], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        check_place(Path(name))


def test_a_name_as_long_as_the_file_system_takes_is_fine() -> None:
    check_place(Path("o" * 251 + ".tif"))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_folder_that_refuses_new_files_is_named() -> None:
    with pytest.raises(OSError, match=r"x\.tif cannot be written: /proc refuses new files"):
        check_place(Path("/proc/x.tif"))
    with pytest.raises(OSError, match=r"cannot be written: /proc refuses new files"):
        check_folder(Path("/proc/new/folder"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_what_is_no_ordinary_file_is_not_replaced() -> None:
    os.mkfifo("pipe.tif")
    with pytest.raises(OSError, match=r"pipe\.tif is there already and is no ordinary file"):
        check_place(Path("pipe.tif"))


@links
def test_the_place_of_a_link_is_where_it_points() -> None:
    os.symlink("nowhere/x.tif", "k.tif")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        check_place(Path("k.tif"))


def test_a_folder_to_write_into_may_be_new_but_no_file() -> None:
    check_folder(Path("sub/new/newer"))
    assert not Path("sub/new").exists()
    with pytest.raises(NotADirectoryError, match=r"written to a\.tif: a\.tif is a file, and wanted is a folder"):
        check_folder(Path("a.tif"))
    with pytest.raises(NotADirectoryError, match=r"a\.tif is a file"):
        check_folder(Path("a.tif/out"))


def test_labels_lie_inside_an_image_of_any_name_that_is_a_zarr() -> None:
    assert in_labels_group(Path("img.zarr/labels/cells"))
    assert in_labels_group(Path("plate/A/1/labels/cells"))
    assert in_labels_group(Path("new.zarr/labels/cells"))
    assert not in_labels_group(Path("sub/labels/cells"))
    check_place(Path("img.zarr/labels/cells"))  # the group is made with the labels
    with pytest.raises(FileNotFoundError):
        check_place(Path("sub/labels/cells"))


def test_the_value_of_an_option_is_one_path_or_several_or_none() -> None:
    assert named_paths("reads", "--data", None) == []
    assert [one.path for one in named_paths("reads", "--data", [Path("a"), Path("b")])] == [Path("a"), Path("b")]
    assert named_paths("file", "--events", Path("e.csv")) == [NamedPath(Path("e.csv"), "--events", "file")]


# -- where to, if nobody has said --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "folder"),
    [
        ("a.tif", "."),
        ("sub/a.tif", "sub"),
        ("sub/img.zarr", "sub"),
        ("sub/img.zarr/0", "sub"),
        ("sub/img.ome.zarr/A/1/0", "sub"),
        ("plate/A/1", "."),
        ("plate/A/1/0", "."),
    ],
)
def test_the_folder_of_an_image_is_outside_of_any_zarr(here: Path, source: str, folder: str) -> None:
    assert folder_of(here / source) == (here / folder).resolve()
    assert folder_of((here / source).as_uri()) == (here / folder).resolve()


@pytest.mark.parametrize(
    "source",
    [
        None,
        "",
        "https://example.org/data/img.zarr",
        "http://localhost:8000/a.tif",
        "s3://bucket/img.zarr/0",
        "gs://bucket/img.zarr",
        "https:/example.org/img.zarr",
    ],
)
def test_what_is_elsewhere_has_no_folder_here(source: str | None) -> None:
    assert folder_of(source) is None


@pytest.mark.parametrize(
    ("source", "layer", "name"),
    [
        ("/data/cells.tif", "x", "cells"),
        ("/data/cells.ome.tif", "x", "cells"),
        ("/data/cells.1.tif", "x", "cells.1"),
        ("/data/img.zarr", "x", "img"),
        ("/data/img.ome.zarr/0", "x", "img"),
        ("https://example.org/a/img.zarr/0", "x", "img"),
        ("https://example.org/a/cells.tif", "x", "cells"),
        (None, "cells layer 0", "cells layer 0"),
        (None, "a/b\\c:d*e?", "a-b-c-d-e-"),
        (None, "", "image"),
        (None, "..", "image"),
        (None, "n" * 300, "n" * 100),
        (None, "zellen µm [1]", "zellen µm [1]"),
    ],
)
def test_files_about_an_image_are_called_as_it_is(source: str | None, layer: str, name: str) -> None:
    assert name_of(source, layer) == name


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_the_first_folder_that_takes_files_is_proposed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert usable_folder((None, Path("/proc"), here / "gone", here / "sub", here)) == here / "sub"
    monkeypatch.setattr(Path, "home", classmethod(lambda cls: here))
    assert usable_folder((None, Path("/proc"))) == here
