"""Labels: every way in which people keep label images gives the same ids, or is refused in one sentence."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from imageio import v3
from PIL import Image as Picture

from napari_clickseg.storage.read_labels import as_ids, read_labels, read_labels_for

IDS = np.zeros((12, 16), np.uint8)
IDS[2:5, 3:9], IDS[7:10, 4:12] = 1, 2


def palette_png(path: Path) -> None:
    picture = Picture.fromarray(IDS, "L").convert("P")
    picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [224, 224, 192] * 253)
    picture.save(path)


def grey_in_colours(path: Path) -> None:
    v3.imwrite(path, np.repeat(IDS[..., None], 3, axis=-1))


def grey_with_opacity(path: Path) -> None:
    v3.imwrite(path, np.dstack([IDS, IDS, IDS, np.full_like(IDS, 255)]))


def cellpose_session(path: Path, **more: object) -> None:
    held = {"masks": IDS.astype(np.uint16), "outlines": IDS > 0, "filename": str(path), "ismanual": np.zeros(2, bool)}
    np.save(path, {**held, "flows": [np.zeros((2, 3)), np.float32(2.0)], "diameter": 30.0, **more}, allow_pickle=True)


def tiff(dtype: str, shift: float = 0) -> Callable[[Path], None]:
    return lambda path: tifffile.imwrite(path, (IDS.astype(dtype) + np.dtype(dtype).type(shift)))


def ngff(path: Path) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", data=IDS.astype(np.int32))
    group.attrs["multiscales"] = [{"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.png", palette_png),
        ("a.png", grey_in_colours),
        ("a.png", grey_with_opacity),
        ("a.bmp", grey_in_colours),
        ("a.png", lambda path: v3.imwrite(path, IDS)),
        ("a.png", lambda path: v3.imwrite(path, IDS.astype(np.uint16))),
        ("a.gif", lambda path: v3.imwrite(path, IDS)),
        ("a.tif", tiff("uint8")),
        ("a.tif", tiff("uint32")),
        ("a.tif", tiff("int16")),
        ("a.tif", tiff("float32")),
        ("a.tif", tiff("float64")),
        ("a.tif", lambda path: tifffile.imwrite(path, np.where(IDS == 0, -1, IDS.astype(np.int32)))),
        ("a.tif", lambda path: tifffile.imwrite(path, np.where(IDS == 0, -1, IDS.astype(np.float32)))),
        ("a.tif", lambda path: tifffile.imwrite(path, IDS.astype(np.uint16), imagej=True)),
        ("a.tif", lambda path: tifffile.imwrite(path, IDS[None, :, :, None], photometric="minisblack")),
        ("a.npy", lambda path: np.save(path, IDS.astype(np.int64))),
        ("a.npy", lambda path: np.save(path, np.asfortranarray(IDS.astype(">i4")))),
        ("a_seg.npy", cellpose_session),
        ("a_seg.npy", lambda path: np.save(path, IDS)),
        ("a_segm.npz", lambda path: np.savez_compressed(path, IDS.astype(np.uint32))),
        ("a_segm.npz", lambda path: np.savez_compressed(path, arr_0=IDS)),
        ("a.zarr", ngff),
        ("a", ngff),
    ],
)
def test_the_same_ids_from_every_way_of_keeping_them(tmp_path: Path, name: str, write: Callable) -> None:
    write(tmp_path / name)
    labels = np.asarray(read_labels_for(tmp_path / name, (12, 16)))
    assert labels.dtype.kind in "iu"
    np.testing.assert_array_equal(labels, IDS)


def test_a_mask_of_true_and_false_is_one_object(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", IDS > 0)
    v3.imwrite(tmp_path / "a.png", (IDS > 0).astype(np.uint8) * 255)
    assert sorted(np.unique(read_labels(tmp_path / "a.npy").array)) == [0, 1]
    assert sorted(np.unique(read_labels(tmp_path / "a.png").array)) == [0, 255]


def test_integers_stay_on_disk(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", IDS.astype(np.int32))
    assert isinstance(read_labels(tmp_path / "a.npy").array, np.memmap)


@pytest.mark.parametrize(
    ("labels", "ids"),
    [
        ([[-1, -1], [3, 4]], [[0, 0], [3, 4]]),
        ([[-1, 0, 0], [3, 4, 0]], [[0, 0, 0], [3, 4, 0]]),
        ([[-1.0, 2.0]], [[0, 2]]),
        ([[0.0, 70000.0]], [[0, 70000]]),
        ([[True, False]], [[1, 0]]),
        ([[np.nan, 1.0]], [[0, 1]]),
        ([[np.nan, np.nan, 0.0, 7.0], [0.0] * 4], [[0, 0, 0, 7], [0] * 4]),
        ([[-9999, 4]], [[0, 4]]),
        ([[-9999.0, np.nan, 4.0]], [[0, 0, 4]]),
    ],
)
def test_what_stands_for_background_becomes_0(labels: list, ids: list) -> None:
    assert as_ids(np.array(labels)).tolist() == ids


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (np.array([[-1, -1, 0], [1, 2, -1]]), "has -1 as its background and an object 0"),
        (np.array([[np.nan, np.nan, 0.0, 1.0]]), "has NaN as its background and an object 0"),
        (np.array([[-3, -1, 1]]), "holds the number -3"),
        (np.array([[-2, 1]]), "holds the number -2, but ids are whole numbers from 1 on"),
        (np.array([[0.5, 1.0]]), "numbers with fractions"),
        (np.array([[np.inf, 1.0]]), "numbers with fractions"),
        (np.array([[1j, 0]]), "labels must be whole numbers"),
        (np.array([["a", "b"]]), "labels must be whole numbers"),
    ],
)
def test_what_is_no_id_is_refused(labels: np.ndarray, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        as_ids(labels)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float32"])
def test_the_lowest_number_of_a_type_is_no_value(dtype: str) -> None:
    lowest = np.iinfo(dtype).min if dtype.startswith("int") else np.finfo(dtype).min
    assert as_ids(np.array([[lowest, 5]], dtype)).tolist() == [[0, 5]]


@pytest.mark.parametrize(
    ("labels", "background"),
    [
        (IDS + 1, 1),
        (np.where(IDS == 0, 255, IDS.astype(np.int64)).astype(np.uint8), 255),
        (np.where(IDS == 0, 65535, IDS.astype(np.int64)).astype(np.uint16), 65535),
        (np.where(IDS == 0, 3, IDS.astype(np.int64)).astype(np.int32), 3),
        (np.where(IDS == 0, 2**31 - 1, IDS.astype(np.int64)).astype(np.float64), 2**31 - 1),
    ],
)
def test_a_number_that_looks_like_background_is_asked_about(labels: np.ndarray, background: int) -> None:
    with pytest.raises(ValueError, match=rf"hold {background} over most .* --background {background}, or"):
        as_ids(labels)
    objects = as_ids(labels, background=background)
    assert np.array_equal(np.where(objects, objects - objects[objects > 0].min() + 1, 0), IDS)
    assert np.array_equal(as_ids(labels, background=0), labels)


def test_a_background_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="holds no 9, so it cannot be their background"):
        as_ids(IDS, background=9)


def test_axes_of_length_one_do_not_matter_and_other_shapes_do(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", IDS[None])
    assert read_labels_for(tmp_path / "a.npy", (12, 16)).shape == (12, 16)
    assert read_labels_for(tmp_path / "a.npy", (1, 1, 12, 16)).shape == (1, 1, 12, 16)
    with pytest.raises(ValueError, match=r"has the shape \(1, 12, 16\), but .* \(5, 12, 16\) or \(16, 12\)"):
        read_labels_for(tmp_path / "a.npy", (5, 12, 16), (16, 12))


@pytest.mark.parametrize(
    ("name", "write", "sentence"),
    [
        (
            "a.png",
            lambda p: v3.imwrite(p, np.array([[[0, 0, 0], [255, 0, 0]]], np.uint8)),
            "no label image: it has col",
        ),
        ("a.tif", lambda p: tifffile.imwrite(p, np.zeros((2, 8, 9), "u1"), metadata={"axes": "CYX"}), None),
        ("a_segm.npz", lambda p: np.savez(p, a=IDS, b=IDS), r"holds 2 arrays \(a, b\); wanted is one"),
        ("a_segm.npz", lambda p: p.write_bytes(b"PK\x03\x04 damaged"), "cannot be read as an image"),
        ("a_seg.npy", lambda p: np.save(p, {"outlines": IDS}, allow_pickle=True), "holds no masks"),
        ("a_seg.npy", lambda p: np.save(p, np.array([1, None]), allow_pickle=True), "holds no masks"),
        ("a_seg.npy", lambda p: p.write_bytes(b"no array"), "damaged, or no session of Cellpose"),
        ("a_seg.npy", lambda p: cellpose_session(p, hook=slice(2)), None),
    ],
)
def test_what_is_no_label_file_is_one_sentence(
    tmp_path: Path, name: str, write: Callable, sentence: str | None
) -> None:
    write(tmp_path / name)
    if sentence is None:
        assert read_labels(tmp_path / name).shape in ((8, 9), (12, 16))
        return
    with pytest.raises(ValueError, match=sentence):
        read_labels(tmp_path / name)


class Harmful:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("harmed"),))


def test_a_session_of_cellpose_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cellpose_session(tmp_path / "a_seg.npy", more=Harmful())
    with pytest.raises(ValueError, match="opening it could run code"):
        read_labels(tmp_path / "a_seg.npy")
    assert not (tmp_path / "harmed").exists()
    pickle.loads(pickle.dumps(Harmful()))
    assert (tmp_path / "harmed").exists()


def test_a_background_below_0_is_taken_where_it_is_named() -> None:
    labels = np.array([[-5, -5, -5], [-5, 2, 1]], np.int16)
    assert as_ids(labels, background=-5).tolist() == [[0, 0, 0], [0, 2, 1]]
    with pytest.raises(ValueError, match="say --background -5 where it is background"):
        as_ids(labels)
    with pytest.raises(ValueError, match=r"holds the number -7.*relabel the objects"):
        as_ids(np.array([[-5, -7, 1]]), background=-5)
