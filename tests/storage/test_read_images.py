"""Files: what is written is read again; what cannot be read or written is told in one sentence."""

from __future__ import annotations

import errno
import gzip
from pathlib import Path

import numpy as np
import pytest
import tifffile
from skimage import io

from napari_clickseg.storage import write_labels as files
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.storage.tables import open_table, write_table
from napari_clickseg.storage.write_labels import check_labels_path, write_labels

RNG = np.random.default_rng(0)


def picture(*shape: int, dtype: str = "uint8") -> np.ndarray:
    return RNG.integers(0, 200, shape).astype(dtype)


@pytest.mark.parametrize(
    ("name", "shape", "axes"),
    [
        ("a.png", (20, 30), "YX"),
        ("a.png", (20, 30, 3), "YXC"),
        ("a.png", (20, 30, 4), "YXC"),
        ("a.bmp", (20, 30), "YX"),
    ],
)
def test_pictures_keep_their_pixels_and_have_colour_last(tmp_path: Path, name: str, shape: tuple, axes: str) -> None:
    pixels = picture(*shape)
    io.imsave(tmp_path / name, pixels, check_contrast=False)
    image = read_image(tmp_path / name)
    assert image.axes == axes
    np.testing.assert_array_equal(image.array, pixels)


def test_a_jpeg_is_read_in_colour(tmp_path: Path) -> None:
    io.imsave(tmp_path / "a.jpg", np.full((20, 30, 3), 90, np.uint8), check_contrast=False)
    image = read_image(tmp_path / "a.jpg")
    assert (image.shape, image.channels) == ((20, 30), 3)


def test_grey_with_alpha_is_grey(tmp_path: Path) -> None:
    pixels = picture(20, 30, 2)
    io.imsave(tmp_path / "a.png", pixels, check_contrast=False)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").array, pixels[..., 0])


def test_a_plain_tiff_stays_on_disk(tmp_path: Path) -> None:
    pixels = picture(4, 20, 30, dtype="uint16")
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    image = read_image(tmp_path / "a.tif")
    assert isinstance(image.array, np.memmap)
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.array, pixels)


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_byte_order_does_not_change_pixels(tmp_path: Path, byteorder: str) -> None:
    pixels = picture(20, 30, dtype="uint16")
    tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=byteorder)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array, pixels)


def test_axes_named_in_the_metadata_win_over_a_guess(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", picture(5, 20, 30), metadata={"axes": "TYX"}, compression="zlib")
    assert read_image(tmp_path / "a.tif").axes == "TYX"


def test_axes_named_by_the_caller_win_over_the_file(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", picture(5, 20, 30), metadata={"axes": "TYX"})
    assert read_image(tmp_path / "a.tif", axes="zyx").axes == "ZYX"


def test_imagej_hyperstacks_bring_axes_and_spacing(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        picture(3, 4, 2, 20, 30),
        imagej=True,
        resolution=(4.0, 5.0),
        metadata={"axes": "TZCYX", "spacing": 2.0, "unit": "um"},
    )
    image = read_image(tmp_path / "a.tif", channel=1)
    assert (image.axes, image.shape, image.channel) == ("TZCYX", (3, 4, 20, 30), 1)
    assert image.spacing == pytest.approx((1.0, 2.0, 0.2, 0.25))


def test_ome_units_become_micrometres(tmp_path: Path) -> None:
    metadata = {"axes": "ZYX", "PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeZ": 1.5}
    tifffile.imwrite(tmp_path / "a.ome.tif", picture(4, 20, 30), metadata=metadata)
    assert read_image(tmp_path / "a.ome.tif").spacing == pytest.approx((1.5, 1.0, 0.25))


def test_rgb_tiff_has_three_channels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", picture(20, 30, 3), photometric="rgb")
    image = read_image(tmp_path / "a.tif")
    assert (image.axes, image.channels) == ("YXC", 3)


def test_npy_stays_on_disk(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", picture(20, 30))
    assert isinstance(read_image(tmp_path / "a.npy").array, np.memmap)


def test_ome_zarr_brings_the_finest_level_axes_and_spacing(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=picture(2, 20, 30))
    scale = {"type": "scale", "scale": [1.0, 0.5, 0.25]}
    group.attrs["multiscales"] = [
        {
            "axes": [{"name": n} for n in "cyx"],
            "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
        }
    ]
    image = read_image(tmp_path / "a.zarr")
    assert (image.axes, image.shape, image.spacing) == ("CYX", (20, 30), (0.5, 0.25))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no file .*nothing\.tif"):
        read_image(tmp_path / "nothing.tif")


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.npy", "a.docx"])
def test_a_file_that_is_no_image_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"this is no image")
    with pytest.raises(ValueError, match="cannot be read as an image") as caught:
        read_image(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_truncated_png_is_unreadable(tmp_path: Path) -> None:
    io.imsave(tmp_path / "a.png", picture(50, 50), check_contrast=False)
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cannot be read as an image"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize(("shape", "axes"), [((20, 30), "YX"), ((3, 20, 30), "TYX"), ((2, 3, 20, 30), "TZYX")])
def test_labels_come_back_from_tiff_with_axes_and_spacing(tmp_path: Path, shape: tuple, axes: str) -> None:
    labels = RNG.integers(0, 300, shape).astype(np.int64)
    spacing = tuple(1.0 if axis == "T" else 0.5 for axis in axes)
    write_labels(tmp_path / "a.tif", labels, axes, spacing)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.array, labels)
    assert (image.axes, image.spacing) == (axes, spacing)
    assert image.array.dtype == np.uint16


def test_many_ids_take_32_bits(tmp_path: Path) -> None:
    labels = np.array([[0, 70_000]])
    write_labels(tmp_path / "a.tif", labels)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), labels)


