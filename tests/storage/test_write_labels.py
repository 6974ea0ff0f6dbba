"""Label writers: what is written is read again with ids, axes and spacing, plane by plane, whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_clickseg.core.geometry import Geometry
from napari_clickseg.storage import atomic as files
from napari_clickseg.storage import read_tiff as readers
from napari_clickseg.storage import write_labels as label_writers
from napari_clickseg.storage.atomic import written_whole
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.storage.write_labels import check_labels_path, write_labels

RNG = np.random.default_rng(0)


class Planes:
    """Labels that can only be read plane by plane, and count how many were read."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.read = 0

    def __getitem__(self, index: tuple) -> np.ndarray:
        block = self.array[index]
        assert block.ndim == 2
        self.read += 1
        return block


def ids(*shape: int, highest: int = 300) -> np.ndarray:
    return RNG.integers(0, highest, shape).astype(np.int32)


@pytest.mark.parametrize("name", ["a.tif", "a.zarr"])
@pytest.mark.parametrize(
    ("axes", "shape", "spacing"),
    [
        ("YX", (20, 30), (0.5, 0.25)),
        ("TYX", (3, 20, 30), (120.0, 0.5, 0.25)),
        ("ZYX", (3, 20, 30), (2.0, 0.5, 0.25)),
        ("TZYX", (2, 3, 20, 30), (120.0, 2.0, 0.5, 0.25)),
        ("ZYX", (3, 20, 30), (1.0, 1.0, 1.0)),
    ],
)
def test_labels_come_back_with_axes_and_spacing(
    tmp_path: Path, name: str, axes: str, shape: tuple[int, ...], spacing: tuple[float, ...]
) -> None:
    labels = Planes(ids(*shape))
    write_labels(tmp_path / name, labels, axes, spacing)
    back = read_image(tmp_path / name)
    np.testing.assert_array_equal(back.array[...], labels.array)
    assert (back.axes, back.spacing, back.array.dtype) == (axes, spacing, np.uint16)
    assert labels.read == 2 * len(list(np.ndindex(*shape[:-2])))


def test_unknown_spacing_is_not_called_a_micrometre(tmp_path: Path) -> None:
    write_labels(tmp_path / "a.tif", ids(20, 30), "YX", (1.0, 1.0))
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert "PhysicalSize" not in tiff.ome_metadata
    write_labels(tmp_path / "a.zarr", ids(20, 30), "YX", (1.0, 0.5))
    axes = zarr.open_group(tmp_path / "a.zarr", mode="r").attrs["multiscales"][0]["axes"]
    assert [axis.get("unit") for axis in axes] == [None, "micrometer"]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_ome_zarr_of_either_version_has_levels_whose_pixels_are_ids(tmp_path: Path, zarr_format: int) -> None:
    labels = ids(2, 1100, 2100)
    place = Geometry("TYX", (3.0, 1.0, 0.5), (0.0,) * 3, ("second", "", "micrometer"))
    label_writers.write_pyramid(tmp_path / "a.zarr", labels, np.dtype("u2"), place, zarr_format)
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    told = group.attrs["ome"] if zarr_format == 3 else group.attrs["multiscales"][0]
    assert told["version"] == {2: "0.4", 3: "0.5"}[zarr_format]
    np.testing.assert_array_equal(group["2"][:], labels[:, ::4, ::4])
    assert group["2"].chunks == (1, 275, 512)
    levels = (told if zarr_format == 2 else told["multiscales"][0])["datasets"]
    scales = [level["coordinateTransformations"][0]["scale"] for level in levels]
    assert scales == [[3.0, 1.0, 0.5], [3.0, 2.0, 1.0], [3.0, 4.0, 2.0]]
    back = read_image(tmp_path / "a.zarr")
    assert (back.axes, back.spacing) == ("TYX", (3.0, 1.0, 0.5))
    np.testing.assert_array_equal(back.array[1], labels[1])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_labels_join_the_image_that_they_belong_to(tmp_path: Path, zarr_format: int) -> None:
    image = tmp_path / "cells.zarr"
    place = Geometry("ZYX", (2.0, 1.0, 1.0), (0.0,) * 3, ("micrometer", "", ""))
    label_writers.write_pyramid(image, ids(3, 20, 30), np.dtype("u2"), place, zarr_format)
    (image / "labels").mkdir()
    for name in ("nuclei", "cells", "nuclei"):
        write_labels(image / "labels" / name, ids(3, 20, 30), "ZYX", (2.0, 1.0, 1.0))
    told = dict(zarr.open_group(image / "labels", mode="r").attrs)
    assert told.get("ome", told)["labels"] == ["nuclei", "cells"]
    assert read_image(image / "labels" / "cells").spacing == (2.0, 1.0, 1.0)
    assert read_image(image).spacing == (2.0, 1.0, 1.0)
    assert zarr.open_group(image / "labels" / "cells", mode="r").metadata.zarr_format == zarr_format


