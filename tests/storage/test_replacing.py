"""What is replaced, what is not, what is written through a link, and where labels go that cannot be written."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_clickseg.storage import write_labels as module
from napari_clickseg.storage.atomic import written_whole
from napari_clickseg.storage.cell_tracking import Track, check_place, read_result, write_result
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.storage.write_labels import (
    check_ids,
    check_labels_path,
    id_range,
    write_labels,
    write_or_keep,
)

LABELS = np.pad(np.full((3, 4), 7, np.int32), 2)
links = pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ome_zarr(path: str, zarr_format: int = 2) -> None:
    """An OME-Zarr image of one plane, without a group of labels."""
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    names = {} if zarr_format == 2 else {"dimension_names": ["y", "x"]}
    group.create_array("0", data=LABELS.astype(np.uint8), **names)
    image = {
        "axes": [{"name": name, "type": "space"} for name in "yx"],
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0]}]}],
    }
    if zarr_format == 2:
        group.attrs["multiscales"] = [{"version": "0.4", **image}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}


# -- folders that are not ours -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inner", "named"),
    [
        ("notes.txt", "notes.txt"),
        ("0/notes.txt", "notes.txt"),
        ("photo.tif", "photo.tif"),
        ("mask000.tif", "mask000.tif"),
        ("sub/zarr.json", "sub"),
        (".git/config", ".git"),
    ],
)
@pytest.mark.parametrize("ours", [True, False])
def test_a_zarr_with_other_files_is_not_replaced(inner: str, named: str, ours: bool) -> None:
    if ours:
        write_labels("a.zarr", LABELS)
    Path("a.zarr", inner).parent.mkdir(parents=True, exist_ok=True)
    Path("a.zarr", inner).write_text("mine")
    for attempt in (check_labels_path, lambda path: write_labels(path, LABELS)):
        with pytest.raises(ValueError, match=f"a.zarr is there already and holds .*{named}, which would be lost"):
            attempt("a.zarr")
    assert Path("a.zarr", inner).read_text() == "mine"


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_zarr_that_holds_an_image_is_not_replaced(zarr_format: int) -> None:
    ome_zarr("a.zarr", zarr_format)
    zarr.save_array("b.zarr", LABELS)
    zarr.open_group("c.zarr", mode="w")
    for path in ("a.zarr", "b.zarr", "c.zarr"):
        with pytest.raises(ValueError, match="something else than labels of ours, which would be lost"):
            check_labels_path(path)


@pytest.mark.parametrize("key", ["colors", "properties", "source"])
def test_labels_that_others_have_described_are_not_replaced(key: str) -> None:
    write_labels("a.zarr", LABELS)
    group = zarr.open_group("a.zarr", mode="a")
    group.attrs["image-label"] = {**dict(group.attrs["image-label"]), key: []}
    with pytest.raises(ValueError, match="which would be lost"):
        check_labels_path("a.zarr")


def test_labels_of_ours_are_replaced_with_what_file_browsers_leave_in_them() -> None:
    ome_zarr("img3.zarr", 3)
    for path in ("a.zarr", "img3.zarr/labels/cells"):
        write_labels(path, LABELS)
        Path(path, ".DS_Store").write_text("x")
        write_labels(path, LABELS + 1)
        assert zarr.open_group(path, mode="r")["0"][0, 0] == 1
    Path("empty.zarr").mkdir()
    write_labels("empty.zarr", LABELS)


@pytest.mark.parametrize(
    ("there", "output", "sentence"),
    [
        ("file", "a.zarr", "a.zarr is there already and is a file, but would become a folder"),
        ("folder", "a.tif", "a.tif is there already and is a folder, but would become a file"),
        ("folder", "a.png", "is a folder, but would become a file"),
        ("folder", "a.npy", "is a folder, but would become a file"),
    ],
)
def test_a_file_and_a_folder_do_not_replace_each_other(there: str, output: str, sentence: str) -> None:
    if there == "file":
        Path(output).write_text("mine")
    else:
        Path(output).mkdir()
    with pytest.raises(ValueError, match=sentence):
        check_labels_path(output)


MOVIE = np.stack([LABELS] * 3)


@pytest.mark.parametrize("inner", ["notes.txt", "mask.tif", "mask0001.png", "man_track.txt", "SEG/man_seg000.tif"])
def test_a_result_folder_with_other_files_is_not_replaced(inner: str) -> None:
    write_result("R", MOVIE)
    Path("R", inner).parent.mkdir(exist_ok=True)
    Path("R", inner).write_text("mine")
    for attempt in (check_place, lambda path: write_result(path, MOVIE)):
        with pytest.raises(ValueError, match="beside the result, which would be lost"):
            attempt("R")
    assert Path("R", inner).read_text() == "mine"


def test_a_result_folder_is_replaced_with_the_masks_it_has_too_many() -> None:
    write_result("R", MOVIE)
    Path("R/Thumbs.db").write_text("x")
    write_result("R", MOVIE[:2])
    assert sorted(os.listdir("R")) == ["mask000.tif", "mask001.tif", "res_track.txt"]
    assert read_result("R")[1] == [Track(7, 0, 1)]


# -- masks by their numbers --------------------------------------------------------------------------------------------


def masks(*names: str) -> None:
    Path("R").mkdir()
    for time, name in enumerate(names):
        tifffile.imwrite(f"R/{name}", np.full((4, 5), time + 1, np.uint16))


def test_masks_are_read_by_their_numbers() -> None:
    masks(*(f"mask{time}.tif" for time in range(12)))  # mask10 comes before mask2 by name
    Path("R/res_track.txt").write_text("".join(f"{time + 1} {time} {time} 0\n" for time in range(12)))
    assert read_result("R")[0][:, 0, 0].tolist() == list(range(1, 13))


def test_masks_with_more_digits_than_three_are_read_by_their_numbers() -> None:
    masks("mask000.tif", "mask001.tif", "mask0002.tif", "mask3.tif")
    Path("R/res_track.txt").write_text("".join(f"{time + 1} {time} {time} 0\n" for time in range(4)))
    assert read_result("R")[0][:, 0, 0].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("mask000.tif", "mask002.tif"), r"R lacks mask001\.tif: "),
        (("mask001.tif", "mask002.tif"), r"R lacks mask000\.tif: "),
        (("mask0000.tif", "mask0005.tif"), r"R lacks mask0001\.tif and 3 more: "),
        (("mask000.tif", "mask001.tif", "mask01.tif"), r"two masks of time point 1: mask001\.tif and mask01\.tif"),
    ],
)
def test_a_missing_mask_is_named(names: tuple[str, ...], sentence: str) -> None:
    masks(*names)
    Path("R/res_track.txt").write_text("1 0 0 0\n")
    with pytest.raises(ValueError, match=sentence):
        read_result("R")


# -- labels inside an image --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("image", ["img.zarr", "plate.zarr/A/1/0", "bf/0"])
def test_labels_join_an_image_that_has_no_group_of_labels_yet(image: str, zarr_format: int) -> None:
    ome_zarr(image, zarr_format)
    check_labels_path(f"{image}/labels/cells")
    assert not Path(image, "labels").exists()
    write_labels(f"{image}/labels/cells", LABELS)
    write_labels(f"{image}/labels/nuclei", LABELS)
    group = zarr.open_group(f"{image}/labels", mode="r")
    told = dict(group.attrs)
    assert told.get("ome", told)["labels"] == ["cells", "nuclei"]
    assert group.metadata.zarr_format == zarr_format
    np.testing.assert_array_equal(read_image(Path(image, "labels/cells")).array[:], LABELS)


def test_labels_that_cannot_join_leave_no_empty_group(monkeypatch: pytest.MonkeyPatch) -> None:
    ome_zarr("img.zarr")

    def full_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "described", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_labels("img.zarr/labels/cells", LABELS)
    assert sorted(os.listdir("img.zarr")) == [".zattrs", ".zgroup", "0"]


@pytest.mark.parametrize("image", ["img.zarr", "plain.zarr"])
def test_labels_join_no_image_that_is_none_before_the_work(image: str) -> None:
    if image == "plain.zarr":
        zarr.save_array(image, LABELS)
    else:
        zarr.open_group(image, mode="w")
    with pytest.raises(ValueError, match="OME-Zarr"):
        check_labels_path(f"{image}/labels/cells")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        check_labels_path("none.zarr/labels/cells")


# -- links -------------------------------------------------------------------------------------------------------------


@links
@pytest.mark.parametrize("suffix", [".tif", ".png", ".npy", ".zarr"])
@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_written_through_and_stays_a_link(suffix: str, there: bool) -> None:
    Path("store").mkdir()
    if there:
        write_labels(f"store/real{suffix}", LABELS)
    os.symlink(f"store/real{suffix}", f"out{suffix}", target_is_directory=suffix == ".zarr")
    write_labels(f"out{suffix}", LABELS + 1)
    assert Path(f"out{suffix}").is_symlink()
    assert os.listdir("store") == [f"real{suffix}"]
    assert int(np.asarray(read_image(Path(f"store/real{suffix}")).array[0, 0])) == 1


@links
def test_a_linked_result_folder_is_written_through() -> None:
    write_result("real", MOVIE)
    os.symlink("real", "R", target_is_directory=True)
    write_result("R", MOVIE[:2])
    assert Path("R").is_symlink()
    assert len(list(Path("real").glob("mask*"))) == 2


@links
def test_a_link_stays_where_writing_fails() -> None:
    Path("store").mkdir()
    Path("store/real.txt").write_text("old")
    os.symlink("store/real.txt", "out.txt")

    def interrupted() -> None:
        with written_whole(Path("out.txt")) as unfinished:
            unfinished.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert Path("out.txt").read_text() == "old"
    assert os.listdir("store") == ["real.txt"]


def test_a_name_as_long_as_the_file_system_takes_is_written() -> None:
    for suffix in (".tif", ".zarr"):
        name = "o" * (255 - len(suffix)) + suffix
        write_labels(name, LABELS)
        assert Path(name).exists()


# -- ids ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "lowest", "highest", "sentence"),
    [
        ("a.tif", -1, 5, "Labels from -1 to 5 fit no image file"),
        ("a.tif", 0, 2**32, "fit no image file"),
        ("a.zarr", 0, 2**63, "fit no image file"),
        ("a.npy", -(2**31), 1, "fit no image file"),
        ("a.png", 0, 65536, r"a\.png holds ids up to 65535, but there are ids up to 65536; write a \.tif"),
    ],
)
def test_ids_that_do_not_fit_are_refused(name: str, lowest: int, highest: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_ids(Path(name), lowest, highest)


@pytest.mark.parametrize(("name", "highest"), [("a.tif", 2**32 - 1), ("a.png", 65535), ("a.npy", 2**32 - 1)])
def test_the_highest_ids_that_fit_are_written_as_they_are(name: str, highest: int) -> None:
    check_ids(Path(name), 0, highest)
    labels = np.full((3, 4), highest, np.uint64)
    write_labels(name, labels)
    assert int(np.asarray(read_image(Path(name)).array)[0, 0]) == highest


def test_the_range_of_ids_is_exact_beyond_64_bits_with_a_sign() -> None:
    assert id_range(np.array([[2**64 - 1, 5]], np.uint64)) == (0, 2**64 - 1)
    assert id_range(np.zeros((2, 0, 3), int)) == (0, 0)


# -- labels that cannot be written -------------------------------------------------------------------------------------


def test_labels_that_cannot_be_written_are_kept_elsewhere_and_named(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "tmp").mkdir()
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(here / "tmp"))
    with pytest.raises(OSError, match=r"no folder nowhere .*; the labels are kept in .*tmp.*clickseg-a-\d+\.tif: move"):
        write_or_keep(Path("nowhere/a.tif"), LABELS, "YX", (1.0, 1.0))
    (kept,) = (here / "tmp").iterdir()
    np.testing.assert_array_equal(tifffile.imread(kept), LABELS)


def test_labels_that_fit_no_image_file_are_kept_as_an_array(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "tmp").mkdir()
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(here / "tmp"))
    with pytest.raises(OSError, match=r"fit no image file.*kept in .*\.npy"):
        write_or_keep(Path("a.tif"), LABELS - 1, "YX", (1.0, 1.0))
    (kept,) = (here / "tmp").iterdir()
    np.testing.assert_array_equal(np.load(kept), LABELS - 1)


def test_a_folder_of_temporary_files_that_is_full_is_passed_over(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(here / "none"))
    monkeypatch.setattr(module.Path, "home", classmethod(lambda cls: here))
    with pytest.raises(OSError, match=r"the labels are kept in "):
        write_or_keep(Path("nowhere/a.tif"), LABELS, "YX", (1.0, 1.0))
    assert len(list(here.glob("clickseg-a-*.tif"))) == 1