@pytest.mark.parametrize("name", ["a.png", "a.npy"])
def test_labels_come_back_from_other_formats(tmp_path: Path, name: str) -> None:
    labels = RNG.integers(0, 60_000, (20, 30))
    write_labels(tmp_path / name, labels)
    np.testing.assert_array_equal(read_image(tmp_path / name).array, labels)


@pytest.mark.parametrize(
    ("name", "labels", "sentence"),
    [
        ("a.jpg", np.zeros((4, 4), int), r"must end in \.tif"),
        ("a.png", np.zeros((2, 4, 4), int), "one plane"),
        ("a.png", np.full((4, 4), 70_000), "ids up to 70000"),
        ("a.tif", np.full((4, 4), -1), "ids must lie between"),
        ("a.tif", np.zeros((4, 4)), "must be integers"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_and_leaves_no_file(
    tmp_path: Path, name: str, labels: np.ndarray, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        write_labels(tmp_path / name, labels)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_labels(tmp_path / "a.tif", np.ones((4, 4), int))

    def full_disk(path: Path, *rest: object) -> None:
        path.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(files.LABEL_WRITERS, ".tif", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_labels(tmp_path / "a.tif", np.zeros((4, 4), int))
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
    assert tifffile.imread(tmp_path / "a.tif").min() == 1


def test_a_full_disk_that_has_no_number_is_told_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(path: Path, *rest: object) -> None:
        raise OSError("64 requested and 8 written")

    monkeypatch.setitem(files.LABEL_WRITERS, ".npy", full_disk)
    with pytest.raises(OSError, match=r"^\S*a\.npy cannot be written: 64 requested"):
        write_labels(tmp_path / "a.npy", np.zeros((4, 4), int))


def test_a_missing_folder_is_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        check_labels_path(tmp_path / "nowhere" / "a.tif")


def test_a_table_has_the_columns_of_its_first_row_in_every_line(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", [{"model": "brs", "mb": 1.5}, {"mb": 2, "model": "é, quoted"}])
    assert (tmp_path / "a.csv").read_bytes() == 'model,mb\nbrs,1.5\n"é, quoted",2\n'.encode()


def test_a_table_reads_the_same_packed(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", [{"model": "é, quoted", "mb": 2}])
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    for name in ("a.csv", "a.csv.gz"):
        with open_table(tmp_path / name) as table:
            assert list(table) == [{"model": "é, quoted", "mb": "2"}]


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", [], ("model", "mb"))
    assert (tmp_path / "a.csv").read_text() == "model,mb\n"


@pytest.mark.parametrize("rows", [[], [{"model": "itis"}, {"beads": 1}]])
def test_rows_that_are_no_table_leave_the_old_one(tmp_path: Path, rows: list) -> None:
    write_table(tmp_path / "a.csv", [{"model": "brs"}])
    with pytest.raises(ValueError, match=r"no rows to write|not in fieldnames: 'beads'"):
        write_table(tmp_path / "a.csv", rows)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["model\nbrs\n"]