def test_labels_join_no_image_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.zarr" / "labels").mkdir(parents=True)
    zarr.open_group(tmp_path / "a.zarr", mode="a")
    with pytest.raises(ValueError, match="holds no OME-Zarr image"):
        write_labels(tmp_path / "a.zarr" / "labels" / "cells", ids(20, 30))
    assert list((tmp_path / "a.zarr" / "labels").iterdir()) == []


def test_a_folder_of_labels_is_replaced_as_a_whole_or_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = ids(3, 20, 30), ids(3, 20, 30)
    write_labels(tmp_path / "a.zarr", old)

    def full_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(label_writers, "described", full_disk)
        with pytest.raises(OSError, match="No space left"):
            write_labels(tmp_path / "a.zarr", new)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr").array[:], old)
    write_labels(tmp_path / "a.zarr", new)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr").array[:], new)


def test_a_folder_that_cannot_be_replaced_at_the_last_moment_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "old.txt").write_text("old", "utf-8")
    rename = files.os.replace

    def only_old_ones(source: Path, target: Path) -> None:
        if ".part" in source.name:
            raise OSError(errno.EACCES, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(files.os, "replace", only_old_ones)
    with pytest.raises(OSError, match="Permission denied"), written_whole(tmp_path / "result") as unfinished:
        unfinished.mkdir()
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")] == ["result/old.txt"]


def test_a_folder_can_be_written_whole(tmp_path: Path) -> None:
    for content in ("one", "two"):
        with written_whole(tmp_path / "r") as unfinished:
            unfinished.mkdir()
            (unfinished / "f").write_text(content)
    assert [path.name for path in tmp_path.iterdir()] == ["r"]
    assert (tmp_path / "r" / "f").read_text() == "two"


def test_a_large_compressed_tiff_is_decoded_plane_by_plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = ids(4, 20, 30)
    write_labels(tmp_path / "a.tif", labels, "TYX")
    monkeypatch.setattr(readers, "DECODED_AT_ONCE", 100)
    image = read_image(tmp_path / "a.tif")
    assert isinstance(image.array, zarr.Array)
    assert image.axes == "TYX"
    np.testing.assert_array_equal(image.array[2], labels[2])


def test_zarr_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(
        ValueError, match=r'Reading and writing zarr needs the package zarr: pip install "napari-clickseg\[zarr\]"'
    ):
        write_labels(tmp_path / "a.zarr", ids(4, 4))
    assert list(tmp_path.iterdir()) == []


def test_only_names_that_can_be_written_pass(tmp_path: Path) -> None:
    check_labels_path(tmp_path / "a.TIF")
    with pytest.raises(ValueError, match=r"must end in \.tif, \.tiff, \.zarr, \.png, \.npy"):
        check_labels_path(tmp_path / "labels")
    check_labels_path(tmp_path / "a.png", "YX")
    with pytest.raises(ValueError, match=r"a\.png would hold one plane, but the labels have the axes TYX"):
        check_labels_path(tmp_path / "a.png", "TYX")
